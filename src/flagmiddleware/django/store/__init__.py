"""Flags in the site's own database, with an admin: ``FLAGMIDDLEWARE = {"SOURCE": "django"}``.

An app of its own, so that a site with a flag file gets no tables: add ``"flagmiddleware.django.store"`` to
``INSTALLED_APPS`` and run ``migrate``.
"""

from __future__ import annotations
