"""The pages that are the same for everybody, so that a proxy may keep them, and the page of one product."""

from __future__ import annotations

from shopkit.products import CATALOGUE, find
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .pages import page

__all__ = ["routes"]


async def index(request: Request) -> Response:
    """Everything that is for sale. It reads nobody's flags: the sale is on for all or for none."""
    sale = request.state.flags.is_enabled("summer-sale")
    return _for_everybody(page(request, "catalogue.html", products=CATALOGUE, sale=sale))


async def delivery(request: Request) -> Response:
    """How parcels travel."""
    return _for_everybody(page(request, "delivery.html"))


async def product(request: Request) -> Response:
    """One product and the form that puts it into the basket."""
    found = find(request.path_params["slug"])
    if found is None:
        raise HTTPException(404)
    return page(request, "product.html", product=found, sale=request.state.flags.is_enabled("summer-sale"))


def _for_everybody(response: Response) -> Response:
    response.headers["Cache-Control"] = "public, max-age=0, s-maxage=60"  # browsers ask again, proxies keep it
    return response


routes = [
    Route("/", index, name="catalogue"),
    Route("/delivery", delivery),
    Route("/product/{slug}", product),
]
