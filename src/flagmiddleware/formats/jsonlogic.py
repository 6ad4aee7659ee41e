"""JsonLogic rules, compiled once into Python closures, so that deciding walks no tree.

Sources: jsonlogic.com, "Supported operations", and the behaviour of its JavaScript implementation (json-logic-js 2.0).
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial, reduce
from itertools import repeat
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from ..errors import FlagMiddlewareError
from . import javascript as js

__all__ = ["MAX_DEPTH", "Compiler", "Expression", "Form", "LogicError", "Scope", "Work", "constant", "failing"]

MAX_DEPTH: Final = 200
"""How deep a rule may nest: each level is a Python frame when it is decided."""
MAX_SIZE: Final = 100_000
"""How many operators a rule may hold once its references are put in: a few shared rules could multiply for ever."""
MAX_WORK: Final = 1_000_000
"""How many operators ``map`` and its like may run in one decision: loops in loops would run for hours."""
MAX_MADE: Final = 100_000
"""How long a text or an array may be that a rule makes: one that doubles in a ``reduce`` would fill the memory."""
_COSTLY: Final = MappingProxyType({"cat": 100, "merge": 100})  # operators that copy what they are given

_S = TypeVar("_S", str, "list[Any]")
Run: TypeAlias = "Callable[[Any], Any]"
Form: TypeAlias = "Callable[[Compiler, list[Any], Scope], Expression]"
"""Compiles an operator that decides for itself which of its arguments are looked at, and in which scope."""


class LogicError(FlagMiddlewareError):
    """A rule that cannot be read, or an operator that nobody knows."""


class Expression(NamedTuple):
    """A compiled rule: ``run(data)``, and its value where that is the same for all data."""

    run: Run
    is_constant: bool = False
    value: Any = None


def constant(value: Any) -> Expression:
    """A rule that is its own value."""
    return Expression(lambda data: value, True, value)


def failing(message: str) -> Expression:
    """A rule that cannot be decided: only where it is reached, so that one which never gets there is not the worse."""

    def run(data: Any) -> Any:
        raise LogicError(message)

    return Expression(run)


class Scope:
    """What ``var`` reads from: here the element, inside ``map`` and its like; what is outside is a dialect's to say."""

    def find(self, name: str) -> Expression:
        """The value under a dotted name; UNDEFINED where there is none."""
        return Expression(js.path_reader(lambda data: data, name.split(".")))

    def read(self, name: str) -> Expression:
        """The value under a dotted name; None where there is none."""
        found = self.find(name)
        if found.is_constant:
            return found
        run = found.run
        return Expression(lambda data: None if (it := run(data)) is js.UNDEFINED else it)

    def everything(self) -> Expression:
        """All of the data."""
        return Expression(lambda data: data)

    def named(self, name: Any, *, undefined: bool = False) -> Expression:
        """The value under whatever a rule gives for a name."""
        if js.is_nothing(name) or name == "":
            return self.everything()
        return self.find(js.text(name)) if undefined else self.read(js.text(name))


_ELEMENT: Final = Scope()


class Work(threading.local):
    """What the loops of the decision that this thread makes may still cost."""

    left = 0


