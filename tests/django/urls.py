"""The test project's root; tests that need URLs bring modules of their own."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/flags/", include("flagmiddleware.django.qa_urls")),
    path("admin/", admin.site.urls),
    path("flags/", include("flagmiddleware.django.urls")),
]
