"""Start one of the three shops and say what to try: ``python -m example_apps.demo flask 8000``."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent

GUNICORN = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--log-level", "warning"]
UVICORN = [sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", "{port}", "--log-level", "warning"]

SERVERS = {
    "django": [*GUNICORN, "config.wsgi"],
    "flask": [*GUNICORN, "wsgi:app"],
    "starlette": [*UVICORN, "asgi:app"],
}

WORDS = """
  Kettle & Leaf, the {app} shop: http://127.0.0.1:{port}/          (Ctrl-C stops it)

  Put something into the basket and check out. Who gets the new one-page checkout?

    ann@yourcompany.com        yes: the rule "insiders" lets staff in            {port_account}
    Alex, Australia, plan pro  yes: inside the 25 % of "anz"                     (press "Be Ann", "Be Alex" …)
    Billie, the same           no: in the other 75 %
    user-42 (Casey)            no: outside the 1 % of "everybody"

  Now edit {file}
    rollout: 25%  ->  100%     Billie gets the new checkout
    serve: true   ->  false    under summer-sale: the banner and the lower prices go
    enabled: false             under new-checkout: the old checkout for everybody, Ann too
  Save, reload the page: it follows within a second, without a restart.

  Ask why:  {flags} explain new-checkout --source {file} --user user-1 country=AU plan=pro
"""


def main(arguments: list[str]) -> int:
    """Start the shop named first on the port named second."""
    app, port = (arguments + ["django", "8000"][len(arguments) :])[:2]
    if app not in SERVERS or not port.isdecimal():
        print(f"usage: demo {'|'.join(SERVERS)} PORT; not {app!r} {port!r}", file=sys.stderr)
        return 2
    if taken(int(port)):
        print(f"port {port} is taken by another program; choose one: make demo APP={app} PORT=8001", file=sys.stderr)
        return 1
    folder = FOLDER / app
    if app == "django":
        subprocess.run([sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=folder, check=True)
    print(words(app, port), flush=True)
    try:
        return subprocess.call([part.format(port=port) for part in SERVERS[app]], cwd=folder)
    except KeyboardInterrupt:
        return 0


def words(app: str, port: str) -> str:
    """What to try."""
    file = os.path.relpath(os.environ.get("SHOP_FLAGS") or FOLDER / app / "flags.yaml")
    flags = os.path.relpath(Path(sys.executable).with_name("flags"))
    return WORDS.format(app=app, port=port, file=file, flags=flags, port_account=f"http://127.0.0.1:{port}/account/")


def taken(port: int) -> bool:
    """Whether somebody listens there already."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
