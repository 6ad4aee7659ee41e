"""Unleash's delta API: a hydration and the events after it, applied to a client features document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["apply_events", "revision"]


def apply_events(document: Mapping[str, Any], events: Iterable[Any]) -> dict[str, Any]:
    """``document`` after ``events``, in the order given. The document itself is left alone.

    A hydration replaces everything; an updated feature or segment replaces the one of its name or number; unknown
    kinds of event are passed over, so that a newer server breaks nothing.

    >>> state = apply_events({}, [{"type": "hydration", "eventId": 1, "features": [{"name": "a", "enabled": True}]}])
    >>> apply_events(state, [{"type": "feature-removed", "eventId": 2, "featureName": "a"}])["features"]
    []
    """
    features = _by(document.get("features"), "name")
    segments = _by(document.get("segments"), "id")
    latest = document.get("revision")
    for event in events:
        if not isinstance(event, Mapping):
            continue
        kind = event.get("type")
        if kind == "hydration":
            features, segments = _by(event.get("features"), "name"), _by(event.get("segments"), "id")
        elif kind == "feature-updated":
            _put(features, event.get("feature"), "name")
        elif kind == "feature-removed":
            features.pop(_key(event.get("featureName")), None)
        elif kind == "segment-updated":
            _put(segments, event.get("segment"), "id")
        elif kind == "segment-removed":
            segments.pop(_key(event.get("segmentId")), None)
        latest = event.get("eventId", latest)
    kept = {name: value for name, value in document.items() if name != "events"}
    lists = {"features": [*features.values()], "segments": [*segments.values()]}
    return {"version": 2, **kept, **lists, "revision": latest}


def revision(document: Mapping[str, Any]) -> int | None:
    """The number of the last event that a document contains; None where it never saw one."""
    found = document.get("revision")
    return found if isinstance(found, int) else None


def _key(value: Any) -> Any:
    return value if isinstance(value, str | int) else None


def _put(items: dict[Any, Any], item: Any, name: str) -> None:
    if isinstance(item, Mapping) and _key(item.get(name)) is not None:
        items[item[name]] = item


def _by(items: Any, name: str) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for item in items if isinstance(items, list) else ():
        _put(found, item, name)
    return found
