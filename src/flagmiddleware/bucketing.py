"""The only place that hashes.

Frozen for ever: a change here moves every user of every site to another side of every rollout. The golden vectors in
``tests/test_bucketing.py`` pin it. Do not "fix" the hash, the seed, the encoding, the rounding or the order.

Algorithm: MurmurHash3_x86_32 (Austin Appleby, SMHasher, public domain) of the UTF-8 key, seeded with the same hash
of the UTF-8 salt under seed 0. Two rounds, so that flags with different salts bucket independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from mmh3 import mmh3_32_uintdigest as murmur

__all__ = ["BUCKETS", "bucket", "cuts", "encode_key", "murmur", "seed", "threshold", "variants_salt"]

BUCKETS: Final = 2**32
"""How many buckets there are; a bucket is 0 … BUCKETS - 1."""


def encode_key(key: object) -> bytes:
    """The bytes that are hashed for a targeting key; empty where the key has no bucket.

    Text is UTF-8, with lone surrogates let through; integers and UUIDs hash as their decimal and canonical text.
    Everything else (None, booleans, floats, bytes, containers) and the empty string has no bucket: never a dice.

    >>> encode_key("zoë"), encode_key(42), encode_key(None), encode_key(True)
    (b'zo\\xc3\\xab', b'42', b'', b'')
    """
    if not isinstance(key, str):
        if isinstance(key, bool) or not isinstance(key, int | UUID):
            return b""
        key = int.__repr__(key) if isinstance(key, int) else str(key)
    try:
        return str.encode(key)
    except UnicodeEncodeError:
        return str.encode(key, "utf-8", "surrogatepass")


@lru_cache(maxsize=4096)
def seed(salt: str) -> int:
    """The seed that a salt stands for."""
    return murmur(salt.encode("utf-8", "surrogatepass"), 0)


def bucket(salt: str, key: object) -> int | None:
    """The bucket, 0 … 2**32 - 1, of a targeting key under a salt; None where the key has none.

    >>> bucket("new-checkout", "user-1")
    512347407
    """
    encoded = encode_key(key)
    return murmur(encoded, seed(salt)) if encoded else None


def variants_salt(salt: str) -> str:
    """The salt of a split: its own, so that a split inside a rollout is independent of it."""
    return f"{salt}/variants"


def threshold(percent: Decimal) -> int:
    """How many buckets a percentage covers: ``floor(percent / 100 * 2**32)``, exactly.

    >>> threshold(Decimal(25)), threshold(Decimal("0.001"))
    (1073741824, 42949)
    """
    numerator, denominator = percent.as_integer_ratio()
    return numerator * BUCKETS // (denominator * 100)


def cuts(weights: Sequence[Decimal | int | float]) -> tuple[int, ...]:
    """Where each variant of a split ends: ``floor(cumulative / total * 2**32)``, the last one 2**32.

    >>> cuts([1, 1, 2])
    (1073741824, 2147483648, 4294967296)
    """
    # Whole numbers, which nearly all weights are, need no fractions to be exact.
    whole = all(weight.__class__ is int for weight in weights)
    exact: list[Any] = list(weights) if whole else _fractions(weights)
    total = sum(exact)
    ends = [int(part * BUCKETS // total) for part in accumulate(exact)]
    return (*ends[:-1], BUCKETS)


def _fractions(weights: Sequence[Decimal | int | float]) -> list[Any]:
    from fractions import Fraction  # hardly ever needed, and slow to import

    return [Fraction(str(weight)) for weight in weights]
