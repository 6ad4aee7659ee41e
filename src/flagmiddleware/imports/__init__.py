"""Other systems' definitions in, a native flag file out, with a note for each thing that changed on the way."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ..errors import ConfigurationError
from ..formats import parse
from .draft import Draft, ImportProblem, Kept, Note

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
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # A document of another shape than the system writes trips wherever it first differs.
        raise ImportProblem(f"{name or 'the file'} is not what {kind} writes: {error!r:.200}") from error
    document = draft.document()
    text = _yaml(document)
    parse(text.encode(), format="yaml", name="the imported file")  # ours to get right: what we write, we read
    return Imported(document, text, tuple(draft.notes))


def _yaml(document: Mapping[str, Any]) -> str:
    import yaml

    class Plain(yaml.SafeDumper):
        """Writes a list twice where it is there twice: anchors are refused in flag files."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return yaml.dump(document, Dumper=Plain, sort_keys=False, allow_unicode=True, width=120)
