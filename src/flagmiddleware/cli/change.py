"""``flags kill``, ``restore``, ``ramp``, ``next``, ``schedule``: one flag, one step, one reason."""

from __future__ import annotations

from typing import Any, Final

import click

from ..errors import ConflictError
from ..release import edits
from ..release.shares import format_share, parse_percent
from ..release.stages import StageKind, rollout_to, stage_of
from .bench import Bench, pass_bench, policy_option
from .output import echo, shout
from .step import Step, change_options, gated_options

__all__ = ["advance", "kill", "ramp", "restore", "schedule"]


_TRIES: Final = 50
"""How often a kill begins anew where somebody else wrote meanwhile."""


@click.command()
@click.argument("key")
@change_options
@pass_bench
def kill(bench: Bench, key: str, reason: str, commit: bool, dry_run: bool) -> None:
    """Serve `off` of KEY to everyone, now. Nothing stands before a kill: no policy, no gate, no permission."""
    for tries_left in range(_TRIES, -1, -1):
        step = Step(bench, key, reason, "flags kill", commit=commit, dry_run=dry_run)
        try:
            step.finish(edits.kill(step.documents, key, environment=bench.environment), f"killed {key}")
            return
        except ConflictError:  # somebody was quicker: a kill means the same after whatever they did
            if not tries_left:
                raise


@click.command()
@click.argument("key")
@change_options
@policy_option
@pass_bench
def restore(bench: Bench, key: str, reason: str, commit: bool, dry_run: bool) -> None:
    """Let KEY's rules decide again, as they stood when it was killed."""
    step = Step(bench, key, reason, "flags restore", commit=commit, dry_run=dry_run)
    edited = edits.restore(step.documents, key, environment=bench.environment)
    step.permit(edited)
    step.finish(edited, f"restored {key}")
    for name in () if bench.environment else edits.killed_in(step.documents, edited, key):
        shout(f'{key} is still killed in {name}: flags restore {key} --environment {name} -m "…"')


@click.command()
@click.argument("key")
@click.argument("share", metavar="PERCENT")
@click.option("--rule", metavar="NAME", help="The rule to change; default: the last one for everyone.")
@change_options
@gated_options
@pass_bench
def ramp(bench: Bench, key: str, share: str, rule: str | None, **options: Any) -> None:
    """Set the share of KEY's rollout, as far as the policy lets it go in one step."""
    gate, override = options.pop("gate"), options.pop("override")
    step = Step(bench, key, via="flags ramp", **options)
    _to(step, _share(share), rule, gate, override)


def _share(text: str) -> str:
    try:
        return parse_percent(text).text
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def _to(step: Step, share: str, rule: str | None, gate: tuple[str, ...], override: str | None) -> None:
    if not step.flag.enabled:
        raise click.UsageError(f"{step.key} is killed: flags restore {step.key} first")
    edited = edits.set_share(step.documents, step.flag, share, environment=step.bench.environment, rule=rule)
    step.check(edited, gate, override)
    step.finish(edited, f"ramped {step.key} to {share}")


@click.command("next")
@click.argument("key")
@change_options
@gated_options
@pass_bench
def advance(bench: Bench, key: str, **options: Any) -> None:
    """Take KEY to the next stage of its strategy, if its gates are open and it has soaked long enough."""
    gate, override = options.pop("gate"), options.pop("override")
    step = Step(bench, key, via="flags next", **options)
    strategy = step.policy.strategy_of(step.flag.risk)
    if strategy is None:
        raise click.UsageError(f"{key} declares no risk, so it has no stages: use flags ramp, or declare its risk")
    stage = stage_of(step.flag, bench.now())
    coming = strategy.next_stage(stage.threshold)
    if coming is None or stage.kind is StageKind.RELEASED:
        echo(f"{key} is released to everyone: nothing is left to do but to remove it (flags stale).")
        return
    rollout = rollout_to(step.flag, coming)
    if rollout is None:
        raise click.UsageError(
            f"the split of {key} gives a part of everyone `off`, so no rollout reaches {format_share(coming)}: "
            "change the weights in the file; flags plan judges the step"
        )
    _to(step, rollout.text, None, gate, override)


@click.command()
@click.argument("key")
@click.option("--from", "start", metavar="TIME", help="From this instant on, such as 2026-12-01T09:00:00Z.")
@click.option("--until", metavar="TIME", help="Until, not including, this instant.")
@click.option("--step", "steps", multiple=True, metavar="TIME=PERCENT", help="A step of a dated ramp; repeatable.")
@click.option("--rule", metavar="NAME", help="The rule to change; default: the last one for everyone.")
@change_options
@gated_options
@pass_bench
def schedule(
    bench: Bench,
    key: str,
    start: str | None,
    until: str | None,
    steps: tuple[str, ...],
    rule: str | None,
    **options: Any,
) -> None:
    """Set the dates between which a rule of KEY counts, or the dated steps of its ramp.

    Until the first step, whoever has KEY today has it.
    """
    gate, override = options.pop("gate"), options.pop("override")
    dates = {name: at for name, at in (("from", start), ("until", until)) if at is not None}
    if bool(dates) == bool(steps):
        raise click.UsageError("give --from and/or --until, or --step TIME=PERCENT once or more")
    step = Step(bench, key, via="flags schedule", **options)
    where = {"environment": bench.environment, "rule": rule}
    if dates:
        edited = edits.set_schedule(step.documents, step.flag, dates, **where)
    else:
        pairs = [(at, _share(share)) for at, _, share in (text.rpartition("=") for text in steps)]
        edited = edits.set_ramp(step.documents, step.flag, pairs, now=bench.now(), **where)
    step.check(edited, gate, override)
    step.finish(edited, f"scheduled {key}")
