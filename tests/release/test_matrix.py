"""The Blast Radius Matrix: placing flags, their stages, and every form it is drawn in."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.errors import RulesetError
from flagmiddleware.formats import parse, parse_document
from flagmiddleware.release.matrix import Matrix, draw_matrix
from flagmiddleware.release.matrix_render import render_html, render_markdown, render_svg
from flagmiddleware.release.policy import DEFAULT_POLICY, read_policy
from flagmiddleware.release.stages import StageKind
from tests.release.scripted import ScriptedRepository, instant


def _risk(technical: str, business: str) -> dict[str, str]:
    return {"technical": technical, "business": business}


DOCUMENT = {
    "version": 1,
    "flags": {
        "banner": {"risk": _risk("low", "low"), "owner": "product"},
        "pricing": {"risk": _risk("low", "high"), "rules": [{"rollout": "25%"}]},
        "engine": {"risk": _risk("high", "low"), "rules": [{"if": {"is_staff": True}, "serve": True}]},
        "engine-two": {"risk": _risk("high", "low")},
        "checkout": {"risk": _risk("high", "high"), "rules": [{"rollout": "100%"}]},
        "ledger": {"risk": _risk("high", "high"), "rules": [{"rollout": "5%"}], "enabled": False},
        "unplaced": {},
    },
}
NOW = 1_800_000_000.0


@pytest.fixture
def drawn() -> Matrix:
    """The matrix of the document above."""
    return draw_matrix(parse_document(DOCUMENT), now=NOW, changed={"pricing": NOW - 90_000})


def test_each_flag_is_placed_by_its_risk(drawn: Matrix) -> None:
    """Risk decides the quadrant; a flag without risk has none."""
    placed = {one.key: one.strategy for one in drawn.placements}
    assert placed == {
        "banner": "fast-lane",
        "pricing": "product-canary",
        "engine": "engineering-sandbox",
        "engine-two": "engineering-sandbox",
        "checkout": "measured-crawl",
        "ledger": "measured-crawl",
        "unplaced": None,
    }


def test_stages_and_next_steps(drawn: Matrix) -> None:
    """A flag's stage is that of its last unconditional gated rule, and the strategy says what comes next."""
    found = {one.key: (one.stage.kind, one.stage.text, one.next) for one in drawn.placements}
    assert found == {
        "banner": (StageKind.DARK, "dark", "100 %"),
        "pricing": (StageKind.PARTIAL, "25 %", "50 %"),
        "engine": (StageKind.INTERNAL, "internal", "1 %"),
        "engine-two": (StageKind.DARK, "dark", "internal cohort"),
        "checkout": (StageKind.RELEASED, "100 %", "remove the flag"),
        "ledger": (StageKind.KILLED, "killed", "restore"),
        "unplaced": (StageKind.DARK, "dark", "declare its risk"),
    }


SPLITS = [
    ("rules: [{split: {on: 1, off: 99}}]", "1 %", "5 %"),
    ("rules: [{split: {off: 99, on: 1}}]", "1 %", "5 %"),
    ("rules: [{rollout: 10%, split: {on: 50, off: 50}}]", "5 %", "10 %"),
    ("rules: [{if: {is_staff: true}, split: {on: 0, off: 1}}]", "dark", "1 %"),
    ("variants: {a: x, b: y, c: z}, off: a, rules: [{split: {a: 90, b: 5, c: 5}}]", "10 %", "25 %"),
    (
        "variants: {a: x, b: y, c: z}, off: a, default: b, rules: [{rollout: 50%, split: {a: 50, c: 50}}]",
        "75 %",
        "100 %",
    ),
    ("variants: {a: x, b: y, c: z}, off: a, rules: [{split: {b: 50, c: 50}}]", "100 %", "remove the flag"),
]


@pytest.mark.parametrize(("fields", "stage", "coming"), SPLITS)
def test_a_split_exposes_those_whom_it_does_not_give_off(fields: str, stage: str, coming: str) -> None:
    """A stage counts who gets a variant other than `off`: one part in a hundred is 1 %, and the next stage is 5 %."""
    text = f"version: 1\nflags: {{f: {{risk: {{technical: high, business: high}}, {fields}}}}}"
    (one,) = draw_matrix(parse(text.encode(), format="native"), now=NOW).placements
    assert (one.stage.text, one.next) == (stage, coming)


def test_the_default_matrix_is_the_one_documented() -> None:
    """The four strategies, their stages, owners, gates and soak: what a team starts from."""
    found = {
        name: ([share.text for share in one.stages], one.owners, one.gates, one.soak, one.cohort)
        for name, one in DEFAULT_POLICY.strategies.items()
    }
    assert found == {
        "fast-lane": (["100%"], ("product",), (), 0, False),
        "product-canary": (["5%", "25%", "50%", "100%"], ("product",), ("person",), 0, False),
        "engineering-sandbox": (["1%", "5%", "25%", "50%", "100%"], ("engineering",), ("metrics",), 0, True),
        "measured-crawl": (
            *(["1%", "5%", "10%", "25%", "50%", "100%"], ("engineering", "product"), ("person", "metrics")),
            *(86400, False),
        ),
    }


