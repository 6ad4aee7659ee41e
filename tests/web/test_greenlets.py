"""Greenlets under gevent's patches, in a process of their own: interleaved requests never see each other's flags."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

START = """
from gevent import monkey
monkey.patch_all()
import gevent, threading
from flagmiddleware import Context, Flags
from flagmiddleware.testing import override_flags
from flagmiddleware.web.current import current_flags, running_flags
from tests.web.clients import WSGISite
flags = Flags({"version": 1, "flags": {
    "anz": {"rules": [{"if": {"country": "AU"}, "serve": True}]},
    "half": {"rules": [{"rollout": "50%"}]},
    "dark": {},
}})
settings = {"flags": flags, "headers": {"country": "X-Country"}, "secret_keys": ["a secret key of the tests"]}
inside = most = 0

def look(here):
    '''Read, let the others run, read again: what a view sees before and after.'''
    global inside, most
    inside += 1
    most = max(most, inside)
    first = [here.is_enabled("anz"), here.variant("half"), current_flags() is here]
    for _ in range(3):
        gevent.sleep(0)
    assert [current_flags().is_enabled("anz"), here.variant("half"), current_flags() is here] == first
    inside -= 1
    return str(first[0])
"""

SITES = {
    "wsgi": """
from flagmiddleware.wsgi import FlagMiddleware, flags_from
def page(environ, start):
    text = look(flags_from(environ)).encode()
    start("200 OK", [("Content-Length", str(len(text)))])
    return [text]
app = FlagMiddleware(page, **settings)
""",
    "flask": """
from flask import Flask, g
from flagmiddleware.flask import FlagMiddleware
app = Flask("shop")
FlagMiddleware(app, **settings)
app.add_url_rule("/", "page", lambda: look(g.flags))
""",
    "django": """
import django
from django.conf import settings as site
from django.http import HttpResponse
from django.urls import path
site.configure(SECRET_KEY="x" * 50, ALLOWED_HOSTS=["*"], ROOT_URLCONF="__main__",
    INSTALLED_APPS=["flagmiddleware.django"], MIDDLEWARE=["flagmiddleware.django.FlagMiddleware"],
    FLAGMIDDLEWARE={"FLAGS": flags, "HEADERS": {"country": "X-Country"}})
django.setup()
urlpatterns = [path("", lambda request: HttpResponse(look(request.flags)))]
from django.core.handlers.wsgi import WSGIHandler
app = WSGIHandler()
""",
}

REQUESTS = """
countries = ["AU", "DE"] * 10
jobs = [gevent.spawn(WSGISite(app).get, "/", {"X-Country": country}) for country in countries]
gevent.joinall(jobs, raise_error=True, timeout=60)
assert [job.value.text for job in jobs] == ["True", "False"] * 10, [job.value for job in jobs]
assert most == 20, f"only {most} requests were under way at once: nothing was interleaved"
assert len({job.value.cookie("flags_visitor") for job in jobs}) == 20
assert running_flags() is None
"""

OVERRIDES = """
seen = []
def tester():
    with override_flags({"dark": True}):
        gevent.sleep(0)
        seen.append(("tester", flags.is_enabled("dark"), flags.bind(Context("u")).is_enabled("dark")))
        gevent.sleep(0)
    seen.append(("after", flags.is_enabled("dark"), flags.bind(Context("u")).is_enabled("dark")))
def other():
    for _ in range(4):
        seen.append(("other", flags.is_enabled("dark"), flags.bind(Context("u")).is_enabled("dark")))
        gevent.sleep(0)
def thread():
    seen.append(("other", flags.is_enabled("dark"), flags.bind(Context("u")).is_enabled("dark")))
with override_flags({"anz": True}):
    pass  # somebody else's, long gone
first = [gevent.spawn(tester), gevent.spawn(other)]
patched = threading.Thread(target=thread)
gevent.sleep(0)
patched.start()
gevent.joinall(first, raise_error=True, timeout=60)
patched.join()
kinds = [kind for kind, *_ in seen]
assert kinds.index("tester") > kinds.index("other"), kinds
assert {(kind, *values) for kind, *values in seen} == {
    ("tester", True, True), ("after", False, False), ("other", False, False)}, seen
"""


def run(program: str) -> None:
    """Run it in a process that gevent patched before anything else."""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("adapter", sorted(SITES))
def test_interleaved_requests(adapter: str) -> None:
    """Twenty requests that are all in the middle of their view: each its own flags, current flags and visitor."""
    pytest.importorskip({"wsgi": "gevent"}.get(adapter, adapter), reason="the adapter's framework is not installed")
    run(START + SITES[adapter] + REQUESTS)


def test_overrides_of_a_greenlet() -> None:
    """``override_flags`` in one greenlet is not seen by another, nor by a patched thread, while it is in force."""
    run(START + OVERRIDES)
