"""Random Unleash payloads and contexts that reach every strategy, operator, edge weight and missing field."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

__all__ = ["contexts", "payloads"]

FIELDS = ["userId", "sessionId", "environment", "appName", "remoteAddress", "currentTime", "plan", "version", "count"]
TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "B",
    "é",
    "É",
    "straße",
    "ΑΣ",
    "ας",
    "a b",
    'a"b',
    "a\\",
    "a\\b",
    "5",
    "user-1",
    "user-42",
    "zoë",
]
NUMBERS = [
    "5",
    "5.0",
    "-5",
    "+5",
    "5e0",
    "5.",
    ".5",
    "1_0",
    " 5",
    "",
    "x",
    "inf",
    "-inf",
    "nan",
    "0",
    "-0",
    "1e400",
    "١",
]
DATES = [
    "2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000Z", "2026-01-01T11:00:00+11:00", "2026-01-01T00:00:00.001Z",
    "2025-12-31T23:59:59Z", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01 00:00:00Z", "2026-02-30T00:00:00Z",
    "2026-01-01T00:00:00.0000001Z", "2026-01-01T00:00:00-00:00", "2026-01-01t00:00:00z", "2026-1-1T0:0:1Z", "2026",
]  # fmt: skip
VERSIONS = [
    "1.2.3", "1.2.4", "1.10.0", "1.2.3-alpha", "1.2.3-alpha.1", "1.2.3-alpha.beta", "1.2.3-2", "1.2.3-10", "1.2.3+b",
    "1.2.3-rc.1+b", "v1.2.3", "1.2", "1", "1.2.3.4", "01.2.3", "1.2.3-01", "1.2.3-", "2.0.0-0",
]  # fmt: skip
ADDRESSES = [
    "10.0.0.1", "10.255.0.1", "192.168.1.7", "::1", "2001:db8::1", "::ffff:10.0.0.1", "10.0.0", "x", "", "010.0.0.1",
    "10.0.0.1 ", "fe80::1%eth0", "256.1.1.1",
]  # fmt: skip
NETWORKS = [
    "10.0.0.0/8", "10.0.0.1", "10.9.9.9/8", "192.168.0.0/255.255.0.0", "2001:db8::/32", "::1", "::/0", "0.0.0.0/0",
    "x", "", "10.0.0.0/33", "::ffff:10.0.0.0/104", "10.0.0.0/0.255.255.255", "10.0.0.0/255.0.255.0", "10.0.0.0/08",
]  # fmt: skip
PATTERNS = ["a", "^a", "b$", "^a.*b$", "A", "(?i)A", "a(?=b)", r"(a)\1", "(", "", "[a-c]+", "^$", 'a"b', r"a\\", "5|x"]
PROPERTY = st.sampled_from([*TEXTS, *NUMBERS, *VERSIONS, *DATES])


def _lists(*items: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from([item for group in items for item in group]), max_size=3)


ORDER = st.sampled_from(
    ["NUM_EQ", "NUM_GT", "NUM_GTE", "NUM_LT", "NUM_LTE", "DATE_AFTER", "DATE_BEFORE",
     "SEMVER_EQ", "SEMVER_GT", "SEMVER_LT", "SEMVER_GTE", "SEMVER_LTE"]
)  # fmt: skip
FITTING = {"NUM": NUMBERS, "DATE": DATES, "SEMVER": VERSIONS}


@st.composite
def ordered(draw: st.DrawFn) -> dict[str, Any]:
    """An ordering operator, mostly with a value of its kind."""
    operator = draw(ORDER)
    fitting = FITTING[operator.partition("_")[0]]
    value = draw(st.sampled_from(fitting[:6]) | st.sampled_from(fitting) | PROPERTY)
    return {"operator": operator, "value": value}


CONSTRAINTS = st.builds(
    lambda name, core, inverted, folded: {"contextName": name, "inverted": inverted, "caseInsensitive": folded, **core},
    st.sampled_from([*FIELDS, *FIELDS, "missing", "a b"]),
    st.one_of(
        ordered(),
        st.builds(
            lambda operator, values: {"operator": operator, "values": values},
            st.sampled_from(["IN", "NOT_IN", "STR_STARTS_WITH", "STR_ENDS_WITH", "STR_CONTAINS"]),
            _lists(TEXTS, TEXTS, NUMBERS, VERSIONS),
        ),
        st.builds(lambda value: {"operator": "REGEX", "value": value}, st.sampled_from(PATTERNS)),
        st.builds(lambda values: {"operator": "IN_CIDR", "values": values}, _lists(NETWORKS)),
        st.sampled_from([{"operator": "LATER_THAN", "value": "1"}] + [{"operator": "IN", "values": ["a"]}] * 8),
    ),
    st.booleans(),
    st.booleans(),
)

PERCENT = st.sampled_from(["0", "1", "25", "50", "50", "99", "100", "100", "100", "101", "x", "+7", "007", ""])
STICKINESS = st.sampled_from(
    ["default", "default", "userId", "sessionId", "plan", "missing", "random", "environment", ""]
)
GROUPS = st.sampled_from(["group", "f1", "", "grüße", "a b", 'a"b'])


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _variants(*, overrides: bool) -> st.SearchStrategy[list[dict[str, Any]]]:
    fields: dict[str, st.SearchStrategy[Any]] = {
        "stickiness": STICKINESS,
        "payload": st.sampled_from(
            [
                {"type": "string", "value": "x"},
                {"type": "number", "value": "1.5"},
                {"type": "json", "value": '{"a": 1}'},
            ]
        ),
    }
    if overrides:
        one = st.builds(
            lambda name, values: {"contextName": name, "values": values}, st.sampled_from(FIELDS), _lists(TEXTS)
        )
        fields["overrides"] = st.lists(one, max_size=2)
    # A total weight of zero makes the vendor's engine panic, so one weight is never zero.
    return st.lists(
        st.builds(
            lambda name, weight, more: {"name": name, "weight": weight, **more},
            st.sampled_from(["blue", "green", "on", "off", "disabled"]),
            st.sampled_from([1, 1, 33, 50, 333, 1000]) | st.just(0),
            _optional(**fields),
        ),
        max_size=3,
    ).map(lambda items: [*items[:-1], {**items[-1], "weight": items[-1]["weight"] or 7}] if items else [])


PARAMETERS = {
    "default": st.just({}),
    "userWithId": _optional(userIds=_lists(TEXTS).map(", ".join)),
    "gradualRolloutUserId": _optional(percentage=PERCENT, groupId=GROUPS),
    "gradualRolloutSessionId": _optional(percentage=PERCENT, groupId=GROUPS),
    "gradualRolloutRandom": _optional(percentage=st.sampled_from(["0", "100", "101", "x"])),
    "flexibleRollout": _optional(rollout=PERCENT, stickiness=STICKINESS, groupId=GROUPS),
    "remoteAddress": _optional(IPs=_lists(NETWORKS, ADDRESSES).map(",".join)),
    "nobody-knows-this": st.just({}),
}


@st.composite
def strategies(draw: st.DrawFn) -> dict[str, Any]:
    """One activation strategy."""
    name = draw(st.sampled_from([*PARAMETERS, "default", "flexibleRollout", "flexibleRollout"]))
    more = draw(
        _optional(
            constraints=st.lists(CONSTRAINTS, max_size=2),
            segments=st.lists(st.sampled_from([1, 2, 2, 9]), max_size=1),
            variants=_variants(overrides=False),
        )
    )
    return {"name": name, "parameters": draw(PARAMETERS[name]), **more}


NAMES = ["f1", "f2", "f3", "gré"]
DEPENDENCIES = st.builds(
    lambda feature, more: {"feature": feature, **more},
    st.sampled_from([*NAMES, "nobody"]),
    _optional(
        enabled=st.booleans(), variants=st.lists(st.sampled_from(["blue", "green", "on", "disabled"]), max_size=2)
    ),
)


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    """A client features payload."""
    features = []
    for name in NAMES:
        feature: dict[str, Any] = {
            "name": name,
            "enabled": draw(st.sampled_from([True, True, True, False])),
            "strategies": draw(st.lists(strategies(), max_size=3)),
            **draw(_optional(variants=_variants(overrides=True))),
        }
        if draw(st.integers(0, 3)) == 0:
            feature["dependencies"] = draw(st.lists(DEPENDENCIES, max_size=2))
        features.append(feature)
    segments = [{"id": number, "constraints": draw(st.lists(CONSTRAINTS, max_size=2))} for number in (1, 2)]
    return {"version": 2, "features": features, "segments": segments}


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, Any]:
    """A context as Unleash spells it: its own fields, and properties."""
    present = st.booleans()
    fields = {
        "userId": st.sampled_from(TEXTS),
        "sessionId": st.sampled_from(TEXTS),
        "environment": st.sampled_from(["production", "dev", "a", ""]),
        "appName": st.sampled_from(TEXTS),
        "remoteAddress": st.sampled_from(ADDRESSES),
        "currentTime": st.sampled_from(DATES),
    }
    found: dict[str, Any] = {name: draw(values) for name, values in fields.items() if draw(present)}
    found["properties"] = {name: draw(PROPERTY) for name in ("plan", "version", "count", "a b") if draw(present)}
    return found
