"""Some users as columns of numbers: who is like whom in what conditions read, and what their keys hash to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import count
from typing import Any, Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..bucketing import encode_key, seed
from ..context import Context
from .bulk import Hashes, Keys
from .trees import By, Salt

__all__ = ["Bits", "Groups", "Numbers", "Users", "grouped"]

Numbers: TypeAlias = NDArray[np.intp]
Bits: TypeAlias = NDArray[np.bool_]

_Made = TypeVar("_Made")

_PLAIN: Final = frozenset({str, type(None)})
_FEW: Final = 1 << 16
_QUICKLY_SOUGHT: Final = 32
_HASHES_KEPT: Final = 16
_BITS_KEPT: Final = 512
"""Columns that are kept while a chunk of users lasts: each is a byte or four a user."""


class Groups:
    """Users, or some of them, told apart: ``numbers`` has the group of each, ``samples`` one user of each group.

    ``counts`` has the size of each, the empty ones' included, and ``present`` those that are not empty.
    """

    def __init__(self, numbers: NDArray[Any], size: int) -> None:
        self.numbers, self.counts = numbers, np.bincount(numbers, minlength=size)
        self.present: list[int] = np.flatnonzero(self.counts).tolist()
        if len(self.present) <= _QUICKLY_SOUGHT:
            self.samples = {number: int(np.argmax(numbers == number)) for number in self.present}
        else:
            places = np.empty(size, np.intp)
            places[numbers] = np.arange(len(numbers))
            self.samples = {number: int(places[number]) for number in self.present}

    def members(self, number: int) -> Numbers:
        """The places of a group, in order."""
        return np.flatnonzero(self.numbers == number)


def grouped(columns: Iterable[NDArray[Any]], size: int) -> Groups:
    """``size`` users told apart by small numbers in ``columns``.

    >>> groups = grouped([np.array([0, 1, 0, 1]), np.array([2, 2, 2, 0])], 4)
    >>> [groups.members(number).tolist() for number in groups.present]
    [[0, 2], [3], [1]]
    """
    numbers: NDArray[Any] = np.zeros(size, np.uint16)
    high = 1
    for column in columns:
        width = int(column.max(initial=0)) + 1
        if width == 1:
            continue
        high *= width
        kind = np.uint16 if high <= _FEW else np.intp
        numbers = column.astype(kind) if high == width else numbers.astype(kind) * kind(width) + column.astype(kind)
        if high > _FEW:
            known, numbers = np.unique(numbers, return_inverse=True)
            high = len(known)
    return Groups(numbers, high)


class Users:
    """Users of a population, as the columns ``attributes`` of them; cheap to send to another process.

    ``contexts`` are the users themselves, and stay behind when the columns are sent. ``segments`` has a number for
    each user, ``memberships`` which segments these stand for.

    >>> users = Users([Context("u-1", country="AU"), Context("u-2"), Context("u-3", country="AU")], ["country"])
    >>> users.bits(("country",), lambda samples: [user["country"] == "AU" for user in samples]).tolist()
    [True, False, True]
    """

    def __init__(self, contexts: Sequence[Context], attributes: Iterable[str]) -> None:
        self.contexts = contexts
        self.keys = [user.targeting_key for user in contexts]
        self.columns = {name: [user[name] for user in contexts] for name in attributes}
        self._start()

    def _start(self) -> None:
        self.segments: NDArray[Any] = np.zeros(len(self.keys), np.uint16)
        self.memberships: dict[int, tuple[str, ...]] = {0: ()}
        self._known: dict[Hashable, Any] = {}
        self._hashes: dict[Salt, Hashes] = {}
        self._bits: dict[Hashable, Bits] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.keys, self.columns

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.keys, self.columns = state
        self.contexts = ()
        self._start()

    def mark(self, names: Sequence[str], columns: Sequence[Bits]) -> None:
        """Note who is in the segments ``names``."""
        groups = grouped(columns, len(self))
        self.segments = groups.numbers
        self.memberships = {
            number: tuple(name for name, inside in zip(names, columns, strict=True) if inside[groups.samples[number]])
            for number in groups.present
        }

    def bits(self, attributes: tuple[str, ...], decide: Callable[[Sequence[Context]], Sequence[bool]]) -> Bits:
        """What ``decide`` says of each user, asked once for all who are alike in ``attributes``."""
        numbers, samples = self._once(attributes, lambda: self._profiles(attributes))
        return np.fromiter(decide(samples), np.bool_, len(samples))[numbers]

    def everyone(self, told: Iterable[bool]) -> Bits:
        """A column of what is told of each user, in their order."""
        return np.fromiter(told, np.bool_, len(self))

    def kept_bits(self, name: str, make: Callable[[], Bits]) -> Bits:
        """The column called ``name``, made when first asked for."""
        found = self._bits.get(name)
        if found is None:
            found = make()
            if len(self._bits) < _BITS_KEPT:
                self._bits[name] = found
        return found

    def _profiles(self, attributes: tuple[str, ...]) -> tuple[Numbers, list[Context]]:
        groups = grouped([self._codes(name) for name in attributes], len(self))
        order = np.zeros(len(groups.counts), np.intp)
        order[groups.present] = np.arange(len(groups.present))
        return order[groups.numbers], [self._context(groups.samples[one], attributes) for one in groups.present]

    def _context(self, place: int, attributes: Iterable[str]) -> Context:
        return Context(self.keys[place], {name: self.columns[name][place] for name in attributes})

    def _codes(self, name: str) -> Numbers:
        """A column as numbers that are equal exactly where no condition can tell the values apart."""
        return self._once((name, "codes"), lambda: _codes(self.columns[name]))

    def _encoded(self, by: By) -> list[bytes]:
        return list(map(encode_key, self.keys if by is None else self.columns[by]))

    def _keys(self, by: By) -> tuple[Keys, Bits | None]:
        def make() -> tuple[Keys, Bits | None]:
            encoded = self._encoded(by)
            return Keys(encoded), np.array([not one for one in encoded]) if b"" in encoded else None

        return self._once((by, "keys"), make)

    def lacks(self, by: By) -> Bits | None:
        """Who has no key to hash; None where nobody lacks it, as nearly always."""
        return self._keys(by)[1]

    def hashes(self, salt: Salt) -> Hashes:
        """What everyone's key, or an attribute instead, hashes to under a salt."""
        if salt not in self._hashes:
            if len(self._hashes) >= _HASHES_KEPT:
                self._hashes.clear()
            self._hashes[salt] = self._keys(salt[1])[0].hashed(seed(salt[0]))
        return self._hashes[salt]

    def _once(self, name: Hashable, make: Callable[[], _Made]) -> _Made:
        if name not in self._known:
            self._known[name] = make()
        found: _Made = self._known[name]
        return found


def _codes(column: list[Any]) -> Numbers:
    plain = column if _PLAIN.issuperset(map(type, column)) else list(map(_code, column))
    known: defaultdict[Any, int] = defaultdict(count().__next__)
    return np.fromiter(map(known.__getitem__, plain), np.intp, len(plain))


def _code(value: Any) -> Any:
    """Equal for values that compare alike: true is not 1, and an odd object is like no other."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind in (bool, int, float):
        return kind, value
    return (kind, repr(value)) if kind in (list, dict) else object()
