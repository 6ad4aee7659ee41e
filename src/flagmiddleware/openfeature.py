"""OpenFeature: ``Flags`` as a provider, and the request's context as the transaction context.

Requirement numbers are those of the OpenFeature specification, 0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from openfeature.evaluation_context import EvaluationContext, get_evaluation_context
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode as ProviderErrorCode
from openfeature.exception import GeneralError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from openfeature.transaction_context import TransactionContextPropagator

from .bound import BoundFlags
from .context import EMPTY, Context
from .flags import Change, Flags
from .holder import State
from .model import Evaluation, Reason
from .overrides import ACTIVE
from .plan import Plan
from .web.current import running_flags
from .web.layered import LayeredContext

__all__ = ["FlagMiddlewareProvider", "RequestContextPropagator"]

T = TypeVar("T")

_REQUEST: Final = "flagmiddleware.request"
"""The attribute under which the running request's flags travel through OpenFeature's merging of contexts, which knows
plain mappings only and would otherwise read, and so resolve, every attribute of a request at each evaluation."""


class _Subject(Context):
    """An evaluation context that the caller gave.

    The targeting key stands in for a missing ``user``, as everywhere, but for the dialects that ask for the caller's
    :meth:`own` attribute; ``user``, which may be an object here, never becomes the targeting key.
    """

    __slots__ = ()

    __init__ = dict.__init__  # the key is set by _subject: a call less in each evaluation

    def __missing__(self, name: str) -> Any:
        return self.key if name == "user" else super().__missing__(name)

    def own(self, name: str) -> Any:
        """The attribute as it was given; None where it was not."""
        return self.get(name)


def _subject(context: EvaluationContext) -> _Subject:
    subject: _Subject = _Subject(context.attributes)
    subject.key = context.targeting_key
    subject.key_bytes = None
    return subject


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
        return EvaluationContext(explicit.targeting_key, {_REQUEST: here, **explicit.attributes})  # type: ignore[dict-item]

    def set_transaction_context(self, transaction_context: EvaluationContext) -> None:
        """Add attributes to the running request's, for the rest of it."""
        self._explicit.set(transaction_context)


