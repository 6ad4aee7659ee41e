"""What a type checker makes of the public names: checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typing_extensions import assert_type

from flagmiddleware import (
    BoundFlags,
    ConfigurationError,
    Context,
    ErrorCode,
    Evaluation,
    FlagMiddlewareError,
    Flags,
    Reason,
    RulesetError,
    SourceError,
    __version__,
)
from flagmiddleware.errors import Problem
from flagmiddleware.status import State, Status
from flagmiddleware.testing import override_flags

flags = Flags("flags.yaml", environment="staging", strict=False)
context = Context("user-42", {"country": "AU"}, plan="pro")

assert_type(flags.is_enabled("new-checkout", context), bool)
assert_type(flags.is_enabled("new-checkout"), bool)
assert_type(flags.value("checkout-button", context, default="blue"), Any)

evaluation = flags.evaluate("checkout-button", context)
assert_type(evaluation, Evaluation)
assert_type(evaluation.reason, Reason)
assert_type(evaluation.error_code, ErrorCode | None)
assert_type(evaluation.variant, str | None)
assert_type(evaluation.is_enabled, bool)

here = flags.bind(context)
assert_type(here, BoundFlags)
assert_type(here.is_enabled("new-checkout"), bool)
assert_type(here.variant("checkout-button"), str | None)
assert_type(here.evaluate("checkout-button"), Evaluation)
assert_type("new-checkout" in here, bool)
assert_type(here.evaluated(), dict[str, Evaluation])
assert_type(here.all(), dict[str, Evaluation])
assert_type(here.fresh(), BoundFlags)
assert_type(here.value("checkout-button", "blue"), Any)
assert_type(here["checkout-button"], Any)
here.preload("new-checkout", "checkout-button")

assert_type(flags.status, Status)
assert_type(flags.status.state, State)
assert_type(flags.status.revision, str)
assert_type(flags.status.age, float)
assert_type(flags.status.last_error, str)
assert_type(flags.subscribe(print), Callable[[], None])
assert_type(__version__, str)

with flags.override({"new-checkout": True}), override_flags({"checkout-button": "green"}):
    pass

failures: list[type[FlagMiddlewareError]] = [ConfigurationError, RulesetError, SourceError]
assert_type(RulesetError([Problem("message")]).problems, tuple[Problem, ...])


async def decide() -> None:
    """The awaitable forms give what the plain ones give."""
    assert_type(await here.ais_enabled("new-checkout"), bool)
    assert_type(await here.aevaluate("new-checkout"), Evaluation)
    assert_type(await here.avalue("checkout-button", "blue"), Any)
    await here.ready("new-checkout", "checkout-button")


# What must be refused.
evaluation.value = 1  # type: ignore[misc]
flags.is_enabled(42)  # type: ignore[arg-type]
