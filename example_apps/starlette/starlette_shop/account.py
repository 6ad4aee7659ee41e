"""Signing in and out, and pretending to be somewhere else."""

from __future__ import annotations

from shopkit.customers import COUNTRIES, CUSTOMERS, PASSWORD, Customer, by_email, by_id
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from . import people
from .pages import page, posted, to

__all__ = ["routes"]


async def show(request: Request) -> Response:
    """The sign-in form with the people to try, or who is signed in."""
    return account_page(request)


async def sign_in(request: Request) -> Response:
    """Sign in with an address and the password, or at once as one of the people to try."""
    form = await posted(request)
    email = str(form.get("email", ""))
    customer = by_id(form.get("as")) or with_password(email, form.get("password"))
    if customer is None:
        wrong = "No customer has this address and password. The demo's password is “demo”."
        return account_page(request, wrong=wrong, email=email, status=422)
    basket = request.session.get("basket", {})
    request.session.clear()  # a session begins anew with a new person; only the basket comes along
    request.session.update(customer=customer.id, country=customer.country, basket=basket)
    return to(request, "account")


async def sign_out(request: Request) -> Response:
    """Forget everything about this visitor."""
    await posted(request)
    request.session.clear()
    return to(request, "account")


async def pretend(request: Request) -> Response:
    """Be in another country, as far as this shop is concerned."""
    chosen = (await posted(request)).get("country")
    request.session["country"] = chosen if chosen in COUNTRIES else None
    return to(request, "account")


def with_password(email: str, password: object) -> Customer | None:
    """The customer with this address, if the password is right."""
    return by_email(email) if password == PASSWORD else None


def account_page(request: Request, wrong: str = "", email: str = "", status: int = 200) -> Response:
    """The page itself."""
    known = {"customer": request.user.customer, "country": people.country(request)}
    return page(
        request, "account.html", status, countries=COUNTRIES, customers=CUSTOMERS, email=email, wrong=wrong, **known
    )


routes = [
    Route("/account/", show, name="account"),
    Route("/account/sign-in", sign_in, methods=["POST"], name="sign-in"),
    Route("/account/sign-out", sign_out, methods=["POST"], name="sign-out"),
    Route("/account/country", pretend, methods=["POST"], name="country"),
]
