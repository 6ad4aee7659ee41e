"""What one installed middleware owns, and what it does to a request and its response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from ..errors import ConfigurationError, RulesetError, SourceError
from ..flags import Flags
from ..sources import open_source
from ..sources.urls import SETTINGS as SOURCE_SETTINGS
from .caching import PRIVATE, PUBLIC, CachePolicy, CacheRules, make_policy, patch
from .context import PROMISED
from .current import register
from .debug import debug_headers
from .derivation import Derivation
from .endpoints import Answer, health_answer
from .facts import Facts
from .headers import HeaderView
from .observers import Observers
from .options import WebOptions, refuse_unknown
from .overrides import Overrides, Redirect, sign
from .request import RequestFlags, Unbound, request_flags
from .say import Say

if TYPE_CHECKING:
    from ..plan import Plan

__all__ = ["Installation"]

_FLAGS_SETTINGS: Final = ("format", "environment", "strict", "refresh", "options")
_SETTINGS: Final = ("source", "flags", *_FLAGS_SETTINGS, *SOURCE_SETTINGS)


class Installation:
    """One ``Flags``, the options of one site, and how to read its requests. It lives on the app, never in a module."""

    __slots__ = (
        "__weakref__",
        "_rules",
        "closed",
        "debugs",
        "derivation",
        "facts",
        "flags",
        "observers",
        "options",
        "overrides",
        "owns_flags",
        "plain_plan",
        "progress_key",
        "promise",
        "say",
        "signs",
    )

    def __init__(self, flags: Flags, facts: Facts[Any], options: WebOptions) -> None:
        self.flags = flags
        self.facts = facts
        self.options = options
        self.say = Say()
        self.derivation = Derivation(facts, options, self.say)
        self.overrides = Overrides(facts, options, self.say)
        self.observers = Observers(options.observers)
        self._rules = CacheRules(options)
        # Looked at in every request, and by themselves, because a method call costs as much as what it saves.
        self.debugs = options.debug_header is not False
        self.signs = bool(self.overrides)
        self.promise = PROMISED if facts.makes_bodies_late else True
        """What a context is told of headers that call an answer public."""
        self.progress_key = facts.progress_key
        self.plain_plan: Plan | None = None
        """The plan of which it is known that its requests need no trace, no tester's overrides and no schedule."""
        self.closed = False
        self.owns_flags = False
        register(self)

    @classmethod
    def build(
        cls, settings: Mapping[str, Any], facts: Facts[Any], *, spelling: Callable[[str], str] = str
    ) -> Installation:
        """The installation that a site's settings describe; ``spelling`` writes a setting's name as that site does."""
        refuse_unknown(settings, (*_SETTINGS, *WebOptions.names()), spelling)
        given = dict(settings)
        own: dict[str, Any] = {name: given.pop(name) for name in _SETTINGS if name in given}
        options = WebOptions.from_settings(given, spelling)
        flags = own.get("flags")
        installation = cls(_open(own, spelling) if flags is None else _checked(flags, own, spelling), facts, options)
        installation.owns_flags = flags is None
        return installation

    def close(self) -> None:
        """The site is shutting down; flags that were opened here are closed."""
        self.closed = True
        if self.owns_flags:
            self.flags.close()

    def health(self, *, detail: bool = False) -> Answer:
        """The answer of a health check: 200 or 503 and the state; ``detail`` for a caller who may see more."""
        return health_answer(self.flags, detail=detail, max_stale=self.options.max_stale)

    # -- a request ------------------------------------------------------------------------------------------------

    def begin(self, request: Any) -> RequestFlags:
        """The request's flags; nothing is bound until one is read."""
        return request_flags(self, request)

    def answer_link(self, request: Any) -> Redirect | None:
        """What answers a QA link; None for every other request."""
        if not self.signs:
            return None
        query = self.facts.query(request)
        if not query or self.options.qa_parameter not in query:
            return None
        return self.overrides.answer_link(request, query, self.flags.ruleset.environment)

    def sign_link(self, choices: Mapping[str, str], request: Any, ttl: float = 3600) -> str:
        """A QA token for the host of this request; the caller has checked that whoever asks may have one."""
        options, host = self.options, self.facts.host(request) or ""
        return sign(self.flags, choices, host=host, keys=options.secret_keys, ttl=ttl, epoch=options.qa_epoch)

    def override_cookie(self, request: Any, token: str | None) -> str:
        """The ``Set-Cookie`` that keeps a QA token, or with None takes it away."""
        return self.overrides.cookie(request, token)

    def is_debugging(self, request: Any) -> bool:
        """Whether this request's answer tells what was decided."""
        wanted = self.options.debug_header
        if isinstance(wanted, bool):
            return wanted
        try:
            return bool(wanted(self.facts.for_site(request)))
        except Exception as error:
            self.say("debug_header: the callable failed and counts as no: %s", type(error).__name__, error)
            return False

    # -- its response ---------------------------------------------------------------------------------------------

    def finish(self, here: RequestFlags, headers: HeaderView, *, streaming: bool = False) -> None:
        """Make the headers tell caches what the decisions read, and keep a new visitor; call it just before they leave.

        ``streaming`` says that the body is made afterwards: flags that it reads come too late for the headers.
        """
        policy = self.simple_policy(here, streaming=streaming)
        if policy is not None:
            if policy is not PUBLIC:
                patch(headers, policy)
        else:
            self._patch(here, headers, streaming)

    def simple_policy(self, here: RequestFlags, streaming: bool = False) -> CachePolicy | None:
        """The policy of an answer that needs nothing but its ``vary`` and ``private``; None where it needs more.

        An adapter that is in a hurry asks this before it makes a view of its headers.
        """
        kind = type(here)
        if kind is Unbound:
            here.headers_sent = True if streaming else self.promise
            return PRIVATE if streaming else PUBLIC
        context: Any = here.context
        if streaming or kind is not RequestFlags or here.plan.next_change is not None:
            context.sent = True
            return None
        if context.is_plain:
            policy = self._rules.known.get(tuple(context))  # as `policy` begins, for a call less
            if policy is not None:
                if not policy.private:
                    context.sent = self.promise
                    return policy
                if self.derivation.authorization(here.request) is None:
                    context.sent = True
                    return policy
        elif context.minted is not None:
            context.sent = True
            return None
        policy = self._rules.policy(context)
        context.sent = True if policy.private else self.promise
        return policy

    def _patch(self, here: RequestFlags, headers: HeaderView, streaming: bool) -> None:
        context, debugging = here.web_context, here.is_debugging
        policy = self._rules.policy(context)
        if debugging or (streaming and not here.preloaded):
            policy = make_policy((*policy.vary, "Cookie"), True)
        patch(headers, policy, no_store=bool(here.qa), until=here.plan.next_change)
        if context.minted is not None:
            headers.add("Set-Cookie", self.derivation.visitors.header(here.request, context.minted))
        if debugging:
            for name, value in debug_headers(here.evaluated()):
                headers.add(name, value)
        if (streaming or self.promise == PROMISED) and not (policy.private or here.qa):
            context.seal()

    def body_sent(self, here: RequestFlags) -> None:
        """The body left: work in the background may read whatever it likes."""
        if here.is_bound:
            here.web_context.unseal()
        else:
            here.headers_sent = True

    def observe(self, here: RequestFlags, status: int = 200, *, raised: bool = False) -> None:
        """Tell the observers about a request that read flags; nothing is computed where there are none."""
        if self.observers.all and here.is_bound:
            started = here.started
            self.observers.tell(here, status, 0.0 if started is None else perf_counter() - started, raised)


