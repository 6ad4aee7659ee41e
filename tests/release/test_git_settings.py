"""git as people have set it up for their own eyes: what we read of it stays the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagmiddleware.release.git import Repository
from flagmiddleware.release.history import flag_history
from tests.release.scripted import ScriptedRepository, instant

FILE = "version: 1\nflags: {a: {rules: [{rollout: 1%}]}}\n"
SIGNATURE = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEzBAABCAAdFiEE\n -----END PGP SIGNATURE-----\n"


def test_signatures_that_are_shown_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`log.showSignature` puts words about signed commits into what git prints: the history is there all the same."""
    monkeypatch.setenv("GNUPGHOME", str(tmp_path))
    made = ScriptedRepository(tmp_path / "repo")
    commit = made.commit(FILE, at=instant("2026-01-01T00:00"))
    text = made.git("cat-file", "commit", commit).replace("\n\n", f"\n{SIGNATURE}\n", 1)
    (made.root / "signed").write_text(text, "utf-8")
    signed = made.git("hash-object", "-t", "commit", "-w", "signed").strip()
    made.git("update-ref", "refs/heads/main", signed)
    made.git("config", "log.showSignature", "true")
    (record,) = flag_history(made.root / "flags.yaml")
    assert (record.origin.revision, record.origin.actor) == (signed, "Ann Example <ann@example.com>")


@pytest.mark.parametrize(
    "setting",
    [
        ("diff.renames", "false"),
        ("diff.noprefix", "true"),
        ("core.quotePath", "true"),
        ("log.decorate", "full"),
        ("log.follow", "true"),
        ("color.ui", "always"),
        ("format.pretty", "fuller"),
        ("status.short", "true"),
    ],
)
def test_other_settings_change_nothing(tmp_path: Path, setting: tuple[str, str]) -> None:
    """Colours, formats, and whether renames are looked for: history, state and former names are the same."""
    made = ScriptedRepository(tmp_path / "repo")
    first = made.commit(FILE, at=instant("2026-01-01T00:00"), file="été/flags.yaml")
    made.git("mv", "été", "hiver")
    made.commit(FILE, at=instant("2026-01-02T00:00"), file="hiver/flags.yaml")
    made.git("config", *setting)
    repository = Repository.around(made.root / "hiver")
    assert repository.former_name("hiver/flags.yaml", first) == "été/flags.yaml"
    assert [commit.author for commit in repository.log()] == ["Ann Example", "Ann Example"]
    (made.root / "hiver/flags.yaml").write_text("version: 1\n", "utf-8")
    assert repository.state("hiver/flags.yaml") == " M"


def test_a_hook_of_a_linked_working_tree_finds_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several branches are checked out, git sets GIT_DIR for hooks: the file is still where it lies."""
    made = ScriptedRepository(tmp_path / "repo")
    first = made.commit(FILE, file="conf/flags.yaml")
    made.git("worktree", "add", "--quiet", str(tmp_path / "other"), "-b", "other")
    monkeypatch.setenv("GIT_DIR", str(made.root / ".git/worktrees/other"))
    path = tmp_path / "other/conf/flags.yaml"
    repository = Repository.around(path)
    assert repository.root == tmp_path / "other"
    assert repository.files(first, repository.relative(path)) == {"conf/flags.yaml": FILE.encode()}
