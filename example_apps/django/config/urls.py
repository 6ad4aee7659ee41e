"""Every address of the shop."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("store.urls")),
    path("flags/", include("flagmiddleware.django.urls")),
    path("staff/flags", include("flagmiddleware.django.qa_urls")),
]
