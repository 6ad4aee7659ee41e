"""Flags in Jinja templates: tags, functions and a test. Jinja is imported here, and where templates are scanned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, nodes, pass_context
from jinja2.ext import Extension
from jinja2.parser import Parser
from jinja2.runtime import Context as TemplateContext
from markupsafe import Markup

from ..bound import BoundFlags
from .caching import cache_key
from .current import current_flags
from .frontend import banner, flags_json, script_tag
from .lookup import find_key

if TYPE_CHECKING:
    from ..model import Evaluation

__all__ = ["FUNCTION_NAMES", "TAG_FUNCTIONS", "FlagExtension", "find_flags", "install_jinja"]

_FINDER = "flagmiddleware_find"


def find_flags(context: TemplateContext) -> BoundFlags:
    """The flags of the template's request: passed as ``flags``, on its ``request``, or those that are current."""
    found = context.get("flags")
    if isinstance(found, BoundFlags):
        return found
    request = context.get("request")
    for holder in (getattr(request, "state", None), request):
        found = getattr(holder, "flags", None)
        if isinstance(found, BoundFlags):
            return found
    return current_flags()


def install_jinja(env: Environment, find: Callable[[TemplateContext], BoundFlags] = find_flags) -> None:
    """Teach a Jinja environment about flags; ``find`` tells whose they are in a template."""
    env.extend(**{_FINDER: find})
    env.add_extension(FlagExtension)


def _evaluation(context: TemplateContext, name: str) -> Evaluation:
    here = _flags(context)
    return here.evaluate(find_key(here.plan.table, name))


def _flags(context: TemplateContext) -> BoundFlags:
    find: Callable[[TemplateContext], BoundFlags] = getattr(context.environment, _FINDER, find_flags)
    return find(context)


# Every one of these takes the template's context, although it could do without: a call whose arguments are all
# constants is otherwise computed when the template is compiled, and one user's answer served to everybody.


@pass_context
def _flag(context: TemplateContext, name: str) -> bool:
    return _evaluation(context, name).is_enabled


@pass_context
def _flag_value(context: TemplateContext, name: str, default: Any = None) -> Any:
    here = _flags(context)
    return here.value(find_key(here.plan.table, name), default)


@pass_context
def _flag_variant(context: TemplateContext, name: str) -> str | None:
    return _evaluation(context, name).variant


@pass_context
def _enabled_flag(context: TemplateContext, name: str) -> bool:
    return _evaluation(context, name).is_enabled


@pass_context
def _flags_json(context: TemplateContext) -> Markup:
    return Markup(flags_json(_flags(context)))  # noqa: S704 - escaped there


@pass_context
def _flags_script_tag(context: TemplateContext, nonce: str | None = None, variable: str = "flags") -> Markup:
    return Markup(script_tag(_flags(context), nonce=nonce, variable=variable))  # noqa: S704 - escaped there


@pass_context
def _flags_banner(context: TemplateContext) -> Markup:
    return Markup(banner(_flags(context)))  # noqa: S704 - escaped there


@pass_context
def _flags_cache_key(context: TemplateContext, *names: str) -> str:
    here = _flags(context)
    return cache_key(here, *(find_key(here.plan.table, name) for name in names))


_GLOBALS: Mapping[str, Any] = {
    "flag": _flag,
    "flag_value": _flag_value,
    "flag_variant": _flag_variant,
    "flags_json": _flags_json,
    "flags_script_tag": _flags_script_tag,
    "flags_banner": _flags_banner,
    "flags_cache_key": _flags_cache_key,
}

_FUNCTION = {"flag": "_flagmiddleware_flag", "value": "_flagmiddleware_value", "variant": "_flagmiddleware_variant"}
"""What the tags call: names of their own, because a template may use ``flag`` as a variable."""

TAG_FUNCTIONS: Final = frozenset(_FUNCTION.values())
"""The functions that stand for tags in a syntax tree."""

