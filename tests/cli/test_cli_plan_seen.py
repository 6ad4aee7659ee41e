"""What a person sees of a plan and of the matrix at a terminal."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.cli.terminal import on_a_terminal
from tests.cli.test_cli_plan import FILE, repository, run
from tests.release.scripted import ScriptedRepository

__all__ = ["repository"]

SPLIT = "  plain: {{variants: {{x: 1, y: 2, z: 3}}, off: x, rules: [{rule}]{more}}}\n"


def split(rule: str = "{split: {y: 50, z: 50}}", more: str = "") -> str:
    """The file, in which one flag has a split."""
    return FILE.replace("  plain: {}\n", SPLIT.format(rule=rule, more=more))


@pytest.mark.parametrize(
    ("new", "why"),
    [
        (split(more=", salt: other"), "the salt goes from 'plain' to 'other'"),
        (split(more=", sticky_by: company"), "sticky_by goes from the targeting key to company"),
        (split("{split: {z: 50, y: 50}}"), "a split lists its variants in another order"),
    ],
)
def test_a_reshuffle_is_red(repository: ScriptedRepository, new: str, why: str) -> None:
    """Another salt, another attribute to hash, another order of a split: in bold red, with the reason."""
    repository.commit(split())
    repository.commit(new)
    seen = on_a_terminal(repository.root, "plan", "HEAD~1", NO_COLOR="", COLUMNS="200")
    assert re.search(r"\x1b\[1;31m\s*RESHUFFLE: " + re.escape(why), seen)
    assert f"RESHUFFLE: {why}" in run("plan", "HEAD~1").stdout
    assert f"🔴 **reshuffle**: {why}" in run("plan", "HEAD~1", "--format", "md").stdout


def test_the_matrix_is_two_by_two(repository: ScriptedRepository) -> None:
    """Four quadrants side by side, each with its flags, their stage and age and what comes next; the others below."""
    fast = "  sale: {owner: product, risk: {technical: low, business: low}, rules: [{serve: true}]}\n"
    Path("flags.yaml").write_text(FILE + fast, "utf-8")
    seen = run("matrix").stdout
    lines = seen.splitlines()

    def line(word: str) -> int:
        return next(place for place, text in enumerate(lines) if word in text)

    assert line("product canary") == line("measured crawl") < line("fast lane") == line("engineering sandbox")
    assert lines[line("product canary")].index("product canary") < lines[line("measured crawl")].index("measured crawl")
    assert line("measured crawl") < line("checkout 1 %") < line("fast lane") < line("sale 100 %") < line("plain dark")
    assert re.search(r"checkout 1 %, \d+ d.* → 5 %", seen)
    assert "→ remove the flag" in seen
    assert "engine dark" in seen
