"""The Django app that has the tables."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["FlagStoreConfig"]


class FlagStoreConfig(AppConfig):
    """``flagmiddleware.django.store``."""

    name = "flagmiddleware.django.store"
    label = "flagmiddleware_store"
    verbose_name = "Feature flags"
    default_auto_field = "django.db.models.BigAutoField"
