"""`flags link`: the link is made from the flag file and the site's key, and opens in every adapter."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from click.testing import CliRunner, Result

from flagmiddleware import Flags
from flagmiddleware.cli import flags as command_line
from flagmiddleware.cli.link import SECRET_VARIABLE
from flagmiddleware.sources import MemorySource
from flagmiddleware.testing.contract_site import DEFINITIONS, SECRET, AdapterDriver, Site
from tests.fastapi import test_fastapi_contract as fastapi_contract
from tests.flask import test_flask_contract as flask_contract
from tests.starlette import test_starlette_contract as starlette_contract
from tests.web import test_asgi_contract as asgi_contract
from tests.web import test_wsgi_contract as wsgi_contract

DRIVERS: dict[str, Callable[[], AdapterDriver]] = {
    "flask": flask_contract.Driver,
    "starlette": starlette_contract.Driver,
    "fastapi": fastapi_contract.Driver,
    "asgi": asgi_contract.Driver,
    "wsgi": wsgi_contract.Driver,
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the contract's flag file, where the commands run."""
    (tmp_path / "flags.json").write_text(json.dumps(DEFINITIONS))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FLAGMIDDLEWARE_SOURCE", raising=False)
    monkeypatch.delenv("FLAGMIDDLEWARE_ENVIRONMENT", raising=False)
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def secret(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The site's first key in the variable."""
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)


def link(*words: str, url: str = "http://shop.example/read?key=new-checkout") -> Result:
    return CliRunner().invoke(command_line, ["link", *words, "--url", url])


def opened(site: Site, url: str) -> dict[str, Any]:
    """What a browser that opens the link is shown."""
    asked = url.removeprefix("http://shop.example")
    reply = site.get(asked)
    assert reply.status == 303
    assert reply.header("location").endswith("/read?key=new-checkout")
    token = reply.cookie("flags_override")
    assert token is not None
    return site.get("/read?key=new-checkout", cookies={"flags_override": token}).decided


@pytest.mark.usefixtures("folder", "secret")
@pytest.mark.parametrize("adapter", DRIVERS)
def test_the_link_opens_in_every_adapter(adapter: str) -> None:
    """`flags link new-checkout=on --ttl 1h` with the key in a variable; the site of each adapter shows the variant."""
    made = link("new-checkout=on", "--ttl", "1h")
    assert made.exit_code == 0, made.output
    flags = Flags(MemorySource(json.dumps(DEFINITIONS).encode(), format="json"))
    site = DRIVERS[adapter]().make(flags, {"secret_keys": [SECRET]}, lambda: None)
    assert site.get("/read?key=new-checkout").decided == {"new-checkout": "off"}
    assert opened(site, made.output.strip()) == {"new-checkout": "on"}


@pytest.mark.usefixtures("folder", "secret")
def test_the_sites_epoch_and_parameter() -> None:
    """A site that revoked its links, or calls the parameter otherwise, gets links of its own kind."""
    made = link("new-checkout=on", "--epoch", "3", "--parameter", "see")
    assert list(parse_qs(urlsplit(made.output.strip()).query)) == ["key", "see"]
    flags = Flags(DEFINITIONS)
    settings = {"secret_keys": [SECRET], "qa_epoch": 3, "qa_parameter": "see"}
    site = asgi_contract.Driver().make(flags, settings, lambda: None)
    assert opened(site, made.output.strip()) == {"new-checkout": "on"}


@pytest.mark.usefixtures("secret")
def test_a_link_is_for_one_environment(folder: Path) -> None:
    """A link that is made for another environment than the site's shows nothing there."""
    document = {**DEFINITIONS, "flags": {**DEFINITIONS["flags"], "x": {"environments": {"staging": {}}}}}
    (folder / "flags.json").write_text(json.dumps(document))
    site = asgi_contract.Driver().make(Flags(document, environment="staging"), {"secret_keys": [SECRET]}, lambda: None)
    made = link("new-checkout=on", "--environment", "staging")
    assert opened(site, made.output.strip()) == {"new-checkout": "on"}
    other = link("new-checkout=on").output.strip().removeprefix("http://shop.example")
    assert site.get(other).decided == {"new-checkout": "off"}


