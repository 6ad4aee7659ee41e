"""``flag_required`` on views, view classes and blueprints."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
from flask import Blueprint, Flask, Response, abort, redirect, request, session
from flask.views import MethodView, View
from werkzeug.exceptions import HTTPException

from flagmiddleware.flask import flag_required
from tests.flask.sites import site


@pytest.fixture
def app() -> Flask:
    """A site whose flags are on or off for all."""
    return site()


def status(app: Flask, path: str = "/", method: str = "GET") -> int:
    """What the site answers."""
    return app.test_client().open(path, method=method).status_code


def test_a_gated_view_does_not_exist_while_its_flag_is_off(app: Flask) -> None:
    """404, and the view's own answer while the flag is on."""
    app.add_url_rule("/", "on", flag_required("on-for-all")(lambda: "in"))
    app.add_url_rule("/off", "off", flag_required("off-for-all")(lambda: "in"))
    assert (status(app), status(app, "/off")) == (200, 404)


def test_a_view_keeps_its_name_and_arguments(app: Flask) -> None:
    """The endpoint is the view's name, and URL arguments arrive."""

    @app.get("/<int:number>")
    @flag_required("on-for-all")
    def double(number: int) -> str:
        """Twice."""
        return str(2 * number)

    assert double.__doc__ == "Twice."
    assert "double" in app.view_functions
    assert app.test_client().get("/21").text == "42"


def test_async_views_are_awaited(app: Flask) -> None:
    """An async view under a gate answers with its result, not with a coroutine; so does an async ``otherwise``."""

    async def other() -> str:
        return "otherwise"

    @app.get("/")
    @flag_required("on-for-all")
    async def new() -> str:
        return "new"

    @app.get("/old")
    @flag_required("off-for-all", otherwise=other)
    async def old() -> str:
        return "old"

    @app.get("/gone")
    @flag_required("off-for-all")
    async def gone() -> str:
        return "gone"

    @app.get("/sync")
    @flag_required("off-for-all", otherwise=other)
    def sync() -> str:
        return "sync"

    client = app.test_client()
    assert [client.get(path).text for path in ("/", "/old", "/sync")] == ["new", "otherwise", "otherwise"]
    assert client.get("/gone").status_code == 404


def test_otherwise_gets_the_arguments_of_the_view(app: Flask) -> None:
    """The old view takes over with the same URL arguments."""

    @app.get("/<name>")
    @flag_required("off-for-all", otherwise=lambda name: f"old {name}")
    def new(name: str) -> str:
        return f"new {name}"

    assert app.test_client().get("/page").text == "old page"


@pytest.mark.parametrize(
    ("target", "location"),
    [("home", "/home"), ("/elsewhere?x=1", "/elsewhere?x=1"), ("https://a.test/", "https://a.test/")],
)
def test_a_redirect_goes_to_an_endpoint_or_an_address(app: Flask, target: str, location: str) -> None:
    """What has a slash is an address, everything else the name of an endpoint."""
    app.add_url_rule("/home", "home", lambda: "home")
    app.add_url_rule("/", "new", flag_required("off-for-all", redirect_to=target)(lambda: "new"))
    answer = app.test_client().get("/")
    assert (answer.status_code, answer.location) == (302, location)


def test_a_status_of_ones_own(app: Flask) -> None:
    """``status=403`` raises what Flask's error handlers see."""
    app.add_url_rule("/", "new", flag_required("off-for-all", status=403)(lambda: "new"))

    @app.errorhandler(403)
    def refused(error: HTTPException) -> tuple[str, int]:
        return "refused", 403

    assert app.test_client().get("/").text == "refused"


def test_any_all_negation_and_variant(app: Flask) -> None:
    """Each way to say when the gate is open."""
    gates = {
        "any": flag_required(any=["off-for-all", "on-for-all"]),
        "all": flag_required(all=["off-for-all", "on-for-all"]),
        "not": flag_required("!off-for-all"),
        "blue": flag_required("colour", variant="blue"),
        "green": flag_required("colour", variant="green"),
    }
    for name, gate in gates.items():
        app.add_url_rule(f"/{name}", name, gate(lambda: "in"))
    expected = {"any": 200, "all": 404, "not": 200, "blue": 200, "green": 404}
    assert {name: status(app, f"/{name}") for name in gates} == expected


