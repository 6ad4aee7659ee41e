"""Test overrides: a layer over every decision of the running test, thread-of-control by thread-of-control.

``flagmiddleware.testing.override_flags`` is the public face. Decisions look here only while some override is active
anywhere in the process: ``ACTIVE`` is empty, and so false, in production.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any, Final, TypeAlias

from .answers import is_on
from .model import Evaluation, Flag, Reason

__all__ = ["ACTIVE", "Override", "counted", "current", "layered", "override_reads", "overriding", "serve_override"]

Override: TypeAlias = "bool | str | Callable[[Any], bool | str | None]"
"""true or false, a variant's name, or a function of the context (None: not overridden for this subject)."""

ACTIVE: Final[list[None]] = []
"""Holds one element for each active override: the counter that decisions look at, and nothing else."""

_NONE: Final[Mapping[str, Override]] = MappingProxyType({})
_layer: ContextVar[Mapping[str, Override]] = ContextVar("flagmiddleware_overrides", default=_NONE)


def current() -> Mapping[str, Override]:
    """The overrides of the running test, task or thread."""
    return _layer.get()


@contextmanager
def counted() -> Iterator[None]:
    """While this is open, every decision looks for overrides."""
    ACTIVE.append(None)
    try:
        yield
    finally:
        ACTIVE.pop()


@contextmanager
def overriding(values: Mapping[str, Override]) -> Iterator[None]:
    """Override flags for the block, in this thread of control only; nested blocks add to the outer ones."""
    with layered({**_layer.get(), **values}):
        yield


@contextmanager
def layered(layer: Mapping[str, Override]) -> Iterator[None]:
    """Let ``layer``, which may change meanwhile, be all the overrides of this thread of control for the block."""
    with counted():
        token = _layer.set(layer)
        try:
            yield
        finally:
            _layer.reset(token)


def override_reads(keys: Iterable[str]) -> set[str]:
    """The attributes that the overrides of these flags look at: functions name theirs in an attribute ``reads``."""
    layer = current()
    return {name for key in keys for name in getattr(layer.get(key), "reads", ())}


def _variant(flag: Flag | None, value: bool | str) -> str | None:
    if isinstance(value, str):
        return value
    if flag is None or flag.is_boolean:
        return "on" if value else "off"
    if not value:
        return flag.off
    chosen = [flag.default, *flag.variants]
    return next((name for name in chosen if name is not None and name != flag.off), flag.off)


def serve_override(key: str, flag: Flag | None, override: Override, context: Any) -> Evaluation | None:
    """The evaluation that an override asks for; None where it does not apply to this subject.

    ``True`` on a flag of several variants serves its default, or its first variant where the default is ``off``. A
    name that the flag does not declare serves nothing to the caller but its own default, reason OVERRIDE.
    """
    value = override(context) if callable(override) else override
    if value is None:
        return None
    variant = _variant(flag, value)
    if flag is None:
        served: Any = value if isinstance(value, bool) else None
        return Evaluation(
            flag_key=key, value=served, variant=variant, reason=Reason.OVERRIDE, is_enabled=variant != "off"
        )
    served = flag.variants.get(variant) if variant is not None else None
    return Evaluation(
        flag_key=key,
        value=served,
        variant=variant,
        reason=Reason.OVERRIDE,
        is_enabled=is_on(flag, variant),
        flag_metadata=flag.metadata,
    )
