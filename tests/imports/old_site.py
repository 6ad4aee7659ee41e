"""A site with the real django-waffle and django-flags: what they decide, and what the imports make of their tables."""

from __future__ import annotations

import io
import itertools
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any

import django
from django.conf import settings

from flagmiddleware import Context, Flags
from flagmiddleware.imports import convert

CONDITIONS: list[tuple[str, Any]] = [
    ("boolean", "True"), ("boolean", "no"), ("boolean", "on"), ("anonymous", "True"), ("anonymous", "False"),
    ("path matches", "^/beta/"), ("path matches", "x"), ("parameter", "x=1"), ("parameter", "x"),
    ("after date", "2020-01-01T00:00:00Z"), ("before date", "2020-01-01T00:00:00Z"), ("user", "u1"),
]  # fmt: skip
LITERALS: list[tuple[str, Any]] = [("boolean", True), ("boolean", False), ("anonymous", True), *CONDITIONS]
SETTING = {
    f"S{number}": [one, {"condition": other[0], "value": other[1], "required": True}, (*one, False)]
    if number % 2
    else [(*one, True), other]
    for number, (one, other) in enumerate(itertools.product(LITERALS, LITERALS))
}
"""The setting ``FLAGS``: conditions in twos, as tuples of two and of three and as mappings."""


def facts(request: Any) -> Mapping[str, Any]:
    """What the notes of the import ask a site to tell: the user's name, and the parameters that may switch a flag."""
    return {"username": request.user.get_username(), **{f"parameter.{name}": request.GET[name] for name in request.GET}}


settings.configure(
    SECRET_KEY="the secret key of the old site, long enough",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "waffle", "flags", "flagmiddleware.django"],
    FLAGMIDDLEWARE={"SOURCE": {"version": 1, "flags": {}}, "CONTEXT": facts},
    FLAGS=SETTING,
    ALLOWED_HOSTS=["*"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth.models import AnonymousUser, Group, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import RequestFactory  # noqa: E402
from django.utils.translation import get_language_from_request  # noqa: E402
from flags.models import FlagState  # noqa: E402
from flags.state import flag_enabled  # noqa: E402
from waffle.models import Flag, Sample, Switch  # noqa: E402

from flagmiddleware.django import flags_from  # noqa: E402
from flagmiddleware.django.shadowed import waffle_cookie  # noqa: E402

VISITS = [
    ("/", "de"),
    ("/beta/", "en-AU,en;q=0.9"),
    ("/beta/x", "fr"),
    ("/other?x=1", "pt-BR"),
    ("/other?x=True", "de"),
]
VISITORS = 3_000
PARTIAL = (10, 50, 99.9)


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
    for number, languages in enumerate(("de", "en-au, fr", "pt-br,de", "xx")):
        Flag.objects.create(name=f"spoken-{number}", languages=languages, staff=bool(number % 2))
    Flag.objects.create(name="tested", testing=True, staff=True)
    for percent, rollout in itertools.product(PARTIAL, (False, True)):
        Flag.objects.create(name=f"part-{int(percent)}-{rollout}", percent=percent, rollout=rollout, superusers=False)
        Sample.objects.get_or_create(name=f"drawn-{int(percent)}", percent=percent)
    pairs = itertools.product(CONDITIONS, CONDITIONS, (False, True), (False, True))
    for number, (one, two, *required) in enumerate(pairs):
        for (condition, value), must in zip(dict.fromkeys((one, two)), required, strict=False):
            FlagState.objects.create(name=f"F{number}", condition=condition, value=value, required=must)


def subjects() -> Iterator[tuple[Any, Context]]:
    """Requests, with the language that Django gives them, and the contexts that our adapter makes of them."""
    for user in [AnonymousUser(), *User.objects.all()]:
        for path, languages in VISITS:
            request = RequestFactory().get(path, headers={"accept-language": languages})
            request.user = user
            request.LANGUAGE_CODE = get_language_from_request(request)
            yield request, flags_from(request).context


def dump(*labels: str) -> bytes:
    """What ``manage.py dumpdata`` writes."""
    written = io.StringIO()
    call_command("dumpdata", *labels, stdout=written)
    return written.getvalue().encode()


def compare() -> dict[str, Any]:
    """How many decisions were compared, and those that differ."""
    call_command("migrate", verbosity=0)
    fill()
    waffle = convert("waffle", dump("waffle", "auth.group"))
    rows = convert("django-flags", dump("flags.flagstate"))
    setting = convert("django-flags", f"DEBUG = True\nFLAGS = {SETTING!r}\n".encode(), name="settings.py")
    flags, states, literals = (Flags(each.document) for each in (waffle, rows, setting))
    names = list(dict.fromkeys(FlagState.objects.values_list("name", flat=True)))
    exact = [flag for flag in Flag.objects.all() if not flag.name.startswith("part-")]
    compared = {"waffle": 0, "rows": 0, "setting": 0}
    differ: list[Any] = []

    def check(kind: str, name: str, theirs: Any, ours: bool, context: Any) -> None:
        compared[kind] += 1
        if bool(theirs) is not ours:
            differ.append([kind, name, repr(context)])

    for request, context in subjects():
        for flag in exact:
            check("waffle", flag.name, flag.is_active(request), flags.is_enabled(flag.name, context), context)
        for name in names:
            ours = states.is_enabled(name.lower(), context)
            check("rows", name, flag_enabled(name, request=request), ours, context)
        for name in SETTING:
            ours = literals.is_enabled(name.lower(), context)
            check("setting", name, flag_enabled(name, request=request), ours, context)
    for row in [*Switch.objects.all(), *Sample.objects.filter(name__startswith="sample")]:
        check("waffle", row.name, row.is_active(), flags.is_enabled(row.name.lower(), Context("u")), None)
    notes = [[note.flag, str(note.kept), note.text] for note in waffle.notes]
    return {"compared": compared, "differ": differ[:10], "partial": partial(waffle, flags), "notes": notes}


def partial(result: Any, flags: Flags) -> list[dict[str, Any]]:
    """Every percentage between nobody and everybody: what the import said, and what happens to many visitors."""
    random.seed(20261125)
    reported = {note.flag: note for note in result.notes if note.share is not None}
    rows = [*Flag.objects.filter(name__startswith="part-"), *Sample.objects.filter(name__startswith="drawn-")]
    return [_partial(row, reported[row.name.lower()], flags) for row in rows]


def _partial(row: Any, note: Any, flags: Flags) -> dict[str, Any]:
    ours = [flags.is_enabled(row.name.lower(), Context(f"visitor-{number}")) for number in range(VISITORS)]
    theirs = []
    kept = True
    for _ in range(VISITORS):
        request: Any = RequestFactory().get("/")
        request.user = AnonymousUser()
        theirs.append(bool(row.is_active(request) if isinstance(row, Flag) else row.is_active()))
        if isinstance(row, Flag):  # once drawn, the cookie decides, there and in our pins
            again: Any = RequestFactory().get("/")
            again.user, again.COOKIES[f"dwf_{row.name}"] = AnonymousUser(), str(theirs[-1])
            kept = kept and bool(row.is_active(again)) is theirs[-1] is waffle_cookie(again, row.name, row.name)
    return {
        "name": row.name, "percent": float(row.percent), "reported": note.share, "text": note.text, "kept": kept,
        "moved": sum(map(bool.__ne__, ours, theirs)) / VISITORS,
        "ours": 100 * sum(ours) / VISITORS, "theirs": 100 * sum(theirs) / VISITORS,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(compare()))
