"""What a Flask request carries: context, consistency, isolation, headers, late reads, observers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask, Response, abort, g, request, session, stream_with_context
from flask_login import LoginManager, UserMixin, login_user
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from flagmiddleware import Flags
from flagmiddleware.flask import FlagMiddleware, current_flags, flag_required, flags_from, installation_of
from flagmiddleware.sources import MemorySource
from flagmiddleware.web.current import CURRENT
from flagmiddleware.web.observers import Observation
from tests.flask.sites import flags_of, site

PAGE = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


def only_if(**condition: Any) -> dict[str, Any]:
    """A boolean flag that is on under one condition."""
    return {"rules": [{"if": condition, "serve": True}]}


def answers(app: Flask, *keys: str) -> None:
    """Add a page that says which of these flags are on."""

    @app.route("/", methods=["GET", "POST"])
    def answer() -> list[bool]:
        return [current_flags().is_enabled(key) for key in keys]


@pytest.mark.parametrize("reads", [True, False])
def test_an_application_that_runs_in_a_view_of_another(reads: bool) -> None:
    """Both have the same environment; each answer tells caches what its own application read."""
    inner, outer = Flask("inner"), Flask("outer")
    FlagMiddleware(inner, source=flags_of(abroad=only_if(host="elsewhere.test")))
    FlagMiddleware(outer, source=flags_of(mine=only_if(ip="9.9.9.9")))

    @inner.route("/")
    def part() -> str:
        return str(flags_from(request).is_enabled("abroad")) if reads else "nothing"

    @outer.route("/")
    def whole() -> Response:
        flags_from(request).is_enabled("mine")
        answer = Response.from_app(inner, request.environ)
        return Response(f"{answer.headers.get('Vary')} {answer.headers.get('Cache-Control')}")

    answer = outer.test_client().get("/")
    assert answer.text == ("Host None" if reads else "None None")
    assert (answer.headers["Vary"], answer.headers["Cache-Control"]) == ("Cookie", "private")


def test_every_attribute_of_the_request_is_read_by_its_name() -> None:
    """method, path, host, language, user_agent, ip, a mapped header and the session, in one request."""
    flags = {
        "a": only_if(method="POST"), "b": only_if(path="/mounted/"), "c": only_if(host="shop.test"),
        "d": only_if(language="de-AT"), "e": only_if(user_agent={"contains": "Fire"}), "f": only_if(ip="9.9.9.9"),
        "g": only_if(country="AU"), "h": only_if(**{"session.cart": 3}),
    }  # fmt: skip
    app = site(flags=flags_of(**flags), trusted_proxies=1, headers={"country": "X-Country"})
    answers(app, *flags)
    client = app.test_client()
    with client.session_transaction() as kept:
        kept["cart"] = 3
    headers = {
        "Accept-Language": "de-at,en;q=0.5", "User-Agent": "Firefox", "X-Forwarded-For": "1.1.1.1, 9.9.9.9",
        "X-Country": "au", "Host": "Shop.test:8080",
    }  # fmt: skip
    given = client.get_cookie("session")
    assert given is not None
    cookie = {"Cookie": f"session={given.value}"}
    answer = app.test_client(use_cookies=False).post(
        "/", headers=headers | cookie, environ_overrides={"SCRIPT_NAME": "/mounted"}
    )
    assert answer.json == [True] * 8


def test_a_spoofed_forwarded_address_moves_nobody() -> None:
    """With one trusted proxy only what that proxy appended counts; with none, nothing does."""
    document = flags_of(near=only_if(ip="1.1.1.1"))
    for proxies in (0, 1):
        app = site(flags=document, trusted_proxies=proxies)
        answers(app, "near")
        assert app.test_client().get("/", headers={"X-Forwarded-For": "1.1.1.1, 9.9.9.9"}).json == [False]


def test_flask_login_users_are_known_and_not_loaded_in_vain() -> None:
    """The user loader runs once for any number of user flags, and not at all where no flag asks for the user."""

    class User(UserMixin):
        id = "ann"
        email = "ann@yourcompany.com"
        is_staff = True
        groups = ("qa",)

    app = site(
        flags=flags_of(mail=only_if(email_domain="yourcompany.com"), group=only_if(groups="qa"), me=only_if(user="ann"))
    )
    manager = LoginManager(app, add_context_processor=False)
    loaded: list[str] = []
    manager.user_loader(lambda id: loaded.append(id) or User())
    app.add_url_rule("/in", endpoint="in", view_func=lambda: str(login_user(User())))
    app.add_url_rule("/none", endpoint="none", view_func=lambda: str(current_flags().is_enabled("on-for-all")))
    answers(app, "staff-only", "mail", "group", "me")
    client = app.test_client()
    assert client.get("/").json == [False] * 4
    client.get("/in")
    loaded.clear()
    assert (client.get("/none").text, loaded) == ("True", [])
    assert (client.get("/").json, loaded) == ([True] * 4, ["ann"])


def test_a_user_on_g_or_from_the_sites_function() -> None:
    """Sites without Flask-Login have ``g.user``, as Flask's tutorial does, or say who it is with a function."""
    on_g = site()
    on_g.before_request(lambda: setattr(g, "user", {"id": 1, "is_staff": True}))
    function = site(user=lambda request: {"id": 1, "is_staff": request.headers.get("X-Staff") == "1"})
    for app in (on_g, function):
        answers(app, "staff-only")
    assert on_g.test_client().get("/").json == [True]
    assert function.test_client().get("/", headers={"X-Staff": "1"}).json == [True]
    assert function.test_client().get("/").json == [False]


