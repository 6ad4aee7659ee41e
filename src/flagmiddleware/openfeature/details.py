"""What OpenFeature is told of an evaluation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from openfeature.exception import ErrorCode as ProviderErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails

from ..frozen import FrozenDict
from ..model import Evaluation, Reason

__all__ = ["NOTHING", "as_boolean", "as_float", "as_integer", "as_object", "as_string", "described"]

T = TypeVar("T")

NOTHING: Final = object()
"""Not a value of the type that was asked for."""

_text: Final = str.__str__  # of a Reason: the plain text, several times as fast as `.value`


def as_boolean(value: Any) -> Any:
    """The value where it is true or false, else NOTHING."""
    return value if isinstance(value, bool) else NOTHING


def as_string(value: Any) -> Any:
    """The value where it is a text, else NOTHING."""
    return value if isinstance(value, str) else NOTHING


def as_integer(value: Any) -> Any:
    """The value where it is a whole number, else NOTHING."""
    return value if isinstance(value, int) and not isinstance(value, bool) else NOTHING


def as_float(value: Any) -> Any:
    """The value where it is a number; a whole one widens, else NOTHING."""
    if value.__class__ is float:
        return value
    try:
        return float(value) if isinstance(value, int) and not isinstance(value, bool) else NOTHING
    except OverflowError:
        return NOTHING


def as_object(value: Any) -> Any:
    """The value where it is an object or an array, else NOTHING."""
    return value if isinstance(value, dict | list) else NOTHING


def described(
    evaluation: Evaluation, default: T, kind: type, convert: Callable[[Any], Any]
) -> FlagResolutionDetails[T]:
    """What OpenFeature wants to know; ``convert`` is asked for values that are not of exactly class ``kind``."""
    if evaluation.error_code is not None:
        return _with_error(evaluation, default, convert)
    variant = evaluation.variant
    value = default if variant is None else evaluation.value
    if value.__class__ is not kind and variant is not None:
        value = convert(value)
        if value is NOTHING:
            return _mismatch(evaluation, default)
    metadata = _metadata(evaluation.flag_metadata) if evaluation.flag_metadata else _NO_METADATA
    return FlagResolutionDetails(value, None, None, _text(evaluation.reason), variant, metadata)


def _mismatch(evaluation: Evaluation, default: T) -> FlagResolutionDetails[T]:
    message = (
        f"flag {evaluation.flag_key!r} serves a {type(evaluation.value).__name__}, which is not what was asked for"
    )
    return FlagResolutionDetails(
        default, ProviderErrorCode.TYPE_MISMATCH, message, "ERROR", None, _metadata(evaluation.flag_metadata)
    )


def _with_error(evaluation: Evaluation, default: T, convert: Callable[[Any], Any]) -> FlagResolutionDetails[T]:
    code = evaluation.error_code
    assert code is not None  # noqa: S101 - the caller asked
    if evaluation.reason is Reason.ERROR:
        metadata = _metadata(evaluation.flag_metadata)
        return FlagResolutionDetails(
            default, ProviderErrorCode(code.value), evaluation.error_message, "ERROR", None, metadata
        )
    # The SDK discards a value that comes with an error code, and this one is to be served: tell in the metadata.
    value = default if evaluation.variant is None else convert(evaluation.value)
    if value is NOTHING:
        return _mismatch(evaluation, default)
    told = {**_metadata(evaluation.flag_metadata), "flagmiddleware.error_code": code.value}
    return FlagResolutionDetails(value, None, None, _text(evaluation.reason), evaluation.variant, told)


_NO_METADATA: Final = FrozenDict()


def _metadata(metadata: Mapping[str, Any]) -> Mapping[str, bool | int | float | str]:
    # Many answers share it, and no hook may change it (requirement 1.4.14.1).
    return FrozenDict({name: value for name, value in metadata.items() if isinstance(value, str | int | float)})
