"""``flags revert``: take one change back."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

import click

from ..release import edits
from ..release.changes import ChangeRecord
from ..release.documents import Documents
from ..release.git import GitError, Repository
from ..release.history import flag_history, whole_history
from ..release.targets import StoreTarget
from .bench import Bench, pass_bench
from .changelog import store_entries
from .output import echo
from .step import Step, change_options, gated_options

__all__ = ["revert"]


@click.command()
@click.argument("id")
@change_options
@gated_options
@pass_bench
def revert(bench: Bench, id: str, gate: tuple[str, ...], override: str | None, **options: Any) -> None:
    """Take one change back: give its flag the lines that it had before. ID is as in `flags log`.

    In a store the revision alone (12 for 12:new-checkout) will do where it changed one flag.
    """
    if bench.path is None:
        key, earlier = _stored_before(bench, id)
        found = earlier.parse(bench.environment).flags.get(key) if earlier.files else None
        words = f"back to what {key} was before revision {id.partition(':')[0]}"
        step = Step(bench, key, via="flags revert", known=_holds(bench, key), **options)
        _take_back(step, earlier, (gate, override), words if found else f"{words}: absent")
        return
    chosen = bench.environment
    records = flag_history(bench.path, environment=chosen) if chosen else whole_history(bench.path)
    record = next((record for record in records if record.id == id), None)
    if record is None:
        raise click.UsageError(f"there is no change {id!r}: see flags log")
    after = records[records.index(record) + 1 :]
    later = [other for other in after if other.flag == record.flag and other.origin.id != record.origin.id]
    if later:
        raise click.UsageError(f"{record.flag} was changed since, by {later[-1].id}: revert that one first")
    step = Step(bench, record.flag, via="flags revert", known=record.kind != "removed", **options)
    _take_back(step, _before(bench, record), (gate, override), f"reverted {record.id}")
    echo(f"  was: {record.new}", "dim")


def _take_back(step: Step, earlier: Documents, consent: tuple[tuple[str, ...], str | None], what: str) -> None:
    edited = edits.revert(step.documents, step.key, earlier)
    step.check(edited, *consent)
    step.finish(edited, what)


def _holds(bench: Bench, key: str) -> bool:
    return key in StoreTarget(bench.flags.source, dialect=bench.dialect).read().parse(bench.environment).flags


def _stored_before(bench: Bench, id: str) -> tuple[str, Documents]:
    """The flag that a store's revision changed, and the definitions before that."""
    source = bench.flags.source
    entries, document = store_entries(bench), getattr(source, "document", None)
    if document is None:
        raise click.UsageError(f"{source.name} keeps no earlier documents: write the earlier definitions again")
    revision, _, wanted = id.partition(":")
    place = next((n for n, entry in enumerate(entries) if entry["revision"] == revision), None)
    if place is None:
        raise click.UsageError(f"there is no revision {revision!r}: see flags log")
    same = list(takewhile(lambda entry: entry["revision"] == revision, entries[place:]))
    key = _one_key([key for entry in same for key in _keys(entry)], revision, wanted)
    later = [entry["revision"] for entry in entries[:place] if key in _keys(entry)]
    if later:
        raise click.UsageError(f"{key} was changed since, by {later[0]}: revert that one first")
    if revision == "1":
        return key, Documents("nothing", {})
    earlier = str(int(revision) - 1)
    data = document(earlier)
    told = next((entry.get("sha256") for entry in entries if entry["revision"] == earlier), None)
    if data is None or (told and hashlib.sha256(data).hexdigest() != told):
        raise click.UsageError(f"the definitions of revision {earlier} are not kept as they were")
    return key, Documents(f"revision {earlier}", {f"revision {earlier}": data})


def _keys(entry: Mapping[str, str]) -> list[str]:
    return [key for key in entry["keys"].split(",") if key]


def _one_key(keys: Sequence[str], revision: str, wanted: str) -> str:
    if wanted or len(keys) != 1:
        if wanted not in keys:
            raise click.UsageError(
                f"revision {revision} changed {', '.join(keys) or 'no flag by name'}: say {revision}:KEY"
            )
        return wanted
    return keys[0]


def _before(bench: Bench, record: ChangeRecord) -> Documents:
    """The definitions as they were before the change."""
    assert bench.path is not None  # noqa: S101 - the caller looked
    repository = Repository.around(bench.path)
    try:
        parent = repository.resolve(f"{record.origin.revision}^1")
    except GitError:  # the first commit of all
        return Documents("nothing", {})
    return Documents(parent[:10], repository.files(parent, repository.relative(bench.path)))