@pytest.mark.parametrize("is_async", [False, True])
def test_the_sites_callable_adds_attributes(is_async: bool) -> None:
    """Sync or async, asked once a request; in sync views and, awaited, in async ones."""
    asked: list[str] = []

    def attributes(request: Any) -> dict[str, str]:
        asked.append(request.path)
        return {"plan": "pro"}

    async def later(request: Any) -> dict[str, str]:
        await asyncio.sleep(0)
        return attributes(request)

    app = site(context=later if is_async else attributes)
    answers(app, "beta", "colour")

    @app.get("/async")
    async def view() -> list[Any]:
        here = current_flags()
        return [await here.ais_enabled("beta"), here.value("colour")]

    assert (app.test_client().get("/").json, asked) == ([True, True], ["/"])
    assert (app.test_client().get("/async").json, asked) == ([True, "#0f0"], ["/", "/async"])


def test_an_async_gate_awaits_what_needs_io() -> None:
    """``flag_required`` on an async view decides with the attributes of an async callable."""

    async def attributes(request: Any) -> dict[str, str]:
        return {"plan": "pro"}

    app = site(context=attributes)

    @app.get("/")
    @flag_required("beta")
    async def view() -> str:
        return "in"

    assert app.test_client().get("/").text == "in"


def test_a_callable_that_fails_costs_its_own_attributes_only(caplog: pytest.LogCaptureFixture) -> None:
    """Logged once; the other flags and the page are served."""
    app = site(context=lambda request: 1 / 0)
    answers(app, "on-for-all", "beta")
    assert [app.test_client().get("/").json for _ in range(3)] == [[True, False]] * 3
    assert len([record for record in caplog.records if "callable failed" in record.getMessage()]) == 1


def test_a_reload_in_the_middle_of_a_request_changes_nothing_for_it() -> None:
    """One request sees one plan; the next one sees the new plan."""
    source = MemorySource(b'{"version": 1, "flags": {"x": {"rules": [{"serve": true}]}, "y": {}}}', format="json")
    flags = Flags(source, refresh=0)
    app = Flask("site")
    app.config.update(FLAGMIDDLEWARE_FLAGS=flags, SECRET_KEY="a secret of a decent length")
    FlagMiddleware(app)

    @app.get("/")
    def view() -> list[bool]:
        here = current_flags()
        before = [here.is_enabled("x")]
        source.put(b'{"version": 1, "flags": {"x": {}, "y": {"rules": [{"serve": true}]}}}')
        flags.refresh()
        return [*before, here.is_enabled("x"), here.is_enabled("y")]

    client = app.test_client()
    assert client.get("/").json == [True, True, False]
    assert client.get("/").json == [False, False, True]