class FlagMiddlewareProvider(AbstractProvider):
    """An OpenFeature provider that decides by ``flags``, in this process.

    Emits READY, STALE and ERROR as the source's state changes, and CONFIGURATION_CHANGED with the keys of the flags
    that differ. The source is looked at when flags are read (at most once every ``refresh`` seconds), or pushes by
    itself where it can. ``close=True`` closes ``flags`` on shutdown.
    """

    def __init__(self, flags: Flags, *, close: bool = False) -> None:
        super().__init__()
        self.flags = flags
        self._close = close
        self._state = State.READY
        self._unsubscribe: Callable[[], None] | None = None
        # By the evaluation's id, which stays its own as long as it is held here.
        self._served: dict[int, tuple[Evaluation | None, FlagResolutionDetails[Any]]] = {}
        self._constants: dict[str, tuple[Plan, FlagResolutionDetails[Any]]] = {}

    def get_metadata(self) -> Metadata:
        """The provider's name (requirement 2.1.1)."""
        return Metadata(name="flagmiddleware")

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Start to listen; an error where there is nothing to serve yet (requirement 2.4.1, 1.7.4)."""
        if self._unsubscribe is None:
            self._unsubscribe = self.flags.subscribe(self._changed)
        status = self.flags.status
        self._state = status.state
        if status.state in (State.ERROR, State.NOT_READY):
            raise GeneralError(f"there are no flags to serve: {status.last_error or status.source}")

    def shutdown(self) -> None:
        """Stop to listen (requirement 2.5.1)."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._close:
            self.flags.close()

    def _changed(self, change: Change) -> None:
        before, self._state = self._state, change.state
        if change.state is not before:
            self._emit_state(change.state)
        self._constants.clear()
        self._served.clear()
        if change.changed:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=list(change.changed)))

    def _emit_state(self, state: State) -> None:
        if state is State.READY:
            self.emit_provider_ready(ProviderEventDetails())
        elif state is State.STALE:
            self.emit_provider_stale(ProviderEventDetails(message=self.flags.status.last_error))
        elif state is State.ERROR:
            message = self.flags.status.last_error
            self.emit_provider_error(ProviderEventDetails(message=message, error_code=ProviderErrorCode.GENERAL))

    # -- resolving ------------------------------------------------------------------------------------------------

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Resolve a flag whose values are true and false."""
        return self._resolve(flag_key, default_value, evaluation_context, bool, _as_boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Resolve a flag whose values are texts."""
        return self._resolve(flag_key, default_value, evaluation_context, str, _as_string)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Resolve a flag whose values are whole numbers."""
        return self._resolve(flag_key, default_value, evaluation_context, int, _as_integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Resolve a flag whose values are numbers; a whole one widens."""
        return self._resolve(flag_key, default_value, evaluation_context, float, _as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Resolve a flag whose values are objects or arrays."""
        return self._resolve(flag_key, default_value, evaluation_context, dict, _as_object)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """:meth:`resolve_boolean_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, bool, _as_boolean)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """:meth:`resolve_string_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, str, _as_string)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """:meth:`resolve_integer_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, int, _as_integer)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """:meth:`resolve_float_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, float, _as_float)

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """:meth:`resolve_object_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, dict, _as_object)

    def _resolve(
        self, key: str, default: T, context: EvaluationContext | None, kind: type, convert: Callable[[Any], Any]
    ) -> FlagResolutionDetails[T]:
        constant = self._constants.get(key)
        if (
            constant is not None
            and constant[0] is self.flags.plan
            and not ACTIVE
            and constant[1].value.__class__ is kind
            and (context is None or _REQUEST not in context.attributes)
        ):
            return constant[1]
        if context is None or _REQUEST in context.attributes:
            evaluation = self._evaluate(key, context)
        else:
            evaluation = self.flags.evaluate(key, _subject(context))  # a call less than by _evaluate
        found = self._served.get(id(evaluation))
        if found is not None and found[0] is evaluation and found[1].value.__class__ is kind:
            details = found[1]
        else:
            details = self._details(evaluation, default, kind, convert)
        if evaluation.reason is Reason.STATIC:
            self._keep(key, evaluation, details)
        return details

    def _keep(self, key: str, evaluation: Evaluation, details: FlagResolutionDetails[Any]) -> None:
        """Remember a flag that gives everybody the same answer for as long as its plan is in force."""
        plan = self.flags.plan
        flag = plan.ruleset.flags.get(key)
        if flag is None or flag.rules or flag.requires or not self._is_kept(evaluation, details):
            return
        if plan.table[key](EMPTY, None) is evaluation:  # an override's answer, or the last plan's, is another one
            self._constants[key] = (plan, details)

    def _is_kept(self, evaluation: Evaluation, details: FlagResolutionDetails[Any]) -> bool:
        return self._served.get(id(evaluation), _NEITHER)[1] is details

    def _details(
        self, evaluation: Evaluation, default: T, kind: type, convert: Callable[[Any], Any]
    ) -> FlagResolutionDetails[T]:
        """The details of an evaluation: the same ones for the same object, as most of a plan's evaluations are."""
        found = self._served.get(id(evaluation))
        if found is not None and found[0] is evaluation and found[1].value.__class__ is kind:
            return found[1]
        details = _details(evaluation, default, kind, convert)
        if evaluation.error_code is None and evaluation.variant is not None and details.value is evaluation.value:
            if len(self._served) >= _KEPT:
                self._served.clear()
            self._served[id(evaluation)] = (evaluation, details)
        return details

    def _evaluate(self, key: str, context: EvaluationContext | None) -> Evaluation:
        if context is None:
            return self.flags.evaluate(key)
        if _REQUEST not in context.attributes:
            return self.flags.evaluate(key, _subject(context))
        return self._bound(context).evaluate(key)

    async def _aevaluate(self, key: str, context: EvaluationContext | None) -> Evaluation:
        if context is None or _REQUEST not in context.attributes:
            return self._evaluate(key, context)
        return await self._bound(context).aevaluate(key)

    def _bound(self, context: EvaluationContext) -> BoundFlags:
        """The request's own flags where the callers added nothing; else a context with their attributes on top."""
        added = dict(context.attributes)
        here: Any = added.pop(_REQUEST)
        if not added and context.targeting_key is None and here.flags is self.flags:
            return here  # type: ignore[no-any-return]
        # The request outranks the attributes that were set for the whole API, and is outranked by all others.
        everywhere = get_evaluation_context()
        under = {name: value for name, value in everywhere.attributes.items() if added.get(name) is value}
        over = {name: value for name, value in added.items() if name not in under}
        is_everywhere = context.targeting_key == everywhere.targeting_key
        key, spare = (None, context.targeting_key) if is_everywhere else (context.targeting_key, None)
        layered = LayeredContext(here.context, over=over, under=under, targeting_key=key, spare_key=spare)
        return BoundFlags(here.plan if here.flags is self.flags else self.flags.plan, layered, self.flags)


