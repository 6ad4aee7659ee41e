"""A real PostgreSQL store: taking a change back, whose history keeps every document; its first push."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
from click.testing import CliRunner, Result

from flagmiddleware.cli import flags
from flagmiddleware.sources.base import Change
from flagmiddleware.sources.postgres import PostgresSource, create_tables

FILE = b"version: 1\nflags:\n  a:   # keep\n    rules: [{rollout: 1%}]\n  b: {}\n"


def test_a_stores_change_is_taken_back(postgres_url: str) -> None:
    """A revision that changed several flags needs the flag's name; the other flag keeps what it has."""
    url = f"{postgres_url}{'&' if '?' in postgres_url else '?'}name={uuid4().hex}"
    create_tables(url)
    source = PostgresSource(url)
    try:
        source.write(Change(data=FILE, keys=("a", "b")), None)
        both = FILE.replace(b"1%", b"5%").replace(b"b: {}", b"b: {enabled: false}")
        source.write(Change(data=both, keys=("a", "b")), "1")
        unclear = CliRunner().invoke(flags, ["revert", "2", "-m", "no", "--source", url])
        assert "revision 2 changed a, b: say 2:KEY" in unclear.stderr
        done = CliRunner().invoke(flags, ["revert", "2:a", "-m", "too soon", "--source", url])
        assert done.exit_code == 0, done.output
        found = source.fetch(None)
        assert found is not None
        assert found.data == FILE.replace(b"b: {}", b"b: {enabled: false}")
        assert (source.document("2"), source.document("9")) == (both, None)
    finally:
        source.close()


def test_the_first_push_makes_the_tables(postgres_url: str, tmp_path: Path) -> None:
    """In an empty database: told what is missing, made when asked to; a dry run makes nothing."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE empty_at_first")
    url = urlsplit(postgres_url)._replace(path="/empty_at_first").geturl()
    file = tmp_path / "flags.yaml"
    file.write_bytes(FILE)

    def push(*options: str) -> Result:
        return CliRunner().invoke(flags, ["push", str(file), url, "-m", "first", *options])

    assert "flags push --create" in push().stderr
    assert push("--create", "--dry-run").exit_code == 0
    assert push().exit_code == 2
    done = push("--create")
    assert (done.exit_code, "is empty" in done.stderr) == (0, True), done.output
    source = PostgresSource(url)
    assert source.history(1)[0]["revision"] == "1"
    source.close()
    nobody = url.replace("flags@", "nobody:hunter2@", 1)
    refused = CliRunner().invoke(flags, ["push", str(file), nobody, "-m", "x", "--create"])
    assert (refused.exit_code, "the tables could not be made" in refused.stderr) == (2, True), refused.output
    assert "hunter2" not in refused.stderr
