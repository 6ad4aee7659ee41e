"""flagd's definitions, decided through OpenFeature by us and by openfeature-provider-flagd, in this process."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import mmh3
from openfeature.evaluation_context import EvaluationContext

from flagmiddleware import Context, Flags
from flagmiddleware.openfeature import FlagMiddlewareProvider

from .harness import Arguments, Contender, Settings, Workload
from .report import Table, main, workload_tables

DIRECT, OURS, PEER, HAND = "flagmiddleware", "flagmiddleware, provider", "openfeature-provider-flagd", "hand-written"
BATCH = 300
VARIANTS = {"on": "on", "off": "off", "blue": "blue"}
INSIDERS = {"in": ["@yourcompany.com", {"var": "email"}]}
COUNTRIES = [f"C{number}" for number in range(200)]


def _half(data: bytes) -> str:
    return "on" if (int(mmh3.hash(data, signed=False)) * 2) >> 32 < 1 else "off"


def _cbor(text: str) -> bytes:
    return bytes((0x60 + len(text),)) + text.encode()


class Case(NamedTuple):
    """One kind of flag: its targeting, and the answer by hand."""

    name: str
    targeting: Any
    hand: Callable[[EvaluationContext], str]


CASES = [
    Case("static", None, lambda context: "off"),
    Case(
        "one comparison",
        {"if": [{"==": [{"var": "country"}, "AU"]}, "on", "off"]},
        lambda context: "on" if context.attributes["country"] == "AU" else "off",
    ),
    Case(
        "shared rule, else-if chain",
        {"if": [{"$ref": "insiders"}, "on", {"<": [{"var": "age"}, 18]}, "blue", "off"]},
        lambda context: (
            "on"
            if "@yourcompany.com" in context.attributes["email"]
            else "blue"
            if context.attributes["age"] < 18
            else "off"
        ),
    ),
    Case(
        "all of four conditions",
        {
            "if": [
                {
                    "and": [
                        {"==": [{"var": "country"}, "AU"]},
                        {">=": [{"var": "age"}, 18]},
                        {"!=": [{"var": "plan"}, "free"]},
                        {"ends_with": [{"var": "email"}, "@example.com"]},
                    ]
                },
                "on",
                "off",
            ]
        },
        lambda context: (
            "on"
            if context.attributes["country"] == "AU"
            and context.attributes["age"] >= 18
            and context.attributes["plan"] != "free"
            and context.attributes["email"].endswith("@example.com")
            else "off"
        ),
    ),
    Case(
        "in a list of 200",
        {"if": [{"in": [{"var": "country"}, COUNTRIES]}, "on", "off"]},
        lambda context: "on" if context.attributes["country"] in COUNTRIES else "off",
    ),
    Case(
        "semantic version",
        {"if": [{"sem_ver": [{"var": "version"}, ">=", "2.1.0"]}, "on", "off"]},
        lambda context: "on" if tuple(map(int, context.attributes["version"].split("."))) >= (2, 1, 0) else "off",
    ),
    Case(
        "fractional, shorthand",
        {"fractional": [["on", 50], ["off", 50]]},
        lambda context: _half(b"\x82" + _cbor("flag") + _cbor(context.targeting_key or "")),
    ),
    Case(
        "fractional by an attribute",
        {"fractional": [{"cat": [{"var": "$flagd.flagKey"}, {"var": "email"}]}, ["on", 50], ["off", 50]]},
        lambda context: _half(_long(f"flag{context.attributes['email']}")),
    ),
]


def _long(text: str) -> bytes:
    return _cbor(text) if len(text) < 24 else b"\x78" + bytes((len(text),)) + text.encode()


def _document(case: Case) -> dict[str, Any]:
    flag = {"state": "ENABLED", "variants": VARIANTS, "defaultVariant": "off"}
    if case.targeting is not None:
        flag["targeting"] = case.targeting
    return {"flags": {"flag": flag}, "$evaluators": {"insiders": INSIDERS}}


def _peer(path: Path) -> Any:
    try:
        from openfeature.contrib.provider.flagd import FlagdProvider
        from openfeature.contrib.provider.flagd.config import ResolverType
    except ImportError:
        return None
    logging.disable(logging.ERROR)
    provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path))
    provider.initialize(EvaluationContext())
    return provider


def _attributes(number: int) -> dict[str, Any]:
    company = "yourcompany" if number % 7 == 0 else "example"
    return {
        "country": ("AU", "NZ", "C7", "US")[number % 4],
        "age": number % 60,
        "plan": ("free", "pro")[number % 2],
        "email": f"user{number}@{company}.com",
        "version": f"{number % 4}.{number % 3}.{number % 10}",
    }


def measure(settings: Settings) -> list[Table]:
    """Every case, one table each."""
    with tempfile.TemporaryDirectory() as folder:
        return workload_tables([_workload(case, Path(folder), settings) for case in CASES], settings)


def _workload(case: Case, folder: Path, settings: Settings) -> Workload:
    path = folder / f"{case.name.replace(' ', '-')}.flagd.json"
    path.write_text(json.dumps(_document(case)))
    flags = Flags(path, format="flagd")
    count = settings.size(BATCH)

    def subjects(round_number: int) -> range:
        return range(round_number * count, (round_number + 1) * count)

    def contexts(round_number: int) -> list[Arguments]:
        return [("flag", "none", EvaluationContext(f"user-{one}", _attributes(one))) for one in subjects(round_number)]

    def direct(round_number: int) -> list[Arguments]:
        return [("flag", Context(f"user-{one}", _attributes(one)), "none") for one in subjects(round_number)]

    peer = _peer(path)
    peers = [Contender(name=PEER, call=peer.resolve_string_details, answer=_value)] if peer is not None else []
    return Workload(
        name=case.name,
        inputs=contexts,
        floor=Contender(name=HAND, call=lambda key, default, context: case.hand(context)),
        contenders=[
            Contender(name=DIRECT, call=flags.value, inputs=direct),
            Contender(name=OURS, call=FlagMiddlewareProvider(flags).resolve_string_details, answer=_value),
            *peers,
        ],
        limits={(DIRECT, PEER): 0.2, (OURS, PEER): 0.2},
    )


def _value(details: Any) -> Any:
    return details.value


if __name__ == "__main__":
    raise SystemExit(main("flagd", "flagd's definitions, beside openfeature-provider-flagd", measure))
