"""The front door: what is_enabled, value and evaluate answer, and when the source is looked at."""

from __future__ import annotations

import contextvars
import logging
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from flagmiddleware import Context, ErrorCode, Flags, Reason, RulesetError, SourceError
from flagmiddleware.conditions import OPERATORS
from flagmiddleware.context import LazyContext
from flagmiddleware.errors import ContextNotReadyError
from flagmiddleware.model import AnyOf, Compute, Fault, Flag, Predicate, Rule, Ruleset, Serve, Test
from flagmiddleware.sources import MemorySource

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "always": {"rules": [{"serve": True}]},
        "plain": {},
        "killed": {"enabled": False, "rules": [{"serve": True}]},
        "quarter": {"rules": [{"name": "some", "rollout": "25%"}]},
        "none": {"rules": [{"rollout": 0}]},
        "everyone": {"rules": [{"rollout": "100%"}]},
        "button": {
            "variants": {"blue": "#00f", "green": "#0f0"},
            "off": "blue",
            "rules": [{"if": {"plan": "pro"}, "serve": "green"}],
        },
        "limit": {"variants": {"low": 10, "high": 20}, "off": "low", "metadata": {"team": "growth"}},
        "needs-always": {"requires": {"always": True}, "rules": [{"serve": True}]},
        "needs-killed": {"requires": {"killed": True}, "rules": [{"serve": True}]},
        "needs-killed-off": {"requires": {"killed": False}, "rules": [{"serve": True}]},
        "needs-green": {"requires": {"button": ["green"]}, "rules": [{"serve": True}]},
    },
}


def test_only_off_is_off() -> None:
    """Enabled is whoever is served another variant than `off`, whatever its value; overridden or not."""
    variants = {"yes": True, "no": False, "never": False}
    flags = Flags({"version": 1, "flags": {"a": {"variants": variants, "off": "no", "default": "never"}}})
    assert flags.is_enabled("a")
    assert flags.value("a") is False
    with flags.override({"a": "never"}):
        assert flags.is_enabled("a")
    with flags.override({"a": "no"}):
        assert not flags.is_enabled("a")


def test_a_missing_key_is_no_fault_to_log(caplog: pytest.LogCaptureFixture) -> None:
    """Plain data instead of a Context goes the long way round; its missing key serves the default, silently."""
    flags = Flags({"version": 1, "flags": {"a": {"default": True, "rules": [{"rollout": "25%"}]}}})
    assert flags.evaluate("a", {"plan": "pro"}).error_code is ErrorCode.TARGETING_KEY_MISSING  # type: ignore[arg-type]
    assert flags.is_enabled("a", {"plan": "pro"})  # type: ignore[arg-type]
    assert not caplog.records


@pytest.fixture
def flags() -> Flags:
    return Flags(DOCUMENT)


@pytest.mark.parametrize(
    ("key", "variant", "reason", "rule"),
    [
        ("always", "on", Reason.TARGETING_MATCH, "rule 1"),
        ("plain", "off", Reason.STATIC, None),
        ("killed", "off", Reason.DISABLED, None),
        ("quarter", "off", Reason.SPLIT, "some"),
        ("none", "off", Reason.SPLIT, "rule 1"),
        ("everyone", "on", Reason.SPLIT, "rule 1"),
        ("button", "blue", Reason.DEFAULT, None),
        ("limit", "low", Reason.STATIC, None),
        ("needs-always", "on", Reason.TARGETING_MATCH, "rule 1"),
        ("needs-killed", "off", Reason.DISABLED, "requires:killed"),
        ("needs-killed-off", "on", Reason.TARGETING_MATCH, "rule 1"),
        ("needs-green", "off", Reason.DISABLED, "requires:button"),
    ],
)
def test_reasons(flags: Flags, key: str, variant: str, reason: Reason, rule: str | None) -> None:
    """Each way to decide has its own reason and names its rule."""
    found = flags.evaluate(key, Context("user-1" if key != "quarter" else "user-42"))
    assert (found.variant, found.reason, found.rule, found.error_code) == (variant, reason, rule, None)


