"""What a native document of flags that are on or off says in each vendor's words, as its server would send it."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["VENDORS", "flagd", "rocketflag", "unleash"]


def _states(document: bytes) -> dict[str, bool]:
    return {key: bool(body.get("rules")) for key, body in json.loads(document)["flags"].items()}


def unleash(document: bytes) -> bytes:
    """Features of Unleash's client API."""
    strategies = [{"name": "default", "parameters": {}}]
    features = [
        {"name": key, "enabled": enabled, "strategies": strategies} for key, enabled in _states(document).items()
    ]
    return json.dumps({"version": 2, "features": features, "query": {"environment": "production"}}).encode()


def flagd(document: bytes) -> bytes:
    """A flagd definition."""
    variants = {"on": True, "off": False}
    flags = {
        key: {"state": "ENABLED", "variants": variants, "defaultVariant": "on" if enabled else "off"}
        for key, enabled in _states(document).items()
    }
    return json.dumps({"flags": flags}).encode()


def rocketflag(document: bytes) -> bytes:
    """Flags of RocketFlag's management API."""
    shared: dict[str, Any] = {"kind": "flag", "trafficPercentage": 100, "cohorts": [], "audienceId": None}
    # Both its id and its name are keys of a flag there: here they are one.
    flags = [{"id": key, "name": key, "enabled": enabled, **shared} for key, enabled in _states(document).items()]
    return json.dumps({"flags": flags}).encode()


VENDORS = {"unleash": (unleash, "/api"), "flagd": (flagd, "/flags.json"), "rocketflag": (rocketflag, "")}
"""By scheme: the translation, and the path that follows the host in a URL."""
