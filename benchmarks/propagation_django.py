"""A Django project in one file, for ``runserver``: ``python -m benchmarks.propagation_django runserver PORT``."""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse
from django.urls import path

from benchmarks import propagation_app

if not settings.configured:
    settings.configure(
        ROOT_URLCONF=__name__, SECRET_KEY=os.urandom(20).hex(), ALLOWED_HOSTS=["*"], DEBUG=True, INSTALLED_APPS=[]
    )


def revisions(request: HttpRequest) -> HttpResponse:
    """What the serving process decides by."""
    return HttpResponse(propagation_app.answer(), content_type="text/plain")


urlpatterns = [path("", revisions)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