def test_an_unknown_flag_gives_the_callers_default(flags: Flags) -> None:
    """FLAG_NOT_FOUND, never an exception."""
    assert flags.value("gone", default="x") == "x"
    assert not flags.is_enabled("gone")
    assert flags.evaluate("gone").error_code is ErrorCode.FLAG_NOT_FOUND
    for odd in (None, 7, [], "\ud800"):
        assert flags.evaluate(odd).error_code is ErrorCode.FLAG_NOT_FOUND  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "default", "expected"),
    [
        ("button", "x", "#00f"),
        ("button", 1, 1),
        ("limit", 0, 10),
        ("limit", 0.5, 10.0),
        ("limit", True, True),
        ("limit", "x", "x"),
        ("always", 1, 1),
        ("always", False, True),
    ],
)
def test_value_has_the_type_of_the_default(flags: Flags, key: str, default: object, expected: object) -> None:
    """Another JSON type gives the default; an int widens to float; a bool is never a number."""
    found = flags.value(key, Context("user-1"), default)
    assert found == expected
    assert type(found) is type(expected)


def test_object_values_are_shared_and_cannot_be_changed() -> None:
    """One request cannot change what the next one gets; a copy is an ordinary dict."""
    from copy import deepcopy

    flags = Flags({"version": 1, "flags": {"layout": {"variants": {"a": {"columns": [1]}}, "off": "a"}}})
    layout = flags.value("layout")
    with pytest.raises(TypeError, match="copy it first"):
        layout["columns"].append(2)
    with pytest.raises(TypeError):
        layout["x"] = 1
    mine = deepcopy(layout)
    mine["columns"].append(2)
    assert flags.value("layout") == {"columns": [1]}


def test_a_rollout_without_a_key_gives_the_default_and_says_so(flags: Flags) -> None:
    """Never a dice: reason DEFAULT, code TARGETING_KEY_MISSING."""
    for key in (None, "", True, 1.5):
        found = flags.evaluate("quarter", Context(key))
        assert (found.variant, found.reason) == ("off", Reason.DEFAULT)
        assert found.error_code is ErrorCode.TARGETING_KEY_MISSING
    assert flags.is_enabled("everyone")


def test_a_key_that_cannot_be_shown_is_an_unknown_flag(flags: Flags) -> None:
    """A key that no text can be made of, such as a number of 5,000 digits, raises no more than a misspelt one."""
    key: Any = 10**5000
    assert not flags.is_enabled(key)
    assert flags.value(key, default="mine") == "mine"
    assert flags.bind(Context()).evaluate(key).error_message == "there is no flag '<int>'"


def test_odd_contexts_are_answered_too(flags: Flags) -> None:
    """A mapping is taken for a context's attributes, anything else for nobody."""
    assert flags.value("button", {"plan": "pro"}) == "#0f0"  # type: ignore[arg-type]
    assert flags.value("button", "user-1") == "#00f"  # type: ignore[arg-type]
    assert flags.value("button", None) == "#00f"


def test_metadata_comes_with_the_evaluation(flags: Flags) -> None:
    """The flag's free metadata, as OpenFeature's flag metadata."""
    assert flags.evaluate("limit").flag_metadata == {"team": "growth"}


def test_a_bad_definition_raises_at_start_when_strict() -> None:
    """All problems at once; lenient, the good flags work and the bad one answers PARSE_ERROR."""
    document = {"version": 1, "flags": {"good": {"default": True}, "bad": {"rules": [{"rollout": 101}], "colour": 1}}}
    with pytest.raises(RulesetError) as caught:
        Flags(document)
    assert len(caught.value.problems) == 2
    flags = Flags(document, strict=False)
    assert flags.is_enabled("good")
    assert flags.evaluate("bad").error_code is ErrorCode.PARSE_ERROR
    assert not flags.is_enabled("bad")


def test_what_a_lenient_start_leaves_out_is_told(caplog: pytest.LogCaptureFixture) -> None:
    """The log, once, and the status name what is wrong, until the definitions are right."""
    source = MemorySource(b'{"version": 1, "flags": {"good": {"default": true}, "bad": {"colour": 1}}}')
    flags = Flags(source, strict=False, refresh=0)
    assert flags.is_enabled("good")
    assert "flags.bad.colour" in flags.status.last_error
    assert len([one for one in caplog.records if "flags.bad.colour" in one.getMessage()]) == 1
    source.put(b'{"version": 1, "flags": {"good": {"default": true}}}')
    assert flags.is_enabled("good")
    assert flags.status.last_error == ""


def test_a_missing_file_raises_at_start_when_strict(tmp_path: Path) -> None:
    """Lenient, the site starts without flags, and gets them when the file appears."""
    path = tmp_path / "flags.json"
    with pytest.raises(SourceError, match=r"flags\.json"):
        Flags(path)
    flags = Flags(path, strict=False, refresh=0)
    assert flags.status.state == "ERROR"
    path.write_text('{"version": 1, "flags": {"beta": {"default": true}}}\n')
    assert flags.is_enabled("beta")
    assert flags.status.state == "READY"


