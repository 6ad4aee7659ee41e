"""flagd's ``fractional``: a share of the subjects for each bucket, by hash.

Frozen, as everything that hashes: a change here moves users to another side. Of flagd's three incompatible versions
two are here, told apart by :class:`Bucketing`:

* v2 (flagd's Go daemon, core 1.x) hashes the UTF-8 text of flag key and targeting key together, or of the bucket value;
* v3 (core 2.x) hashes the canonical CBOR (RFC 8949) of ``[flag key, targeting key]``, or of the bucket value.

In both the bucket is ``(MurmurHash3_x86_32(bytes, 0) * total weight) >> 32`` and the first bucket whose cumulative
weight is greater is taken.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from itertools import accumulate
from typing import Any, Final, TypeAlias

from ..bucketing import encode_key, murmur
from ..errors import ConfigurationError
from .flagd_context import FlagdScope
from .javascript import plain, property_of
from .jsonlogic import Compiler, Expression, Form, Scope

__all__ = ["Bucketing", "canonical_cbor", "fractional"]

MAX_WEIGHT: Final = 2**31 - 1

Hash: TypeAlias = "Callable[[Any], int | None]"


class Bucketing(str, Enum):
    """Which version of flagd's bucketing decides."""

    V2 = "v2"
    V3 = "v3"


# -- what is hashed ------------------------------------------------------------------------------------------------


def _head(major: int, size: int) -> bytes:
    if size < 24:
        return bytes((major << 5 | size,))
    width = 1 if size < 2**8 else 2 if size < 2**16 else 4
    return bytes((major << 5 | 24 + width.bit_length() - 1,)) + size.to_bytes(width, "big")


def _cbor_text(value: str) -> bytes:
    # By hand because nearly every bucket value is text, and building an encoder for each decision costs ten times
    # as much as the decision. The tests hold it against cbor2.
    encoded = value.encode()
    return _head(3, len(encoded)) + encoded


def canonical_cbor(value: Any) -> bytes:
    """The canonical CBOR of a bucket value: text here, anything else by the cbor2 package.

    >>> canonical_cbor("user-1").hex()
    '66757365722d31'
    """
    return _cbor_text(value) if value.__class__ is str else _encoder()(_normal(value))


def _encoder() -> Callable[[Any], bytes]:
    try:
        from cbor2 import dumps
    except ImportError as error:
        raise ConfigurationError(
            "flagd's v3 bucketing of a value that is no text needs cbor2: pip install 'flagmiddleware[flagd]'"
        ) from error
    return partial(dumps, canonical=True)


