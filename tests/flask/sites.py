"""Small Flask sites for the tests."""

from __future__ import annotations

from typing import Any

from flask import Flask

from flagmiddleware.flask import FlagMiddleware

__all__ = ["SECRET", "flags_of", "site"]

SECRET = "a secret for the tests only, long enough"

DEFINITIONS: dict[str, Any] = {
    "on-for-all": {"rules": [{"serve": True}]},
    "off-for-all": {},
    "staff-only": {"rules": [{"if": {"is_staff": True}, "serve": True}]},
    "for-visitors": {"rules": [{"rollout": "50%"}]},
    "colour": {
        "qa": True,
        "variants": {"blue": "#00f", "green": "#0f0"},
        "off": "blue",
        "default": "blue",
        "rules": [{"if": {"plan": "pro"}, "serve": "green"}],
    },
    "beta": {"qa": True, "rules": [{"if": {"plan": "pro"}, "serve": True}]},
}


def flags_of(**flags: Any) -> dict[str, Any]:
    """A native document with these flags beside the usual ones."""
    named = {key.replace("_", "-"): flag for key, flag in flags.items()}
    return {"version": 1, "flags": DEFINITIONS | named, "attributes": ["plan"]}


def site(*, flags: dict[str, Any] | None = None, **config: Any) -> Flask:
    """An application with flags; ``config`` is given in lower case without the prefix."""
    app = Flask("site")
    app.config.update(SECRET_KEY=SECRET, TESTING=True)
    app.config["FLAGMIDDLEWARE_SOURCE"] = flags or flags_of()
    app.config.update({f"FLAGMIDDLEWARE_{name.upper()}": value for name, value in config.items()})
    FlagMiddleware(app)
    return app
