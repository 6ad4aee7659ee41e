"""How Flask's adapter looks to a type checker; checked by mypy, never run."""

from __future__ import annotations

from flask import Blueprint, Flask, request
from typing_extensions import assert_type

from flagmiddleware import BoundFlags
from flagmiddleware.flask import (
    FlagMiddleware,
    current_flags,
    flag_required,
    flags_blueprint,
    flags_from,
    qa_blueprint,
)

app = Flask(__name__)
FlagMiddleware(app)
flags = FlagMiddleware()
flags.init_app(app)


@app.get("/")
@flag_required("new-checkout", redirect_to="home")
def page() -> str:
    assert_type(current_flags(), BoundFlags)
    flags_from(request).is_enabled("new-checkout")
    return "in"


flag_required(any=["x", "!y"], status=403)
flag_required("x", variant="green")

assert_type(flags_blueprint("/flags", may_see=lambda request: request.is_json), Blueprint)
assert_type(qa_blueprint(authorise=lambda request: request.is_json, hidden=lambda request: {"csrf": ""}), Blueprint)
qa_blueprint("/staff/flags")  # type: ignore[call-arg]
