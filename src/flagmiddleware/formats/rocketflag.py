"""RocketFlag's management payload (``GET /api/v1/flags``), decided here with RocketFlag's answers.

Order: disabled; cohort; audience; percentage. The audiences are not in that API: ``options={"audiences": …}`` brings
them, as a mapping or the path of a file. One deliberate difference: without any key RocketFlag rolls a dice on each
call; here such a subject is outside every partial rollout.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal

import msgspec

from ..conditions import OPERATORS
from ..errors import ConfigurationError, Problem, RulesetError
from ..model import AllOf, Condition, Flag, Ruleset, Test
from .dialect_text import decode
from .rocketflag_audiences import make_audiences
from .rocketflag_context import DIALECT
from .rocketflag_rules import State, rules

__all__ = ["parse", "recognises", "wrong"]

_EQUALS: Final = OPERATORS["eq"]


class _State(msgspec.Struct, frozen=True, rename="camel"):
    enabled: bool = False
    traffic_percentage: int | float = 0
    cohorts: list[str] = []
    audience_id: str | None = None


class _Flag(_State, frozen=True, rename="camel"):
    id: str = ""
    name: str = ""
    kind: Literal["flag", "groupflag"] = "flag"
    environments: dict[str, _State] = {}


def recognises(document: Any) -> bool:
    """Whether a parsed document looks like RocketFlag's: a list of flags with ids, were it but one of them."""
    flags = document.get("flags") if isinstance(document, Mapping) else None
    if not isinstance(flags, list):
        return False
    return not flags or any(isinstance(flag, Mapping) and "id" in flag for flag in flags)


def parse(
    data: bytes,
    *,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Ruleset:
    """The ruleset of a payload; a flag is addressed by its id, and by its name where no other flag has it.

    ``environment`` picks the environment of group flags; without one the context's ``env`` does. A flag of the wrong
    shape answers PARSE_ERROR and leaves the others alone.
    """
    if unknown := sorted(options.keys() - {"audiences"}):
        raise ConfigurationError(f"the RocketFlag format has no option {unknown[0]!r}; it has 'audiences'")
    audiences = make_audiences(_audience_document(options.get("audiences")))
    flags: dict[str, Flag] = {}
    for item in _items(data, name):
        flag = _flag(item, environment, audiences)
        if flag.key and (flag.error is None or flag.key not in flags):  # without a key nobody can ask for it
            flags[flag.key] = flag
    return Ruleset({**_by_name(flags), **flags}, {}, DIALECT, environment)


def _by_name(flags: Mapping[str, Flag]) -> dict[str, Flag]:
    """The same flags under their names, where a name is one flag's alone."""
    names = Counter(flag.metadata.get("name") for flag in flags.values())
    return {
        name: msgspec.structs.replace(flag, key=name)
        for flag in flags.values()
        if (name := flag.metadata.get("name")) and names[name] == 1 and name not in flags
    }


def wrong(item: Any) -> str:
    """What makes a flag unusable; empty where nothing does."""
    found = _shaped(item)
    return found if isinstance(found, str) else ""


def _shaped(item: Any) -> _Flag | str:
    """The flag, or what is wrong with it."""
    try:
        flag = msgspec.convert(item, _Flag)
    except msgspec.ValidationError as error:
        return str(error)
    return flag if flag.id else "it has no id"


def _flag(item: Any, environment: str | None, audiences: Mapping[str, Condition]) -> Flag:
    flag = _shaped(item)
    if isinstance(flag, str):
        return _refused(item, flag)
    metadata = {"id": flag.id, "name": flag.name}
    if flag.kind == "groupflag" and environment is None:
        every = tuple(rule for each in flag.environments for rule in _one_environment(flag, each, audiences))
        return Flag(key=flag.id, rules=every, metadata=metadata)
    state: _State | None = flag.environments.get(environment or "") if flag.kind == "groupflag" else flag
    if state is None or not state.enabled:
        return Flag(key=flag.id, enabled=False, metadata=metadata)
    return Flag(key=flag.id, rules=tuple(rules(flag.id, _as_state(state), audiences)), metadata=metadata)


def _refused(item: Any, problem: str) -> Flag:
    """A flag that answers with an error code, under its id or else its name; with an empty key where it has neither."""
    names = [item.get(field) for field in ("id", "name")] if isinstance(item, Mapping) else []
    key = next((name for name in names if isinstance(name, str) and name), "")
    return Flag(key=key, error=f"flag {key!r} has a shape that RocketFlag does not write: {problem}")


def _one_environment(flag: _Flag, name: str, audiences: Mapping[str, Condition]) -> Iterator[Any]:
    if not flag.environments[name].enabled:
        return
    here = Test("env", _EQUALS, name)
    for rule in rules(flag.id, _as_state(flag.environments[name]), audiences):
        both = here if rule.condition is None else AllOf((here, rule.condition))
        yield msgspec.structs.replace(rule, condition=both, name=f"{name}: {rule.name}")


def _as_state(state: _State) -> State:
    return State(state.traffic_percentage, tuple(state.cohorts), state.audience_id)


def _items(data: bytes, name: str) -> list[Any]:
    document = decode(data, name=name)
    items = document.get("flags") if isinstance(document, Mapping) else None
    if not isinstance(items, list):
        raise RulesetError([Problem('expected RocketFlag\'s flags: an object with a list under "flags"', file=name)])
    return items


def _audience_document(given: Any) -> Any:
    if not isinstance(given, str | os.PathLike):
        return given or {}
    from .syntax import read

    path = Path(given)
    try:
        return read(path.read_bytes(), name=str(given), syntax=None).tree
    except OSError as error:
        raise ConfigurationError(f"the RocketFlag audiences cannot be read: {error}") from error
