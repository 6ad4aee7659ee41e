"""How Django's adapter looks to a type checker; checked by mypy, never run."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver
from django.views import View
from typing_extensions import assert_type

from flagmiddleware import BoundFlags, flags_context
from flagmiddleware.celery import CeleryFlags
from flagmiddleware.django import (
    FlagRequiredMixin,
    current_flags,
    flag_path,
    flag_required,
    flags_from,
    installation,
)
from flagmiddleware.testing import override_flags
from flagmiddleware.web import RequestFlags


@flag_required("new-checkout", redirect_to="home")
def page(request: HttpRequest, number: int) -> HttpResponse:
    assert_type(flags_from(request), RequestFlags)
    assert_type(current_flags(), BoundFlags)
    return HttpResponse()


assert_type(page(HttpRequest(), 7), HttpResponse)
page(HttpRequest(), "7")  # type: ignore[arg-type]
flag_required("x", anny=["y"])  # type: ignore[call-arg]


@flag_required(any=["x", "!y"], status=403)
class Gated(View): ...


class Mixed(FlagRequiredMixin, View):
    flag_required = "x"
    flag_options = {"otherwise": page}  # noqa: RUF012 - as a site writes it


assert_type(flag_path("x/", page, name="x", flag="x", variant="green"), URLPattern | URLResolver)
assert_type(Gated().dispatch(HttpRequest()).status_code, int)


@override_flags({"x": True, "y": "green", "z": lambda context: context["plan"] == "pro"}, user="ann")
def test(number: int) -> int:
    return number


assert_type(test(7), int)
override_flags(x=1)  # type: ignore[arg-type]
CeleryFlags(lambda: installation().flags, "plan").connect()
with flags_context.load(flags_context.dump("plan")) as here:
    assert_type(here, BoundFlags)
