"""The pytest plugin: the fixture ``flags`` and the marks ``flags`` and ``vary_flags``.

Every pytest run of a site that has flagmiddleware installed imports this module: it imports nothing else at the top.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from .fixture import FlagsFixture

__all__: list[str] = []

_VARIATION: Final = "flagmiddleware_variation"


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks."""
    config.addinivalue_line("markers", 'flags({"new-checkout": True}, button="green"): override flags for the test')
    config.addinivalue_line("markers", 'vary_flags("a", button=["blue", "green"]): run it under every combination')


@pytest.fixture
def flags() -> Iterator[FlagsFixture]:
    """Decide flags in a test: ``flags.enable("new-checkout")``; everything is restored at its end."""
    from .fixture import FlagsFixture
    from .overrides import open_layer

    with open_layer() as layer:
        yield FlagsFixture(layer)


@pytest.fixture(name=_VARIATION)
def _variation(request: pytest.FixtureRequest) -> Any:
    """The combination that this run of the test is for; applied by the hook below, which fixtures run inside."""
    return getattr(request, "param", None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Multiply tests that are marked ``vary_flags``."""
    combinations = _combinations(list(metafunc.definition.iter_markers("vary_flags")))
    if combinations:
        metafunc.fixturenames.append(_VARIATION)
        metafunc.parametrize(_VARIATION, combinations, indirect=True, ids=list(map(_combination_id, combinations)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse the mark where it would silently do nothing."""
    for item in items:
        if item.get_closest_marker("vary_flags") and _variation_of(item) is None:
            raise pytest.UsageError(
                f"{item.nodeid}: vary_flags multiplies plain test functions and methods; unittest's cannot be "
                "multiplied: loop over the combinations with override_flags instead"
            )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Override what the marks say, around fixtures, test and teardown alike."""
    marks = [mark for mark in item.iter_markers("flags") if mark.args or mark.kwargs]
    variation = _variation_of(item)
    if not marks and variation is None:
        return (yield)
    from .overrides import override_flags

    with ExitStack() as stack:
        for mark in reversed(marks):  # the closest comes first and has the last word
            stack.enter_context(override_flags(*mark.args, **mark.kwargs))
        if variation is not None:
            stack.enter_context(override_flags(variation))
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Take the overrides along to coroutines: a runner that was made before has another context than this one."""
    from inspect import iscoroutinefunction

    from ..overrides import ACTIVE

    test = getattr(item, "obj", None)
    if not ACTIVE or not iscoroutinefunction(test):
        return (yield)
    from .overrides import carried

    instance = getattr(item, "instance", None)
    names = [item.name, "asyncSetUp", "asyncTearDown"] if hasattr(instance, "asyncSetUp") else []
    for name in names:
        setattr(instance, name, carried(getattr(instance, name)))
    if not names:
        item.obj = carried(test)  # type: ignore[attr-defined]
    try:
        return (yield)
    finally:
        if not names:
            item.obj = test  # type: ignore[attr-defined]


def _variation_of(item: pytest.Item) -> Mapping[str, Any] | None:
    callspec = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(_VARIATION)


def _combinations(marks: list[pytest.Mark]) -> list[dict[str, Any]]:
    """Every combination of what the marks vary.

    >>> _combinations([pytest.mark.vary_flags("a", button=["blue", "green"]).mark])[0]
    {'a': False, 'button': 'blue'}
    """
    from itertools import product

    varied: dict[str, list[Any]] = {}
    for mark in reversed(marks):
        for key in mark.args:
            varied[key] = [False, True]
        for name, variants in mark.kwargs.items():
            varied[name.replace("_", "-")] = list(variants)
    if not varied:
        return []
    return [dict(zip(varied, values, strict=True)) for values in product(*varied.values())]


def _combination_id(combination: Mapping[str, Any]) -> str:
    words = {True: "on", False: "off"}
    return ",".join(f"{key}={words.get(value, value)}" for key, value in combination.items())
