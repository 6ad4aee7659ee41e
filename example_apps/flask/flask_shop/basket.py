"""The basket: look, add, change."""

from __future__ import annotations

from flask import Blueprint, Response, redirect, render_template, request, session, url_for
from shopkit.basket import MOST, changed, lines, total

from flagmiddleware.flask import current_flags

__all__ = ["pages"]

pages = Blueprint("basket", __name__, url_prefix="/basket")


@pages.get("/")
def show() -> str:
    """The basket, and the button whose colour is being tried out."""
    sale = current_flags().is_enabled("summer-sale")
    mine = session.get("basket", {})
    return render_template("basket.html", lines=lines(mine, sale=sale), total=total(mine, sale=sale), most=MOST)


@pages.post("/add")
def add() -> Response:
    """One more of a product."""
    slug = request.form.get("slug", "")
    mine = session.get("basket", {})
    return _keep(slug, mine.get(slug, 0) + 1)


@pages.post("/change")
def change() -> Response:
    """Exactly so many of a product."""
    return _keep(request.form.get("slug", ""), request.form.get("quantity", 0, type=int))


def _keep(slug: str, quantity: int) -> Response:
    session["basket"] = changed(session.get("basket", {}), slug, quantity)
    return redirect(url_for("basket.show"), 303)
