"""Hypothesis strategies: flag documents that use every feature, and contexts that hold anything at all."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from flagmiddleware import Context

ATTRIBUTES = ("country", "plan", "email", "age", "version", "ip", "born", "groups", "__class__", "a.b")

texts = st.sampled_from(["AU", "NZ", "pro", "ann@yourcompany.com", "", "1.2.3", "10.1.2.3", "__class__", "ß", "on"])
numbers = st.one_of(st.integers(-5, 5), st.sampled_from([0.5, -1.25, 1e300, 2**70]))
instants = st.sampled_from(["2026-01-01T00:00:00Z", "2027-06-01T12:00:00+11:00", "1999-12-31T23:59:59.5-03:00"])
scalars = st.one_of(texts, numbers, st.booleans())
percentages = st.one_of(st.integers(0, 100), st.sampled_from(["0.5%", "25%", "99.99%", "0%", "100%", "33.3333%"]))


def lists(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(items, st.lists(items, min_size=1, max_size=3))


OPERANDS: dict[str, st.SearchStrategy[Any]] = {
    "eq": lists(scalars),
    "ne": lists(scalars),
    "in": st.lists(scalars, min_size=1, max_size=3),
    "not_in": st.lists(scalars, min_size=1, max_size=3),
    "starts_with": lists(texts),
    "ends_with": lists(texts),
    "contains": lists(scalars),
    "matches": lists(st.sampled_from(["^a", "@yourcompany", "[0-9]+", "(a+)+$"])),
    "gt": lists(numbers),
    "gte": lists(numbers),
    "lt": lists(numbers),
    "lte": lists(numbers),
    "before": lists(instants),
    "after": lists(instants),
    "semver": lists(st.sampled_from([">=1.2.0 <2", "^1.2", "~1.2.3", "!=1.0.0", "1.2.3", "<0.1.0-rc.1"])),
    "cidr": lists(st.sampled_from(["10.0.0.0/8", "192.168.1.1", "2001:db8::/32"])),
    "exists": st.booleans(),
}


@st.composite
def tests_of_an_attribute(draw: st.DrawFn) -> dict[str, Any]:
    attribute = draw(st.sampled_from(ATTRIBUTES))
    if draw(st.booleans()):
        return {attribute: draw(lists(scalars))}
    operator = draw(st.sampled_from(sorted(OPERANDS)))
    return {attribute: {operator: draw(OPERANDS[operator])}}


def conditions(segments: tuple[str, ...]) -> st.SearchStrategy[dict[str, Any]]:
    leaf: st.SearchStrategy[dict[str, Any]] = tests_of_an_attribute()
    if segments:
        leaf = st.one_of(leaf, st.sampled_from(segments).map(lambda name: {"segment": name}))
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"any": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"all": parts}),
            inner.map(lambda part: {"not": part}),
            st.lists(inner, min_size=2, max_size=2).map(lambda parts: {**parts[0], **parts[1]}),
        ),
        max_leaves=5,
    )


ramps = st.sampled_from(
    [
        [{"at": "2026-01-01T00:00:00Z", "to": "10%"}, {"at": "2026-12-01T00:00:00Z", "to": "60%"}],
        [{"at": "2020-01-01T00:00:00Z", "to": "50%"}],
        [{"at": "2090-01-01T00:00:00Z", "to": 100}],
    ]
)
schedules = st.sampled_from(
    [
        {"from": "2020-01-01T00:00:00Z"},
        {"from": "2090-01-01T00:00:00Z"},
        {"until": "2090-01-01T00:00:00Z"},
        {"from": "2020-01-01T00:00:00Z", "until": "2021-01-01T00:00:00Z"},
    ]
)


@st.composite
def rules(draw: st.DrawFn, segments: tuple[str, ...], variants: tuple[str, ...] | None) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if draw(st.integers(0, 3)):
        rule["if"] = draw(conditions(segments))
    if not draw(st.integers(0, 4)):
        rule["schedule"] = draw(schedules)
    gate = draw(st.sampled_from(["none", "rollout", "ramp", "linear"]))
    if gate == "rollout":
        rule["rollout"] = draw(percentages)
    elif gate != "none":
        rule["ramp"] = draw(ramps)
        if gate == "linear":
            rule["linear"] = True
    names = variants or ("on", "off")
    if draw(st.booleans()):
        weights = st.lists(st.integers(0, 9), min_size=len(names), max_size=len(names)).filter(any)
        rule["split"] = dict(zip(names, draw(weights), strict=True))
    elif variants is None:
        if gate == "none" or draw(st.booleans()):
            rule["serve"] = draw(st.booleans())
    else:
        rule["serve"] = draw(st.sampled_from(names))
    return rule


VALUES: tuple[dict[str, Any], ...] = (
    {"blue": "#00f", "green": "#0f0", "red": "#f00"},
    {"one": 1, "two": 2},
    {"small": 0.5, "large": 10.25},
    {"plain": {"columns": 1}, "wide": {"columns": [1, 2]}},
    {"few": [1], "many": [1, 2, 3]},
)


@st.composite
def flags(draw: st.DrawFn, segments: tuple[str, ...], others: tuple[str, ...]) -> dict[str, Any]:
    flag: dict[str, Any] = {}
    variants: tuple[str, ...] | None = None
    if draw(st.booleans()):
        flag["variants"] = draw(st.sampled_from(VALUES))
        variants = tuple(flag["variants"])
        flag["off"] = draw(st.sampled_from(variants))
        if draw(st.booleans()):
            flag["default"] = draw(st.sampled_from(variants))
    elif draw(st.booleans()):
        flag["default"] = draw(st.booleans())
    if not draw(st.integers(0, 5)):
        flag["enabled"] = draw(st.booleans())
    if not draw(st.integers(0, 3)):
        flag["sticky_by"] = draw(st.sampled_from(["user", "plan", "age", "nothing"]))
    if not draw(st.integers(0, 3)):
        flag["salt"] = draw(st.sampled_from(["old-name", "ß", "x"]))
    if others and not draw(st.integers(0, 2)):
        flag["requires"] = {draw(st.sampled_from(others)): draw(st.booleans())}
    flag["rules"] = draw(st.lists(rules(segments, variants), max_size=4))
    return flag


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A native document, valid by construction, with up to four flags that may require booleans before them."""
    segments: dict[str, Any] = {}
    for name in ("insiders", "oceania")[: draw(st.integers(0, 2))]:
        segments[name] = draw(conditions(tuple(segments)))
    found: dict[str, Any] = {}
    for name in ("alpha", "beta", "gamma", "delta")[: draw(st.integers(1, 4))]:
        booleans = tuple(key for key, flag in found.items() if "variants" not in flag)
        found[name] = draw(flags(tuple(segments), booleans))
    return {"version": 1, "segments": segments, "flags": found}


