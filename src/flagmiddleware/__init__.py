"""Feature flags for Python web applications, decided inside the process.

>>> from flagmiddleware import Context, Flags
>>> flags = Flags({"version": 1, "flags": {"new-checkout": {"rules": [{"if": {"country": "AU"}, "serve": True}]}}})
>>> flags.is_enabled("new-checkout", Context("user-42", country="AU"))
True
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .bound import BoundFlags
    from .context import Context
    from .errors import ConfigurationError, FlagMiddlewareError, RulesetError, SourceError
    from .evaluation import ErrorCode, Evaluation, Reason
    from .flags import Flags

__all__ = [
    "BoundFlags",
    "ConfigurationError",
    "Context",
    "ErrorCode",
    "Evaluation",
    "FlagMiddlewareError",
    "Flags",
    "Reason",
    "RulesetError",
    "SourceError",
    "__version__",
]

__version__ = "0.1.0"

# Loaded when first asked for, so that `import flagmiddleware.testing.plugin` in every pytest run of a site, or a
# management command that reads no flag, does not pay for the compiler.
_HOMES = {
    "BoundFlags": "bound",
    "ConfigurationError": "errors",
    "Context": "context",
    "ErrorCode": "evaluation",
    "Evaluation": "evaluation",
    "FlagMiddlewareError": "errors",
    "Flags": "flags",
    "Reason": "evaluation",
    "RulesetError": "errors",
    "SourceError": "errors",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # Bound here, so that the next look-up is an ordinary one.
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
