"""The examples that a flag file carries (``tests:``), run against the flags beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from ..answers import rule_name
from ..context import Context
from ..errors import FlagMiddlewareError, Problem
from ..interpreter import Explanation, interpret
from ..model import Example, Flag, Ruleset

__all__ = ["run_examples"]


def run_examples(
    ruleset: Ruleset,
    parse: Callable[[str | None], Ruleset],
    *,
    now: float,
    watch: Callable[[Iterable[str], str], Iterable[str]] = lambda keys, _: keys,
) -> Iterator[tuple[Problem, int] | None]:
    """For each example None where it holds, else what is wrong and its place in the flag's ``tests``.

    ``parse`` gives the definitions as in another environment; ``watch`` goes through the keys and may show how far.
    """
    rulesets: dict[str | None, Ruleset | FlagMiddlewareError] = {ruleset.environment: ruleset, None: ruleset}
    for key in watch(list(ruleset.flags), "running the examples"):
        flag = ruleset.flags[key]
        for number, example in enumerate(flag.tests):
            where = f"flags.{flag.key}.tests[{number}]"
            if example.environment not in rulesets:
                rulesets[example.environment] = _parsed(parse, example.environment)
            chosen = rulesets[example.environment]
            message = _run(chosen, flag, example, now)
            yield None if message is None else (Problem(message, where, flag=flag.key), number)


def _parsed(parse: Callable[[str | None], Ruleset], environment: str | None) -> Ruleset | FlagMiddlewareError:
    try:
        return parse(environment)
    except FlagMiddlewareError as error:
        return error


def _run(ruleset: Ruleset | FlagMiddlewareError, flag: Flag, example: Example, now: float) -> str | None:
    if isinstance(ruleset, FlagMiddlewareError):
        return f"environment {example.environment!r} is not valid: {ruleset}"
    given = dict(example.given)
    context = Context(given.pop("targeting_key", None), given)
    found = interpret(ruleset, flag.key, context, at=now if example.at is None else example.at)
    if found.evaluation.variant == example.expect:
        return None
    asked = ", ".join(f"{name}={value}" for name, value in example.given.items()) or "nothing"
    return f"given {asked}: expected {example.expect}, found {found.evaluation.variant} ({_why(flag, found)})"


def _why(flag: Flag, found: Explanation) -> str:
    if found.evaluation.error_code is not None:
        return f"{found.evaluation.error_code}: {found.evaluation.error_message}"
    by = found.evaluation.rule
    if by is None:
        return "no rule matched" if flag.rules and not found.killed else str(found.evaluation.reason)
    outcome = next((trace.outcome for trace in found.rules if trace.name == by), "decided")
    number = next((n for n, rule in enumerate(flag.rules) if rule_name(rule, n) == by), None)
    return f"{by}: {outcome}" if number is not None else by
