"""The test project's user: a primary key that is text, as many sites have, and an email field under its own name."""

from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class Person(AbstractUser):
    id = models.CharField(primary_key=True, max_length=50)

    class Meta:
        app_label = "people"
