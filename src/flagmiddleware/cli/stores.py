"""``flags pull`` and ``flags status``: what a store holds, as a file and in a few words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from ..errors import ConfigurationError, RulesetError
from ..formats import syntax
from ..model import Ruleset
from ..reading import reader
from ..release.store_history import time_of
from ..release.targets import atomic_write, written_to
from ..release.words import describe_instant
from ..sources.base import Snapshot, Writable
from ..sources.wrappers import base_of
from .bench import Bench, format_option, pass_bench, source_at
from .output import echo, print_json, print_table, shout

__all__ = ["opened", "pull", "status"]


@contextmanager
def opened(bench: Bench, url: str | None, *, writing: bool = False, whole: bool = False) -> Iterator[Any]:
    """The source at ``url``, or the one that the command works on; one that was opened here is closed afterwards.

    ``writing`` gives the one that can be written, ``whole`` the one that holds a document, below what lies over it.
    """
    given = bench.is_own(url)
    found: Any = bench.flags.source if given else source_at(url or bench.location, "snapshot_key", "readonly")
    try:
        yield written_to(found) if writing else base_of(found) if whole else found
    finally:
        if not given:
            found.close()


def _fetched(source: Any) -> tuple[Snapshot, bytes]:
    snapshot: Snapshot | None = source.fetch(None)
    if snapshot is None or not isinstance(snapshot.data, bytes):
        raise ConfigurationError(f"{source.name} holds no single document")
    return snapshot, snapshot.data


@click.command()
@click.argument("url", required=False)
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Write over a FILE that says something else.")
@pass_bench
def pull(bench: Bench, url: str | None, file: Path | None, force: bool) -> None:
    """Write what the store at URL holds to FILE (JSON or YAML by its ending), or to standard output."""
    with opened(bench, url, whole=True) as source:
        snapshot, data = _fetched(source)
    if file is None:
        click.echo(data, nl=False)
        return
    if file.suffix.lower() in (".yaml", ".yml"):
        data = _as_yaml(data, snapshot)
    elif file.suffix.lower() != ".json":
        raise click.UsageError(f"{file}: name a file that ends in .json or .yaml")
    if file.exists() and not force and not _says_the_same(file, data):
        raise click.UsageError(f"{file} says something else: --force writes over it, with its comments")
    atomic_write(file, data)
    echo(f"pulled revision {snapshot.revision or '(none)'} of {source.name} to {file}", "bold")


def _as_yaml(data: bytes, snapshot: Snapshot) -> bytes:
    """The same document in YAML; a dialect's documents stay as they are, since JSON is YAML."""
    import yaml

    document = syntax.read(data, syntax="json" if data[:1] == b"{" else None)
    if document.syntax == "yaml" or document.findings:
        return data
    text: str = yaml.safe_dump(document.tree, sort_keys=False, allow_unicode=True, width=110)
    written = text.encode()
    return written if syntax.read(written, syntax="yaml").tree == document.tree else data


def _says_the_same(file: Path, data: bytes) -> bool:
    found = file.read_bytes()
    if found == data:
        return True
    try:
        return bool(syntax.read(found, name=str(file)).tree == syntax.read(data, name=str(file)).tree)
    except RulesetError:
        return False


@click.command()
@click.argument("url", required=False)
@format_option()
@pass_bench
def status(bench: Bench, url: str | None, style: str) -> None:
    """Tell what the store at URL holds: revision, size, whether it can be used, and the last change.

    Exits with 1 where the definitions are wrong, with 2 where the store cannot be reached.
    """
    with opened(bench, url) as source:
        snapshot = source.fetch(None)
        told = _facts(source, snapshot, bench)
        history = getattr(source, "history", None)
        newest = history(1) if history is not None else []
    told["last_change"] = newest[0] if newest else None
    if style == "json":
        print_json(told)
    else:
        print_table(("", ""), _rows(told))
    for problem in told["problems"][:20]:
        shout(problem)
    if told["problems"]:
        click.get_current_context().exit(1)


def _facts(source: Any, snapshot: Snapshot, bench: Bench) -> dict[str, Any]:
    data = snapshot.data
    facts: dict[str, Any] = {"source": source.name, "revision": snapshot.revision, "epoch": snapshot.epoch}
    facts |= {
        "writable": isinstance(base_of(source), Writable),
        "pushes_changes": getattr(base_of(source), "pushes", hasattr(source, "wait")),
    }
    if isinstance(data, bytes):
        facts |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        facts |= {"intact": not snapshot.sha256 or snapshot.sha256 == facts["sha256"]}
    found, problems = _parse(snapshot, bench)
    facts |= {"flags": len(found.flags), "killed": sum(not flag.enabled for flag in found.flags.values())}
    if not facts.get("intact", True):
        problems.append("the data does not have the hash that was stored with it")
    return {**facts, "problems": problems}


def _parse(snapshot: Snapshot, bench: Bench) -> tuple[Ruleset, list[str]]:
    try:
        return reader(bench.dialect, bench.environment)(snapshot, True), []
    except RulesetError as error:
        return Ruleset(flags={}), [str(problem) for problem in error.problems]


def _rows(told: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in told.items():
        if name not in ("problems", "last_change"):
            shown = ("no", "yes")[value] if isinstance(value, bool) else value
            yield name.replace("_", " "), shown
    last = told["last_change"]
    if last:
        when = describe_instant(time_of(last))
        yield "last change", f"{when} by {last.get('actor') or '?'} ({last.get('via')}): {last.get('reason')}"
