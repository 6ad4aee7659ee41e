"""Signed text for cookies and links: keyed BLAKE2b (RFC 7693), one derived key for each purpose."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from typing import Final, TypeAlias

__all__ = ["Signed", "Signer"]

_SIZE: Final = 16
"""128 bits: what an online guess has no chance against."""

_LONGEST: Final = 4096
"""No browser keeps a longer cookie, so no longer token is worth the hashing."""


Signed: TypeAlias = "tuple[str, bool]"
"""Text whose signature was right, and whether the first key made it (the others are being retired)."""


class Signer:
    """Signs with the first key and verifies with all of them.

    >>> signer = Signer(["a key of sixteen or more"], "example")
    >>> signer.verify(signer.sign("ann")), signer.verify("ann.forged"), Signer(["another long key"], "x").verify("")
    (('ann', True), None, None)
    """

    __slots__ = ("_states",)

    def __init__(self, keys: Sequence[str | bytes], purpose: str) -> None:
        # The keyed states are made once and copied for each signature: keying costs as much as hashing.
        self._states = tuple(
            blake2b(key=blake2b(_to_bytes(key), key=purpose.encode(), digest_size=32).digest(), digest_size=_SIZE)
            for key in keys
        )

    def __bool__(self) -> bool:
        return bool(self._states)

    def sign(self, text: str) -> str:
        """``text`` with its signature behind a dot."""
        digest = self._states[0].copy()
        digest.update(text.encode())
        return f"{text}.{digest.hexdigest()}"

    def verify(self, token: str) -> Signed | None:
        """What was signed; None for anything else, whatever it is."""
        text, dot, signature = token.rpartition(".")
        if not dot or len(token) > _LONGEST or not token.isascii():
            return None
        encoded, current = text.encode(), True
        for state in self._states:
            digest = state.copy()
            digest.update(encoded)
            if compare_digest(digest.hexdigest(), signature):
                return text, current
            current = False
        return None


def _to_bytes(key: str | bytes) -> bytes:
    return key.encode() if isinstance(key, str) else key
