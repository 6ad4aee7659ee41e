"""The answer for one flag and one subject, in OpenFeature's words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

import msgspec

__all__ = ["ErrorCode", "Evaluation", "Reason"]


class Reason(str, Enum):
    """Why a value was served: OpenFeature's reasons, and OVERRIDE.

    Source: OpenFeature specification, section 1.7 "Types and data structures", resolution reasons.
    """

    STATIC = "STATIC"
    DEFAULT = "DEFAULT"
    TARGETING_MATCH = "TARGETING_MATCH"
    SPLIT = "SPLIT"
    DISABLED = "DISABLED"
    OVERRIDE = "OVERRIDE"
    ERROR = "ERROR"

    __str__ = str.__str__


class ErrorCode(str, Enum):
    """OpenFeature's error codes."""

    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    PARSE_ERROR = "PARSE_ERROR"
    TYPE_MISMATCH = "TYPE_MISMATCH"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    GENERAL = "GENERAL"

    __str__ = str.__str__


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The answer for one flag and one subject.

    ``variant`` is None where the flag has nothing to serve (unknown key, or a dialect that leaves the value to the
    caller); ``is_enabled`` is true when a variant other than the flag's ``off`` is served; ``rule`` names the rule
    that decided. ``error_code`` and ``error_message`` are set with reason ERROR, and with DEFAULT where a rollout
    had no targeting key to hash.
    """

    flag_key: str
    value: Any = None
    variant: str | None = None
    reason: Reason = Reason.ERROR
    rule: str | None = None
    is_enabled: bool = False
    flag_metadata: Mapping[str, Any] = MappingProxyType({})
    error_code: ErrorCode | None = None
    error_message: str | None = None
