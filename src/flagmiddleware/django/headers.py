"""A Django response's headers as the neutral code sees them."""

from __future__ import annotations

from django.http.response import HttpResponseBase

__all__ = ["DjangoHeaders"]


class DjangoHeaders:
    """A Django response's headers; its cookies are kept apart from them and a ``Set-Cookie`` goes there."""

    __slots__ = ("_response",)

    def __init__(self, response: HttpResponseBase) -> None:
        self._response = response

    def get(self, name: str, /) -> str | None:
        """The header's value."""
        value: str | None = self._response.headers.get(name)
        return value

    def set(self, name: str, value: str, /) -> None:
        """Replace the header."""
        self._response.headers[name] = value

    def remove(self, name: str, /) -> None:
        """Take the header away."""
        self._response.headers.pop(name, None)

    def add(self, name: str, value: str, /) -> None:
        """Add a header; Django keeps one of each name, cookies excepted."""
        if name.lower() == "set-cookie":
            self._response.cookies.load(value)
            return
        present = self.get(name)
        self.set(name, value if present is None else f"{present}, {value}")
