"""JsonLogic's forms: operators that decide for themselves which of their arguments are looked at, and in which scope.

Source: jsonlogic.com, "Supported operations", and the behaviour of its JavaScript implementation (json-logic-js 2.0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from .javascript import UNDEFINED, at_most, number, plain, property_of, text, truthy
from .jsonlogic_expressions import ELEMENT, Expression, Run, Scope, array, constant

if TYPE_CHECKING:
    from .jsonlogic import Compiler

__all__ = ["FORMS", "Form"]

Form: TypeAlias = "Callable[[Compiler, list[Any], Scope], Expression]"
"""Compiles an operator that decides for itself which of its arguments are looked at, and in which scope."""


# -- forms: reading ------------------------------------------------------------------------------------------------


def _named(scope: Scope, name: Any, *, undefined: bool = False) -> Expression:
    if name is None or name is UNDEFINED or name == "":
        return scope.everything()
    return scope.find(text(name)) if undefined else scope.read(text(name))


def _var(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    name, default, *_ = [*(compiler.compile(argument, scope) for argument in arguments), None, None]
    if name is None:
        return scope.everything()
    undefined = default is not None
    if not name.is_constant:
        find = name.run
        found: Run = lambda data: _named(scope, find(data), undefined=undefined).run(data)  # noqa: E731
    else:
        expression = _named(scope, name.value, undefined=undefined)
        if default is None or expression.is_constant:
            return expression
        found = expression.run
    if default is None:
        return Expression(found)
    otherwise = default.run
    return Expression(lambda data: otherwise(data) if (value := found(data)) is UNDEFINED else value)


def _keys(values: list[Any]) -> list[Any]:
    return list(values[0]) if values and isinstance(values[0], list | tuple) else values


def _absent(scope: Scope, keys: Any) -> Callable[[Any], list[Any]]:
    readers = [(key, _named(scope, key).run) for key in keys]
    return lambda data: [key for key, read in readers if (value := read(data)) is None or value == ""]


def _missing(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    keys = array([compiler.compile(argument, scope) for argument in arguments])
    if keys.is_constant:
        return Expression(_absent(scope, _keys(keys.value)))
    return Expression(lambda data: _absent(scope, _keys(keys.run(data)))(data))


def _missing_some(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    needed, keys, *_ = [*(compiler.compile(argument, scope) for argument in arguments), constant(0), constant([])]

    def run(data: Any) -> list[Any]:
        names = plain(keys.run(data))
        if names is None or names is UNDEFINED:
            raise ValueError("missing_some needs an array of names")
        absent = _absent(scope, names if isinstance(names, list) else [names])(data)
        present = number(property_of(names, "length")) - len(absent)
        return [] if at_most(needed.run(data), present) else absent

    return Expression(run)


# -- forms: deciding -----------------------------------------------------------------------------------------------


def _if(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    parts = [compiler.compile(argument, scope) for argument in arguments]
    otherwise = parts.pop() if len(parts) % 2 else constant(None)
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    if not pairs:
        return otherwise
    return _choice(*pairs[0], otherwise) if len(pairs) == 1 else _chain(pairs, otherwise)


def _chain(pairs: list[tuple[Expression, Expression]], otherwise: Expression) -> Expression:
    branches = [(condition.run, then.run) for condition, then in pairs]
    last = otherwise.run

    def run(data: Any) -> Any:
        for test, then in branches:
            found = test(data)
            if found is True or (found is not False and truthy(found)):
                return then(data)
        return last(data)

    return Expression(run)


def _choice(condition: Expression, then: Expression, otherwise: Expression) -> Expression:
    if condition.is_constant:
        return then if truthy(condition.value) else otherwise
    test, yes, no = condition.run, then.run, otherwise.run
    if then.is_constant:
        fixed = then.value

        def run_fixed(data: Any) -> Any:
            found = test(data)
            return fixed if found is True or (found is not False and truthy(found)) else no(data)

        return Expression(run_fixed)

    def run(data: Any) -> Any:
        found = test(data)
        return yes(data) if found is True or (found is not False and truthy(found)) else no(data)

    return Expression(run)


def _junction(stops_at: bool) -> Form:
    def form(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
        runs = [compiler.compile(argument, scope).run for argument in arguments]

        def run(data: Any) -> Any:
            value = None
            for one in runs:
                value = one(data)
                if (value is True or (value is not False and truthy(value))) is stops_at:
                    return value
            return value

        return Expression(run)

    return form


# -- forms: over arrays --------------------------------------------------------------------------------------------


def _over(finish: Callable[[list[Any], Run], Any]) -> Form:
    """An operator over an array: ``finish(elements, rule)``, the elements being none where it is no array."""

    def form(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
        source = compiler.compile(arguments[0] if arguments else None, scope).run
        rule = compiler.compile(arguments[1] if len(arguments) > 1 else None, ELEMENT).run

        def run(data: Any) -> Any:
            found = plain(source(data))
            return finish(found if isinstance(found, list) else [], rule)

        return Expression(run)

    return form


def _reduce(compiler: Compiler, arguments: list[Any], scope: Scope) -> Expression:
    array, inner, initial, *_ = [*arguments, None, None, None]
    source, start = compiler.compile(array, scope).run, compiler.compile(initial, scope).run
    rule = compiler.compile(inner, ELEMENT).run

    def run(data: Any) -> Any:
        total = start(data)
        found = plain(source(data))
        for item in found if isinstance(found, list) else []:
            total = rule({"current": item, "accumulator": total})
        return total

    return Expression(run)


FORMS: Final[Mapping[str, Form]] = MappingProxyType(
    {
        "var": _var,
        "missing": _missing,
        "missing_some": _missing_some,
        "if": _if,
        "?:": _if,
        "and": _junction(False),
        "or": _junction(True),
        "map": _over(lambda items, rule: [rule(item) for item in items]),
        "filter": _over(lambda items, rule: [item for item in items if truthy(rule(item))]),
        "all": _over(lambda items, rule: bool(items) and all(truthy(rule(item)) for item in items)),
        "none": _over(lambda items, rule: not any(truthy(rule(item)) for item in items)),
        "some": _over(lambda items, rule: any(truthy(rule(item)) for item in items)),
        "reduce": _reduce,
        "$ref": lambda compiler, arguments, scope: compiler.reference(arguments[0] if arguments else None, scope),
    }
)
"""Every form of JsonLogic's own, by name; ``$ref`` is flagd's and everywhere here."""
