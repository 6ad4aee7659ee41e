"""The OpenFeature provider: events, types, and the request as the transaction context."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import EventDetails, ProviderEvent
from openfeature.provider import ProviderStatus

from flagmiddleware import Context, Flags
from flagmiddleware.context import LazyContext
from flagmiddleware.openfeature import FlagMiddlewareProvider, RequestContextPropagator
from flagmiddleware.sources import MemorySource
from flagmiddleware.web.current import activate, deactivate
from tests.services import wait_for

PRO = {"if": {"plan": "pro"}, "serve": True}


def document(**flags: Any) -> dict[str, Any]:
    """A native document."""
    return {"version": 1, "flags": flags}


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    """OpenFeature's API is one for the process."""
    yield
    api.shutdown()


@pytest.fixture
def client(request: pytest.FixtureRequest) -> Any:
    """A client of a provider over the flags in the marker ``flags``."""
    api.set_provider_and_wait(FlagMiddlewareProvider(Flags(request.param)))
    return api.get_client()


def write(path: Path, **flags: Any) -> None:
    """Replace a flag file so that its change cannot be missed."""
    path.with_suffix(".new").write_text(json.dumps(document(**flags)) + "\n")
    os.replace(path.with_suffix(".new"), path)


def test_events_follow_the_source(tmp_path: Path) -> None:
    """A change names the keys that differ; a bad file makes the provider STALE, a good one READY again."""
    path = tmp_path / "flags.json"
    write(path, beta={}, gamma={})
    flags = Flags(path)
    seen: list[tuple[ProviderEvent, EventDetails]] = []
    api.set_provider_and_wait(FlagMiddlewareProvider(flags, close=True))
    client = api.get_client()
    for event in ProviderEvent:
        client.add_handler(event, lambda details, event=event: seen.append((event, details)))
    wait_for(lambda: seen, "the event that says READY")
    assert [event for event, _ in seen] == [ProviderEvent.PROVIDER_READY]
    seen.clear()
    write(path, beta={"rules": [{"serve": True}]}, gamma={})
    flags.refresh()
    wait_for(lambda: seen, "the event of the change")
    assert seen[0][0] is ProviderEvent.PROVIDER_CONFIGURATION_CHANGED
    assert seen[0][1].flags_changed == ["beta"]
    seen.clear()
    path.write_text("{")
    flags.refresh()
    wait_for(lambda: seen, "the event that says STALE")
    assert seen[0][0] is ProviderEvent.PROVIDER_STALE
    assert client.get_provider_status() is ProviderStatus.STALE
    assert client.get_boolean_value("beta", False) is True
    seen.clear()
    write(path, beta={}, gamma={})
    flags.refresh()
    wait_for(lambda: len(seen) == 2, "the events that say READY and changed")
    assert {event for event, _ in seen} == {
        ProviderEvent.PROVIDER_READY,
        ProviderEvent.PROVIDER_CONFIGURATION_CHANGED,
    }


def test_a_change_is_told_though_nobody_reads(tmp_path: Path) -> None:
    """From the provider's start to its end a thread looks: the file's change, its loss and its return arrive alone."""
    path = tmp_path / "flags.json"
    write(path, beta={}, gamma={})
    api.set_provider_and_wait(FlagMiddlewareProvider(Flags(path)))
    seen: list[tuple[ProviderEvent, Any]] = []
    client = api.get_client()
    for event in (ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ProviderEvent.PROVIDER_STALE):
        client.add_handler(event, lambda details, event=event: seen.append((event, details.flags_changed)))
    write(path, beta={"rules": [{"serve": True}]}, gamma={})
    wait_for(lambda: seen, "the event of the change")
    assert seen == [(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, ["beta"])]
    path.unlink()
    wait_for(lambda: len(seen) == 2, "the event that says STALE")
    assert seen[1][0] is ProviderEvent.PROVIDER_STALE


def watchers() -> set[threading.Thread]:
    """The threads that look at the flags for a provider."""
    return {thread for thread in threading.enumerate() if thread.name == "flagmiddleware-openfeature"}


def test_the_thread_lives_as_long_as_the_provider(tmp_path: Path) -> None:
    """One thread from set to shutdown, none for a provider that is only made or that is told not to watch."""
    others = watchers()
    path = tmp_path / "flags.json"
    write(path, beta={})
    provider = FlagMiddlewareProvider(Flags(path))
    assert watchers() <= others
    api.set_provider_and_wait(provider)
    provider.initialize(EvaluationContext())
    (ours,) = watchers() - others
    api.set_provider_and_wait(FlagMiddlewareProvider(Flags(path), watch=False))
    wait_for(lambda: ours not in watchers(), "the end of the thread")
    assert watchers() <= others


