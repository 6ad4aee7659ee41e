"""URLs that make no sense: refused where they are given, and nothing of a password is shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from flagmiddleware import Flags
from flagmiddleware.cli import flags
from flagmiddleware.errors import ConfigurationError, SourceError
from flagmiddleware.sources import Snapshot, from_url
from flagmiddleware.sources.cached import cached
from tests.services import HOST, free_port

pytestmark = pytest.mark.faults

LOGINS = ["ann:wo/rd", "ann:wo#rd", "ann:wo?rd", "ann:wo%rd"]
PLACES = ["redis://{}@h/0", "redis+cluster://{}@h:1,h:2", "redis+sentinel://{}@h/main", "postgresql://{}@h/flags"]


@pytest.mark.parametrize("login", LOGINS)
@pytest.mark.parametrize("place", [*PLACES, "https://{}@h/flags.json"])
def test_half_a_password_is_shown_nowhere(place: str, login: str) -> None:
    """A login that is not escaped cuts the URL in the wrong place: refused with the cure, before it can be a name."""
    with pytest.raises(ConfigurationError, match="%2F") as refused:
        from_url(place.format(login))
    for half in ("ann", "wo/", "wo#", "wo?", "wo%", "rd@"):
        assert half not in str(refused.value)


@pytest.mark.parametrize("place", [*PLACES, "https://{}@h/flags.json", "unleash+https://{}@h/api"])
def test_an_escaped_password_is_taken(place: str) -> None:
    """Whatever it is made of; the name has none of it."""
    source = from_url(place.format("ann%40home:wo%2Frd%25%23%3F"))
    assert not any(half in source.name for half in ("ann", "wo", "rd"))


@pytest.mark.parametrize(
    "url",
    [
        *("redis://h:one/0", "redis+cluster://h:1,h:two", "https://h:99999/f", "http://[::1/f", "postgresql://h:x/d"),
        *("flagd+https://h:x/f", "flagd+grpc://h:x"),
    ],
)
def test_a_port_that_is_none_is_refused_where_it_is_given(url: str) -> None:
    """Not by the first fetch, which would darken a site that has a fallback."""
    with pytest.raises(ConfigurationError, match="number for the port"):
        from_url(url)


@pytest.mark.parametrize(
    "url",
    [
        *("redis://[::1]:6379/0", "redis+cluster://[::1]:1,h", "postgresql://h:1,i:2/d", "postgresql:///d?host=/run"),
        *("https://h/@team/flags.json", "redis+sentinel://h:1,i/main?name=shop"),
    ],
)
def test_unusual_addresses_that_make_sense_are_taken(url: str) -> None:
    """Several hosts, brackets, a socket's folder, an at sign in a path of the web."""
    from_url(url).close()


@pytest.mark.parametrize("query", ["no_such_option=1", "socket_timeout=long"])
def test_an_option_that_the_client_lacks_is_refused(query: str) -> None:
    """By its name, without the value and the login."""
    with pytest.raises(ConfigurationError, match=query.partition("=")[0]) as refused:
        from_url(f"redis://ann:word@h/0?{query}")
    assert "word" not in str(refused.value).replace("keyword", "")
    assert "long" not in str(refused.value)


def test_the_command_says_it_in_a_line() -> None:
    """No traceback, exit code 2, no password."""
    found = CliRunner().invoke(flags, ["status", "postgresql://ann:wo%rd@h/flags"])
    assert found.exit_code == 2
    assert "escape a login" in found.output
    assert "wo%rd" not in found.output


@pytest.mark.parametrize("url", ["redis+cluster://{0}:{1}", "redis+sentinel://{0}:{1}/main", "redis://a..b/0"])
def test_a_store_of_any_kind_that_is_away_is_a_matter_of_its_source(url: str, tmp_path: Path) -> None:
    """Whatever the client raises, it is a SourceError of one line: that is what a cache or a fallback waits for."""
    with pytest.raises(SourceError) as told:
        from_url(url.format(HOST, free_port())).fetch(None)
    assert "0x" not in str(told.value)
    file = tmp_path / "flags.json"
    file.write_text('{"version": 1, "flags": {"beta": {"default": true}}}')
    served = Flags({"url": url.format(HOST, free_port()), "fallback": str(file), "start_timeout": 20})
    assert served.is_enabled("beta")
    served.close()
    source = from_url(url.format(HOST, free_port()))
    kept = cached(source, tmp_path / "kept")
    kept.accepted(Snapshot(data=file.read_bytes(), name=source.name, revision="1", epoch="e"))
    before = Flags(cached(source, tmp_path / "kept"))
    assert (before.is_enabled("beta"), before.status.state) == (True, "STALE")
    before.close()
