"""Customers, products and orders."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models
from shopkit.customers import COUNTRIES
from shopkit.products import SALE_PERCENT


class Customer(AbstractUser):
    """Somebody who may sign in. The id is text (``user-42``): it is what rollouts hash."""

    id = models.CharField(primary_key=True, max_length=40)
    country = models.CharField(max_length=2, choices=list(COUNTRIES.items()))
    plan = models.CharField(max_length=10, choices=[("free", "free"), ("pro", "pro")], default="free")

    @property
    def note(self) -> str:
        """One line that tells this person from the others."""
        return f"{'staff, ' if self.is_staff else ''}{self.get_country_display()}, plan {self.plan}"


class Product(models.Model):
    """One thing for sale; ``art`` names its drawing in ``static/art.svg``."""

    slug = models.SlugField(primary_key=True)
    name = models.CharField(max_length=80)
    blurb = models.CharField(max_length=200)
    cents = models.PositiveIntegerField()
    art = models.CharField(max_length=20)
    on_sale = models.BooleanField(default=False)
    place = models.PositiveSmallIntegerField()

    class Meta:
        """The catalogue has an order."""

        ordering = ("place",)

    def __str__(self) -> str:
        return self.name

    def price(self, *, sale: bool) -> int:
        """The price in cents, during the sale or outside it."""
        return self.cents * (100 - SALE_PERCENT) // 100 if sale and self.on_sale else self.cents


class Order(models.Model):
    """What somebody bought. The card number is not kept."""

    number = models.CharField(primary_key=True, max_length=12)
    customer = models.ForeignKey(Customer, null=True, on_delete=models.SET_NULL)
    placed = models.DateTimeField(auto_now_add=True)
    name = models.CharField(max_length=100)
    street = models.CharField(max_length=100)
    city = models.CharField(max_length=100)
    postcode = models.CharField(max_length=100)
    cents = models.PositiveIntegerField()
    gift_wrap = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.number
