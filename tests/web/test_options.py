"""Options are checked when they are given, in the site's own spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.web import Installation, WebOptions

from .doubles import DictFacts

KEYS = ["a secret key of the tests"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"trusted_proxies": -1}, "trusted_proxies: -1"),
        ({"trusted_proxies": True}, "trusted_proxies: True"),
        ({"trusted_proxies": "1"}, "trusted_proxies: '1'"),
        ({"cookie_age": -5}, "cookie_age: -5"),
        ({"secret_keys": "one string of text"}, "secret_keys: a secret is not a list"),
        ({"secret_keys": ["short"]}, "at least 16"),
        ({"headers": ["X-Country"]}, "headers: "),
        ({"headers": {"country": "X Country"}}, "headers: 'X Country'"),
        ({"headers": {"country": "X-Country\r\nX: y"}}, "headers: "),
        ({"shared_vary": ["X-Country"]}, "map an attribute to it first"),
        ({"shared_vary": "X-Country"}, "shared_vary: 'X-Country' is not a list"),
        ({"vary_on": "Cookie"}, "vary_on: 'Cookie' is not a list"),
        ({"cookie_name": "__Host-visitor"}, "leave out prefixes"),
        ({"cookie_name": "a;b"}, "cookie_name: 'a;b'"),
        ({"cookie_path": "app"}, "starts with a slash"),
        ({"cookie_path": "/; Secure"}, "without semicolons"),
        ({"cookie_domain": "a.example\r\nX: y"}, "cookie_domain: "),
        ({"qa_cookie_name": "flags_visitor"}, "different from cookie_name"),
        ({"context": 5}, "context: 5"),
        ({"visitor_cookie": "yes"}, "visitor_cookie: 'yes'"),
        ({"cookie_secure": "yes"}, "cookie_secure: 'yes'"),
        ({"observers": [1]}, "observers: 1"),
    ],
)
def test_options_refuse(options: dict[str, Any], said: str) -> None:
    """What would go wrong in a request is refused at start, and the message names the option and shows the value."""
    with pytest.raises(ConfigurationError) as caught:
        WebOptions(**options)
    assert said in str(caught.value)


def test_secret_is_never_shown() -> None:
    """A key that is refused does not appear in the message, which ends up in logs."""
    with pytest.raises(ConfigurationError) as caught:
        WebOptions(secret_keys="hunter2-hunter2-hunter2")  # type: ignore[arg-type]
    assert "hunter2" not in str(caught.value)


def test_unknown_option_in_the_sites_spelling() -> None:
    """A misspelt setting is refused with the nearest one, both written as the site writes them."""
    with pytest.raises(ConfigurationError, match=r"FLAGS_TRUSTED_PROXY.*FLAGS_TRUSTED_PROXIES"):
        Installation.build(
            {"source": "x", "trusted_proxy": 1}, DictFacts(), spelling=lambda name: f"FLAGS_{name.upper()}"
        )


def test_bad_option_in_the_sites_spelling() -> None:
    """A bad value is reported under the site's name for it."""
    with pytest.raises(ConfigurationError, match=r"^FLAGS_TRUSTED_PROXIES: -1"):
        WebOptions.from_settings({"trusted_proxies": -1}, lambda name: f"FLAGS_{name.upper()}")


@pytest.mark.parametrize("settings", [{}, {"source": ""}, {"source": None}])
def test_missing_source(settings: dict[str, Any]) -> None:
    """Without a source, one clear error names the setting."""
    with pytest.raises(ConfigurationError, match="source: where the flags are defined is not set"):
        Installation.build(settings, DictFacts())


def test_unreadable_file_names_the_setting(tmp_path: Path) -> None:
    """A file that is missing or wrong at start gives one error that names the setting, the file and the problem."""
    with pytest.raises(ConfigurationError, match=r"(?s)^source: .*nothing\.yaml"):
        Installation.build({"source": tmp_path / "nothing.yaml"}, DictFacts())
    broken = tmp_path / "broken.yaml"
    broken.write_text("version: 1\nflags:\n  beta: {rool: []}\n")
    with pytest.raises(ConfigurationError, match=r"(?s)^source: .*rool"):
        Installation.build({"source": broken}, DictFacts())


def test_flags_and_source_exclude_each_other() -> None:
    """Flags that are handed over were opened elsewhere, so settings for opening them are refused."""
    flags = Flags({"version": 1, "flags": {}})
    with pytest.raises(ConfigurationError, match="refresh: give it to Flags"):
        Installation.build({"flags": flags, "refresh": 5}, DictFacts())
    with pytest.raises(ConfigurationError, match=r"flags: 'flags\.yaml' is not a Flags"):
        Installation.build({"flags": "flags.yaml"}, DictFacts())
