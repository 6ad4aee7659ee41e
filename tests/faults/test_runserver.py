"""Django's development server, whose serving process is replaced whenever a file of the project is saved."""

from __future__ import annotations

import http.client
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flagmiddleware.sources.redis import RedisSource
from tests.services import HOST, free_port, running, wait_for

from .load import publish

pytestmark = [pytest.mark.faults, pytest.mark.services]

ROOT = Path(__file__).parents[2]

PROJECT = """
import os, sys
from django.conf import settings
settings.configure(
    ROOT_URLCONF="project", SECRET_KEY="the key of a site under test", ALLOWED_HOSTS=["*"], DEBUG=True,
    INSTALLED_APPS=["flagmiddleware.django"], MIDDLEWARE=["flagmiddleware.django.FlagMiddleware"],
    FLAGMIDDLEWARE={"SOURCE": os.environ["FLAGS_SOURCE"], "REFRESH": 0.2},
)
import django.urls
from django.http import HttpResponse
def page(request):
    return HttpResponse(f"{os.getpid()} {request.flags.value('left', -1)}")
urlpatterns = [django.urls.path("", page)]
"""

MANAGE = """
import sys
import project
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""


@pytest.fixture
def writer(redis_url: str) -> Iterator[RedisSource]:
    made = RedisSource(f"{redis_url}?name={uuid4().hex}")
    publish(made, 1)
    yield made
    made.close()


def test_autoreload(writer: RedisSource, tmp_path: Path) -> None:
    """The process that serves follows changes, and so does the one that takes its place after a file was saved."""
    (tmp_path / "project.py").write_text(PROJECT)
    (tmp_path / "manage.py").write_text(MANAGE)
    port = free_port()

    def ask() -> tuple[int, int]:
        connection = http.client.HTTPConnection(HOST, port, timeout=10)
        try:
            connection.request("GET", "/")
            pid, revision = map(int, connection.getresponse().read().split())
        except (OSError, http.client.HTTPException, ValueError):  # the process went away meanwhile, or nobody listens
            return 0, 0
        finally:
            connection.close()
        return pid, revision

    environment = {**os.environ, "FLAGS_SOURCE": writer._url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "manage.py", "runserver", str(port)]
    log = tmp_path / "log"
    with running(command, port=port, log=log, cwd=tmp_path, env=environment):
        first, revision = ask()
        assert revision == 1, log.read_text()
        publish(writer, 2)
        wait_for(lambda: ask() == (first, 2), "never followed")
        (tmp_path / "project.py").write_text(PROJECT + "# saved\n")
        wait_for(lambda: ask()[0] not in (0, first), "never restarted")
        second, revision = ask()
        assert revision == 2
        publish(writer, 3)
        wait_for(lambda: ask() == (second, 3), "never followed after the restart")
