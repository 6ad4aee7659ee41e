"""A context in layers: what one party says over, or under, what the request says.

OpenFeature's callers add attributes to the request's context; a client that asks over HTTP may fill in what the server
does not know. In both the request's own attributes stay lazy, and what was read of them still decides the headers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from ..context import TARGETING_KEY, Context

__all__ = ["LayeredContext"]

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


class LayeredContext(Context):
    """``over``, then ``base``, then ``under``: the first that has an attribute gives it.

    ``targeting_key`` goes before the base's own, ``spare_key`` stands in where the base has none. The targeting key
    does not stand in for ``user`` here: who the user is, is the base's to say.

    >>> context = LayeredContext(Context("user-42", plan="pro"), over={"plan": "free"}, under={"country": "AU"})
    >>> context["plan"], context["country"], context["user"], context.targeting_key
    ('free', 'AU', 'user-42', 'user-42')
    """

    __slots__ = ("_spare_key", "_under", "base")

    def __init__(
        self,
        base: Context,
        *,
        over: Mapping[str, Any] = _NONE,
        under: Mapping[str, Any] = _NONE,
        targeting_key: Any = None,
        spare_key: Any = None,
    ) -> None:
        # Deliberately not Context.__init__: it would make the targeting key the user.
        dict.__init__(self, over)
        self.key = targeting_key
        self.key_bytes = None
        self.base = base
        self._under = under
        self._spare_key = spare_key

    @property
    def targeting_key(self) -> Any:
        """The key that rollouts hash."""
        if self.key is None:
            own = self.base.targeting_key
            return self._spare_key if own is None else own
        return self.key

    def __missing__(self, name: str) -> Any:
        value = self.base[name]
        return self._under.get(name) if value is None else value

    async def aresolve(self, names: Iterable[str]) -> None:
        """Resolve these attributes of the base, awaiting what needs I/O."""
        resolve = getattr(self.base, "aresolve", None)
        wanted = [name for name in names if name not in self and not (name == TARGETING_KEY and self.key is not None)]
        if resolve is not None and wanted:
            await resolve(wanted)
