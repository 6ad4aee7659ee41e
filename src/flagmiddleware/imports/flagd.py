"""flagd's flag files: the targeting that ``if``, comparisons and ``fractional`` are enough to say.

JsonLogic compares loosely (``"5" == 5``); here types must agree. To move nobody, keep the file: format="flagd".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..conditions import OPERATORS
from ..formats.flagd import entries, wrong
from ..formats.flagd_operators import SEMVER_COMPARISONS
from ..formats.words import expected
from ..versions import parse_version
from .documents import load
from .draft import RESERVED, Draft, FlagDraft, ImportProblem, check_values, moved_by_split
from .shapes import Malformed, alone

__all__ = ["convert"]

_ORDER: Final[Mapping[str, str]] = MappingProxyType({">": "gt", ">=": "gte", "<": "lt", "<=": "lte"})
_SWAPPED: Final[Mapping[str, str]] = MappingProxyType({"gt": "lt", "gte": "lte", "lt": "gt", "lte": "gte"})


class _Unsayable(Exception):
    """A part that the native grammar has no words for."""


def convert(data: bytes, name: str, options: Mapping[str, Any]) -> Draft:
    """The native draft of a flagd file."""
    document = load(data, name)
    flags = document.get("flags") if isinstance(document, Mapping) else None
    if not isinstance(flags, dict | list):
        raise ImportProblem(f'{name or "the file"}: expected an object with flags by key under "flags"')
    evaluators, metadata = (
        each if isinstance(each, Mapping) else {} for each in (document.get("$evaluators"), document.get("metadata"))
    )
    shared = _Document(evaluators, metadata, _names_key(evaluators))
    draft = Draft()
    for key, flag, problem in entries(flags):
        made = draft.flag(key)
        with alone(made, "flagd"):
            if problem := problem or wrong(flag):
                raise Malformed(problem)
            if not isinstance(flag.get("targeting", {}), dict):
                raise Malformed(f"targeting: {expected('an object with one operator', flag['targeting'])}")
            _Import(made, flag, shared).run()
    return draft


class _Document(NamedTuple):
    """What the flags of a file share."""

    evaluators: Mapping[str, Any]
    metadata: Mapping[str, Any]
    names_key: bool


def _names_key(logic: Any) -> bool:
    return "'targetingKey'" in repr(logic)


class _Import:
    """One flag on its way."""

    def __init__(self, flag: FlagDraft, source: Mapping[str, Any], document: _Document) -> None:
        self.flag = flag
        self.source = source
        self.shared = document.evaluators
        self.metadata = document.metadata
        self.names_key = document.names_key or _names_key(source.get("targeting"))
        self.names: dict[str, Any] = {}
        self.sticky: str | None = None

    def run(self) -> None:
        """Fill the flag."""
        flag, variants = self.flag, dict(self.source.get("variants") or {})
        default = self.source.get("defaultVariant")
        problem = check_values(variants.values()) if variants else "it has no variants"
        if problem or default not in variants:
            nowhere = isinstance(default, str) and default
            told = (
                f"there is no variant {default!r}"
                if nowhere
                else "it leaves its default to the caller; here a flag has one"
            )
            flag.lost(problem or told)
            return
        if self.source.get("state") == "DISABLED":
            flag.body["enabled"] = False
            flag.lost("a disabled flag left the value to the caller; here it serves its `off`")
        self._variants(variants, str(default))
        if metadata := {**self.metadata, **(self.source.get("metadata") or {})}:
            flag.body["metadata"] = metadata
        targeting = self.source.get("targeting")
        try:
            if targeting:
                for rule in self._rules(targeting):
                    flag.rules.append(rule)
        except _Unsayable as error:
            flag.rules.clear()
            flag.lost(f"its targeting, so that everybody gets {default!r}: {error}")
        if flag.is_exact:
            told = "its targeting came over; attributes must have the types that the file shows"
            keyed = "; the targeting key is compared as `user`" if self.names_key else ""
            flag.exact(f"{told}{keyed}" if targeting else "it has no targeting")

    def _variants(self, variants: Mapping[str, Any], default: str) -> None:
        flag = self.flag
        if all(isinstance(value, bool) for value in variants.values()):
            self.names = dict(variants)
            if variants[default]:
                flag.body["default"] = True
            return
        self.names = {name: flag.variant(value, name) for name, value in variants.items()}
        flag.body.update(off=self.names[default], default=self.names[default])

    def _served(self, result: Any) -> dict[str, Any]:
        if isinstance(result, bool):
            result = "true" if result else "false"
        if isinstance(result, Mapping) and list(result) == ["fractional"]:
            return self._fractional(result["fractional"])
        if not isinstance(result, str) or result not in self.names:
            raise _Unsayable(f"a result that names no variant: {result!r:.60}")
        return {"serve": self.names[result]}

    def _fractional(self, parts: Any) -> dict[str, Any]:
        if not isinstance(parts, list) or not parts:
            raise _Unsayable("`fractional` over nothing")
        parts = self._sticky(parts)
        if not all(isinstance(part, list) and part and isinstance(part[0], str) for part in parts):
            raise _Unsayable("`fractional` over something else than variants")
        named = {True: "on", False: "off"}
        split: dict[str, int] = {}
        for name, *rest in parts:
            weight = rest[0] if rest else 1
            if name not in self.names or not isinstance(weight, int) or isinstance(weight, bool):
                raise _Unsayable("`fractional` over something else than variants")
            served = named.get(self.names[name], self.names[name])
            split[served] = split.get(served, 0) + max(weight, 0)  # a variant may stand there twice
        self.flag.reshuffles(moved_by_split(list(split.values())), "the fractional split is hashed anew")
        return {"split": split}

    def _sticky(self, parts: list[Any]) -> list[Any]:
        """Say what is hashed; gives the parts that follow."""
        given = isinstance(parts[0], Mapping)
        name = _hashed(parts[0]) if given else "user"
        if self.sticky not in (None, name):
            raise _Unsayable("several `fractional` over different attributes; here a flag hashes one")
        self.sticky = name
        if given:
            empty = "an empty one or none" if "cat" in parts[0] else "an empty one"
            self.flag.lost(
                f"`fractional` over {name!r}: who had {empty} was hashed all the same; here it is the default"
            )
        if name != "user":
            self.flag.body["sticky_by"] = name
        return parts[1:] if given else parts

    def _rules(self, logic: Any) -> Iterator[dict[str, Any]]:
        logic = self._resolved(logic)
        if not (isinstance(logic, Mapping) and list(logic) == ["if"]):
            yield self._served(logic)
            return
        arms = logic["if"]
        if not isinstance(arms, list):
            raise _Unsayable(f"`if` over {arms!r:.60}")
        while len(arms) >= 2:
            yield {"if": self._condition(arms[0]), **self._served(self._resolved(arms[1]))}
            arms = arms[2:]
        if arms and arms[0] is not None:
            yield from self._rules(arms[0])

    def _resolved(self, logic: Any) -> Any:
        if isinstance(logic, Mapping) and list(logic) == ["$ref"]:
            return self.shared.get(logic["$ref"])
        return logic

    def _condition(self, logic: Any) -> Any:
        logic = self._resolved(logic)
        if not isinstance(logic, Mapping) or len(logic) != 1:
            raise _Unsayable(f"a condition like {logic!r:.60}")
        ((operator, arguments),) = logic.items()
        arguments = arguments if isinstance(arguments, list) else [arguments]
        if operator in ("and", "or"):
            return {"all" if operator == "and" else "any": [self._condition(one) for one in arguments]}
        if operator == "!":
            return {"not": self._condition(arguments[0])}
        return _comparison(operator, arguments)


def _attribute(logic: Any) -> str:
    name = logic.get("var") if isinstance(logic, Mapping) else None
    if isinstance(name, list) and len(name) == 1:
        name = name[0]  # JsonLogic takes a single operand with or without its list
    if not isinstance(name, str) or not name or "." in name or name in RESERVED or name.startswith("$"):
        raise _Unsayable(f"an operand like {logic!r:.60}")
    return "user" if name == "targetingKey" else name


def _hashed(logic: Mapping[str, Any]) -> str:
    """The attribute that a `fractional` of its own key hashes; the flag's key beside it is our salt anyway."""
    parts = logic.get("cat")
    if isinstance(parts, list):
        others = [part for part in parts if part != {"var": "$flagd.flagKey"}]
        if len(others) == 1:
            return _attribute(others[0])
    return _attribute(logic)


