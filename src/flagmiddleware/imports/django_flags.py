"""django-flags: the ``FLAGS`` setting, a ``dumpdata`` fixture of its table, or an SQLite database.

Facts: django-flags 5.2, ``flags.sources.Flag.check_state`` and ``flags.conditions``. A settings file is read, never
run: its ``FLAGS`` must be written out as a literal.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..conditions import OPERATORS, instant
from .documents import is_sqlite, load, rows
from .draft import Draft, FlagDraft, ImportProblem
from .logic import every
from .shapes import Malformed, Shape, alone, check

__all__ = ["convert"]

_TRUE: Final = frozenset({"y", "yes", "t", "true", "on", "1"})
_FALSE: Final = frozenset({"n", "no", "f", "false", "off", "0"})

# Source: Django 5.2, django.utils.dateparse.datetime_re.
_MOMENT: Final = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})[T ](\d{1,2}):(\d{2})(:\d{2}(?:[.,]\d{1,6})?)?\s*(Z|[+-]\d{2}(?::?\d{2})?)?"
)


class _Condition(NamedTuple):
    kind: str
    value: Any
    required: bool


class _Written(Shape, frozen=True):
    condition: str
    value: Any
    required: bool = False


def convert(data: bytes, name: str, options: Any) -> Draft:
    """The native draft of django-flags' conditions."""
    draft = Draft()
    for key, items in _read(data, name).items():
        flag = draft.flag(key)
        with alone(flag, "django-flags"):
            if not isinstance(items, list | tuple):
                raise Malformed(f"expected a list of conditions, found {items!r:.60}")
            _flag(flag, [_condition(item) for item in items])
    return draft


def _read(data: bytes, name: str) -> Mapping[Any, Any]:
    """What is written of each flag, by its name; of any shape."""
    if not is_sqlite(data):
        setting = _setting(data, name)
        if setting is not None:
            return setting
    found: dict[Any, list[Any]] = defaultdict(list)
    for row in rows(data, name, ("flags_flagstate",)):
        if row.model in ("flags_flagstate", "flags.flagstate"):
            called = row.fields.get("name")
            found[called if isinstance(called, str) and called else f"{row.model} {row.pk}"].append(row.fields)
    if not found:
        raise ImportProblem(f"{name or 'the file'} has neither a FLAGS setting nor a row of flags.FlagState in it")
    return found


def _setting(data: bytes, name: str) -> Mapping[Any, Any] | None:
    """The value of FLAGS in a Python file, or the mapping in a JSON or YAML one; None for anything else."""
    try:
        tree = ast.parse(data)
    except (SyntaxError, ValueError, RecursionError):
        tree = ast.Module([], [])
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if value is not None and any(isinstance(target, ast.Name) and target.id == "FLAGS" for target in targets):
            try:
                return dict(ast.literal_eval(value))
            except (ValueError, TypeError, SyntaxError) as error:
                raise ImportProblem(
                    f"{name}: FLAGS is computed; write it out, or dump flags.flagstate ({error})"
                ) from error
    if any(isinstance(node, ast.Assign | ast.Import | ast.ImportFrom) for node in tree.body):
        return None
    document = load(data, name)
    return document.get("FLAGS", document) if isinstance(document, Mapping) else None


def _condition(item: Any) -> _Condition:
    if isinstance(item, list | tuple) and len(item) in (2, 3):
        item = dict(zip(("condition", "value", "required"), item, strict=False))
    if not isinstance(item, Mapping):
        wanted = "(condition, value), (condition, value, required) or a mapping"
        raise Malformed(f"expected {wanted}, found {item!r:.80}")
    written = check(item, _Written, is_lax=True)  # a database has 1 for true
    return _Condition(written.condition, written.value, written.required)


def _is_true(value: Any) -> bool:
    word = value.strip().lower() if isinstance(value, str) else str(int(value)) if isinstance(value, int) else ""
    if word not in _TRUE | _FALSE:
        raise Malformed(f"expected true or false, or a word for it, found {value!r:.60}")
    return word in _TRUE


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise Malformed(f"expected text, found {value!r:.60}")
    return value


def _flag(flag: FlagDraft, conditions: list[_Condition]) -> None:
    required, schedule = _required(flag, [one for one in conditions if one.required])
    optional = [one for one in conditions if not one.required]
    timed = {"schedule": schedule} if schedule else {}
    if required is None:
        flag.lost("a required condition could not be expressed, so the flag is off")
    elif optional:
        for one in optional:
            _optional(flag, one, required, dict(schedule))
    elif conditions and not _is_empty(schedule):
        flag.rule(every(required), **timed, serve=True)
    if flag.is_exact:
        flag.exact("every condition came over")


