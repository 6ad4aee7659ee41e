"""Every address of the shop."""

from __future__ import annotations

from django.urls import path

from . import views
from .views import account, basket, catalogue, checkout

urlpatterns = [
    path("", catalogue.index, name="catalogue"),
    path("delivery", catalogue.delivery, name="delivery"),
    path("product/<slug:slug>", catalogue.product, name="product"),
    path("static/<str:name>", views.static, name="static"),
    path("basket/", basket.show, name="basket"),
    path("basket/add", basket.add, name="basket-add"),
    path("basket/change", basket.change, name="basket-change"),
    path("checkout/", checkout.one_page, name="checkout"),
    path("checkout/gift-wrap", checkout.gift_wrap, name="gift-wrap"),
    path("checkout/step/<str:name>", checkout.step, name="checkout-step"),
    path("checkout/review", checkout.review, name="checkout-review"),
    path("checkout/done", checkout.done, name="checkout-done"),
    path("account/", account.show, name="account"),
    path("account/sign-in", account.sign_in, name="sign-in"),
    path("account/sign-out", account.sign_out, name="sign-out"),
    path("account/country", account.pretend, name="country"),
]
