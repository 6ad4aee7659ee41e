"""The staff panel for QA overrides, on a page of Django's admin where the site has it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.mixins import UserPassesTestMixin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.safestring import mark_safe
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect

from ..web.qa_page import TITLE, page_markup, style_element
from ..web.qa_panel import Outcome, panel_form, press
from .headers import DjangoHeaders
from .installed import flags_from

__all__ = ["QAPanel"]


@method_decorator([never_cache, csrf_protect], name="dispatch")
class QAPanel(UserPassesTestMixin, View):
    """For active staff. GET shows the form and changes nothing; POST sets or ends an override, or makes a link."""

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
        return self._page(request, Outcome())

    def post(self, request: HttpRequest) -> HttpResponse:
        """One of the three buttons."""
        outcome = press(flags_from(request), request.POST.dict())
        if outcome.cookie is None:
            return self._page(request, outcome)
        response = HttpResponseRedirect(request.path)
        response.status_code = 303
        DjangoHeaders(response).add("Set-Cookie", outcome.cookie)
        return response

    def _page(self, request: HttpRequest, outcome: Outcome) -> HttpResponse:
        hidden = {"csrfmiddlewaretoken": get_token(request)}
        form = panel_form(flags_from(request), outcome, request.POST.dict(), hidden)
        status = 400 if outcome.error else 200
        if not apps.is_installed("django.contrib.admin"):
            return HttpResponse(page_markup(form, has_error=bool(outcome.error)), status=status)
        from django.contrib import admin

        context: dict[str, Any] = {**admin.site.each_context(request), "title": TITLE}
        context["form"] = mark_safe(style_element() + form)  # noqa: S308 - escaped there
        return TemplateResponse(request, "flagmiddleware/qa_in_admin.html", context, status=status)
