"""``{% load flags %}``: tags and filters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.utils.safestring import SafeString, mark_safe

from ...web.caching import cache_key
from ...web.frontend import banner, flags_json, script_tag
from ...web.lookup import find_key
from ..templating import bound_flags, find_flags

__all__ = ["register"]

register = template.Library()


# -- blocks ---------------------------------------------------------------------------------------------------------


class _Branch:
    """One arm of a block; ``names`` is None in ``{% else %}``. Constant names are resolved once, here."""

    __slots__ = ("body", "names")

    def __init__(self, names: list[FilterExpression] | None, body: NodeList) -> None:
        self.names = None if names is None else [_constant(name) for name in names]
        self.body = body


def _constant(expression: FilterExpression) -> Any:
    text = expression.var
    if expression.filters or not isinstance(text, str):
        return expression
    return str.__str__(text)  # Django's SafeString hashes more slowly than text


def _resolve(name: Any, context: Any) -> Any:
    return name if isinstance(name, str) else name.resolve(context, ignore_failures=True)


class _Block(template.Node):
    """What both blocks share: arms, of which the first that holds is rendered."""

    def __init__(self, branches: list[_Branch]) -> None:
        self.branches = branches

    def __iter__(self) -> Iterator[template.Node]:
        for branch in self.branches:
            yield from branch.body

    @property
    def nodelist(self) -> NodeList:
        """Every node inside: Django looks for ``{% block %}`` in it."""
        return NodeList(self)

    def render(self, context: Any) -> SafeString:
        here = find_flags(context)
        for branch in self.branches:
            if branch.names is None or self.holds(here, [_resolve(name, context) for name in branch.names]):
                return branch.body.render(context)
        return SafeString("")

    def holds(self, here: Any, names: list[Any]) -> bool:
        """Whether the arm with these names is the one."""
        raise NotImplementedError


class FlagNode(_Block):
    """``{% flag %}``: on, or not."""

    def holds(self, here: Any, names: list[Any]) -> bool:
        """Whether the flag is on; a name that is no text names no flag."""
        return isinstance(names[0], str) and here.is_enabled(find_key(here.plan.table, names[0]))


class VariantNode(_Block):
    """``{% variant %}``: which of the variants is served."""

    def __init__(self, key: FilterExpression, branches: list[_Branch]) -> None:
        super().__init__(branches)
        self.key = _constant(key)

    def render(self, context: Any) -> SafeString:
        here, key = find_flags(context), _resolve(self.key, context)
        served = here.variant(find_key(here.plan.table, key)) if isinstance(key, str) else None
        for branch in self.branches:
            if branch.names is None or served in [_resolve(name, context) for name in branch.names]:
                return branch.body.render(context)
        return SafeString("")


_TAKES: Final = {"flag": "one flag's key", "variant": "a flag's key and the names of variants"}


def _parse(parser: Parser, token: Token, tag: str) -> tuple[list[FilterExpression], list[_Branch]]:
    ends: tuple[str, ...] = (f"el{tag}", "else", f"end{tag}")
    first = words = _words(parser, token, 2 if tag == "variant" else 1, tag)
    names: list[FilterExpression] | None = words[1:] if tag == "variant" else words
    branches: list[_Branch] = []
    while True:
        branches.append(_Branch(names, parser.parse(ends)))
        end = parser.next_token()
        word = end.contents.split()[0]
        if word == f"end{tag}":
            return first, branches
        if word == "else":
            ends, names = (f"end{tag}",), None
        else:
            names = _words(parser, end, 1, tag)


def _words(parser: Parser, token: Token, least: int, tag: str) -> list[FilterExpression]:
    word, *rest = token.split_contents()
    if len(rest) < least or (tag == "flag" and len(rest) > 1):
        raise template.TemplateSyntaxError(f"{{% {word} %}} takes {_TAKES[tag]}")
    return [parser.compile_filter(text) for text in rest]


@register.tag("flag")
def flag(parser: Parser, token: Token) -> FlagNode:
    """``{% flag "new-checkout" %} new {% elflag "beta" %} beta {% else %} old {% endflag %}``."""
    return FlagNode(_parse(parser, token, "flag")[1])


@register.tag("variant")
def variant(parser: Parser, token: Token) -> VariantNode:
    """``{% variant "button" "green" %} … {% elvariant "blue" "red" %} … {% else %} … {% endvariant %}``."""
    words, branches = _parse(parser, token, "variant")
    return VariantNode(words[0], branches)


# -- values ---------------------------------------------------------------------------------------------------------


@register.simple_tag(takes_context=True)
def flag_value(context: Any, key: str, default: Any = None) -> Any:
    """``{% flag_value "button" default="blue" as colour %}``, or without ``as`` to print it, escaped."""
    here = find_flags(context)
    return here.value(find_key(here.plan.table, str(key)), default)


@register.simple_tag(takes_context=True)
def flag_variant(context: Any, key: str) -> str | None:
    """``{% flag_variant "button" as name %}``: the served variant's name."""
    here = find_flags(context)
    return here.variant(find_key(here.plan.table, str(key)))


@register.simple_tag(takes_context=True)
def flags_cache_key(context: Any, *keys: str) -> str:
    """``{% flags_cache_key "button" as decided %}{% cache 600 sidebar decided %}``: one fragment for each answer.

    It reads these flags, so that the page's headers stay right where the fragment comes from the cache.
    """
    here = find_flags(context)
    return cache_key(here, *(find_key(here.plan.table, str(key)) for key in keys))


@register.simple_tag(takes_context=True)
def flags_read(context: Any) -> dict[str, Any]:
    """``{% flags_read as read %}``: the evaluation of each flag that was read so far, by key."""
    return find_flags(context).evaluated()


# -- the browser ----------------------------------------------------------------------------------------------------


@register.filter("flags_json")
def flags_json_filter(flags: Any) -> SafeString:
    """``{{ flags|flags_json }}``: the public flags' values as JSON for a script, or an attribute in single quotes."""
    return mark_safe(flags_json(bound_flags(flags)))  # noqa: S308 - escaped there


@register.simple_tag(takes_context=True)
def flags_script_tag(context: Any, nonce: str | None = None, variable: str = "flags") -> SafeString:
    """``{% flags_script_tag %}``: gives the page's JavaScript ``window.flags``; the request's CSP nonce is used."""
    if nonce is None:
        nonce = context.get("csp_nonce") or getattr(context.get("request"), "csp_nonce", None)
    tag = script_tag(find_flags(context), nonce=str(nonce) if nonce else None, variable=variable)
    return mark_safe(tag)  # noqa: S308 - escaped there


@register.simple_tag(takes_context=True)
def flags_banner(context: Any) -> SafeString:
    """``{% flags_banner %}``: a bar for testers who see the page with a QA link; nothing for anybody else."""
    return mark_safe(banner(find_flags(context)))  # noqa: S308 - escaped there
