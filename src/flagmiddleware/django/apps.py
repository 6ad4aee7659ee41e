"""The Django app. It owns the installation: there is one for each process that has settings."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.apps import AppConfig
from django.core.signals import got_request_exception
from django.core.signals import setting_changed as _setting_changed

from ..web.installation import Installation

__all__ = ["FlagMiddlewareConfig"]


class FlagMiddlewareConfig(AppConfig):
    """``flagmiddleware.django``; it has no models, and so no migrations."""

    name = "flagmiddleware.django"
    label = "flagmiddleware"
    verbose_name = "Feature flags"

    def ready(self) -> None:
        """Register the checks; the flags themselves are opened when something first asks for them."""
        from . import checks

        checks.register_all()
        _setting_changed.connect(self._settings_changed, dispatch_uid="flagmiddleware.settings")
        got_request_exception.connect(_note_exception, dispatch_uid="flagmiddleware.exception")

    @cached_property
    def installation(self) -> Installation:
        """The flags and options that ``settings.FLAGMIDDLEWARE`` describes; opened at the first use."""
        from .conf import build

        return build()

    def _settings_changed(self, *, setting: str, **_: Any) -> None:
        """Tests override settings: what was built from the old ones goes."""
        if setting in ("FLAGMIDDLEWARE", "SECRET_KEY", "SECRET_KEY_FALLBACKS"):
            former = self.__dict__.pop("installation", None)
            if former is not None:
                former.close()


def _note_exception(*, request: Any = None, **_: Any) -> None:
    """Observers are told that a request raised; Django has made a response of it before any middleware looks."""
    if request is not None:
        request.flags_raised = True
