"""Flask: ``FlagMiddleware(app)``, ``request.flags`` (``g.flags``, ``current_flags()``) and ``flag_required``."""

from __future__ import annotations

from .caching import cached_by_flags
from .checks import unknown_in_gates, unknown_in_templates
from .extension import FlagMiddleware
from .gate import flag_required
from .reach import current_flags, flags_from, installation_of
from .routes import flags_blueprint, qa_blueprint

__all__ = [
    "FlagMiddleware",
    "cached_by_flags",
    "current_flags",
    "flag_required",
    "flags_blueprint",
    "flags_from",
    "installation_of",
    "qa_blueprint",
    "unknown_in_gates",
    "unknown_in_templates",
]
