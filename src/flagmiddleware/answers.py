"""The possible evaluations of one flag, built once so that deciding allocates nothing."""

from __future__ import annotations

from sys import intern
from typing import Any, Final

from .model import ErrorCode, Evaluation, Flag, Reason, Rule

__all__ = ["LONGEST", "Answers", "fit", "is_on", "not_found", "rule_name"]

_KEYLESS: Final = "is needed to place the subject and the context has none that can be hashed"
_NO_TARGETING_KEY: Final = f"a targeting key {_KEYLESS}"  # one text for all flags
LONGEST: Final = 500
"""Characters of a message: a definition or an attribute that it quotes may be megabytes long."""


def rule_name(rule: Rule, place: int) -> str:
    """What a rule is called in evaluations and explanations: its name, or its place in the list counted from 1."""
    return rule.name or intern(f"rule {place + 1}")  # one text for all the flags that have so many rules


def is_on(flag: Flag, variant: str | None) -> bool:
    """Whether the flag counts as enabled where this variant is served: any but ``off``.

    Where a dialect gives a flag no ``off``, it is a variant whose value is not false.
    """
    if variant is None or flag.off is not None:
        return variant is not None and variant != flag.off
    return flag.variants.get(variant) is not False


class Answers:
    """Builds :class:`Evaluation` objects for one flag; equal questions get the same object."""

    __slots__ = ("_built", "flag")

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        self._built: dict[tuple[Any, ...], Evaluation] = {}

    def serve(
        self,
        variant: str | None,
        reason: Reason,
        rule: str | None = None,
        code: ErrorCode | None = None,
        message: str | None = None,
    ) -> Evaluation:
        """The evaluation that serves ``variant``; None leaves the value to the caller."""
        key = (variant, reason, rule, code, message)
        answer = self._built.get(key)
        if answer is None:
            answer = self._built[key] = self._build(*key)
        return answer

    def _build(
        self, variant: str | None, reason: Reason, rule: str | None, code: ErrorCode | None, message: str | None
    ) -> Evaluation:
        flag = self.flag
        if variant is not None and variant not in flag.variants:
            code, reason = ErrorCode.GENERAL, Reason.ERROR
            message, variant = f"flag {flag.key!r} has no variant {variant!r}"[:LONGEST], flag.off
        value = None if variant is None else flag.variants[variant]
        return Evaluation(
            flag_key=flag.key,
            value=value,
            variant=flag.labels.get(variant, variant) if variant is not None else None,
            reason=reason,
            rule=rule,
            is_enabled=is_on(flag, variant),
            flag_metadata=flag.metadata,
            error_code=code,
            error_message=message,
        )

    def killed(self) -> Evaluation:
        """What a killed flag serves."""
        return self.serve(self.flag.off, Reason.DISABLED)

    def unmet(self, requirement: str) -> Evaluation:
        """What a flag serves whose prerequisite is not met."""
        return self.serve(self.flag.off, Reason.DISABLED, f"requires:{requirement}")

    def default(self) -> Evaluation:
        """What is served when no rule matches."""
        return self.serve(self.flag.default, Reason.DEFAULT if self.flag.rules else Reason.STATIC)

    def keyless(self, rule: str | None) -> Evaluation:
        """What a partial rollout or a split serves to a subject that has no key to hash."""
        by = self.flag.sticky_by
        message = (
            f"attribute {by!r}, which flag {self.flag.key!r} is sticky by, {_KEYLESS}" if by else _NO_TARGETING_KEY
        )
        return self.serve(self.flag.default, Reason.DEFAULT, rule, ErrorCode.TARGETING_KEY_MISSING, message)

    def failed(self, code: ErrorCode, message: str) -> Evaluation:
        """What a flag serves that could not be decided."""
        # Not kept: the message may quote an attribute, and there are as many of these as there are subjects.
        return self._build(self.flag.off, Reason.ERROR, None, code, message[:LONGEST])


def not_found(key: object) -> Evaluation:
    """The evaluation of a flag that nobody defined."""
    name = key if isinstance(key, str) else _shown(key)
    return Evaluation(
        flag_key=name, error_code=ErrorCode.FLAG_NOT_FOUND, error_message=f"there is no flag {name[:100]!r}"
    )


def _shown(key: object) -> str:
    try:
        return repr(key)[:100]
    except Exception:  # a number of too many digits, or a class whose own __repr__ fails
        return f"<{type(key).__name__}>"


def fit(value: Any, default: Any) -> tuple[bool, Any]:
    """Whether ``value`` has the JSON type of ``default``, and the value to hand out: an int widens to float.

    >>> fit(1, 0.5), fit(True, 1), fit("blue", "red")
    ((True, 1.0), (False, 1), (True, 'blue'))
    """
    if isinstance(value, bool) or isinstance(default, bool):
        fits = isinstance(value, bool) and isinstance(default, bool)
    elif isinstance(default, float) and isinstance(value, int):
        return _widen(value, default)
    else:
        fits = any(isinstance(value, kind) and isinstance(default, kind) for kind in (str, int, float, dict, list))
    return fits, value if fits else default


def _widen(value: int, default: float) -> tuple[bool, float]:
    try:
        return True, float(value)
    except OverflowError:
        return False, default