def test_method_views_by_decorators_or_by_decoration(app: Flask) -> None:
    """A class is gated by Flask's own ``decorators`` list or by decorating it; a child does not change its parent."""

    class Listed(MethodView):
        decorators = (flag_required("off-for-all"),)

        def get(self) -> str:
            return "in"

    class Parent(View):
        def dispatch_request(self) -> str:
            return "in"

    @flag_required("off-for-all")
    class Child(Parent):
        pass

    @flag_required("on-for-all")
    class Async(MethodView):
        async def post(self) -> str:
            return "posted"

    for cls in (Listed, Parent, Child, Async):
        app.add_url_rule(f"/{cls.__name__.lower()}", view_func=cls.as_view(cls.__name__.lower()))
    assert (status(app, "/listed"), status(app, "/parent"), status(app, "/child")) == (404, 200, 404)
    assert (status(app, "/async", "POST"), status(app, "/async")) == (200, 405)


def test_a_blueprint_is_gated_whole(app: Flask) -> None:
    """Every view of it, those of a blueprint inside it too, and nothing else."""
    outer = flag_required("off-for-all")(Blueprint("outer", __name__, url_prefix="/outer"))
    inner = Blueprint("inner", __name__, url_prefix="/inner")
    for blueprint in (outer, inner):
        blueprint.add_url_rule("/", view_func=lambda: "in", endpoint="page")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)
    app.add_url_rule("/", "home", lambda: "home")
    assert (status(app, "/outer/"), status(app, "/outer/inner/"), status(app)) == (404, 404, 200)


def test_an_open_blueprint_answers(app: Flask) -> None:
    """An open gate stands in nobody's way, and ``otherwise`` gets the URL's arguments when it is shut."""
    opened = flag_required("on-for-all")(Blueprint("opened", __name__))
    shut = flag_required("off-for-all", otherwise=lambda name: f"old {name}")(Blueprint("shut", __name__))
    opened.add_url_rule("/open", view_func=lambda: "in", endpoint="page")
    shut.add_url_rule("/shut/<name>", view_func=lambda name: "in", endpoint="page")
    app.register_blueprint(opened)
    app.register_blueprint(shut)
    client = app.test_client()
    assert (client.get("/open").text, client.get("/shut/x").text) == ("in", "old x")


