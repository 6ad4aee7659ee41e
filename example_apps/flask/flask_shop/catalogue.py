"""The pages that are the same for everybody, so that a proxy may keep them, and the page of one product."""

from __future__ import annotations

from flask import Blueprint, Response, abort, make_response, render_template
from shopkit.products import CATALOGUE, find

from flagmiddleware.flask import current_flags

__all__ = ["pages"]

pages = Blueprint("catalogue", __name__)


@pages.get("/")
def index() -> Response:
    """Everything that is for sale. It reads nobody's flags: the sale is on for all or for none."""
    sale = current_flags().is_enabled("summer-sale")
    return _for_everybody(render_template("catalogue.html", products=CATALOGUE, sale=sale))


@pages.get("/delivery")
def delivery() -> Response:
    """How parcels travel."""
    return _for_everybody(render_template("delivery.html"))


@pages.get("/product/<slug>")
def product(slug: str) -> str:
    """One product and the form that puts it into the basket."""
    found = find(slug) or abort(404)
    return render_template("product.html", product=found, sale=current_flags().is_enabled("summer-sale"))


def _for_everybody(html: str) -> Response:
    response = make_response(html)
    response.headers["Cache-Control"] = "public, max-age=0, s-maxage=60"  # browsers ask again, proxies keep it
    return response
