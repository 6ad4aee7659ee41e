"""GrowthBook's features, decided by growthbook and by us from the file that ``flags import growthbook`` writes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flagmiddleware import Context, Flags
from flagmiddleware.imports import convert

from .harness import Arguments, Contender, Settings, Workload
from .report import Table, main, workload_tables

OURS, PEER, KEPT, HAND = "flagmiddleware", "growthbook, a context each", "growthbook, one object", "hand-written"
BATCH = 300
COUNTRIES = [f"C{number}" for number in range(200)]


class Case(NamedTuple):
    """One kind of feature, and the answer by hand; None: it hashes, and each hashes its own way."""

    name: str
    feature: dict[str, Any]
    hand: Callable[[dict[str, Any]], Any] | None


def _rule(condition: Any) -> dict[str, Any]:
    return {"condition": condition, "force": True}


CASES = [
    Case("static", {"defaultValue": True}, lambda attributes: True),
    Case(
        "one comparison", {"defaultValue": False, "rules": [_rule({"country": "AU"})]}, lambda a: a["country"] == "AU"
    ),
    Case(
        "four conditions",
        {
            "defaultValue": False,
            "rules": [
                _rule(
                    {
                        "country": {"$in": ["AU", "NZ"]},
                        "plan": {"$ne": "free"},
                        "email": {"$regex": "@example\\.com$"},
                        "age": {"$gte": 18},
                    }
                )
            ],
        },
        lambda a: (
            a["country"] in ("AU", "NZ")
            and a["plan"] != "free"
            and a["email"].endswith("@example.com")
            and a["age"] >= 18
        ),
    ),
    Case(
        "in a list of 200",
        {"defaultValue": False, "rules": [_rule({"country": {"$in": COUNTRIES}})]},
        lambda a: a["country"] in COUNTRIES,
    ),
    Case(
        "ten rules, the last one matches",
        {
            "defaultValue": False,
            "rules": [*[_rule({"country": f"X{n}"}) for n in range(9)], _rule({"age": {"$gte": 0}})],
        },
        lambda a: True,
    ),
    Case("25 % coverage", {"defaultValue": False, "rules": [{"force": True, "coverage": 0.25}]}, None),
    Case("an experiment of two", {"defaultValue": "red", "rules": [{"variations": ["red", "blue"], "key": "e"}]}, None),
]


def _attributes(number: int) -> dict[str, Any]:
    company = "yourcompany" if number % 7 == 0 else "example"
    return {
        "id": f"user-{number}",
        "country": ("AU", "NZ", "C7", "US")[number % 4],
        "age": number % 60,
        "plan": ("free", "pro")[number % 2],
        "email": f"user{number}@{company}.com",
    }


def measure(settings: Settings) -> list[Table]:
    """Every case, one table each."""
    return workload_tables([_workload(case, settings) for case in CASES], settings)


def _peers(features: dict[str, Any], count: Callable[[int], range], check: Any) -> list[Contender]:
    try:
        from growthbook import GrowthBook
    except ImportError:
        return []

    def each(round_number: int) -> list[Arguments]:
        return [
            (GrowthBook(attributes=_attributes(one), features=features), _attributes(one))
            for one in count(round_number)
        ]

    shared = GrowthBook(features=features)

    def kept(attributes: dict[str, Any]) -> Any:
        shared.set_attributes(attributes)
        return shared.get_feature_value("flag", None)

    def attributes_of(round_number: int) -> list[Arguments]:
        return [(_attributes(one),) for one in count(round_number)]

    return [
        Contender(name=PEER, call=lambda book, _: book.get_feature_value("flag", None), inputs=each, check=check),
        Contender(name=KEPT, call=kept, inputs=attributes_of, check=check),
    ]


def _plausible(arguments: Sequence[Arguments], results: Sequence[Any]) -> None:
    """What a hash decides: some are in, some are out, and nobody gets anything else."""
    assert len(set(results)) <= 2, set(results)


def _workload(case: Case, settings: Settings) -> Workload:
    features = {"flag": case.feature}
    flags = Flags(convert("growthbook", json.dumps(features).encode()).document)
    size = settings.size(BATCH)

    def count(round_number: int) -> range:
        return range(round_number * size, (round_number + 1) * size)

    def subjects(round_number: int) -> list[Arguments]:
        return [("flag", Context(f"user-{one}", _attributes(one))) for one in count(round_number)]

    check = _plausible if case.hand is None else None
    hand = case.hand or (lambda attributes: hash(attributes["id"]) % 4 == 0)
    return Workload(
        name=case.name,
        inputs=subjects,
        floor=Contender(name=HAND, call=lambda key, context: hand(context)),
        contenders=[
            Contender(name=OURS, call=flags.value, check=check),
            *_peers(features, count, check),
        ],
        limits={(OURS, PEER): 0.2, (OURS, KEPT): 0.2},
    )


if __name__ == "__main__":
    raise SystemExit(main("growthbook", "GrowthBook's features, imported, beside growthbook", measure))