def _normal(value: Any) -> Any:
    """Whole floats as integers where 64 bits hold them, in whatever is nested."""
    value = plain(value)
    if isinstance(value, dict):
        return {key: _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    if isinstance(value, float) and value.is_integer() and -(2**63) <= value <= 2**64 - 1:
        return int(value)
    return value


def _hash_v3(value: Any) -> int | None:
    if value is None:
        return None
    try:
        return murmur(canonical_cbor(value), 0)
    except (ValueError, TypeError, OverflowError):  # a lone surrogate or another thing that CBOR cannot say
        return None


def _hash_v2(value: Any) -> int | None:
    return murmur(encode_key(value), 0) if isinstance(value, str) and value else None


def _subject_v3(flag_key: str) -> Hash:
    prefix = _head(4, 2) + _cbor_text(flag_key)

    def hash_subject(key: Any) -> int | None:
        if not isinstance(key, str) or not key:
            return None
        try:
            return murmur(prefix + _cbor_text(key), 0)
        except UnicodeEncodeError:
            return None

    return hash_subject


def _subject_v2(flag_key: str) -> Hash:
    prefix = encode_key(flag_key)

    def hash_subject(key: Any) -> int | None:
        encoded = encode_key(key)
        return murmur(prefix + encoded, 0) if encoded else None

    return hash_subject


# -- buckets -------------------------------------------------------------------------------------------------------


def _weight(bucket: Any) -> int:
    """A bucket's weight; ValueError where it is no bucket."""
    if not isinstance(bucket, list | tuple) or not 1 <= len(bucket) <= 2:
        raise ValueError("a bucket is a list of a variant and, if it is not 1, a weight")
    weight = plain(bucket[1]) if len(bucket) == 2 else 1
    if isinstance(weight, float) and weight.is_integer():
        weight = int(weight)
    if not isinstance(weight, int) or isinstance(weight, bool):
        raise ValueError("a weight is a whole number")
    return max(0, weight)


def _ends(buckets: Sequence[Any]) -> list[int]:
    """Where each bucket ends; empty where nobody can be placed."""
    try:
        ends = list(accumulate(map(_weight, buckets)))
    except ValueError:
        return []
    return ends if ends and 0 < ends[-1] <= MAX_WEIGHT else []


def _place(ends: list[int], hashed: int) -> int:
    return bisect_right(ends, hashed * ends[-1] >> 32)


def fractional(bucketing: Bucketing) -> Form:
    """The JsonLogic form of ``fractional`` under a version of the bucketing."""
    explicit, subject = (_hash_v2, _subject_v2) if bucketing is Bucketing.V2 else (_hash_v3, _subject_v3)

    def form(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
        parts = [compiler.compile(argument, scope) for argument in arguments]
        shorthand = _Shorthand(scope, subject)
        if arguments and isinstance(arguments[0], list):
            return _over_buckets(shorthand.hash, parts)
        general = partial(_general, parts, explicit, shorthand, bucketing)
        if not parts or not _is_fixed(parts[1:]) or bucketing is Bucketing.V2:
            return Expression(general)
        return Expression(_explicit(parts, general))

    return form


def _is_fixed(parts: Sequence[Expression]) -> bool:
    return all(part.is_constant for part in parts)


class _Shorthand:
    """The hash of ``[flag key, targeting key]``, as the scope in which the operator stands gives them."""

    def __init__(self, scope: Scope, subject: Callable[[str], Hash]) -> None:
        if isinstance(scope, FlagdScope):
            read, hash_subject = scope.targeting_key, subject(scope.flag_key)
            self.hash: Hash = lambda data: hash_subject(read(data))
        else:
            self.hash = lambda data: self._of_element(data, subject)

    @staticmethod
    def _of_element(data: Any, subject: Callable[[str], Hash]) -> int | None:
        key = property_of(property_of(data, "$flagd"), "flagKey")
        return subject(key if isinstance(key, str) else "")(property_of(data, "targetingKey"))


def _over_buckets(hash_subject: Hash, parts: list[Expression]) -> Expression:
    """The shorthand: every argument is a bucket."""
    if not _is_fixed(parts):
        runs = [part.run for part in parts]
        return Expression(lambda data: _choose([run(data) for run in runs], hash_subject(data)))
    ends, variants = _ends([part.value for part in parts]), [part.value[0] for part in parts if part.value]
    if not ends:
        return Expression(lambda data: None)
    total = ends[-1]

    def run(data: Any) -> Any:
        hashed = hash_subject(data)
        return None if hashed is None else variants[bisect_right(ends, hashed * total >> 32)]

    return Expression(run)


def _explicit(parts: list[Expression], general: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A bucket value, and buckets that are known at load; v3."""
    read, buckets = parts[0].run, [part.value for part in parts[1:]]
    ends = _ends(buckets)
    variants = [bucket[0] for bucket in buckets] if ends else []
    total = ends[-1] if ends else 0

    def run(data: Any) -> Any:
        value = read(data)
        if value.__class__ is not str or not ends:
            return general(data)
        hashed = _hash_v3(value)
        return None if hashed is None else variants[bisect_right(ends, hashed * total >> 32)]

    return run


def _general(parts: list[Expression], explicit: Hash, shorthand: _Shorthand, bucketing: Bucketing, data: Any) -> Any:
    values = [part.run(data) for part in parts]
    if not values:
        return None
    first = plain(values[0])
    is_bucket = not isinstance(first, str) if bucketing is Bucketing.V2 else isinstance(first, list)
    if is_bucket:
        return _choose(values, shorthand.hash(data))
    return _choose(values[1:], explicit(first))


def _choose(buckets: Sequence[Any], hashed: int | None) -> Any:
    ends = _ends(buckets)
    return buckets[_place(ends, hashed)][0] if ends and hashed is not None else None
