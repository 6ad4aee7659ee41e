"""The questions of `bench_decide`: each as a native flag, as the least code that answers it, and for each peer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from flagmiddleware.bucketing import BUCKETS, murmur, seed, variants_salt

from .peers import eppo_flag, eppo_share, ld_flag

__all__ = ["CASES", "Case", "subjects"]

Subject = dict[str, Any]
COUNTRIES = ("AU", "DE", "NZ", "US", "FR", "JP", "BR", "IN", "GB", "KE", "SE")
COLOURS = {"blue": "#00f", "green": "#0f0", "orange": "#f80"}
# What a floor must also do: look whether it is time to look for a new file.
DEADLINE = monotonic() + 1e9


def subjects(start: int, count: int) -> list[Subject]:
    """People nobody has asked about before, of all countries and plans."""
    return [
        {
            "targeting_key": f"user-{number}",
            "country": COUNTRIES[number % len(COUNTRIES)],
            "plan": ("pro", "free", "team")[number % 3],
            "email": f"someone-{number}@{('example.org', 'yourcompany.com')[number % 2]}",
        }
        for number in range(start, start + count)
    ]


@dataclass(frozen=True, kw_only=True)
class Case:
    """``hand`` is the floor; ``logic(subject, fraction)`` the same decision for any bucketing, to check peers by."""

    name: str
    key: str
    native: Mapping[str, Any]
    hand: Callable[[str, Subject], Any]
    logic: Callable[[Subject, float], Any]
    eppo: Mapping[str, Any]
    launchdarkly: Mapping[str, Any]
    limit: float | None = None
    eppo_limit: float | None = None
    verb: str = "is_enabled"
    default: Any = False
    also: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that every subject has beside its own."""


TABLE = {"static": True}


def _static(key: str, subject: Subject) -> bool:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    return TABLE[key]


ROLLOUT_SEED, ROLLOUT_END = seed("rollout"), BUCKETS // 4


def _rollout(key: str, subject: Subject) -> bool:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    return murmur(subject["targeting_key"].encode(), ROLLOUT_SEED) < ROLLOUT_END


TARGETING_SEED, ANZ = seed("targeting"), frozenset({"AU", "NZ"})


def _targeting(key: str, subject: Subject) -> bool:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    if subject["country"] in ANZ and subject["plan"] == "pro":
        return murmur(subject["targeting_key"].encode(), TARGETING_SEED) < ROLLOUT_END
    return False


SUFFIX_SEED = seed("suffix")


def _suffix(key: str, subject: Subject) -> bool:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    if subject["email"].endswith("@yourcompany.com") and subject["plan"] == "pro":
        return murmur(subject["targeting_key"].encode(), SUFFIX_SEED) < ROLLOUT_END
    return False


SPLIT_SEED = seed(variants_salt("split"))
FIRST_END, SECOND_END = 34 * BUCKETS // 100, 67 * BUCKETS // 100


def _split(key: str, subject: Subject) -> str:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    bucket = murmur(subject["targeting_key"].encode(), SPLIT_SEED)
    return "#00f" if bucket < FIRST_END else "#0f0" if bucket < SECOND_END else "#f80"


# Ten attributes, so that no dictionary can stand in for ten tests; only the last one is ever met.
TEN = [f"trait-{number}" for number in range(9)] + ["plan"]
TEN_RULES = [{"if": {name: "pro"}, "serve": True} for name in TEN]


def _ten(key: str, subject: Subject) -> bool:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    get = subject.get
    if get("trait-0") == "pro":
        return True
    if get("trait-1") == "pro":
        return True
    if get("trait-2") == "pro":
        return True
    if get("trait-3") == "pro":
        return True
    if get("trait-4") == "pro":
        return True
    if get("trait-5") == "pro":
        return True
    if get("trait-6") == "pro":
        return True
    if get("trait-7") == "pro":
        return True
    if get("trait-8") == "pro":
        return True
    return bool(get("plan") == "pro")


# Ten countries, one attribute: what a rollout by market looks like.
MARKETS = ("CA", "MX", "AR", "CL", "PE", "CO", "ES", "PT", "IT", "AU")


def _markets(key: str, subject: Subject) -> bool:
    if monotonic() >= DEADLINE:
        raise TimeoutError
    country = subject["country"]
    if country == "CA":
        return True
    if country == "MX":
        return True
    if country == "AR":
        return True
    if country == "CL":
        return True
    if country == "PE":
        return True
    if country == "CO":
        return True
    if country == "ES":
        return True
    if country == "PT":
        return True
    if country == "IT":
        return True
    return bool(country == "AU")


def _eppo_rule(*conditions: tuple[str, str, Any]) -> list[Any]:
    named = [{"attribute": name, "operator": operator, "value": value} for name, operator, value in conditions]
    return [{"conditions": named}]


def _ld_rule(then: Mapping[str, Any], *clauses: tuple[str, str, list[str]]) -> dict[str, Any]:
    named = [{"attribute": name, "op": operator, "values": values} for name, operator, values in clauses]
    return {"clauses": named, **then}


def _quarter(salt: str) -> list[Any]:
    return [eppo_share("on", salt, 0, 2_500)]


EPPO_EVERYONE = [{"variationKey": "on", "shards": []}]
BOTH = {"on": True, "off": False}
LD_QUARTER = {"rollout": {"variations": [{"variation": 1, "weight": 25_000}, {"variation": 0, "weight": 75_000}]}}
LD_OFF, LD_ON = {"variation": 0}, {"variation": 1}
LD_SPLIT = {"rollout": {"variations": [{"variation": n, "weight": w} for n, w in enumerate((34_000, 33_000, 33_000))]}}

