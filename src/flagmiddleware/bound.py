"""What hangs on the request: one plan and one context, each flag decided once."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from .answers import fit
from .context import Context
from .model import Evaluation, Reason
from .overrides import ACTIVE, Override, current, override_reads, serve_override

if TYPE_CHECKING:
    from typing_extensions import Self

    from .flags import Flags
    from .plan import Plan

__all__ = ["NO_OVERRIDES", "BoundFlags", "OverriddenFlags"]

NO_OVERRIDES: Final[Mapping[str, str]] = MappingProxyType({})
"""The QA overrides of almost everybody."""


class BoundFlags:
    """Flags bound to a context: consistent for its whole life, whatever reloads meanwhile, and memoised.

    Made by :meth:`Flags.bind`. The memo is also the record of what was read (:meth:`evaluated`).

    >>> from flagmiddleware import Context, Flags
    >>> flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"if": {"plan": "pro"}, "serve": True}]}}})
    >>> here = flags.bind(Context("user-42", plan="pro"))
    >>> here.is_enabled("beta"), here["beta"], "gamma" in here
    (True, True, False)
    >>> list(here.evaluated())
    ['beta']
    """

    # Where each of them is made, every slot is set, by :meth:`of` or written out: a constructor would double the cost.
    __slots__ = ("__weakref__", "_memo", "_one", "context", "draw", "flags", "plan")

    plan: Plan
    context: Context
    flags: Flags
    # The memo. Most requests read one flag or none: the first is kept in a tuple, and only more make a dict.
    _one: tuple[str, Evaluation] | None
    _memo: dict[str, Evaluation] | None
    draw: float | None
    """A dialect's one random draw for this subject, 0 to 1; None until somebody drew."""

    @classmethod
    def of(cls, plan: Plan, context: Context, flags: Flags, *, draw: float | None = None) -> Self:
        """The flags of a plan for a context; nothing is decided yet."""
        here = cls()
        here.plan = plan
        here.context = context
        here.flags = flags
        here._one = here._memo = None
        here.draw = draw
        return here

    # -- reading --------------------------------------------------------------------------------------------------

    def is_enabled(self, key: str) -> bool:
        """Whether a variant other than ``off`` is served; false for an unknown flag."""
        # What most requests do and nothing else: `evaluate` written out, which saves two calls of some 45 ns.
        one = self._one
        if one is not None:
            if one[0] == key:
                return one[1].is_enabled
            memo = self._memo
            if memo is not None and (evaluation := memo.get(key)) is not None:
                return evaluation.is_enabled
        try:
            evaluation = self.plan.table[key](self.context, self)
        except Exception as error:
            return self._recover(key, error).is_enabled
        if self._one is None:
            self._one = (key, evaluation)
        elif self._memo is None:
            self._memo = {key: evaluation}
        else:
            self._memo[key] = evaluation
        return evaluation.is_enabled

    def value(self, key: str, default: Any = None) -> Any:
        """The served variant's value; ``default`` where there is none or its JSON type is another one."""
        evaluation = self.evaluate(key)
        value = evaluation.value
        if default is None or value.__class__ is default.__class__:
            return value
        return fit(value, default)[1]

    def variant(self, key: str) -> str | None:
        """The served variant's name; None for an unknown flag."""
        return self.evaluate(key).variant

    def evaluate(self, key: str) -> Evaluation:
        """The whole answer: value, variant, reason, rule, error."""
        one = self._one
        if one is not None:
            if one[0] == key:
                return one[1]
            memo = self._memo
            if memo is not None and (evaluation := memo.get(key)) is not None:
                return evaluation
        return self._decide(key)

    def __getitem__(self, key: str) -> Any:
        return self.evaluate(key).value

    def __contains__(self, key: object) -> bool:
        return key in self.plan.table

    def __repr__(self) -> str:
        return f"<BoundFlags for {_named(self.context)}, {len(self.evaluated())} read>"

    def _decide(self, key: str) -> Evaluation:
        try:
            evaluation = self.plan.table[key](self.context, self)
        except Exception as error:  # evaluation never raises
            return self._recover(key, error)
        self._remember(key, evaluation)
        return evaluation

    def _remember(self, key: str, evaluation: Evaluation) -> None:
        if self._one is None:
            self._one = (key, evaluation)
        elif self._memo is None:
            self._memo = {key: evaluation}
        else:
            self._memo[key] = evaluation

    def _recover(self, key: str, error: Exception) -> Evaluation:
        evaluation = self.flags.recover(self.plan, key, self.context, self, error)
        if evaluation.flag_key in self.plan.table:  # unknown keys are not remembered: there may be millions
            self._remember(evaluation.flag_key, evaluation)
        return evaluation

    # -- many at once ---------------------------------------------------------------------------------------------

    def all(self) -> dict[str, Evaluation]:
        """Every flag's evaluation. All of them then count as read."""
        if self._one is None:
            context, table = self.context, self.plan.table
            found: dict[str, Any] = table.copy()  # sized at once, then filled
            try:
                for key, decide in table.items():
                    found[key] = decide(context, self)
            except Exception:  # one flag needs help: each is decided with its own net
                return {key: self.evaluate(key) for key in table}
            self._one = next(iter(found.items()), None)
            self._memo = found
            return found.copy()
        return {key: self.evaluate(key) for key in self.plan.table}

    def evaluated(self) -> dict[str, Evaluation]:
        """What was read so far, in the order of the first reading: the exposures."""
        one, memo = self._one, self._memo
        return {} if one is None else {one[0]: one[1], **(memo or {})}

    def preload(self, *keys: str) -> None:
        """Decide these flags now (all of them where none is named), before a streaming response starts."""
        for key in keys or tuple(self.plan.table):
            self.evaluate(key)

    def fresh(self) -> BoundFlags:
        """The same subject under the newest plan and with nothing decided yet: for websockets, once per message."""
        return BoundFlags.of(self.flags.plan, self.context, self.flags, draw=self.draw)

    @property
    def overridden(self) -> dict[str, Evaluation]:
        """Those read so far that an override decided."""
        return {key: found for key, found in self.evaluated().items() if found.reason is Reason.OVERRIDE}

    # -- asynchronous ---------------------------------------------------------------------------------------------

    async def ready(self, *keys: str) -> None:
        """Resolve the attributes that need I/O, so that deciding these flags (all where none is named) needs none."""
        # What is no context resolves nothing, and is not even asked: it may be a proxy that has nothing behind it.
        resolve = getattr(self.context, "aresolve", None) if isinstance(self.context, Context) else None
        if resolve is not None:
            reads = self.plan.reads
            undecided = set(keys or self.plan.table).difference(self.evaluated())
            missing = {name for key in undecided for name in reads(key)}.difference(self.context)
            if ACTIVE:
                missing |= override_reads(undecided).difference(self.context)
            if missing:
                await resolve(missing)

    async def ais_enabled(self, key: str) -> bool:
        """:meth:`is_enabled`, after the attributes that need I/O were awaited."""
        await self.ready(key)
        return self.is_enabled(key)

    async def avalue(self, key: str, default: Any = None) -> Any:
        """:meth:`value`, after the attributes that need I/O were awaited."""
        await self.ready(key)
        return self.value(key, default)

    async def aevaluate(self, key: str) -> Evaluation:
        """:meth:`evaluate`, after the attributes that need I/O were awaited."""
        await self.ready(key)
        return self.evaluate(key)


