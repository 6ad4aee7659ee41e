"""The hash is frozen: these vectors must never change."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.bucketing import BUCKETS, bucket, cuts, encode_key, threshold, variants_salt


@pytest.mark.parametrize(
    ("salt", "key", "expected"),
    [
        ("new-checkout", "user-1", 512347407),
        ("new-checkout", "user-42", 4036548753),
        ("new-checkout", "zoë", 2898010516),
        ("new-checkout/variants", "user-1", 384418283),
        ("checkout-button/variants", "user-42", 2138111485),
    ],
)
def test_golden_vectors(salt: str, key: str, expected: int) -> None:
    """A subject's bucket under a salt is the same in every version, for ever."""
    assert bucket(salt, key) == expected


def test_a_split_has_a_salt_of_its_own() -> None:
    """A split inside a rollout is independent of it."""
    assert variants_salt("new-checkout") == "new-checkout/variants"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("zoë", b"zo\xc3\xab"),
        (42, b"42"),
        (-7, b"-7"),
        (UUID("0189d2f0-0000-7000-8000-0000000000FF"), b"0189d2f0-0000-7000-8000-0000000000ff"),
        ("\ud800", b"\xed\xa0\x80"),
        ("", b""),
        (None, b""),
        (True, b""),
        (1.0, b""),
        (b"user", b""),
        (["user"], b""),
    ],
)
def test_what_is_hashed(key: object, expected: bytes) -> None:
    """Text, integers and UUIDs have a bucket; nothing else has, and nothing crashes the hash."""
    assert encode_key(key) == expected


@pytest.mark.parametrize(
    ("percent", "expected"),
    [("0", 0), ("100", BUCKETS), ("25", 2**30), ("0.00000001", 0), ("1", 42949672), ("33.3333", 1431654333)],
)
def test_a_percentage_covers_the_floor_of_its_share(percent: str, expected: int) -> None:
    """Percentages are decimals, exact, and rounded down."""
    assert threshold(Decimal(percent)) == expected


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=9).filter(any))
def test_cuts_are_in_file_order_and_cover_everything(weights: list[int]) -> None:
    """Every bucket belongs to exactly one variant, and each variant's range follows its weight."""
    ends = cuts(weights)
    assert list(ends) == sorted(ends)
    assert ends[-1] == BUCKETS
    for place, end in enumerate(ends[:-1]):
        assert end == sum(weights[: place + 1]) * BUCKETS // sum(weights)


@given(st.text(), st.text())
def test_a_bucket_is_a_32_bit_number(salt: str, key: str) -> None:
    """Whatever the salt and the key, lone surrogates included."""
    found = bucket(salt, key)
    assert found is None if key == "" else found is not None and 0 <= found < BUCKETS
