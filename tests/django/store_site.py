"""A site whose flags are in its database, run as a process of its own: ``python -m tests.django.store_site SCENARIO``.

DATABASE holds the URL of a PostgreSQL, or the path of an SQLite file; every scenario asserts, and ends in silence.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import django
import pytest
from django.conf import settings


def _database(where: str) -> dict[str, Any]:
    if "://" not in where:
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": where, "OPTIONS": {"timeout": 20}}
    parts = urlsplit(where)
    place = {"HOST": parts.hostname, "PORT": parts.port, "USER": parts.username, "NAME": parts.path[1:]}
    return {"ENGINE": "django.db.backends.postgresql", **place}


settings.configure(
    SECRET_KEY="the secret key of the store's test site, long enough",
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=[
        "django.contrib.contenttypes",
        "django.contrib.auth",
        "flagmiddleware.django",
        "flagmiddleware.django.store",
    ],
    MIDDLEWARE=["flagmiddleware.django.FlagMiddleware"],
    ROOT_URLCONF="tests.django.store_site",
    DATABASES={"default": _database(os.environ["DATABASE"])},
    USE_TZ=True,
    FLAGMIDDLEWARE={"SOURCE": "django"},
)
django.setup()

from django.core.management import CommandError, call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402

from flagmiddleware.django.installed import installation  # noqa: E402
from flagmiddleware.django.store.models import HistoryEntry, StoredFlag, StoreState  # noqa: E402
from flagmiddleware.django.store.source import OrmSource  # noqa: E402
from flagmiddleware.errors import ConflictError, SourceError  # noqa: E402
from flagmiddleware.formats.native.lines import join  # noqa: E402
from flagmiddleware.sources.base import Change  # noqa: E402
from flagmiddleware.sources.chain import FIRST, link, verify  # noqa: E402


def page(request: Any) -> HttpResponse:
    return HttpResponse(str(request.flags.is_enabled("beta")))


urlpatterns = [path("", page)]


def put(expected: str | None, *, reason: str = "a test", **flags: Any) -> str:
    data = json.dumps({"version": 1, "flags": flags}).encode()
    return OrmSource().write(Change(data=data, actor="Ann", reason=reason, via="test"), expected)


ON, OFF = {"rules": [{"serve": True}]}, {"enabled": False}


def until(ready: Callable[[], Any], what: str, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def is_on() -> bool:
    return Client().get("/").content == b"True"


def follows() -> None:
    """A committed change reaches requests; no request asks the database once warm."""
    put(None, beta=OFF, other={})
    assert not is_on()
    put("1", beta=ON, other={})
    until(is_on, "the change arrived")
    connection.close()
    threads = {thread.name for thread in threading.enumerate()}
    assert "flagmiddleware-refresher" in threads
    with connection.execute_wrapper(_refuse):
        assert all(is_on() for _ in range(50))
    assert installation().flags.status.state == "READY"


def _refuse(*args: Any) -> Any:
    raise AssertionError(f"a request asked the database: {args[1]}")


def uncommitted() -> None:
    """What is not committed is never visible, also to the thread that wrote it; a rollback leaves no trace."""
    put(None, beta=OFF)
    assert not is_on()
    seen: list[bool] = []
    try:
        with transaction.atomic():
            put("1", beta=ON)
            for _ in range(30):
                seen.append(is_on())
                installation().flags.refresh()
                time.sleep(0.05)
            raise RuntimeError
    except RuntimeError:
        pass
    time.sleep(1.5)
    assert not any(seen)
    assert not is_on()
    assert OrmSource().fetch(None).revision == "1"  # type: ignore[union-attr]
    assert HistoryEntry.objects.filter(revision=2).count() == 0


def writers() -> None:
    """Many writers at once: every revision is written by one of them, and the history is whole."""
    put(None, beta=OFF, count={"description": "0"})
    total, crowd = 24, 4

    def work(name: int) -> None:
        source = OrmSource()
        for _ in range(total // crowd):
            while True:
                known = source.fetch(None)
                assert known is not None
                count = int(json.loads(known.data)["flags"]["count"]["description"])  # type: ignore[arg-type]
                try:
                    put(known.revision, beta=OFF, count={"description": str(count + 1)})
                    break
                except ConflictError:
                    time.sleep(0.01 * name)
        connection.close()

    crowd_threads = [threading.Thread(target=work, args=(name,)) for name in range(crowd)]
    for thread in crowd_threads:
        thread.start()
    for thread in crowd_threads:
        thread.join()
    newest = OrmSource().fetch(None)
    assert newest is not None
    assert newest.revision == str(total + 1)
    assert json.loads(newest.data)["flags"]["count"]["description"] == str(total)  # type: ignore[arg-type]
    history = list(reversed(OrmSource().history(1000)))
    assert verify(history) is None
    HistoryEntry.objects.filter(revision=5).update(reason="nothing to see")
    assert verify(list(reversed(OrmSource().history(1000)))) is not None


def tampered() -> None:
    """A row that was edited behind the store's back has the wrong hash: it is not served, the last good flags are."""
    put(None, beta=OFF)
    assert not is_on()
    StoredFlag.objects.update(definition=json.dumps(ON))
    StoreState.objects.update(revision=2)
    until(lambda: installation().flags.status.state == "STALE", "it was noticed")
    assert not is_on()
    assert "hash" in installation().flags.status.last_error


def empty() -> None:
    """A store without flags, or without tables, says what to do, and the site serves `off`."""
    logging.disable()
    assert not is_on()
    with pytest.raises(SourceError, match="flags push"):
        OrmSource().fetch(None)
    call_command("migrate", "flagmiddleware_store", "zero", verbosity=0)
    with pytest.raises(SourceError, match=r"manage\.py migrate"):
        OrmSource().fetch(None)


