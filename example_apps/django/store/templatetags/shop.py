"""What the templates need to show amounts and drawings."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from shopkit.products import money as amount

from flagmiddleware import Evaluation
from flagmiddleware.django import flags_from

from ..models import Product

register = template.Library()


@register.filter
def money(cents: int) -> str:
    """An amount for people to read."""
    return amount(cents)


@register.simple_tag
def art(product: Product) -> SafeString:
    """A product's drawing."""
    markup = '<svg class="art" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>'
    return format_html(markup, reverse("static", args=["art.svg"]), product.art)


@register.simple_tag
def price(product: Product, sale: bool) -> SafeString:
    """A product's price, with the old one struck out during the sale."""
    if not (sale and product.on_sale):
        return format_html("{}", amount(product.cents))
    markup = '<span class="hidden">Sale price </span>{} <s><span class="hidden">instead of </span>{}</s>'
    return format_html(markup, amount(product.price(sale=True)), amount(product.cents))


@register.simple_tag(takes_context=True)
def decided(context: template.Context) -> list[tuple[str, Evaluation]]:
    """What the page asked the flags so far. (In a template, ``request.flags.x`` is flag ``x``, never a method.)"""
    return list(flags_from(context["request"]).evaluated().items())