def test_the_source_is_left_alone_until_the_deadline() -> None:
    """Reads between two looks touch no source at all."""
    looks: list[int] = []

    class Counting(MemorySource):
        def changed(self, known: Any) -> bool:
            looks.append(1)
            return super().changed(known)

    flags = Flags(Counting(b'{"version": 1, "flags": {"beta": {}}}'), refresh=3600)
    looks.clear()
    for _ in range(100):
        flags.is_enabled("beta")
    assert looks == []
    flags.refresh()
    eager = Flags(Counting(b'{"version": 1, "flags": {"beta": {}}}'), refresh=0)
    looks.clear()
    eager.is_enabled("beta")
    assert looks == [1]


def test_reading_definitions_leaves_nothing_in_the_callers_context(tmp_path: Path) -> None:
    """Percentages are read as Decimals, whose context variable would make each of a request's own dearer to set."""

    def load() -> tuple[int, int]:
        before = len(contextvars.copy_context())
        document = {"version": 1, "flags": {"beta": {"rules": [{"rollout": "0.5%"}]}}}
        Flags(document)
        (tmp_path / "flags.yaml").write_text("version: 1\nflags: {beta: {rules: [{rollout: 0.5%}]}}")
        with closing(Flags(tmp_path / "flags.yaml", refresh=0)) as flags:
            (tmp_path / "flags.yaml").write_text("version: 1\nflags: {beta: {rules: [{rollout: 0.25%}]}}")
            assert flags.plan is not None
            flags.refresh()
            assert "0.25%" in repr(flags.ruleset.flags["beta"])
        return before, len(contextvars.copy_context())

    before, after = contextvars.Context().run(load)
    assert after == before


def test_environments_are_chosen_at_construction() -> None:
    """The same file, another environment."""
    document = {
        "version": 1,
        "flags": {"beta": {"environments": {"staging": {"rules": [{"serve": True}]}}}},
    }
    assert not Flags(document).is_enabled("beta")
    assert Flags(document, environment="staging").is_enabled("beta")


def test_subscribers_hear_what_changed_and_cannot_break_it(caplog: pytest.LogCaptureFixture) -> None:
    """A callback gets old and new rulesets and the keys that differ; one that fails is logged and no more."""
    source = MemorySource(b'{"version": 1, "flags": {"a": {}, "b": {}, "n": {"variants": {"x": 1}, "off": "x"}}}')
    flags = Flags(source, refresh=0)
    heard: list[tuple[str, ...]] = []

    def fail(change: object) -> None:
        raise RuntimeError("subscriber")

    flags.subscribe(fail)
    stop = flags.subscribe(lambda change: heard.append(change.changed))
    source.put(b'{"version": 1, "flags": {"a": {"default": true}, "n": {"variants": {"x": 1.0}, "off": "x"}}}')
    assert flags.is_enabled("a")
    assert [set(keys) for keys in heard] == [{"a", "b", "n"}]
    assert "subscriber" in caplog.text
    stop()
    stop()
    source.put(b'{"version": 1, "flags": {}}')
    flags.refresh()
    assert len(heard) == 1


def test_a_reload_keeps_what_did_not_change() -> None:
    """Functions of equal flags are taken over; a changed flag, or a true that became 1, is compiled anew."""

    def document(second: str) -> bytes:
        flags = f'"same": {{"rules": [{{"rollout": "25%"}}]}}, "other": {{"variants": {{"v": {second}}}, "off": "v"}}'
        return f'{{"version": 1, "flags": {{{flags}}}}}'.encode()

    source = MemorySource(document("1"))
    flags = Flags(source, refresh=0)
    flags.warm()
    before = dict(flags.plan.table)
    source.put(document("1.0"))
    flags.warm()
    assert flags.plan.table["same"] is before["same"]
    assert flags.plan.table["other"] is not before["other"]
    assert type(flags.value("other")) is float