class Compiler:
    """Compiles the rules of one flag; ``forms`` and ``operators`` are those that a dialect adds to JsonLogic's own.

    >>> Compiler(Scope()).compile({"if": [{">": [{"var": "age"}, 17]}, "adult", "child"]}).run({"age": 20})
    'adult'
    """

    def __init__(
        self,
        scope: Scope,
        forms: Mapping[str, Form] = MappingProxyType({}),
        operators: Mapping[str, Callable[..., Any]] = MappingProxyType({}),
        work: Work | None = None,
    ) -> None:
        self._root = scope
        self._forms = {**_FORMS, **forms}
        self._operators = {**_OPERATORS, **operators}
        self._depth = 0
        self.size = 0
        self.work = work or Work()

    def compile(self, node: Any, scope: Scope | None = None) -> Expression:
        """The function that decides ``node``; LogicError where it can never be decided."""
        scope = self._root if scope is None else scope
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise LogicError(f"the rule nests more than {MAX_DEPTH} levels deep")
        try:
            if isinstance(node, list) and any(item.__class__ in (dict, list) for item in node):
                return _applied("", lambda *items: list(items), self.each(node, scope))
            if not isinstance(node, dict) or len(node) != 1:
                self.grow(len(node) >> 8 if isinstance(node, str | list) else 0)
                return constant(node)  # of a list of a million texts one constant, not a million
            ((name, arguments),) = node.items()
            arguments = arguments if isinstance(arguments, list) else [arguments]
            self.grow(_COSTLY.get(name, 1))
            if name in self._forms:
                return self._forms[name](self, arguments, scope)
            if name not in self._operators:
                return failing(f"unknown operator {name!r}")
            return _applied(name, self._operators[name], self.each(arguments, scope))
        finally:
            self._depth -= 1

    def each(self, nodes: list[Any], scope: Scope) -> list[Expression]:
        """The functions that decide ``nodes``."""
        return list(map(self.compile, nodes, repeat(scope)))  # without a frame of its own for each level

    def grow(self, size: int) -> None:
        """Count that many operators more; LogicError where they are too many."""
        self.size += size
        if self.size > MAX_SIZE:
            raise LogicError(f"the rule holds more than {MAX_SIZE} operators once its references are put in")


def _applied(name: str, operate: Callable[..., Any], arguments: list[Expression]) -> Expression:
    """``operate`` on the arguments: at load where all of them are known then."""
    if all(argument.is_constant for argument in arguments):
        try:
            return constant(operate(*(argument.value for argument in arguments)))
        except Exception as error:
            return failing(f"{name}: {error}")
    runs = [argument.run for argument in arguments]
    one, two = runs[0], runs[-1]
    if len(runs) == 1:
        return Expression(lambda data: operate(one(data)))
    if len(runs) != 2:
        return Expression(lambda data: operate(*[run(data) for run in runs]))
    if arguments[1].is_constant:
        return Expression(_beside(name, operate, one, arguments[1].value))
    part = arguments[0].value
    if name == "in" and part.__class__ is str and part:
        return Expression(lambda data: part in it if (it := two(data)).__class__ is str else operate(part, it))
    return Expression(lambda data: operate(one(data), two(data)))


def _beside(name: str, operate: Callable[[Any, Any], Any], read: Run, fixed: Any) -> Run:
    """``operate`` beside a constant: by Python's own operator for the types of which it gives JavaScript's answer."""
    kind = fixed.__class__
    if name in ("==", "===") and kind in (str, int, bool):
        return lambda data: it == fixed if (it := read(data)).__class__ is kind else operate(it, fixed)
    if name in ("!=", "!==") and kind in (str, int, bool):
        return lambda data: it != fixed if (it := read(data)).__class__ is kind else operate(it, fixed)
    numbers = js.NUMBERS if kind in js.NUMBERS else ()
    if name == "<" and numbers:
        return lambda data: it < fixed if (it := read(data)).__class__ in numbers else operate(it, fixed)
    if name == "<=" and numbers:
        return lambda data: it <= fixed if (it := read(data)).__class__ in numbers else operate(it, fixed)
    if name == ">" and numbers:
        return lambda data: it > fixed if (it := read(data)).__class__ in numbers else operate(it, fixed)
    if name == ">=" and numbers:
        return lambda data: it >= fixed if (it := read(data)).__class__ in numbers else operate(it, fixed)
    if name == "in" and kind is list and all(item.__class__ is str for item in fixed):
        members = frozenset(fixed)
        return lambda data: it in members if (it := read(data)).__class__ is str else operate(it, fixed)
    return lambda data: operate(read(data), fixed)


# -- operators: functions of their arguments' values; an argument that a rule leaves out is UNDEFINED --------------


