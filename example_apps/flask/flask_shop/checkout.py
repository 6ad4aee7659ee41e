"""Two checkouts: the old one in three steps, the new one on one page. ``new-checkout`` decides who gets which."""

from __future__ import annotations

import secrets

from flask import Blueprint, abort, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from shopkit.basket import GIFT_WRAP_CENTS, lines, total
from shopkit.checkout import ADDRESS, FIELDS, PAYMENT, Field, problems

from flagmiddleware.flask import current_flags, flag_required

__all__ = ["pages"]

pages = Blueprint("checkout", __name__, url_prefix="/checkout")

STEPS = {"address": ADDRESS, "payment": PAYMENT}


@pages.before_request
def something_to_buy() -> ResponseReturnValue | None:
    """An empty basket has nothing to check out."""
    if not session.get("basket") and request.endpoint != "checkout.done":
        return redirect(url_for("basket.show"), 303)
    return None


def in_steps() -> ResponseReturnValue:
    """The old checkout, for everybody whom the flag does not reach yet."""
    return redirect(url_for("checkout.step", name="address"), 303)


@pages.route("/", methods=["GET", "POST"])
@flag_required("new-checkout", otherwise=in_steps)
def one_page() -> ResponseReturnValue:
    """The new checkout: address, payment and summary at once."""
    wrong = problems(FIELDS, request.form) if request.method == "POST" else {}
    if request.method == "POST" and not wrong:
        return place(request.form["name"], gift_wrap="gift_wrap" in request.form)
    page = render_template(
        "one_page.html", address=ADDRESS, payment=PAYMENT, wrong=wrong, answers=request.form, **sums()
    )
    return page, 422 if wrong else 200


@pages.get("/gift-wrap")
@flag_required("gift-wrap")
def gift_wrap() -> str:
    """What the gift wrap looks like: a page that does not exist while its flag is off."""
    return render_template("gift_wrap.html", cents=GIFT_WRAP_CENTS)


@pages.route("/step/<name>", methods=["GET", "POST"])
def step(name: str) -> ResponseReturnValue:
    """One step of the old checkout."""
    fields = STEPS.get(name) or abort(404)
    if request.method == "GET":
        return old_step(name, fields, session.get("answers", {}), {})
    wrong = problems(fields, request.form)
    if wrong:
        return old_step(name, fields, request.form, wrong), 422
    # The card number is checked and then forgotten: a session is no place for it.
    kept = {field.name: request.form[field.name] if field in ADDRESS else "given" for field in fields}
    session["answers"] = {**session.get("answers", {}), **kept}
    return redirect(url_for("checkout.step", name="payment") if name == "address" else url_for("checkout.review"), 303)


@pages.route("/review", methods=["GET", "POST"])
def review() -> ResponseReturnValue:
    """The last step of the old checkout."""
    answers = session.get("answers", {})
    if not all(answers.get(field.name) for field in FIELDS):
        return in_steps()
    if request.method == "POST":
        return place(answers["name"])
    return render_template("review.html", step="review", answers=answers, address=ADDRESS, **sums())


@pages.get("/done")
def done() -> ResponseReturnValue:
    """Thanks for the order just placed."""
    order = session.get("order")
    return render_template("done.html", order=order) if order else redirect(url_for("catalogue.index"))


def old_step(name: str, fields: tuple[Field, ...], answers: dict[str, str], wrong: dict[str, str]) -> str:
    """The page of one step."""
    return render_template("step.html", step=name, fields=fields, answers=answers, wrong=wrong)


def sums() -> dict[str, object]:
    """What both checkouts show beside their questions."""
    sale = current_flags().is_enabled("summer-sale")
    mine = session["basket"]
    return {"lines": lines(mine, sale=sale), "total": total(mine, sale=sale)}


def place(name: str, *, gift_wrap: bool = False) -> ResponseReturnValue:
    """Turn the basket into an order and show it."""
    here = current_flags()
    wrapped = gift_wrap and here.is_enabled("gift-wrap")
    cents = total(session.pop("basket"), sale=here.is_enabled("summer-sale"), gift_wrap=wrapped)
    session.pop("answers", None)
    session["order"] = {
        "number": secrets.token_hex(3).upper(),
        "name": name.strip(),
        "cents": cents,
        "wrapped": wrapped,
    }
    return redirect(url_for("checkout.done"), 303)
