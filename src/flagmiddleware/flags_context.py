"""Takes who is asking out of a request and into work that happens elsewhere: a task, a thread, another process.

>>> from flagmiddleware import Context, Flags, flags_context
>>> flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"if": {"plan": "pro"}, "serve": True}]}}})
>>> payload = flags_context.dump("plan", here=flags.bind(Context("user-42", plan="pro")))
>>> with flags_context.load(payload, flags) as here:
...     here.is_enabled("beta")
True
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .bound import BoundFlags
from .context import TARGETING_KEY, Context
from .errors import ContextNotReadyError
from .flags import Flags
from .web.current import activate, current_flags, deactivate
from .web.say import LOGGER

__all__ = ["adump", "dump", "load"]


def dump(*attributes: str, here: BoundFlags | None = None) -> dict[str, Any]:
    """The targeting key and the named attributes of the running request (or of ``here``), as plain JSON data.

    On an event loop, what needs I/O and was not awaited is left out; :func:`adump` awaits it.
    """
    context = (current_flags() if here is None else here).context
    # Both are told apart for good: where only a visitor is known, the key must not pass for a user's id.
    known = {name: _read(context, name) for name in ("user", *attributes)}
    key = _read(context, TARGETING_KEY) if hasattr(context, "resolvers") else context.targeting_key
    if "visitor" in context or known["user"] is None:
        known["visitor"] = context.get("visitor")
    return {TARGETING_KEY: _plain(key), "attributes": {name: _plain(value) for name, value in known.items()}}


async def adump(*attributes: str, here: BoundFlags | None = None) -> dict[str, Any]:
    """:func:`dump`, after the attributes that need I/O were awaited."""
    here = current_flags() if here is None else here
    resolve = getattr(here.context, "aresolve", None)
    if resolve is not None:
        await resolve(("user", TARGETING_KEY, *attributes))
    return dump(*attributes, here=here)


@contextmanager
def load(payload: Mapping[str, Any], flags: Flags | None = None) -> Iterator[BoundFlags]:
    """Make flags for the subject that was dumped current for the block; they are decided under this process's plan.

    ``flags`` is needed where no middleware is installed in this process.
    """
    flags = current_flags().flags if flags is None else flags
    here = flags.bind(Context.load(payload))
    token = activate(here)
    try:
        yield here
    finally:
        deactivate(token)


def _read(context: Context, name: str) -> Any:
    try:
        return context[name]
    except ContextNotReadyError:
        LOGGER.warning("flags_context.dump() left out %r, which needs awaiting: use `await adump(…)`", name)
        return None


def _plain(value: Any) -> Any:
    """What JSON can carry; UUIDs and the like as the text that they hash as."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
