"""Where a plan's users may come from: Parquet, a PostgreSQL query, JSON lines that differ in their names."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from click.testing import CliRunner

from flagmiddleware.cli import flags
from flagmiddleware.release.population import Population, read_population

BEFORE = "version: 1\nflags:\n  a: {}\n"
AFTER = "version: 1\nflags:\n  a: {rules: [{if: {country: AU}, serve: true}]}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two files to compare, in a folder of their own."""
    monkeypatch.chdir(tmp_path)
    Path("before.yaml").write_text(BEFORE, "utf-8")
    Path("after.yaml").write_text(AFTER, "utf-8")


def gains(users: str, *more: str) -> int:
    """How many users the change gives the flag."""
    args = ["plan", "before.yaml", "after.yaml", "-p", users, "--format", "json", *more]
    result = CliRunner().invoke(flags, args)
    assert result.exit_code == 0, result.output
    (flag,) = json.loads(result.stdout)["flags"]
    return int(flag["population"]["total"]["gains"])


def test_a_parquet_population() -> None:
    """Columns keep their types, and a null is an attribute that is missing."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow has no wheel for every Python")
    from pyarrow import parquet

    table = pyarrow.table({"id": [1, 2, 3, 4], "country": ["AU", "AU", None, "NZ"], "age": [20, 30, 40, None]})
    parquet.write_table(table, "users.parquet")
    assert gains("users.parquet") == 2
    users = read_population("users.parquet")
    assert users.total == 4
    assert [dict(user) for user in users][2:] == [{"user": 3, "age": 40}, {"user": 4, "country": "NZ"}]


def test_a_postgres_population(postgres_url: str) -> None:
    """Users may come from a query; the password is in no message."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS people_of_a_plan (id text, country text)")
        connection.execute("INSERT INTO people_of_a_plan SELECT n::text, 'AU' FROM generate_series(1, 7000) AS n")
    mark = "&" if "?" in postgres_url else "?"
    url = f"{postgres_url}{mark}query={quote('SELECT id, country FROM people_of_a_plan')}"
    try:
        assert gains(url) == 7000
        bad = CliRunner().invoke(flags, ["plan", "before.yaml", "after.yaml", "-p", url.replace("people_of", "no")])
        assert bad.exit_code == 2
        assert "the query failed" in bad.stderr
    finally:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DROP TABLE people_of_a_plan")


def refused(users: str) -> str:
    """What is said of users that cannot be read."""
    result = CliRunner().invoke(flags, ["plan", "before.yaml", "after.yaml", "-p", users, "--who-file", "hit.csv"])
    assert result.exit_code == 2, result.output
    assert not list(Path().glob("hit.csv*"))
    return str(result.stderr)


def test_users_that_break_off_are_refused_with_the_row() -> None:
    """A damaged Parquet page and a query that fails half-way are told in a line, and no list is left half-written."""
    pyarrow = pytest.importorskip("pyarrow", reason="pyarrow has no wheel for every Python")
    from pyarrow import parquet

    table = pyarrow.table({"id": list(range(5000)), "country": [f"c-{n}" for n in range(5000)]})
    parquet.write_table(table, "users.parquet", compression="gzip", use_dictionary=False)
    data = bytearray(Path("users.parquet").read_bytes())
    data[400:2000] = bytes(1600)
    Path("users.parquet").write_bytes(data)
    assert "users.parquet: damaged after row 0 (" in refused("users.parquet")
    with sqlite3.connect("users.db") as database:
        database.execute("CREATE TABLE users (id INTEGER, country TEXT)")
        database.executemany("INSERT INTO users VALUES (?, '{}')", [(n,) for n in range(2000)])
        database.execute("UPDATE users SET country = 'no json' WHERE id = 1500")
    query = quote("SELECT id, json_extract(country, '$') AS country FROM users")
    said = refused(f"sqlite:///users.db?query={query}")
    assert re.search(r"sqlite:///users\.db: broke off after row (1499|1500) \(malformed JSON\)", said), said


def test_a_file_that_is_no_table_is_refused() -> None:
    """What has no line that could name columns, and what may not be read, is told in a line."""
    Path("users.csv").write_text("x" * 200_000, "utf-8")
    assert "users.csv:1: expected names of columns (field larger" in refused("users.csv")


def narrowed(name: str, *attributes: str) -> Population:
    """A population of which only some attributes are wanted."""
    users = read_population(name)
    users.narrow(attributes)
    return users


def test_only_what_is_wanted_is_read() -> None:
    """Attributes that no decision reads are left out, and those that only later lines have are not forgotten."""
    Path("users.csv").write_text("user,country,plan\nu-1,AU,pro\n", "utf-8")
    assert [dict(user) for user in narrowed("users.csv", "plan")] == [{"user": "u-1", "plan": "pro"}]
    lines = ['{"user": "u-1", "country": "AU"}'] * 1500 + ['{"user": "u-2", "rare": true, "country": "AU"}']
    Path("users.jsonl").write_text("\n".join(lines), "utf-8")
    assert dict(list(narrowed("users.jsonl", "rare"))[-1]) == {"user": "u-2", "rare": True}


def test_a_column_that_is_missing_is_told() -> None:
    """Users without an attribute that the flags ask for are counted, with a word that it is missing."""
    Path("users.csv").write_text("user,plan\nu-1,pro\n", "utf-8")
    result = CliRunner().invoke(flags, ["plan", "before.yaml", "after.yaml", "-p", "users.csv"])
    assert "users.csv has no column country, which these flags ask for" in result.stderr


def test_a_list_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """A folder that is missing is named, and a list that stops half-way leaves no file behind."""
    for name, share in (("a", "1%"), ("b", "5%")):
        Path(f"{name}.yaml").write_text(f"version: 1\nflags: {{f: {{rules: [{{rollout: {share}}}]}}}}\n", "utf-8")
    Path("users.csv").write_text("user\nu1\n", "utf-8")
    Path("broken.csv").write_text("user\n" + "a,b\n" * 200, "utf-8")
    Path("broken.jsonl").write_text("{broken\n" * 1_000, "utf-8")
    plan = ("plan", "a.yaml", "b.yaml", "--who-file")
    result = CliRunner().invoke(flags, [*plan, "nowhere/who.csv", "-p", "users.csv"])
    assert (result.exit_code, "No such file or directory" in result.stderr) == (2, True)
    for name in ("broken.csv", "broken.jsonl"):
        result = CliRunner().invoke(flags, [*plan, "who.csv", "-p", name])
        assert result.exit_code == 2
        assert "100 broken lines" in result.stderr
        assert not list(tmp_path.glob("who.csv*"))
