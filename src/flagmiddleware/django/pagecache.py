"""Keeps pages that flags decided out of Django's page cache, until their headers say for whom they are.

``cache_page`` stores a view's response before any middleware can patch its headers, under a key that knows nothing of
what the flags read: one user would receive another's page. Django asks ``request._cache_update_cache`` whether to
store. It also sets that itself when a cached view starts, which may be after the flags were read (a gate around a
``cache_page``). So from the first reading on, the request's class answers for it, and no assignment changes the answer.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

__all__ = ["allow_storing", "forbid_storing", "not_stored"]

_NAME: Final = "_cache_update_cache"


def _answer(request: Any) -> bool:
    return False


def _keep(request: Any, wanted: bool) -> None:
    """What Django would like, for when the headers are right."""
    request.__dict__[_NAME] = wanted


def _forget(request: Any) -> None:
    request.__dict__.pop(_NAME, None)


_ORIGINAL: Final = "_flagmiddleware_class"


@lru_cache(maxsize=64)
def not_stored(cls: type) -> type:
    """The class of a request whose page no cache may store."""
    if hasattr(cls, _ORIGINAL):
        return cls
    # One base and no slots: an object can only change to a class of the same layout.
    same = {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls.__name__, (cls,), {**same, _NAME: property(_answer, _keep, _forget), _ORIGINAL: cls})


def forbid_storing(request: Any) -> None:
    """From now on, no cache of Django's stores this request's page."""
    request.__class__ = not_stored(request.__class__)


def allow_storing(request: Any) -> None:
    """The response's headers say for whom it is: caches outside of the middleware may heed them."""
    original = getattr(request.__class__, _ORIGINAL, None)
    if original is not None:
        request.__class__ = original
