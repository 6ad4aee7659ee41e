"""The reference leaves nothing out: whatever can be set, imported or run stands on its page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from inspect import signature
from pathlib import Path

from click import Context

import flagmiddleware
from flagmiddleware import errors
from flagmiddleware.cli import flags
from flagmiddleware.sources.urls import SETTINGS
from flagmiddleware.web import WebOptions

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def missing(page: str, texts: Iterable[str]) -> list[str]:
    found = (REFERENCE / page).read_text()
    return [text for text in texts if text not in found]


def test_every_option_has_its_row() -> None:
    """The options of the middleware, of `Flags` and of what is put round a source."""
    names = {*WebOptions.names(), *signature(flagmiddleware.Flags).parameters, *SETTINGS, "flags"}
    assert missing("web-options.md", (f"| `{name}` |" for name in sorted(names))) == []


def test_every_public_name_is_told() -> None:
    """What `from flagmiddleware import …` gives, and the errors that reach a caller."""
    inner = {"ContextNotReadyError"}  # evaluation turns it into an answer
    assert missing("python.md", (f"`{name}" for name in flagmiddleware.__all__ if name != "__version__")) == []
    assert missing("python.md", (f"`{name}`" for name in errors.__all__ if name not in inner)) == []


def test_every_command_is_told() -> None:
    """Each command of `flags`, and each of its options under one of its names."""
    context = Context(flags)
    assert missing("cli.md", (f"flags {name}" for name in flags.list_commands(context))) == []
    text = (REFERENCE / "cli.md").read_text()
    told = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", text))
    commands = [(name, flags.get_command(context, name)) for name in flags.list_commands(context)]
    options = [(name, option) for name, command in commands if command for option in command.params]
    untold = [(name, option.opts) for name, option in options if told.isdisjoint(option.opts)]
    assert [found for found in untold if found[1][0].startswith("-")] == []