def test_a_source_that_raises_does_not_end_the_watch(caplog: pytest.LogCaptureFixture) -> None:
    """A source of somebody else's fails in a way that it should not: told once, and its next change still arrives."""
    source = Moody(json.dumps(document(beta={})).encode())
    api.set_provider_and_wait(FlagMiddlewareProvider(Flags(source, refresh=0)))
    seen: list[Any] = []
    api.get_client().add_handler(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, seen.append)
    source.failures = 2
    wait_for(lambda: source.failures == 0, "two looks that fail")
    source.put(json.dumps(document(beta={"rules": [PRO]})).encode())
    wait_for(lambda: seen, "the event of the change")
    assert [record.message for record in caplog.records].count("the flags could not be looked at") == 1


class Moody(MemorySource):
    """Breaks the contract of a source for as long as ``failures`` is positive."""

    failures = 0

    def changed(self, known: Any) -> bool:
        """Raises what a source must not raise."""
        if self.failures:
            self.failures -= 1
            raise ZeroDivisionError
        return super().changed(known)


def test_a_provider_without_flags_is_an_error(tmp_path: Path) -> None:
    """Where the source has given nothing yet, the provider does not become READY, and callers get their default."""
    flags = Flags(tmp_path / "missing.json", strict=False)
    with pytest.raises(Exception, match="no flags to serve"):
        api.set_provider_and_wait(FlagMiddlewareProvider(flags))
    client = api.get_client()
    assert client.get_provider_status() is ProviderStatus.ERROR
    assert client.get_boolean_value("beta", True) is True
    write(tmp_path / "missing.json", beta={})
    wait_for(lambda: client.get_provider_status() is ProviderStatus.READY, "the file that comes late")
    assert client.get_boolean_value("beta", True) is False


@pytest.mark.parametrize("client", [document(half={"rules": [{"rollout": "50%"}], "default": True})], indirect=True)
def test_a_missing_key_is_told_in_the_metadata(client: Any) -> None:
    """The SDK would discard a value that comes with an error code; the default is to be served."""
    details = client.get_boolean_details("half", False)
    assert (details.value, details.reason, details.error_code) == (True, "DEFAULT", None)
    assert details.flag_metadata["flagmiddleware.error_code"] == "TARGETING_KEY_MISSING"


@pytest.mark.parametrize(
    "client",
    [
        document(
            n={"variants": {"a": 1, "b": 2}, "off": "a"},
            s={"variants": {"a": "x"}, "off": "a"},
            b={},
            big={"variants": {"a": 10**400}, "off": "a"},
        )
    ],
    indirect=True,
)
def test_types_are_not_mixed_up(client: Any) -> None:
    """An integer widens to a float; a boolean is no number, and nothing is a text but a text."""
    assert client.get_float_value("n", 0.5) == 1.0
    assert isinstance(client.get_float_value("n", 0.5), float)
    for kind, key in (
        ("integer", "b"),
        ("float", "b"),
        ("boolean", "n"),
        ("string", "n"),
        ("object", "s"),
        ("float", "big"),
    ):
        defaults = {"integer": 7, "float": 7.5, "boolean": True, "string": "d", "object": {"d": 1}}
        details = getattr(client, f"get_{kind}_details")(key, defaults[kind])
        assert details.error_code == "TYPE_MISMATCH", (kind, key)
        assert details.value == defaults[kind]


@pytest.mark.parametrize("client", [document(mine={"rules": [{"if": {"user": "ann"}, "serve": True}]})], indirect=True)
def test_the_targeting_key_stands_in_for_the_user(client: Any) -> None:
    """``targetingKey`` is enough for a rule on ``user``; a given ``user`` goes before it; tracking does nothing."""
    assert client.get_boolean_value("mine", False, EvaluationContext("ann")) is True
    assert client.get_boolean_value("mine", False, EvaluationContext("ann", {"user": "bob"})) is False
    client.track("bought")


# -- the transaction context ---------------------------------------------------------------------------------------


class Request:
    """A request that is running: flags bound to a lazy context, as every adapter binds them."""

    def __init__(self, flags: Flags, **attributes: Any) -> None:
        self.context = LazyContext({name: lambda _, value=value: value for name, value in attributes.items()})
        self.here = flags.bind(self.context)

    def __enter__(self) -> Any:
        self.token = activate(self.here)
        return self

    def __exit__(self, *_: object) -> None:
        deactivate(self.token)


@pytest.fixture
def flags() -> Flags:
    """Flags whose provider is set, with the propagator."""
    found = Flags(document(beta={"rules": [PRO]}, half={"rules": [{"rollout": "50%"}]}, other={}))
    api.set_provider_and_wait(FlagMiddlewareProvider(found))
    api.set_transaction_context_propagator(RequestContextPropagator())
    return found


