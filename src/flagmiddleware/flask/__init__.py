"""Flask: ``FlagMiddleware(app)``, ``request.flags`` (``g.flags``, ``current_flags()``) and ``flag_required``."""

from __future__ import annotations

from .caching import cached_by_flags
from .checks import unknown_in_gates
from .extension import FlagMiddleware
from .gate import flag_required
from .reach import current_flags, flags_from, installation_of

__all__ = [
    "FlagMiddleware",
    "cached_by_flags",
    "current_flags",
    "flag_required",
    "flags_from",
    "installation_of",
    "unknown_in_gates",
]
