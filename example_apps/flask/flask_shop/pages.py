"""What the shops' common templates ask for, as Flask has it."""

from __future__ import annotations

from typing import Any

from flask import Flask, render_template, request, session, url_for
from shopkit import csrf
from shopkit.products import money

__all__ = ["install"]

_ENDPOINTS = {
    "catalogue": "catalogue.index",
    "delivery": "catalogue.delivery",
    "product": "catalogue.product",
    "basket": "basket.show",
    "basket-add": "basket.add",
    "basket-change": "basket.change",
    "checkout": "checkout.one_page",
    "gift-wrap": "checkout.gift_wrap",
    "account": "account.show",
    "sign-in": "account.sign_in",
    "sign-out": "account.sign_out",
    "country": "account.pretend",
}


def install(app: Flask) -> None:
    """Give the templates their functions, and pages that do not exist one of ours."""
    app.jinja_env.filters["money"] = money
    app.jinja_env.globals.update(
        path=path,
        static=lambda name: url_for("static", filename=name),
        current_path=lambda: request.script_root + request.path,
        csrf_token=lambda: csrf.token(session),
        flags_read=lambda: request.flags.evaluated(),
    )
    app.register_error_handler(404, not_found)


def path(name: str, /, **parameters: Any) -> str:
    """A page's path by the name that it has in every shop."""
    return url_for(_ENDPOINTS[name], **parameters)


def not_found(error: Exception) -> tuple[str, int]:
    """What a page that does not exist, or not for this visitor, answers."""
    return render_template("not_found.html"), 404