class Hostile:
    """An attribute value that raises whatever is done with it."""

    def _refuse(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    __eq__ = __ne__ = __lt__ = __gt__ = __str__ = __bool__ = __len__ = __iter__ = __contains__ = _refuse
    __hash__ = _refuse  # type: ignore[assignment]


class HostileText(str):
    """Text that lies about itself."""

    __slots__ = ()

    def startswith(self, *_: object) -> Any:
        raise RuntimeError("hostile")

    endswith = startswith
    __eq__ = startswith  # type: ignore[assignment]
    __hash__ = startswith  # type: ignore[assignment]


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=5,
)
odd_values = st.one_of(
    json_values,
    st.builds(Hostile),
    st.builds(HostileText, st.just("AU")),
    st.sampled_from(
        [
            float("nan"),
            float("inf"),
            "\ud800",
            "\0",
            10**400,
            Decimal("1.5"),
            Decimal("sNaN"),
            b"AU",
            UUID(int=7),
            datetime(2026, 6, 1, tzinfo=timezone.utc),
            datetime(2026, 6, 1),
            (1, "AU"),
            {"AU"},
            object,
            "x" * 1_000_000,
        ]
    ),
)
values = st.one_of(scalars, lists(scalars), instants, odd_values)
keys = st.one_of(st.integers(0, 10_000).map("user-{}".format), st.text(), values)


@st.composite
def contexts(draw: st.DrawFn) -> Context:
    """A context of any attributes; its key is usually one that can be hashed."""
    found = draw(st.dictionaries(st.sampled_from((*ATTRIBUTES, "user")), values, max_size=6))
    return Context(draw(keys), found)
