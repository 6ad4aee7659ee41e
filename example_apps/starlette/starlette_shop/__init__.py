"""The tea shop as a Starlette application, with a small FastAPI beside it, and flags that decide the checkout."""

from __future__ import annotations

from pathlib import Path

from shopkit import site
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from flagmiddleware.starlette import FlagMiddleware, flags_endpoints, qa_endpoint

from . import account, api, basket, catalogue, checkout, pages, people

__all__ = ["create_app"]

FOLDER = Path(__file__).parent.parent


def create_app() -> Starlette:
    """The application, as the environment says."""
    return Starlette(
        routes=[
            *catalogue.routes,
            *basket.routes,
            *checkout.routes,
            *account.routes,
            flags_endpoints("/flags", may_see=people.is_staff),
            qa_endpoint("/staff/flags", authorise=people.is_staff),
            Mount("/api", api.app),
            Mount("/static", StaticFiles(directory=site.STATIC), name="static"),
        ],
        exception_handlers={404: pages.not_found},
        middleware=[
            Middleware(SessionMiddleware, secret_key=site.secret()),
            Middleware(AuthenticationMiddleware, backend=people.FromSession()),
            Middleware(
                FlagMiddleware,
                source=site.flag_file(FOLDER),
                refresh=0.5,  # seconds; an edited file shows within one
                secret_keys=[site.secret()],
                context=people.flag_attributes,
                templates=pages.templates,  # which get the tags, and are checked at start
            ),
        ],
    )
