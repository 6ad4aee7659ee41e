"""Two checkouts: the old one in three steps, the new one on one page. ``new-checkout`` decides who gets which."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Mapping
from functools import wraps
from typing import Any

from shopkit.basket import GIFT_WRAP_CENTS, lines, total
from shopkit.checkout import ADDRESS, FIELDS, PAYMENT, problems
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from flagmiddleware.starlette import flag_required

from .pages import page, posted, to

__all__ = ["routes"]

Endpoint = Callable[[Request], Awaitable[Response]]

STEPS = {"address": ADDRESS, "payment": PAYMENT}


def something_to_buy(endpoint: Endpoint) -> Endpoint:
    """An empty basket has nothing to check out."""

    @wraps(endpoint)
    async def with_basket(request: Request) -> Response:
        return await endpoint(request) if request.session.get("basket") else to(request, "basket")

    return with_basket


async def in_steps(request: Request) -> Response:
    """The old checkout, for everybody whom the flag does not reach yet."""
    return to(request, "checkout-step", name="address")


@something_to_buy
@flag_required("new-checkout", otherwise=in_steps)
async def one_page(request: Request) -> Response:
    """The new checkout: address, payment and summary at once."""
    answers = texts(await posted(request)) if request.method == "POST" else {}
    wrong = problems(FIELDS, answers) if request.method == "POST" else {}
    if request.method == "POST" and not wrong:
        return place(request, answers["name"], gift_wrap="gift_wrap" in answers)
    more = {"address": ADDRESS, "payment": PAYMENT, "wrong": wrong, "answers": answers, **sums(request)}
    return page(request, "one_page.html", status=422 if wrong else 200, **more)


@flag_required("gift-wrap")
async def gift_wrap(request: Request) -> Response:
    """What the gift wrap looks like: a page that does not exist while its flag is off."""
    return page(request, "gift_wrap.html", cents=GIFT_WRAP_CENTS)


@something_to_buy
async def step(request: Request) -> Response:
    """One step of the old checkout."""
    name = request.path_params["name"]
    if name not in STEPS:
        raise HTTPException(404)
    fields = STEPS[name]
    if request.method != "POST":
        return page(
            request, "step.html", step=name, fields=fields, answers=request.session.get("answers", {}), wrong={}
        )
    answers = texts(await posted(request))
    wrong = problems(fields, answers)
    if wrong:
        return page(request, "step.html", status=422, step=name, fields=fields, answers=answers, wrong=wrong)
    # The card number is checked and then forgotten: a session is no place for it.
    kept = {field.name: answers[field.name] if field in ADDRESS else "given" for field in fields}
    request.session["answers"] = {**request.session.get("answers", {}), **kept}
    return to(request, "checkout-step", name="payment") if name == "address" else to(request, "checkout-review")


@something_to_buy
async def review(request: Request) -> Response:
    """The last step of the old checkout."""
    answers = request.session.get("answers", {})
    if not all(answers.get(field.name) for field in FIELDS):
        return await in_steps(request)
    if request.method == "POST":
        await posted(request)
        return place(request, answers["name"])
    return page(request, "review.html", step="review", answers=answers, address=ADDRESS, **sums(request))


async def done(request: Request) -> Response:
    """Thanks for the order just placed."""
    order = request.session.get("order")
    return page(request, "done.html", order=order) if order else to(request, "catalogue")


def texts(form: Mapping[str, Any]) -> dict[str, str]:
    """A form's answers; uploads are none."""
    return {name: value for name, value in form.items() if isinstance(value, str)}


def sums(request: Request) -> dict[str, Any]:
    """What both checkouts show beside their questions."""
    sale = request.state.flags.is_enabled("summer-sale")
    mine = request.session["basket"]
    return {"lines": lines(mine, sale=sale), "total": total(mine, sale=sale)}


def place(request: Request, name: str, *, gift_wrap: bool = False) -> Response:
    """Turn the basket into an order and show it."""
    here = request.state.flags
    wrapped = gift_wrap and here.is_enabled("gift-wrap")
    cents = total(request.session.pop("basket"), sale=here.is_enabled("summer-sale"), gift_wrap=wrapped)
    request.session.pop("answers", None)
    number = secrets.token_hex(3).upper()
    request.session["order"] = {"number": number, "name": name.strip(), "cents": cents, "wrapped": wrapped}
    return to(request, "checkout-done")


both = ["GET", "POST"]
routes = [
    Route("/checkout/", one_page, methods=both, name="checkout"),
    Route("/checkout/gift-wrap", gift_wrap, name="gift-wrap"),
    Route("/checkout/step/{name}", step, methods=both, name="checkout-step"),
    Route("/checkout/review", review, methods=both, name="checkout-review"),
    Route("/checkout/done", done, name="checkout-done"),
]