FUNCTION_NAMES: Final = frozenset({"flag", "flag_value", "flag_variant", "flags_cache_key"})
"""The functions that templates call with a flag's key."""


def _word(parser: Parser) -> nodes.Expr:
    """One text or variable: Jinja itself joins texts that stand side by side into one."""
    token = parser.stream.current
    if token.type == "string":
        next(parser.stream)
        return nodes.Const(token.value, lineno=token.lineno)
    return parser.parse_primary()


class FlagExtension(Extension):
    """``{% flag %}``, ``{% flag_value %}`` and ``{% variant %}``, the functions beside them, the test ``enabled_flag``.

    ``{% flag "beta" %} new {% elflag "gamma" %} other {% else %} old {% endflag %}``;
    ``{% flag_value "checkout-button" default="blue" as colour %}``, or without ``as`` to print it;
    ``{% variant "checkout-button" "green" %} … {% elvariant "blue" "red" %} … {% else %} … {% endvariant %}``.
    """

    tags = {"flag", "flag_value", "variant"}  # noqa: RUF012 - Jinja's interface

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(_GLOBALS)
        environment.globals.update(
            {_FUNCTION["flag"]: _flag, _FUNCTION["value"]: _flag_value, _FUNCTION["variant"]: _flag_variant}
        )
        environment.tests["enabled_flag"] = _enabled_flag

    def parse(self, parser: Parser) -> nodes.Node:
        """Parse the tag at hand."""
        tag = next(parser.stream)
        if tag.value == "flag_value":
            return self._parse_value(parser, tag.lineno)
        if tag.value == "variant":
            return self._parse_variant(parser, tag.lineno)
        return self._parse_flag(parser, tag.lineno)

    def _parse_flag(self, parser: Parser, line: int) -> nodes.If:
        return self._branches(parser, line, "flag", lambda: self._call("flag", line, parser.parse_expression()))

    def _parse_variant(self, parser: Parser, line: int) -> nodes.If:
        name = _word(parser)

        def test() -> nodes.Expr:
            names = [_word(parser)]
            while not parser.stream.current.test("block_end"):
                names.append(_word(parser))
            served = self._call("variant", line, name)
            return nodes.Compare(served, [nodes.Operand("in", nodes.List(names))], lineno=line)

        return self._branches(parser, line, "variant", test)

    def _branches(self, parser: Parser, line: int, tag: str, test: Callable[[], nodes.Expr]) -> nodes.If:
        """An ordinary ``if``, so that scoping, inheritance and inclusion are Jinja's own."""
        first = branch = nodes.If(lineno=line)
        branch.test = test()
        chain: list[nodes.If] = []
        while True:
            branch.body = parser.parse_statements((f"name:el{tag}", "name:else", f"name:end{tag}"))
            branch.elif_, branch.else_ = [], []
            end = next(parser.stream)
            if not end.test(f"name:el{tag}"):
                break
            branch = nodes.If(lineno=end.lineno)
            branch.test = test()
            chain.append(branch)
        first.elif_ = chain
        if end.test("name:else"):
            first.else_ = parser.parse_statements((f"name:end{tag}",), drop_needle=True)
        return first

    def _parse_value(self, parser: Parser, line: int) -> nodes.Node:
        arguments = [_word(parser)]
        if parser.stream.skip_if("name:default"):
            parser.stream.expect("assign")
            arguments.append(parser.parse_unary())
        value = self._call("value", line, *arguments)
        if parser.stream.skip_if("name:as"):
            return nodes.Assign(parser.parse_assign_target(name_only=True), value, lineno=line)
        return nodes.Output([value], lineno=line)

    def _call(self, function: str, line: int, *arguments: nodes.Expr) -> nodes.Call:
        return nodes.Call(nodes.Name(_FUNCTION[function], "load"), list(arguments), [], None, None, lineno=line)
