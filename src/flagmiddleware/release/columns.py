"""Some users as columns: grouped by what they have in common, with the bytes that their keys hash as."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from ..bucketing import encode_key
from ..context import Context

__all__ = ["Profiles", "Users"]

_Name = TypeVar("_Name")
_Column = TypeVar("_Column")

By = str | None
"""The attribute that a flag hashes; None is the targeting key."""

_PLAIN: Final = frozenset({str, type(None)})


class Users:
    """Users of a population, as the columns ``attributes`` of them; cheap to send to another process.

    ``contexts`` are the users themselves, and stay behind when the columns are sent.

    >>> users = Users([Context("u-1", country="AU"), Context("u-2"), Context("u-3", country="AU")], ["country"])
    >>> [members for members in users.profiles(("country",)).members]
    [[0, 2], [1]]
    """

    def __init__(self, contexts: Sequence[Context], attributes: Iterable[str]) -> None:
        self.contexts = contexts
        self.keys = [user.targeting_key for user in contexts]
        self.columns = {name: [user[name] for user in contexts] for name in attributes}
        self._start()

    def _start(self) -> None:
        self.segments: list[tuple[str, ...]] = [()] * len(self.keys)
        self._encoded: dict[By, list[bytes]] = {}
        self._lacking: dict[By, list[bool]] = {}
        self._codes: dict[str, list[Any]] = {}
        self._groups: dict[tuple[tuple[str, ...], tuple[By, ...]], Profiles] = {}

    def __len__(self) -> int:
        return len(self.keys)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.keys, self.columns

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.keys, self.columns = state
        self.contexts = ()
        self._start()

    def mark(self, segments: list[tuple[str, ...]]) -> None:
        """Note the segments of each user."""
        self.segments = segments
        self._groups.clear()

    def context(self, place: int, attributes: Iterable[str]) -> Context:
        """One user, with some of the attributes."""
        return Context(self.keys[place], {name: self.columns[name][place] for name in attributes})

    def encoded(self, by: By) -> list[bytes]:
        """What each user's key, or an attribute instead, is hashed as; empty where there is nothing to hash."""
        column = self.keys if by is None else self.columns[by]
        return self._once(self._encoded, by, lambda: list(map(encode_key, column)))

    def profiles(self, attributes: tuple[str, ...], by: tuple[By, ...] = ()) -> Profiles:
        """The users grouped by segments, by ``attributes``, and by which of ``by`` they have a key for."""
        return self._once(self._groups, (attributes, by), lambda: Profiles(self, attributes, by))

    def codes(self, name: str) -> list[Any]:
        """A column as values that are equal exactly where no condition can tell them apart."""
        return self._once(self._codes, name, lambda: _codes(self.columns[name]))

    def lacks(self, by: By) -> list[bool]:
        """Who has no key to hash; empty where nobody lacks it, as nearly always."""
        return self._once(self._lacking, by, lambda: _lacks(self.encoded(by)))

    @staticmethod
    def _once(known: dict[_Name, _Column], name: _Name, make: Callable[[], _Column]) -> _Column:
        if name not in known:
            known[name] = make()
        return known[name]


class Profiles:
    """Groups of users whom a flag's conditions cannot tell apart: ``members`` are their places, in order.

    ``kinds`` has the segments of each group and which keys it lacks; ``samples`` one user of each.
    """

    def __init__(self, users: Users, attributes: tuple[str, ...], by: tuple[By, ...]) -> None:
        self._users, self._attributes = users, attributes
        lacking = [(one, users.lacks(one)) for one in by if users.lacks(one)]
        groups: dict[Any, list[int]] = {}
        columns = (*(lacks for _, lacks in lacking), *map(users.codes, attributes))
        for place, row in enumerate(zip(users.segments, *columns, strict=True)):
            try:
                groups[row].append(place)
            except KeyError:
                groups[row] = [place]
        self.members = list(groups.values())
        self.kinds = [
            (row[0], frozenset(one for (one, _), lacks in zip(lacking, row[1:], strict=False) if lacks))
            for row in groups
        ]
        self.samples = [users.context(places[0], attributes) for places in self.members]
        self._encoded: dict[tuple[int, By], list[bytes]] = {}

    def encoded(self, numbers: Iterable[int], by: By) -> Iterable[bytes]:
        """What the keys of some groups are hashed as, group after group."""
        return chain.from_iterable(self._group(number, by) for number in numbers)

    def _group(self, number: int, by: By) -> list[bytes]:
        try:
            return self._encoded[number, by]
        except KeyError:
            everyone = self._users.encoded(by)
            found = self._encoded[number, by] = [everyone[place] for place in self.members[number]]
            return found


def _lacks(encoded: list[bytes]) -> list[bool]:
    return [not one for one in encoded] if b"" in encoded else []


def _codes(column: list[Any]) -> list[Any]:
    return column if _PLAIN.issuperset(map(type, column)) else list(map(_code, column))


def _code(value: Any) -> Any:
    """Equal for values that compare alike: true is not 1, and an odd object is like no other."""
    kind = value.__class__
    if kind in _PLAIN:
        return value
    if kind in (bool, int, float):
        return kind, value
    return (kind, repr(value)) if kind in (list, dict) else object()