def _checked(flags: Any, own: Mapping[str, Any], spelling: Callable[[str], str]) -> Flags:
    if not isinstance(flags, Flags):
        source = spelling("source")
        raise ConfigurationError(f"{spelling('flags')}: {flags!r} is not a Flags; give a path or URL as {source}")
    extra = [name for name in own if name != "flags" and own[name] is not None]
    if extra:
        raise ConfigurationError(f"{spelling(extra[0])}: give it to Flags(…), since {spelling('flags')} is set")
    return flags


def _open(own: Mapping[str, Any], spelling: Callable[[str], str]) -> Flags:
    source = own.get("source")
    name = spelling("source")
    if source is None or source == "":
        raise ConfigurationError(f'{name}: where the flags are defined is not set; give a path, as in "flags.yaml"')
    round_it = {key: own[key] for key in SOURCE_SETTINGS if own.get(key) is not None}
    try:
        found = open_source(source, **round_it)
    except ConfigurationError as error:
        raise ConfigurationError(_spelt(str(error), spelling)) from error
    shown = getattr(found, "name", type(source).__name__)  # never the URL: it may hold a password
    try:
        return Flags(found, **{key: own[key] for key in _FLAGS_SETTINGS if key in own})
    except RulesetError as error:
        raise ConfigurationError(f"{name}: the flags of {shown} cannot be used:\n{error}") from error
    except SourceError as error:  # which names the source itself
        raise ConfigurationError(f"{name}: {error}") from error
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{name}: {shown} cannot be read: {error}") from error


def _spelt(error: str, spelling: Callable[[str], str]) -> str:
    """What is wrong with the source or with what is to lie round it, under the name that the site gave it."""
    setting, colon, rest = error.partition(":")
    if setting in SOURCE_SETTINGS:
        return spelling(setting) + colon + rest
    if setting.startswith("source["):
        return spelling("source") + error.removeprefix("source")
    return f"{spelling('source')}: {error}"
