"""What is wrong with a flag file, and what looks wrong: errors, failing examples, warnings, all at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import get_close_matches
from typing import Final

import msgspec

from ..errors import FlagMiddlewareError, Problem, RulesetError
from ..model import AllOf, AnyOf, Condition, InSegment, Not, Predicate, Ruleset
from ..model import Test as Comparison
from .documents import Documents, Lines
from .examples import run_examples

__all__ = ["WELL_KNOWN", "LintReport", "attribute_names", "lint"]

WELL_KNOWN: Final = (
    *("user", "email", "email_domain", "groups", "is_staff", "is_superuser", "is_authenticated", "visitor", "ip"),
    *("country", "language", "path", "method", "host", "user_agent", "targeting_key"),
)
"""The attributes that every adapter provides (besides ``session.…``)."""


class LintReport(msgspec.Struct, frozen=True):
    """What was looked at and what was found; ``ruleset`` is None where the definitions could not be read."""

    problems: tuple[Problem, ...]
    flags: int = 0
    examples: int = 0
    ruleset: Ruleset | None = None

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What must be mended."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What should be looked at."""
        return tuple(problem for problem in self.problems if problem.severity != "error")


Watch = Callable[[Iterable[str], str], Iterable[str]]


def lint(
    documents: Documents, *, environment: str | None = None, now: float, watch: Watch = lambda items, _: items
) -> LintReport:
    """Check the documents in every environment that they name (or only in ``environment``) and run their examples."""
    problems: dict[Problem, None] = {}
    chosen = [environment] if environment is not None else [None, *documents.environments()]
    ruleset: Ruleset | None = None
    for name in watch(chosen, "checking"):  # type: ignore[arg-type]
        try:
            parsed = documents.parse(name)
        except RulesetError as error:
            problems.update(dict.fromkeys(error.problems))
        except FlagMiddlewareError as error:
            problems[Problem(str(error), "", 0, documents.name)] = None
        else:
            ruleset = parsed if ruleset is None else ruleset
    if ruleset is None or problems:
        return LintReport(tuple(problems), ruleset=ruleset)
    lines = documents.lines()
    outcomes = list(run_examples(ruleset, documents.parse, now=now, watch=watch))
    found = [_located(*outcome, lines) for outcome in outcomes if outcome is not None]
    warnings = [*_collisions(ruleset, lines), *_undeclared(ruleset, lines)]
    return LintReport((*found, *warnings), len(ruleset.flags), len(outcomes), ruleset)


def _located(problem: Problem, number: int, lines: Lines) -> Problem:
    file, line = lines.place("flags", problem.flag or "", "tests", number)
    return problem._replace(file=file, line=line)


def _collisions(ruleset: Ruleset, lines: Lines) -> Iterator[Problem]:
    """Keys that templates cannot tell apart: they look a name up as it is, then with ``_`` as ``-``."""
    seen: dict[str, str] = {}
    for key in ruleset.flags:
        plain = key.replace("_", "-")
        first = seen.setdefault(plain, key)
        if first != key:
            file, line = lines.place("flags", key)
            message = f"{key!r} and {first!r} are one name in templates, where _ stands for -: rename one of them"
            yield Problem(message, f"flags.{key}", line, file, key, "warning")


def attribute_names(condition: Condition | None) -> Iterator[str]:
    """Every attribute that a condition names; those of segments are the segments' own."""
    if isinstance(condition, Comparison):
        yield condition.attribute
    elif isinstance(condition, AllOf | AnyOf):
        for part in condition.conditions:
            yield from attribute_names(part)
    elif isinstance(condition, Not):
        yield from attribute_names(condition.condition)
    elif isinstance(condition, Predicate):
        yield from condition.reads
    else:
        assert condition is None or isinstance(condition, InSegment)  # noqa: S101


def _undeclared(ruleset: Ruleset, lines: Lines) -> Iterator[Problem]:
    """Attribute names that neither the adapters nor the file declare; each is told once, where it first stands."""
    if ruleset.dialect.name != "native":
        return
    known = {*WELL_KNOWN, *ruleset.attributes}
    for name, path in _uses(ruleset):
        if name in known or name.startswith("session."):
            continue
        known.add(name)
        close = get_close_matches(name, [*WELL_KNOWN, *ruleset.attributes], n=1, cutoff=0.75)
        hint = f"did you mean {close[0]!r}?" if close else f"add it to `attributes: [{name}]` at the top of the file"
        file, line = lines.place(*path)
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")
        flag = str(path[1]) if path[0] == "flags" else None
        yield Problem(f"attribute {name!r} is not declared; {hint}", where, line, file, flag, "warning")


def _uses(ruleset: Ruleset) -> Iterator[tuple[str, tuple[str | int, ...]]]:
    for segment, condition in ruleset.segments.items():
        for name in attribute_names(condition):
            yield name, ("segments", segment)
    for flag in ruleset.flags.values():
        for number, rule in enumerate(flag.rules):
            for name in attribute_names(rule.condition):
                yield name, ("flags", flag.key, "rules", number, "if", name)
        if flag.sticky_by is not None:
            yield flag.sticky_by, ("flags", flag.key, "sticky_by")
