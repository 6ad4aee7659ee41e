"""Framework-neutral web policy: what flags mean for a request and its response. Every adapter stands on this."""

from __future__ import annotations

from .current import current_flags
from .facts import Facts
from .gate import Gate
from .installation import Installation
from .options import WebOptions
from .request import RequestFlags

__all__ = ["Facts", "Gate", "Installation", "RequestFlags", "WebOptions", "current_flags"]
