"""What a site needs to test its flags, and what an adapter, a source or a format has to pass.

``override_flags`` is here; the fixture and the marks come with the pytest plugin; the contracts are in
``contract_adapter``, ``contract_source`` and ``contract_format``, which need pytest and Hypothesis.
"""

from __future__ import annotations

from .overrides import override_flags

__all__ = ["override_flags"]
