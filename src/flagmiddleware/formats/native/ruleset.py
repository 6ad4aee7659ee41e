"""Documents to one ruleset: the fields at the top, every flag, what they refer to; all problems at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from ...errors import Problem, RulesetError
from ...model import Condition, Example, Flag, Ruleset, freeze
from ..syntax import DEEPEST, Document, Path, is_deeper
from ..words import expected, show, where
from .conditions import RESERVED, read_condition
from .flags import check_keys, read_details, read_flag
from .references import check_requirements, check_segments, segments_in
from .scope import Scope
from .troubles import in_order, problems_of

__all__ = ["TOP_FIELDS", "Builder", "build"]

TOP_FIELDS: Final = frozenset(("version", "flags", "segments", "attributes", "policy", "metadata"))


class Builder:
    """Reads documents into flags and segments, noting every problem."""

    def __init__(self, documents: Sequence[Document], scope: Scope | None = None) -> None:
        self.documents = documents
        self.scope = Scope() if scope is None else scope
        self.flags: dict[str, Flag] = {}
        self.environments: dict[str, dict[str, Flag]] = {}
        self.homes: dict[str, Document] = {}
        self.segments: dict[str, Condition] = {}
        self.segment_homes: dict[str, Any] = {}
        self.attributes: dict[str, None] = {}
        self.merged: dict[str, dict[str, Any]] = {"policy": {}, "metadata": {}}

    def keep(self, key: str, flag: Flag, environments: Mapping[str, Flag], home: Document) -> None:
        """Take a flag as it was read before; it must need no other flag."""
        self.flags[key], self.homes[key] = flag, home
        for environment, changed in environments.items():
            self.environments.setdefault(environment, {})[key] = changed

    def run(self) -> None:
        """Read everything."""
        parts = [document for document in self.documents if self._top(document)]
        for document in parts:
            self._declare(document)
        self.scope.segments = self.segment_homes
        for name, holder in self.segment_homes.items():
            self.segments[name] = read_condition(self.scope, holder, name, holder[name])
        if self.scope.used_segments:
            check_segments(self.scope, self.segments, self.segment_homes)
        for document in parts:
            self._read_flags(document)
        for environment in (None, *self.environments):
            flags = {**self.flags, **self.environments.get(environment or "", {})} if environment else self.flags
            check_requirements(self.scope, flags, self._demanding(flags, environment))
        if self.scope.is_deep:
            for document in self.documents:
                if is_deeper(document.tree, DEEPEST):
                    message = f"mappings and lists are nested deeper than {DEEPEST} levels"
                    self.scope.report(document, None, message)

    def _top(self, document: Document) -> bool:
        tree = document.tree
        if tree.__class__ is not dict:
            self.scope.report(document, None, expected("a mapping with `version` and `flags`", tree))
            return False
        self.scope.check_fields(tree, TOP_FIELDS)
        for name in ("version", "flags"):
            if name not in tree:
                hint = "version: 1" if name == "version" else "flags: {}"
                self.scope.report(tree, None, f"`{name}` is missing; a flag file has `{hint}` at its top level")
        version = tree.get("version", 1)
        if version != 1 or isinstance(version, bool):
            self.scope.report(tree, "version", f"this version reads flag files of version 1, found {show(version)}")
        return True

    def _declare(self, document: Document) -> None:
        tree, scope = document.tree, self.scope
        segments = scope.mapping(tree, "segments", "names and conditions") if "segments" in tree else {}
        for name in segments:
            if name in self.segment_homes:
                scope.report(segments, name, f"the segment {show(name)} is in another file of this folder, too")
            elif not name:
                scope.report(segments, name, "a segment must have a name")
            else:
                self.segment_homes[name] = segments
        if "attributes" in tree:
            names = scope.texts(tree, "attributes", "a list of attribute names") if tree["attributes"] != [] else ()
            for name in names:
                if name in RESERVED:
                    scope.report(tree, "attributes", f'"{name}" is a reserved name')
                self.attributes[name] = None
        for field in ("policy", "metadata"):
            if field in tree:
                self._merge(field, scope.mapping(tree, field, "a mapping"), tree)

    def _merge(self, field: str, values: dict[str, Any], tree: dict[str, Any]) -> None:
        self.scope.free(tree, field)
        for name, value in values.items():
            if name in self.merged[field]:
                self.scope.report(values, name, f"`{field}` has this in another file of this folder, too")
            self.merged[field][name] = value

    def _read_flags(self, document: Document) -> None:
        flags = self.scope.mapping(document.tree, "flags", "keys and flags") if "flags" in document.tree else {}
        found, homes, scope = self.flags, self.homes, self.scope
        check_keys(scope, flags)
        for key, body in flags.items():
            if key in homes:
                message = f"the flag {show(key)} is in {homes[key].name or 'another file'}, too; keep one of them"
                scope.report(flags, key, message)
                continue
            homes[key] = document
            if body.__class__ is not dict:
                scope.wrong(flags, key, "a flag (a mapping; {} is a flag that is off)")
                continue
            flag = found[key] = read_flag(scope, flags, key, body)
            if "tests" in body or "environments" in body:
                found[key], changed = read_details(scope, key, body, flag)
                for environment, other in changed.items():
                    self.environments.setdefault(environment, {})[key] = other

    def _demanding(self, flags: Mapping[str, Flag], environment: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, flag in flags.items():
            if flag.requires:
                document = self.homes[key].tree["flags"][key]
                changes = document.get("environments", {}).get(environment or "", {}) if environment else {}
                yield key, changes if "requires" in changes else document

    def problems(self) -> list[Problem]:
        """Everything that is wrong."""
        if not self.scope.findings and not any(document.findings for document in self.documents):
            return []
        return problems_of(self.documents, self.scope.findings, self.scope.merged)

    def ruleset(self, environment: str | None) -> Ruleset:
        """What was read, as it holds in one environment; None: as it stands without any."""
        flags = {**self.flags, **self.environments.get(environment, {})} if environment else self.flags
        is_folder = len(self.documents) > 1
        return Ruleset(
            flags=flags,
            segments=self.segments,
            environment=environment,
            metadata=freeze(self.merged["metadata"]),
            attributes=tuple(self.attributes),
            policy=freeze(self.merged["policy"]),
            sources={key: document.name for key, document in self.homes.items()} if is_folder else {},
        )

    def drop(self, problems: Sequence[Problem]) -> None:
        """Leave out what is wrong: those flags answer PARSE_ERROR, and so do those that name a bad segment."""
        bad: dict[str, list[str]] = {}
        for problem in problems:
            if problem.flag is not None:
                bad.setdefault(problem.flag, []).append(str(problem))
        broken = self._broken_segments(problems)
        for key, flag in self._every_flag():
            names = [name for rule in flag.rules if rule.condition for name in segments_in(rule.condition)]
            if not broken.isdisjoint(names):
                bad.setdefault(key, []).append(f"a segment that it uses is wrong: {', '.join(broken & set(names))}")
        for key, messages in bad.items():
            if key in self.homes:
                self.flags[key] = Flag(key=key, error="; ".join(messages))
                for flags in self.environments.values():
                    flags.pop(key, None)
        for name in broken:
            self.segments.pop(name, None)

    def _every_flag(self) -> Iterator[tuple[str, Flag]]:
        yield from self.flags.items()
        for flags in self.environments.values():
            yield from flags.items()

    def _broken_segments(self, problems: Sequence[Problem]) -> set[str]:
        named = [problem.where for problem in problems if problem.where.startswith("segments")]
        places = {name: where(("segments", name)) for name in self.segments} if named else {}
        broken = {
            name
            for name, own in places.items()
            if any(place.startswith(own) and place[len(own) :][:1] in ("", ".", "[") for place in named)
        }
        while True:
            users = {name for name, condition in self.segments.items() if broken & set(segments_in(condition))}
            if users <= broken:
                return broken
            broken |= users


def build(documents: Sequence[Document], *, environment: str | None, strict: bool, with_lines: bool = False) -> Ruleset:
    """The ruleset of some documents, for one environment.

    Raises RulesetError with every problem; with ``strict`` off only where no flag could be told apart, and a flag
    that is wrong stays in the ruleset with its ``error``. ``with_lines`` gives each example its line.
    """
    builder = Builder(documents)
    builder.run()
    problems = builder.problems()
    if problems:
        problems = in_order(documents, [*problems, *_hidden(documents)])
        if strict or any(_is_fatal(problem) for problem in problems):
            raise RulesetError(problems)
        builder.drop(problems)
    if with_lines:
        _number_examples(builder)
    return builder.ruleset(environment)


def _hidden(documents: Sequence[Document]) -> Iterator[Problem]:
    """What is wrong in definitions that another one of the same key, further down, has replaced."""
    for place, document in enumerate(documents):
        for reading in document.readings():
            others = [*documents[:place], reading, *documents[place + 1 :]]
            builder = Builder(others)
            builder.run()
            yield from problems_of(others, builder.scope.findings, builder.scope.merged, is_reading=True)


def _is_fatal(problem: Problem) -> bool:
    return problem.where in ("", "version", "flags")


def _number_examples(builder: Builder) -> None:
    lines = {document.name: document.lines() for document in builder.documents}
    for flags in (builder.flags, *builder.environments.values()):
        for key, flag in flags.items():
            if flag.tests:
                flags[key] = _numbered(flag, lines[builder.homes[key].name])


def _numbered(flag: Flag, lines: Mapping[Path, int]) -> Flag:
    tests = tuple(
        Example(test.given, test.expect, test.environment, test.at, lines.get(("flags", flag.key, "tests", index), 0))
        for index, test in enumerate(flag.tests)
    )
    return replace(flag, tests=tests)
