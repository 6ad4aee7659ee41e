"""The evaluation context of a web request: empty at first, then what the rules asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ..bucketing import encode_key
from ..context import TARGETING_KEY, LazyContext

if TYPE_CHECKING:
    from .derivation import Derivation

__all__ = ["ATTRIBUTES", "PRIVATE", "PROMISED", "SESSION", "UNREAD", "USER_ATTRIBUTES", "WebContext"]

SESSION: Final = "session."
"""What the names of session attributes begin with."""

USER_ATTRIBUTES: Final = frozenset(
    {"user", "email", "email_domain", "groups", "is_staff", "is_superuser", "is_authenticated", TARGETING_KEY}
)
"""Attributes that need the user object."""

PRIVATE: Final = frozenset(USER_ATTRIBUTES - {TARGETING_KEY} | {"visitor", "ip"})
"""Attributes whose answers no shared cache may keep; the targeting key is user or visitor, which say so themselves."""

ATTRIBUTES: Final = frozenset(
    USER_ATTRIBUTES | PRIVATE | {"country", "language", "path", "method", "host", "user_agent"}
)
"""Every name that means the same in all adapters; ``session.<key>`` and the site's own come on top."""

PROMISED: Final = 2
"""Headers that left and promise that the answer is nobody's in particular, while its body may still be made."""

UNREAD: Final = object()
"""Nobody looked for the user yet."""


class WebContext(LazyContext):
    """The context of one request. It starts empty; what decisions read is in it afterwards.

    Who makes one sets each of the slots: a constructor written in Python would double the cost.
    """

    __slots__ = ("__dict__", "derivation", "is_plain", "request", "sent", "user_object")

    __init__ = dict.__init__

    derivation: Derivation
    request: Any
    sent: int
    """Whether the headers left: a cookie would come too late. PROMISED: nothing private may be read either."""
    user_object: Any
    """UNREAD at first."""
    is_plain: bool
    """None of the following was set: what was read is all there is to know. True at first."""

    # Defaults on the class: most requests change none of these, and every request would pay for setting them.
    key: Any = None
    minted: str | None = None
    """A visitor that the answer has to set a cookie for."""
    site: Mapping[str, Any] | None = None
    """What the site's callable answered, once it was asked."""
    group_names: tuple[str, ...] | None = None
    """The groups that were awaited: where there are none the site's callable has the word, and nobody asks again."""
    was_private: bool = False
    """Something private was read and then forgotten, or could not be read."""

    def __missing__(self, name: str) -> Any:
        resolve = self.derivation.resolvers.get(name)
        if self.sent == PROMISED and self._is_sealed():
            self.derivation.refuse_late(self, name, resolve)
        try:
            value = self.derivation.other(self, name) if resolve is None else resolve(self)
        except Exception:
            # Whose answer this would have been is not known: the flag's, given in error, is nobody else's either.
            self.is_plain = False
            self.was_private = True
            raise
        self[name] = value
        return value

    def seal(self) -> None:
        """The headers promise that nothing private is read any more."""
        self.sent = PROMISED

    def unseal(self) -> None:
        """The body has left: whatever is read now is in no answer."""
        self.sent = True

    def _is_sealed(self) -> bool:
        if self.derivation.facts.is_over(self.request):
            self.unseal()
        return self.sent == PROMISED

    def forget_user(self) -> None:
        """Drop what was derived from the user, who is another one now; that it was read is not forgotten."""
        for name in USER_ATTRIBUTES:
            self.was_private |= self.pop(name, UNREAD) is not UNREAD
        self.is_plain = False
        self.user_object = UNREAD
        self.group_names = None
        self.key = self.key_bytes = None

    def encode_key(self) -> bytes:
        """Encode the targeting key, keep the bytes and return them; empty where the key has no bucket."""
        # Every rollout of a request begins here: without the property, and the resolver of the key written out.
        if TARGETING_KEY in self:
            key = self[TARGETING_KEY]
        else:
            user = self["user"]
            key = self[TARGETING_KEY] = self["visitor"] if user is None else user
        encoded = self.key_bytes = key.encode() if key.__class__ is str and key.isascii() else encode_key(key)
        return encoded

    async def aresolve(self, names: Iterable[str]) -> None:
        """Resolve these attributes, awaiting what needs I/O; deciding can then read them on a running loop."""
        if self.sent != PROMISED or not self._is_sealed():  # deciding would refuse to read it
            await self.derivation.aresolve(self, [name for name in names if name not in self])

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("a request's context cannot be pickled; context.dump('plan', …) carries what a task needs")
