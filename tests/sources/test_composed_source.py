"""Sources that settings, a URL or a dict compose: what answers when, what a change is written to, what is refused."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from flagmiddleware import Flags
from flagmiddleware.errors import ConfigurationError, RulesetError, SourceError
from flagmiddleware.release.targets import StoreTarget
from flagmiddleware.sources import Change, FileSource, MemorySource, Snapshot, Source, open_source
from flagmiddleware.sources.cached import cached
from flagmiddleware.sources.env import environment_over
from flagmiddleware.sources.overlay import overlay
from flagmiddleware.sources.wrappers import fallback, readonly
from tests.services import HOST, free_port, redis_server, wait_for

pytestmark = pytest.mark.faults

OFF = b'{"version": 1, "flags": {"beta": {}, "extra": {}}}'
ON = b'{"version": 1, "flags": {"beta": {"default": true}, "extra": {}}}'
KILLED = b'{"version": 1, "flags": {"beta": {"enabled": false}, "extra": {}}}'


class Network(MemorySource):
    """A store far away that can go dark, or keep whoever asks waiting."""

    threaded = True
    start_timeout = 0.2

    def __init__(self, data: bytes) -> None:
        super().__init__(data, name="the store")
        self.dark = False
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        self.asked.set()
        self.answers.wait(60)
        if self.dark:
            raise SourceError("the store is dark")
        return super().fetch(known)


@pytest.fixture
def store() -> Iterator[Network]:
    """A store with the flag off."""
    made = Network(OFF)
    yield made
    made.answers.set()


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: the team's file, a developer's, and one for bad days."""
    monkeypatch.chdir(tmp_path)
    Path("flags.json").write_bytes(OFF)
    Path("mine.json").write_bytes(b'{"version": 1, "flags": {"beta": {"default": true}}}')
    Path("bundled.json").write_bytes(ON)
    return tmp_path


# -- a fallback -----------------------------------------------------------------------------------------------------


def test_a_fallback_serves_a_start_until_the_store_answers(store: Network, caplog: pytest.LogCaptureFixture) -> None:
    """One line says that the second one answers, one that the first one does again."""
    caplog.set_level(logging.INFO)
    store.dark = True
    flags = Flags(fallback(store, MemorySource(ON, name="bundled")))
    assert flags.is_enabled("beta")
    for _ in range(3):
        flags.refresh()
    store.dark = False
    flags.refresh()
    assert not flags.is_enabled("beta")
    flags.refresh()
    said = [record.getMessage() for record in caplog.records if "flags come from" in record.getMessage()]
    assert said == [
        "flags come from bundled, since the store cannot be read: the store is dark",
        "the store can be read again: flags come from there",
    ]
    flags.close()


def test_a_store_that_goes_dark_does_not_bring_the_fallback_back(store: Network) -> None:
    """What it said last stays: an older file would undo a kill."""
    store.put(KILLED)
    flags = Flags(fallback(store, MemorySource(ON)))
    store.dark = True
    flags.refresh()
    assert flags.evaluate("beta").reason == "DISABLED"
    with pytest.raises(SourceError, match="the store is dark"):
        flags.source.fetch(flags._holder.snapshot)
    flags.close()


def test_two_dark_sources_are_both_named(store: Network) -> None:
    """Each says why it cannot be read."""
    store.dark = True
    with pytest.raises(SourceError, match=r"the store is dark; gone\.json cannot be read"):
        fallback(store, FileSource("gone.json")).fetch(None)


def test_files_that_are_a_choice_are_looked_at_only_when_they_changed(places: Path) -> None:
    """A missing first file costs a stat; once it is there, it answers."""
    source = fallback(FileSource("gone.json"), FileSource("flags.json", now=lambda: 4e9))
    known = source.fetch(None)
    assert known is not None
    assert not source.changed(known)
    Path("gone.json").write_bytes(ON)
    assert source.changed(known)
    newer = source.fetch(known)
    assert newer is not None
    assert newer.data == ON


# -- what lies over it ----------------------------------------------------------------------------------------------


def test_an_overlay_comes_and_goes(places: Path) -> None:
    """A developer's file may be missing, appear, and be deleted: the flags below show again."""
    Path("mine.json").rename("later.json")
    flags = Flags(overlay(FileSource("flags.json", now=lambda: 4e9), FileSource("mine.json", now=lambda: 4e9)))
    assert not flags.source.changed(flags._holder.snapshot)
    assert not flags.is_enabled("beta")
    Path("later.json").rename("mine.json")
    flags.refresh()
    assert flags.is_enabled("beta")
    Path("mine.json").unlink()
    flags.refresh()
    assert not flags.is_enabled("beta")
    assert flags.status.state == "READY"


