"""Other systems' definitions in, a native flag file out, with a note for each thing that changed on the way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError, Problem, RulesetError
from ..formats import parse
from .draft import Draft, ImportProblem, Kept, Note
from .shapes import STUMBLES

__all__ = ["KINDS", "ImportProblem", "Imported", "Kept", "Note", "convert"]

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "rocketflag": "rocketflag",
        "flagd": "flagd",
        "unleash": "unleash",
        "waffle": "waffle",
        "django-flags": "django_flags",
        "gofeatureflag": "gofeatureflag",
        "flipt": "flipt",
        "growthbook": "growthbook",
    }
)
"""Each system by name, and the module here that reads it. Loaded when it is needed."""

_NUMBER_LIKE: Final = re.compile(r"[-+]?\.?\d")


class Imported(NamedTuple):
    """A native document, the same as YAML, and what to know about it."""

    document: dict[str, Any]
    text: str
    notes: tuple[Note, ...]


def convert(kind: str, data: bytes, *, name: str = "", options: Mapping[str, Any] = MappingProxyType({})) -> Imported:
    """What ``data`` of the system ``kind`` is as a native flag file; ImportProblem where it is not that system's.

    >>> fixture = b'[{"model": "waffle.switch", "pk": 1, "fields": {"name": "beta", "active": true}}]'
    >>> print(convert("waffle", fixture).text)
    version: 1
    flags:
      beta:
        rules:
        - serve: true
    <BLANKLINE>
    """
    if kind not in KINDS:
        raise ConfigurationError(f"there is no import from {kind!r}; there are {', '.join(KINDS)}")
    module = import_module(f"{__name__}.{KINDS[kind]}")
    try:
        draft: Draft = module.convert(data, name, options)
    except STUMBLES as error:
        # A document of another shape than the system writes trips wherever it first differs.
        raise ImportProblem(f"{name or 'the file'} is not what {kind} writes: {error!r:.200}") from error
    while True:
        document = draft.document()
        text = _yaml(document)
        try:
            parse(text.encode(), format="yaml", name="the imported file")  # what we write, we read
            return Imported(document, text, draft.all_notes())
        except RulesetError as error:
            if not _leave_out(draft, error):
                raise ImportProblem(f"{name or 'the file'} holds what no flag file can say: {error}") from error


def _leave_out(draft: Draft, error: RulesetError) -> bool:
    """Empty the flags and drop the segments that the error is about; false where that changes nothing."""
    changed = False
    emptied: dict[str, Any] = {}
    for problem in error.problems:
        flag = draft.flags.get(problem.flag or "")
        if flag is not None and flag.finish():
            emptied[flag.key] = flag.name if flag.name is not None else flag.key
            flag.abandon(f"{problem.where}: {problem.message}")
        elif flag is not None or not _drop_segment(draft, problem):
            continue
        changed = True
    _empty_children(draft, emptied)
    return changed


def _empty_children(draft: Draft, emptied: Mapping[str, Any]) -> None:
    """A flag whose parent is off only because it could not be written must not be decided by that."""
    for flag in draft.flags.values():
        if parent := next((key for key in flag.body.get("requires", ()) if key in emptied), None):
            flag.abandon(f"its parent {emptied[parent]!r} did not come over")


def _drop_segment(draft: Draft, problem: Problem) -> bool:
    """Leave out the segment that a problem is in; the flags that name it are refused, and so emptied, thereafter."""
    room, _, name = problem.where.partition(".")
    found = next(
        (each for each in draft.segments if room == "segments" and re.match(re.escape(each) + r"\b", name)), None
    )
    if found is None:
        return False
    del draft.segments[found]
    draft.notes.append(Note(found, Kept.LOST, f"the segment is left out: {problem.message}"))
    return True


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    class Plain(yaml.SafeDumper):
        """Writes a list twice where it is there twice: anchors are refused in flag files."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

        def represent_text(self, text: str) -> Any:
            """Quoted where it looks like a number, of which YAML 1.2 knows more spellings than this library."""
            style = "'" if _NUMBER_LIKE.match(text) else None
            return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    Plain.add_representer(str, Plain.represent_text)
    return yaml.dump(document, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
