"""``manage.py flags``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from flagmiddleware import Flags

ROOT = Path(__file__).parents[2]

MANAGE = """
import sys
import tests.django.conftest
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", *sys.argv[1:]])
"""


SET_UP = """
import django, tests.django.conftest
from django.core.management import call_command
django.setup()
"""


def manage(*words: str, script: str = MANAGE) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "200"}
    return subprocess.run(
        [sys.executable, "-c", script, *words], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60
    )


def test_from_a_shell() -> None:
    """The words after ``flags`` go to the command line, options and exit code included, on the site's own flags."""
    done = manage("flags", "eval", "beta", "--format", "json")
    assert done.returncode == 0, done.stderr
    assert "beta" in done.stdout
    assert json.loads(done.stdout)
    assert "explain" in manage("flags", "--help").stdout
    assert manage("flags", "no-such-command").returncode == 2


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_cli_extra_the_command_says_what_to_install(missing: str) -> None:
    """From a shell and by ``call_command`` it is a CommandError that names the extra, not an ImportError."""
    hidden = f"import sys\nsys.modules[{missing!r}] = None\n"
    told = f"flags needs {missing}: pip install 'flagmiddleware[cli]'"
    done = manage("flags", "list", script=hidden + MANAGE)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"CommandError: {told}\n")
    called = manage(script=f"{hidden}{SET_UP}call_command('flags', 'list')\n")
    assert called.stderr.endswith(f"django.core.management.base.CommandError: {told}\n")
    assert manage("help", "flags", script=hidden + MANAGE).returncode == 0


def test_call_command(capsys: pytest.CaptureFixture[str]) -> None:
    """``call_command`` runs it in process, and a failure is Django's."""
    call_command("flags", "list")
    assert "new-checkout" in capsys.readouterr().out
    with pytest.raises(CommandError):
        call_command("flags", "no-such-command")


@pytest.mark.django_db
def test_link(install: Callable[..., Flags], settings: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """``flags link`` makes a link that shows the variant to whoever opens it, for as long as it says."""
    settings.ROOT_URLCONF = "tests.django.contract_urls"
    install({"beta": {"qa": True}, "dark": {}})
    call_command("flags", "link", "beta=on", "--url", "http://testserver/read?key=beta", "--ttl", "30m")
    url = capsys.readouterr().out.strip()
    client = Client()
    response = client.get(url)
    assert (response.status_code, response["Location"]) == (303, "/read?key=beta")
    assert int(response.cookies["flags_override"]["max-age"]) in range(1790, 1801)
    assert json.loads(client.get("/read?key=beta").content)["beta"] == {
        "variant": "on",
        "value": True,
        "reason": "OVERRIDE",
    }
    assert json.loads(Client().get("/read?key=beta").content)["beta"]["variant"] == "off"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dark=on", "--url", "https://shop.example/"], "qa"),
        (["beta=purple", "--url", "https://shop.example/"], "purple"),
        (["beta=on", "--url", "shop.example"], "not a URL"),
        (["beta=on", "--url", "https://shop.example/", "--ttl", "soon"], "not a duration"),
        (["beta=on", "--url", "https://shop.example/", "--ttl", "48h"], "24 hours"),
    ],
)
def test_bad_links(
    install: Callable[..., Flags], words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link that must not or cannot be made is refused with the reason."""
    install({"beta": {"qa": True}, "dark": {}})
    with pytest.raises(CommandError) as raised:
        call_command("flags", "link", *words)
    assert message in f"{raised.value}{capsys.readouterr().err}"
