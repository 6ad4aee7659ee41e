"""``Flags`` as an OpenFeature provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Any, Final, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ErrorCode as ProviderErrorCode
from openfeature.exception import GeneralError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata

from ..context import EMPTY
from ..flags import Change, Flags
from ..model import Evaluation, Reason
from ..overrides import ACTIVE
from ..plan import Plan
from ..status import State
from .contexts import REQUEST, Subject, bound, subject
from .details import as_boolean, as_float, as_integer, as_object, as_string, described
from .watcher import Watcher

__all__ = ["FlagMiddlewareProvider"]

T = TypeVar("T")

_KEPT: Final = 1024  # details that are kept for evaluations that come again
_NEITHER: Final = (None, None)
_STATIC: Final = Reason.STATIC  # reading it off its enumeration costs as much as half a decision


class FlagMiddlewareProvider(AbstractProvider):
    """An OpenFeature provider that decides by ``flags``, in this process.

    Emits READY, STALE and ERROR as the source's state changes, and CONFIGURATION_CHANGED with the keys of the flags
    that differ: within about a second even if nobody reads a flag, since from :meth:`initialize` to :meth:`shutdown`
    a thread looks. ``watch=False`` goes without the thread: changes then show when flags are read. ``close=True``
    closes ``flags`` on shutdown.
    """

    def __init__(self, flags: Flags, *, close: bool = False, watch: bool = True) -> None:
        super().__init__()
        self.flags = flags
        self._close = close
        self._watcher = Watcher(flags) if watch else None
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
        if self._watcher is not None:
            self._watcher.start()
        status = self.flags.status
        self._state = status.state
        if status.state in (State.ERROR, State.NOT_READY):
            raise GeneralError(f"there are no flags to serve: {status.last_error or status.source}")

    def shutdown(self) -> None:
        """Stop to listen (requirement 2.5.1)."""
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._watcher is not None:
            self._watcher.stop()
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
        return self._resolve(flag_key, default_value, evaluation_context, bool, as_boolean)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Resolve a flag whose values are texts."""
        return self._resolve(flag_key, default_value, evaluation_context, str, as_string)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Resolve a flag whose values are whole numbers."""
        return self._resolve(flag_key, default_value, evaluation_context, int, as_integer)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Resolve a flag whose values are numbers; a whole one widens."""
        return self._resolve(flag_key, default_value, evaluation_context, float, as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Resolve a flag whose values are objects or arrays."""
        return self._resolve(flag_key, default_value, evaluation_context, dict, as_object)

    async def resolve_boolean_details_async(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """:meth:`resolve_boolean_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, bool, as_boolean)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """:meth:`resolve_string_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, str, as_string)

    async def resolve_integer_details_async(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """:meth:`resolve_integer_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, int, as_integer)

    async def resolve_float_details_async(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """:meth:`resolve_float_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, float, as_float)

    async def resolve_object_details_async(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """:meth:`resolve_object_details`, after the attributes that need I/O were awaited."""
        return self._details(await self._aevaluate(flag_key, evaluation_context), default_value, dict, as_object)

    def _resolve(
        self, key: str, default: T, context: EvaluationContext | None, kind: type, convert: Callable[[Any], Any]
    ) -> FlagResolutionDetails[T]:
        constant = self._constants.get(key)
        if constant is not None:
            plan, details = constant
            flags = self.flags
            if (
                plan is (flags._plan if monotonic() < flags._deadline else flags.plan)  # a call less
                and not ACTIVE
                and details.value.__class__ is kind
                and (context is None or REQUEST not in context.attributes)
            ):
                return details
        if context is None or REQUEST in context.attributes:
            evaluation = self._evaluate(key, context)
        else:
            asked: Subject = Subject(context.attributes)  # as subject() makes it, two calls less than by _evaluate
            asked.key = context.targeting_key
            asked.key_bytes = None
            evaluation = self.flags.evaluate(key, asked)
        found = self._served.get(id(evaluation))
        # A constant that is there is of an earlier plan, and is to be kept anew.
        if found is not None and constant is None and found[0] is evaluation and found[1].value.__class__ is kind:
            return found[1]
        details = self._details(evaluation, default, kind, convert)
        if evaluation.reason is _STATIC:
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
        details = described(evaluation, default, kind, convert)
        if evaluation.error_code is None and evaluation.variant is not None and details.value is evaluation.value:
            if len(self._served) >= _KEPT:
                self._served.clear()
            self._served[id(evaluation)] = (evaluation, details)
        return details

    def _evaluate(self, key: str, context: EvaluationContext | None) -> Evaluation:
        if context is None:
            return self.flags.evaluate(key)
        if REQUEST not in context.attributes:
            return self.flags.evaluate(key, subject(context))
        return bound(self.flags, context).evaluate(key)

    async def _aevaluate(self, key: str, context: EvaluationContext | None) -> Evaluation:
        if context is None or REQUEST not in context.attributes:
            return self._evaluate(key, context)
        return await bound(self.flags, context).aevaluate(key)
