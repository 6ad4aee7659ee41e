"""Signing in and out, and pretending to be somewhere else."""

from __future__ import annotations

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from shopkit.customers import COUNTRIES, CUSTOMERS, PASSWORD, Customer, by_email, by_id

from . import people

__all__ = ["pages"]

pages = Blueprint("account", __name__, url_prefix="/account")


@pages.get("/")
def show() -> str:
    """The sign-in form with the people to try, or who is signed in."""
    return account_page()


@pages.post("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Sign in with an address and the password, or at once as one of the people to try."""
    customer = by_id(request.form.get("as")) or with_password(
        request.form.get("email", ""), request.form.get("password", "")
    )
    if customer is None:
        return account_page(wrong="No customer has this address and password. The demo's password is “demo”."), 422
    basket = session.get("basket", {})
    session.clear()  # a session begins anew with a new person; only the basket comes along
    session.update(customer=customer.id, country=customer.country, basket=basket)
    return redirect(url_for("account.show"), 303)


@pages.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """Forget everything about this visitor."""
    session.clear()
    return redirect(url_for("account.show"), 303)


@pages.post("/country")
def pretend() -> ResponseReturnValue:
    """Be in another country, as far as this shop is concerned."""
    chosen = request.form.get("country")
    session["country"] = chosen if chosen in COUNTRIES else None
    return redirect(url_for("account.show"), 303)


def with_password(email: str, password: str) -> Customer | None:
    """The customer with this address, if the password is right."""
    return by_email(email) if password == PASSWORD else None


def account_page(wrong: str = "") -> str:
    """The page itself."""
    return render_template(
        "account.html",
        customer=people.signed_in(), country=people.country(), countries=COUNTRIES, customers=CUSTOMERS,
        email=request.form.get("email", ""), wrong=wrong,
    )  # fmt: skip
