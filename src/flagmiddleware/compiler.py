"""Ruleset -> functions: each flag becomes one Python function of the context.

The data flows one way: a :class:`Flag` (model) is laid out as a shape (emit), whose values (attribute names, operands,
seeds, thresholds, ready-made evaluations) are bound into a code object. The function takes the context and, where
there is one, the BoundFlags whose memo prerequisites share; it returns one of the evaluations built beforehand.
Conditions are written by :mod:`.expressions`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .answers import Answers, rule_name
from .bucketing import BUCKETS, encode_key, murmur, seed, variants_salt
from .clock import holds, share_at
from .emit import Shape, Template
from .expressions import EQUALITIES, ConditionWriter, Names, operands
from .model import (
    Compute,
    ErrorCode,
    Evaluation,
    Fault,
    Flag,
    Ramp,
    Reason,
    Requirement,
    Rule,
    Ruleset,
    Serve,
    Split,
    Test,
)

if TYPE_CHECKING:
    from .bound import BoundFlags
    from .context import Context

__all__ = ["Compiler", "Decide"]

Decide: TypeAlias = "Callable[[Context, BoundFlags | None], Evaluation]"

_GLOBALS: Final[Mapping[str, Any]] = {
    "murmur": murmur,
    "encode_key": encode_key,
    "bisect": bisect_right,
    "str": str,
    "int": int,
    "float": float,
    "bool": bool,
    "ERROR": Reason.ERROR,
    "__builtins__": {},
}
_READY_UP_TO: Final = 64  # variants
_BISECT_FROM: Final = 8  # a split of more variants than this is searched, not compared one by one
_RUN_FROM: Final = 3  # so many equalities in a row on one attribute are looked up in a dict

Named: TypeAlias = "tuple[Rule, str]"


def _is_text(operand: Any) -> bool:
    return all(item.__class__ is str for item in operands(operand))


class Compiler:
    """Compiles the flags of one ruleset at one instant; keeps the shapes, which belong to it."""

    __slots__ = ("_prepared", "_segments", "_shapes", "instant", "ruleset", "table")

    def __init__(self, ruleset: Ruleset, instant: float, table: dict[str, Decide], shapes: dict[str, Template]) -> None:
        self.ruleset = ruleset
        self.instant = instant
        self.table = table
        self._shapes = (
            shapes  # those that were compiled so far; the caller keeps them for the compiler of the next plan
        )
        self._segments: dict[str, Callable[..., Any]] = {}
        self._prepared: dict[tuple[Any, ...], Any] = {}

    def compile(self, flag: Flag) -> Decide:
        """The function that decides ``flag``."""
        return _Layout(self, flag).function()

    def segment(self, name: str) -> Callable[..., Any]:
        """The function that tells whether a context is in a segment."""
        function = self._segments.get(name)
        if function is None:
            function = self._segments[name] = self._compile_segment(name)
        return function

    def prepared(self, test: Test) -> Any:
        """A test's operand as its operator wants it; equal ones are one object, whatever flags they stand in."""
        operand = test.operand
        if operand.__class__ is not bool and not _is_text(operand):
            return test.operator.prepare(operand)
        key = (test.operator, tuple(operand) if operand.__class__ is list else operand)
        if key not in self._prepared:
            self._prepared[key] = test.operator.prepare(operand)
        return self._prepared[key]

    def _compile_segment(self, name: str) -> Callable[..., Any]:
        shape = Shape()
        writer = ConditionWriter(self, shape)
        text, _, _ = writer.write(self.ruleset.segments[name], frozenset(), 0)
        shape.line(0, f"return {text}")
        return self.bind(shape)

    def bind(self, shape: Shape) -> Callable[..., Any]:
        """The function of a laid-out shape."""
        return shape.bind(self._shapes, _GLOBALS)


