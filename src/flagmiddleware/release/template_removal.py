"""Takes a settled flag out of a Django or Jinja template: the branch that everybody sees stays, the tags go."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from .templates import Token, template_mentions, tokens

__all__ = ["remove_from_template"]

_ENDS: Final = {"endflag": "flag", "endif": "if", "endfor": "for", "endifchanged": "ifchanged"}
"""Every block that may have an ``else`` of its own: an ``else`` belongs to the innermost."""
_MIDDLE: Final = frozenset({"elflag", "elif", "else"})
_ARGUMENT: Final = re.compile(r"""\s*(?:flag|elflag)\s+(["'])(?P<key>[^"']+)\1\s*""")
_TESTS: Final = re.compile(
    r"""\s*(?:if|elif)\s+(?P<no>not\s+)?(?:flags\.(?P<name>\w+)|flags\[(["'])(?P<index>[^"']+)\3\]"""
    r"""|(["'])(?P<test>[^"']+)\5\s+is\s+(?P<isnot>not\s+)?enabled_flag"""
    r"""|(?:flag|(?:request\.)?flags\.is_enabled)\((["'])(?P<call>[^"']+)\8\))\s*"""
)
_VALUE: Final = re.compile(r"""\s*flag_value(?:\s+|\()(["'])(?P<key>[^"']+)\1\)?\s*""")
_HARMLESS: Final = re.compile(r"[\w #.,:;!?/()+*=-]*")


class _Block(NamedTuple):
    kind: str
    tags: list[Token]


def remove_from_template(text: str, key: str, value: bool, *, shown: Any = None) -> tuple[str, list[int]]:
    """The template with every block on ``key`` settled to ``value``, and the lines that a person must look at.

    ``shown`` is what the flag's value tag prints: text takes its place where no escaping could change it.

    >>> remove_from_template('{% flag "beta" %}new{% else %}old{% endflag %}', "beta", True)
    ('new', [])
    """
    while (block := _settled_block(text, key)) is not None:
        text = _settle(text, block, key, value)
    text = _shown(text, key, shown)
    names = {key, key.replace("-", "_")}
    return text, sorted(line for found, line in template_mentions(text) if found in names)


def _shown(text: str, key: str, value: Any) -> str:
    """The text with ``{% flag_value "key" %}`` and ``{{ flag_value("key") }}`` printed out."""
    if not (isinstance(value, str) and _HARMLESS.fullmatch(value)) and type(value) is not int:
        return text
    for token in reversed(list(tokens(text))):
        found = _VALUE.fullmatch(token.inside)
        if found is not None and found["key"] == key:
            text = text[: token.start] + str(value) + text[token.end :]
    return text


def _settled_block(text: str, key: str) -> _Block | None:
    """The first block one of whose branches asks for the flag and nothing else."""
    stack: list[_Block] = []
    for token in tokens(text):
        word = token.inside.split(None, 1)[0] if token.kind == "tag" and token.inside.strip() else ""
        if word in _ENDS.values():
            stack.append(_Block(word, [token]))
        elif word in _MIDDLE and stack:
            stack[-1].tags.append(token)
        elif word in _ENDS and stack and stack[-1].kind == _ENDS[word]:
            block = stack.pop()
            block.tags.append(token)
            if any(_asks(tag, key) is not None for tag in block.tags):
                return block
    return None


def _asks(tag: Token, key: str) -> bool | None:
    """Whether a tag asks for the flag (true), for its absence (false), or for something else (None)."""
    found = _ARGUMENT.fullmatch(tag.inside)
    if found is not None:
        return True if found["key"] == key else None
    found = _TESTS.fullmatch(tag.inside)
    if found is None:
        return None
    name = found["name"] or found["index"] or found["test"] or found["call"]
    same = name in (key, key.replace("-", "_"))
    return not (found["no"] or found["isnot"]) if same else None


def _settle(text: str, block: _Block, key: str, value: bool) -> str:
    branches = list(zip(block.tags, block.tags[1:], strict=False))
    kept: list[tuple[Token | None, str]] = []  # the condition (None: else) and the body
    for tag, following in branches:
        body = text[tag.end : following.start]
        asks = _asks(tag, key)
        if asks is None:
            kept.append((None if tag.inside.split()[0] == "else" else tag, body))
        elif asks is value:
            kept.append((None, body))
        if kept and kept[-1][0] is None:
            break
    return _write(text, block, kept)


def _write(text: str, block: _Block, kept: list[tuple[Token | None, str]]) -> str:
    start, end = block.tags[0].start, block.tags[-1].end
    if not kept or kept[0][0] is None:  # no condition is left: the body stands by itself
        return _alone(text, start, end, kept[0][1] if kept else "")
    out = []
    for place, (tag, body) in enumerate(kept):
        out.append((_retitled(text, tag, block.kind, first=place == 0) if tag else "{% else %}") + body)
    return text[:start] + "".join(out) + text[block.tags[-1].start :]


def _retitled(text: str, tag: Token, kind: str, *, first: bool) -> str:
    shown = text[tag.start : tag.end]
    word = tag.inside.split(None, 1)[0]
    wanted = kind if first else {"flag": "elflag", "if": "elif"}[kind]
    return shown.replace(word, wanted, 1)


def _alone(text: str, start: int, end: int, body: str) -> str:
    """Put ``body`` in place of a block; the tags' own lines go, where they had lines to themselves."""
    line = text.rfind("\n", 0, start) + 1
    if not text[line:start].strip() and (body.startswith("\n") or not body):
        start = line
        body = body[1:].rstrip(" \t") if body else ""
        end += text[end : end + 1] == "\n"
    return text[:start] + body + text[end:]