def test_a_broken_compiler_is_survived_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter decides where the compiler cannot, and the status says how often."""
    from flagmiddleware.compiler import Compiler

    def fail(self: object, flag: object) -> None:
        raise RuntimeError("compiler")

    monkeypatch.setattr(Compiler, "compile", fail)
    flags = Flags(DOCUMENT)
    assert flags.is_enabled("always")
    assert flags.status.fallbacks == 1


def ruleset(payload: Any = None, condition: Any = None) -> Ruleset:
    rule = Rule(payload or Serve("on"), condition=condition)
    return Ruleset(flags={"f": Flag(key="f", salt="f", rules=(rule,))})


@pytest.mark.parametrize(
    ("result", "variant", "reason", "code"),
    [
        ("on", "on", Reason.TARGETING_MATCH, None),
        (None, "off", Reason.DEFAULT, None),
        ("gone", "off", Reason.ERROR, ErrorCode.GENERAL),
        (Fault(ErrorCode.PARSE_ERROR, "why"), "off", Reason.ERROR, ErrorCode.PARSE_ERROR),
    ],
)
def test_a_dialects_payload(result: Any, variant: str, reason: Reason, code: ErrorCode | None) -> None:
    """A variant's name, None for the default, or a fault; compiled and interpreted alike."""
    flags = Flags(ruleset(Compute(lambda context, here: result)))
    found = flags.evaluate("f")
    assert (found.variant, found.reason, found.error_code) == (variant, reason, code)
    assert flags.explain("f").evaluation == found


def test_a_dialects_predicate_that_raises_costs_its_own_flag(caplog: pytest.LogCaptureFixture) -> None:
    """off, GENERAL, one log line however often it is read."""

    def fail(context: object, here: object) -> bool:
        raise RuntimeError("predicate")

    flags = Flags(ruleset(condition=Predicate(fail)))
    for _ in range(3):
        found = flags.evaluate("f")
    assert (found.variant, found.reason, found.error_code) == ("off", Reason.ERROR, ErrorCode.GENERAL)
    assert len(caplog.records) == 1


def test_an_attribute_that_must_be_awaited_gives_off(caplog: pytest.LogCaptureFixture) -> None:
    """INVALID_CONTEXT, one log line that says what to do, and no fallback counted."""

    def not_ready(context: LazyContext) -> str:
        raise ContextNotReadyError("groups needs I/O: await request.flags.ready() first")

    flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"if": {"groups": "vip"}, "serve": True}]}}})
    here = flags.bind(LazyContext({"groups": not_ready}))
    assert here.evaluate("beta").error_code is ErrorCode.INVALID_CONTEXT
    assert flags.evaluate("beta", LazyContext({"groups": not_ready})).variant == "off"
    assert "await" in caplog.text
    assert len(caplog.records) == 1
    assert flags.status.fallbacks == 0


def test_close_keeps_the_answers() -> None:
    """A closed source is never asked again; its flags go on."""
    source = MemorySource(b'{"version": 1, "flags": {"beta": {"default": true}}}')
    flags = Flags(source, refresh=0)
    flags.close()
    source.put(b'{"version": 1, "flags": {}}')
    assert flags.is_enabled("beta")


def test_explain_tells_rule_by_rule(caplog: pytest.LogCaptureFixture) -> None:
    """Which tests were made and on what, the bucket and the threshold, and what came of it."""
    document = {
        "version": 1,
        "segments": {"insiders": {"email": {"ends_with": "@yourcompany.com"}}},
        "flags": {
            "new-checkout": {
                "rules": [
                    {"name": "insiders", "if": {"segment": "insiders"}, "serve": True},
                    {"name": "anz", "if": {"country": ["AU", "NZ"]}, "rollout": "25%"},
                    {"rollout": "1%"},
                ]
            }
        },
    }
    explained = Flags(document).explain("new-checkout", Context("user-1", country="AU"))
    insiders, anz, rest = explained.rules
    assert (insiders.outcome, insiders.checks[0].segment, insiders.checks[0].found) == ("not matched", "insiders", None)
    assert (anz.outcome, anz.bucket, anz.threshold, anz.served) == ("served", 512347407, 2**30, "on")
    assert rest.outcome == "not reached"
    assert explained.evaluation.rule == "anz"
    outside = Flags(document).explain("new-checkout", Context("user-42", country="NZ"))
    assert (outside.rules[1].outcome, outside.rules[1].bucket) == ("outside", 4036548753)
    assert Flags(document).explain("gone").evaluation.error_code is ErrorCode.FLAG_NOT_FOUND
    assert caplog.records == []


def test_a_url_of_an_unknown_scheme_names_the_known_ones() -> None:
    """The message says what would work."""
    from flagmiddleware import ConfigurationError

    with pytest.raises(ConfigurationError, match="known: file"):
        Flags("gopher://example.org/flags")


def test_many_unknown_keys_leave_no_trace(caplog: pytest.LogCaptureFixture) -> None:
    """Keys that nobody defined are neither remembered nor logged one by one."""
    flags = Flags(DOCUMENT)
    here = flags.bind(Context("user-1"))
    with caplog.at_level(logging.DEBUG):
        for number in range(2000):
            here.is_enabled(f"unknown-{number}")
            flags.is_enabled(f"unknown-{number}")
    assert here.evaluated() == {}
    assert len(flags.plan.table) == len(DOCUMENT["flags"])
    assert caplog.records == []


