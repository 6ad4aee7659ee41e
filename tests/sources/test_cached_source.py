"""The last good snapshot on disk: whole or not at all, and nobody else's."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import pytest

from flagmiddleware import Flags
from flagmiddleware.errors import ConfigurationError, SourceError
from flagmiddleware.sources import Change, MemorySource, Snapshot
from flagmiddleware.sources.cached import cached
from flagmiddleware.sources.overlay import overlay
from flagmiddleware.sources.signed import sign, signed
from flagmiddleware.sources.wrappers import fallback

pytestmark = pytest.mark.faults

GOOD = b'{"version": 1, "flags": {"beta": {"default": true}}}'


class Store(MemorySource):
    """A store that can be dark, and that is slow enough to need a thread."""

    threaded = True
    dark = False

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        if self.dark:
            raise SourceError("the store is dark")
        return super().fetch(known)


def kept_in(folder: Path) -> Path:
    """The one file of a cache that has been filled."""
    Flags(cached(Store(GOOD), folder)).close()
    (path,) = folder.iterdir()
    return path


def start(folder: Path, store: Store | None = None) -> Flags:
    """A start while the store is dark."""
    store = store or Store(GOOD)
    store.dark = True
    return Flags(cached(store, folder), refresh=0.1)


def test_a_start_in_the_dark_uses_what_was_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The restarted process serves yesterday's flags, and says so."""
    kept_in(tmp_path / "cache")
    flags = start(tmp_path / "cache")
    assert flags.is_enabled("beta")
    assert "starting from the snapshot kept on disk" in caplog.text
    assert (flags.status.state, flags.status.last_error) == ("STALE", "the store is dark")
    flags.close()


def test_a_start_in_the_dark_names_the_flags_that_nobody_could_read_too(tmp_path: Path) -> None:
    """Why the flags are old and which of them are broken: one does not hide the other."""
    broken = Store(GOOD.replace(b'{"beta"', b'{"broken": {"rules": [{"rollout": "much"}]}, "beta"'))
    Flags(cached(broken, tmp_path / "cache"), strict=False).close()
    flags = start(tmp_path / "cache", broken)
    first, *others = flags.status.last_error.splitlines()
    assert (first, any("broken" in line for line in others)) == ("the store is dark", True)
    flags.close()


def test_a_start_that_has_waited_long_enough_uses_what_was_kept(tmp_path: Path) -> None:
    """A store that swallows packets says neither yes nor no: after ``start_timeout`` the disk's flags are served, and
    when the store answers after all, its own."""
    kept_in(tmp_path / "cache")
    store, answer = Store(GOOD.replace(b"true", b"false")), threading.Event()

    class Silent(Store):
        start_timeout = 0.05

        def fetch(self, known: Snapshot | None) -> Snapshot | None:
            answer.wait(30)
            return store.fetch(known)

    flags = Flags(cached(Silent(GOOD), tmp_path / "cache"), refresh=0.1)
    assert flags.is_enabled("beta")
    assert (flags.status.state, "has not answered yet" in flags.status.last_error) == ("STALE", True)
    answer.set()
    store.put(GOOD.replace(b"true", b"false"))
    flags.refresh()
    assert (flags.is_enabled("beta"), flags.status.state) == (False, "READY")
    flags.close()


def test_when_the_store_is_back_it_is_followed(tmp_path: Path) -> None:
    """What was kept is the same revision or an older one: the store's word counts again."""
    kept_in(tmp_path / "cache")
    store = Store(GOOD)
    flags = start(tmp_path / "cache", store)
    store.dark = False
    store.put(GOOD.replace(b"true", b"false"))
    flags.refresh()
    assert not flags.is_enabled("beta")
    flags.close()


def test_only_a_snapshot_in_force_is_kept(tmp_path: Path) -> None:
    """A bad document from the store does not replace the good one on disk, or the next start would be dark too."""
    store = Store(GOOD)
    flags = Flags(cached(store, tmp_path / "cache"), refresh=0.1)
    store.put(b"{ no flags")
    flags.refresh()
    assert flags.status.state == "STALE"
    flags.close()
    again = start(tmp_path / "cache")
    assert again.is_enabled("beta")
    again.close()


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: overlay(inner, MemorySource(b'{"version": 1, "flags": {}}')),
        lambda inner: fallback(inner, MemorySource(b"{}")),
    ],
    ids=["overlay", "fallback"],
)
def test_it_is_kept_under_other_wrappers_too(tmp_path: Path, wrap: object) -> None:
    """What comes into force through a wrapper reaches the cache inside it."""
    flags = Flags(wrap(cached(Store(GOOD), tmp_path / "cache")))  # type: ignore[operator]
    assert flags.is_enabled("beta")
    flags.close()
    again = start(tmp_path / "cache")
    assert again.is_enabled("beta")
    again.close()