# -- details -------------------------------------------------------------------------------------------------------

_KEPT: Final = 1024
_NOTHING: Final = object()
_text: Final = str.__str__  # of a Reason: the plain text, several times as fast as `.value`


def _as_boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else _NOTHING


def _as_string(value: Any) -> Any:
    return value if isinstance(value, str) else _NOTHING


def _as_integer(value: Any) -> Any:
    return value if isinstance(value, int) and not isinstance(value, bool) else _NOTHING


def _as_float(value: Any) -> Any:
    if value.__class__ is float:
        return value
    try:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else _NOTHING
    except OverflowError:
        return _NOTHING


def _as_object(value: Any) -> Any:
    return value if isinstance(value, dict | list) else _NOTHING


def _details(evaluation: Evaluation, default: T, kind: type, convert: Callable[[Any], Any]) -> FlagResolutionDetails[T]:
    """What OpenFeature wants to know; ``convert`` is asked for values that are not of exactly class ``kind``."""
    if evaluation.error_code is not None:
        return _with_error(evaluation, default, convert)
    variant = evaluation.variant
    value = default if variant is None else evaluation.value
    if value.__class__ is not kind and variant is not None:
        value = convert(value)
        if value is _NOTHING:
            return _mismatch(evaluation, default)
    metadata = _metadata(evaluation.flag_metadata) if evaluation.flag_metadata else _NO_METADATA
    return FlagResolutionDetails(value, None, None, _text(evaluation.reason), variant, metadata)


def _mismatch(evaluation: Evaluation, default: T) -> FlagResolutionDetails[T]:
    message = (
        f"flag {evaluation.flag_key!r} serves a {type(evaluation.value).__name__}, which is not what was asked for"
    )
    return FlagResolutionDetails(
        default, ProviderErrorCode.TYPE_MISMATCH, message, "ERROR", None, _metadata(evaluation.flag_metadata)
    )


def _with_error(evaluation: Evaluation, default: T, convert: Callable[[Any], Any]) -> FlagResolutionDetails[T]:
    code = evaluation.error_code
    assert code is not None  # noqa: S101 - the caller asked
    if evaluation.reason is Reason.ERROR:
        metadata = _metadata(evaluation.flag_metadata)
        return FlagResolutionDetails(
            default, ProviderErrorCode(code.value), evaluation.error_message, "ERROR", None, metadata
        )
    # The SDK discards a value that comes with an error code, and this one is to be served: tell in the metadata.
    value = default if evaluation.variant is None else convert(evaluation.value)
    if value is _NOTHING:
        return _mismatch(evaluation, default)
    told = {**_metadata(evaluation.flag_metadata), "flagmiddleware.error_code": code.value}
    return FlagResolutionDetails(value, None, None, _text(evaluation.reason), evaluation.variant, told)


class _Metadata(dict[str, Any]):
    """Metadata that many answers share and no hook changes (requirement 1.4.14.1); a copy is a plain dict."""

    __slots__ = ()

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise TypeError("flag metadata are read-only; change a copy: dict(metadata)")

    __setitem__ = __delitem__ = __ior__ = clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


_NO_METADATA: Final = _Metadata()
_NEITHER: Final = (None, None)


def _metadata(metadata: Mapping[str, Any]) -> Mapping[str, bool | int | float | str]:
    return _Metadata({name: value for name, value in metadata.items() if isinstance(value, str | int | float)})
