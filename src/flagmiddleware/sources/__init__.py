"""Where definitions come from, one file each."""

from __future__ import annotations

from ..errors import ConfigurationError
from .base import Change, Snapshot, Source, Waiting, Writable
from .file import FileSource
from .memory import MemorySource

__all__ = ["Change", "FileSource", "MemorySource", "Snapshot", "Source", "Waiting", "Writable", "from_url"]


def from_url(url: str) -> Source:
    """The source that a URL names; raises ConfigurationError, naming the schemes, for one that nobody knows.

    >>> from_url("file:///etc/flags.yaml").name
    '/etc/flags.yaml'
    """
    scheme, _, rest = url.partition("://")
    if scheme == "file":
        return FileSource(rest)
    raise ConfigurationError(f"no source is known for {scheme}:// (known: file://)")
