"""What flags cost a Flask request, in process and without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from io import BytesIO
from typing import Any

from flask import Flask, request

from benchmarks.harness import Contender, Settings, Workload
from benchmarks.report import main, workload_tables
from flagmiddleware.bucketing import bucket
from flagmiddleware.flask import FlagMiddleware

KEYS = [f"rollout-{number}" for number in range(10)]
DOCUMENT = {
    "version": 1,
    "flags": {
        "for-everybody": {"rules": [{"serve": True}]},
        **{key: {"rules": [{"rollout": "25%"}]} for key in KEYS},
    },
}
QUARTER = 2**30

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class User:
    """Who asks, without any database."""

    is_authenticated = True

    def __init__(self, id: str) -> None:
        self.id = id


def by_hand() -> str:
    """What the page answers without the extension."""
    return decide_by_hand(request.environ["HTTP_X_USER"])


def everybody() -> str:
    """Reads a flag that is the same for all: a dict look-up's worth of deciding, and no header to patch."""
    assert request.flags.is_enabled("for-everybody")  # type: ignore[attr-defined]
    return by_hand()


def one() -> str:
    """Reads a rollout: the user is asked who it is, the id is hashed, the answer becomes private."""
    return "1" if request.flags.is_enabled(KEYS[0]) else "0"  # type: ignore[attr-defined]


def ten() -> str:
    """Reads ten rollouts."""
    here = request.flags  # type: ignore[attr-defined]
    return "".join("1" if here.is_enabled(key) else "0" for key in KEYS)[0]


def application(view: Callable[[], str], *, bare: bool = False) -> Flask:
    """A site with one page, with the extension or without it."""
    app = Flask("bench")
    app.config["SECRET_KEY"] = "a secret of a decent length"
    if not bare:
        # Who it is comes from a header: the extension's own work is measured, not a login's.
        FlagMiddleware(app, source=DOCUMENT, user=lambda request: User(request.environ["HTTP_X_USER"]))
    app.add_url_rule("/", "page", view)
    return app


def decide_by_hand(user: str) -> str:
    """The first flag's answer."""
    found = bucket(KEYS[0], user)
    return "1" if found is not None and found < QUARTER else "0"


def environ(user: str) -> dict[str, Any]:
    """What a server makes of ``GET /``."""
    return {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/", "QUERY_STRING": "", "SERVER_NAME": "shop.test",
        "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "shop.test",
        "HTTP_X_USER": user, "HTTP_USER_AGENT": "bench", "HTTP_ACCEPT": "text/html", "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http", "wsgi.input": BytesIO(), "wsgi.errors": BytesIO(), "wsgi.multithread": False,
        "wsgi.multiprocess": True, "wsgi.run_once": False,
    }  # fmt: skip


def ask(app: Application) -> Callable[[dict[str, Any]], bytes]:
    """One request from start to close."""

    def request_of(environ: dict[str, Any]) -> bytes:
        answer = app(environ, lambda status, headers, exc_info=None: None)
        body = b"".join(answer)
        close = getattr(answer, "close", None)
        if close is not None:
            close()
        return body

    return request_of


def measure(settings: Settings) -> Any:
    """One table."""
    requests = settings.size(300)

    def inputs(number: int) -> list[tuple[dict[str, Any]]]:
        return [(environ(f"user-{number}-{each}"),) for each in range(requests)]

    named = {"no flag read": by_hand, "one flag, the same for all": everybody, "one rollout": one, "ten rollouts": ten}
    return workload_tables(
        [
            Workload(
                name="one request",
                inputs=inputs,
                floor=Contender(name="bare Flask", call=ask(application(by_hand, bare=True))),
                contenders=[Contender(name=name, call=ask(application(view))) for name, view in named.items()],
                limits={("one flag, the same for all", "bare Flask"): 1.15, ("one rollout", "bare Flask"): 1.15},
            )
        ],
        settings,
    )


if __name__ == "__main__":
    raise SystemExit(main("flask", "Flask: what a request pays", measure))