def _two(function: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    return lambda a=js.UNDEFINED, b=js.UNDEFINED, *_: function(a, b)


def _between(compare: Callable[[Any, Any], bool]) -> Callable[..., bool]:
    return lambda a=js.UNDEFINED, b=js.UNDEFINED, c=js.UNDEFINED, *_: (
        js.ordered(compare, a, b) and (c is js.UNDEFINED or js.ordered(compare, b, c))
    )


def _contains(needle: Any, haystack: Any) -> bool:
    haystack = js.plain(haystack)
    if isinstance(haystack, str):
        return haystack != "" and js.text(needle) in haystack
    return isinstance(haystack, list) and any(js.strict_equal(item, needle) for item in haystack)


def _substr(source: Any = js.UNDEFINED, start: Any = js.UNDEFINED, length: Any = js.UNDEFINED, *_: Any) -> str:
    count = 0 if length is js.UNDEFINED else js.number(length)
    if not count < 0:
        return js.substr(source, start, length)
    rest = js.substr(source, start)  # a negative length counts from the end: PHP's rule, which JsonLogic keeps
    return js.substr(rest, 0, len(js.units(rest)) + count)


def _multiply(*factors: Any) -> Any:
    if not factors:
        raise ValueError("* needs a number to multiply")
    return reduce(lambda a, b: js.rounded(js.parse_float(a) * js.parse_float(b)), factors)


def _made(made: _S) -> _S:
    if len(made) > MAX_MADE:
        raise ValueError(f"the rule makes something longer than {MAX_MADE}")
    return made


def _merge(*parts: Any) -> list[Any]:
    found = [(part, js.plain(part)) for part in parts]
    return _made([item for part, items in found for item in (items if isinstance(items, list) else [part])])


_OPERATORS: Final[Mapping[str, Callable[..., Any]]] = MappingProxyType(
    {
        "==": _two(js.loose_equal),
        "!=": _two(lambda a, b: not js.loose_equal(a, b)),
        "===": _two(js.strict_equal),
        "!==": _two(lambda a, b: not js.strict_equal(a, b)),
        "<": _between(operator.lt),
        "<=": _between(operator.le),
        ">": _two(partial(js.ordered, operator.gt)),
        ">=": _two(partial(js.ordered, operator.ge)),
        "!": _two(lambda a, _: not js.truthy(a)),
        "!!": _two(lambda a, _: js.truthy(a)),
        "%": _two(js.remainder),
        "in": _two(_contains),
        "cat": lambda *parts: _made("".join(map(js.joined, parts))),
        "substr": _substr,
        "+": lambda *terms: js.rounded(sum(map(js.parse_float, terms))),
        "*": _multiply,
        "-": _two(lambda a, b: -js.number(a) if b is js.UNDEFINED else js.rounded(js.number(a) - js.number(b))),
        "/": _two(js.divide),
        "min": partial(js.extreme, min, math.inf),
        "max": partial(js.extreme, max, -math.inf),
        "merge": _merge,
    }
)


# -- forms ---------------------------------------------------------------------------------------------------------


def _var(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    name, default, *_ = [*compiler.each(arguments, scope), None, None]
    if name is None:
        return scope.everything()
    find, undefined = name.run, default is not None
    if name.is_constant:
        found = scope.named(name.value, undefined=undefined)
    else:
        found = Expression(lambda data: scope.named(find(data), undefined=undefined).run(data))
    if default is None or found.is_constant:
        return found
    run, otherwise = found.run, default.run
    return Expression(lambda data: otherwise(data) if (it := run(data)) is js.UNDEFINED else it)


def _absent(scope: Scope, keys: Iterable[Any]) -> Callable[[Any], list[Any]]:
    readers = [(key, scope.named(key).run) for key in keys]
    return lambda data: [key for key, read in readers if (it := read(data)) is None or it == ""]


def _missing(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    def absent(keys: list[Any]) -> Callable[[Any], list[Any]]:
        return _absent(scope, keys[0] if keys and isinstance(keys[0], list | tuple) else keys)

    keys = compiler.each(arguments, scope)
    if all(key.is_constant for key in keys):
        return Expression(absent([key.value for key in keys]))
    return Expression(lambda data: absent([key.run(data) for key in keys])(data))


def _missing_some(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    needed, keys, *_ = [*compiler.each(arguments, scope), constant(0), constant([])]

    def run(data: Any) -> list[Any]:
        names = js.plain(keys.run(data))
        if js.is_nothing(names):
            raise ValueError("missing_some needs an array of names")
        absent = _absent(scope, names if isinstance(names, list) else [names])(data)
        present = js.number(js.property_of(names, "length")) - len(absent)
        return [] if js.ordered(operator.le, needed.run(data), present) else absent

    return Expression(run)


def _if(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    parts = compiler.each(arguments, scope)
    otherwise = parts.pop() if len(parts) % 2 else constant(None)
    if not parts:
        return otherwise
    if len(parts) == 2 and parts[0].is_constant:
        return parts[1] if js.truthy(parts[0].value) else otherwise
    branches = [(condition.run, then.run) for condition, then in zip(parts[::2], parts[1::2], strict=True)]
    (test, _), last = branches[0], otherwise.run
    fixed = parts[1].value

    def choose(data: Any) -> Any:  # as ``search``, for the one branch with a variant's name that most rules are
        found = test(data)
        return fixed if found is True or (found is not False and js.truthy(found)) else last(data)

    def search(data: Any) -> Any:
        for test, then in branches:
            found = test(data)
            if found is True or (found is not False and js.truthy(found)):
                return then(data)
        return last(data)

    return Expression(choose if len(parts) == 2 and parts[1].is_constant else search)


def _junction(stops_at: bool, compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    runs = [part.run for part in compiler.each(arguments, scope)]

    def run(data: Any) -> Any:
        value = None
        for one in runs:
            value = one(data)
            if (value is True or (value is not False and js.truthy(value))) is stops_at:
                return value
        return value

    return Expression(run)


def _over(finish: Callable[[list[Any], Run, Any], Any], takes: int = 2) -> Form:
    """An operator over an array: ``finish(elements, rule, start)``, the elements being none where it is no array."""
    message = f"the rule takes more than {MAX_WORK} steps"

    def form(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
        array, inner, initial, *_ = [*arguments[:takes], None, None, None]
        source, start = compiler.compile(array, scope).run, compiler.compile(initial, scope).run
        before = compiler.size
        rule = compiler.compile(inner, _ELEMENT).run
        each, work, is_outermost = 1 + compiler.size - before, compiler.work, scope is not _ELEMENT

        def run(data: Any) -> Any:
            first, found = start(data), js.plain(source(data))
            items = found if isinstance(found, list) else []
            work.left = (MAX_WORK if is_outermost else work.left) - len(items) * each
            if work.left < 0:
                raise ValueError(message)
            return finish(items, rule, first)

        return Expression(run)

    return form


_FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "var": _var,
        "missing": _missing,
        "missing_some": _missing_some,
        "if": _if,
        "?:": _if,
        "and": partial(_junction, False),
        "or": partial(_junction, True),
        "map": _over(lambda items, rule, _: [rule(item) for item in items]),
        "filter": _over(lambda items, rule, _: [item for item in items if js.truthy(rule(item))]),
        "all": _over(lambda items, rule, _: bool(items) and all(js.truthy(rule(item)) for item in items)),
        "none": _over(lambda items, rule, _: not any(js.truthy(rule(item)) for item in items)),
        "some": _over(lambda items, rule, _: any(js.truthy(rule(item)) for item in items)),
        "reduce": _over(
            lambda items, rule, start: reduce(lambda a, b: rule({"current": b, "accumulator": a}), items, start),
            takes=3,
        ),
    }
)
