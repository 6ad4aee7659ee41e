"""Who is signed in, and what the flags may know about them."""

from __future__ import annotations

from typing import Any

from flask import Request, request, session
from shopkit.customers import Customer, by_id

__all__ = ["flag_attributes", "is_staff", "signed_in"]


def signed_in(asked: Request = request) -> Customer | None:
    """The customer who signed in, or None."""
    return by_id(session.get("customer"))


def is_staff(asked: Request = request) -> bool:
    """Whether whoever signed in works here."""
    customer = signed_in(asked)
    return customer is not None and customer.is_staff


def flag_attributes(asked: Request) -> dict[str, Any]:
    """What the flag file may ask about beside the well-known attributes: the plan, and where the visitor is.

    The country that a visitor pretends to be in wins over the header of a proxy that knows.
    """
    customer = signed_in(asked)
    return {"plan": customer.plan if customer else None, "country": country(asked)}


def country(asked: Request = request) -> str | None:
    """Where the visitor is, as far as the shop knows."""
    return session.get("country") or asked.headers.get("X-Country")
