"""The basket: look, add, change."""

from __future__ import annotations

from shopkit.basket import MOST, changed, lines, total
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .pages import page, posted, to

__all__ = ["routes"]


async def show(request: Request) -> Response:
    """The basket, and the button whose colour is being tried out."""
    sale = request.state.flags.is_enabled("summer-sale")
    mine = request.session.get("basket", {})
    return page(request, "basket.html", lines=lines(mine, sale=sale), total=total(mine, sale=sale), most=MOST)


async def add(request: Request) -> Response:
    """One more of a product."""
    slug = str((await posted(request)).get("slug"))
    return _keep(request, slug, request.session.get("basket", {}).get(slug, 0) + 1)


async def change(request: Request) -> Response:
    """Exactly so many of a product."""
    form = await posted(request)
    quantity = str(form.get("quantity"))
    return _keep(request, str(form.get("slug")), int(quantity) if quantity.isdecimal() else -1)


def _keep(request: Request, slug: str, quantity: int) -> Response:
    request.session["basket"] = changed(request.session.get("basket", {}), slug, quantity)
    return to(request, "basket")


routes = [
    Route("/basket/", show, name="basket"),
    Route("/basket/add", add, methods=["POST"], name="basket-add"),
    Route("/basket/change", change, methods=["POST"], name="basket-change"),
]
