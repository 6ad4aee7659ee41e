"""Rendering templates and reading forms: what every page of the shop does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from shopkit import csrf
from shopkit.products import money
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from flagmiddleware.web.jinja import install_jinja

__all__ = ["page", "posted", "to"]


@pass_context
def path(context: Context, name: str, /, **parameters: Any) -> str:
    """A page's path: unlike Starlette's ``url_for``, without a host, so that a cached page suits every host."""
    return str(context["request"].app.url_path_for(name, **parameters))


templates = Jinja2Templates(directory=Path(__file__).parent / "templates")
templates.env.filters["money"] = money
templates.env.globals.update(path=path, csrf_token=csrf.token)
install_jinja(templates.env)


def page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """A rendered template."""
    return templates.TemplateResponse(request, name, values, status_code=status)


def to(request: Request, name: str, /, **path: Any) -> Response:
    """Send the browser to another page."""
    return RedirectResponse(request.app.url_path_for(name, **path), 303)


async def posted(request: Request) -> FormData:
    """The form that was sent, if it carries the session's token."""
    form = await request.form()
    if not csrf.matches(request.session, form.get(csrf.FIELD)):
        raise HTTPException(400, "This form is too old. Go back, reload the page and send it again.")
    return form
