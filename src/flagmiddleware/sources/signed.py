"""Snapshots that prove who wrote them: an HMAC over what a store hands out, checked before anything is parsed.

A hash kept beside the data in the same store proves nothing: whoever can write the data can write the hash. The key is
known to those who publish and to those who read, and to nobody else; several keys may be given while one replaces
another.

Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from ..errors import ConfigurationError, SourceError
from .base import Snapshot, Source
from .wrappers import _Wrapper

__all__ = ["sign", "signed"]


def _material(snapshot: Snapshot) -> bytes:
    data = snapshot.data
    if isinstance(data, bytes):
        parts = [data]
    elif isinstance(data, Mapping):
        parts = [part for name in sorted(data) for part in (name.encode(), data[name])]
    else:
        raise ConfigurationError("definitions that the program itself holds need no signature")
    # The hash of each part, so that where one ends and the next begins cannot be argued about.
    fields = (snapshot.epoch.encode(), snapshot.revision.encode(), *parts)
    return b"".join(hashlib.sha256(field).digest() for field in fields)


def sign(snapshot: Snapshot, key: bytes) -> str:
    """The signature of a snapshot's epoch, revision and data, in hexadecimal digits.

    >>> one, two = Snapshot(data=b"{}", revision="1"), Snapshot(data=b"{}", revision="2")
    >>> sign(one, b"secret") == sign(two, b"secret")
    False
    """
    return hmac.new(key, _material(snapshot), hashlib.sha256).hexdigest()


class _Signed(_Wrapper):
    handed_on = (*_Wrapper.handed_on, "write", "path")  # the inner source signs what it writes

    def __init__(self, inner: Source, keys: Sequence[bytes]) -> None:
        super().__init__(inner)
        if not keys or not all(len(key) >= 16 for key in keys):
            raise ConfigurationError("snapshot_key: needs at least 16 bytes; anything shorter can be guessed")
        self._keys = tuple(keys)

    def fetch(self, known: Snapshot | None) -> Snapshot | None:
        """What the inner source has; raises SourceError where its signature is not ours."""
        return self._believed(self.inner.fetch(known))

    def last_good(self) -> Snapshot | None:
        """What the inner source kept from before, if anything; raises SourceError where its signature is not ours."""
        last_good = getattr(self.inner, "last_good", None)
        return None if last_good is None else self._believed(last_good())

    def _believed(self, found: Snapshot | None) -> Snapshot | None:
        if found is not None and not any(hmac.compare_digest(sign(found, key), found.signature) for key in self._keys):
            raise SourceError(f"{self.name}: revision {found.revision or '?'} is not signed with our snapshot key")
        return found


def signed(source: Source, *keys: bytes) -> Source:
    """Believe only snapshots of ``source`` that carry a signature made with one of ``keys`` (16 bytes or more)."""
    return _Signed(source, keys)


def with_signature(snapshot: Snapshot, key: bytes) -> Snapshot:
    """The snapshot with its signature filled in."""
    return replace(snapshot, signature=sign(snapshot, key))
