"""Django REST framework: a permission, beside ``flag_required`` and ``FlagRequiredMixin``, which work there too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.permissions import BasePermission

from ..errors import ConfigurationError
from ..web.gate import GATE_ATTRIBUTE, Gate, GateOptions
from .gates import NoSuchPage
from .installed import flags_from

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["FlagPermission", "flag_permission"]


class FlagPermission(BasePermission):  # type: ignore[misc]
    """Lets requests through where the flag is on, and answers 404 elsewhere. Made by :func:`flag_permission`."""

    gate: Gate | None = None

    def has_permission(self, request: Any, view: Any) -> bool:
        """Asked after authentication, so rules about the user see whom the token belongs to."""
        gate = type(self).gate
        if gate is None:
            raise ConfigurationError('FlagPermission: name the flag, as in flag_permission("new-checkout")')
        here = flags_from(request)
        here.reauthenticate()
        if not gate.allows(here):
            if gate.hides:
                raise NoSuchPage(gate)
            return False
        return True


def flag_permission(key: str | None = None, /, **options: Unpack[GateOptions]) -> type[FlagPermission]:
    """A class for ``permission_classes``: ``[IsAuthenticated, flag_permission("new-checkout")]``.

    ``status=403`` refuses as permissions do instead of hiding the page; permissions cannot redirect.
    """
    gate = Gate(key, **options)
    if gate.otherwise is not None or gate.redirect_to is not None:
        raise ConfigurationError("flag_permission: a permission cannot answer by itself; use flag_required on the view")
    if gate.status not in (403, 404):
        raise ConfigurationError(f"flag_permission: status={gate.status}: a permission hides (404) or refuses (403)")
    return type("FlagPermission", (FlagPermission,), {"gate": gate, GATE_ATTRIBUTE: gate, "__module__": __name__})
