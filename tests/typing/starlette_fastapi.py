"""How Starlette's and FastAPI's adapters look to a type checker; checked by mypy, never run."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, FastAPI
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.templating import Jinja2Templates
from typing_extensions import assert_type

from flagmiddleware import BoundFlags, Flags
from flagmiddleware.fastapi import FlagsOfRequest
from flagmiddleware.fastapi import flag_required as dependency
from flagmiddleware.starlette import (
    FlagMiddleware,
    current_flags,
    flag_required,
    flags_endpoints,
    flags_from,
    qa_endpoint,
)
from flagmiddleware.web import Gate, RequestFlags

Middleware(FlagMiddleware, source="flags.yaml", trusted_proxies=1)
Middleware(FlagMiddleware, flags=Flags({"version": 1, "flags": {}}))
Middleware(FlagMiddleware, source="flags.yaml", templates=Jinja2Templates("templates"))


@flag_required("new-checkout", redirect_to="home")
async def page(request: Request) -> Response:
    assert_type(flags_from(request), RequestFlags)
    assert_type(current_flags(), BoundFlags)
    return PlainTextResponse("")


async def keeps_its_type(request: Request) -> None:
    assert_type(await page(request), Response)


flag_required("x", anny=["y"])  # type: ignore[call-arg]
flag_required(any=["x", "!y"], status=403)
Gate("x", variant=["green", "blue"])
assert_type(Gate("x").keys, tuple[str, ...])
assert_type(flags_endpoints("/flags"), Mount)


async def is_staff(request: Request) -> bool:
    return bool(request.user.is_authenticated)


assert_type(qa_endpoint("/staff/flags", authorise=is_staff, hidden=lambda request: {"csrf": ""}), Route)
qa_endpoint("/staff/flags")  # type: ignore[call-arg]
flags_endpoints(may_see=is_staff)

app = FastAPI()


@app.get("/", dependencies=[Depends(dependency("x", variant="green"))])
async def home(flags: FlagsOfRequest, new: Annotated[bool, Depends(dependency("x"))]) -> bool:
    return flags.is_enabled("x") and new
