"""What hangs on the request: BoundFlags that bind themselves when the first flag is read."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic, perf_counter, time
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..bound import NO_OVERRIDES, BoundFlags, OverriddenFlags
from ..model import Evaluation, Ruleset
from ..overrides import ACTIVE
from .context import PROMISED, UNREAD, USER_ATTRIBUTES, WebContext
from .debug import Trace, TracingMemo

if TYPE_CHECKING:
    from ..plan import Plan
    from .installation import Installation

__all__ = ["RequestFlags", "Unbound", "request_flags"]


class RequestFlags(OverriddenFlags):
    """A request's flags, of which :func:`request_flags` makes one for each request.

    Making one costs next to nothing: plan, context and memo come with the first read. Until then the object is of a
    class whose deciding methods bind first, and whose ``plan`` and ``context`` are properties that do. Binding turns
    it into this class, or the one for overridden requests, and nothing asks again.
    """

    __slots__ = ("headers_sent", "installation", "preloaded", "request", "started")

    installation: Installation
    request: Any
    started: float | None  # when the request began, where an observer wants to know how long it took
    preloaded: bool
    headers_sent: int
    is_bound: ClassVar[bool] = True
    """Whether anything was read."""

    # What BoundFlags does; OverriddenFlags, whose field `qa` and look-up are wanted too, is for requests that have one.
    is_enabled = BoundFlags.is_enabled
    evaluate = BoundFlags.evaluate
    all = BoundFlags.all
    _decide = BoundFlags._decide

    @property
    def web_context(self) -> WebContext:
        """The context, by its own type."""
        context: Any = self.context
        return context  # type: ignore[no-any-return]

    @property
    def overrides(self) -> Mapping[str, str]:
        """The variants that a valid QA link asks for, by flag."""
        return self.qa if self.plan is not None else {}

    @property
    def is_debugging(self) -> bool:
        """Whether this request's answer tells what was decided."""
        return self.plan is not None and isinstance(self._memo, TracingMemo)

    @property
    def traces(self) -> list[Trace]:
        """Where each flag was first read; empty unless this request is debugged."""
        memo = self._memo
        return memo.traces if isinstance(memo, TracingMemo) else []

    def preload(self, *keys: str) -> None:
        """Decide these flags now (all where none is named): a streaming response then says what caches may do."""
        BoundFlags.preload(self, *keys)
        self.preloaded = True

    async def ready(self, *keys: str) -> None:
        """Await the attributes that need I/O, so that deciding these flags needs none."""
        # Most installations have nothing to await; walking the rules for their attributes would be for nothing.
        if self.installation.derivation.awaits:
            await BoundFlags.ready(self, *keys)

    def fresh(self) -> BoundFlags:
        """The same subject under the newest plan, with nothing decided yet: for websockets, once per message."""
        context, flags = self.context, self.flags
        if self.qa or ACTIVE:
            here = OverriddenFlags.under(self.qa, flags.plan, context, flags)
            here.draw = self.draw
            return here
        return BoundFlags.of(flags.plan, context, flags, draw=self.draw)

    def reauthenticate(self) -> None:
        """Somebody authenticated after flags were read (DRF does): what depended on the user is decided again."""
        if not self.is_bound:
            return
        self.web_context.forget_user()
        decided, reads, memo = self.evaluated(), self.plan.reads, self._memo
        kept = {key: found for key, found in decided.items() if USER_ATTRIBUTES.isdisjoint(reads(key))}
        self._one = next(iter(kept.items()), None)
        if memo is not None:  # the object stays: it may hold traces
            for key in decided.keys() - kept:
                memo.pop(key, None)

    def learn_user(self) -> None:
        """The framework has learnt who asks. What was decided for nobody stays; flags that are read now are right."""
        if not self.is_bound or self.web_context.user_object is not None:
            return
        early = [key for key in self.evaluated() if not USER_ATTRIBUTES.isdisjoint(self.plan.reads(key))]
        told = "the user was made known after %s had been decided for nobody; make it known before flags are read"
        self.installation.say(told, ", ".join(early))
        self.web_context.forget_user()

    def __repr__(self) -> str:
        return BoundFlags.__repr__(self) if self.is_bound else "<RequestFlags, nothing read>"


class _Overridden(RequestFlags):
    """Bound while test overrides are active, with a valid QA link, or while somebody debugs."""

    __slots__ = ()

    is_enabled = OverriddenFlags.is_enabled
    evaluate = BoundFlags.evaluate
    all = OverriddenFlags.all
    _decide = OverriddenFlags._decide

    def _remember(self, key: str, evaluation: Evaluation) -> None:
        memo = self._memo
        if isinstance(memo, TracingMemo):  # every reading leaves a trace, the first one too
            self._one = self._one or (key, evaluation)
            memo[key] = evaluation
        else:
            OverriddenFlags._remember(self, key, evaluation)


