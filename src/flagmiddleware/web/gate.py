"""A gate: what ``flag_required`` was told, understood once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from difflib import get_close_matches
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypedDict

from ..errors import ConfigurationError
from .context import ATTRIBUTES, USER_ATTRIBUTES

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..bound import BoundFlags
    from ..model import Ruleset

__all__ = [
    "ASKING",
    "GATE_ATTRIBUTE",
    "Gate",
    "GateOptions",
    "Unknown",
    "explain_unknown",
    "gate_of",
    "gates_on",
    "nearest",
    "unknown_keys",
]

GATE_ATTRIBUTE: Final = "__flag_gate__"
"""Where an adapter leaves the gate on what it wrapped, so that start-up checks find it."""


_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REFUSALS: Final = tuple(int(status) for status in HTTPStatus if status >= 400)
"""Those that have a name: frameworks know no others."""

ASKING: Final = frozenset({302, 303, 307, 401, 403})
"""Statuses of answers that may ask for credentials."""
_OF_ANYBODY: Final = ATTRIBUTES - USER_ATTRIBUTES
"""Attributes that stay what they are when somebody signs in."""


class GateOptions(TypedDict, total=False):
    """What ``flag_required`` takes beside a key, in every adapter."""

    any: Sequence[str]
    """Open if one of these is on; a key may be negated: ``"!legacy"``."""
    all: Sequence[str]
    """Open if all of these are."""
    variant: str | Sequence[str]
    """Open if the flag serves this variant, or one of these, instead of whether it is on."""
    otherwise: Any
    """What answers where the gate is shut: a view of the framework."""
    redirect_to: str | None
    """Where to go where the gate is shut: a path, a URL, or a route's name where the framework has them."""
    status: int
    """The status where the gate is shut: 404, because a gated page does not exist; beside ``redirect_to``, 302."""


class _Term(NamedTuple):
    key: str
    negated: bool


class Gate:
    """Whether a request may pass, and what happens if it may not.

    >>> from flagmiddleware import Flags
    >>> here = Flags({"version": 1, "flags": {"on-for-all": {"rules": [{"serve": True}]}, "beta": {}}}).bind()
    >>> Gate("on-for-all").allows(here), Gate("!beta").allows(here), Gate(any=["beta", "on-for-all"]).allows(here)
    (True, True, True)
    """

    __slots__ = ("_any", "_terms", "_variants", "keys", "otherwise", "redirect_to", "status")

    keys: tuple[str, ...]
    """Every flag that the gate looks at."""

    def __init__(self, key: str | None = None, /, **options: Unpack[GateOptions]) -> None:
        terms, self._any = _chosen(key, options)
        self._terms = tuple(_term(text) for text in terms)
        self._variants = _variants(options.get("variant"), self._terms)
        self.keys = tuple(dict.fromkeys(term.key for term in self._terms))
        self.otherwise = options.get("otherwise")
        self.redirect_to = options.get("redirect_to")
        self.status = _status(options)

    @property
    def hides(self) -> bool:
        """Whether a page behind the gate does not exist while it is shut: 404, whatever is asked of it."""
        return self.status == 404 and self.otherwise is None

    def may_tell(self, status: int, here: BoundFlags) -> bool:
        """Whether an answer that was given before the gate was asked may leave although the gate is shut.

        Only one that asks for credentials (a redirect to a login page, 401, 403), where signing in could open the gate.
        """
        asks = status in ASKING
        return asks and any(not _OF_ANYBODY.issuperset(here.plan.reads(key)) for key in self.keys)

    def allows(self, here: BoundFlags) -> bool:
        """Whether the gate is open for this request."""
        wanted = self._any
        for key, negated in self._terms:
            is_open = here.is_enabled(key) if self._variants is None else here.variant(key) in self._variants
            if (is_open is not negated) is wanted:
                return wanted
        return not wanted

    async def aallows(self, here: BoundFlags) -> bool:
        """The same, after the attributes that need I/O were awaited."""
        await here.ready(*self.keys)
        return self.allows(here)

    def __repr__(self) -> str:
        return f"<Gate on {', '.join(self.keys)}>"


