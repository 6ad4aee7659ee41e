"""The systems that shadow mode asks beside ours: django-waffle and django-flags."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, TypeAlias

from django.http import HttpRequest

__all__ = ["OLD_SYSTEMS", "Answer", "Answers", "OldSystem", "spellings", "waffle_cookie"]


class Answer(NamedTuple):
    """What the old system says; ``drawn`` anew at each call, a difference means nothing."""

    is_on: bool
    drawn: bool = False


Answers: TypeAlias = "Mapping[str, Callable[[], Answer]]"
"""By name: answers that were made ahead. Calling one gives it, with the effects of having asked only then."""


class OldSystem(Protocol):
    """What decides today."""

    def ask(self, request: HttpRequest, name: str) -> Answer | None:
        """Its answer for the flag of that name; None if it has none."""
        ...

    def ask_all(self, request: HttpRequest) -> Answers:
        """Its answers for every flag that it has, for code that must not read the database later on."""
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

    def ask(self, request: HttpRequest, name: str) -> Answer | None:
        """What waffle says."""
        import waffle

        flag: Any = waffle.get_waffle_flag_model().get(name)
        if flag.pk:
            return Answer(bool(flag.is_active(request)))
        switch: Any = waffle.get_waffle_switch_model().get(name)
        if switch.pk:
            return Answer(bool(switch.is_active()))
        sample: Any = waffle.get_waffle_sample_model().get(name)
        return Answer(bool(sample.is_active()), drawn=True) if sample.pk else None

    def ask_all(self, request: HttpRequest) -> Answers:
        """What waffle says for each of its rows."""
        import waffle

        rows: list[Any] = []
        for model in (waffle.get_waffle_sample_model(), waffle.get_waffle_switch_model()):
            rows.extend(model.get_all())
        samples = waffle.get_waffle_sample_model()
        found = {row.name: _known(Answer(bool(row.is_active()), drawn=isinstance(row, samples))) for row in rows}
        for flag in waffle.get_waffle_flag_model().get_all():
            found[flag.name] = _ahead(request, flag)
        return found


def _known(answer: Answer) -> Callable[[], Answer]:
    return lambda: answer


def _failing(error: Exception) -> Callable[[], Answer]:
    def fail() -> Answer:
        raise error

    return fail


_KEPT: Final = ("waffles", "waffle_tests")  # what waffle's middleware makes cookies of


def _ahead(request: Any, flag: Any) -> Callable[[], Answer]:
    """Ask a waffle flag; what it draws for the visitor becomes a cookie only when somebody looks at the answer."""
    before = {kept: set(getattr(request, kept, ())) for kept in _KEPT}
    try:
        answer = Answer(bool(flag.is_active(request)))
    except Exception as error:
        return _failing(error)
    drawn = {kept: getattr(request, kept).pop(flag.name) for kept in _KEPT
             if flag.name in getattr(request, kept, ()) and flag.name not in before[kept]}  # fmt: skip

    def look() -> Answer:
        for kept, value in drawn.items():
            # The view may have asked waffle itself meanwhile, and so drawn before us.
            value = getattr(request, kept).setdefault(flag.name, value)
            if kept == "waffles":
                return Answer(bool(value[0]))
        return answer

    return look


class DjangoFlags:
    """Its flags from settings and table."""

    def ask(self, request: HttpRequest, name: str) -> Answer | None:
        """What django-flags says."""
        from flags.state import flag_state

        found = flag_state(name, request=request)
        return None if found is None else Answer(bool(found))

    def ask_all(self, request: HttpRequest) -> Answers:
        """What django-flags says for each of its flags."""
        from flags.sources import get_flags

        found: dict[str, Callable[[], Answer]] = {}
        for name, flag in get_flags(request=request).items():
            try:
                found[name] = _known(Answer(bool(flag.check_state(request=request))))
            except Exception as error:
                found[name] = _failing(error)
        return found


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
