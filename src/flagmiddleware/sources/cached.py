"""The last good snapshot on disk, for a start while the store is dark.

Written to a temporary file, fsynced and renamed, so that a reader finds a whole file or none; checksummed, so that a
disk that lies is found out; in a folder of ours, mode 0700, each file 0600, since definitions may name customers.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import tempfile
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from ..errors import ConfigurationError, SourceError
from .base import Snapshot, Source
from .wrappers import _Wrapper

__all__ = ["cached"]

logger = logging.getLogger("flagmiddleware")

_MAGIC: Final = b"flagmiddleware 1 "
_FROM_DISK: Final = object()  # the token of what was read back


class _Kept(msgspec.Struct, array_like=True):
    """What is on disk after the first line."""

    data: bytes | dict[str, bytes]
    name: str
    format: str | None
    revision: str
    epoch: str
    sha256: str
    signature: str = ""


class _Cached(_Wrapper):
    """Keeps what the inner source hands out, and hands that out while the inner source cannot."""

    handed_on = (*_Wrapper.handed_on, "write", "path")

    def __init__(self, inner: Source, folder: str | os.PathLike[str]) -> None:
        super().__init__(inner)
        self._folder = Path(folder)
        self._path = self._folder / f"{_file_name(inner.name)}.snapshot"
        self._prepare()

    def _prepare(self) -> None:
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._folder.stat()
        except OSError as error:
            raise ConfigurationError(f"cache_dir: {self._folder} cannot be used: {error.strerror or error}") from error
        if hasattr(os, "getuid") and status.st_uid != os.getuid():
            raise ConfigurationError(f"cache_dir: {self._folder} belongs to another user: name a folder of your own")
        if status.st_mode & 0o077:
            with contextlib.suppress(OSError):
                self._folder.chmod(0o700)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the inner source has; at a start without it, what was kept. Raises what the inner source raised."""
        ours = known is not None and known.token is _FROM_DISK
        try:
            found = self.inner.fetch(replace(known, token=None) if known is not None and ours else known)
        except SourceError as error:
            kept = self._from_disk(str(error)) if known is None else None
            if kept is None:
                raise
            return kept
        return found

    def last_good(self) -> Snapshot | None:
        """What was kept, for a start that has waited long enough; None where nothing was."""
        return self._from_disk(f"{self.name} has not answered yet")

    def _from_disk(self, reason: str) -> Snapshot | None:
        kept = self._read()
        if kept is None:
            return None
        logger.warning("%s is dark: starting from the snapshot kept on disk (%s)", self.name, reason)
        return replace(kept, stale=reason)

    def accepted(self, snapshot: Snapshot) -> None:
        """The snapshot is in force: keep it. What was refused is never kept, or the next start would be dark too."""
        if snapshot.token is _FROM_DISK:
            return
        if snapshot.settled:
            self._write(snapshot)
        accepted = getattr(self.inner, "accepted", None)
        if accepted is not None:
            accepted(snapshot)

    def _read(self) -> Snapshot | None:
        try:
            content = self._path.read_bytes()
        except OSError:
            return None
        head, _, body = content.partition(b"\n")
        if head != _MAGIC + hashlib.sha256(body).hexdigest().encode():
            logger.warning("the snapshot of %s on disk is damaged and not used", self.name)
            return None
        try:
            kept = msgspec.msgpack.decode(body, type=_Kept)
        except msgspec.MsgspecError:
            return None
        return Snapshot(**{name: getattr(kept, name) for name in kept.__struct_fields__}, token=_FROM_DISK)

    def _write(self, snapshot: Snapshot) -> None:
        data: Any = snapshot.data
        if not isinstance(data, bytes):
            if not hasattr(data, "items"):
                return
            data = dict(data)
        kept = _Kept(
            data, snapshot.name, snapshot.format, snapshot.revision, snapshot.epoch, snapshot.sha256, snapshot.signature
        )
        body = msgspec.msgpack.encode(kept)
        try:
            _replace_file(self._path, _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        except OSError as error:
            logger.warning("the snapshot of %s could not be kept on disk: %s", self.name, error.strerror or error)


def _file_name(name: str) -> str:
    # The readable part is for people who look into the folder, the hash is what keeps two sources apart.
    readable = re.sub(r"[^A-Za-z0-9.-]+", "-", name)[-60:].strip("-.")
    return f"{readable}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"


def _replace_file(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def cached(source: Source, folder: str | os.PathLike[str]) -> Source:
    """Keep the last good snapshot of ``source`` in ``folder`` and start from it while the source is dark.

    Raises ConfigurationError where the folder cannot be made or belongs to somebody else; a disk that fills up later
    costs a log line and nothing else.
    """
    return _Cached(source, folder)
