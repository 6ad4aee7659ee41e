"""The tea shop as a Flask application: a factory, four blueprints, templates, and flags that decide the checkout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask, abort, request, session
from shopkit import csrf, site

from flagmiddleware.flask import FlagMiddleware, flags_blueprint, qa_blueprint

from . import account, basket, catalogue, checkout, pages, people

__all__ = ["create_app", "flags"]

FOLDER = Path(__file__).parent.parent

flags = FlagMiddleware()


def create_app(**config: Any) -> Flask:
    """The application; ``config`` overrides what the environment says."""
    app = Flask(
        __name__, static_folder=str(site.STATIC), static_url_path="/static", template_folder=str(site.TEMPLATES)
    )
    app.config.update(
        SECRET_KEY=site.secret(),
        SESSION_COOKIE_SAMESITE="Lax",
        FLAGMIDDLEWARE_SOURCE=site.flag_file(FOLDER),
        FLAGMIDDLEWARE_REFRESH=0.5,  # seconds; an edited file shows within one
        FLAGMIDDLEWARE_USER=people.signed_in,
        FLAGMIDDLEWARE_CONTEXT=people.flag_attributes,
    )
    app.config.update(config)
    flags.init_app(app)
    app.before_request(_check_token)
    pages.install(app)
    for part in (catalogue, basket, checkout, account):
        app.register_blueprint(part.pages)
    app.register_blueprint(flags_blueprint("/flags", may_see=people.is_staff))
    app.register_blueprint(
        qa_blueprint("/staff/flags", authorise=people.is_staff, hidden=lambda _: {csrf.FIELD: csrf.token(session)})
    )
    return app


def _check_token() -> None:
    if request.method == "POST" and not csrf.matches(session, request.form.get(csrf.FIELD)):
        abort(400, "This form is too old. Go back, reload the page and send it again.")
