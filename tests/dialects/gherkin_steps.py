"""The Gherkin steps of flagd's testbed and of OpenFeature's specification, run through our OpenFeature provider."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gherkin.parser import Parser
from gherkin.pickles.compiler import Compiler
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEventDetails
from openfeature.exception import ProviderFatalError
from openfeature.flag_evaluation import FlagEvaluationOptions
from openfeature.hook import Hook

from flagmiddleware import Flags
from flagmiddleware.openfeature import FlagMiddlewareProvider

__all__ = ["Scenario", "World", "scenarios"]

_numbers = itertools.count()


class Scenario(NamedTuple):
    """One scenario, outlines unrolled: its steps are (text, table)."""

    name: str
    tags: frozenset[str]
    steps: list[tuple[str, list[list[str]]]]


def scenarios(path: Path) -> Iterator[Scenario]:
    """Every scenario of a feature file, its background in front."""
    document: Any = Parser().parse(path.read_text(encoding="utf-8"))
    for place, pickle in enumerate(Compiler().compile({**document, "uri": path.name}), 1):
        tags = frozenset(tag["name"] for tag in pickle["tags"])
        steps = [(step["text"], _table(step.get("argument"))) for step in pickle["steps"]]
        yield Scenario(f"{place:03d} {pickle['name']}", tags, steps)


def _table(argument: Any) -> list[list[str]]:
    rows = argument["dataTable"]["rows"] if argument else []
    return [[cell["value"] for cell in row["cells"]] for row in rows]


class _Spy(Hook):
    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    def before(self, *_: Any, **__: Any) -> None:
        self.calls.append(f"before {self.name}")

    def after(self, *_: Any, **__: Any) -> None:
        self.calls.append(f"after {self.name}")


class _NeverReady(FlagMiddlewareProvider):
    def initialize(self, evaluation_context: EvaluationContext) -> None:
        api.get_client("nobody")  # never reached: the registry is told not to initialise it


class _Fatal(FlagMiddlewareProvider):
    def initialize(self, evaluation_context: EvaluationContext) -> None:
        raise ProviderFatalError("told to")


class World:
    """The state of one scenario."""

    def __init__(self, flags: Callable[[], Flags]) -> None:
        self.make = flags
        self.domain = f"case-{next(_numbers)}"
        self.client = api.get_client(self.domain)
        self.provider: Any = None
        self.key: str | None = None
        self.attributes: dict[str, Any] = {}
        self.asked: tuple[str, str, Any] = ("", "", None)
        self.details: Any = None
        self.calls: list[str] = []
        self.before: Any = None

    def play(self, scenario: Scenario) -> None:
        """Run every step; AssertionError where one does not hold."""
        for text, table in scenario.steps:
            self._step(text, table)

    def _step(self, text: str, table: list[list[str]]) -> None:
        for pattern, action in _STEPS:
            match = re.fullmatch(pattern, text)
            if match:
                action(self, *match.groups(), *([table] if table else []))
                return
        raise AssertionError(f"no step for {text!r}")

    def start(self, kind: str = "stable") -> None:
        flags = self.make()
        classes = {"not ready": _NeverReady, "fatal": _Fatal}
        if self.provider is not None:
            self.provider.shutdown()  # the SDK does not, where the next one fails to start
        self.provider = classes.get(kind, FlagMiddlewareProvider)(flags)
        if kind == "not ready":
            # Bound to the domain and never initialised, which is what NOT_READY means.
            api.provider_registry._providers[self.domain] = self.provider
            api.provider_registry._provider_status[self.provider] = __import__(
                "openfeature.provider", fromlist=["ProviderStatus"]
            ).ProviderStatus.NOT_READY
            return
        try:
            api.set_provider_and_wait(self.provider, self.domain)
        except Exception:
            assert kind in ("fatal", "error")
        if kind == "stale":
            self.provider.emit_provider_stale(ProviderEventDetails())
        if kind == "error":
            self.provider.emit_provider_error(ProviderEventDetails())

    def evaluate(self, options: FlagEvaluationOptions | None = None, *, is_async: bool = False) -> None:
        kind, key, default = self.asked
        context = EvaluationContext(self.key, self.attributes)
        name = f"get_{kind.lower()}_details" + ("_async" if is_async else "")
        found = getattr(self.client, name)(key, default, context, options)
        self.details = asyncio.run(found) if is_async else found

    def value(self, text: str) -> Any:
        return typed(self.asked[0], text)


def typed(kind: str, text: str) -> Any:
    """A cell as a value of the named type."""
    if kind == "Boolean":
        return text.lower() == "true"
    if kind == "Object":
        return json.loads(text.replace('\\"', '"'))
    return {"Integer": int, "Float": float}.get(kind, str)(text)


def _ask(world: World, kind: str, key: str, default: str) -> None:
    world.asked = (kind, key, typed(kind, default))


def _attribute(world: World, key: str, kind: str, value: str) -> None:
    world.attributes[key] = typed(kind, value)


def _nested(world: World, outer: str, inner: str, value: str) -> None:
    world.attributes.setdefault(outer, {})[inner] = value


def _targeting_key(world: World, value: str) -> None:
    world.key = value


def _null(world: World, key: str) -> None:
    world.attributes[key] = None


def _is(world: World, found: Any, wanted: Any) -> None:
    assert found == wanted, f"{found!r} is not {wanted!r}: {world.details}"
    assert type(found) is type(wanted) or isinstance(found, dict), f"{type(found)} is not {type(wanted)}"


def _metadata(world: World, table: list[list[str]]) -> None:
    wanted = {key: typed(kind, value) for key, kind, value in table[1:]}
    assert dict(world.details.flag_metadata) == wanted


def _hooks(world: World) -> None:
    world.calls = []


def _with_hooks(world: World) -> None:
    world.evaluate(FlagEvaluationOptions(hooks=[_Spy("one", world.calls), _Spy("two", world.calls)]))


def _hooks_ran(world: World) -> None:
    assert len(world.calls) == 4


def _hooks_in_order(world: World) -> None:
    assert world.calls == ["before one", "before two", "after two", "after one"]


def _modifiable(world: World) -> None:
    world.attributes = {"tags": ["a"], "nested": {"b": 1}}
    world.before = json.dumps(world.attributes)


def _unmodified(world: World) -> None:
    assert json.dumps(world.attributes) == world.before


def _immutable(world: World) -> None:
    again = world.details
    world.evaluate()
    assert again == world.details


_STEPS: list[tuple[str, Callable[..., None]]] = [
    (r"an evaluator", lambda world: world.start()),
    (r"a (stable|not ready|fatal|error|stale) provider", lambda world, kind: world.start(kind)),
    (r'an? (\w+)-flag with key "(.*)" and a fallback value "(.*)"', _ask),
    (r'a context containing a key "(.*)", with type "(\w+)" and with value "(.*)"', _attribute),
    (r'a context containing a nested property with outer key "(.*)" and inner key "(.*)", with value "(.*)"', _nested),
    (r'a context containing a targeting key with value "(.*)"', _targeting_key),
    (r'a context containing a key "(.*)" with null value', _null),
    (r"the flag was evaluated with details", lambda world: world.evaluate()),
    (r"the flag was evaluated with details asynchronously", lambda world: world.evaluate(is_async=True)),
    (r"the evaluation should complete without blocking", lambda world: None),
    (
        r'the resolved details value should be "(.*)"',
        lambda world, text: _is(world, world.details.value, world.value(text)),
    ),
    (r'the reason should be "(.*)"', lambda world, text: _is(world, str(world.details.reason), text)),
    (r'the error-code should be "(.*)"', lambda world, text: _is(world, world.details.error_code.value, text)),
    (r'the variant should be "(.*)"', lambda world, text: _is(world, world.details.variant, text)),
    (r'the flag key should be "(.*)"', lambda world, text: _is(world, world.details.flag_key, text)),
    (r"the resolved metadata should contain", _metadata),
    (r"the resolved metadata is empty", lambda world: _is(world, dict(world.details.flag_metadata), {})),
    (
        r'the provider status should be "(.*)"',
        lambda world, text: _is(world, world.client.get_provider_status().value, text),
    ),
    (r"evaluation options containing specific hooks", _hooks),
    (r"the flag was evaluated with details using the evaluation options", _with_hooks),
    (r"the specified hooks should execute during evaluation", _hooks_ran),
    (r"the hook order should be maintained", _hooks_in_order),
    (r"an evaluation context with modifiable data", _modifiable),
    (r"the original evaluation context should remain unmodified", _unmodified),
    (r"the evaluation details should be immutable", _immutable),
]