def test_a_team_overrides_the_policy() -> None:
    """A `policy:` section replaces what it names and leaves the rest."""
    policy = read_policy({"strategies": {"measured-crawl": {"stages": ["2%", "100%"], "soak": "2d"}}})
    crawl = policy.strategies["measured-crawl"]
    assert [share.text for share in crawl.stages] == ["2%", "100%"]
    assert crawl.soak == 2 * 86400
    assert crawl.gates == ("person", "metrics")
    assert policy.strategies["fast-lane"] == DEFAULT_POLICY.strategies["fast-lane"]


def test_a_wrong_policy_is_refused_with_all_its_problems() -> None:
    """Unknown names, bad stages, bad durations: all told at once, with the nearest name."""
    with pytest.raises(RulesetError) as caught:
        read_policy(
            {"strategies": {"fast-lan": {}, "measured-crawl": {"stages": ["5%", "1%"], "soak": "soon"}}, "rolls": {}}
        )
    text = str(caught.value)
    assert "unknown name 'fast-lan'; did you mean 'fast-lane'?" in text
    assert "expected rising percentages that end at 100%" in text
    assert "expected a duration such as 24h or 30d, found 'soon'" in text
    assert "unknown name 'rolls'; did you mean 'roles'?" in text


def test_markdown_has_a_section_for_each_quadrant(drawn: Matrix) -> None:
    """The Markdown names every strategy and holds every flag in a row."""
    text = render_markdown(drawn)
    for strategy in DEFAULT_POLICY.strategies.values():
        assert f"## {strategy.title} " in text
    assert "| `pricing` | 25 % | 1 d 1 h | 50 % |  |" in text
    assert "## no quadrant (risk not declared)" in text


def test_html_and_svg_are_well_formed_and_escape(drawn: Matrix) -> None:
    """The page and the picture parse as XML, and what a flag file says stays text."""
    svg = ElementTree.fromstring(render_svg(drawn))
    text = "".join(svg.itertext())
    assert all(one.key in text for one in drawn.placements)
    page = render_html(drawn).replace("<!doctype html>", "").replace('<meta charset="utf-8">', "")
    assert "engine-two" in "".join(ElementTree.fromstring(page.strip()).itertext())


def test_json_is_complete(drawn: Matrix) -> None:
    """The JSON has four quadrants with every placed flag, and what has no quadrant."""
    found = drawn.to_dict()
    assert [quadrant["strategy"] for quadrant in found["quadrants"]] == [
        *("product-canary", "measured-crawl", "fast-lane", "engineering-sandbox"),
    ]
    assert [flag["key"] for flag in found["unplaced"]] == ["unplaced"]
    assert json.loads(json.dumps(found)) == found


def test_the_command_draws_with_ages_from_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flags matrix` takes each flag's age from the history of its file: since its stage changed, not its wording."""
    repository = ScriptedRepository(tmp_path / "repo")
    text = "version: 1\nflags:\n  pricing:\n    risk: {technical: low, business: high}\n    rules: [{rollout: 5%}]\n"
    repository.commit(text, at=instant("2026-01-01T00:00"))
    repository.commit(text.replace("5%", "25%"), at=instant("2026-02-01T00:00"))
    repository.commit(text.replace("5%", "25%") + "    description: dear\n", at=instant("2026-03-01T00:00"))
    monkeypatch.chdir(repository.root)
    monkeypatch.setattr("flagmiddleware.cli.bench.Bench.now", staticmethod(lambda: instant("2026-03-03T01:00")))
    result = CliRunner().invoke(flags, ["matrix", "--format", "json", "--source", "flags.yaml"])
    assert result.exit_code == 0, result.output
    (flag,) = json.loads(result.stdout)["quadrants"][0]["flags"]
    assert flag["age_seconds"] == instant("2026-03-03T01:00") - instant("2026-02-01T00:00")
    table = CliRunner().invoke(flags, ["matrix", "flags.yaml"]).stdout
    assert "pricing" in table
    assert "product canary" in table


def test_the_command_writes_a_file(tmp_path: Path) -> None:
    """`--output` writes the picture."""
    (tmp_path / "flags.json").write_text(json.dumps({"version": 1, "flags": {"a": {}}}), "utf-8")
    target = tmp_path / "matrix.svg"
    command = ["matrix", str(tmp_path / "flags.json"), "--format", "svg", "-o", str(target)]
    assert CliRunner().invoke(flags, command).exit_code == 0
    assert target.read_text("utf-8").startswith("<svg")
