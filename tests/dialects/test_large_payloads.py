"""Payloads of other systems that are large in two ways at once: loading them takes work in proportion to their size."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.formats import flagd_references, parse
from flagmiddleware.imports import convert

N = 150
SUBJECT = Context("user-1", plan="x1")


def flagd(rule: Any, shared: Any) -> Callable[[int], Any]:
    """As many flags, each with ``rule``, as there are parts in the rule ``shared(n)`` that they refer to."""

    def document(n: int) -> Any:
        common = {
            "state": "ENABLED",
            "variants": {"on": True, "off": False},
            "defaultVariant": "off",
        }
        return {
            "flags": {f"f{one}": {**common, "targeting": rule} for one in range(n)},
            "$evaluators": shared(n),
        }

    return document


def feature(name: str, *strategies: Any, **more: Any) -> dict[str, Any]:
    """A feature that is enabled."""
    return {
        "name": name,
        "enabled": True,
        "strategies": list(strategies) or [{"name": "default"}],
        **more,
    }


def unleash(
    *one: Any, many: Callable[[int], Any], segments: Callable[[int], Any] = lambda n: []
) -> Callable[[int], Any]:
    """The features ``one(n)``, then ``many`` of them."""
    return lambda n: {
        "version": 2,
        "features": [*(make(n) for make in one), *map(many, range(n))],
        "segments": segments(n),
    }


def constraints(n: int) -> list[dict[str, Any]]:
    """As many constraints."""
    return [{"contextName": "plan", "operator": "NOT_IN", "values": [f"x{one}"]} for one in range(n)]


def variants(n: int) -> list[dict[str, Any]]:
    """As many variants, of different names."""
    return [{"name": f"v{one}", "weight": 1} for one in range(n)]


def child(number: int) -> dict[str, Any]:
    """A feature that asks the feature ``parent``."""
    return feature(f"f{number}", dependencies=[{"feature": "parent"}])


IF_SHARED = {"if": [{"$ref": "shared"}, "on", "off"]}
ANY_OF_MANY = {"in": [{"var": "plan"}, {"var": "x"}]}
BY_PART = {"name": "flexibleRollout", "parameters": {"rollout": "50"}}
PAYLOADS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "flagd: a list in a shared rule": (
        "flagd",
        flagd(
            IF_SHARED,
            lambda n: {"shared": {"in": [{"var": "plan"}, [f"y{one}" for one in range(n)]]}},
        ),
    ),
    "flagd: a shared rule of many comparisons": (
        "flagd",
        flagd(
            IF_SHARED,
            lambda n: {"shared": {"or": [{"==": [{"var": "plan"}, f"y{one}"]} for one in range(n)]}},
        ),
    ),
    "flagd: a shared rule that waits for many instants": (
        "flagd",
        flagd(
            IF_SHARED,
            lambda n: {"shared": {"or": [{">": [{"var": "$flagd.timestamp"}, 4e9 + one]} for one in range(n)]}},
        ),
    ),
    "unleash: a segment of many constraints": (
        "unleash",
        unleash(
            many=lambda one: feature(f"f{one}", {"name": "default", "segments": [1]}),
            segments=lambda n: [{"id": 1, "constraints": constraints(n)}],
        ),
    ),
    "unleash: children of a parent with many variants": (
        "unleash",
        unleash(lambda n: feature("parent", variants=variants(n)), many=child),
    ),
    "unleash: children of a parent that is decided again for each": (
        "unleash",
        unleash(
            lambda n: feature("parent", {**BY_PART, "constraints": constraints(n)}),
            many=child,
        ),
    ),
    "unleash: one name with many values": (
        "unleash",
        lambda n: {
            "features": [
                feature(
                    "f0",
                    variants=[
                        {
                            "name": "v",
                            "weight": 1,
                            "payload": {"type": "string", "value": str(one)},
                        }
                        for one in range(n)
                    ],
                )
            ]
        },
    ),
    "unleash: strategies with variants of their own": (
        "unleash",
        lambda n: {
            "features": [
                feature(
                    "f0",
                    *(
                        {
                            "name": "userWithId",
                            "parameters": {"userIds": f"u{one}"},
                            "variants": [
                                {"name": f"v{one}", "weight": 1},
                                {"name": f"w{one}", "weight": 1},
                            ],
                        }
                        for one in range(n)
                    ),
                )
            ]
        },
    ),
}


def steps(function: Callable[[], object]) -> int:
    """How many lines of Python a call runs."""
    count, before = 0, sys.gettrace()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def assert_proportional(work: Callable[[int], Callable[[], object]]) -> None:
    """Twice as much of something is at most about twice the work."""
    steps(work(N))  # what is imported and cached at the first time
    assert steps(work(2 * N)) < 3 * steps(work(N))


@pytest.mark.parametrize("payload", PAYLOADS)
def test_twice_the_payload_is_twice_the_work(payload: str) -> None:
    """Parts that many flags share are read once, so that a document of 10 MB cannot hold a worker for minutes."""
    dialect, document = PAYLOADS[payload]

    def load(n: int) -> Callable[[], object]:
        data = json.dumps(document(n)).encode()
        return lambda: Flags(parse(data, format=dialect)).evaluate("f0", SUBJECT)

    assert_proportional(load)


IMPORTS: dict[str, tuple[str, Callable[[int], Any]]] = {
    "waffle: users of flags": (
        "waffle",
        lambda n: [
            *({"model": "waffle.flag", "pk": one, "fields": {"name": f"f{one}"}} for one in range(n)),
            *(
                {
                    "model": "waffle_flag_users",
                    "pk": one,
                    "fields": {"flag_id": one, "user_id": one},
                }
                for one in range(n)
            ),
        ],
    ),
    "django-flags: names without a letter that can be kept": (
        "django-flags",
        lambda n: {"FLAGS": {chr(0x4E00 + one): [{"condition": "boolean", "value": True}] for one in range(n)}},
    ),
    "flagd: flags that cannot be said": (
        "flagd",
        lambda n: flagd({"if": [{"and": []}, "on", "off"]}, lambda n: {})(n),
    ),
    "unleash: a segment of many constraints": (
        "unleash",
        PAYLOADS["unleash: a segment of many constraints"][1],
    ),
}


@pytest.mark.parametrize("payload", IMPORTS)
def test_twice_the_file_is_twice_the_work_to_import(payload: str) -> None:
    """Notes, names and joins are found by key, not by looking through all of them for each flag."""
    kind, document = IMPORTS[payload]

    def run(n: int) -> Callable[[], object]:
        data = json.dumps(document(n)).encode()
        return lambda: convert(kind, data, name="file")

    assert_proportional(run)


def test_a_shared_rule_that_hashes_stays_each_flags_own() -> None:
    """`fractional` hashes the flag's key: two flags that share such a rule must not share its answers."""
    split = {"fractional": [["on", 50], ["off", 50]]}
    document = flagd(
        {"$ref": "outer"},
        lambda n: {"outer": {"if": [True, {"$ref": "shared"}]}, "shared": split},
    )(40)
    flags = Flags(document, format="flagd")
    written_out = Flags(flagd(split, lambda n: {})(40), format="flagd")
    answers = [[each.is_enabled(f"f{one}", SUBJECT) for one in range(40)] for each in (flags, written_out)]
    assert answers[0] == answers[1]
    assert set(answers[0]) == {True, False}


