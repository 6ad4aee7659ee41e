"""The pages that are the same for everybody, so that a proxy may keep them, and the page of one product."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from ..models import Product

for_everybody = cache_control(public=True, max_age=0, s_maxage=60)  # browsers ask again, proxies keep it


@require_safe
@for_everybody
def index(request: HttpRequest) -> HttpResponse:
    """Everything that is for sale. It reads nobody's flags: the sale is on for all or for none."""
    sale = request.flags.is_enabled("summer-sale")
    return render(request, "store/catalogue.html", {"products": Product.objects.all(), "sale": sale})


@require_safe
@for_everybody
def delivery(request: HttpRequest) -> HttpResponse:
    """How parcels travel."""
    return render(request, "store/delivery.html")


@require_safe
def product(request: HttpRequest, slug: str) -> HttpResponse:
    """One product and the form that puts it into the basket."""
    found = get_object_or_404(Product, slug=slug)
    return render(request, "store/product.html", {"product": found, "sale": request.flags.is_enabled("summer-sale")})
