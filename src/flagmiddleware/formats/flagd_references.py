"""``$ref``: the rules that a flagd document keeps under ``$evaluators`` and its flags share.

Source: flagd documentation, "Flag definitions", shared evaluators.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec

from .flagd_clock import follow_clock
from .flagd_context import FlagdScope
from .jsonlogic import Compiler, Expression, LogicError, Scope, failing

__all__ = ["MAX_COPIED", "Facts", "References", "SharedRules"]

_INSTANTS: Final = 64  # a rule that waits for more of them is told as one that may change at any time
MAX_COPIED: Final = 10_000_000
"""Bytes of shared rules that the flags of a document may have for themselves."""


class _Compiled(NamedTuple):
    """What was made of a shared rule."""

    expression: Expression
    size: int
    uses: frozenset[str]
    reads: frozenset[str] = frozenset()
    is_own: bool = False


class Facts(NamedTuple):
    """What is told of a flag that refers to a shared rule."""

    digest: str
    instants: tuple[float, ...]
    moves: bool


class SharedRules:
    """The rules of ``$evaluators``, each read and compiled once for a document: many flags may share a long one."""

    def __init__(self, rules: Mapping[str, Any]) -> None:
        self.rules = rules
        self.compiled: dict[tuple[str, bool], _Compiled] = {}
        self._facts: dict[str, Facts] = {}
        self._copied = 0

    def facts(self, name: str) -> Facts:
        """What to tell of the rule of that name."""
        if name not in self._facts:
            instants, moves = follow_clock([self.rules[name]])
            many = len(instants) > _INSTANTS
            digest = sha256(msgspec.json.encode(self.rules[name])).hexdigest()
            self._facts[name] = Facts(digest, () if many else instants, moves or many)
        return self._facts[name]

    def copy(self, name: str) -> None:
        """Count a rule that a flag has to have for itself; LogicError where they come to too much."""
        self._copied += len(msgspec.json.encode(self.rules[name]))
        if self._copied > MAX_COPIED:
            raise LogicError(
                f"$ref {name!r}: rules in $evaluators that ask for the flag's key, as `fractional` does, come to more "
                f"than {MAX_COPIED} bytes when each flag has its own; let them be shorter"
            )


class References:
    """The form of ``$ref`` for one flag."""

    def __init__(self, shared: SharedRules) -> None:
        self._shared = shared
        self._open: list[str] = []
        self._compiled: dict[tuple[str, bool], _Compiled] = {}
        self._used: set[str] = set()

    def used(self) -> list[tuple[str, Facts]]:
        """The shared rules that were asked for."""
        return [(name, self._shared.facts(name)) for name in sorted(self._used)]

    def __call__(self, compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
        """The rule of that name; LogicError where it refers to itself."""
        name = arguments[0] if arguments else None
        if not isinstance(name, str) or name not in self._shared.rules:
            return failing(f"$ref {name!r} names no rule in $evaluators")
        if name in self._open:
            raise LogicError("the rules in $evaluators go round in a circle: " + " > ".join([*self._open, name]))
        place = (name, isinstance(scope, FlagdScope))
        known = self._compiled.get(place) or self._shared.compiled.get(place)
        if known is None:
            known = self._compile(compiler, name, scope)
            (self._compiled if known.is_own else self._shared.compiled)[place] = known
        else:
            compiler.grow(known.size)
        self._used |= known.uses
        if isinstance(scope, FlagdScope):
            scope.absorb(known.reads, is_own=known.is_own)
        return known.expression

    def _compile(self, compiler: Compiler, name: str, scope: Scope) -> _Compiled:
        before, outside = compiler.size, self._used
        aside = scope.aside() if isinstance(scope, FlagdScope) else scope
        self._used = {name}
        self._open.append(name)
        expression = compiler.compile(self._shared.rules[name], aside)
        self._open.pop()
        uses, self._used = frozenset(self._used), outside
        found = _Compiled(expression, compiler.size - before, uses)
        if not isinstance(aside, FlagdScope):
            return found
        if aside.is_own:
            self._shared.copy(name)
        return found._replace(reads=frozenset(aside.reads), is_own=aside.is_own)
