"""What finishing a response needs of its headers."""

from __future__ import annotations

from typing import Protocol

__all__ = ["HeaderView", "PairHeaders"]


class HeaderView(Protocol):
    """The headers of a response that has not left yet; names are compared without regard to case."""

    def get(self, name: str, /) -> str | None:
        """The header's value; None where it is not set."""

    def set(self, name: str, value: str, /) -> None:
        """Replace the header."""

    def remove(self, name: str, /) -> None:
        """Take the header away, if it is there."""

    def add(self, name: str, value: str, /) -> None:
        """Add a header beside those of the same name."""


class PairHeaders:
    """A WSGI response's list of pairs, changed in place.

    >>> pairs = [("Vary", "Origin"), ("vary", "Host")]
    >>> PairHeaders(pairs).get("VARY"), PairHeaders(pairs).set("Vary", "Cookie"), pairs
    ('Origin, Host', None, [('Vary', 'Cookie')])
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs

    def get(self, name: str, /) -> str | None:
        """The header's value, repeated ones joined."""
        wanted = name.lower()
        found = [value for key, value in self.pairs if key.lower() == wanted]
        return ", ".join(found) if found else None

    def set(self, name: str, value: str, /) -> None:
        """Replace the header."""
        self.remove(name)
        self.pairs.append((name, value))

    def remove(self, name: str, /) -> None:
        """Take the header away."""
        wanted = name.lower()
        if any(key.lower() == wanted for key, _ in self.pairs):
            self.pairs[:] = [pair for pair in self.pairs if pair[0].lower() != wanted]

    def add(self, name: str, value: str, /) -> None:
        """Add one more."""
        self.pairs.append((name, value))
