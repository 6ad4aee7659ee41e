"""Whom an evaluation is about: the caller's attributes, on top of the running request's."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

from openfeature.evaluation_context import EvaluationContext, get_evaluation_context
from openfeature.transaction_context import TransactionContextPropagator

from ..bound import BoundFlags
from ..context import Context
from ..flags import Flags
from ..web.current import running_flags
from ..web.layered import LayeredContext

__all__ = ["REQUEST", "RequestContextPropagator", "Subject", "bound", "subject"]

REQUEST: Final = "flagmiddleware.request"
"""The attribute under which the running request's flags travel through OpenFeature's merging of contexts, which knows
plain mappings only and would otherwise read, and so resolve, every attribute of a request at each evaluation."""


class Subject(Context):
    """An evaluation context that the caller gave.

    The targeting key stands in for a missing ``user``, as everywhere, but for the dialects that ask for the caller's
    :meth:`own` attribute; ``user``, which may be an object here, never becomes the targeting key.
    """

    __slots__ = ()

    __init__ = dict.__init__  # the key is set by subject(): a call less in each evaluation

    def __missing__(self, name: str) -> Any:
        return self.key if name == "user" else super().__missing__(name)

    def own(self, name: str) -> Any:
        """The attribute as it was given; None where it was not."""
        return self.get(name)


def subject(context: EvaluationContext) -> Subject:
    """The context of an evaluation outside of any request."""
    found: Subject = Subject(context.attributes)
    found.key = context.targeting_key
    found.key_bytes = None
    return found


class RequestContextPropagator(TransactionContextPropagator):
    """Makes the running request the transaction context: views evaluate without passing any context.

    ``set_transaction_context_propagator(RequestContextPropagator())`` once, at start-up. What is set by
    ``set_transaction_context`` comes on top of the request. Outside a request there is only that.
    """

    def __init__(self) -> None:
        self._explicit: ContextVar[EvaluationContext | None] = ContextVar("flagmiddleware_transaction", default=None)

    def get_transaction_context(self) -> EvaluationContext:
        """The request, and what was set on top of it."""
        explicit = self._explicit.get() or EvaluationContext()
        here = running_flags()
        if here is None:
            return explicit
        return EvaluationContext(explicit.targeting_key, {REQUEST: here, **explicit.attributes})  # type: ignore[dict-item]

    def set_transaction_context(self, transaction_context: EvaluationContext) -> None:
        """Add attributes to the running request's, for the rest of it."""
        self._explicit.set(transaction_context)


def bound(flags: Flags, context: EvaluationContext) -> BoundFlags:
    """The request's own flags where the callers added nothing; else a context with their attributes on top."""
    added = dict(context.attributes)
    here: Any = added.pop(REQUEST)
    if not added and context.targeting_key is None and here.flags is flags:
        return here  # type: ignore[no-any-return]
    # The request outranks the attributes that were set for the whole API, and is outranked by all others.
    everywhere = get_evaluation_context()
    under = {name: value for name, value in everywhere.attributes.items() if added.get(name) is value}
    over = {name: value for name, value in added.items() if name not in under}
    is_everywhere = context.targeting_key == everywhere.targeting_key
    key, spare = (None, context.targeting_key) if is_everywhere else (context.targeting_key, None)
    layered = LayeredContext(here.context, over=over, under=under, targeting_key=key, spare_key=spare)
    return BoundFlags.of(here.plan if here.flags is flags else flags.plan, layered, flags)
