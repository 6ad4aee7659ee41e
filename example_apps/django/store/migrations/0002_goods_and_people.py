"""Fills the shelves, and lets the demo's people in."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.hashers import make_password
from django.db import migrations
from shopkit.customers import CUSTOMERS, PASSWORD
from shopkit.products import CATALOGUE


def fill(apps: Any, schema_editor: Any) -> None:
    """Everything that shopkit knows."""
    product, customer = apps.get_model("store", "Product"), apps.get_model("store", "Customer")
    product.objects.bulk_create(product(place=place, **item._asdict()) for place, item in enumerate(CATALOGUE))
    secret = make_password(PASSWORD)
    customer.objects.bulk_create(
        customer(
            id=one.id, username=one.id, first_name=one.name, email=one.email, is_staff=one.is_staff,
            country=one.country, plan=one.plan, password=secret,
        )
        for one in CUSTOMERS
    )  # fmt: skip


class Migration(migrations.Migration):
    """The demo's data."""

    dependencies = (("store", "0001_initial"),)
    operations = (migrations.RunPython(fill, migrations.RunPython.noop),)