def test_a_shared_rule_tells_each_flag_what_it_reads() -> None:
    """The second flag that uses a rule reads the same attributes as the first, through a nested reference too."""
    document = flagd(
        IF_SHARED,
        lambda n: {
            "shared": {"!": [{"$ref": "inner"}]},
            "inner": {"==": [{"var": "plan"}, "pro"]},
        },
    )(2)
    flags = Flags(document, format="flagd")
    payloads = [flags.plan.ruleset.flags[key].rules[0].payload for key in ("f0", "f1")]
    assert [payload.reads for payload in payloads] == [("plan",), ("plan",)]
    other = json.loads(json.dumps(document).replace('"pro"', '"free"'))
    assert Flags(other, format="flagd").plan.ruleset.flags["f1"].rules[0].payload != payloads[1]


def test_shared_rules_that_every_flag_needs_for_itself_have_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where a long rule hashes the flag's key it cannot be shared: the flags beyond the limit answer alone."""
    monkeypatch.setattr(flagd_references, "MAX_COPIED", 1000)
    split = {"fractional": [["on", 1], ["off" * 100, 0]]}
    flags = Flags(
        flagd({"$ref": "shared"}, lambda n: {"shared": split})(10),
        format="flagd",
        strict=False,
    )
    codes = [flags.evaluate(f"f{one}", SUBJECT).error_code for one in range(10)]
    assert codes[0] is None
    assert codes[-1] == "PARSE_ERROR"


