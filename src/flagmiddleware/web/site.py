"""What the site's own ``context=`` callable gave: attributes, or a log line and none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .say import Say

__all__ = ["attributes_of", "no_attributes_after"]


def attributes_of(answer: Any, say: Say) -> Mapping[str, Any]:
    """What the callable returned; nothing, and a line in the log, where that is no mapping.

    >>> attributes_of({"plan": "pro"}, Say()), attributes_of(None, Say())
    ({'plan': 'pro'}, {})
    """
    if isinstance(answer, Mapping):
        return answer
    if answer is not None:
        say("context: the site's callable returned %s, not a mapping", type(answer).__name__)
    return {}


def no_attributes_after(error: Exception, say: Say) -> Mapping[str, Any]:
    """Nothing, and a line in the log: a callable that fails costs its own attributes only."""
    say("context: the site's callable failed, so its attributes are missing: %s", type(error).__name__, error)
    return {}
