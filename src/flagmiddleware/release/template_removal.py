"""Takes a settled flag out of a Django or Jinja template: the branch that everybody sees stays, the tags go."""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple

from .templates import Token, template_mentions, tokens

__all__ = ["remove_from_template"]

_OURS: Final = frozenset({"flag", "if"})
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
    found = list(tokens(text))
    opened = _blocks(found)
    stack: list[_Block] = []
    for place, token in enumerate(found):
        word = _word(token)
        if place in opened:
            stack.append(_Block(word, [token]))
        elif word in _MIDDLE and stack:  # it belongs to the innermost block, of whatever kind
            stack[-1].tags.append(token)
        elif stack and word == f"end{stack[-1].kind}":
            block = stack.pop()
            block.tags.append(token)
            if block.kind in _OURS and any(_asks(tag, key) is not None for tag in block.tags):
                return block
    return None


def _word(token: Token) -> str:
    return token.inside.split(None, 1)[0] if token.kind == "tag" and token.inside.strip() else ""


def _blocks(found: list[Token]) -> set[int]:
    """The places of the tags that open a block: those whose end follows, whoever wrote the tag."""
    opened: set[int] = set()
    waiting: list[tuple[str, int]] = []
    for place, token in enumerate(found):
        word = _word(token)
        if word.startswith("end") and any(kind == word[3:] for kind, _ in waiting):
            while waiting[-1][0] != word[3:]:
                waiting.pop()
            opened.add(waiting.pop()[1])
        elif word and word not in _MIDDLE:
            waiting.append((word, place))
    return opened


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


class _Branch(NamedTuple):
    tag: Token
    following: Token
    is_else: bool


def _settle(text: str, block: _Block, key: str, value: bool) -> str:
    kept: list[_Branch] = []
    for tag, following in zip(block.tags, block.tags[1:], strict=False):
        asks = _asks(tag, key)
        if asks is None:
            kept.append(_Branch(tag, following, tag.inside.split()[0] == "else"))
        elif asks is value:
            kept.append(_Branch(tag, following, is_else=True))
        if kept and kept[-1].is_else:
            break
    return _write(text, block, kept)


def _write(text: str, block: _Block, kept: list[_Branch]) -> str:
    first, last = block.tags[0], block.tags[-1]
    if not kept or kept[0].is_else:  # no condition is left: the body stands by itself
        return _alone(text, first, last, kept[0] if kept else None)
    # A dash takes blanks off the text beside it, so it stays where that text is, whichever tag comes there.
    out, before = [], first
    for branch in kept:
        inside = " else " if branch.is_else else _retitled(branch.tag, block.kind, first=before is first)
        body = text[branch.tag.end : branch.following.start]
        out.append(_opener(text, before) + inside + _closer(text, branch.tag) + body)
        before = branch.following
    out.append(_opener(text, before) + last.inside + _closer(text, last))
    return text[: first.start] + "".join(out) + text[last.end :]


def _retitled(tag: Token, kind: str, *, first: bool) -> str:
    word = tag.inside.split(None, 1)[0]
    wanted = kind if first else {"flag": "elflag", "if": "elif"}[kind]
    return tag.inside.replace(word, wanted, 1)


def _opener(text: str, tag: Token) -> str:
    """How a tag begins: Jinja's may have a dash or a plus there."""
    return text[tag.start : tag.start + 2 + (text[tag.start + 2] in "-+")]


def _closer(text: str, tag: Token) -> str:
    return text[tag.end - 2 - (text[tag.end - 3] in "-+") : tag.end]


def _alone(text: str, first: Token, last: Token, kept: _Branch | None) -> str:
    """Put what is kept in place of a block; the tags' own lines go, where they had lines to themselves."""
    before, after = text[: first.start], text[last.end :]
    body = text[kept.tag.end : kept.following.start] if kept is not None else ""
    if kept is not None and _closer(text, kept.tag) == "-%}":
        body = body.lstrip()
    if kept is not None and _opener(text, kept.following) == "{%-":
        body = body.rstrip()
    line = before[before.rfind("\n") + 1 :]
    if _opener(text, first) == "{%-":
        before = before.rstrip()
    elif not line.strip() and (body.startswith("\n") or not body):
        before = before[: len(before) - len(line)]
        body = body[1:].rstrip(" \t") if body else ""
        after = after[after.startswith("\n") :]
    return before + body + (after.lstrip() if _closer(text, last) == "-%}" else after)
