"""The reference: decides a flag by walking its definition, and tells why.

Slow and plain on purpose. ``explain`` runs it, a fault in compiled code is decided by it, and the tests hold the
compiler against it, so it shares no code with the compiler beyond the operators and the hash.
"""

from __future__ import annotations

from typing import Any

import msgspec

from .answers import Answers, rule_name
from .bucketing import BUCKETS, bucket, variants_salt
from .clock import holds, share_at
from .context import Context
from .errors import ContextNotReadyError
from .model import (
    AllOf,
    AnyOf,
    Compute,
    Condition,
    ErrorCode,
    Evaluation,
    Fault,
    Flag,
    InSegment,
    Not,
    Predicate,
    Ramp,
    Reason,
    Rule,
    Ruleset,
    Serve,
    Split,
    Test,
)

__all__ = ["Check", "Explanation", "Interpreter", "PrerequisiteTrace", "RuleTrace", "interpret"]


class Check(msgspec.Struct, frozen=True):
    """One test that was made: what it asks, what the context held, whether it held; segment names where it stands."""

    text: str
    found: Any
    holds: bool
    segment: str | None = None


class RuleTrace(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one rule.

    ``outcome`` is ``served``, ``outside`` (of the rollout), ``no key``, ``not matched``, ``not scheduled`` or ``not
    reached``. ``bucket`` and ``threshold`` count 2**32 buckets and are None where nothing was hashed; ``split_bucket``
    is that of the split.
    """

    name: str
    outcome: str
    checks: tuple[Check, ...] = ()
    bucket: int | None = None
    threshold: int | None = None
    split_bucket: int | None = None
    served: str | None = None


class PrerequisiteTrace(msgspec.Struct, frozen=True):
    """A prerequisite: the variants that would do, what it served, whether that met it."""

    key: str
    wanted: tuple[str, ...]
    served: str | None
    met: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a flag served what it served, rule by rule."""

    evaluation: Evaluation
    rules: tuple[RuleTrace, ...] = ()
    prerequisites: tuple[PrerequisiteTrace, ...] = ()
    killed: bool = False


def _spell(operand: Any) -> str:
    return f"[{', '.join(map(_spell, operand))}]" if isinstance(operand, list | tuple) else str(operand)


class Interpreter:
    """Decides the flags of one ruleset at one instant (seconds since 1970)."""

    __slots__ = ("instant", "ruleset")

    def __init__(self, ruleset: Ruleset, instant: float) -> None:
        self.ruleset = ruleset
        self.instant = instant

    def evaluate(self, flag: Flag, context: Context, here: Any = None) -> Evaluation:
        """What ``flag`` serves to ``context``."""
        return self.explain(flag, context, here).evaluation

    def explain(self, flag: Flag, context: Context, here: Any = None) -> Explanation:
        """What ``flag`` serves to ``context``, and how it came to that. Never raises."""
        try:
            return _Walk(self, flag, context, here).explain()
        except ContextNotReadyError as error:
            code, message = ErrorCode.INVALID_CONTEXT, str(error)
        except Exception as error:  # the last net under every decision: whatever happens, `off` is served
            code, message = ErrorCode.GENERAL, f"{type(error).__name__} while deciding flag {flag.key!r}"
        return Explanation(evaluation=Answers(flag).failed(code, message))

    def prerequisite(self, key: str, context: Context, here: Any) -> Evaluation:
        """What a prerequisite serves: from the memo where there is one."""
        if here is not None:
            evaluation: Evaluation = here.evaluate(key)
            return evaluation
        return self.evaluate(self.ruleset.flags[key], context)


class _Walk:
    """One flag, one context."""

    def __init__(self, interpreter: Interpreter, flag: Flag, context: Context, here: Any) -> None:
        self.interpreter = interpreter
        self.flag = flag
        self.context = context
        self.here = here
        self.answers = Answers(flag)
        self.rules: list[RuleTrace] = []
        self.prerequisites: list[PrerequisiteTrace] = []

    def explain(self) -> Explanation:
        evaluation = self._decide()
        names = (rule_name(rule, place) for place, rule in enumerate(self.flag.rules))
        reached = len(self.rules)
        rest = (RuleTrace(name=name, outcome="not reached") for place, name in enumerate(names) if place >= reached)
        return Explanation(
            evaluation=evaluation,
            rules=(*self.rules, *rest),
            prerequisites=tuple(self.prerequisites),
            killed=self.flag.error is None and not self.flag.enabled,
        )

    def _decide(self) -> Evaluation:
        flag = self.flag
        if flag.error is not None:
            return self.answers.failed(ErrorCode.PARSE_ERROR, flag.error)
        if not flag.enabled:
            return self.answers.killed()
        for requirement in flag.requires:
            found = self.interpreter.prerequisite(requirement.key, self.context, self.here)
            met = found.variant in requirement.variants and found.reason is not Reason.ERROR
            trace = PrerequisiteTrace(requirement.key, requirement.variants, found.variant, met)
            self.prerequisites.append(trace)
            if not met:
                return self.answers.unmet(requirement.key)
        for place, rule in enumerate(flag.rules):
            evaluation = self._rule(rule, rule_name(rule, place))
            if evaluation is not None:
                return evaluation
        return self.answers.default()

    def _rule(self, rule: Rule, name: str) -> Evaluation | None:
        if not holds(rule.schedule, self.interpreter.instant):
            self.rules.append(RuleTrace(name=name, outcome="not scheduled"))
            return None
        checks: list[Check] = []
        if rule.condition is not None and not self._holds(rule.condition, checks, None):
            self.rules.append(RuleTrace(name=name, outcome="not matched", checks=tuple(checks)))
            return None
        evaluation, trace = self._matched(rule, name)
        self.rules.append(msgspec.structs.replace(trace, checks=tuple(checks)))
        return evaluation

    def _key(self) -> Any:
        return self.context.targeting_key if self.flag.sticky_by is None else self.context[self.flag.sticky_by]

    def _matched(self, rule: Rule, name: str) -> tuple[Evaluation, RuleTrace]:
        threshold = self._threshold(rule)
        reason = Reason.TARGETING_MATCH if threshold is None else Reason.SPLIT
        place = None
        if threshold is not None and threshold < BUCKETS:
            place = bucket(self.flag.salt, self._key()) if threshold > 0 else None
            if threshold > 0 and place is None:
                return self.answers.keyless(name), RuleTrace(name=name, outcome="no key", threshold=threshold)
            if place is None or place >= threshold:
                outside = RuleTrace(name=name, outcome="outside", bucket=place, threshold=threshold)
                return self.answers.serve(self.flag.default, Reason.SPLIT, name), outside
        evaluation, split_bucket = self._serve(rule.payload, reason, name)
        trace = RuleTrace(
            name=name,
            outcome="no key" if evaluation.error_code is ErrorCode.TARGETING_KEY_MISSING else "served",
            bucket=place,
            threshold=threshold,
            split_bucket=split_bucket,
            served=evaluation.variant,
        )
        return evaluation, trace

    def _threshold(self, rule: Rule) -> int | None:
        if rule.gate is None:
            return None
        if isinstance(rule.gate, Ramp):
            return share_at(rule.gate, self.interpreter.instant)
        return rule.gate.share.threshold

    def _serve(self, payload: Serve | Split | Compute, reason: Reason, name: str) -> tuple[Evaluation, int | None]:
        if isinstance(payload, Serve):
            return self.answers.serve(payload.variant, reason, name), None
        if isinstance(payload, Compute):
            return self._computed(payload, name), None
        place = bucket(variants_salt(self.flag.salt), self._key())
        if place is None:
            return self.answers.keyless(name), None
        chosen = next(variant for variant, cut in zip(payload.variants, payload.cuts, strict=True) if place < cut)
        return self.answers.serve(chosen, Reason.SPLIT, name), place

    def _computed(self, payload: Compute, name: str) -> Evaluation:
        result = payload.function(self.context, self.here)
        if isinstance(result, Fault):
            return self.answers.failed(result.code, result.message)
        if result is None:
            return self.answers.serve(self.flag.default, Reason.DEFAULT)
        if result not in self.flag.variants:
            return self.answers.failed(ErrorCode.GENERAL, f"flag {self.flag.key!r} has no variant {result!r}")
        return self.answers.serve(result, payload.reason, name)

    def _holds(self, condition: Condition, checks: list[Check], segment: str | None) -> bool:
        if isinstance(condition, Test):
            return self._test(condition, checks, segment)
        if isinstance(condition, AllOf):
            return all(self._holds(part, checks, segment) for part in condition.conditions)
        if isinstance(condition, AnyOf):
            return any(self._holds(part, checks, segment) for part in condition.conditions)
        if isinstance(condition, Not):
            return not self._holds(condition.condition, checks, segment)
        if isinstance(condition, InSegment):
            inner = self.interpreter.ruleset.segments[condition.segment]
            return self._holds(inner, checks, condition.segment)
        held = self._predicate(condition)
        checks.append(Check(condition.text, None, held, segment))
        return held

    def _predicate(self, condition: Predicate) -> bool:
        return bool(condition.function(self.context, self.here))

    def _test(self, test: Test, checks: list[Check], segment: str | None) -> bool:
        read = self.interpreter.ruleset.dialect.read
        found = self.context[test.attribute] if read is None else read(self.context, test.attribute)
        held = test.operator.test(found, test.operator.prepare(test.operand))
        checks.append(Check(f"{test.attribute} {test.operator.name} {_spell(test.operand)}", found, held, segment))
        return held


def interpret(ruleset: Ruleset, key: str, context: Context, *, at: float) -> Explanation:
    """Explain one flag of a ruleset at an instant (seconds since 1970), without compiling anything."""
    return Interpreter(ruleset, at).explain(ruleset.flags[key], context)
