"""Installing on Flask: one line, factories, several applications, errors that name the setting."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from flask import Flask, g, request

from flagmiddleware import BoundFlags, ConfigurationError
from flagmiddleware.flask import FlagMiddleware, current_flags, flags_from, installation_of
from tests.flask.sites import SECRET, flags_of, site


async def _later(request: object) -> None:
    """Who signed in, told too late."""


def test_one_line_puts_flags_on_every_request() -> None:
    """``request.flags``, ``g.flags`` and ``current_flags()`` are one object."""
    app = site()

    @app.get("/")
    def home() -> list[bool]:
        same = request.flags is g.flags is current_flags()  # type: ignore[attr-defined]
        return [same, request.flags.is_enabled("on-for-all")]  # type: ignore[attr-defined]

    assert app.test_client().get("/").json == [True, True]


def test_a_factory_installs_each_application_it_makes() -> None:
    """One extension object serves two applications, and each keeps its own definitions and options."""
    extension = FlagMiddleware()

    def create(serve: bool) -> Flask:
        app = Flask("made")
        document = {"version": 1, "flags": {"beta": {"rules": [{"serve": serve}]}}}
        extension.init_app(app, source=document, secret_keys=[SECRET])
        app.add_url_rule("/", view_func=lambda: str(current_flags().is_enabled("beta")))
        return app

    first, second = create(True), create(False)
    assert (first.test_client().get("/").text, second.test_client().get("/").text) == ("True", "False")
    assert first.test_client().get("/").text == "True"
    assert vars(extension) == {}


def test_a_request_has_its_own_applications_flags() -> None:
    """Neither a request class that two applications share nor another one's context lends it somebody else's."""
    first, second = Flask("first"), Flask("second")
    FlagMiddleware(first, source=flags_of(mine={"rules": [{"serve": True}]}))
    second.request_class = first.request_class
    FlagMiddleware(second, source=flags_of(mine={}))
    for app, expected in ((first, True), (second, False)):
        with app.test_request_context():
            assert request.flags.is_enabled("mine") is expected  # type: ignore[attr-defined]
    with first.test_request_context():
        with second.app_context():
            assert current_flags().is_enabled("mine")
        assert request.flags.is_enabled("mine")  # type: ignore[attr-defined]


def test_options_without_an_application_are_refused() -> None:
    """The extension object has nowhere to keep them: the second application would inherit them."""
    with pytest.raises(ConfigurationError, match="give them to init_app"):
        FlagMiddleware(source="flags.yaml")


def test_installing_twice_is_refused() -> None:
    """Two middlewares on one application would mint two visitors."""
    with pytest.raises(ConfigurationError, match="already installed"):
        FlagMiddleware(site())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "FLAGMIDDLEWARE_SOURCE"),
        ({"FLAGMIDDLEWARE_SOURCE": "nowhere.yaml"}, "FLAGMIDDLEWARE_SOURCE"),
        ({"FLAGMIDDLEWARE_SORCE": "flags.yaml"}, "did you mean FLAGMIDDLEWARE_SOURCE"),
        ({"FLAGMIDDLEWARE_SOURCE": flags_of(), "FLAGMIDDLEWARE_USER": "ann"}, "FLAGMIDDLEWARE_USER"),
        ({"FLAGMIDDLEWARE_SOURCE": flags_of(), "FLAGMIDDLEWARE_USER": _later}, "FLAGMIDDLEWARE_USER"),
        ({"FLAGMIDDLEWARE_SOURCE": flags_of(), "FLAGMIDDLEWARE_TRUSTED_PROXIES": -1}, "FLAGMIDDLEWARE_TRUSTED_PROXIES"),
        ({"FLAGMIDDLEWARE_SOURCE": flags_of(), "FLAGMIDDLEWARE_MAX_STALE": "1"}, "FLAGMIDDLEWARE_MAX_STALE: '1'"),
        ({"FLAGMIDDLEWARE_SOURCE": flags_of(), "FLAGMIDDLEWARE_CACHE_DIR": "x"}, "FLAGMIDDLEWARE_CACHE_DIR: "),
        ({"FLAGMIDDLEWARE_SOURCE": "x.yaml", "FLAGMIDDLEWARE_FALLBACK": ""}, "FLAGMIDDLEWARE_FALLBACK: "),
        ({"FLAGMIDDLEWARE_SOURCE": "http://h/", "FLAGMIDDLEWARE_SNAPSHOT_KEY": "x"}, "FLAGMIDDLEWARE_SNAPSHOT_KEY: "),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(
    config: dict[str, object], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error at start-up names the setting as the site writes it."""
    monkeypatch.chdir(tmp_path)
    app = Flask("wrong")
    app.config.update(config)
    with pytest.raises(ConfigurationError, match=message):
        FlagMiddleware(app)


def test_a_broken_file_is_refused_with_its_line(tmp_path: Path) -> None:
    """What is wrong in the file is told at start-up, under the setting that named it."""
    file = tmp_path / "flags.yaml"
    file.write_text("version: 1\nflags:\n  beta:\n    rool: 1\n")
    app = Flask("wrong")
    app.config["FLAGMIDDLEWARE_SOURCE"] = file
    with pytest.raises(ConfigurationError, match=r"(?s)FLAGMIDDLEWARE_SOURCE.*:4.*rool"):
        FlagMiddleware(app)


@pytest.mark.parametrize("key", ["dev", b"dev", "a secret of a decent length"])
def test_any_secret_key_that_flask_takes_is_taken(key: str | bytes) -> None:
    """A tutorial's ``SECRET_KEY="dev"`` signs the visitor cookie as it signs the session."""
    app = Flask("tutorial")
    app.config.update(SECRET_KEY=key, FLAGMIDDLEWARE_SOURCE=flags_of())
    FlagMiddleware(app)
    app.add_url_rule("/", view_func=lambda: str(current_flags().is_enabled("for-visitors")))
    answer = app.test_client().get("/", headers={"Sec-Fetch-Dest": "document", "Sec-Fetch-Mode": "navigate"})
    assert "flags_visitor=" in answer.headers["Set-Cookie"]


def test_flags_from_works_where_no_hook_ran() -> None:
    """``app.test_request_context()`` runs no ``before_request``: the flags bind themselves, once."""
    app = site()
    with app.test_request_context("/"):
        here = flags_from(request)
        assert here.is_enabled("on-for-all")
        assert flags_from(request) is here is current_flags()


def test_outside_a_request_the_app_context_decides() -> None:
    """In a shell or a command, ``current_flags()`` is the application's, bound to nobody in particular."""
    app = site()
    with app.app_context():
        here = current_flags()
        assert isinstance(here, BoundFlags)
        assert here is current_flags()
        assert (here.is_enabled("on-for-all"), here.is_enabled("staff-only")) == (True, False)


def test_outside_everything_two_applications_are_too_many() -> None:
    """Without a request or an app context nobody can know which application is meant."""
    gc.collect()
    apps = [site(), site()]
    with pytest.raises(ConfigurationError, match="bind the flags that you mean"):
        current_flags()
    assert len(apps) == 2


def test_an_application_without_the_extension_says_so() -> None:
    """The error names the application and the cure."""
    with (
        Flask("bare").test_request_context("/"),
        pytest.raises(ConfigurationError, match="'bare'; call FlagMiddleware"),
    ):
        current_flags()


def test_the_installation_is_within_reach() -> None:
    """Observers and status hang on ``installation_of(app)``."""
    app = site()
    assert installation_of(app).flags.is_enabled("on-for-all")
    assert app.extensions["flagmiddleware"] is installation_of(app)