def run_of_rules(attribute: str = "country") -> Flags:
    """Several equalities in a row on one attribute, which the compiler turns into one look-up."""
    rules = [
        {"name": "one", "if": {attribute: "AU"}, "serve": "green"},
        {"name": "two", "if": {attribute: ["AU", "NZ"]}, "rollout": "100%", "serve": "red"},
        {"name": "three", "if": {attribute: {"eq": "US"}}, "rollout": 0, "serve": "red"},
        {"name": "four", "if": {attribute: "CA"}, "rollout": "50%", "serve": "red"},
        {"name": "five", "if": {"plan": "pro"}, "serve": "red"},
    ]
    button = {"variants": {"blue": 1, "green": 2, "red": 3}, "off": "blue", "rules": rules}
    return Flags({"version": 1, "flags": {"button": button}})


@pytest.mark.parametrize(
    ("country", "rule", "variant"),
    [
        ("AU", "one", "green"),
        ("NZ", "two", "red"),
        ("US", "three", "blue"),
        ("CA", "four", "red"),
        ("XX", "five", "red"),
        (["XX", "NZ"], "two", "red"),
        (["US", "AU"], "one", "green"),
        (7, "five", "red"),
        (None, "five", "red"),
    ],
)
def test_a_run_of_equalities_keeps_the_order_of_the_rules(country: Any, rule: str, variant: str) -> None:
    """Looked up or tested one by one, the first rule that matches decides."""
    flags = run_of_rules()
    context = Context("user-1", {"country": country, "plan": "pro"})
    found = flags.evaluate("button", context)
    assert (found.rule, found.variant) == (rule, variant)
    assert flags.explain("button", context).evaluation == found
    assert flags.status.fallbacks == 0


def test_a_split_of_many_variants_agrees_with_the_interpreter() -> None:
    """More variants than are compared one by one are searched; every one of them is served to somebody."""
    names = [f"v{number}" for number in range(12)]
    document = {
        "version": 1,
        "flags": {
            "many": {
                "variants": {name: place for place, name in enumerate(names)},
                "off": "v0",
                "rules": [{"split": dict.fromkeys(names, 1)}],
            }
        },
    }
    flags = Flags(document)
    served = set()
    for number in range(300):
        context = Context(f"user-{number}")
        found = flags.evaluate("many", context)
        assert flags.explain("many", context).evaluation == found
        served.add(found.variant)
    assert served == set(names)


def test_a_big_segment_is_called_and_decides_alike() -> None:
    """Segments beyond eight tests are functions of their own, shared by the flags that name them."""
    many = [{"email": {"ends_with": f"@{number}.example"}} for number in range(12)]
    document = {
        "version": 1,
        "segments": {"partners": {"any": many}, "outer": {"all": [{"segment": "partners"}, {"plan": "pro"}]}},
        "flags": {key: {"rules": [{"if": {"segment": "outer"}, "serve": True}]} for key in ("alpha", "beta")},
    }
    flags = Flags(document)
    for context in (Context(email="a@11.example", plan="pro"), Context(email="a@12.example", plan="pro"), Context()):
        for key in ("alpha", "beta"):
            assert flags.explain(key, context).evaluation == flags.evaluate(key, context)
    assert flags.is_enabled("alpha", Context(email="a@3.example", plan="pro"))
    assert flags.status.fallbacks == 0


def test_a_condition_of_many_attributes_takes_memory_in_proportion() -> None:
    """2,000 attributes in one `any` compile in about 40 MB, and not in the square of what one takes."""
    parts = tuple(Test(f"a{number}", OPERATORS["eq"], number) for number in range(2000))
    flags = Flags(Ruleset(flags={"beta": Flag(key="beta", rules=(Rule(Serve("on"), condition=AnyOf(parts)),))}))
    tracemalloc.start()
    try:
        assert flags.is_enabled("beta", Context("user-1", a1999=1999))
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_a_memory_source_is_written_with_compare_and_set() -> None:
    """Who expects another revision than there is gets a conflict and changes nothing."""
    from flagmiddleware.errors import ConflictError
    from flagmiddleware.sources import Change

    source = MemorySource(b'{"version": 1, "flags": {}}')
    assert source.write(Change(data=b'{"version": 1, "flags": {"beta": {}}}'), "1") == "2"
    with pytest.raises(ConflictError, match="revision 2"):
        source.write(Change(data=b"{}"), "1")
    assert "beta" in Flags(source).ruleset.flags
