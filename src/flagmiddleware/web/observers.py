"""Who is told, at the end of a request, which flags it read and how it went."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from ..model import Evaluation
from .say import LOGGER

if TYPE_CHECKING:
    from .request import RequestFlags

__all__ = ["Observation", "Observer", "Observers"]


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One request that read flags: each evaluation, the status, the seconds it took, and whether it raised."""

    flags: Any  # the RequestFlags, for its context, plan and request
    evaluations: Mapping[str, Evaluation]
    status: int
    duration: float
    raised: bool = False


Observer: TypeAlias = "Callable[[Observation], None]"


class Observers:
    """The observers of one installation. One that fails is switched off; it never touches a response."""

    __slots__ = ("all",)

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.all = tuple(observers)  # replaced, never changed: a request may be walking it

    def add(self, observer: Observer) -> None:
        """From now on, tell this one too."""
        self.all = (*self.all, observer)

    def remove(self, observer: Observer) -> None:
        """Stop telling this one."""
        self.all = tuple(other for other in self.all if other is not observer)

    def __bool__(self) -> bool:
        return bool(self.all)

    def __iter__(self) -> Iterator[Observer]:
        return iter(self.all)

    def tell(self, here: RequestFlags, status: int, duration: float, raised: bool) -> None:
        """Tell all of them."""
        observation = Observation(
            flags=here, evaluations=here.evaluated(), status=status, duration=duration, raised=raised
        )
        for observer in self.all:
            try:
                observer(observation)
            except Exception:
                self.remove(observer)
                LOGGER.exception("observer %r failed and is switched off", observer)
