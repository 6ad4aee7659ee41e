"""What to do with a snapshot that a store hands out, line by line of the table."""

from __future__ import annotations

import hashlib

import pytest

from flagmiddleware.reconcile import Verdict, intact, judge
from flagmiddleware.sources import Snapshot


def snapshot(revision: str = "5", epoch: str = "e", data: bytes = b"{}") -> Snapshot:
    return Snapshot(data=data, revision=revision, epoch=epoch)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (snapshot("6"), Verdict.APPLY),
        (snapshot("10"), Verdict.APPLY),
        (snapshot("5"), Verdict.SAME),
        (snapshot("5", data=b"{ }"), Verdict.CONFLICT),
        (snapshot("4"), Verdict.REWIND),
        (snapshot("4", data=b"{ }"), Verdict.REWIND),
        (snapshot("1", epoch="f"), Verdict.APPLY),
        (snapshot("5", epoch="f"), Verdict.APPLY),
        (snapshot("W/a-tag"), Verdict.APPLY),
        (snapshot(""), Verdict.APPLY),
        (snapshot("9" * 30), Verdict.APPLY),
    ],
    ids=lambda value: str(value) if isinstance(value, Verdict) else f"{value.epoch}:{value.revision}",
)
def test_revisions_order_what_one_epoch_wrote(found: Snapshot, verdict: Verdict) -> None:
    """Higher applies, lower is held, the same with other content is a conflict, another epoch always applies."""
    assert judge(snapshot("5"), found) is verdict


def test_the_first_is_applied() -> None:
    """Nothing is in force yet."""
    assert judge(None, snapshot()) is Verdict.APPLY


def test_revisions_that_are_no_numbers_have_no_order() -> None:
    """An ETag that differs is newer; the same one with the same bytes is the same."""
    assert judge(snapshot('"a"'), snapshot('"b"')) is Verdict.APPLY
    assert judge(snapshot('"b"'), snapshot('"b"')) is Verdict.SAME
    assert judge(snapshot('"b"'), snapshot('"b"', data=b"{ }")) is Verdict.APPLY


def test_a_hash_that_does_not_fit_is_seen() -> None:
    """Where a store names a hash the data must have it; where it names none there is nothing to check."""
    digest = hashlib.sha256(b"{}").hexdigest()
    assert intact(Snapshot(data=b"{}", sha256=digest))
    assert not intact(Snapshot(data=b"{ }", sha256=digest))
    assert intact(Snapshot(data=b"{ }"))
    assert intact(Snapshot(data={"a": b""}, sha256="x"))