class _Layout:
    """Lays one flag out as the body of a function."""

    __slots__ = ("answers", "compiler", "conditions", "flag", "shape")

    def __init__(self, compiler: Compiler, flag: Flag) -> None:
        self.compiler = compiler
        self.flag = flag
        self.answers = Answers(flag)
        self.shape = Shape()
        self.conditions = ConditionWriter(compiler, self.shape)

    def function(self) -> Decide:
        self._body()
        return self.compiler.bind(self.shape)

    def _answer(self, depth: int, answer: Evaluation) -> None:
        self.shape.line(depth, f"return {self.shape.value(answer)}")

    def _body(self) -> None:
        flag = self.flag
        if flag.error is not None:
            return self._answer(0, self.answers.failed(ErrorCode.PARSE_ERROR, flag.error))
        if not flag.enabled:
            return self._answer(0, self.answers.killed())
        for requirement in flag.requires:
            self._requirement(requirement)
        if not self._rules():
            self._answer(0, self.answers.default())
        return None

    def _rules(self) -> bool:
        """Lay the rules out in order; true where the last one decides for everybody."""
        named = [(rule, rule_name(rule, place)) for place, rule in enumerate(self.flag.rules)]
        waiting = [(rule, name) for rule, name in named if holds(rule.schedule, self.compiler.instant)]
        known: Names = frozenset()
        while waiting:
            run = self._run(waiting)
            if len(run) >= _RUN_FROM:
                known = self._look_up(run, known)
                waiting = waiting[len(run) :]
                continue
            rule, name = waiting.pop(0)
            if rule.condition is None:
                self._decide(0, rule, name, known)
                return True
            text, true, known = self.conditions.write(rule.condition, known, 0)
            self.shape.line(0, f"if {text}:")
            self._decide(1, rule, name, true)
        return False

    def _constant(self, rule: Rule, name: str) -> Evaluation | None:
        """The answer of a rule that needs no hash once its condition holds."""
        if not isinstance(rule.payload, Serve):
            return None
        threshold = self._threshold(rule)
        if threshold is None:
            return self.answers.serve(rule.payload.variant, Reason.TARGETING_MATCH, name)
        if 0 < threshold < BUCKETS:
            return None
        return self.answers.serve(rule.payload.variant if threshold else self.flag.default, Reason.SPLIT, name)

    def _run(self, rules: list[Named]) -> list[tuple[Test, Evaluation]]:
        """The rules from the first on that compare one attribute with text and have a constant answer."""
        run: list[tuple[Test, Evaluation]] = []
        for rule, name in rules:
            test, answer = rule.condition, self._constant(rule, name)
            if not (isinstance(test, Test) and answer and test.operator in EQUALITIES and _is_text(test.operand)):
                break
            if run and test.attribute != run[0][0].attribute:
                break
            run.append((test, answer))
        return run

    def _look_up(self, run: list[tuple[Test, Evaluation]], known: Names) -> Names:
        """A run of equalities on one attribute, as one dict look-up for text and test by test for anything else."""
        first, local, known = self.conditions.read(run[0][0].attribute, known)
        answers: dict[str, Evaluation] = {}
        for test, answer in run:
            for operand in operands(test.operand):
                answers.setdefault(operand, answer)
        self.shape.line(0, f"if {first}.__class__ is str:")
        self.shape.line(1, f"e = {self.shape.call(answers.get, local)}")
        self.shape.line(1, "if e is not None: return e")
        self.shape.line(0, f"elif {local} is not None:")
        for test, answer in run:
            self.shape.line(1, f"if {self.shape.call(test.operator.test, local, self.conditions.prepared(test))}:")
            self._answer(2, answer)
        return known

    def _requirement(self, requirement: Requirement) -> None:
        key = self.shape.value(requirement.key)
        alone = f"(t := {self.shape.value(self.compiler.table)})[{key}](ctx, None)"
        accepted = self.shape.value(frozenset(requirement.variants))
        self.shape.line(0, f"p = {alone} if here is None else here.evaluate({key})")
        self.shape.line(0, f"if p.variant not in {accepted} or p.reason is ERROR:")
        self._answer(1, self.answers.unmet(requirement.key))

    def _decide(self, depth: int, rule: Rule, name: str, known: Names) -> None:
        """The gate and the payload of a rule whose condition holds."""
        threshold = self._threshold(rule)
        if threshold is None:
            return self._payload(depth, rule, name, known)
        outside = self.answers.serve(self.flag.default, Reason.SPLIT, name)
        if threshold <= 0:
            return self._answer(depth, outside)
        if threshold < BUCKETS:
            known = self._key(depth, name, known)
            bucket = f"murmur(b, {self.shape.value(seed(self.flag.salt))})"
            self.shape.line(depth, f"if {bucket} >= {self.shape.value(threshold)}:")
            self._answer(depth + 1, outside)
        return self._payload(depth, rule, name, known)

    def _threshold(self, rule: Rule) -> int | None:
        if rule.gate is None:
            return None
        return share_at(rule.gate, self.compiler.instant) if isinstance(rule.gate, Ramp) else rule.gate.share.threshold

    def _key(self, depth: int, name: str, known: Names) -> Names:
        """Put the bytes that are hashed in ``b``, or answer that there are none."""
        if "b" in known:
            return known
        if self.flag.sticky_by is None:
            self._targeting_key(depth)
        else:
            first, _, known = self.conditions.read(self.flag.sticky_by, known)
            self.shape.line(depth, f"b = encode_key({first})")
        self.shape.line(depth, "if not b:")
        self._answer(depth + 1, self.answers.keyless(name))
        return known | {"b"}

    def _targeting_key(self, depth: int) -> None:
        self.shape.line(depth, "b = ctx.key_bytes")
        self.shape.line(depth, "if b is None: b = ctx.encode_key()")

    def _payload(self, depth: int, rule: Rule, name: str, known: Names) -> None:
        payload = rule.payload
        if isinstance(payload, Serve):
            reason = Reason.TARGETING_MATCH if rule.gate is None else Reason.SPLIT
            self._answer(depth, self.answers.serve(payload.variant, reason, name))
        elif isinstance(payload, Split):
            self._key(depth, name, known)
            self._split(depth, payload, name)
        else:
            self._compute(depth, payload, name)

    def _split(self, depth: int, payload: Split, name: str) -> None:
        served = [self.answers.serve(variant, Reason.SPLIT, name) for variant in payload.variants]
        bucket = f"murmur(b, {self.shape.value(seed(variants_salt(self.flag.salt)))})"
        if len(served) > _BISECT_FROM:
            place = f"bisect({self.shape.value(payload.cuts)}, {bucket})"
            return self.shape.line(depth, f"return {self.shape.value(tuple(served))}.__getitem__({place})")
        self.shape.line(depth, f"h = {bucket}")
        for answer, cut in zip(served[:-1], payload.cuts, strict=False):
            self.shape.line(depth, f"if h < {self.shape.value(cut)}:")
            self._answer(depth + 1, answer)
        return self._answer(depth, served[-1])

    def _compute(self, depth: int, payload: Compute, name: str) -> None:
        answers, reason, variants = self.answers, payload.reason, self.flag.variants
        # A flag of thousands of rules and variants would otherwise have millions of answers made before its first.
        made = variants if len(variants) <= _READY_UP_TO else ()
        ready: dict[Any, Evaluation] = {variant: answers.serve(variant, reason, name) for variant in made}
        ready[None] = answers.serve(self.flag.default, Reason.DEFAULT)

        def odd(result: str | Fault) -> Evaluation:
            if isinstance(result, Fault):
                return answers.failed(result.code, result.message)
            if result in variants:
                return ready.setdefault(result, answers.serve(result, reason, name))
            return answers.failed(ErrorCode.GENERAL, f"flag {answers.flag.key!r} has no variant {result!r}")

        self.shape.line(depth, f"r = {self.shape.call(payload.function, 'ctx', 'here')}")
        self.shape.line(depth, f"e = {self.shape.call(ready.get, 'r')}")
        self.shape.line(depth, f"return {self.shape.call(odd, 'r')} if e is None else e")
