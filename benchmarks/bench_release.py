"""Releasing: a plan over a million users, and the strict lint of a large code base, in seconds."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

from benchmarks.harness import Settings
from benchmarks.report import Table, add_ratio, main, ratio_table
from flagmiddleware.bucketing import bucket, threshold
from flagmiddleware.formats import parse_document
from flagmiddleware.release.documents import Documents
from flagmiddleware.release.edits import kill
from flagmiddleware.release.impact import reads
from flagmiddleware.release.plan import make_plan, with_population
from flagmiddleware.release.policy import DEFAULT_POLICY
from flagmiddleware.release.population import read_population
from flagmiddleware.release.strict import strict_problems

FLAGS, USERS = 1_000, 1_000_000
NOW = 1_800_000_000.0


def document(changed: int, share: str) -> dict[str, Any]:
    """A thousand flags, the first ``changed`` of which roll out to ``share``."""
    cohort = {"if": {"segment": "anz", "plan": "pro"}, "rollout": "25%"}
    rules = ([cohort, {"rollout": share if number < changed else "1%"}] for number in range(FLAGS))
    flags = {f"flag-{number}": {"rules": rule} for number, rule in enumerate(rules)}
    return {"version": 1, "segments": {"anz": {"country": ["AU", "NZ"]}}, "flags": flags}


@contextmanager
def users_file(count: int) -> Iterator[Path]:
    """Users of four countries and two plans, as CSV."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "users.csv")
        rows = (f"user-{n},{('AU', 'NZ', 'US', 'DE')[n % 4]},{('pro', 'free')[n // 4 % 2]}\n" for n in range(count))
        path.write_text("user,country,plan\n" + "".join(rows))
        yield path


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """The wall time of some work, and its result: what the person who typed the command waits."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def plan(path: Path, users: int, changed: int) -> float:
    """A plan with ``changed`` flags from 1 % to 5 %; the first flag's count is checked against brute force."""
    before, after = parse_document(document(changed, "1%")), parse_document(document(changed, "5%"))

    def work() -> Any:
        made = make_plan(before, after, DEFAULT_POLICY, now=NOW)
        people = read_population(str(path))
        people.narrow(reads([flag.key for flag in made.flags], before, after, now=NOW))
        return with_population(made, before, after, people, now=NOW, processes=2)

    took, made = seconds(work)
    low, high = threshold(1), threshold(5)  # type: ignore[arg-type]
    caught = (n for n in range(users) if not (n % 4 < 2 and n // 4 % 2 == 0))
    expected = sum(low <= (bucket("flag-0", f"user-{n}") or 0) < high for n in caught)
    if made.flags[0].impact.total.gains != expected:
        raise AssertionError(f"{made.flags[0].impact.total.gains} gain, brute force says {expected}")
    return took


def measure(settings: Settings) -> Sequence[Table]:
    """Each figure once: these are waits of a person, not nanoseconds."""
    table = ratio_table("Waiting for a command")
    users = settings.size(USERS)
    with users_file(users) as path:
        for changed in (1, 150, 500):
            name = f"plan: {FLAGS:,} flags, {changed} changed, {users:,} users"
            add_ratio(table, name, "seconds", plan(path, users, changed), 60)
    text = "version: 1\nflags:\n" + "".join(
        f"  flag-number-{n}:\n    rules: [{{rollout: {n % 100}%}}]\n" for n in range(FLAGS)
    )
    documents = Documents("flags.yaml", {"flags.yaml": text.encode()})
    folder = str(Path(django.__file__).parent)
    took, _ = seconds(lambda: strict_problems(documents, documents.parse(), folders=[folder], now=NOW))
    add_ratio(table, f"lint --strict: {FLAGS:,} flags, Django's code", "seconds", took, 10)
    took, _ = seconds(lambda: kill(documents, "flag-number-999"))
    add_ratio(table, f"kill in a file of {FLAGS:,} flags", "seconds", took, 1)
    print(table.plain())
    return [table]


if __name__ == "__main__":
    raise SystemExit(main("release", "Releasing", measure, rounds=1))
