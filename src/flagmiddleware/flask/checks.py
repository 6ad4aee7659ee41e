"""Finding flag keys that no definition has: in gates, and in the templates of an application."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from flask import Flask

from ..web.gate import explain_unknown, gate_of, unknown_keys
from ..web.jinja_scan import template_mentions
from ..web.mentions import unknown_mentions
from .gate import gates_of_view

if TYPE_CHECKING:
    from ..web.gate import Gate
    from ..web.installation import Installation

__all__ = ["unknown_in_gates", "unknown_in_templates", "warn_of_unknown_keys"]

logger = logging.getLogger("flagmiddleware")


def unknown_in_gates(app: Flask, installation: Installation) -> list[str]:
    """What is wrong with the keys that the application's ``flag_required`` name, one sentence each."""
    ruleset = installation.flags.ruleset
    return [
        explain_unknown(key, suggestion, f"flag_required on {where}")
        for where, gate in _gates(app)
        for key, suggestion in unknown_keys(gate.keys, ruleset)
    ]


def unknown_in_templates(app: Flask, installation: Installation) -> list[str]:
    """What is wrong with the keys that the templates of the application and its blueprints name, one sentence each."""
    ruleset = installation.flags.ruleset
    return list(unknown_mentions(template_mentions(app.jinja_env, ruleset.flags), ruleset))


def warn_of_unknown_keys(app: Flask, installation: Installation) -> None:
    """Log what the other two find: a site keeps running on a misspelt key, with the flag off."""
    for problem in (*unknown_in_gates(app, installation), *unknown_in_templates(app, installation)):
        logger.warning("%s", problem)


def _gates(app: Flask) -> Iterator[tuple[str, Gate]]:
    for endpoint, view in app.view_functions.items():
        yield from ((f"endpoint {endpoint!r}", gate) for gate in gates_of_view(view))
    for name, guards in app.before_request_funcs.items():
        for gate in filter(None, map(gate_of, guards)):
            yield f"blueprint {name!r}", gate
