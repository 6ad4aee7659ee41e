"""``flags eval``: what flags serve a subject, or every subject of a file."""

from __future__ import annotations

import json
from collections.abc import Iterable

import click

from ..bound import BoundFlags
from ..context import Context
from ..release.population import read_population
from .bench import Bench, context_from, format_option, pass_bench
from .explain import evaluation_dict, find_flag
from .output import clean, print_json, print_table, progress

__all__ = ["evaluate"]


@click.command("eval")
@click.argument("words", nargs=-1, metavar="[KEY]... [ATTRIBUTE=VALUE]...")
@click.option("--all", "everything", is_flag=True, help="Every flag.")
@click.option("--user", "-u", help="The user, who is also the targeting key.")
@click.option("--users-file", metavar="FILE", help="Every user of a .csv, .jsonl or .parquet file, or an SQL URL.")
@click.option("--users-key", metavar="COLUMN", help="The column with the targeting key.")
@format_option()
@pass_bench
def evaluate(
    bench: Bench,
    words: tuple[str, ...],
    everything: bool,
    user: str | None,
    users_file: str | None,
    users_key: str | None,
    style: str,
) -> None:
    """Decide flags for a subject, or for every user of a file.

    With --users-file, json is one object a line and the table is tab-separated.
    """
    ruleset = bench.ruleset
    named = [word for word in words if "=" not in word]
    if everything and named:
        raise click.UsageError(f"--all means every flag: leave {named[0]!r} out, or write an attribute as NAME=VALUE")
    keys = sorted(ruleset.flags) if everything else named
    if not keys:
        raise click.UsageError("name at least one flag, or pass --all")
    for key in keys:
        find_flag(ruleset, key)
    attributes = tuple(word for word in words if "=" in word)
    if users_file is None:
        _one(bench, keys, context_from(user, attributes), style)
    elif user is not None or attributes:
        raise click.UsageError("--users-file brings its own users: leave --user and attributes out")
    else:
        population = read_population(users_file, key=users_key)
        _many(bench, keys, progress(population, "deciding", total=population.total), style)


def _one(bench: Bench, keys: list[str], context: Context, style: str) -> None:
    here = bench.flags.bind(context)
    found = {key: here.evaluate(key) for key in progress(keys, "deciding")}
    if style == "json":
        flags = {key: evaluation_dict(evaluation) for key, evaluation in found.items()}
        print_json({"targeting_key": context.targeting_key, "flags": flags})
        return
    rows = [
        (key, (one.variant, "green" if one.is_enabled else "dim"), json.dumps(one.value), one.reason.value, one.rule)
        for key, one in found.items()
    ]
    print_table(("FLAG", "VARIANT", "VALUE", "REASON", "RULE"), rows)


def _many(bench: Bench, keys: list[str], contexts: Iterable[Context], style: str) -> None:
    if style != "json":
        click.echo("\t".join(["user", *keys]))
    for context in contexts:
        here = bench.flags.bind(context)
        click.echo(_json_line(here, keys) if style == "json" else _text_line(here, keys))


def _json_line(here: BoundFlags, keys: list[str]) -> str:
    flags = {key: evaluation_dict(here.evaluate(key)) for key in keys}
    return json.dumps({"targeting_key": here.context.targeting_key, "flags": flags}, default=str)


def _text_line(here: BoundFlags, keys: list[str]) -> str:
    cells = [here.context.targeting_key, *(here.variant(key) for key in keys)]
    return "\t".join(clean("" if cell is None else cell).replace("\n", " ") for cell in cells)
