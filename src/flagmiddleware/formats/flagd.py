"""flagd's flag definitions (OpenFeature's file and sync format, JSON or YAML) -> Ruleset.

Source: flagd documentation, "Flag definitions". A flag's targeting, which is JsonLogic, becomes one Python function.
What is wrong with one flag is that flag's alone: it answers PARSE_ERROR and the others are served. Only what concerns
all of them (no ``flags``, bad metadata of the flag set) refuses the document. ``options``:

* ``bucketing``: ``"v3"`` (default; openfeature-flagd-core 2.x) or ``"v2"`` (flagd's Go daemon, core 1.x);
* ``validate``: true refuses a document that breaks flagd's schema anywhere (see ``flagd_schema``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from ..errors import ConfigurationError, ContextNotReadyError, Problem, RulesetError
from ..model import Compute, Dialect, ErrorCode, Fault, Flag, FrozenDict, Rule, Ruleset, freeze
from .dialect_text import decode
from .flagd_clock import follow_clock
from .flagd_context import FlagdScope
from .flagd_fractional import Bucketing, fractional
from .flagd_operators import FLAGD_OPERATORS, sem_ver
from .flagd_references import References, SharedRules
from .flagd_schema import problems
from .javascript import UNDEFINED, text
from .jsonlogic import Compiler, LogicError, Work

__all__ = ["FLAGD", "entries", "parse", "recognises", "wrong"]

FLAGD: Final = Dialect("flagd")
_OPTIONS: Final = ("bucketing", "validate")


def recognises(document: Any) -> bool:
    """Whether a document is flagd's: ``flags``, with a ``state`` and ``variants`` in some of them.

    >>> recognises({"flags": {"beta": {"state": "ENABLED", "variants": {"on": True}}}})
    True
    """
    if not isinstance(document, Mapping):
        return False
    if "$evaluators" in document or str(document.get("$schema", "")).startswith("https://flagd.dev/"):
        return True
    flags = document.get("flags")
    if flags == []:
        return True  # may be: RocketFlag writes that, too
    found = flags.values() if isinstance(flags, Mapping) else flags if isinstance(flags, list) else ()
    return any(isinstance(flag, Mapping) and {"state", "variants"} <= flag.keys() for flag in found)


def parse(
    data: bytes,
    *,
    name: str = "",
    environment: str | None = None,
    strict: bool = True,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> Ruleset:
    """The ruleset of one document; RulesetError where the document as a whole cannot be used.

    >>> beta = b'{"flags": {"beta": {"state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}}}'
    >>> parse(beta).flags["beta"].default
    'on'
    """
    bucketing = _bucketing(options)
    document = _document(data, name)
    found = problems(document, name=name) if options.get("validate") else _fatal(document, name)
    if found:
        raise RulesetError(found)
    shared = document.get("$evaluators")
    evaluators = shared if isinstance(shared, dict) else {}
    metadata: Mapping[str, Any] = freeze(document.get("metadata") or {})
    reader = _Reader(evaluators, metadata, bucketing)
    flags = {key: reader.flag(key, flag, problem) for key, flag, problem in entries(document["flags"])}
    return Ruleset(flags=flags, dialect=FLAGD, environment=environment, metadata=metadata)


def _bucketing(options: Mapping[str, Any]) -> Bucketing:
    unknown = sorted(set(options) - set(_OPTIONS))
    if unknown:
        raise ConfigurationError(f"options: flagd knows {' and '.join(_OPTIONS)}, found {unknown[0]!r}")
    try:
        return Bucketing(options.get("bucketing", Bucketing.V3))
    except ValueError as error:
        found = options["bucketing"]
        raise ConfigurationError(f'options["bucketing"]: expected "v2" or "v3", found {found!r}') from error


def _document(data: bytes, name: str) -> Any:
    return decode(data, name=name)


def _fatal(document: Any, name: str) -> list[Problem]:
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict | list):
        expected = "a flagd document is an object with `flags`: an object, or an array of flags with a key"
        return [Problem(expected, file=name)]
    metadata = document.get("metadata")
    if metadata is not None and not _is_metadata(metadata):
        return [Problem("the flag set's metadata is an object of texts, numbers and booleans", "metadata", file=name)]
    return []


def _is_metadata(metadata: Any) -> bool:
    return isinstance(metadata, dict) and all(
        key and isinstance(value, str | int | float) for key, value in metadata.items()
    )


def entries(flags: Any) -> Iterator[tuple[str, Any, str]]:
    """Each flag's key, its definition, and what is wrong with the key."""
    if isinstance(flags, dict):
        yield from ((key, flag, "") for key, flag in flags.items())
        return
    for place, flag in enumerate(flags):
        key = flag.get("key") if isinstance(flag, dict) else None
        if isinstance(key, str) and key:
            yield key, flag, ""
        else:
            yield f"flags[{place}]", flag, "key: a flag in an array needs one"