@pytest.mark.usefixtures("folder", "secret")
@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["new-chekout=on"], "did you mean 'new-checkout'"),
        (["for-user=on"], "qa: true"),
        (["checkout-button=red"], "blue, green"),
        (["new-checkout"], "new-checkout=on"),
        (["new-checkout=on", "--ttl", "25h"], "24 hours"),
        (["new-checkout=on", "--ttl", "0s"], "24 hours"),
        (["new-checkout=on", "--ttl", "soon"], "30m or 1h"),
        (["new-checkout=on", "--app", "nowhere:app"], "nowhere"),
    ],
)
def test_what_a_link_may_not_do_is_refused(words: list[str], told: str) -> None:
    """An unknown flag, one without `qa: true`, an undeclared variant, over a day: no link, exit code 2, the cure."""
    made = link(*words)
    assert made.exit_code == 2
    assert told in f"{made.output}{made.stderr}"
    assert "http" not in made.stdout


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("key", [None, "short"])
def test_no_key_no_link(monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    """Without a key, or with one that no site takes, the variable is named; the key itself is never shown."""
    if key is not None:
        monkeypatch.setenv(SECRET_VARIABLE, key)
    made = link("new-checkout=on")
    assert made.exit_code == 2
    assert SECRET_VARIABLE in made.stderr
    assert "short" not in made.stderr


@pytest.mark.usefixtures("folder", "secret")
def test_a_page_that_is_no_page() -> None:
    """A path alone names no host to make the link for."""
    made = link("new-checkout=on", url="/read")
    assert (made.exit_code, "https://shop.example/" in made.stderr) == (2, True)


APPS = {
    "starlette": """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from flagmiddleware.starlette import FlagMiddleware
app = Starlette(middleware=[Middleware(GZipMiddleware), Middleware(FlagMiddleware, {settings})])
""",
    "fastapi": """
from fastapi import FastAPI
from flagmiddleware.fastapi import FlagMiddleware
app = FastAPI()
app.add_middleware(FlagMiddleware, {settings})
""",
    "asgi": """
from flagmiddleware.asgi import FlagMiddleware
app = FlagMiddleware(None, {settings})
""",
    "wsgi": """
from flagmiddleware.wsgi import FlagMiddleware
class Outer:
    def __init__(self, app):
        self.app = app
app = Outer(FlagMiddleware(None, {settings}))
""",
}


@pytest.mark.parametrize("kind", APPS)
def test_an_application_knows_its_key(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--app module:name` takes flags, key, epoch and parameter from the site's own FlagMiddleware."""
    name = f"link_app_{kind}"
    settings = f"source='flags.json', secret_keys=[{SECRET!r}, 'a retired key of the site'], qa_epoch=2"
    (folder / f"{name}.py").write_text(APPS[kind].format(settings=settings))
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = link("new-checkout=on", "--app", f"{name}:app")
    assert made.exit_code == 0, made.output
    site = asgi_contract.Driver().make(Flags(DEFINITIONS), {"secret_keys": [SECRET], "qa_epoch": 2}, lambda: None)
    assert opened(site, made.output.strip()) == {"new-checkout": "on"}


def test_an_application_without_flags(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that no FlagMiddleware wraps is told so."""
    (folder / "link_app_bare.py").write_text("app = object()\n")
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = link("new-checkout=on", "--app", "link_app_bare:app")
    assert (made.exit_code, "FlagMiddleware" in made.stderr) == (2, True)


@pytest.mark.usefixtures("secret")
def test_the_address_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --url the link leads to FLAGMIDDLEWARE_URL, and to a server on this machine where that is not set."""
    words = ["link", "new-checkout=on", "--ttl", "1h"]
    assert CliRunner().invoke(command_line, words).output.startswith("http://127.0.0.1:8000/?")

    monkeypatch.setenv("FLAGMIDDLEWARE_URL", "https://shop.example/basket")
    assert CliRunner().invoke(command_line, words).output.startswith("https://shop.example/basket?")