def test_every_truncation_is_seen(tmp_path: Path) -> None:
    """Cut at every byte: never half a set of flags, never an exception, always the store's own error."""
    path = kept_in(tmp_path / "cache")
    whole = path.read_bytes()
    store = Store(GOOD)
    store.dark = True
    source = cached(store, tmp_path / "cache")
    for cut in range(len(whole)):
        path.write_bytes(whole[:cut])
        with pytest.raises(SourceError, match="the store is dark"):
            source.fetch(None)


def test_every_flipped_byte_is_seen(tmp_path: Path) -> None:
    """A disk that lies is found out."""
    path = kept_in(tmp_path / "cache")
    whole = path.read_bytes()
    store = Store(GOOD)
    store.dark = True
    source = cached(store, tmp_path / "cache")
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(SourceError, match="the store is dark"):
            source.fetch(None)


def test_a_disk_that_cannot_be_written_costs_a_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The folder vanished (or is full, or read-only): the flags are served all the same."""
    source = cached(Store(GOOD), tmp_path / "cache")
    os.rmdir(tmp_path / "cache")
    flags = Flags(source)
    assert flags.is_enabled("beta")
    assert "could not be kept on disk" in caplog.text
    flags.close()


def test_eight_writers_leave_one_whole_file(tmp_path: Path) -> None:
    """Workers share the folder: whoever is last wins, and nobody reads half of anybody's."""
    stores = [Store(GOOD) for _ in range(8)]
    sources = [cached(store, tmp_path / "cache") for store in stores]
    snapshots = [
        Snapshot(data=GOOD + b" " * 10_000 * number, name="memory", revision=str(number)) for number in range(8)
    ]
    reader = Store(GOOD)
    reader.dark = True
    reading = cached(reader, tmp_path / "cache")
    sources[0].accepted(snapshots[0])  # type: ignore[attr-defined]

    def write(number: int) -> None:
        for _ in range(10):
            sources[number].accepted(snapshots[number])  # type: ignore[attr-defined]

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found = reading.fetch(None)
        assert found is not None
        assert found.data == snapshots[int(found.revision)].data
    assert len(list((tmp_path / "cache").iterdir())) == 1, "no temporary file stays behind"


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Definitions may name customers: the folder is 0700, whatever it was, and the file 0600."""
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o755)
    path = kept_in(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_users_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who owns the folder decides what we would start from."""
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        cached(Store(GOOD), tmp_path / "cache")


def test_two_sources_do_not_share_a_file(tmp_path: Path) -> None:
    """The name of the file tells sources apart even where its readable part does not."""
    one, two = Store(GOOD, name="redis://a/0"), Store(b'{"version": 1, "flags": {}}', name="redis://a?0")
    for store in (one, two):
        Flags(cached(store, tmp_path)).close()
    assert len(list(tmp_path.iterdir())) == 2


def test_a_signature_is_checked_on_disk_too(tmp_path: Path) -> None:
    """Whoever can write the folder cannot make flags: ``signed`` around ``cached`` covers both."""
    key = b"sixteen bytes or more"
    path = kept_in(tmp_path / "cache")
    store = Store(GOOD)
    store.dark = True
    with pytest.raises(SourceError, match="not signed"):
        signed(cached(store, tmp_path / "cache"), key).fetch(None)
    snapshot = Snapshot(data=GOOD, name="memory", revision="1")
    cached(Store(GOOD), tmp_path / "cache").accepted(  # type: ignore[attr-defined]
        Snapshot(data=GOOD, name="memory", revision="1", signature=sign(snapshot, key))
    )
    found = signed(cached(store, tmp_path / "cache"), key).fetch(None)
    assert found is not None
    assert found.data == GOOD
    assert path.exists()


def test_a_cached_store_can_still_be_written(tmp_path: Path) -> None:
    """Writing goes through to the store."""
    store = Store(GOOD)
    source = cached(store, tmp_path / "cache")
    assert source.write(Change(data=GOOD), "1") == "2"  # type: ignore[attr-defined]
