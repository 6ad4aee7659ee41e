"""OpenFeature: ``Flags`` as a provider, and the request's context as the transaction context.

Requirement numbers are those of the OpenFeature specification, 0.8.
"""

from __future__ import annotations

from .contexts import RequestContextPropagator
from .provider import FlagMiddlewareProvider

__all__ = ["FlagMiddlewareProvider", "RequestContextPropagator"]
