"""``path("flags/", include("flagmiddleware.django.urls"))``: the public flags, and the health check below them."""

from __future__ import annotations

from django.urls import path

from .views import flags_health, public_flags

__all__ = ["urlpatterns"]

app_name = "flagmiddleware"
urlpatterns = [
    path("", public_flags, name="flags"),
    path("health", flags_health, name="health"),
]
