"""The basket: look, add, change."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe
from shopkit.basket import MOST

from .. import baskets


@require_safe
def show(request: HttpRequest) -> HttpResponse:
    """The basket, and the button whose colour is being tried out."""
    lines = baskets.lines(request)
    return render(request, "store/basket.html", {"lines": lines, "total": baskets.total(lines), "most": MOST})


@require_POST
def add(request: HttpRequest) -> HttpResponse:
    """One more of a product."""
    slug = request.POST.get("slug", "")
    baskets.keep(request, slug, request.session.get("basket", {}).get(slug, 0) + 1)
    return redirect("basket")


@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """Exactly so many of a product."""
    quantity = request.POST.get("quantity", "")
    if quantity.isdecimal():
        baskets.keep(request, request.POST.get("slug", ""), int(quantity))
    return redirect("basket")
