"""One source over another: what the upper one says about a flag replaces what the lower one says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any, Final

from msgspec.structs import replace

from ..errors import Problem, RulesetError, SourceError
from ..model import Flag, Rule, Ruleset, Serve
from .base import Snapshot, Source
from .wrappers import keep_pace

__all__ = ["force", "overlay", "parser"]

_FORCED: Final = "forced"


def force(ruleset: Ruleset, variants: Mapping[str, bool | str]) -> Ruleset:
    """The ruleset with these flags serving one variant to everyone who meets no kill switch.

    Raises RulesetError for a flag or a variant that is not defined: a misspelt variable must not do nothing.
    """
    problems: list[Problem] = []
    flags = dict(ruleset.flags)
    for key, wanted in variants.items():
        flag = flags.get(key)
        variant = None if flag is None else _variant(flag, wanted)
        if flag is None or variant is None:
            problems.append(Problem(_told(flag, wanted), f"flags.{key}", file="environment", flag=key))
            continue
        flags[key] = replace(flag, rules=(Rule(Serve(variant), name=_FORCED),), requires=(), tests=())
    if problems:
        raise RulesetError(problems)
    return replace(ruleset, flags=flags)


def _variant(flag: Flag, wanted: bool | str) -> str | None:
    if isinstance(wanted, bool):
        if flag.is_boolean:
            return "on" if wanted else "off"
        return None if wanted else flag.off
    return wanted if wanted in flag.variants else None


def _told(flag: Flag | None, wanted: object) -> str:
    if flag is None:
        return "there is no such flag"
    return f"{wanted!r} is none of its variants ({', '.join(flag.variants)})"


class _Overlay:
    """Parses both sources and lays the flags of one over those of the other."""

    def __init__(self, base: Source, local: Source, parse: Any) -> None:
        self.name = f"{local.name} over {base.name}"
        self.threaded = base.threaded or local.threaded
        self._base, self._local, self._parse = base, local, parse
        keep_pace(self, base, local)

    def changed(self, known: Snapshot | None) -> bool:
        """Whether one of the two has something new."""
        if known is None or not isinstance(known.token, tuple):
            return True
        below, above = known.token
        return self._base.changed(below) or self._local.changed(above)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """Both together; the lower one must be there, the upper one may be missing."""
        below: Any
        above: Any
        below, above = known.token if known is not None else (None, None)
        lower = self._base.fetch(below)
        try:
            upper = self._local.fetch(above)
        except SourceError:
            if above is not None:
                raise
            upper = None
        if lower is None and upper is None:
            return None
        below, above = lower or below, upper or above
        merged = self._merge(below, above)
        return Snapshot(
            data=merged, name=self.name, revision=below.revision, epoch=_epoch(below, above), token=(below, above),
            settled=below.settled and (above is None or above.settled), stale=below.stale,
        )  # fmt: skip

    def _merge(self, below: Snapshot, above: Snapshot | None) -> Ruleset:
        lower: Ruleset = self._parse(below)
        if above is None:
            return lower
        upper: Ruleset = self._parse(above)
        flags = {**lower.flags, **{key: _still_killed(flag, lower) for key, flag in upper.flags.items()}}
        return replace(lower, flags=flags, segments={**lower.segments, **upper.segments})

    def accepted(self, snapshot: Snapshot) -> None:
        """Both halves are in force."""
        for source, part in zip((self._base, self._local), snapshot.token, strict=True):
            if part is not None and hasattr(source, "accepted"):
                source.accepted(part)

    def close(self) -> None:
        """Let go of both."""
        self._base.close()
        self._local.close()


def _still_killed(flag: Flag, lower: Ruleset) -> Flag:
    # A kill reaches everybody, whoever has definitions of their own.
    below = lower.flags.get(flag.key)
    return flag if below is None or below.enabled else replace(flag, enabled=False)


def _epoch(below: Snapshot, above: Snapshot | None) -> str:
    # The revision is the lower source's: a change of the upper one must not look like other content under it.
    if above is None:
        return below.epoch
    upper = repr((above.epoch, above.revision, above.sha256, above.token))
    return f"{below.epoch}+{sha256(upper.encode()).hexdigest()[:12]}"


def overlay(base: Source, local: Source, *, environment: str | None = None) -> Source:
    """``base`` with the flags of ``local`` in the place of its own: a developer's file over the team's.

    A flag that ``base`` has killed stays killed, whatever ``local`` says.

    >>> from flagmiddleware import Flags
    >>> from flagmiddleware.sources import MemorySource
    >>> base = MemorySource(b'{"version": 1, "flags": {"alpha": {}, "beta": {}}}')
    >>> local = MemorySource(b'{"version": 1, "flags": {"beta": {"default": true}}}')
    >>> flags = Flags(overlay(base, local))
    >>> flags.is_enabled("alpha"), flags.is_enabled("beta")
    (False, True)
    """

    return _Overlay(base, local, parser(environment))


def parser(environment: str | None) -> Callable[[Snapshot], Ruleset]:
    """What reads a snapshot as it holds in ``environment``, for a source that has to know what the flags are."""

    def parse(snapshot: Snapshot) -> Ruleset:
        from .. import formats

        data = snapshot.data
        if isinstance(data, Ruleset):
            return data
        if isinstance(data, Mapping):
            return formats.parse_files(data, format=snapshot.format, environment=environment)
        return formats.parse(data, format=snapshot.format, name=snapshot.name, environment=environment)

    return parse