@pytest.mark.parametrize("depth", [120, 500])
def test_a_value_that_is_nested_deep_is_that_flags_alone(depth: int) -> None:
    """A variant of five hundred levels neither refuses the document nor the import of the others."""
    deep: Any = 1
    for _ in range(depth):
        deep = {"a": deep}
    common = {"state": "ENABLED", "defaultVariant": "on"}
    document = {"flags": {"bad": {**common, "variants": {"on": deep}}, "good": {**common, "variants": {"on": True}}}}
    data = json.dumps(document).encode()
    flags = Flags(parse(data, format="flagd"))
    assert flags.is_enabled("good")
    assert (flags.evaluate("bad").error_code is None) is (depth < 200)
    result = convert("flagd", data)
    assert Flags(result.document).is_enabled("good")
    assert [note.flag for note in result.notes if note.kept == "lost"] == ["bad"]


GROWING = {"var": "accumulator"}
BOMBS: dict[str, Any] = {
    "a text that doubles": {"reduce": [[0] * 60, {"cat": [GROWING, GROWING]}, "xx"]},
    "an array that doubles": {"reduce": [[0] * 60, {"merge": [GROWING, GROWING]}, [1]]},
    "loops in loops": {"var": ""},
    "a long text in each of many rounds": {"map": [[0] * 50_000, {"in": [{"var": ""}, "y" * 100_000]}]},
}
for _ in range(20):
    BOMBS["loops in loops"] = {"map": [[1] * 10, BOMBS["loops in loops"]]}


@pytest.mark.parametrize("kind", BOMBS)
@pytest.mark.parametrize("is_shared", [False, True])
def test_a_rule_that_would_run_for_hours_is_that_flags_alone(kind: str, is_shared: bool) -> None:
    """A few hundred bytes of JsonLogic can ask for any amount of time and memory: it ends with an error code."""
    common = {"state": "ENABLED", "defaultVariant": "on", "variants": {"on": True}}
    rule = {"map": [[1, 2, 3], {"$ref": "bomb"}]} if is_shared else BOMBS[kind]
    document = {
        "flags": {"bad": {**common, "targeting": rule}, "good": {**common, "targeting": {"if": [True, "on"]}}},
        "$evaluators": {"bomb": BOMBS[kind]},
    }
    flags = Flags(parse(json.dumps(document).encode(), format="flagd"))
    for _ in range(2):
        found = flags.evaluate("bad", SUBJECT)
        assert found.error_code == "GENERAL"
        assert "ValueError: the rule" in str(found.error_message)
        assert flags.is_enabled("good", SUBJECT)


def test_loops_over_what_a_site_has_are_within_bounds() -> None:
    """The limit is for definitions that multiply: thousands of a subject's own items are looked through."""
    rule = {"some": [{"var": "items"}, {"and": [{"==": [{"var": "kind"}, "book"]}, {">": [{"var": "price"}, 10]}]}]}
    flags = Flags(flagd({"if": [rule, "on", "off"]}, lambda n: {})(1), format="flagd")
    items = [{"kind": "book", "price": 5}] * 20_000
    for _ in range(3):
        assert not flags.is_enabled("f0", Context("u", items=items))
        assert flags.is_enabled("f0", Context("u", items=[*items, {"kind": "book", "price": 11}]))
