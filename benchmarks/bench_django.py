"""What flags add to a Django request, beside django-waffle in the same run; the middleware is called in process.

Every contender gets requests that Django has built beforehand, so that what is measured is the middleware and the
reading of flags, and not Django. Waffle's flags lie in its cache (local memory), as on a warm site.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import django
from asgiref.sync import markcoroutinefunction
from django.conf import settings as django_settings

from benchmarks.harness import Contender, Cost, Settings, Workload
from benchmarks.report import Table, add_ratio, cost_table, main, ratio_table

TEN = [f"flag-{number}" for number in range(10)]
TWENTY = [f"group-{number}" for number in range(20)]
DEFINITIONS: dict[str, Any] = {
    "version": 1,
    "flags": {
        **{key: {"rules": [{"serve": True}]} for key in TEN},
        "for-user": {"rules": [{"if": {"user": 7}, "serve": True}]},
        "rollout": {"rules": [{"rollout": "100%"}]},
        **{key: {"rules": [{"if": {"groups": key}, "serve": True}]} for key in TWENTY},
    },
}


def configure() -> None:
    """A site with both installed, on a database in memory."""
    from flagmiddleware import Flags

    flags = Flags(DEFINITIONS)
    flags.warm()
    django_settings.configure(
        SECRET_KEY="a secret key of the benchmark, of the usual length",
        ALLOWED_HOSTS=["*"],
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "waffle", "flagmiddleware.django"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CACHES={"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}},
        FLAGMIDDLEWARE={"FLAGS": flags},
        USE_TZ=True,
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from django.contrib.auth import get_user_model
    from waffle import get_waffle_flag_model

    get_user_model().objects.create(pk=7, username="ann")
    for key in TEN:
        get_waffle_flag_model().objects.create(name=key, everyone=True)
    get_waffle_flag_model().objects.create(name="for-user").users.add(7)
    get_waffle_flag_model().objects.create(name="rollout", percent=99.9)  # its cookie says yes


def requests_of(count: int) -> Callable[[int], list[tuple[Any]]]:
    """Fresh requests of a user who has signed in."""
    from django.contrib.auth import get_user_model
    from django.test import RequestFactory

    from flagmiddleware.web.signing import Signer

    visitor = Signer([django_settings.SECRET_KEY], "flagmiddleware.visitor").sign("A" * 22)
    cookies = f"theme=dark; csrftoken=0123456789abcdef; flags_visitor={visitor}; dwf_rollout=True"
    factory = RequestFactory(HTTP_COOKIE=cookies)
    user = get_user_model().objects.get(pk=7)

    def make(number: int) -> list[tuple[Any]]:
        made = []
        for _ in range(count):
            request = factory.get("/")
            request.COOKIES  # noqa: B018 - the session's middleware has parsed them, whoever reads them later
            request.user = user
            made.append((request,))
        return made

    return make


def page(read: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """A view that reads flags and answers with what it read."""
    from django.http import HttpResponse

    return lambda request: HttpResponse(b"True" if read(request) else b"False")


class NoOp:
    """The least that a Django middleware can be."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        return self.get_response(request)


def content(response: Any) -> bytes:
    return bytes(response.content)


def asynchronous(middleware: Any, read: Callable[[Any], bool]) -> Callable[[Any], Any]:
    """The middleware around an asynchronous view, driven by hand: nothing in it waits."""
    view = page(read)

    async def aview(request: Any) -> Any:
        return view(request)

    served = middleware(aview)

    def run(request: Any) -> Any:
        try:
            served(request).send(None)
        except StopIteration as done:
            return done.value
        raise RuntimeError("the middleware waited for something")

    return run


class AsyncNoOp(NoOp):
    """The same, asynchronous."""

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        super().__init__(get_response)
        markcoroutinefunction(self)

    async def __call__(self, request: Any) -> Any:
        return await self.get_response(request)


