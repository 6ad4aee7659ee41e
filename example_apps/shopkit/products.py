"""The catalogue: eight things that a tea shop sells."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["CATALOGUE", "SALE_PERCENT", "Product", "find", "money"]

SALE_PERCENT = 20
"""What the summer sale takes off every pot and cup."""


class Product(NamedTuple):
    """One thing for sale; ``art`` names its drawing in ``static/art.svg``."""

    slug: str
    name: str
    blurb: str
    cents: int
    art: str
    on_sale: bool = False

    def price(self, *, sale: bool) -> int:
        """The price in cents, during the sale or outside it.

        >>> find("glass-pot").price(sale=False), find("glass-pot").price(sale=True)
        (4200, 3360)
        """
        return self.cents * (100 - SALE_PERCENT) // 100 if sale and self.on_sale else self.cents


CATALOGUE = (
    Product(
        "morning-breakfast", "Morning Breakfast", "Assam and Kenyan leaf, brisk enough for milk. 100 g.", 1450, "tin"
    ),
    Product("smoky-pine", "Smoky Pine", "Dried over pine embers; tastes of a campfire. 80 g.", 1650, "tin"),
    Product("spring-green", "Spring Green", "First picking, steamed the same day. 60 g.", 2100, "leaf"),
    Product("evening-mint", "Evening Mint", "Peppermint and lemon balm, no caffeine. 50 g.", 1250, "leaf"),
    Product("glass-pot", "Glass Pot", "Holds four cups and lets you watch the colour.", 4200, "pot", on_sale=True),
    Product("stoneware-pot", "Stoneware Pot", "Keeps its heat for an hour; glazed by hand.", 6800, "pot", on_sale=True),
    Product("everyday-cup", "Everyday Cup", "300 ml, safe in the dishwasher.", 1800, "cup", on_sale=True),
    Product("slow-kettle", "Slow Kettle", "A gooseneck for pouring exactly where you want.", 8900, "kettle"),
)


def find(slug: str) -> Product | None:
    """The product with this slug, or None."""
    return next((product for product in CATALOGUE if product.slug == slug), None)


def money(cents: int) -> str:
    """An amount for people to read.

    >>> money(123450)
    '$1,234.50'
    """
    return f"${cents / 100:,.2f}"
