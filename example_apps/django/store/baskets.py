"""A basket: product slugs in the session, priced from the database."""

from __future__ import annotations

from django.http import HttpRequest
from shopkit.basket import GIFT_WRAP_CENTS, MOST, Line

from .models import Product


def lines(request: HttpRequest) -> list[Line]:
    """The basket's lines at today's prices; products that are no longer sold are left out."""
    sale = request.flags.is_enabled("summer-sale")
    basket = request.session.get("basket", {})
    found = Product.objects.in_bulk(list(basket))
    return [Line(found[slug], count, found[slug].price(sale=sale)) for slug, count in basket.items() if slug in found]


def total(priced: list[Line], *, gift_wrap: bool = False) -> int:
    """What the lines cost together, in cents."""
    return sum(line.cents for line in priced) + (GIFT_WRAP_CENTS if gift_wrap else 0)


def keep(request: HttpRequest, slug: str, quantity: int) -> None:
    """Have exactly so many of a product in the basket; unknown products and odd quantities change nothing."""
    if not 0 <= quantity <= MOST or not Product.objects.filter(slug=slug).exists():
        return
    rest = {key: count for key, count in request.session.get("basket", {}).items() if key != slug}
    request.session["basket"] = {**rest, slug: quantity} if quantity else rest
