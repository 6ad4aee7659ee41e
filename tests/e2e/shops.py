"""The example shops under their real servers, and a visitor who walks through them by HTTP."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import NamedTuple

import httpx

from tests.services import HOST, free_port, running, wait_for

EXAMPLES = Path(__file__).parents[2] / "example_apps"

_GUNICORN = ["gunicorn", "--bind", "{host}:{port}", "--workers", "2", "--log-level", "warning"]
_UVICORN = ["uvicorn", "--host", "{host}", "--port", "{port}", "--workers", "2", "--log-level", "warning"]
_HYPERCORN = ["hypercorn", "--bind", "{host}:{port}", "--workers", "2"]

SERVERS = {
    "gunicorn-sync": [*_GUNICORN, "--worker-class", "sync"],
    "gunicorn-gthread": [*_GUNICORN, "--worker-class", "gthread", "--threads", "4"],
    "gunicorn-gevent": [*_GUNICORN, "--worker-class", "gevent"],
    "uvicorn": _UVICORN,
    "hypercorn": _HYPERCORN,
}

WSGI = {"django": "config.wsgi", "flask": "wsgi:app"}
ASGI = {"django": "config.asgi:application", "starlette": "asgi:app"}

MATRIX = [
    *((app, server) for app in WSGI for server in ("gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent")),
    *((app, server) for app in ASGI for server in ("uvicorn", "hypercorn")),
]
"""Every shop under every server that it is made for."""

USUAL = [("django", "gunicorn-sync"), ("flask", "gunicorn-sync"), ("starlette", "uvicorn")]
"""Every shop once."""


class Shop(NamedTuple):
    """A shop that is running."""

    app: str
    url: str
    flag_file: Path

    def edit(self, old: str, new: str) -> None:
        """Change the flag file as an editor does: write beside it, then rename."""
        text = self.flag_file.read_text()
        assert old in text, f"{old!r} is not in the flag file"
        beside = self.flag_file.with_suffix(".new")
        beside.write_text(text.replace(old, new, 1))
        beside.rename(self.flag_file)


@contextmanager
def open_shop(app: str, server: str, folder: Path, migrated: Callable[[], Path]) -> Iterator[Shop]:
    """Start a shop with a flag file of its own; ``migrated()`` holds a database to copy for Django."""
    flag_file = folder / "flags.yaml"
    shutil.copy(EXAMPLES / app / "flags.yaml", flag_file)
    if app == "django":
        shutil.copytree(migrated(), folder / "data")
    port = free_port()
    target = WSGI[app] if server.startswith("gunicorn") else ASGI[app]
    command = [sys.executable, "-m", *(part.format(host=HOST, port=port) for part in SERVERS[server]), target]
    with running(command, port=port, log=folder / "log", cwd=EXAMPLES / app, env=environment(folder)):
        url = f"http://{HOST}:{port}"
        # A gunicorn master listens before its workers answer.
        wait_for(lambda: httpx.get(f"{url}/delivery", timeout=30).status_code == 200, f"{app} did not answer")
        yield Shop(app, url, flag_file)


def environment(folder: Path) -> dict[str, str]:
    """What the shops read their places from."""
    known = {name: value for name, value in os.environ.items() if not name.startswith(("SHOP_", "DJANGO_"))}
    return known | {
        "SHOP_FLAGS": str(folder / "flags.yaml"),
        "SHOP_DATA": str(folder / "data"),
        "SHOP_SECRET": "a secret for the tests only, long enough",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def migrate(folder: Path) -> Path:
    """A database of the Django shop, filled."""
    shutil.copy(EXAMPLES / "django" / "flags.yaml", folder)
    command = [sys.executable, "manage.py", "migrate", "--verbosity", "0"]
    subprocess.run(command, cwd=EXAMPLES / "django", env=environment(folder), check=True, timeout=120)
    return folder / "data"


class Visitor:
    """Somebody with a browser's cookies and without its eyes."""

    def __init__(self, url: str, **headers: str) -> None:
        # Sec-Fetch-* tell that this is a person opening pages, which is when a visitor may get a cookie.
        usual = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
        self.browser = httpx.Client(base_url=url, follow_redirects=True, timeout=30, headers=usual | headers)

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.browser.close()

    def post(self, page: str, path: str, **fields: str) -> httpx.Response:
        """Send a form of ``page`` to ``path``, with the token that the page carries."""
        html = self.browser.get(page).text
        token = re.search(r'name="(csrf\w+)" value="([^"]+)"', html)
        assert token is not None, f"no form on {page}: {html[:300]}"
        return self.browser.post(
            path, data=fields | {token[1]: token[2]}, headers={"Referer": f"{self.browser.base_url}"}
        )

    def become(self, customer: str) -> None:
        """Sign in as one of the people to try."""
        answer = self.post("/account/", "/account/sign-in", **{"as": customer})
        assert answer.status_code == 200, answer.text
        assert "Sign out" in answer.text

    def buy(self, slug: str = "glass-pot") -> None:
        """Put something into the basket."""
        assert self.post(f"/product/{slug}", "/basket/add", slug=slug).status_code == 200

    def checkout(self) -> str:
        """Which checkout this visitor gets: ``new`` or ``old``."""
        return checkout_of(self.browser.get("/checkout/").text)

    def decided(self, path: str) -> dict[str, str]:
        """The flags that a page says it asked, and the variants it got."""
        return decided_on(self.browser.get(path).text)


def checkout_of(html: str) -> str:
    """Which checkout a page shows."""
    headings = {"Check out on one page": "new", "Check out in three steps": "old"}
    heading = re.search(r"<h1>(.*?)</h1>", html)
    assert heading is not None, html[:300]
    return headings[heading[1]]


def decided_on(html: str) -> dict[str, str]:
    """What the table at a page's foot says."""
    return {
        unescape(key): unescape(variant) for key, variant in re.findall(r'data-flag="(.*?)" data-variant="(.*?)"', html)
    }
