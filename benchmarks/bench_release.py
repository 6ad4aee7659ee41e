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


def document(changed: int, share: str, *, varied: bool = False) -> dict[str, Any]:
    """A thousand flags, the first ``changed`` of which roll out to ``share``; all alike, or of many kinds."""
    flags = {f"flag-{n}": flag(n, share if n < changed else "1%", varied=varied) for n in range(FLAGS)}
    segments = {"anz": {"country": ["AU", "NZ"]}, "insiders": {"email": {"ends_with": "@yourcompany.com"}}}
    return {"version": 1, "segments": segments if varied else {"anz": segments["anz"]}, "flags": flags}


def flag(number: int, share: str, *, varied: bool) -> dict[str, Any]:
    """A cohort and a rollout; where ``varied``, one of ten kinds: splits, prerequisites, others hashed."""
    cohort: dict[str, Any] = {"if": {"segment": "anz", "plan": "pro"}, "rollout": "25%"}
    kind = number % 10 if varied and number else 0
    if kind in (1, 2):
        cohort = {"if": {"segment": "insiders"}, "serve": True}
    found: dict[str, Any] = {"rules": [cohort, {"rollout": share}]}
    if kind in (3, 4):
        split = {"rollout": share, "split": {"a": 50, "b": 30, "c": 20}}
        found = {"variants": {"a": "x", "b": "y", "c": "z"}, "off": "a", "rules": [split]}
    elif kind in (5, 6):
        found["requires"] = {f"flag-{number - kind}": True}
    elif kind == 7:
        found["sticky_by"] = "email"
    elif kind == 8:
        found["rules"].insert(0, {"if": {"email": {"starts_with": f"u{number % 100}"}}, "serve": True})
    return found


@contextmanager
def users_file(count: int) -> Iterator[Path]:
    """Users of four countries and two plans, each with an address, as CSV."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "users.csv")
        places, plans = ("AU", "NZ", "US", "DE"), ("pro", "free")
        rows = (
            f"user-{n},{places[n % 4]},{plans[n // 4 % 2]},u{n}@{'yourcompany.com' * (n % 50 == 0) or 'x.org'}\n"
            for n in range(count)
        )
        path.write_text("user,country,plan,email\n" + "".join(rows))
        yield path


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """The wall time of some work, and its result: what the person who typed the command waits."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def plan(path: Path, users: int, changed: int, *, varied: bool = False) -> float:
    """A plan with ``changed`` flags from 1 % to 5 %; the first flag's count is checked against brute force."""
    before, after = (parse_document(document(changed, share, varied=varied)) for share in ("1%", "5%"))

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
        for changed, varied in ((1, False), (150, False), (1000, False), (1000, True)):
            kinds = " (of many kinds)" * varied
            name = f"plan: {FLAGS:,} flags, {changed:,} changed{kinds}, {users:,} users"
            add_ratio(table, name, "seconds", plan(path, users, changed, varied=varied), 60)
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
