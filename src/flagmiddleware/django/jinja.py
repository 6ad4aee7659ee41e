"""Jinja as Django's template backend: name :func:`environment` in ``TEMPLATES``, or teach your own."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment

from ..web.jinja import install_jinja as _install
from .templating import find_flags

__all__ = ["environment", "install_jinja"]


def install_jinja(env: Environment) -> None:
    """Teach an environment the tags, functions and the test: call it in your own ``environment`` function."""
    _install(env, find=find_flags)


def environment(**options: Any) -> Environment:
    """An environment that knows flags: ``"OPTIONS": {"environment": "flagmiddleware.django.jinja.environment"}``.

    Django passes ``autoescape=True`` unless the site says otherwise.
    """
    env = Environment(**options)  # noqa: S701 - Django decides on escaping
    install_jinja(env)
    return env
