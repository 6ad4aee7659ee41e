"""What an adapter tells about its request object: the few small functions that everything else is derived from."""

from __future__ import annotations

import asyncio
from asyncio import _get_running_loop
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

__all__ = ["LONGEST_HEADER", "Facts", "R", "find_cookie", "on_loop", "user_groups"]

R = TypeVar("R")

LONGEST_HEADER: Final = 4096
"""Characters. A header that is longer says nothing about anybody."""


def on_loop() -> bool:
    """Whether this code runs on an event loop, where I/O would block everybody.

    >>> on_loop()
    False
    """
    return _get_running_loop() is not None


def find_cookie(header: str | None, name: str) -> str | None:
    """One cookie out of a ``Cookie`` header, without parsing the others, however many megabytes they are.

    >>> find_cookie("a=1; flags_visitor=xyz; b=2", "flags_visitor"), find_cookie("xflags=1", "flags")
    ('xyz', None)
    """
    if not header:
        return None
    wanted = name + "="
    start = header.find(wanted)
    while start > 0 and header[start - 1] not in "; \t":
        start = header.find(wanted, start + 1)
    if start < 0:
        return None
    end = header.find(";", start)
    return header[start + len(wanted) : end if end >= 0 else None].strip(' \t"')


class Facts(Generic[R]):
    """How to read one framework's request; an adapter subclasses it once and overrides what differs.

    One stateless instance serves an installation. What needs I/O has an ``a…`` twin; its plain form raises
    :class:`~flagmiddleware.errors.ContextNotReadyError` instead of doing I/O on a running loop (see :func:`on_loop`).
    """

    blocking_callable: bool = False
    """Whether the site's own synchronous callable may do I/O, so that it is never called on a running loop."""

    touches: bool = False
    """Whether :meth:`touched` wants to be called."""

    makes_bodies_late: bool = False
    """Whether an answer may still be worked on when its headers are settled, though it looks complete: its body may be
    made late, for all that the adapter knows, or middlewares further out may read flags."""

    progress_key: str = ""
    """Where the request says that its headers left, if it does: a key that is missing until then."""

    def is_over(self, request: R) -> bool:
        """Whether the body has left. Asked late, and only where :meth:`Installation.body_sent` has not been called."""
        return False

    def make_private(self, request: R) -> bool:
        """Make an answer private whose headers were settled but have not left; False where they have."""
        return False

    def header(self, request: R, name: str) -> str | None:
        """A request header; repeated ones joined with a comma."""
        raise NotImplementedError

    def header_reader(self, name: str) -> Callable[[R], str | None]:
        """What reads one header: made once for each that the site names, so that nothing is looked up in a request."""
        return lambda request: self.header(request, name)

    def attribute_reader(self, name: str, *, upper: bool) -> Callable[[Any], str | None]:
        """What derives an attribute from one header of a context's ``request``; None where it is empty or too long."""
        find = self.header_reader(name)

        def read(context: Any) -> str | None:
            value = find(context.request)
            if value and len(value) <= LONGEST_HEADER:
                return value.strip().upper() if upper else value.strip()
            return None

        return read

    def method(self, request: R) -> str | None:
        """The request's method, upper case."""
        raise NotImplementedError

    def path(self, request: R) -> str | None:
        """The decoded path, mount points included."""
        raise NotImplementedError

    def query(self, request: R) -> str | None:
        """The raw query string, without the question mark."""
        raise NotImplementedError

    def scheme(self, request: R) -> str | None:
        """``http`` or ``https``, as the framework believes it."""
        raise NotImplementedError

    def peer(self, request: R) -> str | None:
        """The address at the other end of the connection."""
        raise NotImplementedError

    def host(self, request: R) -> str | None:
        """The host that was asked for, as sent."""
        return self.header(request, "host")

    def cookie(self, request: R, name: str) -> str | None:
        """One cookie's value."""
        return find_cookie(self.header(request, "cookie"), name)

    def touched(self, request: R, attribute: str) -> None:
        """Told at the first read of each attribute that a shared cache must know of."""

    def user(self, request: R) -> Any:
        """The framework's user object; None where there is no authentication."""
        return None

    async def auser(self, request: R) -> Any:
        """The same, where I/O is allowed."""
        return self.user(request)

    def groups(self, request: R, user: Any) -> Iterable[str]:
        """The names of the groups that the user is in."""
        return user_groups(user)

    async def agroups(self, request: R, user: Any) -> Iterable[str]:
        """The same, where I/O is allowed."""
        return self.groups(request, user)

    def session(self, request: R) -> Mapping[str, Any] | None:
        """The session, read only."""
        return None

    async def asession(self, request: R) -> Mapping[str, Any] | None:
        """The same, where I/O is allowed."""
        return self.session(request)

    def user_id(self, user: Any) -> Any:
        """What identifies the user, in text or as a number."""
        return _first_of(user, ("pk", "id", "get_id", "identity", "username", "display_name"))

    def user_email(self, user: Any) -> str | None:
        """The user's email address."""
        email = _first_of(user, ("email",))
        return email if isinstance(email, str) else None

    def is_authenticated(self, user: Any) -> bool:
        """Whether the user has signed in; a user object without an opinion has."""
        return _truth_of(user, "is_authenticated", True)

    def is_staff(self, user: Any) -> bool:
        """Whether the user is staff."""
        return _truth_of(user, "is_staff", False)

    def is_superuser(self, user: Any) -> bool:
        """Whether the user may do everything."""
        return _truth_of(user, "is_superuser", False)

    def running(self) -> Any:
        """The flags of the request that runs here, where the framework knows that better than our own ContextVar."""
        return None

    def for_site(self, request: R) -> Any:
        """The request as the site's own callables (``context``, consent, ``debug_header``) expect it."""
        return request

    def run_async(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Run the site's asynchronous callable from a synchronous request."""
        return asyncio.run(coroutine)

    async def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run the site's synchronous callable where it may block."""
        return await asyncio.to_thread(function, *arguments)


def _first_of(user: Any, names: Iterable[str]) -> Any:
    """The first of these attributes that the user has and that is worth something; methods are called.

    Starlette's ``BaseUser.identity`` raises NotImplementedError unless a site defines it, hence the except.
    """
    for name in names:
        try:
            value = user[name] if isinstance(user, Mapping) else getattr(user, name)
            value = value() if callable(value) else value
        except (AttributeError, KeyError, NotImplementedError):
            continue
        if value is not None and value != "":
            return value
    return None


def _truth_of(user: Any, name: str, missing: bool) -> bool:
    """A yes or no of the user object; Flask-Login and Django have properties, old code has methods."""
    value = _first_of(user, (name,))
    return missing if value is None else bool(value)


def user_groups(user: Any) -> tuple[str, ...]:
    """The user's groups, given as names or as objects that have one.

    >>> user_groups({"groups": ["beta", "staff"]})
    ('beta', 'staff')
    """
    groups = _first_of(user, ("groups",))
    if isinstance(groups, str) or not isinstance(groups, Iterable):
        return (groups,) if isinstance(groups, str) else ()
    return tuple(group if isinstance(group, str) else str(getattr(group, "name", group)) for group in groups)
