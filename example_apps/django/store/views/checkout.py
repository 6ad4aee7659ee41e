"""Two checkouts: the old one in three steps, the new one on one page. ``new-checkout`` decides who gets which."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe
from shopkit.basket import GIFT_WRAP_CENTS
from shopkit.checkout import ADDRESS, FIELDS

from flagmiddleware.django import flag_required

from .. import baskets
from ..forms import Address, GiftWrap, Payment
from ..models import Order

STEPS = {"address": Address, "payment": Payment}


def something_to_buy(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """An empty basket has nothing to check out."""

    @wraps(view)
    def with_basket(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        return view(request, *args, **kwargs) if request.session.get("basket") else redirect("basket")

    return with_basket


def in_steps(request: HttpRequest) -> HttpResponse:
    """The old checkout, for everybody whom the flag does not reach yet."""
    return redirect("checkout-step", name="address")


@something_to_buy
@flag_required("new-checkout", otherwise=in_steps)
def one_page(request: HttpRequest) -> HttpResponse:
    """The new checkout: address, payment and summary at once."""
    address, payment, wrap = (form(request.POST or None) for form in (Address, Payment, GiftWrap))
    if request.method == "POST" and all([address.is_valid(), payment.is_valid(), wrap.is_valid()]):
        return place(request, address.cleaned_data, gift_wrap=wrap.cleaned_data["gift_wrap"])
    wrong = len(address.errors) + len(payment.errors)
    page = {"address": address, "payment": payment, "wrap": wrap, "wrong": wrong, **sums(request)}
    return render(request, "store/one_page.html", page, status=422 if wrong else 200)


@require_safe
@flag_required("gift-wrap")
def gift_wrap(request: HttpRequest) -> HttpResponse:
    """What the gift wrap looks like: a page that does not exist while its flag is off."""
    return render(request, "store/gift_wrap.html", {"cents": GIFT_WRAP_CENTS})


@something_to_buy
def step(request: HttpRequest, name: str) -> HttpResponse:
    """One step of the old checkout."""
    if name not in STEPS:
        raise Http404
    form = STEPS[name](request.POST or None, initial=request.session.get("answers", {}))
    if request.method == "POST" and form.is_valid():
        # The card number is checked and then forgotten: a session is no place for it.
        kept = form.cleaned_data if name == "address" else {"card": "given"}
        request.session["answers"] = {**request.session.get("answers", {}), **kept}
        return redirect("checkout-step", name="payment") if name == "address" else redirect("checkout-review")
    page = {"step": name, "form": form, "wrong": len(form.errors)}
    return render(request, "store/step.html", page, status=422 if form.errors else 200)


@something_to_buy
def review(request: HttpRequest) -> HttpResponse:
    """The last step of the old checkout."""
    answers = request.session.get("answers", {})
    if not all(answers.get(field.name) for field in FIELDS):
        return in_steps(request)
    if request.method == "POST":
        return place(request, answers)
    goes_to = [answers[field.name] for field in ADDRESS]
    return render(request, "store/review.html", {"step": "review", "goes_to": goes_to, **sums(request)})


@require_safe
def done(request: HttpRequest) -> HttpResponse:
    """Thanks for the order just placed."""
    order = Order.objects.filter(number=request.session.get("order")).first()
    return render(request, "store/done.html", {"order": order}) if order else redirect("catalogue")


def sums(request: HttpRequest) -> dict[str, object]:
    """What both checkouts show beside their questions."""
    lines = baskets.lines(request)
    return {"lines": lines, "total": baskets.total(lines)}


def place(request: HttpRequest, answers: dict[str, str], *, gift_wrap: bool = False) -> HttpResponse:
    """Turn the basket into an order and show it."""
    wrapped = gift_wrap and request.flags.is_enabled("gift-wrap")
    order = Order.objects.create(
        number=secrets.token_hex(3).upper(),
        customer=request.user if request.user.is_authenticated else None,
        cents=baskets.total(baskets.lines(request), gift_wrap=wrapped),
        gift_wrap=wrapped,
        **{field.name: answers[field.name] for field in ADDRESS},
    )
    request.session.pop("basket")
    request.session.pop("answers", None)
    request.session["order"] = order.number
    return redirect("checkout-done")