def test_misspelt_keys_are_told_at_the_first_request(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Once, with the nearest key, for views, view classes and blueprints; the pages stay off."""

    @flag_required("of-for-all")
    class Classy(MethodView):
        def get(self) -> str:
            return "in"

    blueprint = flag_required("coluor")(Blueprint("tinted", __name__, url_prefix="/tinted"))
    app.register_blueprint(blueprint)
    app.add_url_rule("/", "home", flag_required("on-fo-all")(lambda: "in"))
    app.add_url_rule("/classy", view_func=Classy.as_view("classy"))
    assert [status(app), status(app)] == [404, 404]
    told = [record.getMessage() for record in caplog.records if "flag_required" in record.getMessage()]
    assert sorted(told) == [
        "flag_required on blueprint 'tinted': there is no flag 'coluor'; did you mean 'colour'?",
        "flag_required on endpoint 'classy': there is no flag 'of-for-all'; did you mean 'off-for-all'?",
        "flag_required on endpoint 'home': there is no flag 'on-fo-all'; did you mean 'on-for-all'?",
    ]


def _dark_sites(app: Flask) -> None:
    """Views behind a gate that is shut, and views like them that are open."""
    dark, lit = flag_required("off-for-all"), flag_required("on-for-all")

    class Classy(MethodView):
        def get(self) -> str:
            return "get"

        def post(self) -> str:
            return "post"

    for name, gate in (("dark", dark), ("lit", lit)):
        app.add_url_rule(f"/{name}", name, gate(lambda: "page"))
        app.add_url_rule(f"/{name}-slash/", f"{name}-slash", gate(lambda: "page"))
        app.add_url_rule(f"/{name}-below", f"{name}-below", _decorated(gate(lambda: "page")))
        app.add_url_rule(f"/{name}-two", f"{name}-two", lit(gate(lambda: "page")))
        app.add_url_rule(f"/{name}-class", view_func=gate(type("Gated", (Classy,), {})).as_view(f"{name}-class"))
        blueprint = gate(Blueprint(f"{name}-lab", __name__, url_prefix=f"/{name}-lab"))
        blueprint.add_url_rule("/", "index", lambda: "lab")
        parent = Blueprint(f"{name}-outer", __name__, url_prefix=f"/{name}-outer")
        parent.register_blueprint(blueprint)
        app.register_blueprint(parent)


def _decorated(view: Any) -> Any:
    @wraps(view)
    def decorated(**arguments: Any) -> Any:
        return view(**arguments)

    return decorated


@pytest.mark.parametrize("path", ["", "-slash/", "-slash", "-below", "-two", "-class", "-outer/", "-outer/-lab"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "PURGE"])
def test_a_dark_view_looks_like_no_view(app: Flask, path: str, method: str) -> None:
    """Whatever is asked of a view behind a shut gate is 404, as of a path that is not there; an open one answers."""
    _dark_sites(app)
    path = path.replace("-outer/-lab", "-outer/{0}-lab")
    missing = app.test_client().open("/missing", method=method)
    dark = app.test_client().open(f"/dark{path.format('dark')}", method=method)
    assert (dark.status_code, dark.data) == (404, missing.data)
    assert "Allow" not in dark.headers
    assert dark.location is None


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("OPTIONS", "/lit", 200), ("POST", "/lit", 405), ("GET", "/lit-slash", 308), ("POST", "/lit-class", 200),
     ("DELETE", "/lit-class", 405), ("OPTIONS", "/lit-outer/lit-lab/", 200), ("GET", "/lit-outer/lit-lab", 308)],
)  # fmt: skip
def test_an_open_view_answers_as_ever(app: Flask, method: str, path: str, status: int) -> None:
    """While the flag is on, methods that a view does not take, OPTIONS and missing slashes are Flask's affair."""
    _dark_sites(app)
    assert app.test_client().open(path, method=method).status_code == status


def test_methods_of_dark_views_are_left_out(app: Flask) -> None:
    """Of two views at one path, only the one that exists is told of, by OPTIONS and by 405."""
    app.add_url_rule("/both", "reading", lambda: "read", methods=["GET"])
    app.add_url_rule("/both", "writing", flag_required("off-for-all")(lambda: "written"), methods=["POST"])
    client = app.test_client()
    assert set(client.options("/both").allow) == {"GET", "HEAD", "OPTIONS"}
    refused = client.put("/both")
    assert refused.status_code == 405
    assert set(refused.allow) == {"GET", "HEAD", "OPTIONS"}
    assert client.post("/both").status_code == 404


def test_a_gate_that_does_not_hide_tells_of_its_view(app: Flask) -> None:
    """With another view, a redirect or a status of its own there is a page, flag or not."""
    for number, options in enumerate(({"otherwise": lambda: "old"}, {"redirect_to": "/"}, {"status": 403})):
        app.add_url_rule(f"/{number}", str(number), flag_required("off-for-all", **options)(lambda: "new"))
    assert {status(app, path, "POST") for path in ("/0", "/1", "/2")} == {405}
    assert {status(app, path, "OPTIONS") for path in ("/0", "/1", "/2")} == {200}


def test_hidden_views_say_what_they_depend_on(app: Flask) -> None:
    """The 404 in the place of a 405 is as private as the page: for somebody else there is one."""
    app.add_url_rule("/", "new", flag_required("staff-only")(lambda: "new"))
    assert "private" in app.test_client().put("/").headers["Cache-Control"]


def test_what_is_refused_before_the_gate_tells_nothing(app: Flask) -> None:
    """A guard of the site's that aborts, as CSRF protection does, makes no dark view known; a lit one it refuses."""
    _dark_sites(app)
    app.add_url_rule("/mine", "mine", flag_required("staff-only")(lambda: "mine"))
    app.before_request(lambda: abort(400) if request.endpoint else None)
    assert [status(app, path) for path in ("/missing", "/dark", "/lit", "/mine")] == [404, 404, 400, 404]


@pytest.mark.parametrize("wall", [lambda: abort(401), lambda: redirect("/login")])
def test_a_wall_round_the_whole_site_stays(app: Flask, wall: Any) -> None:
    """Where every path asks for credentials, that of a dark view does: a 404 alone would tell which it is."""
    _dark_sites(app)
    app.before_request(wall)
    assert len({status(app, path) for path in ("/missing", "/dark", "/dark-lab/", "/lit")}) == 1


class Refused(Exception):
    """What a site's own decorators raise."""


@pytest.mark.parametrize("answer", [lambda: redirect("/login"), lambda: abort(403), lambda: ("who?", 401), None])
def test_decorators_over_a_gate_tell_nothing(app: Flask, answer: Any) -> None:
    """However a decorator over the gate refuses, a dark view is 404; it asks where signing in could open the gate."""

    def refuse(**_: Any) -> Any:
        session["told"] = "please sign in"
        if answer is None:
            raise Refused
        return answer()

    app.register_error_handler(Refused, lambda error: ("who?", 401))
    lab = Blueprint("lab", __name__, url_prefix="/lab")
    lab.before_request(refuse)
    for key in ("off-for-all", "staff-only", "on-for-all"):
        app.add_url_rule(f"/{key}", key, wraps(view := flag_required(key)(lambda: "page"))(lambda: refuse()))
        lab.add_url_rule(f"/{key}", key, view)
    app.register_blueprint(lab)
    missing = app.test_client().get("/missing")
    for place in ("", "/lab"):
        dark = app.test_client().get(f"{place}/off-for-all")
        assert (dark.status_code, dark.data) == (404, missing.data)
        assert place or "Set-Cookie" not in dark.headers, "the decorator was asked"
        asked = app.test_client().get(f"{place}/staff-only"), app.test_client().get(f"{place}/on-for-all")
        assert asked[0].status_code == asked[1].status_code != 404


def test_a_blueprint_tells_nothing_of_its_dark_views(app: Flask) -> None:
    """Its own 404 page, and what it adds to its answers, are not those of a path that nobody serves."""
    lab = Blueprint("lab", __name__, url_prefix="/lab")
    lab.register_error_handler(404, lambda error: ("of the lab", 404))
    ended: list[str] = []

    @lab.after_request
    def sign(response: Response) -> Response:
        response.headers["X-Lab"] = "yes"
        return response

    lab.teardown_request(lambda error: ended.append(request.path))
    lab.add_url_rule("/dark", "dark", flag_required("off-for-all")(lambda: "dark"))
    lab.add_url_rule("/lit", "lit", flag_required("on-for-all")(lambda: abort(404)))
    app.register_blueprint(lab)
    dark, missing, lit = (app.test_client().get(path) for path in ("/lab/dark", "/lab/missing", "/lab/lit"))
    assert (dark.status_code, dark.data, [*dark.headers]) == (404, missing.data, [*missing.headers])
    assert (lit.text, lit.headers["X-Lab"]) == ("of the lab", "yes")
    assert ended == ["/lab/dark", "/lab/lit"], "what a blueprint opens, it closes"


@pytest.mark.parametrize(("code", "answered"), [(402, 402), (410, 410), (426, 426)])
def test_any_refusal(app: Flask, code: int, answered: int) -> None:
    """Statuses that Werkzeug has no exception for are answered, too."""
    app.add_url_rule("/", "new", flag_required("off-for-all", status=code)(lambda: "new"))
    assert status(app) == answered


@pytest.mark.parametrize("code", [301, 303, 307])
def test_redirects_keep_their_status(app: Flask, code: int) -> None:
    """``status=`` beside ``redirect_to=`` is the redirect's."""
    app.add_url_rule("/", "new", flag_required("off-for-all", redirect_to="/old", status=code)(lambda: "new"))
    assert status(app) == code
