"""``flags stale``: what can be deleted, and the diff that deletes it."""

from __future__ import annotations

from pathlib import Path

import click

from ..release.documents import read_documents
from ..release.git import GitError, Repository
from ..release.patch import Patch, make_patch
from ..release.stale import StaleFlag, find_stale
from ..release.targets import atomic_write
from .bench import Bench, format_option, pass_bench, policy_option
from .code import code_folders, code_option
from .explain import find_flag
from .output import echo, print_json, progress, shout, warn

__all__ = ["stale"]

_SETTLED = {True: "everybody has it", False: "nobody has it", None: "it still decides"}


@click.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@code_option
@click.option("--patch", "want_patch", is_flag=True, help="Print the diff that removes them, for git apply.")
@click.option("--apply", "want_apply", is_flag=True, help="Remove them from the files now.")
@format_option()
@policy_option
@pass_bench
def stale(
    bench: Bench, keys: tuple[str, ...], code: tuple[str, ...], want_patch: bool, want_apply: bool, style: str
) -> None:
    """List the flags that can go (of KEYs, if given): why, and where they stand in the code."""
    folders = code_folders(code, bench.path, needed=want_patch or want_apply)
    documents = None if bench.path is None else read_documents(bench.path, dialect=bench.dialect)
    found = find_stale(documents, bench.ruleset, bench.policy, folders=folders, now=bench.now(), watch=progress)
    chosen = [flag for flag in found if not keys or flag.key in keys]
    for key in sorted(set(keys) - {flag.key for flag in chosen}):
        warn(f"{find_flag(bench.ruleset, key).key} is not stale: it stays.")
    if want_patch or want_apply:
        _patch(bench, chosen, folders, apply=want_apply)
    elif style == "json":
        print_json([flag.to_dict() for flag in chosen])
    else:
        _print(chosen)


def _patch(bench: Bench, chosen: list[StaleFlag], code: tuple[str, ...], *, apply: bool) -> None:
    if bench.path is None:
        raise click.UsageError("only flags in files are removed by a patch")
    root = _root(bench.path)
    patch: Patch = make_patch(
        read_documents(bench.path, dialect=bench.dialect), bench.ruleset, chosen, root, now=bench.now(), folders=code
    )
    for file, line, key, why in patch.left:
        shout(f"left to you: {file}:{line}: {key}: {why}")
    for key in dict.fromkeys(one.key for one in patch.left):
        warn(f"{key} stays defined until these are mended.")
    if not apply:
        click.echo(patch.diff(), nl=False)
        return
    for file, (_, after) in sorted(patch.texts.items()):
        atomic_write(root / file, after)
        echo(f"changed {file}")


def _root(path: Path) -> Path:
    try:
        return Repository.around(path).root
    except GitError:
        return Path.cwd()


def _settled(flag: StaleFlag) -> str:
    if flag.variant is None or isinstance(flag.value, bool):
        return _SETTLED[flag.settled]
    return f"everybody gets {flag.variant}"


def _print(chosen: list[StaleFlag]) -> None:
    if not chosen:
        echo("No flag is stale.", "green")
    for flag in chosen:
        echo(flag.key, "bold")
        echo(f"  {'; '.join(flag.reasons)}; {_settled(flag)}")
        for mention in flag.mentions:
            echo(f"    {mention.file}:{mention.line}", "dim")
