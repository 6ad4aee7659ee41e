"""What `import flagmiddleware` costs over a bare interpreter."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .harness import Cost, Settings, process_cost
from .report import Table, add_ratio, duration, main, ratio_table

BARE = "pass"
PLAIN = "import flagmiddleware"
IMPORT = "import flagmiddleware; flagmiddleware.Flags, flagmiddleware.BoundFlags, flagmiddleware.Context"
USE = (
    "import flagmiddleware; flagmiddleware.Flags({'version': 1, 'flags': {'beta': {'rules': [{'rollout': 25}]}}})"
    ".is_enabled('beta', flagmiddleware.Context('user-1'))"
)
LABELS = {
    BARE: "bare interpreter",
    PLAIN: "import flagmiddleware (names are loaded when first asked for)",
    IMPORT: "… and ask for every public name",
    USE: "… and make the first decision",
}


def measure(settings: Settings) -> Sequence[Table]:
    # Bytecode as an installed package has it; an interpreter that compiles on each start would measure the compiler.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.chdir(Path(__file__).parents[1])
    costs = process_cost(*LABELS, rounds=settings.rounds)
    table = Table("CPU time of a fresh interpreter", ["", "least", "median", "over the bare one (median)"])
    for cost in costs:
        table.rows.append(
            [LABELS[cost.name], duration(cost.least), duration(cost.median), duration(_over(cost, costs[0]))]
        )
    limits = ratio_table()
    for name, cost in (("import", costs[1]), ("import every name", costs[2])):
        add_ratio(limits, name, "milliseconds over a bare interpreter", _over(cost, costs[0]) / 1e6, 40)
    print(table.plain(), limits.plain(), sep="\n")
    return [table, limits]


def _over(cost: Cost, base: Cost) -> float:
    return max(0.0, cost.median - base.median)


if __name__ == "__main__":
    raise SystemExit(main("import", "Importing the package", measure))
