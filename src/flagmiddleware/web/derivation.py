"""How attributes are derived from a request: made once for an installation, asked by the context of each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import isawaitable, iscoroutine, iscoroutinefunction
from typing import Any, Final

from ..context import TARGETING_KEY, Context, Resolver
from ..errors import ContextNotReadyError
from .context import SESSION, UNREAD, USER_ATTRIBUTES, WebContext
from .facts import LONGEST_HEADER, Facts, on_loop
from .network import client_address, host_name, language_tag
from .options import WebOptions
from .say import Say
from .site import attributes_of, no_attributes_after
from .visitor import VisitorCookie

__all__ = ["Derivation"]

_SITE_FILLS: Final = ("user", "email", "groups", "is_staff", "is_superuser", "is_authenticated", "ip")
"""Attributes that the site's callable may give where the framework has no answer."""


class Derivation:
    """How one installation derives attributes: made once, asked by every request's context."""

    __slots__ = (
        "_callable_is_async",
        "_site_fills",
        "authorization",
        "awaits",
        "facts",
        "options",
        "resolvers",
        "say",
        "visitors",
    )

    def __init__(self, facts: Facts[Any], options: WebOptions, say: Say) -> None:
        self.facts = facts
        self.options = options
        self.say = say
        self.visitors = VisitorCookie(facts, options)
        self.authorization = facts.header_reader("authorization")
        """Reads that header, which every answer that belongs to one person depends on."""
        site = options.context
        self._callable_is_async = iscoroutinefunction(site) or iscoroutinefunction(type(site).__call__)
        self._site_fills = {*_SITE_FILLS, *options.headers}
        self.resolvers: Mapping[str, Resolver] = self._build()
        own = type(facts)
        self.awaits = (site is not None and (self._callable_is_async or facts.blocking_callable)) or any(
            getattr(own, name) is not getattr(Facts, name) for name in ("auser", "agroups", "asession")
        )
        """Whether anything could need awaiting at all."""

    # -- building -------------------------------------------------------------------------------------------------

    def _build(self) -> dict[str, Resolver]:
        facts = self.facts
        language, user_agent = facts.header_reader("accept-language"), facts.header_reader("user-agent")
        resolvers: dict[str, Callable[[Any], Any]] = {
            "path": lambda context: facts.path(context.request),
            "method": lambda context: facts.method(context.request),
            "host": lambda context: host_name(facts.host(context.request)),
            "language": lambda context: language_tag(language(context.request)),
            "user_agent": lambda context: _bounded(user_agent(context.request)),
            "ip": self._ip,
            "visitor": self._visitor,
            TARGETING_KEY: _targeting_key,
            "is_authenticated": lambda context: self._user(context) is not None,
            "user": self._of_user(facts.user_id, None),
            "email": self._of_user(facts.user_email, None),
            "is_staff": self._of_user(facts.is_staff, False),
            "is_superuser": self._of_user(facts.is_superuser, False),
            "groups": self._groups,
        }
        for attribute, header in self.options.headers.items():
            resolvers[attribute] = facts.attribute_reader(header, upper=attribute == "country")
        if self.options.context is not None:
            for name in self._site_fills:
                resolvers[name] = self._else_site(resolvers[name], name)
        if facts.touches:
            resolvers = {name: self._touching(resolve, name) for name, resolve in resolvers.items()}
        return resolvers

    def _touching(self, resolve: Resolver, name: str) -> Resolver:
        if name in ("path", "method", TARGETING_KEY):
            return resolve
        touched = self.facts.touched

        def tell(context: Any) -> Any:
            touched(context.request, name)
            return resolve(context)

        return tell

    def _else_site(self, resolve: Resolver, name: str) -> Resolver:
        """The framework's answer, and where it has none, the site's own."""

        def ask(context: Any) -> Any:
            value = resolve(context)
            return value if value else self._site(context).get(name, value)

        return ask

    def _of_user(self, read: Callable[[Any], Any], missing: Any) -> Resolver:
        facts = self.facts

        def resolve(context: Any) -> Any:
            user = context.user_object
            if user is UNREAD:  # as `_user` does, written out: every rollout by user begins here
                user = facts.user(context.request)
                if user is not None and not facts.is_authenticated(user):
                    user = None
                context.user_object = user
            return missing if user is None else read(user)

        return resolve

    # -- resolving ------------------------------------------------------------------------------------------------

    def _user(self, context: WebContext) -> Any:
        """The user who signed in; None for anonymous ones."""
        user = context.user_object
        if user is UNREAD:
            user = context.user_object = self._signed_in(self.facts.user(context.request))
        return user

    def _signed_in(self, user: Any) -> Any:
        return user if user is not None and self.facts.is_authenticated(user) else None

    def _groups(self, context: WebContext) -> tuple[str, ...]:
        if context.group_names is not None:
            return context.group_names
        user = self._user(context)
        return () if user is None else tuple(self.facts.groups(context.request, user))

    def _ip(self, context: WebContext) -> str | None:
        facts, proxies = self.facts, self.options.trusted_proxies
        forwarded = facts.header(context.request, "x-forwarded-for") if proxies else None
        return client_address(facts.peer(context.request), forwarded, proxies)

    def _visitor(self, context: WebContext) -> str | None:
        if not self.options.secret_keys:
            if self.options.visitor_cookie:
                self.say("visitors cannot be told apart and get the default of rollouts: secret_keys is not set")
            return None
        try:
            visitor = self.visitors.identify(context.request, may_mint=not context.sent)
        except Exception as error:
            self.say("visitor_cookie: the callable failed and counts as no consent: %r", error)
            return None
        if visitor is None:
            return None
        name, is_new = visitor
        if is_new:
            context.minted = name
            context.is_plain = False
        return name

    def other(self, context: WebContext, name: str) -> Any:
        """An attribute without a resolver of its own: the session's, a derived one, or the site's."""
        if name.startswith(SESSION):
            if self.facts.touches:
                self.facts.touched(context.request, name)
            session = self.facts.session(context.request)
            return session.get(name[len(SESSION) :]) if session is not None else None
        value = Context.__missing__(context, name)
        if value is not None or self.options.context is None:
            return value
        if self.facts.touches:
            self.facts.touched(context.request, name)
        return self._site(context).get(name)

    def refuse_late(self, context: WebContext, name: str, resolve: Resolver | None) -> None:
        """A private attribute was asked for after the headers had called the answer public."""
        if resolve is None:
            marks = name.startswith(SESSION) or self.options.context is not None
        else:
            marks = name not in ("path", "method", TARGETING_KEY)
        if marks and self.facts.make_private(context.request):
            context.unseal()
        elif marks:
            cure = "preload(…) the flags that need it"
            self.say(f"%r was read after the headers had left and had called the answer public; {cure}", name)
            raise ContextNotReadyError(f"attribute {name!r} was first read after the response had started")

    # -- the site's callable --------------------------------------------------------------------------------------

    def _site(self, context: WebContext) -> Mapping[str, Any]:
        if context.site is None:
            context.is_plain = False
            context.site = self._ask_site(context.request, self.options.context or _no_attributes)
        return context.site

    def _ask_site(self, request: Any, ask: Callable[[Any], Any]) -> Mapping[str, Any]:
        looping = on_loop()
        if looping and (self._callable_is_async or self.facts.blocking_callable):
            raise ContextNotReadyError("the site's context callable needs awaiting: `await flags.ready(key)` first")
        try:
            answer = ask(self.facts.for_site(request))
            if isawaitable(answer):
                answer = self._run(answer, looping)
        except ContextNotReadyError:
            raise
        except Exception as error:
            return no_attributes_after(error, self.say)
        return attributes_of(answer, self.say)

    def _run(self, answer: Any, looping: bool) -> Any:
        if looping:
            self._callable_is_async = self.awaits = True
            if iscoroutine(answer):
                answer.close()
            raise ContextNotReadyError("the site's context callable needs awaiting: `await flags.ready(key)` first")
        return self.facts.run_async(answer)

    async def _aask_site(self, context: WebContext, ask: Callable[[Any], Any]) -> None:
        context.is_plain = False
        try:
            if self.facts.blocking_callable and not self._callable_is_async:
                answer = await self.facts.in_thread(ask, self.facts.for_site(context.request))
            else:
                answer = ask(self.facts.for_site(context.request))
            if isawaitable(answer):
                answer = await answer
        except Exception as error:
            context.site = no_attributes_after(error, self.say)
        else:
            context.site = attributes_of(answer, self.say)

    # -- asynchronous ---------------------------------------------------------------------------------------------

    async def aresolve(self, context: WebContext, names: list[str]) -> None:
        """Fetch what these attributes need, in the order in which they need each other."""
        if not self.awaits or not names:
            return
        touches = self.facts.touched if self.facts.touches else None
        try:
            if not USER_ATTRIBUTES.isdisjoint(names):
                await self._aload_user(context, names, touches)
            if any(name.startswith(SESSION) for name in names):
                await self._aload_session(context, names, touches)
        except Exception as error:  # a database that is away: flags that ask for it serve `off`, as in synchronous code
            self.say("ready: a user or session could not be read: %s", type(error).__name__, error)
        ask = self.options.context
        if ask is not None and context.site is None and self._needs_site(context, names):
            if touches:
                touches(context.request, "site")
            await self._aask_site(context, ask)

    async def _aload_user(
        self, context: WebContext, names: list[str], touches: Callable[[Any, str], None] | None
    ) -> None:
        if touches:
            touches(context.request, "user")
        facts = self.facts
        if context.user_object is UNREAD:
            context.user_object = self._signed_in(await facts.auser(context.request))
        if "groups" in names and "groups" not in context and context.group_names is None:
            user = context.user_object
            groups = () if user is None else tuple(await facts.agroups(context.request, user))
            context.group_names = groups
            if groups or self.options.context is None:
                context["groups"] = groups

    async def _aload_session(
        self, context: WebContext, names: list[str], touches: Callable[[Any, str], None] | None
    ) -> None:
        if touches:
            touches(context.request, "session")
        session = await self.facts.asession(context.request) or {}
        context.update({name: session.get(name[len(SESSION) :]) for name in names if name.startswith(SESSION)})

    def _needs_site(self, context: WebContext, names: list[str]) -> bool:
        """Whether the callable may be asked for one of these when they are decided."""
        if context.user_object is not None:
            # Signed in by the framework, which knows who this is; the callable is asked for the rest.
            names = [name for name in names if name not in ("user", "is_authenticated", TARGETING_KEY)]
        fills, own = self._site_fills | {TARGETING_KEY}, self.resolvers
        return any(name in fills or (name not in own and not name.startswith(SESSION)) for name in names)


def _targeting_key(context: Any) -> Any:
    user = context["user"]
    return context["visitor"] if user is None else user


def _no_attributes(request: Any) -> Mapping[str, Any]:
    return {}


def _bounded(value: str | None) -> str | None:
    return value if value is not None and len(value) <= LONGEST_HEADER else None