def test_layers_are_read_as_their_flags_say(places: Path) -> None:
    """The environment, and whether one bad flag refuses the whole, hold for every layer."""
    staged = b'{"version": 1, "flags": {"beta": {"environments": {"staging": {"default": true}}}}}'
    Path("mine.json").write_bytes(staged)
    source = overlay(FileSource("flags.json"), FileSource("mine.json"))
    assert Flags(source, environment="staging").is_enabled("beta")
    assert not Flags(source).is_enabled("beta")
    Path("mine.json").write_bytes(b'{"version": 1, "flags": {"beta": {"rules": 5}, "fine": {"default": true}}}')
    with pytest.raises(RulesetError):
        Flags(source)
    lenient = Flags(source, strict=False)
    assert lenient.is_enabled("fine")
    assert lenient.evaluate("beta").error_code == "PARSE_ERROR"


def test_big_layers_are_parsed_off_the_request_path(places: Path) -> None:
    """An overlay over a large file is read in a thread, as the file alone is."""
    flags = {f"flag-{number}": {"description": "x" * 200} for number in range(1000)}
    Path("flags.json").write_text(json.dumps({"version": 1, "flags": flags}))
    made = Flags(overlay(FileSource("flags.json"), FileSource("mine.json")), refresh=0)
    seen: list[str] = []
    made.subscribe(lambda change: seen.append(threading.current_thread().name))
    Path("mine.json").write_bytes(OFF + b"\n")
    wait_for(lambda: made.plan and seen, "the change arrived")
    assert seen[0] == "flagmiddleware-reload"


def test_half_an_overlay_is_waited_out(places: Path) -> None:
    """A file that was written just now and does not end in a line end may be half of itself, wherever it lies."""
    flags = Flags(overlay(FileSource("flags.json"), FileSource("mine.yaml")))
    Path("mine.yaml").write_text("version: 1\nflags:\n  beta:\n    default: true")
    flags.refresh()
    assert not flags.is_enabled("beta")
    Path("mine.yaml").write_text("version: 1\nflags:\n  beta: {default: true}\n")
    flags.refresh()
    assert flags.is_enabled("beta")


def test_a_variable_whose_flag_was_tidied_away_keeps_nobody_waiting(caplog: pytest.LogCaptureFixture) -> None:
    """At the start of a file it is refused; later it is told once, and changes, kills too, go on arriving."""
    base = MemorySource(ON)
    flags = Flags(environment_over(base, {"FLAG_EXTRA": "on"}), refresh=0)
    base.put(b'{"version": 1, "flags": {"beta": {"enabled": false}}}')
    assert flags.evaluate("beta").reason == "DISABLED"
    base.put(b'{"version": 1, "flags": {"beta": {}}}')
    assert flags.evaluate("beta").reason == "STATIC"
    assert caplog.text.count("there is no such flag") == 1


def test_a_misspelt_variable_does_not_darken_a_site_that_starts_from_a_store(
    store: Network, caplog: pytest.LogCaptureFixture
) -> None:
    """A source over the network never keeps a start from its flags: the variable is told and left out."""
    flags = Flags(environment_over(store, {"FLAG_BETTA": "on", "FLAG_EXTRA": "on"}))
    assert flags.is_enabled("extra")
    assert flags.status.state == "READY"
    assert "flags.betta" in caplog.text
    flags.close()


def test_variables_name_flags_of_every_spelling() -> None:
    """Other systems' keys have capitals and underscores, which a variable's name cannot tell."""
    odd = MemorySource(b'{"flags": {"newCheckout_v2": {"state": "ENABLED", "variants": {"on": true, "off": false}, '
                       b'"defaultVariant": "off"}}}')  # fmt: skip
    assert Flags(environment_over(odd, {"FLAG_NEWCHECKOUT_V2": "on"})).is_enabled("newCheckout_v2")


# -- starting -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: environment_over(inner, {"FLAG_EXTRA": "on"}),
        lambda inner: overlay(inner, MemorySource(b'{"version": 1, "flags": {"extra": {"default": true}}}')),
        lambda inner: fallback(inner, MemorySource(OFF)),
        readonly,
    ],
    ids=["environment", "overlay", "fallback", "readonly"],
)
def test_a_start_waits_no_longer_for_what_lies_round_a_cache(
    tmp_path: Path, store: Network, wrap: Callable[[Source], Source]
) -> None:
    """The store swallows the question: after ``start_timeout`` the snapshot on disk is served, under each wrapper."""
    kept = MemorySource(ON, name="the store")
    Flags(cached(kept, tmp_path)).close()
    store.answers.clear()
    flags = Flags(wrap(cached(store, tmp_path)))
    assert store.asked.is_set()
    assert flags.is_enabled("beta")
    assert flags.status.state == "STALE"
    flags.close()


