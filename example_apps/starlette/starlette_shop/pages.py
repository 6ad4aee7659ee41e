"""Rendering the shops' common templates and reading forms: what every page of the shop does."""

from __future__ import annotations

from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context
from shopkit import csrf, site
from shopkit.products import money
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.templating import Jinja2Templates

from flagmiddleware.starlette import flags_from

__all__ = ["not_found", "page", "posted", "templates", "to"]


@pass_context
def path(context: Context, name: str, /, **parameters: Any) -> str:
    """A page's path: unlike Starlette's ``url_for``, without a host, so that a cached page suits every host."""
    return str(context["request"].app.url_path_for(name, **parameters))


@pass_context
def static(context: Context, name: str) -> str:
    """A static file's path."""
    return path(context, "static", path=f"/{name}")


@pass_context
def current_path(context: Context) -> str:
    """The path of the page that is shown."""
    return str(context["request"].url.path)


@pass_context
def csrf_token(context: Context) -> str:
    """The token that every form repeats."""
    return csrf.token(context["request"].session)


@pass_context
def flags_read(context: Context) -> Any:
    """What this page asked of its flags so far."""
    return flags_from(context["request"]).evaluated()


templates = Jinja2Templates(directory=site.TEMPLATES)
templates.env.filters["money"] = money
functions = (path, static, current_path, csrf_token, flags_read)
templates.env.globals.update({function.__name__: function for function in functions})


def page(request: Request, name: str, status: int = 200, **values: Any) -> Response:
    """A rendered template."""
    return templates.TemplateResponse(request, name, values, status_code=status)


async def not_found(request: Request, error: Exception) -> Response:
    """What a page that does not exist, or not for this visitor, answers."""
    return page(request, "not_found.html", 404)


def to(request: Request, name: str, /, **path: Any) -> Response:
    """Send the browser to another page."""
    return RedirectResponse(request.app.url_path_for(name, **path), 303)


async def posted(request: Request) -> FormData:
    """The form that was sent, if it carries the session's token."""
    form = await request.form()
    if not csrf.matches(request.session, form.get(csrf.FIELD)):
        raise HTTPException(400, "This form is too old. Go back, reload the page and send it again.")
    return form