CASES = [
    Case(
        name="static flag",
        key="static",
        native={"default": True},
        hand=_static,
        logic=lambda subject, fraction: True,
        eppo=eppo_flag("static", BOTH, [{"splits": EPPO_EVERYONE}]),
        launchdarkly=ld_flag("static", [False, True], [], LD_ON),
        limit=2,
        eppo_limit=0.30,
    ),
    Case(
        name="25 % rollout, fresh ids",
        key="rollout",
        native={"rules": [{"rollout": "25%"}]},
        hand=_rollout,
        logic=lambda subject, fraction: fraction < 0.25,
        eppo=eppo_flag("rollout", BOTH, [{"splits": _quarter("rollout")}]),
        launchdarkly=ld_flag("rollout", [False, True], [], LD_QUARTER),
        limit=1.8,
        eppo_limit=0.38,
    ),
    Case(
        name="country in two and plan, then 25 %",
        key="targeting",
        native={"rules": [{"if": {"country": ["AU", "NZ"], "plan": "pro"}, "rollout": "25%"}]},
        hand=_targeting,
        logic=lambda subject, fraction: subject["country"] in ANZ and subject["plan"] == "pro" and fraction < 0.25,
        eppo=eppo_flag(
            "targeting",
            BOTH,
            [
                {
                    "rules": _eppo_rule(("country", "ONE_OF", ["AU", "NZ"]), ("plan", "ONE_OF", ["pro"])),
                    "splits": _quarter("targeting"),
                }
            ],
        ),
        launchdarkly=ld_flag(
            "targeting",
            [False, True],
            [_ld_rule(LD_QUARTER, ("country", "in", ["AU", "NZ"]), ("plan", "in", ["pro"]))],
            LD_OFF,
        ),
        limit=2,
        eppo_limit=0.6,
    ),
    Case(
        name="e-mail suffix and plan, then 25 %",
        key="suffix",
        native={"rules": [{"if": {"email": {"ends_with": "@yourcompany.com"}, "plan": "pro"}, "rollout": "25%"}]},
        hand=_suffix,
        logic=lambda subject, fraction: (
            subject["email"].endswith("@yourcompany.com") and subject["plan"] == "pro" and fraction < 0.25
        ),
        eppo=eppo_flag(
            "suffix",
            BOTH,
            [
                {
                    "rules": _eppo_rule(("email", "MATCHES", r"@yourcompany\.com$"), ("plan", "ONE_OF", ["pro"])),
                    "splits": _quarter("suffix"),
                }
            ],
        ),
        launchdarkly=ld_flag(
            "suffix",
            [False, True],
            [_ld_rule(LD_QUARTER, ("email", "endsWith", ["@yourcompany.com"]), ("plan", "in", ["pro"]))],
            LD_OFF,
        ),
        limit=2,
        eppo_limit=0.6,
    ),
    Case(
        name="3-way split",
        key="split",
        native={"variants": COLOURS, "off": "blue", "rules": [{"split": {"blue": 34, "green": 33, "orange": 33}}]},
        hand=_split,
        logic=lambda subject, fraction: "#00f" if fraction < 0.34 else "#0f0" if fraction < 0.67 else "#f80",
        eppo=eppo_flag(
            "split",
            COLOURS,
            [
                {
                    "splits": [
                        eppo_share("blue", "split", 0, 3_400),
                        eppo_share("green", "split", 3_400, 6_700),
                        eppo_share("orange", "split", 6_700, 10_000),
                    ]
                }
            ],
        ),
        launchdarkly=ld_flag("split", list(COLOURS.values()), [], LD_SPLIT),
        limit=2,
        eppo_limit=0.42,
        verb="value",
        default="#00f",
    ),
    *(
        Case(
            name=f"ten rules, the last matches: {name}",
            key="ten",
            native={"rules": TEN_RULES},
            hand=_ten,
            logic=lambda subject, fraction: subject["plan"] == "pro",
            eppo=eppo_flag(
                "ten",
                BOTH,
                [{"rules": _eppo_rule((trait, "ONE_OF", ["pro"])), "splits": EPPO_EVERYONE} for trait in TEN],
            ),
            launchdarkly=ld_flag("ten", [False, True], [_ld_rule(LD_ON, (one, "in", ["pro"])) for one in TEN], LD_OFF),
            also=also,
            limit=limits[0],
            eppo_limit=limits[1],
        )
        for name, also, limits in (
            ("ten attributes", dict.fromkeys(TEN[:-1], "free"), (1.5, 0.45)),
            ("nine attributes missing", {}, (None, None)),
        )
    ),
    Case(
        name="ten rules, the last matches: one attribute",
        key="markets",
        native={"rules": [{"if": {"country": market}, "serve": True} for market in MARKETS]},
        hand=_markets,
        logic=lambda subject, fraction: subject["country"] == "AU",
        eppo=eppo_flag(
            "markets",
            BOTH,
            [{"rules": _eppo_rule(("country", "ONE_OF", [market])), "splits": EPPO_EVERYONE} for market in MARKETS],
        ),
        launchdarkly=ld_flag(
            "markets", [False, True], [_ld_rule(LD_ON, ("country", "in", [market])) for market in MARKETS], LD_OFF
        ),
        limit=1.5,
        eppo_limit=0.45,
    ),
]