def _comparison(operator: str, arguments: list[Any]) -> Any:
    if operator == "sem_ver" and len(arguments) == 3:
        return _version(*arguments)
    if len(arguments) != 2:
        raise _Unsayable(f"operator {operator!r}")
    if operator == "in":
        return _contained(*arguments)
    swapped = not isinstance(arguments[0], Mapping)
    name, value = _attribute(arguments[1 if swapped else 0]), arguments[0 if swapped else 1]
    if not isinstance(value, str | int | float):
        raise _Unsayable(f"a comparison with {value!r:.60}")
    if operator in ("==", "==="):
        return {name: value}
    if operator in ("!=", "!=="):
        return {"not": {name: value}}
    if operator in ("starts_with", "ends_with") and not swapped:
        return {name: {operator: value}}
    if operator in _ORDER and not isinstance(value, str | bool):
        sign = _SWAPPED[_ORDER[operator]] if swapped else _ORDER[operator]
        said = {name: {sign: value}}
        # JsonLogic takes a missing attribute for 0, and here it never matches.
        return {"any": [said, {name: {"exists": False}}]} if OPERATORS[sign].test(0, value) else said
    raise _Unsayable(f"operator {operator!r} with {value!r:.60}")


def _version(attribute: Any, sign: Any, written: Any) -> Any:
    version = parse_version(written)
    if version is None or sign not in SEMVER_COMPARISONS:
        raise _Unsayable(f"a comparison with version {written!r:.60}")
    if sign in ("^", "~"):  # the same major, or major and minor, number: no lower bound within it
        major, minor = version[:2]
        above = f"{major + 1}.0.0" if sign == "^" else f"{major}.{minor + 1}.0"
        return {_attribute(attribute): {"semver": f">={major}.{0 if sign == '^' else minor}.0-0 <{above}-0"}}
    return {_attribute(attribute): {"semver": f"{sign}{written}"}}


def _contained(needle: Any, haystack: Any) -> Any:
    if isinstance(haystack, list):
        return {_attribute(needle): {"in": haystack}}
    if needle == "":
        raise _Unsayable("whether a text holds an empty one")
    return {_attribute(haystack): {"contains": needle}}
