"""A site with the real django-waffle and django-flags: what they decide, and what the imports make of their tables."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Iterator
from typing import Any

import django
from django.conf import settings

from flagmiddleware import Context, Flags
from flagmiddleware.imports import convert

settings.configure(
    SECRET_KEY="the secret key of the old site, long enough",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "waffle", "flags"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import AnonymousUser, Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from flags.models import FlagState  # noqa: E402
from flags.state import flag_enabled  # noqa: E402
from waffle.models import Flag, Sample, Switch  # noqa: E402

PATHS = ["/", "/beta/", "/beta/x", "/other?x=1"]


def fill() -> None:
    """Every combination of waffle's fields that hashes nobody; conditions of django-flags in ones and twos."""
    editors = Group.objects.create(name="editors")
    for number, (staff, superuser, grouped) in enumerate(itertools.product((False, True), repeat=3)):
        user = User.objects.create(username=f"u{number}", is_staff=staff, is_superuser=superuser)
        if grouped:
            user.groups.add(editors)
    first = User.objects.get(username="u0")
    fields = itertools.product((None, True, False), (None, 0), *itertools.repeat((False, True), 5))
    for number, (everyone, percent, staff, superusers, authenticated, grouped, named) in enumerate(fields):
        flag = Flag.objects.create(
            name=f"flag-{number}", everyone=everyone, percent=percent, staff=staff, superusers=superusers,
            authenticated=authenticated,
        )  # fmt: skip
        if grouped:
            flag.groups.add(editors)
        if named:
            flag.users.add(first)
    for active in (True, False):
        Switch.objects.create(name=f"switch-{active}", active=active)
        Sample.objects.create(name=f"sample-{active}", percent=100 if active else 0)
    conditions = [
        ("boolean", "True"), ("boolean", "no"), ("boolean", "on"), ("anonymous", "True"), ("anonymous", "False"),
        ("path matches", "^/beta/"), ("path matches", "x"), ("parameter", "x=1"), ("parameter", "x"),
        ("after date", "2020-01-01T00:00:00Z"), ("before date", "2020-01-01T00:00:00Z"), ("user", "u1"),
    ]  # fmt: skip
    pairs = itertools.product(conditions, conditions, (False, True), (False, True))
    for number, (one, two, *required) in enumerate(pairs):
        for (condition, value), must in zip(dict.fromkeys((one, two)), required, strict=False):
            FlagState.objects.create(name=f"F{number}", condition=condition, value=value, required=must)


def subjects() -> Iterator[tuple[Any, Context]]:
    """Requests, and the contexts that the Django adapter makes of them."""
    for user in [AnonymousUser(), *User.objects.all()]:
        for path in PATHS:
            request = RequestFactory().get(path)
            request.user = user
            facts = {
                "is_authenticated": user.is_authenticated, "is_staff": user.is_staff, "is_superuser": user.is_superuser,
                "groups": [group.name for group in user.groups.all()], "path": request.path, "method": "GET",
            }  # fmt: skip
            yield request, Context(str(user.pk) if user.pk else "visitor-1", facts)


def imported(kind: str, *labels: str) -> tuple[Flags, set[str]]:
    """What the import makes of a dump, and the flags that it says it could not carry over."""
    dump = io.StringIO()
    call_command("dumpdata", *labels, stdout=dump)
    result = convert(kind, dump.getvalue().encode())
    return Flags(result.document), {note.flag for note in result.notes if note.kept == "lost"}


def compare() -> dict[str, Any]:
    """How many decisions were compared, and those that differ."""
    call_command("migrate", verbosity=0)
    fill()
    compared = {"waffle": 0, "django-flags": 0, "lost": 0}
    differ: list[Any] = []
    flags, lost = imported("waffle", "waffle", "auth.group")
    states, lost_states = imported("django-flags", "flags.flagstate")
    kept = [flag for flag in Flag.objects.all() if flag.name not in lost]
    names = list(dict.fromkeys(FlagState.objects.values_list("name", flat=True)))
    compared["lost"] = len(lost) + len(lost_states)
    for request, context in subjects():
        for flag in kept:
            compared["waffle"] += 1
            if bool(flag.is_active(request)) is not flags.is_enabled(flag.name, context):
                differ.append(["waffle", flag.name, repr(context)])
        for name in names:
            if name.lower() not in lost_states:
                compared["django-flags"] += 1
                if bool(flag_enabled(name, request=request)) is not states.is_enabled(name.lower(), context):
                    differ.append(["django-flags", name, repr(context)])
    for row in [*Switch.objects.all(), *Sample.objects.all()]:
        if bool(row.is_active()) is not flags.is_enabled(row.name.lower(), Context("u")):
            differ.append(["waffle", row.name])
    return {"compared": compared, "differ": differ[:10]}


if __name__ == "__main__":
    print(json.dumps(compare()))