def test_a_view_evaluates_without_passing_any_context(flags: Flags) -> None:
    """Inside a request its attributes decide, only those that a rule reads are resolved, and the read is recorded."""
    client = api.get_client()
    with Request(flags, plan="pro", targeting_key="user-1", email="ann@example.com") as running:
        assert client.get_boolean_value("beta", False) is True
        assert list(running.context) == ["plan"]
        assert list(running.here.evaluated()) == ["beta"]
        expected = flags.is_enabled("half", Context("user-1"))
        assert client.get_boolean_value("half", not expected) is expected
    assert client.get_boolean_value("beta", False) is False


def test_the_asynchronous_methods_see_the_request_too(flags: Flags) -> None:
    """``get_boolean_value_async`` decides for the running request."""
    with Request(flags, plan="pro"):
        assert asyncio.run(api.get_client().get_boolean_value_async("beta", False)) is True


def test_contexts_outrank_each_other_in_openfeatures_order(flags: Flags) -> None:
    """API, then request, then what was set for the transaction, then client, then call: the later wins."""
    client = api.get_client()
    api.set_evaluation_context(EvaluationContext("everybody", {"plan": "pro"}))
    with Request(flags, targeting_key="user-1"):
        assert client.get_boolean_value("beta", False) is True  # the request does not know, the API does
    with Request(flags, plan="free", targeting_key="user-1"):
        assert client.get_boolean_value("beta", False) is False  # the request knows better
        api.set_transaction_context(EvaluationContext(attributes={"plan": "pro "[:3]}))
        assert client.get_boolean_value("beta", False, EvaluationContext(attributes={"plan": "free"})) is False
        client.context = EvaluationContext(attributes={"plan": "".join(["pr", "o"])})
        assert client.get_boolean_value("beta", False) is True
        expected = flags.is_enabled("half", Context("user-42"))
        found = client.get_boolean_value("half", not expected, EvaluationContext("user-42"))
        assert found is expected
        expected = flags.is_enabled("half", Context("user-1"))
        assert client.get_boolean_value("half", not expected) is expected  # the request's key, not everybody's


def test_a_static_answer_is_kept_until_the_flags_change(tmp_path: Path) -> None:
    """Asked again, a flag without rules costs one look-up: the same details; a change and an override end that."""
    path = tmp_path / "flags.json"
    write(path, beta={})
    flags = Flags(path, refresh=0)
    provider = FlagMiddlewareProvider(flags)
    asked = EvaluationContext("user-1", {"plan": "pro"})
    first = provider.resolve_boolean_details("beta", True, asked)
    assert provider.resolve_boolean_details("beta", True, None) is first
    assert provider.resolve_string_details("beta", "x", asked).error_code == "TYPE_MISMATCH"
    with flags.override({"beta": True}):
        assert provider.resolve_boolean_details("beta", False, asked).value is True
    assert provider.resolve_boolean_details("beta", True, asked).value is False
    write(path, beta={"rules": [PRO]})
    assert provider.resolve_boolean_details("beta", False, asked).value is True
    assert provider.resolve_boolean_details("beta", True, EvaluationContext("user-1")).value is False


def test_shared_metadata_cannot_be_changed() -> None:
    """What a hook writes into the metadata would be in everybody's answer: it is refused, a copy is a plain dict."""
    provider = FlagMiddlewareProvider(Flags(document(beta={"metadata": {"team": "shop"}})))
    metadata: Any = provider.resolve_boolean_details("beta", True).flag_metadata
    for change in (lambda: metadata.update(a=1), lambda: metadata.pop("team"), lambda: metadata.__setitem__("a", 1)):
        with pytest.raises(TypeError, match="read-only"):
            change()
    copied = copy.deepcopy(metadata)
    assert (metadata, copied, type(copied)) == ({"team": "shop"}, {"team": "shop"}, dict)
    assert json.loads(json.dumps(metadata)) == copied


def test_no_more_answers_are_kept_than_are_useful() -> None:
    """The memory for answers is bounded, whoever asks for whatever."""
    flags = {f"flag-{number}": {"rules": [{**PRO, "serve": True}]} for number in range(1500)}
    provider = FlagMiddlewareProvider(Flags({"version": 1, "flags": flags}))
    for key in flags:
        assert provider.resolve_boolean_details(key, False, EvaluationContext("u", {"plan": "pro"})).value is True
        assert provider.resolve_boolean_details(f"no-{key}", False).error_code == "FLAG_NOT_FOUND"
    assert len(provider._served) <= 1024
    assert len(provider._constants) <= len(flags)
