"""Snapshots that prove who wrote them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from flagmiddleware.errors import ConfigurationError, SourceError
from flagmiddleware.model import Ruleset
from flagmiddleware.sources import MemorySource, Snapshot
from flagmiddleware.sources.signed import sign, signed, with_signature

KEY = b"sixteen bytes or more"
SNAPSHOT = Snapshot(data={"a.yaml": b"one", "b.yaml": b"two"}, revision="7", epoch="e")


class One(MemorySource):
    """Hands out the snapshot it was given."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__(b"")
        self._snapshot = snapshot


@pytest.mark.parametrize(
    "changed",
    [
        {"revision": "8"},
        {"epoch": "f"},
        {"data": {"a.yaml": b"one", "b.yaml": b"twO"}},
        {"data": {"a.yaml": b"on", "b.yaml": b"etwo"}},
        {"data": {"c.yaml": b"one", "b.yaml": b"two"}},
        {"data": {"a.yaml": b"one"}},
        {"data": b"onetwo"},
        {"signature": ""},
    ],
    ids=str,
)
def test_nothing_that_is_signed_can_be_changed(changed: dict[str, object]) -> None:
    """Revision, epoch, names and bytes of every document are under the signature."""
    good = with_signature(SNAPSHOT, KEY)
    assert signed(One(good), KEY).fetch(None) == good
    with pytest.raises(SourceError, match="not signed with our snapshot key"):
        signed(One(replace(good, **changed)), KEY).fetch(None)


def test_a_key_can_be_replaced_without_an_outage() -> None:
    """Readers that know the old key and the new one believe both."""
    new = b"the key of next month"
    for key in (KEY, new):
        assert signed(One(with_signature(SNAPSHOT, key)), KEY, new).fetch(None) is not None
    with pytest.raises(SourceError):
        signed(One(with_signature(SNAPSHOT, KEY)), new).fetch(None)


@pytest.mark.parametrize("keys", [(), (b"short",), (KEY, b"short")])
def test_a_key_that_can_be_guessed_is_refused(keys: tuple[bytes, ...]) -> None:
    """At construction, for each of them."""
    with pytest.raises(ConfigurationError, match="16 bytes"):
        signed(One(SNAPSHOT), *keys)


def test_definitions_in_the_program_have_no_signature() -> None:
    """There is nothing between writer and reader that could be changed."""
    with pytest.raises(ConfigurationError):
        sign(Snapshot(data=Ruleset(flags={})), KEY)


@given(st.binary(max_size=64), st.binary(max_size=64))
def test_different_bytes_have_different_signatures(one: bytes, two: bytes) -> None:
    """Same signature, same bytes."""
    signatures = [sign(Snapshot(data=data), KEY) for data in (one, two)]
    assert (signatures[0] == signatures[1]) == (one == two)