def test_a_start_waits_no_longer_for_a_store_that_has_a_fallback(store: Network) -> None:
    """Nothing on disk: the second one is served after ``start_timeout``, and the store when it answers."""
    store.answers.clear()
    flags = Flags(fallback(store, MemorySource(ON)))
    assert flags.is_enabled("beta")
    store.answers.set()
    wait_for(lambda: not flags.is_enabled("beta"), "the store answered")
    flags.close()


# -- settings, URLs, dicts ------------------------------------------------------------------------------------------


def test_a_dict_a_url_and_settings_say_the_same(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Base, fallback, overlay, variables: composed alike whoever says it; what is given beside goes before."""
    monkeypatch.setenv("SHOP_EXTRA", "on")
    gone = f"redis://{HOST}:{free_port()}/0"
    settings: dict[str, Any] = {"fallback": "flags.json", "overlay": "mine.json", "env_prefix": "SHOP_"}
    query = "&".join(f"{name}={quote(value)}" for name, value in settings.items())
    made = [
        open_source(gone, **settings),
        open_source(f"{gone}?{query}"),
        open_source({"url": gone, **settings}),
        open_source({"url": gone, **settings, "overlay": "nowhere.json"}, overlay="mine.json"),
    ]
    for source in (*made, {"url": gone, **settings}):
        flags = Flags(source)
        assert (flags.is_enabled("beta"), flags.is_enabled("extra")) == (True, True)
        flags.close()
    assert {source.name for source in made} == {f"environment over mine.json over {gone}#flags, else flags.json"}


def test_nothing_switches_itself_on(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables count only where a prefix was given."""
    monkeypatch.setenv("FLAG_BETA", "on")
    assert not Flags("flags.json").is_enabled("beta")
    assert Flags(open_source("flags.json", env_prefix="FLAG_")).is_enabled("beta")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fallback": ""}, "fallback: '' is no place of flags"),
        ({"overlay": 5}, "overlay: 5 is no place of flags"),
        ({"overlay": {"ulr": "redis://:hunter2@h/"}}, "overlay: a dict without 'url' is no place"),
        ({"fallback": "rediss+http://u:hunter2@h"}, r"fallback: no source is known for rediss\+http://"),
        ({"env_prefix": "FLAG"}, "env_prefix: 'FLAG' begins no variable"),
        ({"env_prefix": "_"}, "env_prefix: '_' begins no variable"),
        ({"env_prefix": True}, "env_prefix: True begins no variable"),
        ({"readonly": "maybe"}, "readonly: 'maybe' is neither true nor false"),
        ({"readonly": 1}, "readonly: 1 is neither true nor false"),
    ],
)
def test_what_makes_no_sense_is_refused_by_its_name(settings: dict[str, Any], said: str) -> None:
    """As a setting, and in a dict, where the name says so; no password is shown."""
    with pytest.raises(ConfigurationError, match=said) as caught:
        open_source("flags.json", **settings)
    name = next(iter(settings))
    with pytest.raises(ConfigurationError) as within:
        open_source({"url": "flags.json", **settings})
    assert str(within.value) == f"source[{name!r}]{str(caught.value).removeprefix(name)}"
    assert "hunter2" not in str(caught.value)


def test_a_misspelt_setting_in_a_dict_is_refused() -> None:
    """With the nearest one there is."""
    with pytest.raises(ConfigurationError, match=r"source\['fallbak'\]: .* did you mean 'fallback'\?"):
        Flags({"url": "flags.json", "fallbak": "bundled.json"})


# -- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.services
def test_a_change_is_written_to_the_base(places: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under a fallback, an overlay and variables the store is read, written and asked for its history; a kill there
    reaches through."""
    monkeypatch.setenv("FLAG_BETA", "on")
    with redis_server() as server:
        url = f"{server}?name={uuid4().hex}"
        plain: Any = open_source(url)
        plain.write(Change(data=OFF), None)
        source: Any = open_source(url, fallback="bundled.json", overlay="mine.json", env_prefix="FLAG_")
        flags = Flags(source)
        assert flags.is_enabled("beta")
        target = StoreTarget(source)
        assert next(iter(target.read().files.values())) == OFF
        target.source.write(Change(data=KILLED, reason="bad"), "1")
        assert [entry["revision"] for entry in source.history()] == ["2", "1"]
        wait_for(lambda: flags.evaluate("beta").reason == "DISABLED", "the kill reached through", 10)
        flags.close()
        plain.close()


def test_a_read_only_source_says_so(store: Network) -> None:
    """Below or above what lies over it: nothing is written, and the error tells why."""
    over = MemorySource(b'{"version": 1, "flags": {}}')
    for source in (readonly(overlay(store, over)), overlay(readonly(store), over)):
        with pytest.raises(ConfigurationError, match="opened read-only"):
            StoreTarget(source)
