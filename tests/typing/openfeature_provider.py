"""How the OpenFeature provider looks to a type checker; checked by mypy, never run."""

from __future__ import annotations

from openfeature import api
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import FeatureProvider
from typing_extensions import assert_type

from flagmiddleware import Flags
from flagmiddleware.openfeature import FlagMiddlewareProvider, RequestContextPropagator

provider = FlagMiddlewareProvider(Flags("flags.yaml"), close=True, watch=False)
plain: FeatureProvider = provider
assert_type(provider.resolve_boolean_details("x", False), FlagResolutionDetails[bool])
assert_type(provider.resolve_integer_details("x", 1), FlagResolutionDetails[int])
provider.resolve_string_details("x", 1)  # type: ignore[arg-type]
FlagMiddlewareProvider("flags.yaml")  # type: ignore[arg-type]
api.set_transaction_context_propagator(RequestContextPropagator())
