"""A flag file, or a folder of them, read again when it changes.

A change is noticed by ``stat`` alone: the signature holds modification and change time, size, inode and device, so
an editor's rename, a same-size rewrite, a copied modification time and a ConfigMap's symlink swap all show. Signatures
are compared with ``!=``, since clocks and copies run backwards too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from time import time
from typing import Final, TypeAlias

from ..errors import SourceError
from .base import Snapshot

__all__ = ["FileSource"]

Signature: TypeAlias = "tuple[object, ...]"

_SUFFIXES: Final = frozenset({".yaml", ".yml", ".json", ".toml"})
_SETTLE: Final = 2.0  # seconds; a file changed less than this ago may still be under its writer's hands
_LIMIT: Final = 64 * 2**20
_OPEN: Final = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""What the process has open already, and somebody at the other end of: a pipe may be read there."""


def _of(found: os.stat_result) -> Signature:
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino, found.st_dev


def _check(path: str) -> None:
    """Raise SourceError for what is no file, before it is opened: a named pipe would be waited for without end."""
    if not path.startswith(_OPEN) and not stat.S_ISREG(os.stat(path).st_mode):
        raise SourceError(f"{path} is neither a file nor a folder (but a pipe, a socket or a device): check the path")


def _read(path: str) -> tuple[bytes, Signature]:
    """The bytes and the signature that belongs to them; raises OSError, or SourceError for what is no sane file."""
    _check(path)
    with open(path, "rb") as file:
        before = os.fstat(file.fileno())
        if before.st_size > _LIMIT:
            raise SourceError(f"{path} is larger than {_LIMIT // 2**20} MiB: flag files are read whole")
        data = file.read(_LIMIT + 1)
        after = os.fstat(file.fileno())
    # Written while it was read: the signature of before makes the next look read it again.
    return data, _of(before) if _of(before) != _of(after) else _of(after)


class FileSource:
    """Reads ``path``: a file, or a folder whose ``.yaml``, ``.yml``, ``.json`` and ``.toml`` files count together.

    A folder is read one level deep and names that start with a dot are skipped, so a ConfigMap's ``..data`` is not
    read twice. Raises SourceError from :meth:`fetch` where the path cannot be read.
    """

    threaded = False

    def __init__(
        self, path: str | os.PathLike[str], *, format: str | None = None, now: Callable[[], float] = time
    ) -> None:
        self.path = os.fspath(path)  # no pathlib: every site imports this file, and that costs it 5 ms
        self.name = str(path)
        self._format = format
        self._now = now

    def changed(self, known: Snapshot | None) -> bool:
        """Whether the path looks different than when ``known`` was read, or was read too soon after a change."""
        if known is None or not known.settled:
            return True
        try:
            return bool(self._signature() != known.token)
        except OSError:
            return True

    def _files(self) -> list[str]:
        """The names of the folder's flag files, in order."""
        with os.scandir(self.path) as entries:
            found = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_file()]
        return sorted(name for name in found if os.path.splitext(name)[1].lower() in _SUFFIXES)

    def _in_folder(self, name: str) -> str:
        return os.path.join(self.path, name)

    def _signature(self) -> Signature:
        found = os.stat(self.path)
        if not stat.S_ISDIR(found.st_mode):
            return _of(found)
        return tuple((name, *_of(os.stat(self._in_folder(name)))) for name in self._files())

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """The newest snapshot; None where nothing changed."""
        try:
            data, token = self._folder() if os.path.isdir(self.path) else _read(self.path)
        except OSError as error:
            raise SourceError(f"{self.name} cannot be read ({error.strerror or error}): check the path") from error
        if known is not None and known.settled and known.token == token:
            return None
        snapshot = Snapshot(data=data, name=self.name, format=self._format, token=token, settled=self._settled(token))
        if known is not None and known.data == data:  # touched, or settled since: the same definitions
            return None if known.token == token and not snapshot.settled else snapshot
        return snapshot

    def _folder(self) -> tuple[Mapping[str, bytes], Signature]:
        read = {name: _read(self._in_folder(name)) for name in self._files()}
        if not read:  # emptied by accident, or being filled: no reason to take every flag away
            raise SourceError(f"{self.name} holds no flag file: expected {', '.join(sorted(_SUFFIXES))}")
        data = {name: data for name, (data, _) in read.items()}
        return data, tuple((name, *signature) for name, (_, signature) in read.items())

    def _settled(self, token: Signature) -> bool:
        signatures = token if token and isinstance(token[0], tuple) else (("", *token),)
        newest = max((entry[1] for entry in signatures if isinstance(entry, tuple)), default=0)
        # A modification time ahead of the clock says nothing: it counts as settled rather than as never settled.
        return not 0 <= self._now() - newest / 1e9 < _SETTLE

    def close(self) -> None:
        """Nothing to let go of."""
