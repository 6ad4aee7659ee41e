"""The QA panel in Starlette."""

from __future__ import annotations

from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from flagmiddleware.starlette import FlagMiddleware, flags_from, qa_endpoint
from flagmiddleware.web.frontend import banner
from tests.web.panel_suite import PANEL, URL, QAPanelSuite


async def page(request: Request) -> Response:
    here = flags_from(request)
    return PlainTextResponse(("new" if here.is_enabled("beta") else "old") + banner(here))


def site(*, authorise: Any, hidden: Any, **settings: Any) -> httpx.Client:
    routes = [Route("/page", page), qa_endpoint(PANEL, authorise=authorise, hidden=hidden)]
    app = Starlette(routes=routes, middleware=[Middleware(FlagMiddleware, **settings)])
    return TestClient(app, base_url=URL, follow_redirects=False)


def login(request: Any) -> bool:
    raise HTTPException(303, headers={"Location": "/login"})


class TestStarletteQAPanel(QAPanelSuite):
    site = staticmethod(site)
    login = staticmethod(login)
