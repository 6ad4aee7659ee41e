"""Taking a change back in a real PostgreSQL store, whose history keeps every document."""

from __future__ import annotations

from uuid import uuid4

from click.testing import CliRunner

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
