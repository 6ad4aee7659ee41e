"""Who is signed in, and what the flags may know about them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from shopkit.customers import Customer, by_id
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser
from starlette.requests import HTTPConnection

__all__ = ["FromSession", "Visitor", "country", "flag_attributes", "is_staff"]


class Visitor(BaseUser):
    """Whoever is asking. The session is read when somebody wants to know: most pages need not vary by cookie."""

    def __init__(self, connection: HTTPConnection) -> None:
        self._connection = connection

    @cached_property
    def customer(self) -> Customer | None:
        """The customer who signed in, or None."""
        return by_id(self._connection.session.get("customer"))

    @property
    def is_authenticated(self) -> bool:
        """Whether somebody signed in."""
        return self.customer is not None

    @property
    def display_name(self) -> str:
        """What to call them."""
        return self.customer.name if self.customer else "Guest"

    @property
    def identity(self) -> str:
        """What rollouts hash."""
        return self.customer.id if self.customer else ""

    @property
    def email(self) -> str | None:
        """Where to write to them."""
        return self.customer.email if self.customer else None

    @property
    def is_staff(self) -> bool:
        """Whether they work here."""
        return self.customer is not None and self.customer.is_staff


class FromSession(AuthenticationBackend):
    """Everybody is let in; who they are is in the session."""

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser]:
        """A visitor, not looked at yet."""
        return AuthCredentials(), Visitor(conn)


def is_staff(request: HTTPConnection) -> bool:
    """Whether whoever signed in works here."""
    return bool(request.user.is_staff)


def flag_attributes(request: HTTPConnection) -> dict[str, Any]:
    """What the flag file may ask about beside the well-known attributes: the plan, and where the visitor is.

    The country that a visitor pretends to be in wins over the header of a proxy that knows.
    """
    customer = request.user.customer
    return {"plan": customer.plan if customer else None, "country": country(request)}


def country(request: HTTPConnection) -> str | None:
    """Where the visitor is, as far as the shop knows."""
    return request.session.get("country") or request.headers.get("x-country")
