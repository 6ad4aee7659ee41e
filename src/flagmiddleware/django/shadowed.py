"""The systems that shadow mode asks beside ours: django-waffle and django-flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, Protocol

from django.http import HttpRequest

__all__ = ["OLD_SYSTEMS", "OldSystem", "spellings", "waffle_cookie"]


class OldSystem(Protocol):
    """What decides today."""

    def ask(self, request: HttpRequest, name: str | None, key: str) -> bool | None:
        """Its answer for the flag of that name, or of our key in one of its spellings; None if it has none."""
        ...

    def is_dice(self, key: str) -> bool:
        """Whether it draws anew at each call, so that a difference means nothing."""
        ...


def spellings(name: str | None, key: str) -> Iterator[str]:
    """What our key may be called there.

    >>> list(spellings(None, "new-checkout"))
    ['new-checkout', 'new_checkout', 'NEW_CHECKOUT', 'NEW-CHECKOUT']
    """
    if name is not None:
        yield name
        return
    underscored = key.replace("-", "_")
    yield from dict.fromkeys((key, underscored, underscored.upper(), key.upper()))


class Waffle:
    """Its flags, then its switches, then its samples; a row that is not there has no answer."""

    def __init__(self) -> None:
        self._dice: set[str] = set()

    def ask(self, request: HttpRequest, name: str | None, key: str) -> bool | None:
        """What waffle says."""
        import waffle

        for spelling in spellings(name, key):
            flag: Any = waffle.get_waffle_flag_model().get(spelling)
            if flag.pk:
                return bool(flag.is_active(request))
            switch: Any = waffle.get_waffle_switch_model().get(spelling)
            if switch.pk:
                return bool(switch.is_active())
            sample: Any = waffle.get_waffle_sample_model().get(spelling)
            if sample.pk:
                self._dice.add(key)
                return bool(sample.is_active())
        return None

    def is_dice(self, key: str) -> bool:
        """Samples are."""
        return key in self._dice


class DjangoFlags:
    """Its flags from settings and table."""

    def ask(self, request: HttpRequest, name: str | None, key: str) -> bool | None:
        """What django-flags says."""
        from flags.state import flag_state

        for spelling in spellings(name, key):
            answer = flag_state(spelling, request=request)
            if answer is not None:
                return bool(answer)
        return None

    def is_dice(self, key: str) -> bool:
        """It draws nothing."""
        return False


OLD_SYSTEMS: Final[Mapping[str, Callable[[], OldSystem]]] = MappingProxyType(
    {"waffle": Waffle, "django-flags": DjangoFlags}
)


def waffle_cookie(request: HttpRequest, name: str | None, key: str) -> bool | None:
    """The side of a rollout that a waffle cookie keeps its owner on; None without one.

    Source: django-waffle 5.0, ``WAFFLE_COOKIE`` (``dwf_%s``), values "True" and "False".
    """
    from django.conf import settings

    pattern = getattr(settings, "WAFFLE_COOKIE", "dwf_%s")
    for spelling in spellings(name, key):
        value = request.COOKIES.get(pattern % spelling)
        if value is not None:
            return bool(value == "True")
    return None