class _Reader:
    """Reads the flags of one document."""

    def __init__(self, evaluators: Mapping[str, Any], metadata: Mapping[str, Any], bucketing: Bucketing) -> None:
        self._shared = SharedRules(evaluators)
        self._work = Work()  # one for all: a shared rule is compiled for the flag that asks for it first
        self._metadata = metadata
        self._bucketing = bucketing
        self._forms = {"fractional": fractional(bucketing), "sem_ver": sem_ver}

    def flag(self, key: str, flag: Any, problem: str = "") -> Flag:
        """One flag, whatever is wrong with it."""
        problem = problem or wrong(flag)
        if problem:
            return Flag(key=key, off=None, default=None, metadata=self._metadata, error=f"flag {key!r}: {problem}")
        error: str | None = None
        rules: tuple[Rule, ...] = ()
        enabled = flag["state"] == "ENABLED"
        default, fault = _default(key, flag)
        try:
            variants = FrozenDict(
                {name: freeze(value) for name, value in flag["variants"].items() if value is not None}
            )
        except RecursionError:
            problem = f"flag {key!r}: the value of a variant is nested too deep"
            return Flag(key=key, off=None, default=None, enabled=enabled, metadata=self._metadata, error=problem)
        if enabled:  # flagd looks at nothing else of a flag that is disabled
            try:
                rules = self._rules(key, flag.get("targeting"), default, fault)
            except (LogicError, RecursionError) as reason:
                error = f"flag {key!r}, targeting: {reason}"
        metadata = freeze({**self._metadata, **(flag.get("metadata") or {})})
        return Flag(
            key=key,
            variants=variants,
            off=None,
            default=default,
            enabled=enabled,
            rules=rules,
            metadata=metadata,
            error=error,
            salt=key,
        )

    def _rules(self, key: str, targeting: Any, default: str | None, fault: Fault | None) -> tuple[Rule, ...]:
        if not targeting:
            # Without targeting the answer is STATIC; a flag that has no default variant leaves it to the caller.
            return () if default is not None else (_no_default(fault),)
        if not isinstance(targeting, dict):
            raise LogicError("expected an object with one operator")
        scope = FlagdScope(key)
        references = References(self._shared)
        run = Compiler(scope, {**self._forms, "$ref": references}, FLAGD_OPERATORS, self._work).compile(targeting).run
        used = references.used()
        digests = [(name, facts.digest) for name, facts in used]
        described = msgspec.json.encode([key, self._bucketing, fault is None, targeting, digests])
        instants, moves = follow_clock([targeting])
        changes = tuple(sorted({*instants, *(instant for _, facts in used for instant in facts.instants)}))
        payload = Compute(
            _decider(key, run, fault),
            reads=tuple(sorted(scope.reads)),
            text=msgspec.json.encode(targeting).decode(),
            definition=described,
            changes=changes,
            moves=moves or any(facts.moves for _, facts in used),
        )
        return (Rule(payload, name="targeting"),)


def _no_default(fault: Fault | None) -> Rule:
    return Rule(Compute(lambda context, here: fault, text="no default variant", definition=fault or ()))


def wrong(flag: Any) -> str:
    """What makes a flag unusable; empty where nothing does."""
    if not isinstance(flag, dict):
        return "expected an object"
    if flag.get("state") not in ("ENABLED", "DISABLED"):
        return f"state: expected ENABLED or DISABLED, found {flag.get('state')!r}"
    variants = flag.get("variants")
    if not isinstance(variants, dict) or not variants:
        return "variants: expected an object with at least one variant"
    if not isinstance(flag.get("defaultVariant"), str | bool | None):
        return f"defaultVariant: expected a variant's name, found {flag['defaultVariant']!r}"
    metadata = flag.get("metadata")
    if metadata is not None and not _is_metadata(metadata):
        return "metadata: expected an object of texts, numbers and booleans"
    return ""


def _default(key: str, flag: Mapping[str, Any]) -> tuple[str | None, Fault | None]:
    """The default variant, or what asking for it comes to where it is not one of the variants."""
    wanted = flag.get("defaultVariant")
    if wanted is None or wanted == "":
        return None, None
    name = text(wanted)
    if flag["variants"].get(name) is not None:
        return name, None
    return None, Fault(ErrorCode.GENERAL, f"flag {key!r}: the default variant {name!r} is not among its variants")


def _decider(key: str, run: Any, fallback: Fault | None) -> Any:
    """The function of a Compute payload: what the targeting says, as a variant's name."""

    def decide(context: Any, here: Any) -> str | Fault | None:
        try:
            found = run(context)
            if found.__class__ is str:
                return found
            return fallback if found is None or found is UNDEFINED else text(found)
        except ContextNotReadyError:
            raise
        except LogicError as error:
            return Fault(ErrorCode.PARSE_ERROR, f"flag {key!r}, targeting: {error}")
        except Exception as error:  # evaluation never raises, whatever a context holds
            return Fault(ErrorCode.GENERAL, f"flag {key!r}, targeting: {type(error).__name__}: {error}")

    return decide
