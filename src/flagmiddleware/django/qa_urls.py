"""``path("admin/flags/", include("flagmiddleware.django.qa_urls"))``, before the admin's own URLs: the staff panel."""

from __future__ import annotations

from django.urls import path

from .qa import QAPanel

__all__ = ["urlpatterns"]

app_name = "flagmiddleware-qa"
urlpatterns = [path("", QAPanel.as_view(), name="panel")]
