"""Unleash's definitions, decided by us and by UnleashClient, in this process."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

import mmh3

from flagmiddleware import Context, Flags, formats

from .harness import Arguments, Contender, Settings, Workload
from .report import Table, main, workload_tables

OURS, PEER, HAND = "flagmiddleware", "UnleashClient", "hand-written"
BATCH = 300
COUNTRIES = [f"C{number}" for number in range(200)]


def _share(group: str, key: str, seed: int, size: int) -> int:
    return int(mmh3.hash(f"{group}:{key}".encode(), seed, signed=False)) % size + 1


def _colour(context: dict[str, Any]) -> str:
    return "blue" if _share("flag", context["userId"], 86028157, 100) <= 50 else "green"


def _constraint(name: str, operator: str, **more: Any) -> dict[str, Any]:
    return {"contextName": name, "operator": operator, **more}


def _strategy(*constraints: dict[str, Any], **parameters: str) -> dict[str, Any]:
    name = "flexibleRollout" if parameters else "default"
    return {"name": name, "parameters": parameters, "constraints": list(constraints)}


class Case(NamedTuple):
    """One kind of feature, and the answer by hand: whether it is on, or which variant."""

    name: str
    feature: dict[str, Any]
    hand: Callable[[dict[str, Any]], Any]
    variant: bool = False


CASES = [
    Case("default strategy", {"strategies": [_strategy()]}, lambda context: True),
    Case(
        "25 % rollout by user",
        {"strategies": [_strategy(rollout="25", stickiness="default", groupId="flag")]},
        lambda context: _share("flag", context["userId"], 0, 100) <= 25,
    ),
    Case(
        "four constraints",
        {
            "strategies": [
                _strategy(
                    _constraint("country", "IN", values=["AU", "NZ"]),
                    _constraint("plan", "NOT_IN", values=["free"]),
                    _constraint("email", "STR_ENDS_WITH", values=["@example.com"]),
                    _constraint("age", "NUM_GTE", value="18"),
                )
            ]
        },
        lambda context: (
            context["country"] in ("AU", "NZ")
            and context["plan"] != "free"
            and context["email"].endswith("@example.com")
            and int(context["age"]) >= 18
        ),
    ),
    Case(
        "in a list of 200, in a segment",
        {"strategies": [{"name": "default", "segments": [1]}]},
        lambda context: context["country"] in COUNTRIES,
    ),
    Case(
        "semantic version",
        {"strategies": [_strategy(_constraint("version", "SEMVER_GT", value="2.1.0"))]},
        lambda context: tuple(map(int, context["version"].split("."))) > (2, 1, 0),
    ),
    Case(
        "five strategies, the last one holds",
        {"strategies": [*[_strategy(_constraint("country", "IN", values=[f"X{n}"])) for n in range(4)], _strategy()]},
        lambda context: True,
    ),
    Case(
        "two variants",
        {
            "strategies": [_strategy()],
            "variants": [
                {"name": "blue", "weight": 50, "stickiness": "default"},
                {"name": "green", "weight": 50, "stickiness": "default"},
            ],
        },
        _colour,
        variant=True,
    ),
    Case(
        "a child of a parent",
        {"strategies": [_strategy()], "dependencies": [{"feature": "parent"}]},
        lambda context: context["country"] == "AU",
    ),
]


def _payload(case: Case) -> dict[str, Any]:
    parent = {"name": "parent", "enabled": True, "strategies": [_strategy(_constraint("country", "IN", values=["AU"]))]}
    segment = {"id": 1, "constraints": [_constraint("country", "IN", values=COUNTRIES)]}
    return {
        "version": 2,
        "features": [{"name": "flag", "enabled": True, **case.feature}, parent],
        "segments": [segment],
    }


def _peer(payload: dict[str, Any]) -> Any:
    try:
        from UnleashClient import UnleashClient
        from UnleashClient.cache import FileCache
    except ImportError:
        return None
    logging.disable(logging.ERROR)
    cache = FileCache("bench", directory=tempfile.mkdtemp())
    cache.bootstrap_from_dict(payload)
    client = UnleashClient(
        "http://127.0.0.1:9",
        "bench",
        cache=cache,
        disable_metrics=True,
        disable_registration=True,
        multiple_instance_mode=0,
    )
    client.initialize_client(fetch_toggles=False)
    return client


def _attributes(number: int) -> dict[str, Any]:
    company = "yourcompany" if number % 7 == 0 else "example"
    return {
        "country": ("AU", "NZ", "C7", "US")[number % 4],
        "age": str(number % 60),
        "plan": ("free", "pro")[number % 2],
        "email": f"user{number}@{company}.com",
        "version": f"{number % 4}.{number % 3}.{number % 10}",
    }


def measure(settings: Settings) -> list[Table]:
    """Every case, one table each."""
    return workload_tables([_workload(case, settings) for case in CASES], settings)


def _workload(case: Case, settings: Settings) -> Workload:
    payload = _payload(case)
    flags = Flags(formats.parse(json.dumps(payload).encode(), format="unleash"))
    count = settings.size(BATCH)

    def subjects(round_number: int) -> range:
        return range(round_number * count, (round_number + 1) * count)

    def theirs(round_number: int) -> list[Arguments]:
        return [("flag", {"userId": f"user-{one}", **_attributes(one)}) for one in subjects(round_number)]

    def ours(round_number: int) -> list[Arguments]:
        return [("flag", Context(f"user-{one}", _attributes(one))) for one in subjects(round_number)]

    client = _peer(payload)
    call = client and (client.get_variant if case.variant else client.is_enabled)
    peers = [Contender(name=PEER, call=call, answer=_name if case.variant else None)] if client is not None else []
    return Workload(
        name=case.name,
        inputs=theirs,
        floor=Contender(name=HAND, call=lambda key, context: case.hand(context)),
        contenders=[
            Contender(name=OURS, call=flags.value if case.variant else flags.is_enabled, inputs=ours),
            *peers,
        ],
        limits={(OURS, PEER): 0.2},
    )


def _name(variant: dict[str, Any]) -> Any:
    return variant["name"]


if __name__ == "__main__":
    raise SystemExit(main("unleash", "Unleash's definitions, beside UnleashClient", measure))