def _named(context: Any) -> str:
    """Who a context is about, for a repr, which must not raise whatever was bound."""
    if isinstance(context, Context):
        with suppress(Exception):  # a key that cannot be resolved here, or be written out
            return repr(context.targeting_key)
    return f"nobody known (a {type(context).__name__})"


class OverriddenFlags(BoundFlags):
    """Bound flags while test overrides are active or the request carries QA overrides.

    Order: test override, then ``enabled``, then QA override, then everything else. ``qa`` maps keys to variants; a
    flag that is killed, not ``qa: true`` or has no such variant is decided as ever.
    """

    __slots__ = ("qa",)

    qa: Mapping[str, str]

    @classmethod
    def under(cls, qa: Mapping[str, str] | None, plan: Plan, context: Context, flags: Flags) -> Self:
        """The flags of a plan for a context, under these QA overrides."""
        here = cls.of(plan, context, flags)
        here.qa = qa or NO_OVERRIDES
        return here

    def fresh(self) -> BoundFlags:
        """The same subject and QA overrides under the newest plan, with nothing decided yet."""
        here = OverriddenFlags.under(self.qa, self.flags.plan, self.context, self.flags)
        here.draw = self.draw
        return here

    def is_enabled(self, key: str) -> bool:
        """Whether a variant other than ``off`` is served; false for an unknown flag."""
        return self.evaluate(key).is_enabled

    def all(self) -> dict[str, Evaluation]:
        """Every flag's evaluation. All of them then count as read."""
        return {key: self.evaluate(key) for key in self.plan.table}

    def _decide(self, key: str) -> Evaluation:
        try:
            evaluation = self._override(key)
        except Exception as error:
            return self._recover(key, error)
        if evaluation is None:
            return super()._decide(key)
        self._remember(key, evaluation)
        return evaluation

    def _override(self, key: str) -> Evaluation | None:
        flag = self.plan.ruleset.flags.get(key)
        override: Override | None = current().get(key, self.flags.forced.get(key)) if ACTIVE else None
        if override is not None:
            evaluation = serve_override(key, flag, override, self.context)
            if evaluation is not None:
                return evaluation
        variant = self.qa.get(key)
        if variant is None or flag is None or not (flag.qa and flag.enabled and variant in flag.variants):
            return None
        return serve_override(key, flag, variant, self.context)
