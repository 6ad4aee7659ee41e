"""A request that is a plain mapping, and the facts of it: what the neutral parts are tested with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flagmiddleware import Flags
from flagmiddleware.web import Facts, Installation

KEY = "a secret key of the tests"


class DictFacts(Facts[dict[str, Any]]):
    """Requests are dicts: ``{"headers": {...}, "user": ..., "session": {...}}``."""

    def header(self, request: dict[str, Any], name: str) -> str | None:
        return request.get("headers", {}).get(name.lower())

    def method(self, request: dict[str, Any]) -> str | None:
        return request.get("method", "GET")

    def path(self, request: dict[str, Any]) -> str | None:
        return request.get("path", "/")

    def query(self, request: dict[str, Any]) -> str | None:
        return request.get("query", "")

    def scheme(self, request: dict[str, Any]) -> str | None:
        return request.get("scheme", "http")

    def peer(self, request: dict[str, Any]) -> str | None:
        return request.get("peer", "198.51.100.9")

    def user(self, request: dict[str, Any]) -> Any:
        return request.get("user")

    def session(self, request: dict[str, Any]) -> Mapping[str, Any] | None:
        return request.get("session")


def document(**flags: Any) -> dict[str, Any]:
    """A native document; ``new_checkout={"country": "AU"}`` is a flag that serves true under that condition."""
    rules = {key.replace("_", "-"): {"rules": [{"if": condition, "serve": True}]} for key, condition in flags.items()}
    return {"version": 1, "flags": rules}


def install(definitions: Mapping[str, Any], facts: Facts[Any] | None = None, **options: Any) -> Installation:
    """An installation with these definitions."""
    return Installation.build({"flags": Flags(definitions), **options}, facts or DictFacts())


def headers(**named: str) -> dict[str, str]:
    """Request headers, ``accept_language="en"``."""
    return {name.replace("_", "-"): value for name, value in named.items()}
