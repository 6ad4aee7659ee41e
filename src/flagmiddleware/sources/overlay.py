"""One source over another: what the upper one says about a flag replaces what the lower one says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Final, TypeAlias

from msgspec.structs import replace

from ..errors import Problem, RulesetError, SourceError
from ..log import log
from ..model import Flag, Rule, Ruleset, Serve
from .base import Layers, Snapshot, Source
from .wrappers import keep_pace, kept_by, lie_over, may_differ

__all__ = ["Layering", "content", "force", "overlay"]

_Read: TypeAlias = "Callable[[Snapshot, bool], Ruleset]"

_FORCED: Final = "forced"


def force(ruleset: Ruleset, variants: Mapping[str, bool | str]) -> Ruleset:
    """The ruleset with these flags serving one variant to everyone who meets no kill switch.

    Raises RulesetError for a flag or a variant that is not defined: a misspelt variable must not do nothing.
    """
    forced, problems = _force(ruleset, variants)
    if problems:
        raise RulesetError(problems)
    return forced


def _force(ruleset: Ruleset, variants: Mapping[str, bool | str]) -> tuple[Ruleset, list[Problem]]:
    problems: list[Problem] = []
    flags = dict(ruleset.flags)
    spelt = {_plain(key): key for key in flags}
    for wanted_key, wanted in variants.items():
        key = wanted_key if wanted_key in flags else spelt.get(_plain(wanted_key), wanted_key)
        flag = flags.get(key)
        variant = None if flag is None else _variant(flag, wanted)
        if flag is None or variant is None:
            problems.append(Problem(_told(flag, wanted), f"flags.{key}", file="environment", flag=key))
            continue
        flags[key] = replace(flag, rules=(Rule(Serve(variant), name=_FORCED),), requires=(), tests=())
    return replace(ruleset, flags=flags), problems


def _plain(key: str) -> str:
    # A variable's name has neither hyphens nor small letters; other systems' keys have all sorts.
    return key.lower().replace("_", "-")


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


class Layering:
    """Makes one set of flags of the layers that a source hands out, one after the other.

    ``lower`` and ``upper`` read the documents of each; a variable that names no flag is refused at the start of a
    source that can be refused, and otherwise told once: a flag that was tidied away must not keep the others from
    changing.
    """

    def __init__(self, lower: _Read, upper: _Read) -> None:
        self._lower, self._upper = lower, upper
        self._started = False
        self._told: list[str] = []

    def read(self, layers: Layers, strict: bool) -> Ruleset:
        """The definitions; raises RulesetError where a layer is wrong."""
        found = self._lower(layers.lower, strict)
        if layers.upper is not None:
            found = _merged(found, self._upper(layers.upper, strict))
        return self._forced(found, layers.forced, strict) if layers.forced else found

    def _forced(self, ruleset: Ruleset, variants: Mapping[str, bool | str], strict: bool) -> Ruleset:
        forced, problems = _force(ruleset, variants)
        if problems and strict and not self._started:
            raise RulesetError(problems)
        self._started = True
        told = [str(problem) for problem in problems]
        if told and told != self._told:
            log().error("variables of the environment are left out:\n%s", "\n".join(told))
        self._told = told
        return forced


def _merged(lower: Ruleset, upper: Ruleset) -> Ruleset:
    flags = {**lower.flags, **{key: _still_killed(flag, lower) for key, flag in upper.flags.items()}}
    return replace(lower, flags=flags, segments={**lower.segments, **upper.segments})


def content(snapshot: Snapshot) -> Snapshot:
    """What a snapshot says, without when and where it was said."""
    return Snapshot(data=snapshot.data, name=snapshot.name, format=snapshot.format)


class _Overlay:
    """Hands out both sources, one over the other."""

    def __init__(self, base: Source, local: Source) -> None:
        self.name = f"{local.name} over {base.name}"
        self.threaded = base.threaded or local.threaded
        self._base, self._local = base, local
        self._told = ""
        keep_pace(self, base, local)
        lie_over(self, base)

    def changed(self, known: Snapshot | None) -> bool:
        """Whether one of the two has something new."""
        if known is None or not isinstance(known.token, tuple):
            return True
        below, above = known.token
        return self._base.changed(below) or may_differ(self._local, above)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """Both together; the lower one must be there, the upper one may be missing, or be taken away."""
        below: Snapshot | None
        above: Snapshot | None
        below, above = known.token if known is not None else (None, None)
        lower = self._base.fetch(below) if self._base.changed(below) else None
        upper = self._over(above)
        if lower is None and upper is above:
            return None
        return self._both(lower or below, upper)

    def _over(self, known: Snapshot | None) -> Snapshot | None:
        """The newest of the upper source, ``known`` where that is it, None where there is nothing."""
        try:
            found = self._local.fetch(known) or known
        except SourceError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            if known is not None:
                raise
            if str(error) != self._told:
                log().warning("nothing lies over %s: %s", self._base.name, error)
            self._told = str(error)
            return None
        self._told = ""
        return found

    def _both(self, below: Snapshot | None, above: Snapshot | None) -> Snapshot:
        assert below is not None  # noqa: S101 - who knew nothing got something, or an error
        return Snapshot(
            data=Layers(lower=content(below), upper=None if above is None else content(above)),
            name=self.name, revision=below.revision, epoch=_epoch(below, above), token=(below, above),
            settled=below.settled and (above is None or above.settled), stale=below.stale,
        )  # fmt: skip

    def last_good(self) -> Snapshot | None:
        """What the lower source kept from before, under what the upper one has without a wait."""
        below = kept_by(self._base)
        if below is None:
            return None
        try:
            above = kept_by(self._local)
        except SourceError:
            above = None
        return self._both(below, above)

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


def overlay(base: Source, local: Source) -> Source:
    """``base`` with the flags of ``local`` in the place of its own: a developer's file over the team's.

    A flag that ``base`` has killed stays killed, whatever ``local`` says. ``local`` need not be there, and may be taken
    away; changes are written to ``base``.

    >>> from flagmiddleware import Flags
    >>> from flagmiddleware.sources import MemorySource
    >>> base = MemorySource(b'{"version": 1, "flags": {"alpha": {}, "beta": {}}}')
    >>> local = MemorySource(b'{"version": 1, "flags": {"beta": {"default": true}}}')
    >>> flags = Flags(overlay(base, local))
    >>> flags.is_enabled("alpha"), flags.is_enabled("beta")
    (False, True)
    """
    return _Overlay(base, local)