_SOON: Final = 24 * 3600
"""Seconds. A cache inside of the framework may keep a page for that long, past a schedule's boundary."""


class Unbound(RequestFlags):
    """Nothing was read yet. Each method here is another function from then on: ``self`` has changed its class.

    The methods ask whether it has: ``here.evaluate(pick(here.plan))`` takes the method before ``plan`` binds.
    """

    __slots__ = ()

    is_bound = False

    # The fields themselves, under other names: what is called so here binds.
    plan_field: ClassVar[Any] = vars(BoundFlags)["plan"]
    context_field: ClassVar[Any] = vars(BoundFlags)["context"]

    # Not `__getattr__`, which would make each other attribute slower too.
    plan = property(lambda self: self._bound().plan)
    context = property(lambda self: self._bound().context)

    def _bound(self) -> RequestFlags:
        self._bind()
        return self

    def _bind(self) -> None:
        installation, flags = self.installation, self.flags
        # `flags.plan` is a property; most often there is nothing to look at, and this is all that it would do.
        plan = flags._plan if monotonic() < flags._deadline else flags.plan
        context = WebContext()
        context.derivation = installation.derivation
        context.request = self.request
        sent, key = self.headers_sent, installation.progress_key
        context.sent = PROMISED if key and not sent and key in self.request else sent
        context.is_plain = True
        context.key_bytes = None
        context.user_object = UNREAD
        # All of it before the class changes: another thread may look.
        self.plan_field = plan  # type: ignore[misc]
        self.context_field = context  # type: ignore[misc]
        # A plan that once was found to need no more than this, in an installation that debugs nobody.
        if installation.plain_plan is plan and not ACTIVE:
            self.__class__ = RequestFlags  # type: ignore[assignment]
        else:
            self._look_closer(plan)

    def _look_closer(self, plan: Plan) -> None:
        """What a request needs beyond its plan and context: a trace, a tester's overrides, word of a schedule."""
        installation = self.installation
        if installation.debugs and installation.is_debugging(self.request):
            self._memo = TracingMemo()
        if plan.next_change is not None and installation.facts.touches and plan.next_change - time() < _SOON:
            installation.facts.touched(self.request, "time")
        idle = not installation.signs or installation.overrides.idle is plan.ruleset
        if not idle:
            self._follow_link(plan.ruleset)
        elif plan.next_change is None and not installation.debugs:
            installation.plain_plan = plan
        if ACTIVE or self._memo is not None or self.qa:
            self.__class__ = _Overridden  # type: ignore[assignment]
        else:
            self.__class__ = RequestFlags  # type: ignore[assignment]

    def _follow_link(self, ruleset: Ruleset) -> None:
        installation = self.installation
        facts, request = installation.facts, self.request
        overrides = installation.overrides.of(request, ruleset)
        late = bool(overrides) and self.context_field.sent == PROMISED and not facts.is_over(request)
        if late and not facts.make_private(request):
            installation.say(
                "a QA override came too late: the headers had called the answer public; preload(…) its flags"
            )
        elif overrides:
            self.qa = overrides
            if facts.touches:  # an override reads no attribute, and yet decides what is shown to whom
                facts.touched(request, "qa")

    def is_enabled(self, key: str) -> bool:
        """Whether a variant other than ``off`` is served; false for an unknown flag."""
        if type(self) is Unbound:
            self._bind()
            if type(self) is RequestFlags:  # what most requests do, written out: a call costs as much as a decision
                try:
                    evaluation = self.plan.table[key](self.context, self)
                except Exception as error:
                    return self._recover(key, error).is_enabled
                if self._one is None:
                    self._one = (key, evaluation)
                else:  # by another thread
                    self._remember(key, evaluation)
                served: bool = evaluation.is_enabled
                return served
        return self.is_enabled(key)

    def evaluate(self, key: str) -> Evaluation:
        """The whole answer: value, variant, reason, rule, error."""
        if type(self) is Unbound:
            self._bind()
        return self.evaluate(key)

    def all(self) -> dict[str, Evaluation]:
        """Every flag's evaluation. All of them then count as read."""
        if type(self) is Unbound:
            self._bind()
        return self.all()


def request_flags(installation: Installation, request: Any) -> RequestFlags:
    """The flags of a request that begins."""
    here = Unbound()
    here.installation = installation
    here.request = request
    here.flags = installation.flags
    here._one = here._memo = here.draw = None
    here.qa = NO_OVERRIDES
    here.started = perf_counter() if installation.observers.all else None
    here.preloaded = here.headers_sent = False
    return here
