"""Flags that Django and Jinja templates read: the text is taken apart into tags and expressions, not searched."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["Token", "template_mentions", "tokens"]

_MARKS: Final = re.compile(r"\{#.*?#\}|\{%[-+]?(?P<tag>.*?)[-+]?%\}|\{\{[-+]?(?P<value>.*?)[-+]?\}\}", re.DOTALL)
_QUIET: Final = {"comment": "endcomment", "verbatim": "endverbatim", "raw": "endraw"}
_PARTS: Final = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<name>[A-Za-z_]\w*)|(?P<mark>[^\s\w])|\S"""
)
_TAGS: Final = frozenset({"flag", "elflag", "flag_value", "flag_variant", "variant"})
_CALLS: Final = frozenset({"flag", "flag_value", "flag_variant", "is_enabled", "value", "variant", "evaluate"})


class Token(NamedTuple):
    """A tag or an expression: its kind (``tag`` or ``value``), what stands inside, and where that starts and ends."""

    kind: str
    inside: str
    start: int
    end: int


def tokens(text: str) -> Iterator[Token]:
    """The tags and expressions of a template, without comments and what is shown as it is."""
    until = ""
    for found in _MARKS.finditer(text):
        inside = found["tag"] if found["tag"] is not None else found["value"]
        if inside is None:
            continue
        word = inside.split(None, 1)[0] if inside.strip() else ""
        if until:
            until = "" if found["tag"] is not None and word == until else until
        elif found["tag"] is not None and word in _QUIET:
            until = _QUIET[word]
        else:
            yield Token("tag" if found["tag"] is not None else "value", inside, found.start(), found.end())


def template_mentions(text: str) -> Iterator[tuple[str, int]]:
    """Each flag that a template reads, with its line; ``flags.new_checkout`` counts as it stands.

    >>> list(template_mentions('{% flag "beta" %}{{ flags.new_checkout }}{# {% flag "no" %} #}'))
    [('beta', 1), ('new_checkout', 1)]
    """
    for token in tokens(text):
        line = text.count("\n", 0, token.start) + 1
        parts = [(found.lastgroup or "", found[0]) for found in _PARTS.finditer(token.inside)]
        if token.kind == "tag" and len(parts) > 1 and parts[0][1] in _TAGS and parts[1][0] == "text":
            yield parts[1][1][1:-1], line
            parts = parts[2:]
        if parts and parts[0][1] == "flags_cache_key":
            yield from ((text[1:-1], line) for kind, text in parts if kind == "text")
        yield from ((key, line) for key in _in_expression(parts))


def _in_expression(parts: list[tuple[str, str]]) -> Iterator[str]:
    texts = [text for _, text in parts]
    for place, (kind, text) in enumerate(parts):
        before, after = texts[max(0, place - 2) : place], texts[place + 1 : place + 4]
        if kind == "text":
            call = len(before) == 2 and before[1] == "(" and before[0] in _CALLS
            index = len(before) == 2 and before == ["flags", "["]
            test = after[:2] == ["is", "enabled_flag"] or after == ["is", "not", "enabled_flag"]
            if call or index or test:
                yield text[1:-1]
        elif kind == "name" and before == ["flags", "."] and after[:1] != ["("]:
            yield text
