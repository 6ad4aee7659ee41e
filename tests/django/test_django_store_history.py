"""The history of the Django store: each change in words, and every document that there ever was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flagmiddleware import formats
from flagmiddleware.django.store.models import HistoryEntry
from flagmiddleware.django.store.source import OrmSource
from flagmiddleware.sources.base import Change, FlagChange
from flagmiddleware.sources.chain import faults, verify

pytestmark = pytest.mark.django_db


def data(flags: dict[str, Any], **top: Any) -> bytes:
    return json.dumps({"version": 1, **top, "flags": flags}).encode()


def put(expected: str | None, document: bytes, **told: Any) -> str:
    return OrmSource().write(Change(data=document, actor="Ann", reason="a test", via="test", **told), expected)


def newest(flag: str) -> HistoryEntry:
    entry = HistoryEntry.objects.filter(flag=flag).first()
    assert entry is not None
    return entry


def test_a_change_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """From what to what, for which share of everyone, under which revision of the application, all of it linked."""
    monkeypatch.setenv("FLAGMIDDLEWARE_APP_REVISION", "shop-1.2")
    put(None, data({"beta": {"rules": [{"rollout": "5%"}]}}))
    put("1", data({"beta": {"rules": [{"rollout": "25%"}]}}))
    entry = newest("beta")
    assert (entry.kind, entry.was, entry.will) == ("increased", "on for 5 % of everyone", "on for 25 % of everyone")
    assert entry.exposure_before == pytest.approx(0.05)
    assert entry.exposure_after == pytest.approx(0.25)
    assert (entry.environment, entry.app_revision) == ("", "shop-1.2")
    record = OrmSource().history(1)[0]
    assert (record["from"], record["to"], record["kind"]) == (entry.was, entry.will, "increased")
    assert float(record["exposure_after"]) == entry.exposure_after
    history = OrmSource().history()[::-1]
    assert verify(history) is None
    HistoryEntry.objects.filter(pk=entry.pk).update(exposure_after=0.05)
    assert verify(OrmSource().history()[::-1]) == len(history) - 1


@pytest.mark.parametrize("how", ["first", "middle", "last", "edited", "reordered", "all"])
def test_whatever_was_done_to_the_history_shows(how: str) -> None:
    """Both ends are held: the first entry by its place, the newest by the row that readers look at."""
    put(None, data({"beta": {}}))
    for number in range(1, 4):
        put(str(number), data({"beta": {"rules": [{"rollout": f"{number}%"}]}}))
    source = OrmSource()
    ids = list(HistoryEntry.objects.order_by("id").values_list("id", flat=True))
    assert list(faults(source.history()[::-1], source.head())) == []
    rows = HistoryEntry.objects.order_by("id")
    if how == "edited":
        rows.filter(pk=ids[2]).update(actor="Eve")
    elif how == "reordered":
        for old, new in ((ids[1], 10_000), (ids[2], ids[1]), (10_000, ids[2])):
            rows.filter(pk=old).update(id=new)
    else:
        taken = {"first": ids[:1], "middle": ids[2:3], "last": ids[-1:], "all": ids}[how]
        HistoryEntry.objects.filter(pk__in=taken)._raw_delete("default")
    last = len(ids)
    told = {
        "first": ": entry 1 is missing at its beginning",
        "middle": " at revision 3: entry 3 is missing before it",
        "last": f": entry {last} is missing at its end",
        "edited": " at revision 2: entry 3 is not what was written, or follows another one",
        "reordered": " at revision 1: entry 2 stands after entry 3",
        "all": ": it is empty, and the definitions tell of a change",
    }[how]
    assert told in list(faults(source.history()[::-1], source.head()))
    put("4", data({}))
    assert list(faults(source.history()[::-1], source.head()))


def test_what_changes_in_one_environment_only_is_told_of_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing changes for everybody, the entry names the environment."""
    put(None, data({"beta": {"rules": [{"serve": True}]}}))
    put("1", data({"beta": {"rules": [{"serve": True}], "environments": {"staging": {"enabled": False}}}}))
    entry = newest("beta")
    assert (entry.environment, entry.kind) == ("staging", "killed")


def test_who_knows_better_is_believed() -> None:
    """Records that come with a change are kept as they are."""
    told = FlagChange(flag="beta", kind="created", old="absent", new="as Ann said", before=0.0, after=0.5)
    put(None, data({"beta": {}}), records=(told,), app_revision="abc")
    entry = newest("beta")
    assert (entry.will, entry.exposure_after, entry.app_revision) == ("as Ann said", 0.5, "abc")


def test_every_document_that_there_was_can_be_had() -> None:
    """Flags added, changed, removed and put back, segments too: each revision says what it said then."""
    insiders = {"insiders": {"is_staff": True}}
    wrote = [
        data({"a": {}, "b": {"rules": [{"serve": True}]}}),
        data({"a": {"description": "first"}, "b": {"rules": [{"serve": True}]}}, segments=insiders),
        data({"a": {"description": "first"}}, segments=insiders),
        data({"a": {"description": "first"}}, segments=insiders),
        data({"b": {}, "a": {"description": "second"}}),
    ]
    for number, document in enumerate(wrote):
        put(str(number) if number else None, document)
    source = OrmSource()
    for number, document in enumerate(wrote, 1):
        found = source.document(str(number))
        assert found is not None
        assert json.loads(found) == json.loads(document)
        assert formats.parse(found, format="native").flags == formats.parse(document, format="native").flags
    assert [source.document(other) for other in ("0", "6", "-1", "soon", "")] == [None] * 5


def test_a_rewritten_history_leads_nowhere() -> None:
    """Where the history does not fit what it led to, there is no telling what was there before."""
    for number, text in enumerate(("one", "two", "three")):
        put(str(number) if number else None, data({"a": {"description": text}}))
    HistoryEntry.objects.filter(revision=2).update(new='{"description":"other"}')
    assert OrmSource().document("2") is not None
    assert OrmSource().document("1") is None
