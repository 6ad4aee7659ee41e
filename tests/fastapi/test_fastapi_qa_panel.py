"""The QA panel in FastAPI."""

from __future__ import annotations

from typing import Any

import httpx
from fastapi import FastAPI
from starlette.testclient import TestClient

from flagmiddleware.fastapi import FlagMiddleware, qa_endpoint
from tests.starlette.test_starlette_qa_panel import login, page
from tests.web.panel_suite import PANEL, URL, QAPanelSuite


def site(*, authorise: Any, hidden: Any, **settings: Any) -> httpx.Client:
    app = FastAPI()
    app.add_route("/page", page)
    app.router.routes.append(qa_endpoint(PANEL, authorise=authorise, hidden=hidden))
    app.add_middleware(FlagMiddleware, **settings)
    return TestClient(app, base_url=URL, follow_redirects=False)


class TestFastAPIQAPanel(QAPanelSuite):
    site = staticmethod(site)
    login = staticmethod(login)
