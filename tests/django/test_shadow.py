"""Shadow mode: the real django-waffle and django-flags beside ours, in a site of their own process."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@cache
def _site(options: str, cookies: str = "{}") -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.django.shadow_site", f"[{options}, {cookies}]"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def site(cookies: dict[str, str] | None = None, **options: Any) -> dict[str, Any]:
    """What the site served under these settings."""
    return _site(json.dumps(options), json.dumps(cookies or {}))


def test_old_answer_is_served_and_differences_are_counted() -> None:
    """waffle decides what it knows, under our spelling of the key; each difference is counted and logged."""
    found = site(SHADOW="waffle", SHADOW_NAMES={"renamed": "OldName"})
    served = found["served"]
    assert [served[key] for key in ("same", "differs", "renamed", "only-here", "only-there")] == [
        True, False, False, True, True,
    ]  # fmt: skip
    assert found["counts"]["agreed"]["same"] == 2
    assert found["counts"]["disagreed"] == {"differs": 2, "renamed": 2}
    assert found["counts"]["missing"] == {"only-there": 2, "only-here": 2, "half": 2, "killed": 2, "insiders": 2}
    assert sum("'differs'" in line and "ours says True" in line for line in found["logged"]) == 2


def test_a_name_that_the_old_system_does_not_have_is_told() -> None:
    """Without its old name a flag would be served by ours unnoticed: the log says so once, and what to set."""
    told = [line for line in site(SHADOW="waffle")["logged"] if "has none of that name" in line]
    assert sum("'renamed'" in line for line in told) == 1
    assert all("SHADOW_NAMES" in line for line in told)
    assert not any("'same'" in line for line in told)


def test_a_sample_draws_anew_and_is_no_difference() -> None:
    """A waffle sample is a dice at each call: its answer is served and never counted as a disagreement."""
    found = site(SHADOW="waffle", SHADOW_NAMES={"renamed": "OldName"})
    assert found["served"]["drawn"] is True
    assert found["counts"]["agreed"]["drawn"] == 2


def test_pages_under_shadow_are_private() -> None:
    """What the old system reads is not known, so no shared cache keeps the page; one without a flag is untouched."""
    found = site(SHADOW="waffle", SHADOW_NAMES={"renamed": "OldName"})
    assert "private" in found["cache"]
    assert "Cache-Control" not in found["silent"]


def test_django_flags_is_asked_alike() -> None:
    """django-flags' settings decide, in upper case, too."""
    found = site(SHADOW="django-flags", SHADOW_NAMES={"renamed": "OldName"})
    assert [found["served"][key] for key in ("same", "differs", "renamed", "only-here")] == [True, False, False, True]
    assert found["counts"]["disagreed"] == {"differs": 2, "renamed": 2}


