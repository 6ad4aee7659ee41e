"""Options are checked when they are given, in the site's own spelling."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.sources import FileSource
from flagmiddleware.sources.urls import SETTINGS
from flagmiddleware.web import Installation, WebOptions

from .doubles import DictFacts

KEYS = ["a secret key of the tests"]


async def _later(request: object) -> bool:
    return False


class _Later:
    async def __call__(self, request: object) -> bool:
        return False


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
        ({"visitor_cookie": _later}, "a plain function; this one is asynchronous"),  # its coroutine would be a yes
        ({"debug_header": _Later()}, "a plain function; this one is asynchronous"),
        ({"cookie_secure": "yes"}, "cookie_secure: 'yes'"),
        ({"observers": [1]}, "observers: 1"),
        ({"max_stale": 0}, "max_stale: 0"),
        ({"max_stale": "60"}, "max_stale: '60'"),
        ({"max_stale": True}, "max_stale: True"),
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


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"start_timeout": 0}, "FLAGS_START_TIMEOUT: 0 is not a number of seconds"),
        ({"start_timeout": "soon"}, "FLAGS_START_TIMEOUT: 'soon'"),
        ({"start_timeout": float("inf")}, "FLAGS_START_TIMEOUT: inf"),
        ({"cache_dir": 5}, "FLAGS_CACHE_DIR: 5 is not a folder"),
        ({"cache_dir": "/dev/null/below"}, "FLAGS_CACHE_DIR: /dev/null/below cannot be used"),
        ({"snapshot_key": "hunter2"}, "FLAGS_SNAPSHOT_KEY: needs at least 16 bytes"),
        ({"snapshot_key": ["hunter2-hunter2-hunter2", "hunter2"]}, "FLAGS_SNAPSHOT_KEY: needs"),
        ({"snapshot_key": 5}, "FLAGS_SNAPSHOT_KEY: needs"),
        ({"source": "flags.yaml", "snapshot_key": KEYS[0]}, "FLAGS_SNAPSHOT_KEY: flags.yaml carries no signatures"),
        ({"source": {"version": 1, "flags": {}}, "cache_dir": "x"}, "FLAGS_CACHE_DIR: definitions in the program"),
        ({"source": "rediss+http://u:hunter2@h/"}, "FLAGS_SOURCE: no source is known for rediss+http://"),
        ({"source": "redis://u:hunter2@h/0?start_timeout=soon"}, "FLAGS_START_TIMEOUT: 'soon'"),
        ({"source": "redis://h/0?snapshot_key=hunter2-hunter2-hunter2"}, "FLAGS_SNAPSHOT_KEY: a URL ends up in logs"),
        ({"overlay": ""}, "FLAGS_OVERLAY: '' is no place of flags"),
        ({"fallback": "rediss+http://u:hunter2@h/"}, "FLAGS_FALLBACK: no source is known for rediss+http://"),
        ({"env_prefix": "FLAG"}, "FLAGS_ENV_PREFIX: 'FLAG' begins no variable"),
        ({"readonly": "maybe"}, "FLAGS_READONLY: 'maybe' is neither true nor false"),
        ({"source": "redis://h/0?readonly=maybe"}, "FLAGS_READONLY: 'maybe'"),
        ({"source": {"url": "redis://h/0", "cache_dir": 5}}, "FLAGS_SOURCE['cache_dir']: 5 is not a folder"),
        ({"source": {"url": "redis://h/0", "cashe_dir": "x"}}, "FLAGS_SOURCE['cashe_dir']: known beside 'url' are"),
        ({"source": {"url": "redis://h/0"}, "cache_dir": 5}, "FLAGS_CACHE_DIR: 5 is not a folder"),
        ({"source": "redis://h/0?max_stale=60"}, "max_stale: the health check of the site takes it"),
    ],
)
def test_what_lies_round_a_source_is_checked(settings: dict[str, Any], said: str) -> None:
    """A value that makes no sense is refused at start under the setting's own name, and no secret is shown."""
    with pytest.raises(ConfigurationError) as caught:
        Installation.build(
            {"source": "redis://h/0"} | settings, DictFacts(), spelling=lambda name: f"FLAGS_{name.upper()}"
        )
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_password_in_the_url_is_never_shown(tmp_path: Path) -> None:
    """Flags that cannot be used are told of by their source's name, which holds no login."""
    (tmp_path / "flags.json").write_text("{ no flags")
    with pytest.raises(ConfigurationError) as caught:
        Installation.build({"source": f"file://u:hunter2@localhost{tmp_path}/flags.json"}, DictFacts())
    assert "flags.json" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_settings_that_say_nothing_change_nothing(tmp_path: Path) -> None:
    """None, as a settings module has it for what is not set, is as good as leaving it out."""
    (tmp_path / "flags.json").write_text('{"version": 1, "flags": {}}')
    unset = dict.fromkeys((*SETTINGS, "max_stale"))
    built = Installation.build({"source": tmp_path / "flags.json", **unset}, DictFacts())
    assert type(built.flags.source) is FileSource
    assert built.health().status == 200
