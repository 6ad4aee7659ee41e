"""Flags in Django: an app, a middleware, gates for views and URLs, template tags, system checks.

Add ``"flagmiddleware.django"`` to ``INSTALLED_APPS`` and ``"flagmiddleware.django.FlagMiddleware"`` to
``MIDDLEWARE``, and set ``FLAGMIDDLEWARE = {"SOURCE": BASE_DIR / "flags.yaml"}``.
"""

from __future__ import annotations

from .gates import FlagRequiredMixin, flag_required
from .installed import current_flags, flags_from, installation
from .middleware import FlagMiddleware
from .urlconf import flag_path, flag_re_path

__all__ = [
    "FlagMiddleware",
    "FlagRequiredMixin",
    "current_flags",
    "flag_path",
    "flag_re_path",
    "flag_required",
    "flags_from",
    "installation",
]