def test_requests_of_many_threads_do_not_mix() -> None:
    """Eight requests that are all in the middle of their view at once each keep their own answer."""
    app = site(user=lambda request: {"id": request.args["id"], "is_staff": request.args["staff"] == "1"})
    together = Barrier(8, timeout=30)

    @app.get("/")
    def view() -> list[bool]:
        first = current_flags().is_enabled("staff-only")
        together.wait()
        return [first, current_flags().is_enabled("staff-only"), request.flags.is_enabled("staff-only")]  # type: ignore[attr-defined]

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda n: app.test_client().get(f"/?id={n}&staff={n % 2}").json, range(8)))
    assert found == [[bool(n % 2)] * 3 for n in range(8)]


def test_mounted_applications_keep_their_own_flags() -> None:
    """Two applications in one WSGI tree, each with its definitions, also when one request follows the other."""
    outer, inner = site(), site(flags=flags_of(on_for_all={}))
    for app in (outer, inner):
        answers(app, "on-for-all")
    client = Client(DispatcherMiddleware(outer, {"/inner": inner}))
    assert [client.get(path).json for path in ("/", "/inner/", "/")] == [[True], [False], [True]]


def test_what_was_read_decides_the_cache_headers() -> None:
    """Nothing for a flag that is the same for all; private and ``Vary: Cookie`` for one that asks who it is."""
    app = site(user=lambda request: {"id": 1, "is_staff": True})
    for name, key in {"same": "on-for-all", "own": "staff-only"}.items():

        def view(key: str = key) -> Response:
            current_flags().is_enabled(key)
            return Response("page", headers={"Cache-Control": "public, s-maxage=60"})

        app.add_url_rule(f"/{name}", name, view)
    same, own = (app.test_client().get(f"/{name}").headers for name in ("same", "own"))
    assert (same["Cache-Control"], same.get("Vary")) == ("public, s-maxage=60", None)
    assert (own["Cache-Control"], own["Vary"]) == ("private", "Cookie")


def test_a_gates_404_and_an_error_page_are_private_too() -> None:
    """A 404 that a per-user flag decided, and a 500 page that reads one, belong to one person."""
    app = site(user=lambda request: {"id": 1, "is_staff": False})
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/gate", "gate", flag_required("staff-only")(lambda: "in"))
    app.add_url_rule("/fail", "fail", lambda: 1 / 0)

    @app.errorhandler(500)
    def failed(error: HTTPException) -> tuple[str, int]:
        return f"sorry {current_flags().is_enabled('staff-only')}", 500

    gate, fail = (app.test_client().get(path) for path in ("/gate", "/fail"))
    assert (gate.status_code, gate.headers["Cache-Control"]) == (404, "private")
    assert (fail.status_code, fail.text, fail.headers["Cache-Control"]) == (500, "sorry False", "private")


def test_a_new_visitor_gets_a_cookie_once_and_stays_who_they_are() -> None:
    """Set where a decision needed it, HttpOnly and SameSite=Lax; a forged one counts for nothing."""
    app = site()
    answers(app, "for-visitors")
    app.add_url_rule("/plain", view_func=lambda: "plain")
    client = app.test_client()
    assert "Set-Cookie" not in client.get("/plain", headers=PAGE).headers
    first = client.get("/", headers=PAGE)
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(first.headers["Set-Cookie"].split("; "))
    again = [client.get("/", headers=PAGE) for _ in range(5)]
    assert [answer.json for answer in again] == [first.json] * 5
    assert not any("Set-Cookie" in answer.headers for answer in again)
    forged = app.test_client()
    forged.set_cookie("flags_visitor", "somebody.else")
    assert "flags_visitor=" in forged.get("/", headers=PAGE).headers["Set-Cookie"]


