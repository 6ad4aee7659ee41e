"""Misspelt keys in the templates of a Flask application, found before anybody misses the feature."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Blueprint, Flask

from flagmiddleware.flask import FlagMiddleware

DEFINITIONS = {"version": 1, "flags": {"new-checkout": {}, "beta": {}, "dark": {}}}
TOLD = [
    "page.html:2: there is no flag 'betta'; did you mean 'beta'?",
    "part.html:1: there is no flag 'darkk'; did you mean 'dark'?",
]


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    """An application and a blueprint with a template each."""
    for folder, name, text in (
        ("site", "page.html", '\n{% flag "betta" %}{% elflag "new_checkout" %}{% endflag %}'),
        ("part", "part.html", '{{ flag("darkk") }}'),
    ):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    app = Flask("shop", template_folder=str(tmp_path / "site"))
    FlagMiddleware(app, source=DEFINITIONS)
    app.register_blueprint(Blueprint("part", __name__, template_folder=str(tmp_path / "part")))
    return app


def test_told_at_the_first_request(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    """Templates of the application and of its blueprints are checked once, with the nearest key."""
    for _ in range(2):
        assert app.test_client().get("/").status_code == 404
    assert [record.getMessage() for record in caplog.records if record.name == "flagmiddleware"] == TOLD


def test_told_by_the_command(app: Flask) -> None:
    """`flask flags check` says the same, and fails."""
    checked = app.test_cli_runner().invoke(args=["flags", "check"])
    assert (checked.exit_code, checked.output.splitlines()) == (1, TOLD)
