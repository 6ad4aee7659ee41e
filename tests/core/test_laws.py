"""The laws of evaluation, over generated documents and contexts that hold anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.bucketing import encode_key
from flagmiddleware.model import ErrorCode, Reason, Rollout

from .strategies import contexts, documents

MANY = settings(max_examples=400)


def _has_surrogate(context: Context) -> bool:
    try:
        str.encode(context.targeting_key) if isinstance(context.targeting_key, str) else b""
    except UnicodeEncodeError:
        return True
    return False


@contextmanager
def no_fallbacks(flags: Flags, context: Context) -> Iterator[None]:
    """Compiled code decided everything itself; only a lone surrogate in the key may be left to the interpreter."""
    yield
    if not _has_surrogate(context):
        assert flags.status.fallbacks == 0


@MANY
@given(documents(), contexts())
def test_the_compiler_agrees_with_the_interpreter(document: dict[str, Any], context: Context) -> None:
    """Compiled and interpreted, unbound and bound, every flag has the same evaluation."""
    flags = Flags(document)
    here = flags.bind(context)
    with no_fallbacks(flags, context):
        for key in document["flags"]:
            expected = flags.plan.interpreter.evaluate(flags.ruleset.flags[key], context)
            assert flags.evaluate(key, context) == expected
            assert here.evaluate(key) == expected
    assert here.evaluated() == flags.bind(context).all()


@MANY
@given(documents(), contexts(), st.text(), st.sampled_from([None, "x", 1, 0.5, True, [], {}]))
def test_the_result_is_a_declared_value_or_the_default(
    document: dict[str, Any], context: Context, unknown: str, default: Any
) -> None:
    """Evaluation never raises, whatever is asked; value() gives what the file declares or what the caller passed."""
    flags = Flags(document)
    for key in [*document["flags"], unknown]:
        flag = flags.ruleset.flags.get(key)
        declared = list(flag.variants.values()) if flag is not None else []
        found = flags.value(key, context, default)
        assert found is default or any(found == value for value in declared)
        assert flags.is_enabled(key, context) in (True, False)
        assert flags.evaluate(key, context).error_code in (
            (ErrorCode.FLAG_NOT_FOUND,) if flag is None else (None, ErrorCode.TARGETING_KEY_MISSING)
        )


@MANY
@given(st.integers(0, 10_000), st.integers(0, 10_000), st.lists(st.integers().map("user-{}".format), min_size=1))
def test_raising_a_percentage_never_removes_a_subject(one: int, other: int, users: list[str]) -> None:
    """Who was in at the lower percentage is in at the higher."""
    low, high = (
        Flags({"version": 1, "flags": {"new-checkout": {"rules": [{"rollout": f"{share / 100}%"}]}}})
        for share in sorted((one, other))
    )
    for user in users:
        assert low.is_enabled("new-checkout", Context(user)) <= high.is_enabled("new-checkout", Context(user))


@given(documents(), contexts())
def test_a_reload_of_equal_content_changes_no_decision(document: dict[str, Any], context: Context) -> None:
    """The same definitions read again, in a plan that took over from the last, decide the same."""
    from flagmiddleware.sources import MemorySource

    source = MemorySource(json.dumps(document).encode(), format="json")
    flags = Flags(source, refresh=0)
    before = flags.bind(context).all()
    source.put(json.dumps(document, indent=1).encode())
    assert flags.bind(context).all() == before
    assert flags.status.reloads == 1


@given(documents(), st.data(), contexts())
def test_file_order_of_unrelated_flags_changes_nothing(
    document: dict[str, Any], data: st.DataObject, context: Context
) -> None:
    """Flags are decided each for itself: their order in the file is for people."""
    order = data.draw(st.permutations(sorted(document["flags"])))
    shuffled = {**deepcopy(document), "flags": {key: document["flags"][key] for key in order}}
    assert Flags(shuffled).bind(context).all() == Flags(document).bind(context).all()


@given(documents(), contexts())
def test_a_killed_flag_reads_nothing_else(document: dict[str, Any], context: Context) -> None:
    """enabled: false serves off to everyone, with reason DISABLED."""
    for flag in document["flags"].values():
        flag["enabled"] = False
    flags = Flags(document)
    for key, evaluation in flags.bind(context).all().items():
        assert evaluation.reason is Reason.DISABLED
        assert evaluation.variant == flags.ruleset.flags[key].off
        assert not evaluation.is_enabled
        assert flags.plan.reads(key) == frozenset()


@given(documents(), contexts())
def test_what_is_read_is_announced(document: dict[str, Any], context: Context) -> None:
    """A decision touches no attribute that plan.reads() did not name: async adapters resolve those beforehand."""
    from flagmiddleware.context import LazyContext

    flags = Flags(document)
    for key in document["flags"]:
        lazy = LazyContext({"targeting_key": lambda _: context.targeting_key, **_resolvers(context)})
        flags.is_enabled(key, lazy)
        assert set(lazy) <= flags.plan.reads(key)


def _resolvers(context: Context) -> dict[str, Any]:
    return {name: (lambda _, value=value: value) for name, value in context.items()}


@pytest.mark.parametrize("key", ["user-1", 42, "ß", "\ud800"])
def test_the_share_that_is_served_follows_the_bucket(key: object) -> None:
    """A rollout serves exactly those whose bucket lies below its threshold."""
    from flagmiddleware.bucketing import bucket

    flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"rollout": "50%"}]}}})
    gate = flags.ruleset.flags["beta"].rules[0].gate
    assert isinstance(gate, Rollout)
    place = bucket("beta", key)
    assert place is not None
    assert flags.is_enabled("beta", Context(key)) is (place < gate.share.threshold)
    assert encode_key(key)