def workload(count: int) -> Workload:
    """One page, its flags read by nobody, by us and by waffle."""
    from waffle import flag_is_active
    from waffle.middleware import WaffleMiddleware

    from flagmiddleware.django import FlagMiddleware

    def nothing(request: Any) -> bool:
        return True

    def ours(*keys: str) -> Callable[[Any], bool]:
        return lambda request: all([request.flags.is_enabled(key) for key in keys])  # noqa: C419 - a generator would cost more than the flags

    def waffle(*keys: str) -> Callable[[Any], bool]:
        return lambda request: all([flag_is_active(request, key) for key in keys])  # noqa: C419

    calls = {
        "no-op middleware": NoOp(page(nothing)),
        "ours, none read": FlagMiddleware(page(nothing)),
        "ours, one read": FlagMiddleware(page(ours(TEN[0]))),
        "ours, ten read": FlagMiddleware(page(ours(*TEN))),
        "ours, one by user": FlagMiddleware(page(ours("for-user"))),
        "ours, one rollout": FlagMiddleware(page(ours("rollout"))),
        "waffle, one read": WaffleMiddleware(page(waffle(TEN[0]))),
        "waffle, ten read": WaffleMiddleware(page(waffle(*TEN))),
        "waffle, one by user": WaffleMiddleware(page(waffle("for-user"))),
        "waffle, one rollout": WaffleMiddleware(page(waffle("rollout"))),
        "async no-op middleware": asynchronous(AsyncNoOp, nothing),
        "ours, async, none read": asynchronous(FlagMiddleware, nothing),
        "ours, async, one read": asynchronous(FlagMiddleware, ours(TEN[0])),
        "ours, async, ten read": asynchronous(FlagMiddleware, ours(*TEN)),
    }
    return Workload(
        name="Django: one request through the middleware",
        inputs=requests_of(count),
        floor=Contender(name="the view alone", call=page(nothing), answer=None),
        contenders=[Contender(name=name, call=call) for name, call in calls.items()],
    )


def queries() -> Table:
    """What flags ask the database on a warm page, of somebody who has signed in and whom nothing else has loaded."""
    from django.contrib.auth import get_user_model
    from django.db import connection
    from django.test import RequestFactory
    from django.test.utils import CaptureQueriesContext
    from django.utils.functional import SimpleLazyObject

    from flagmiddleware.django import FlagMiddleware

    table = Table("SQL queries added by flags on a warm page", ["page", "queries", "limit", ""])
    find = get_user_model().objects.get
    for name, keys, limit, user in (
        ("ten flags, the user unread", TEN, 0, SimpleLazyObject(lambda: find(pk=7))),
        ("twenty flags by group", TWENTY, 1, find(pk=7)),
    ):
        served = FlagMiddleware(page(lambda request, keys=keys: any([request.flags.is_enabled(key) for key in keys])))  # type: ignore[misc]  # noqa: C419
        request: Any = RequestFactory().get("/")
        request.user = user
        with CaptureQueriesContext(connection) as captured:
            served(request)
        met = len(captured) <= limit
        table.rows.append([name, str(len(captured)), f"≤ {limit}", "met" if met else "OVER"])
        table.missed += [] if met else [f"{name}: {len(captured)} queries, limit {limit}"]
    return table


def measure(settings: Settings) -> Sequence[Table]:
    """The costs, and what ours adds as a share of what waffle adds."""
    if not django_settings.configured:
        configure()
    asked = workload(settings.size(500))
    contenders = [Contender(name=one.name, call=_body(one.call)) for one in asked.everyone]
    costs = Workload(name=asked.name, inputs=asked.inputs, floor=contenders[0], contenders=contenders[1:]).measure(
        settings
    )
    ratios = ratio_table("Against the limits: what is added to a no-op middleware")
    for mine, its, limit in (
        ("ours, one read", "waffle, one read", 1 / 10),
        ("ours, ten read", "waffle, ten read", 1 / 5),
        ("ours, one by user", "waffle, one by user", 1 / 10),
        ("ours, one rollout", "waffle, one rollout", 1 / 10),
        ("ours, async, one read", "waffle, one read", 1 / 10),
        ("ours, async, ten read", "waffle, ten read", 1 / 5),
    ):
        floor = "async no-op middleware" if "async" in mine else "no-op middleware"
        add_ratio(ratios, "Django", f"{mine} / {its}", _added(costs, mine, floor, its), limit)
    tables = [cost_table(asked.name, costs), ratios, queries()]
    for table in tables:
        print(table.plain(), flush=True)
    return tables


def _body(call: Callable[[Any], Any]) -> Callable[[Any], bytes]:
    return lambda request: content(call(request))


def _added(costs: Sequence[Cost], mine: str, floor: str, its: str) -> float:
    known = {cost.name: cost.rounds for cost in costs}
    rows = zip(known[mine], known[floor], known[its], known["no-op middleware"], strict=True)
    return median((ours - noop) / (peer - base) for ours, noop, peer, base in rows)


if __name__ == "__main__":
    raise SystemExit(main("django", "Flags on Django", measure))
