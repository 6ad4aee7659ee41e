"""Where definitions come from, one file each."""

from __future__ import annotations

from .base import Change, Snapshot, Source, Waiting, Writable
from .file import FileSource
from .memory import MemorySource
from .urls import from_url, open_source

__all__ = [
    "Change",
    "FileSource",
    "MemorySource",
    "Snapshot",
    "Source",
    "Waiting",
    "Writable",
    "from_url",
    "open_source",
]
