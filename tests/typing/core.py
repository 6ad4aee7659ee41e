"""What a type checker makes of the public names: checked by mypy, never run."""

from __future__ import annotations

from typing import Any

from typing_extensions import assert_type

from flagmiddleware import BoundFlags, Context, ErrorCode, Evaluation, Flags, Reason

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


async def decide() -> None:
    """The awaitable forms give what the plain ones give."""
    assert_type(await here.ais_enabled("new-checkout"), bool)
    assert_type(await here.aevaluate("new-checkout"), Evaluation)


# What must be refused.
evaluation.value = 1  # type: ignore[misc]
flags.is_enabled(42)  # type: ignore[arg-type]
