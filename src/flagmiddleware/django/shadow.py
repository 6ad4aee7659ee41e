"""Moving from django-waffle or django-flags without a jump: both decide, the old answer is served, differences count.

``MIDDLEWARE += ["flagmiddleware.django.shadow.ShadowMiddleware"]`` (after ``FlagMiddleware``; the old system's own
middleware stays) and in ``FLAGMIDDLEWARE``:

* ``"SHADOW": "waffle"`` or ``"django-flags"``: ask it, too, and serve its answer where it knows the flag;
* ``"SHADOW_NAMES": {"new-checkout": "NewCheckout"}``: what a flag is called there, where it is not the same name;
* ``"SHADOW_CACHE": "default"``: count in that cache, too, for ``manage.py flags_shadow``;
* ``"WAFFLE_COOKIES_UNTIL": "2027-03-31"``: who has a waffle cookie stays on that side of a rollout until that day.

It works through the layer of overrides, so nothing of it is left in a decision once the middleware is gone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import date, datetime, timezone
from logging import getLogger
from typing import Any, Final, NamedTuple

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.conf import settings
from django.core.exceptions import SynchronousOnlyOperation
from django.core.handlers.asgi import ASGIRequest
from django.http import FileResponse, HttpRequest

from ..errors import ConfigurationError
from ..model import Evaluation, Reason
from ..overrides import Override, current, layered
from .installed import app, installation
from .pagecache import forbid_storing
from .shadow_order import within
from .shadowcounts import Counts
from .shadowed import OLD_SYSTEMS, Answer, Answers, OldSystem, spellings, waffle_cookie

__all__ = ["Counts", "ShadowMiddleware", "counts"]

_log: Final = getLogger("flagmiddleware.shadow")
_LOGGED_EACH: Final = 10
_AHEAD: Final = "_flagmiddleware_shadow"  # the attribute of a request that has the answers made ahead
_SEEN: Final = "session.flagmiddleware_shadow"  # its presence makes an answer private, as one that reads a cookie is


def counts() -> Counts:
    """The counts of this process, since it started."""
    config: Any = app()
    found = config.__dict__.get("shadow_counts")
    if found is None:
        found = config.shadow_counts = Counts(getattr(settings, "FLAGMIDDLEWARE", {}).get("SHADOW_CACHE"))
    return found  # type: ignore[no-any-return]


class ShadowMiddleware:
    """Lets the old system, or its cookies, decide during a request."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.shadow = Shadow.from_settings(counts())
        self.within = within(type(self))
        self.is_async = iscoroutinefunction(get_response)
        if self.is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Serve one request."""
        if self.is_async:
            return self._aserve(request)
        if self.within.must or (self.within.may and isinstance(request, ASGIRequest)):
            self.shadow.ask_ahead(request)
        layer = _Layer(self.shadow, current())
        with layered(layer):
            response = self.get_response(request)
        self.shadow.counts.share_waiting()  # of an asynchronous view under a synchronous server
        return _streamed(response, layer)

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, named: Any) -> None:
        """Ask ahead of an asynchronous view, which may not read the database; Django calls this in a thread.

        What was asked ahead of asynchronous middleware is asked again where the user has become known since.
        """
        asked = request.__dict__.get(_AHEAD)
        if iscoroutinefunction(view) if asked is None else asked.user is not getattr(request, "user", None):
            self.shadow.ask_ahead(request)

    async def _aserve(self, request: HttpRequest) -> Any:
        if self.within.may and self.shadow.old is not None:
            await sync_to_async(self.shadow.ask_ahead)(request)
        layer = _Layer(self.shadow, current())
        with layered(layer):
            response = await self.get_response(request)
        if self.shadow.counts.waiting:
            await sync_to_async(self.shadow.counts.share_waiting)()
        return _streamed(response, layer)


def _streamed(response: Any, layer: _Layer) -> Any:
    """A body that is made after the middleware has returned: the old system decides in each of its parts, too."""
    if response.streaming and not isinstance(response, FileResponse):
        parts = _aparts if response.is_async else _parts
        response.streaming_content = parts(response.streaming_content, layer)
    return response


def _parts(body: Iterator[bytes], layer: _Layer) -> Iterator[bytes]:
    while True:
        with layered(layer):
            try:
                part = next(body)
            except StopIteration:
                return
        yield part


async def _aparts(body: AsyncIterator[bytes], layer: _Layer) -> AsyncIterator[bytes]:
    while True:
        with layered(layer):
            try:
                part = await anext(body)
            except StopAsyncIteration:
                break
        yield part
    if layer.shadow.counts.waiting:
        await sync_to_async(layer.shadow.counts.share_waiting)()


class _Ahead(NamedTuple):
    """The answers that were made ahead, and for whom."""

    answers: Answers
    user: Any


class _Layer(Mapping[str, Override]):
    """Overrides that are made when a flag is asked for; what lies below (a test's overrides) comes first."""

    def __init__(self, shadow: Shadow, below: Mapping[str, Override]) -> None:
        self.shadow = shadow
        self.below = below

    def __getitem__(self, key: str) -> Override:
        found = self.below.get(key)
        return found if found is not None else lambda context: self.shadow.decide(key, context)

    # Itself and nothing else: as a mapping it would equal an empty one, and asgiref on Python 3.10 carries a context
    # variable into an asynchronous view only where its value differs from the one there.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __iter__(self) -> Iterator[str]:
        return iter(self.below)

    def __len__(self) -> int:
        return len(self.below)


class Shadow:
    """Asks the old system beside ours, compares, counts and tells."""

    def __init__(
        self, old: OldSystem | None, names: Mapping[str, str], cookies_until: datetime | None, counted: Counts
    ) -> None:
        self.old = old
        self.names = names
        self.cookies_until = cookies_until
        self.counts = counted
        self._told: set[tuple[str, str]] = set()

    @classmethod
    def from_settings(cls, counted: Counts) -> Shadow:
        """What ``settings.FLAGMIDDLEWARE`` asks for."""
        given = getattr(settings, "FLAGMIDDLEWARE", {})
        kind = given.get("SHADOW")
        if kind is not None and kind not in OLD_SYSTEMS:
            raise ConfigurationError(f"settings.FLAGMIDDLEWARE['SHADOW']: {kind!r} is none of {', '.join(OLD_SYSTEMS)}")
        old = OLD_SYSTEMS[kind]() if kind is not None else None
        return cls(old, given.get("SHADOW_NAMES") or {}, _until(given.get("WAFFLE_COOKIES_UNTIL")), counted)

    def decide(self, key: str, context: Any) -> bool | None:
        """The answer to serve; None leaves it to our own rules."""
        request = getattr(context, "request", None)
        if not isinstance(request, HttpRequest):
            return None
        ours = _ours(key, context)
        if self.old is not None:
            return self._compared(key, context, request, ours)
        return self._pinned(key, context, request, ours)

    def _compared(self, key: str, context: Any, request: HttpRequest, ours: Evaluation | None) -> bool | None:
        assert self.old is not None  # noqa: S101 - decide() has looked
        _mark_private(context, request)
        try:
            answer = self._answer(request, key)
        except SynchronousOnlyOperation:
            self._tell_once(key, "on an event loop the old system, which reads the database, is asked ahead of "
                                 "middleware and views only. Ours is served, and not compared")  # fmt: skip
            return None
        except Exception as error:
            self._tell_once(key, f"the old system failed, ours is served: {error!r:.200}")
            return None
        if answer is None or ours is None:
            self.counts.add(self.counts.missing, key)
            if answer is None:
                self._tell_once(key, "the old system has none of that name, so that ours is served; if it is called "
                                     "otherwise there, say so in FLAGMIDDLEWARE['SHADOW_NAMES']")  # fmt: skip
            return None if answer is None else answer.is_on
        if answer.is_on is ours.is_enabled or answer.drawn:
            self.counts.add(self.counts.agreed, key)
        else:
            self._disagreed(key, answer.is_on, ours)
        return answer.is_on

    def _answer(self, request: HttpRequest, key: str) -> Answer | None:
        """The old system's answer for our key in one of its spellings."""
        assert self.old is not None  # noqa: S101 - decide() has looked
        ahead: _Ahead | None = request.__dict__.get(_AHEAD)
        for name in spellings(self.names.get(key), key):
            answer = self.old.ask(request, name) if ahead is None else ahead.answers.get(name, _nothing)()
            if answer is not None:
                return answer
        return None

    def ask_ahead(self, request: HttpRequest) -> None:
        """Have every answer of the old system ready on the request."""
        if self.old is None:
            return
        try:
            request.__dict__[_AHEAD] = _Ahead(self.old.ask_all(request), getattr(request, "user", None))
        except Exception as error:
            self._tell_once("*", f"the old system failed, ours is served: {error!r:.200}")

    def _disagreed(self, key: str, theirs: bool, ours: Evaluation) -> None:
        number = self.counts.add(self.counts.disagreed, key)
        if number <= _LOGGED_EACH or number % 1000 == 0:
            text = "flag %r: the old system says %s and is served, ours says %s (%s, rule %s); difference number %d"
            _log.warning(text, key, theirs, ours.is_enabled, ours.reason, ours.rule, number)

    def _pinned(self, key: str, context: Any, request: HttpRequest, ours: Evaluation | None) -> bool | None:
        until = self.cookies_until
        if until is None or datetime.now(timezone.utc) >= until or ours is None or ours.reason is not Reason.SPLIT:
            return None  # only rollouts were kept in cookies
        pin = waffle_cookie(request, self.names.get(key), key)
        if pin is not None:
            _mark_private(context, request)
        return pin

    def _tell_once(self, key: str, text: str) -> None:
        if (key, text) not in self._told:
            self._told.add((key, text))
            _log.warning("flag %r: %s", key, text)


def _nothing() -> None:
    return None


def _ours(key: str, context: Any) -> Evaluation | None:
    """Our own decision; None for a flag that we do not have. It is made past the overrides, which lead here."""
    flags = installation().flags
    plan = flags.plan
    decide = plan.table.get(key)
    if decide is None:
        return None
    try:
        return decide(context, None)
    except Exception as error:
        return flags.recover(plan, key, context, None, error)


def _mark_private(context: Any, request: HttpRequest) -> None:
    # What the old system reads (user, cookies, session) is not known here: no shared cache may keep the answer.
    if _SEEN not in context:
        context[_SEEN] = None
        forbid_storing(request)


def _until(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        day = date.fromisoformat(value) if isinstance(value, str) else value
        return datetime(day.year, day.month, day.day, tzinfo=timezone.utc)
    except (ValueError, TypeError, AttributeError) as error:
        wanted = "settings.FLAGMIDDLEWARE['WAFFLE_COOKIES_UNTIL']: expected a day, such as \"2027-03-31\""
        raise ConfigurationError(f"{wanted}, found {value!r}") from error
