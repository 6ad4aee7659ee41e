"""Where an edit goes: a file or folder on disk, or a store that takes writes."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any, Final, Protocol

from ..errors import ConfigurationError, ConflictError
from ..sources.base import Change, Writable
from ..sources.wrappers import base_of
from .apprevision import app_revision
from .changes import told_changes
from .documents import Documents, read_documents
from .edits import Edited

__all__ = ["FileTarget", "StoreTarget", "Target", "atomic_write", "written_to"]

_PATIENCE: Final = 5.0
"""How long (seconds) another program's lock is waited for: a write takes milliseconds, a deployment minutes."""


class Target(Protocol):
    """Reads definitions, and writes an edit of what was read: never over somebody else's."""

    def read(self) -> Documents:
        """The definitions as they are."""
        ...

    def write(self, edited: Edited, *, actor: str, reason: str, via: str, key: str) -> str:
        """Write, and return what to call the result; raises ConflictError where somebody else wrote meanwhile."""
        ...


class FileTarget:
    """A flag file, or a folder of them."""

    def __init__(self, path: Path, *, dialect: str | None = None) -> None:
        self.path = path
        self.dialect = dialect

    def read(self) -> Documents:
        """The definitions as they are."""
        return read_documents(self.path, dialect=self.dialect)

    def write(self, edited: Edited, *, actor: str, reason: str, via: str, key: str) -> str:
        """Replace the file in one step, unless it is no longer what the edit was made from."""
        path = Path(edited.file)
        with _locked(path, insists=via == "flags kill"):
            found = path.read_bytes()
            if found != edited.before:
                raise ConflictError(_conflict(str(path), edited.before, found))
            if edited.after != found:
                atomic_write(path, edited.after)
        return str(path)


def written_to(source: Any) -> Any:
    """The source that a change of ``source`` goes to: below what lies over it; raises ConfigurationError for none."""
    found = base_of(source)
    if isinstance(found, Writable):
        return found
    if getattr(found, "is_readonly", False):
        raise ConfigurationError(f"{found.name} cannot be written: it was opened read-only (`readonly`)")
    told = "change the flags where they come from; redis://, postgresql:// and a site's database can be written"
    raise ConfigurationError(f"{found.name} cannot be written: {told}")


class StoreTarget:
    """A source that takes writes: Redis, a database, memory."""

    def __init__(self, source: Any, *, dialect: str | None = None) -> None:
        self.source: Any = written_to(source)
        self.dialect = dialect
        self._revision: str | None = None

    def read(self) -> Documents:
        """The definitions as they are."""
        snapshot = self.source.fetch(None)
        if snapshot is None or not isinstance(snapshot.data, bytes):
            raise ConfigurationError(f"{self.source.name} holds no document that can be edited")
        self._revision = snapshot.revision
        self.dialect = snapshot.format or self.dialect
        return Documents(snapshot.name, {snapshot.name: snapshot.data}, dialect=self.dialect)

    def write(self, edited: Edited, *, actor: str, reason: str, via: str, key: str) -> str:
        """Write with compare-and-set on the revision that was read."""
        old, new = (
            Documents(edited.file, {edited.file: data}, dialect=self.dialect) for data in (edited.before, edited.after)
        )
        change = Change(
            data=edited.after,
            actor=actor,
            reason=reason,
            via=via,
            keys=(key,),
            records=told_changes(old, new, now=time.time()),
            app_revision=app_revision(),
        )
        try:
            return str(self.source.write(change, self._revision))
        except ConflictError as error:
            now = self.source.fetch(None)
            found = now.data if now is not None and isinstance(now.data, bytes) else b""
            raise ConflictError(f"{error}\n{_conflict(self.source.name, edited.before, found)}") from error


def _conflict(name: str, expected: bytes, found: bytes) -> str:
    before, after = (text.decode("utf-8", "replace").splitlines(keepends=True) for text in (expected, found))
    diff = "".join(unified_diff(before, after, "what you saw", "what is there now"))
    return f"{name} was changed by somebody else meanwhile; nothing was written. Look at it and try again:\n{diff}"


def atomic_write(path: Path, data: bytes) -> None:
    """Replace a file in one step: readers see the old one or the new one, also when the power fails.

    A symbolic link stays one: what it points to is replaced. Permissions are kept, and so is the owner, as far as the
    system lets one: a kill by root must not hide the file from the site.
    """
    real = Path(os.path.realpath(path))
    before = real.stat() if real.exists() else None
    handle, temporary = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if before is not None and sys.platform != "win32":
            for owner in (-1, before.st_gid), (before.st_uid, -1):
                with contextlib.suppress(OSError):
                    os.chown(temporary, *owner)
        os.chmod(temporary, 0o644 if before is None else before.st_mode & 0o7777)
        os.replace(temporary, real)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    if sys.platform != "win32":
        folder = os.open(real.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextlib.contextmanager
def _locked(path: Path, *, insists: bool) -> Iterator[None]:
    """One writer at a time, by a lock on the folder: it leaves no file behind, and dies with its process.

    Who ``insists`` goes on without it in the end: the contents are compared all the same.
    """
    if sys.platform == "win32":  # no such lock there; the comparison of contents remains
        yield
        return
    import fcntl

    folder = os.open(os.path.realpath(path.parent), os.O_RDONLY)
    try:
        until = time.monotonic() + _PATIENCE
        while not _take(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if time.monotonic() > until:
                if insists:
                    break
                told = f"{path.parent} has been locked by another program for {_PATIENCE:.0f} s; nothing was written"
                raise ConflictError(f"{told}. Look what it is (lsof), and try again")
            time.sleep(0.05)
        yield
    finally:
        os.close(folder)


def _take(folder: int, how: int) -> bool:
    """Take the lock of a folder, if nobody has it; what cannot be locked is nobody's (some network file systems)."""
    import fcntl

    try:
        fcntl.flock(folder, how)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