def _required(flag: FlagDraft, conditions: list[_Condition]) -> tuple[list[Any] | None, dict[str, str]]:
    """The conditions that all rules share; None where one of them cannot hold or cannot be said."""
    parts: list[Any] = []
    schedule: dict[str, str] = {}
    for one in conditions:
        said = _say(flag, one)
        if said is None:
            return None, {}
        if said is not True:
            if "schedule" in said:
                _narrow(schedule, said["schedule"])
            else:
                parts.append(said)
    return parts, schedule


def _narrow(schedule: dict[str, str], more: Mapping[str, str]) -> None:
    for edge, text in more.items():
        pick = max if edge == "from" else min
        schedule[edge] = pick((schedule.get(edge, text), text), key=lambda each: instant(each) or 0.0)


def _is_empty(schedule: Mapping[str, str]) -> bool:
    """Whether it ends before it starts, which was allowed there and means never."""
    edges = [instant(schedule[edge]) or 0.0 for edge in ("from", "until") if edge in schedule]
    return len(edges) == 2 and edges[0] >= edges[1]


def _optional(flag: FlagDraft, one: _Condition, required: list[Any], schedule: dict[str, str]) -> None:
    said = _say(flag, one)
    if said is None:
        return
    parts = list(required)
    if said is not True:
        if "schedule" in said:
            _narrow(schedule, said["schedule"])
        else:
            parts.append(said)
    if _is_empty(schedule):
        return
    flag.rule(every(parts), name=one.kind.replace(" ", "-"), **({"schedule": schedule} if schedule else {}), serve=True)


def _say(flag: FlagDraft, one: _Condition) -> Any:
    """A condition in the native grammar: True where it always holds, None where it never does or cannot be said."""
    say = _SAYINGS.get(one.kind)
    if say is None:
        flag.lost(f"condition {one.kind!r} is the site's own; write it as an attribute of FLAGMIDDLEWARE['CONTEXT']")
        return None
    return say(flag, one.value)


def _boolean(flag: FlagDraft, value: Any) -> Any:
    return True if _is_true(value) else None


def _user(flag: FlagDraft, value: Any) -> Any:
    flag.lost(f"user {value!r} is a user name there and an id here: replace it by the user's id")
    return {"username": _text(value)}


def _anonymous(flag: FlagDraft, value: Any) -> Any:
    return {"is_authenticated": not _is_true(value)}


def _parameter(flag: FlagDraft, value: Any) -> Any:
    name, _, wanted = _text(value).partition("=")
    flag.lost(f"parameter {name!r}: anybody could switch it on by a link; give the flag `qa: true` and sign a link, or "
              f"read the parameter in FLAGMIDDLEWARE['CONTEXT']")  # fmt: skip
    return {f"parameter.{name}": wanted or "True"}


def _path(flag: FlagDraft, value: Any) -> Any:
    try:
        OPERATORS["matches"].prepare(_text(value))
    except ValueError as error:
        flag.lost(f"path matches {value!r}: {error}")
        return None
    return {"path": {"matches": value}}


def _after(flag: FlagDraft, value: Any) -> Any:
    return _edge(flag, "from", value)


def _before(flag: FlagDraft, value: Any) -> Any:
    return _edge(flag, "until", value)


def _edge(flag: FlagDraft, edge: str, value: Any) -> Any:
    text = value.isoformat() if isinstance(value, datetime) else _rfc3339(_text(value).strip())
    if instant(text) is None:
        aware = instant(f"{text}Z" if "T" in text else f"{text}T00:00:00Z")
        if aware is None:
            flag.lost(f"{value!r} is no date")
            return None
        # Comparing with a date that has no zone was a TypeError there, caught, and therefore never true.
        flag.lost(f"{value!r} has no time zone: the condition never held; it is left out")
        return None
    moment = datetime.fromtimestamp(instant(text) or 0.0, timezone.utc)
    return {"schedule": {edge: moment.isoformat().replace("+00:00", "Z")}}


def _rfc3339(text: str) -> str:
    """A date and time that Django reads (seconds may be missing, an offset may be hours) as a flag file has it.

    >>> _rfc3339("2026-12-01 9:30+11"), _rfc3339("2026-12-01T00:00Z"), _rfc3339("2026-12-01T00:00:00.5 +0530")
    ('2026-12-01T09:30:00+11:00', '2026-12-01T00:00:00Z', '2026-12-01T00:00:00.5+05:30')
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    year, month, day, hour, minute, second, offset = found.groups()
    if offset and offset != "Z":
        offset = f"{offset[:3]}:{offset[3:].lstrip(':') or '00'}"
    second = (second or ":00").replace(",", ".")
    return f"{year}-{month:0>2}-{day:0>2}T{hour:0>2}:{minute}{second}{offset or ''}"


_SAYINGS: Final[Mapping[str, Callable[[FlagDraft, Any], Any]]] = MappingProxyType(
    {
        "boolean": _boolean,
        "user": _user,
        "anonymous": _anonymous,
        "parameter": _parameter,
        "path matches": _path,
        "after date": _after,
        "before date": _before,
    }
)
