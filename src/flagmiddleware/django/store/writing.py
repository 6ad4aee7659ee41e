"""Writing flags to the database: one transaction takes the revision, changes the rows and adds to the history."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias
from uuid import uuid4

from django.db import IntegrityError, connections, transaction
from msgspec.structs import replace

from ...errors import ConfigurationError, ConflictError, FlagMiddlewareError, RulesetError, SourceError
from ...formats.native.lines import as_text, join, parts
from ...release.apprevision import app_revision
from ...release.changes import document_changes
from ...release.documents import Documents
from ...sources.base import Change, FlagChange
from ...sources.chain import FIRST, link
from .models import HistoryEntry, StoredFlag, StoreState
from .source import CHANNEL

__all__ = ["document", "write"]

_BATCH = 500

_Texts: TypeAlias = "tuple[str, str | None, str | None]"  # a key, its definition before and after


def document(using: str) -> tuple[str | None, bytes]:
    """The revision and the whole document, as this transaction sees them; None and nothing where there are none."""
    state = StoreState.objects.using(using).filter(pk=StoreState.THE_ONE).first()
    if state is None:
        return None, b""
    rows = StoredFlag.objects.using(using).order_by("position", "key").values_list("key", "definition")
    return str(state.revision), join(state.top, rows.iterator())


def write(change: Change, expected: str | None, *, using: str, name: str) -> str:
    """Write a document over revision ``expected`` (None: over nothing); returns the new revision.

    A change without a reason is refused with ConfigurationError, one over another revision with ConflictError. Nobody
    sees anything of it before the transaction around it is committed, the hint to other processes included. What the
    change says of itself (``records``, ``app_revision``) goes into the history; what it leaves out is worked out here.
    """
    if not change.reason.strip():
        raise ConfigurationError("a change of flags needs a reason")
    try:
        top, flags = parts({name: change.data})
    except RulesetError as error:
        raise SourceError(f"{name}: what was to be written is no native document: {error}") from error
    texts = {key: as_text(body) for key, body in flags.items()}
    change = _told(change, using)  # before the row is locked: ten thousand flags take a while to read
    with transaction.atomic(using=using):
        state = _take(expected, using, name)
        entries = _entries(state, as_text(top), _put_rows(texts, using))
        state.link = _record(entries, change, state, using)
        state.top = as_text(top)
        state.sha256 = hashlib.sha256(join(state.top, texts.items())).hexdigest()
        state.save(using=using)
        _hint(state, using)
    return str(state.revision)


def _told(change: Change, using: str) -> Change:
    """The change with what it means in words, unless it says so itself or means nothing."""
    revision = change.app_revision or app_revision()
    records = change.records
    if not records:
        _, before = document(using)
        old, new = (Documents("flags", {"flags": data}, dialect="native") for data in (before, change.data))
        try:
            records = document_changes(old if before else None, new, now=time.time())
        except FlagMiddlewareError:  # it is not for the store to say which definitions are good
            records = ()
    return replace(change, records=records, app_revision=revision)


def _take(expected: str | None, using: str, name: str) -> StoreState:
    """Count the revision up, which locks the row, so that writers come one after the other."""
    rows = StoreState.objects.using(using)
    if expected is None:
        try:
            with transaction.atomic(using=using):
                fresh = StoreState(revision=1, epoch=uuid4().hex, sha256="", top="", link=FIRST)
                fresh.save(using=using, force_insert=True)
        except IntegrityError as error:
            raise ConflictError(f"{name} holds flags already: read them, then retry") from error
        return fresh
    number = int(expected) if expected.isascii() and expected.isdigit() else -1
    if not rows.filter(pk=StoreState.THE_ONE, revision=number).update(revision=number + 1):
        found = rows.filter(pk=StoreState.THE_ONE).values_list("revision", flat=True).first()
        raise ConflictError(f"{name} is at revision {found}, not {expected}: read it again, then retry")
    return rows.get(pk=StoreState.THE_ONE)


def _put_rows(texts: Mapping[str, str], using: str) -> list[_Texts]:
    """Make the rows say what the document says; returns key, old and new of each that had to change."""
    rows = {row.key: row for row in StoredFlag.objects.using(using).all()}
    changes: list[_Texts] = []
    fresh, moved = [], []
    for position, (key, text) in enumerate(texts.items()):
        row = rows.get(key)
        if row is None:
            fresh.append(StoredFlag(key=key, position=position, definition=text))
            changes.append((key, None, text))
            continue
        if row.definition != text:
            changes.append((key, row.definition, text))
        if (row.definition, row.position) != (text, position):
            row.definition, row.position = text, position
            moved.append(row)
    gone = [key for key in rows if key not in texts]
    changes += [(key, rows[key].definition, None) for key in gone]
    for start in range(0, len(gone), _BATCH):
        StoredFlag.objects.using(using).filter(key__in=gone[start : start + _BATCH]).delete()
    StoredFlag.objects.using(using).bulk_update(moved, ["definition", "position"], batch_size=_BATCH)
    StoredFlag.objects.using(using).bulk_create(fresh, batch_size=_BATCH)
    return changes


def _entries(state: StoreState, top: str, changes: list[_Texts]) -> list[_Texts]:
    return [*([("", state.top or None, top)] if state.top != top else []), *changes]


def _record(entries: Iterable[_Texts], change: Change, state: StoreState, using: str) -> str:
    """Add to the history, and count it; returns its newest link."""
    newest, at = state.link, time.time()
    words = _words(change.records)
    shared = {
        "actor": change.actor[:320],
        "reason": change.reason.strip(),
        "via": change.via[:60],
        "app_revision": change.app_revision[:255] or None,
        "revision": state.revision,
        "at": at,
    }
    made: list[HistoryEntry] = []
    for number, (key, old, new) in enumerate(entries, (state.place or 0) + 1):
        entry = HistoryEntry(place=number, flag=key, old=old, new=new, **shared, **words.get(key, {}))
        entry.link = newest = link(newest, entry.as_record())
        made.append(entry)
    state.place = (state.place or 0) + len(made)
    HistoryEntry.objects.using(using).bulk_create(made, batch_size=_BATCH)
    return newest


def _words(records: Iterable[FlagChange]) -> dict[str, dict[str, Any]]:
    """What is told of each flag: what holds everywhere, else what holds in the first environment that is named."""
    told: dict[str, FlagChange] = {}
    for record in records:
        if record.flag not in told or (told[record.flag].environment and not record.environment):
            told[record.flag] = record
    return {
        key: {
            "environment": record.environment[:255],
            "kind": record.kind,
            "was": record.old,
            "will": record.new,
            "exposure_before": record.before,
            "exposure_after": record.after,
        }
        for key, record in told.items()
    }


def _hint(state: StoreState, using: str) -> None:
    """Tell listening processes; PostgreSQL hands it out at the commit, and drops it with a rollback."""
    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(state.revision)])
