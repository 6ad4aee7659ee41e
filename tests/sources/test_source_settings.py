"""What a URL's query and a site's settings put round a source."""

from __future__ import annotations

import logging
from pathlib import Path
from uuid import uuid4

import pytest

from flagmiddleware import Flags
from flagmiddleware.errors import ConfigurationError, SourceError
from flagmiddleware.sources import Change, from_url, open_source
from flagmiddleware.sources.redis import RedisSource
from flagmiddleware.sources.settings import split_options
from tests.services import HOST, free_port, redis_server

GOOD = b'{"version": 1, "flags": {"beta": {"default": true}}}'
KEY = "sixteen bytes or more"


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://cdn/f.json?sig=a%2Fb%3D&start_timeout=1&x=+%20", "https://cdn/f.json?sig=a%2Fb%3D&x=+%20"),
        ("https://cdn/f.json?start_timeout=1", "https://cdn/f.json"),
        ("redis://h/0?name=shop&start_timeout=1&socket_keepalive=1", "redis://h/0?name=shop&socket_keepalive=1"),
        ("https://cdn/f.json?start_timeout=1#part", "https://cdn/f.json#part"),
    ],
)
def test_what_is_not_ours_stays_as_it_was_written(url: str, plain: str) -> None:
    """The rest of a query may be signed: neither its order nor its escapes are touched."""
    assert split_options(url) == (plain, {"start_timeout": "1"})
    untouched = "https://cdn/f.json?sig=a%2Fb%3D&&x"
    assert split_options(untouched) == (untouched, {})


@pytest.mark.services
def test_a_url_with_everything(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Cache, key file and time limit in the query: written through, read, restarted in the dark; no log line and no
    name holds the key or the password."""
    caplog.set_level(logging.DEBUG)
    keys = tmp_path / "keys"
    keys.write_text(f"{KEY}\nthe key before that one\n")
    query = f"name={uuid4().hex}&cache_dir={tmp_path}/a%20cache&snapshot_key_file={keys}&start_timeout=1"
    with redis_server("--requirepass", "hunter2") as server:
        url = server.replace("//", "//:hunter2@") + f"?{query}"
        source = from_url(url)
        assert source.write(Change(data=GOOD), None) == "1"  # type: ignore[attr-defined]
        assert source.history(1)[0]["revision"] == "1"  # type: ignore[attr-defined]
        flags = Flags(url)
        assert flags.is_enabled("beta")
        flags.close()
        source.close()
    again = Flags(url)
    assert again.is_enabled("beta")
    assert again.status.state == "STALE"
    again.close()
    (kept,) = (tmp_path / "a cache").iterdir()
    kept.write_bytes(kept.read_bytes().replace(b"true", b"fals"))
    forged = Flags(url)
    assert not forged.is_enabled("beta")
    forged.close()
    for secret in ("hunter2", KEY):
        assert secret not in caplog.text + again.status.source + again.status.last_error


@pytest.mark.services
def test_a_forged_store_at_the_start_leaves_the_disks_flags(redis_url: str, tmp_path: Path) -> None:
    """Somebody wrote the store without the key: a restart serves what was kept, whose signature is right."""
    url = f"{redis_url}?name={uuid4().hex}"
    ours = open_source(url, cache_dir=tmp_path, snapshot_key=KEY)
    ours.write(Change(data=GOOD), None)  # type: ignore[attr-defined]
    Flags(ours).close()
    RedisSource(url).write(Change(data=GOOD.replace(b"true", b"false")), "1")
    flags = Flags(open_source(url, cache_dir=tmp_path, snapshot_key=KEY))
    assert flags.is_enabled("beta")
    assert "not signed with our snapshot key" in flags.status.last_error
    flags.close()


@pytest.mark.services
def test_keys_are_rotated(redis_url: str) -> None:
    """Readers that know the new key and the old one believe both; who knows only the new one, only that."""
    url, old, new = f"{redis_url}?name={uuid4().hex}", "the key of last year", "the key of this year"
    open_source(url, snapshot_key=old).write(Change(data=GOOD), None)  # type: ignore[attr-defined]
    assert open_source(url, snapshot_key=[new, old]).fetch(None) is not None
    with pytest.raises(SourceError, match="not signed"):
        open_source(url, snapshot_key=new).fetch(None)
    open_source(url, snapshot_key=[new, old]).write(Change(data=GOOD + b"\n"), "1")  # type: ignore[attr-defined]
    assert open_source(url, snapshot_key=new).fetch(None) is not None


def test_a_key_file_that_is_not_there() -> None:
    """The message names the option and the file."""
    with pytest.raises(ConfigurationError, match=r"snapshot_key_file: /no/such/key cannot be read"):
        from_url("redis://h/0?snapshot_key_file=/no/such/key")


def test_settings_go_before_the_url() -> None:
    """A site's settings are nearer to its operator than a URL that was handed to it."""
    url = f"redis://{HOST}:{free_port()}/0?start_timeout=9"
    assert open_source(url, start_timeout=0.5).start_timeout == 0.5  # type: ignore[attr-defined]
    assert open_source(url).start_timeout == 9  # type: ignore[attr-defined]
