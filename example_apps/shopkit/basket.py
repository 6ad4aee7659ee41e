"""A basket: product slugs and how many of each, as plain data that fits into any framework's session."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from .products import Product, find

__all__ = ["GIFT_WRAP_CENTS", "MOST", "Line", "changed", "lines", "total"]

MOST = 9
"""How many of one product a basket holds."""

GIFT_WRAP_CENTS = 500


class Line(NamedTuple):
    """One line of a basket, priced."""

    product: Product
    quantity: int
    each: int

    @property
    def cents(self) -> int:
        """What the line costs."""
        return self.each * self.quantity


def changed(basket: Mapping[str, int], slug: str, quantity: int) -> dict[str, int]:
    """``basket`` with ``quantity`` of a product; 0 removes it. Unknown products and odd quantities change nothing.

    >>> changed({"glass-pot": 1}, "glass-pot", 3), changed({"glass-pot": 1}, "glass-pot", 0), changed({}, "boat", 1)
    ({'glass-pot': 3}, {}, {})
    """
    if find(slug) is None or not 0 <= quantity <= MOST:
        return dict(basket)
    rest = {key: count for key, count in basket.items() if key != slug}
    return {**rest, slug: quantity} if quantity else rest


def lines(basket: Mapping[str, int], *, sale: bool) -> list[Line]:
    """The basket's lines at today's prices; products that are no longer sold are left out."""
    found = ((find(slug), quantity) for slug, quantity in basket.items())
    return [Line(product, quantity, product.price(sale=sale)) for product, quantity in found if product is not None]


def total(basket: Mapping[str, int], *, sale: bool, gift_wrap: bool = False) -> int:
    """What the whole basket costs, in cents.

    >>> total({"glass-pot": 2, "evening-mint": 1}, sale=True)
    7970
    """
    return sum(line.cents for line in lines(basket, sale=sale)) + (GIFT_WRAP_CENTS if gift_wrap else 0)