def test_a_qa_link_sets_a_cookie_and_shows_the_variant() -> None:
    """303 to the same page without the token; then the override holds, private and never stored."""
    app = site()
    answers(app, "beta", "on-for-all")
    client = app.test_client()
    with app.test_request_context("/"):
        token = installation_of(app).sign_link({"beta": "on"}, request.environ)
    link = client.get(f"/?x=1&flags={token}")
    assert (link.status_code, link.headers["Location"], link.text) == (303, "/?x=1", "")
    assert (link.headers["Cache-Control"], link.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    shown = client.get("/")
    assert (shown.json, "no-store" in shown.headers["Cache-Control"]) == ([True, True], True)
    assert app.test_client().get(f"/?flags={token}x").json == [False, True]


def test_a_stream_keeps_the_requests_answers() -> None:
    """A body made under ``stream_with_context`` reads flags of its request; the headers say private beforehand."""
    app = site(user=lambda request: {"id": 1, "is_staff": True})

    @app.get("/")
    def view() -> Response:
        def body() -> Iterator[str]:
            yield str(current_flags().is_enabled("staff-only"))
            yield str(request.flags.is_enabled("staff-only"))  # type: ignore[attr-defined]

        return Response(stream_with_context(body()), headers={"Cache-Control": "public, max-age=60"})

    answer = app.test_client().get("/")
    assert (answer.text, answer.headers["Cache-Control"]) == ("TrueTrue", "private, max-age=60")


@pytest.mark.parametrize("signed_in", [False, True])
def test_late_in_a_stream_and_in_a_thread_the_user_is_the_requests(signed_in: bool) -> None:
    """Flask-Login's proxy is nobody's outside the request: the anonymous must not pass for users, nor users vanish."""

    class User(UserMixin):
        id = "ann"
        email = "ann@yourcompany.com"

    asked = ("anybody", "me", "mail")
    app = site(
        flags=flags_of(
            anybody=only_if(is_authenticated=True), me=only_if(user="ann"), mail=only_if(email="ann@yourcompany.com")
        )
    )
    LoginManager(app, add_context_processor=False).user_loader(lambda id: User())
    app.add_url_rule("/in", endpoint="in", view_func=lambda: str(login_user(User())))

    @app.get("/stream/<int:read_before>")
    def stream(read_before: int) -> Response:
        here = flags_from(request)
        here.preload(*asked[:read_before])
        return Response(str(here.is_enabled(key)) + " " for key in asked)

    @app.get("/thread")
    def thread() -> list[bool]:
        here, found = flags_from(request), list[bool]()
        worker = Thread(target=lambda: found.extend(map(here.is_enabled, asked)))
        worker.start()
        worker.join(10)
        return found

    client = app.test_client()
    if signed_in:
        client.get("/in")
    assert [client.get(f"/stream/{number}").text.split() for number in (0, 1)] == [[str(signed_in)] * 3] * 2
    assert client.get("/thread").json == [signed_in] * 3


def test_a_stream_whose_flags_were_decided_first_may_be_shared() -> None:
    """After ``preload`` the headers follow from what was read, as for any other page."""
    app = site()

    @app.get("/")
    def view() -> Response:
        here = current_flags()
        here.preload("on-for-all")
        return Response(
            stream_with_context(iter([str(here.is_enabled("on-for-all"))])), headers={"Cache-Control": "public"}
        )

    assert app.test_client().get("/").headers["Cache-Control"] == "public"


def test_static_files_stay_public() -> None:
    """A file that is passed through reads no flag: caches may keep it."""
    app = site()
    app.static_folder = __file__.rpartition("/")[0]
    app.add_url_rule("/files/<path:filename>", endpoint="files", view_func=app.send_static_file)
    with app.test_client().get("/files/sites.py") as answer:
        assert "private" not in answer.headers["Cache-Control"]


def test_observers_learn_what_was_read_and_how_it_went() -> None:
    """Evaluations, status, duration, and whether the view raised; a request that read nothing is not told."""
    seen: list[Observation] = []
    app = site(observers=[seen.append])
    app.config["PROPAGATE_EXCEPTIONS"] = False
    answers(app, "on-for-all")
    app.add_url_rule("/none", view_func=lambda: "none", endpoint="none")

    @app.get("/fail")
    def fail() -> str:
        current_flags().is_enabled("beta")
        raise RuntimeError

    @app.get("/gone")
    def gone() -> None:
        current_flags().is_enabled("colour")
        abort(404)

    for path in ("/", "/none", "/fail", "/gone"):
        app.test_client().get(path)
    assert [([*one.evaluations], one.status, one.raised) for one in seen] == [
        (["on-for-all"], 200, False),
        (["beta"], 500, True),
        (["colour"], 404, False),
    ]
    assert all(one.duration >= 0 for one in seen)


def test_observers_learn_of_a_stream_that_fails() -> None:
    """A body that raises in the middle is a failure, although its headers said 200: the rollout guard counts it."""
    seen: list[Observation] = []
    app = site(observers=[seen.append])

    @app.get("/")
    def view() -> Response:
        here = flags_from(request)

        def body() -> Iterator[str]:
            yield str(here.is_enabled("on-for-all"))
            raise RuntimeError

        return Response(body())

    answer = app.test_client().get("/", buffered=False)
    with pytest.raises(RuntimeError):
        answer.get_data()
    answer.close()
    assert [([*one.evaluations], one.status, one.raised) for one in seen] == [(["on-for-all"], 500, True)]


def test_nothing_is_left_behind_after_a_request() -> None:
    """The current flags of one request are not those of what the thread does next."""
    app = site()
    answers(app, "on-for-all")
    app.test_client().get("/")
    assert CURRENT.get() is None


def test_login_in_a_request_changes_nothing_until_the_next() -> None:
    """An answer once given holds for its request, even when the user changes meanwhile."""
    app = site(user=lambda request: {"id": 1, "is_staff": True} if session.get("in") else None)

    @app.get("/")
    def view() -> list[bool]:
        before = current_flags().is_enabled("staff-only")
        session["in"] = True
        return [before, current_flags().is_enabled("staff-only")]

    client = app.test_client()
    assert [client.get("/").json, client.get("/").json] == [[False, False], [True, True]]


@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": "flags_visitor=" + "x" * 1_000_000},
        {"Cookie": "flags_override=\udcff\xff; =; ;;"},
        {"Accept-Language": "\xff" * 5000},
        {"X-Forwarded-For": "," * 10_000},
        {"Host": "evil\xe9.test"},
        {"User-Agent": "\x01\x7f"},
    ],
    ids=["huge", "broken", "language", "forwarded", "host", "agent"],
)
def test_hostile_headers_get_the_ordinary_answer(headers: dict[str, str]) -> None:
    """No 500 and nobody's cohort, whatever a client sends."""
    app = site(flags=flags_of(near=only_if(ip="1.1.1.1"), german=only_if(language="de")), trusted_proxies=2)
    answers(app, "on-for-all", "near", "german", "staff-only")
    environ = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
    answer = app.test_client(use_cookies=False).get("/", environ_overrides=environ)
    assert answer.status_code in (200, 400)
    if answer.status_code == 200:
        assert answer.json == [True, False, False, False]


