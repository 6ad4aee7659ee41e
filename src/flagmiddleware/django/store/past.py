"""The document as it was: the present one, with the changes since then taken back one by one."""

from __future__ import annotations

import json

from ...formats.native.lines import as_text, lay_out, parts
from .models import HistoryEntry
from .writing import document

__all__ = ["document_at"]


def document_at(revision: str, using: str) -> bytes | None:
    """The document as it was at ``revision`` of the present epoch; None where the history does not lead there.

    Flags that were removed since stand at its end. A history that says something else than what it led to is not
    believed: what comes out of it would be nobody's definitions.
    """
    newest, data = document(using)
    if newest is None or not (revision.isascii() and revision.isdigit()) or not 0 < int(revision) <= int(newest):
        return None
    top, flags = parts({"flags": data})
    texts = {key: as_text(body) for key, body in flags.items()}
    texts[""] = as_text(top)
    last = int(newest)
    for entry in HistoryEntry.objects.using(using).order_by("-id").iterator():
        if entry.revision <= int(revision):
            break
        if entry.revision > last or texts.get(entry.flag) != entry.new:
            return None
        last = entry.revision
        if entry.old is not None:
            texts[entry.flag] = entry.old
        else:
            texts.pop(entry.flag, None)
    else:
        return None
    shared = json.loads(texts.pop(""))
    return lay_out(shared, {key: json.loads(text) for key, text in texts.items()})
