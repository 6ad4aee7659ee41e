"""The QA panel in Flask."""

from __future__ import annotations

from typing import Any

import httpx
from flask import Flask, abort, redirect, render_template_string

from flagmiddleware.flask import FlagMiddleware, qa_blueprint
from tests.web.panel_suite import PANEL, URL, QAPanelSuite

PAGE = '{% flag "beta" %}new{% else %}old{% endflag %}{{ flags_banner() }}'


def site(*, authorise: Any, hidden: Any, **settings: Any) -> httpx.Client:
    app = Flask("panel")
    FlagMiddleware(app, **settings)
    app.register_blueprint(qa_blueprint(PANEL, authorise=authorise, hidden=hidden))
    app.add_url_rule("/page", view_func=lambda: render_template_string(PAGE))
    return httpx.Client(transport=httpx.WSGITransport(app=app), base_url=URL)


def login(request: Any) -> bool:
    abort(redirect("/login", 303))


class TestFlaskQAPanel(QAPanelSuite):
    site = staticmethod(site)
    login = staticmethod(login)