def _chosen(key: str | None, options: GateOptions) -> tuple[Sequence[str], bool]:
    unknown = set(options) - set(GateOptions.__annotations__)
    if unknown:
        raise ConfigurationError(f"flag_required: no such option as {', '.join(sorted(unknown))}=")
    named: dict[str, Sequence[str] | None] = {"any": options.get("any"), "all": options.get("all")}
    given = [(name, terms) for name, terms in named.items() if terms is not None]
    if key is not None:
        given.append(("key", [key]))
    if len(given) != 1:
        raise ConfigurationError('flag_required: name the flag: "key", any=[…] or all=[…], one of the three')
    name, terms = given[0]
    if isinstance(terms, str) or not terms or not all(isinstance(term, str) for term in terms):
        raise ConfigurationError(f"flag_required: {name}= wants flag keys, as in ['new-checkout']; got {terms!r}")
    return terms, name == "any"


def _status(options: GateOptions) -> int:
    """The status of a gate that is shut; refused where it would say another thing than what answers."""
    redirects, other = options.get("redirect_to") is not None, options.get("otherwise") is not None
    if redirects and other:
        raise ConfigurationError("flag_required: give otherwise= or redirect_to=, not both")
    status = options.get("status", 302 if redirects else 404)
    if "status" in options and other:
        raise ConfigurationError(
            f"flag_required: status={status!r} says nothing beside otherwise=, which answers itself"
        )
    allowed = _REDIRECTS if redirects else _REFUSALS
    if not isinstance(status, int) or isinstance(status, bool) or status not in allowed:
        cure = "one that redirects (301, 302, 303, 307 or 308)" if redirects else "one that refuses (403, 404, 410, …)"
        hint = "; to send visitors elsewhere, say where: redirect_to=" if status in _REDIRECTS and not redirects else ""
        raise ConfigurationError(f"flag_required: status={status!r}: give {cure}{hint}")
    return int(status)


def _term(text: str) -> _Term:
    key = text.removeprefix("!").strip()
    if not key:
        raise ConfigurationError(f"flag_required: {text!r} names no flag")
    return _Term(key, text.startswith("!"))


def _variants(variant: str | Sequence[str] | None, terms: tuple[_Term, ...]) -> frozenset[str] | None:
    if variant is None:
        return None
    if len(terms) > 1:
        raise ConfigurationError("flag_required: variant= goes with one flag, not with several")
    return frozenset([variant] if isinstance(variant, str) else variant)


def gate_of(wrapped: object) -> Gate | None:
    """The gate that an adapter left on a view, a class or a dependency."""
    gate = getattr(wrapped, GATE_ATTRIBUTE, None)
    return gate if isinstance(gate, Gate) else None


def gates_on(wrapped: object) -> Iterator[Gate]:
    """Every gate on a view: its own, and those of the functions that it decorates."""
    seen: dict[int, object] = {}
    while wrapped is not None and id(wrapped) not in seen:
        seen[id(wrapped)] = wrapped
        gate = gate_of(wrapped)
        if gate is not None and id(gate) not in seen:  # decorators copy what the function below them has
            seen[id(gate)] = gate
            yield gate
        wrapped = getattr(wrapped, "__wrapped__", None)


class Unknown(NamedTuple):
    """A key that no definition has, and the nearest one that has."""

    key: str
    suggestion: str | None


def nearest(key: str, known: Collection[str]) -> str | None:
    """The known key that was probably meant."""
    found = get_close_matches(key, known, 1, 0.6)
    return found[0] if found else None


def unknown_keys(keys: Iterable[str], ruleset: Ruleset) -> list[Unknown]:
    """Which of these keys no flag has; nothing where there are no definitions yet (a network source at start)."""
    flags = ruleset.flags
    return [Unknown(key, nearest(key, flags)) for key in dict.fromkeys(keys) if key not in flags] if flags else []


def explain_unknown(key: str, suggestion: str | None, where: str) -> str:
    """What to tell about an unknown key.

    >>> explain_unknown("new-chekout", "new-checkout", "flag_required on shop.views.checkout")
    "flag_required on shop.views.checkout: there is no flag 'new-chekout'; did you mean 'new-checkout'?"
    """
    hint = f"; did you mean {suggestion!r}?" if suggestion else ""
    return f"{where}: there is no flag {key!r}{hint}"
