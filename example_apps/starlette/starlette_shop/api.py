"""A small FastAPI, mounted under ``/api``: the flags of the outer application reach into it."""

from __future__ import annotations

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel
from shopkit.basket import GIFT_WRAP_CENTS
from shopkit.products import CATALOGUE, find
from starlette.requests import Request

from flagmiddleware.fastapi import flag_required

__all__ = ["app"]

app = FastAPI(title="Kettle & Leaf")


class Offer(BaseModel):
    """A product at today's price, in cents."""

    slug: str
    name: str
    cents: int


@app.get("/products")
async def products(request: Request) -> list[Offer]:
    """Everything that is for sale."""
    sale = request.state.flags.is_enabled("summer-sale")
    return [Offer(slug=item.slug, name=item.name, cents=item.price(sale=sale)) for item in CATALOGUE]


@app.get("/products/{slug}")
async def product(slug: str, request: Request) -> Offer:
    """One product."""
    item = find(slug)
    if item is None:
        raise HTTPException(404)
    return Offer(slug=item.slug, name=item.name, cents=item.price(sale=request.state.flags.is_enabled("summer-sale")))


@app.get("/gift-wrap", dependencies=[Depends(flag_required("gift-wrap"))])
async def gift_wrap() -> dict[str, int]:
    """What wrapping costs; not found while its flag is off."""
    return {"cents": GIFT_WRAP_CENTS}
