"""What the ``flags`` fixture gives a test."""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from contextlib import AbstractContextManager
from typing import Any

from ..overrides import Override
from .overrides import for_users, named, override_flags

__all__ = ["FlagsFixture"]


class FlagsFixture:
    """Decides flags until the test ends: ``flags.enable("new-checkout")``, ``flags.set({"button": "green"})``.

    Changes are seen by the test, by the tasks that it starts, and by the client it calls the site with.
    """

    def __init__(self, layer: MutableMapping[str, Override]) -> None:
        self._layer = layer
        self._given = dict(layer)

    def enable(self, *keys: str, user: Any = None) -> None:
        """These flags are on (for this user only, where one is given)."""
        self.set(dict.fromkeys(keys, True), user=user)

    def disable(self, *keys: str, user: Any = None) -> None:
        """These flags are off."""
        self.set(dict.fromkeys(keys, False), user=user)

    def set(self, values: dict[str, Any] | None = None, /, *, user: Any = None, **more: Any) -> None:
        """Each flag serves what is given: true, false, a variant's name, or a function of the context."""
        override = override_flags(values, **more)
        for key, value in override.values.items():
            self._layer[key] = value if user is None else self._also_for(key, value, [user])

    def reset(self, *keys: str) -> None:
        """These flags (all where none is named) are decided as the test found them."""
        for key in named(dict.fromkeys(keys)) if keys else list(self._layer):
            self._layer.pop(key, None)
            if key in self._given:
                self._layer[key] = self._given[key]

    def override(self, values: dict[str, Any] | None = None, /, **more: Any) -> AbstractContextManager[Any]:
        """The same for a block of the test."""
        return override_flags(values, **more)

    def _also_for(self, key: str, value: Override, users: Iterable[Any]) -> Override:
        mine, others = for_users(value, users), self._layer.get(key)

        def decide(context: Any) -> bool | str | None:
            found = mine(context) if callable(mine) else mine
            if found is not None:
                return found
            return others(context) if callable(others) else others

        decide.reads = ("user",)  # type: ignore[attr-defined]
        return decide
