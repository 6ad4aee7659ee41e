"""``flags list``: every flag, its state in words."""

from __future__ import annotations

from typing import Any

import click

from ..model import Flag, Ruleset
from ..release.stages import StageKind, stage_of
from ..release.words import describe
from .bench import Bench, format_option, pass_bench
from .output import print_json, print_table, progress

__all__ = ["listing"]

STYLES = {
    StageKind.KILLED: "bold red",
    StageKind.DARK: "dim",
    StageKind.INTERNAL: "cyan",
    StageKind.PARTIAL: "yellow",
    StageKind.RELEASED: "green",
}


@click.command("list")
@click.argument("file", required=False)
@click.option("--state", type=click.Choice([kind.value for kind in StageKind]), help="Only flags at this stage.")
@click.option("--owner", help="Only flags of this owner.")
@format_option()
@pass_bench
def listing(bench: Bench, file: str | None, state: str | None, owner: str | None, style: str) -> None:
    """List every flag, its state in words."""
    if file is not None:
        bench.source = file
    ruleset, now = bench.ruleset, bench.now()
    flags = [ruleset.flags[key] for key in sorted(ruleset.flags)]
    wanted = [
        flag
        for flag in progress(flags, "reading")
        if (owner is None or owner in flag.owner) and (state is None or stage_of(flag, now).kind.value == state)
    ]
    if style == "json":
        print_json({"environment": ruleset.environment, "flags": [_as_dict(flag, ruleset, now) for flag in wanted]})
        return
    rows = [_row(flag, ruleset, now) for flag in wanted]
    print_table(("FLAG", "STATE", "OWNER", "EXPIRES"), rows)


def _row(flag: Flag, ruleset: Ruleset, now: float) -> tuple[Any, ...]:
    style = "bold red" if flag.error else STYLES[stage_of(flag, now).kind]
    return flag.key, (describe(flag, ruleset, now=now), style), ", ".join(flag.owner), flag.expires


def _as_dict(flag: Flag, ruleset: Ruleset, now: float) -> dict[str, Any]:
    """A flag as one row of ``flags list --format json``."""
    stage = stage_of(flag, now)
    return {
        "key": flag.key,
        "description": flag.description,
        "state": "broken" if flag.error else stage.kind.value,
        "state_text": describe(flag, ruleset, now=now),
        "share": stage.threshold / 2**32,
        "variants": list(flag.variants),
        "owner": list(flag.owner),
        "risk": {"technical": flag.risk.technical, "business": flag.risk.business} if flag.risk else None,
        "expires": flag.expires,
        "file": ruleset.sources.get(flag.key),
    }
