"""How a flagd rule sees the evaluation context: attributes by name, ``targetingKey`` and ``$flagd``.

Source: flagd documentation, "Flag definitions", injected context properties.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from time import time
from typing import Any, Final

from ..context import TARGETING_KEY, Context, LazyContext
from .javascript import UNDEFINED, path_reader
from .jsonlogic import Expression, Scope, constant

__all__ = ["FlagdScope"]

_SESSION: Final = "session"
_USER: Final = "user"


def _key(context: Any) -> Any:
    key = context.targeting_key
    return None if isinstance(key, dict | list) else key  # an object under `user`, which flagd's users do have


def _user(context: Any) -> Any:
    """The attribute ``user`` as the caller gave it: in flagd the targeting key does not stand in for it."""
    own = getattr(context, "own", None)
    return context[_USER] if own is None else own(_USER)


def _timestamp(context: Any) -> int:
    return int(time())


class FlagdScope(Scope):
    """The outermost scope of a flag's targeting; ``reads`` collects the attributes that it names, and ``is_own`` says
    whether a rule asked for the flag's key, so that no other flag can have the function that was made of it.
    """

    def __init__(self, flag_key: str) -> None:
        self._flag_key = flag_key
        self.reads: set[str] = set()
        self.is_own = False

    @property
    def flag_key(self) -> str:
        """The flag's key."""
        self.is_own = True
        return self._flag_key

    def aside(self) -> FlagdScope:
        """A scope of the same flag that collects for itself, until :meth:`absorb` takes that over."""
        return FlagdScope(self._flag_key)

    def absorb(self, reads: Iterable[str], *, is_own: bool) -> None:
        """Take over what a shared rule reads."""
        self.reads.update(reads)
        self.is_own = self.is_own or is_own

    def read(self, name: str) -> Expression:
        """The value under a dotted name; None where there is none."""
        if "." not in name and not name.startswith("$") and name != "targetingKey":
            self.reads.add(name)
            return Expression(_user if name == _USER else itemgetter(name))
        return super().read(name)

    def find(self, name: str) -> Expression:
        """The value under a dotted name; UNDEFINED where there is none."""
        first, *parts = name.split(".")
        if first == "$flagd":
            return self._injected(parts)
        if first == "targetingKey":
            return Expression(path_reader(self.targeting_key, parts))
        self.reads.add(name if first == _SESSION else first)
        return Expression(path_reader(_session(name) if first == _SESSION else _attribute(first), parts))

    @property
    def targeting_key(self) -> Callable[[Any], Any]:
        """Reads the targeting key; None where there is none."""
        self.reads.add(TARGETING_KEY)
        return _key

    def _injected(self, parts: list[str]) -> Expression:
        if parts == ["flagKey"]:
            return constant(self.flag_key)
        if parts == ["timestamp"]:
            return Expression(_timestamp)
        return Expression(path_reader(self._injected_object(), parts))

    def _injected_object(self) -> Callable[[Any], dict[str, Any]]:
        flag_key = self.flag_key
        return lambda context: {"flagKey": flag_key, "timestamp": _timestamp(context)}

    def everything(self) -> Expression:
        """The whole context: of a web request, what was resolved so far."""
        read_key, injected = self.targeting_key, self._injected_object()
        return Expression(lambda context: {**context, "$flagd": injected(context), "targetingKey": read_key(context)})


def _attribute(name: str) -> Callable[[Any], Any]:
    fetch = _user if name == _USER else itemgetter(name)

    def read(context: Context) -> Any:
        value = fetch(context)
        # An attribute that is None is null in a context made by hand, and missing in one that a request fills.
        if value is None and (isinstance(context, LazyContext) or name not in context):
            return UNDEFINED
        return value

    return read


def _session(name: str) -> Callable[[Any], Any]:
    """``session.cart`` is an attribute of that name on the web, and a property of ``session`` elsewhere."""
    whole = _attribute(_SESSION)

    def read(context: Context) -> Any:
        if _SESSION in context or "." not in name:
            return whole(context)
        value = context[name]
        for part in reversed(name.split(".")[1:]):
            value = {part: value}
        return value

    return read
