"""The staff panel for QA overrides: see a variant in this browser, or make a link that shows it to a tester."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from django.apps import apps
from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from ..errors import ConfigurationError
from ..model import Flag
from .installed import flags_from, installation
from .middleware import DjangoHeaders

__all__ = ["DURATIONS", "QAPanel"]

DURATIONS: Final = {"900": "15 minutes", "3600": "1 hour", "14400": "4 hours", "86400": "1 day"}
"""How long an override may hold, in seconds; a day is the longest that a token may live."""


@method_decorator([never_cache, csrf_protect], name="dispatch")
class QAPanel(UserPassesTestMixin, View):
    """For active staff. GET shows the form and changes nothing; POST sets or ends an override, or makes a link."""

    template_name = "flagmiddleware/qa.html"
    http_method_names = ["get", "head", "options", "post"]  # noqa: RUF012 - Django's interface

    def test_func(self) -> bool:
        """Whether this user may."""
        user = getattr(self.request, "user", None)
        return bool(user and user.is_active and user.is_staff)

    def handle_no_permission(self) -> HttpResponseRedirect:
        """Somebody who has not signed in is asked to; somebody who has is refused."""
        self.raise_exception = bool(getattr(getattr(self.request, "user", None), "is_authenticated", False))
        return super().handle_no_permission()

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form."""
        return self._page(request)

    def post(self, request: HttpRequest) -> HttpResponse:
        """One of the three buttons."""
        if request.POST.get("action") == "clear":
            return self._back(request, None)
        try:
            token = self._sign(request)
        except (ConfigurationError, ValueError) as error:
            return self._page(request, error=str(error), status=400)
        if request.POST.get("action") == "link":
            return self._page(request, link=self._link(request, token))
        return self._back(request, token)

    def _sign(self, request: HttpRequest) -> str:
        chosen = {flag.key: request.POST.get(f"flag:{flag.key}", "") for flag in _flags()}
        chosen = {key: variant for key, variant in chosen.items() if variant}
        if not chosen:
            raise ConfigurationError("Choose a variant for at least one flag.")
        seconds = request.POST.get("seconds", "3600")
        if seconds not in DURATIONS:
            raise ConfigurationError("Choose one of the durations.")
        return installation().sign_link(chosen, request, int(seconds))

    def _link(self, request: HttpRequest, token: str) -> str:
        page = request.POST.get("page") or "/"
        path = urlsplit(page).path if url_has_allowed_host_and_scheme(page, {request.get_host()}) else "/"
        return request.build_absolute_uri(path) + "?" + urlencode({installation().options.qa_parameter: token})

    def _back(self, request: HttpRequest, token: str | None) -> HttpResponse:
        response = HttpResponseRedirect(request.path)
        response.status_code = 303
        DjangoHeaders(response).add("Set-Cookie", installation().override_cookie(request, token))
        return response

    def _page(self, request: HttpRequest, *, link: str = "", error: str = "", status: int = 200) -> HttpResponse:
        here = flags_from(request)
        overrides = here.overrides
        context: dict[str, Any] = {
            "flags_offered": [
                {"flag": flag, "variants": list(flag.variants), "chosen": overrides.get(flag.key)} for flag in _flags()
            ],
            "overrides": dict(overrides),
            "durations": DURATIONS,
            "link": link,
            "error": error,
            "title": "QA overrides",
            "page": request.POST.get("page", "/"),
            "can_sign": bool(installation().options.secret_keys),
        }
        if apps.is_installed("django.contrib.admin"):
            from django.contrib import admin

            context = {**admin.site.each_context(request), **context}
        template = (
            "flagmiddleware/qa_in_admin.html" if apps.is_installed("django.contrib.admin") else self.template_name
        )
        return TemplateResponse(request, template, context, status=status)


def _flags() -> list[Flag]:
    """The flags that a QA override may name; a killed one is off for testers too."""
    flags = installation().flags.ruleset.flags
    return sorted((flag for flag in flags.values() if flag.qa and flag.enabled), key=lambda flag: flag.key)