def pushed() -> None:
    """`manage.py flags push`, `kill`, `log` and `status` work on the site's own store."""
    with open("flags.yaml", "w") as file:
        file.write("version: 1\nflags: {beta: {rules: [{serve: true}]}, other: {}}\n")
    call_command("flags", "push", "flags.yaml", "-m", "first")
    until(is_on, "the push arrived")
    call_command("flags", "kill", "beta", "-m", "it burns")
    until(lambda: not is_on(), "the kill arrived")
    call_command("flags", "status")
    call_command("flags", "log", "beta")
    entry = HistoryEntry.objects.get(revision=2)
    assert (entry.flag, entry.reason, entry.via) == ("beta", "it burns", "flags kill")


def composed() -> None:
    """A file and variables over the site's store, from settings: read through, written below; `django` names it."""
    with open("flags.yaml", "w") as file:
        file.write("version: 1\nflags: {beta: {}, other: {}}\n")
    with open("mine.yaml", "w") as file:
        file.write("version: 1\nflags: {beta: {rules: [{serve: true}]}}\n")
    os.environ["SHOP_OTHER"] = "on"
    settings.FLAGMIDDLEWARE = {
        "SOURCE": {"url": "django", "fallback": "flags.yaml"}, "OVERLAY": "mine.yaml", "ENV_PREFIX": "SHOP_"
    }  # fmt: skip
    assert is_on()  # nothing is in the database yet
    call_command("flags", "push", "flags.yaml", "django", "-m", "first")
    until(lambda: installation().flags.status.revision == "1", "the push arrived")
    assert is_on()
    assert installation().flags.is_enabled("other")
    call_command("flags", "kill", "beta", "-m", "it burns")
    until(lambda: not is_on(), "the kill reached through the overlay")
    assert HistoryEntry.objects.get(revision=2).flag == "beta"
    call_command("flags", "status", "django")
    call_command("flags", "pull", "django", "copy.yaml")
    with open("copy.yaml") as file:
        assert "enabled: false" in file.read()


def reverted() -> None:
    """`manage.py flags revert REVISION:KEY` takes one flag back; what came later has to be taken back first."""
    put(None, beta=ON, other={})
    put("1", beta={**ON, "owner": ["shop"]}, other={"description": "new"}, reason="both")
    call_command("flags", "revert", "2:beta", "-m", "too early")
    assert json.loads(StoredFlag.objects.get(key="beta").definition) == ON
    assert json.loads(StoredFlag.objects.get(key="other").definition) == {"description": "new"}
    put("3", beta=ON)
    call_command("flags", "revert", "4:other", "-m", "not yet")
    assert json.loads(StoredFlag.objects.get(key="other").definition) == {"description": "new"}
    assert HistoryEntry.objects.filter(via="flags revert").count() == 2
    with pytest.raises((SystemExit, CommandError)):
        call_command("flags", "revert", "2:other", "-m", "changed since")
    assert verify(list(reversed(OrmSource().history(1000)))) is None


def cut() -> None:
    """A history that lost its first, a middle or its newest entry, or one reason: `manage.py flags log` says where."""
    put(None, beta=OFF)
    for number in range(1, 4):
        put(str(number), beta={"rules": [{"rollout": f"{number}%"}]})
    call_command("flags", "log")
    ids = list(HistoryEntry.objects.order_by("id").values_list("id", flat=True))
    for place, told in ((0, "entry 1 is missing"), (2, "entry 3 is missing"), (-1, f"entry {len(ids)} is missing")):
        with transaction.atomic():
            HistoryEntry.objects.filter(pk=ids[place])._raw_delete("default")
            assert told in _log_of_what_was_tampered_with()
            transaction.set_rollback(True)
    HistoryEntry.objects.filter(pk=ids[1]).update(reason="nothing to see")
    assert "entry 2 is not what was written" in _log_of_what_was_tampered_with()


def _log_of_what_was_tampered_with() -> str:
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(CommandError) as ended:
        call_command("flags", "log")
    assert ended.value.returncode == 1
    return said.getvalue()


def migrated() -> None:
    """A history from before it told changes in words is still whole, and goes on."""
    call_command("migrate", "flagmiddleware_store", "0001", verbosity=0)
    old = {"revision": "1", "time": repr(1.5), "keys": "beta", "actor": "Ann", "reason": "first", "via": "test"}
    old |= {"old": "", "new": "{}"}
    linked = link(FIRST, old)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO flagmiddleware_store_historyentry (revision, flag, new, actor, reason, via, at, link) "
            "VALUES (1, 'beta', '{}', 'Ann', 'first', 'test', 1.5, %s)",
            [linked],
        )
        top = '{"version":1}'
        digest = hashlib.sha256(join(top, [("beta", "{}")])).hexdigest()
        cursor.execute(
            "INSERT INTO flagmiddleware_store_storestate (id, revision, epoch, sha256, top, link) "
            "VALUES (1, 1, 'e', %s, %s, %s)",
            [digest, top, linked],
        )
        cursor.execute(
            "INSERT INTO flagmiddleware_store_storedflag (key, position, definition) VALUES ('beta', 0, '{}')"
        )
    call_command("migrate", "flagmiddleware_store", verbosity=0)
    put("1", beta=ON)
    newest, oldest = OrmSource().history()
    assert "from" not in oldest
    assert (newest["from"], newest["to"]) == ("off for everyone", "on for everyone")
    assert verify([oldest, newest]) is None


if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    if connection.vendor == "postgresql":
        HistoryEntry.objects.all().delete()
        StoredFlag.objects.all().delete()
        StoreState.objects.all().delete()
    # One module under one name: the URL configuration names it.
    sys.modules["tests.django.store_site"] = sys.modules["__main__"]
    globals()[sys.argv[1]]()
