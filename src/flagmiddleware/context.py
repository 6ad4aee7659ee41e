"""Who is asking: the evaluation context, a dict whose missing attributes are resolved on first use and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from .bucketing import encode_key

__all__ = ["EMPTY", "TARGETING_KEY", "Context", "LazyContext", "Resolver"]

TARGETING_KEY: Final = "targeting_key"


def _email_domain(context: Context) -> Any:
    email = context["email"]
    if not isinstance(email, str) or "@" not in email:
        return None
    return email.rpartition("@")[2].lower() or None


_DERIVED: Final[Mapping[str, Callable[[Context], Any]]] = {"email_domain": _email_domain}


class Context(dict[str, Any]):
    """The attributes of a subject, and the targeting key: the string that rollouts hash.

    ``Context(targeting_key=None, attributes={}, /, **more)``. ``user`` and the targeting key stand in for each
    other where only one is given. A missing attribute reads as None.

    >>> ann = Context("user-42", {"country": "AU"}, plan="pro")
    >>> ann.targeting_key, ann["user"], ann["plan"], ann["shoe_size"]
    ('user-42', 'user-42', 'pro', None)
    >>> Context(user=7).targeting_key
    7
    """

    __slots__ = ("key", "key_bytes")

    key: Any
    """The targeting key where it is known without resolving anything; others ask for :attr:`targeting_key`."""
    key_bytes: bytes | None
    """The encoded targeting key: from the start where it is text, else once it was needed; compiled flags read it."""

    def __init__(
        self, targeting_key: Any = None, attributes: Mapping[str, Any] | Iterable[tuple[str, Any]] = (), /, **more: Any
    ) -> None:
        super().__init__(attributes, **more)
        if targeting_key is None:
            targeting_key = self.get("user")
        elif "user" not in self:
            self["user"] = targeting_key
        self.key = targeting_key
        # Once for the subject, not once for each flag; what is no plain text waits for `encode_key`.
        self.key_bytes = None
        if targeting_key.__class__ is str:
            try:
                self.key_bytes = targeting_key.encode()
            except UnicodeEncodeError:
                self.key_bytes = encode_key(targeting_key)

    @property
    def targeting_key(self) -> Any:
        """The key that rollouts hash: text, an integer or a UUID; None where there is none."""
        return self.key

    def encode_key(self) -> bytes:
        """Encode the targeting key, keep the bytes and return them; empty where the key has no bucket."""
        encoded = self.key_bytes = encode_key(self.targeting_key)
        return encoded

    def __missing__(self, name: str) -> Any:
        derive = _DERIVED.get(name)
        return derive(self) if derive is not None else None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.targeting_key!r}, {dict(self)!r})"

    def dump(self, *attributes: str) -> dict[str, Any]:
        """The targeting key and the named attributes, as plain data that a queue can carry.

        >>> Context("user-42", plan="pro", email="ann@yourcompany.com").dump("plan")
        {'targeting_key': 'user-42', 'attributes': {'plan': 'pro'}}
        """
        return {TARGETING_KEY: self.targeting_key, "attributes": {name: self[name] for name in attributes}}

    @classmethod
    def load(cls, dumped: Mapping[str, Any]) -> Context:
        """The context that :meth:`dump` wrote.

        >>> Context.load(Context("user-42", plan="pro").dump("plan"))["plan"]
        'pro'
        """
        return Context(dumped.get(TARGETING_KEY), dumped.get("attributes") or {})


Resolver = Callable[["LazyContext"], Any]
"""Computes one attribute from the context that it belongs to; may read others of it."""


class LazyContext(Context):
    """A context that starts empty and asks ``resolvers`` for each attribute when it is first read.

    What was read is then in the dict (None for what is missing), so the keys present afterwards contain everything
    that decisions depended on: adapters derive ``Vary`` and ``Cache-Control`` from them. The targeting key is the
    resolver named ``targeting_key``.

    >>> lazy = LazyContext({"country": lambda ctx: "AU", "targeting_key": lambda ctx: f"{ctx['country']}-1"})
    >>> list(lazy), lazy.targeting_key, list(lazy)
    ([], 'AU-1', ['country', 'targeting_key'])
    """

    __slots__ = ("resolvers",)

    def __init__(self, resolvers: Mapping[str, Resolver]) -> None:
        # Deliberately not Context.__init__: it would fill `user`, and this context must start empty.
        dict.__init__(self)
        self.key = self.key_bytes = None
        self.resolvers = resolvers

    @property
    def targeting_key(self) -> Any:
        """The key that rollouts hash, resolved on first use."""
        return self[TARGETING_KEY]

    def __missing__(self, name: str) -> Any:
        resolve = self.resolvers.get(name)
        value = self[name] = resolve(self) if resolve is not None else super().__missing__(name)
        return value


EMPTY: Final = Context()
"""Nobody in particular: what is evaluated against where no context is given."""