@pytest.mark.parametrize("server", ["async", "wsgi"])
def test_an_asynchronous_view_is_served_the_old_answer(server: str) -> None:
    """waffle is asked ahead, database and all, under either kind of server; served and counted as in other views."""
    found = site(SHADOW="waffle", SHADOW_NAMES={"renamed": "OldName"})
    there = found[server]
    known = found["served"].keys() - {"half"}  # which waffle does not have, and each visitor falls on a side of ours
    assert {key: there["served"][key] for key in known} == {key: found["served"][key] for key in known}
    counted = {kind: {key: each // 2 for key, each in kinds.items()} for kind, kinds in found["counts"].items()}
    assert there["counts"] == {**counted, "missing": {**counted["missing"], "asked": 1}}
    assert "private" in there["cache"]
    assert not any("event loop" in line for line in there["logged"])


@pytest.mark.parametrize("server", ["async", "wsgi"])
def test_what_was_asked_ahead_leaves_no_cookie_until_it_is_read(server: str) -> None:
    """waffle draws for two flags; only the one that the view reads becomes the visitor's."""
    assert site(SHADOW="waffle", SHADOW_NAMES={"renamed": "OldName"})[server]["cookies"] == ["asked"]


READING = "tests.django.shadow_site.Reading"
FIRST = "tests.django.shadow_site.synchronous_only"
NAMED = ["alone", "below a synchronous one", "before the user is known"]
AUTHENTICATES = "django.contrib.auth.middleware.AuthenticationMiddleware"


@pytest.mark.parametrize("server", ["async", "wsgi", "synchronous"])
@pytest.mark.parametrize("within", [[READING], [FIRST, READING], [READING, AUTHENTICATES]], ids=NAMED)
@pytest.mark.parametrize("system", ["waffle", "django-flags"])
def test_asynchronous_middleware_is_served_the_old_answer(system: str, within: list[str], server: str) -> None:
    """Before the view is known and after it is done, under either server, before either kind of view: as in views."""
    found = site(SHADOW=system, SHADOW_NAMES={"renamed": "OldName"}, within=within)[server]
    assert found["read"] == {"same": True, "differs": False, "renamed": False}
    assert found["served"]["differs"] is False
    assert found["counts"]["disagreed"] == {"differs": 1, "renamed": 1}
    assert found["counts"]["agreed"]["same"] == 1
    assert not any("event loop" in line or "failed" in line for line in found["logged"])


def test_threads_are_not_asked_for_where_no_middleware_could_read_on_a_loop() -> None:
    """Django's own middleware, and what is made from its mixin, runs its hooks in threads: nothing is asked ahead."""
    found = site(SHADOW="waffle", within=["django.middleware.common.CommonMiddleware"])
    assert "Vary" not in found["silent_async"]
    assert "Cookie" in site(SHADOW="waffle", within=[READING])["silent_async"].get("Vary", "")


@pytest.mark.parametrize("body", ["stream", "astream"])
def test_a_streaming_body_is_served_the_old_answer(body: str) -> None:
    """Flags that are first read while the body is made are waffle's, too."""
    found = site(SHADOW="waffle", SHADOW_NAMES={"renamed": "OldName"})
    assert found[body] == '{"same": true}{"differs": false}'


def test_django_flags_is_asked_ahead_alike() -> None:
    """The table and the settings decide in an asynchronous view, too."""
    found = site(SHADOW="django-flags", SHADOW_NAMES={"renamed": "OldName"})
    assert [found["async"]["served"][key] for key in ("same", "differs", "renamed")] == [True, False, False]
    assert found["async"]["counts"]["disagreed"] == {"differs": 1, "renamed": 1}


@pytest.mark.parametrize("value", [True, False])
def test_waffle_cookies_pin_rollouts_until_a_day(value: bool) -> None:
    """Who has a cookie stays on its side of a rollout; rules that are no rollout, and killed flags, are not pinned."""
    cookies = {"dwf_half": str(value), "dwf_killed": "True", "dwf_insiders": "False"}
    found = site(cookies, WAFFLE_COOKIES_UNTIL="2999-01-01")
    assert found["served"]["half"] is found["again"]["half"] is value
    assert found["served"]["killed"] is False
    assert found["served"]["insiders"] is True
    assert "private" in found["cache"]


def test_cookies_count_no_longer_after_that_day() -> None:
    """Past the day ours decides: two cookies make no difference."""
    past = {"WAFFLE_COOKIES_UNTIL": "2020-01-01"}
    on, off = (site({"dwf_same": value, "dwf_half": value}, **past)["served"] for value in ("True", "False"))
    assert on["same"] is off["same"] is True
    assert site({}, **past)["counts"] == {"agreed": {}, "disagreed": {}, "missing": {}}


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"SHADOW": "wafle"}, "'wafle' is none of waffle, django-flags"),
        ({"WAFFLE_COOKIES_UNTIL": "soon"}, "expected a day"),
    ],
)
def test_settings_are_checked_at_the_start(options: dict[str, str], told: str) -> None:
    """A wrong setting stops the site and names what it should hold."""
    command = [sys.executable, "-m", "tests.django.shadow_site", f"[{json.dumps(options)}, {{}}]"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    assert told in done.stderr


def test_counts_of_all_processes_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes that share a cache: ``manage.py flags_shadow`` shows their sum, what differs first."""
    monkeypatch.setenv("SHADOW_FOLDER", str(tmp_path))
    options = json.dumps({"SHADOW": "waffle", "SHADOW_CACHE": "shared"})
    first, second = (json.loads(_site.__wrapped__(options)["shared"]) for _ in range(2))
    assert first["disagreed"] == {"differs": 2}
    # Each process shows its counts after two requests and then serves five more.
    assert second["disagreed"] == {"differs": 9}
    assert second["agreed"]["same"] == 9
    assert second["missing"]["only-there"] == 7  # a key that our own flags do not have
    table = _site.__wrapped__(options)["table"].splitlines()
    assert table[0].split() == ["flag", "agreed", "disagreed", "missing"]
    assert table[1].split() == ["differs", "0", "16", "0"]


def test_a_request_in_shadow_differs_from_none() -> None:
    """asgiref on Python 3.10 carries a context variable into an asynchronous view only if its value is another one."""
    from flagmiddleware.django.shadow import _Layer
    from flagmiddleware.overrides import current

    layer = _Layer(None, current())  # type: ignore[arg-type]
    assert layer == layer
    assert layer != current()
    assert layer != _Layer(None, current())  # type: ignore[arg-type]


def test_a_cache_that_fails_harms_no_request() -> None:
    """An unknown or broken cache is told once; what is served and counted here stays as it is."""
    found = site(SHADOW="waffle", SHADOW_CACHE="shared")  # its folder is none
    assert found["served"]["same"] is True
    assert found["counts"]["disagreed"]["differs"] == 2
