"""Signing in and out, and pretending to be somewhere else."""

from __future__ import annotations

from django.contrib.auth import authenticate, login, logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from shopkit.customers import COUNTRIES, CUSTOMERS, by_email, by_id

from ..models import Customer
from ..people import country


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The sign-in form with the people to try, or who is signed in."""
    return account_page(request)


@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    """Sign in with an address and the password, or at once as one of the people to try."""
    to_try = by_id(request.POST.get("as"))
    customer = Customer.objects.get(id=to_try.id) if to_try else with_password(request)
    if customer is None:
        wrong = "No customer has this address and password. The demo's password is “demo”."
        return account_page(request, wrong=wrong, status=422)
    basket = request.session.get("basket", {})
    request.session.flush()  # a session begins anew with a new person; only the basket comes along
    login(request, customer, backend="django.contrib.auth.backends.ModelBackend")
    request.session.update({"country": customer.country, "basket": basket})
    return redirect("account")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """Forget everything about this visitor."""
    logout(request)
    return redirect("account")


@require_POST
def pretend(request: HttpRequest) -> HttpResponse:
    """Be in another country, as far as this shop is concerned."""
    chosen = request.POST.get("country")
    request.session["country"] = chosen if chosen in COUNTRIES else None
    return redirect("account")


def with_password(request: HttpRequest) -> Customer | None:
    """The customer with the address given, if the password is right."""
    known = by_email(request.POST.get("email", ""))
    return authenticate(request, username=known.id, password=request.POST.get("password", "")) if known else None


def account_page(request: HttpRequest, wrong: str = "", status: int = 200) -> HttpResponse:
    """The page itself."""
    page = {
        "customer": request.user if request.user.is_authenticated else None,
        "country": country(request),
        "countries": COUNTRIES.items(),
        "customers": CUSTOMERS,
        "email": request.POST.get("email", ""),
        "wrong": wrong,
    }
    return render(request, "store/account.html", page, status=status)