def test_a_user_who_is_known_late(caplog: pytest.LogCaptureFixture) -> None:
    """``g.user`` set after a flag was read: that answer stays, the next flag knows the user, and a log line tells."""
    rule = {"rules": [{"if": {"user": "ann"}, "serve": True}]}
    app = site(flags=flags_of(early=rule, late=rule))
    before: list[bool] = []

    @app.before_request
    def read() -> None:
        before.append(current_flags().is_enabled("early"))

    @app.before_request
    def load() -> None:
        g.user = {"id": "ann"}

    @app.get("/")
    def view() -> list[bool]:
        return [current_flags().is_enabled("early"), current_flags().is_enabled("late"), g.user["id"] == "ann"]

    answer = app.test_client().get("/")
    assert (before, answer.json) == ([False], [False, True, True])
    assert "private" in answer.headers["Cache-Control"]
    app.test_client().get("/")
    assert sum("after early had been decided for nobody" in record.getMessage() for record in caplog.records) == 1


def test_g_user_stays_what_it_is() -> None:
    """Reading, testing, popping and deleting ``g.user`` work as for any other name."""
    app = site()
    with app.app_context():
        assert "user" not in g
        with pytest.raises(AttributeError):
            _ = g.user
        with pytest.raises(AttributeError):
            del g.user
        g.user = None
        assert g.user is None
        assert "user" in g
        g.user = "ann"
        assert (g.get("user"), g.pop("user"), g.get("user")) == ("ann", "ann", None)
        g.setdefault("user", "bob")
        del g.user
        assert "user" not in g
