"""What loading a file costs, from bytes to ready to decide, beside the plainest reader of the same bytes."""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import yaml

from flagmiddleware import Context
from flagmiddleware.formats import parse
from flagmiddleware.plan import Plan

from .harness import Contender, Settings, Workload, memory
from .report import Table, add_ratio, main, ratio_table, size, workload_tables

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

NOTE = (
    "From bytes to a plan that is ready to decide. YAML is measured with the garbage collector on, too: the many "
    "objects that a reader makes and drops are what makes it run; ours pauses it and makes few."
)

SEGMENTS = {"insiders": {"any": [{"is_staff": True}, {"email": {"ends_with": "@yourcompany.com"}}]}}


def plain(number: int) -> dict[str, Any]:
    return {
        "rules": [
            {"name": "insiders", "if": {"segment": "insiders"}, "serve": True},
            {"name": "anz", "if": {"country": ["AU", "NZ"], "plan": "pro"}, "rollout": "25%"},
            {"rollout": f"{number % 100}%"},
        ]
    }


def minimal(number: int) -> dict[str, Any]:
    return {"rules": [{"rollout": f"{number % 100}%"}]}


def documented(number: int) -> dict[str, Any]:
    return {
        "description": f"The one-page checkout, part {number}",
        "owner": ["product", "engineering"],
        "risk": {"technical": "high", "business": "low"},
        "expires": "2027-03-31",
        "metadata": {"ticket": f"SHOP-{number}", "team": "checkout"},
        **plain(number),
        "tests": [
            {"given": {"user": "user-42", "email": "ann@yourcompany.com"}, "expect": True},
            {"given": {"user": "user-1", "country": "DE"}, "expect": False},
        ],
    }


KINDS = {"plain": plain, "minimal": minimal, "documented": documented}


def document(kind: str, count: int) -> dict[str, Any]:
    return {
        "version": 1,
        "segments": SEGMENTS,
        "flags": {f"flag-{number:05d}": KINDS[kind](number) for number in range(count)},
    }


def as_json(kind: str, count: int) -> bytes:
    return json.dumps(document(kind, count), indent=2).encode()


def as_yaml(kind: str, count: int) -> bytes:
    # By way of JSON: what is in the document twice would be written as an alias, which a flag file may not hold.
    tree = json.loads(as_json(kind, count))
    return yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False).encode()


def as_toml(kind: str, count: int) -> bytes:
    import tomli_w

    return tomli_w.dumps(document(kind, count)).encode()


def load(data: bytes, name: str) -> Plan:
    return Plan(parse(data, name=name), time.time())


def _check(arguments: Sequence[tuple[Any, ...]], plans: Sequence[Plan]) -> None:
    for plan in plans:
        first, last = next(iter(plan.table)), list(plan.table)[-1]
        for key in (first, last):
            for email in ("ann@yourcompany.com", "bob@example.com"):
                rules = plan.ruleset.flags[key].rules
                wanted = email.endswith("@yourcompany.com") and len(rules) == 3
                assert plan.table[key](Context(email=email), None).is_enabled is wanted, (key, email)


def as_in_a_process(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """The call with the garbage collector on, which the harness turns off: what a reader makes it do is its cost."""

    def run(data: bytes) -> Any:
        gc.enable()
        try:
            return call(data)
        finally:
            gc.disable()

    return run


def _workload(name: str, data: bytes, ending: str, floor: Contender, limit: float | None) -> Workload:
    ours = Contender(name="ours", call=lambda text: load(text, f"flags.{ending}"), check=_check)
    limits = {("ours", floor.name): limit} if limit else {}
    return Workload(name=name, inputs=lambda number: [(data,)], floor=floor, contenders=[ours], limits=limits)


def _yaml(count: int, kind: str, is_on: bool) -> Workload:
    data = as_yaml(kind, count)
    wrap = as_in_a_process if is_on else (lambda call: call)
    return Workload(
        name=f"{count:,} {kind} flags from YAML, collector {'on' if is_on else 'off'}",
        inputs=lambda number: [(data,)],
        floor=Contender(name="yaml.load(CSafeLoader)", call=wrap(_yaml_load)),
        contenders=[Contender(name="ours", call=wrap(lambda data: load(data, "flags.yaml")), check=_check)],
        limits={("ours", "yaml.load(CSafeLoader)"): 0.35},
    )


def _yaml_load(data: bytes) -> Any:
    return yaml.load(data, Loader=yaml.CSafeLoader)


def measure(settings: Settings) -> Sequence[Table]:
    thousand, ten = settings.size(1_000), settings.size(10_000)
    json_floor = Contender(name="json.loads", call=json.loads)
    toml_floor = Contender(name="tomllib", call=lambda data: tomllib.loads(data.decode()))
    tables = workload_tables(
        [
            _workload(
                f"{count:,} {kind} flags from JSON",
                as_json(kind, count),
                "json",
                json_floor,
                6 if count == ten else None,
            )
            for count in (thousand, ten)
            for kind in KINDS
        ],
        settings,
    )
    few = Settings(rounds=min(settings.rounds, 3), scale=settings.scale)  # CSafeLoader takes seconds
    yaml_cases = ((thousand, "plain"), (ten, "plain"), (thousand, "documented"), (ten, "documented"))
    tables += workload_tables([_yaml(count, kind, is_on) for count, kind in yaml_cases for is_on in (True, False)], few)
    toml = _workload(f"{thousand:,} plain flags from TOML", as_toml("plain", thousand), "toml", toml_floor, None)
    tables += workload_tables([toml], few)
    return [*tables, *_memory(thousand, ten)]


def _memory(thousand: int, ten: int) -> list[Table]:
    table = Table("Memory of a plan, traced", ["", "file", "retained", "peak"])
    limits = ratio_table("Memory against the limits")
    for count in (thousand, ten):
        for kind, limit in (("plain", 25), ("documented", 50)):
            for ending, make in (("json", as_json), ("yaml", as_yaml)):
                data, name = make(kind, count), f"flags.{ending}"
                used = memory(lambda data=data, name=name: load(data, name))  # type: ignore[misc]
                label = f"{count:,} {kind} flags from {ending.upper()}"
                table.rows.append([label, size(len(data)), size(used.retained), size(used.peak)])
                if count == ten:
                    add_ratio(limits, label, "MB retained", used.retained / 1e6, limit)
    print(table.plain(), limits.plain(), sep="\n")
    return [table, limits]


if __name__ == "__main__":
    raise SystemExit(main("load", "Loading a flag file", measure, rounds=9, note=NOTE))
