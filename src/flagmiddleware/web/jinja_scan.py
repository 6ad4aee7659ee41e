"""Finds the flags that Jinja templates name, by Jinja's own syntax tree: its delimiters and extensions are the site's.

The scanner of ``flags lint`` (:mod:`flagmiddleware.release.templates`) reads text, because it has files and no site.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import PurePath
from typing import Any, Final

from jinja2 import BaseLoader, Environment, nodes

from ..errors import ConfigurationError
from .jinja import FUNCTION_NAMES, TAG_FUNCTIONS, FlagExtension, install_jinja
from .lookup import find_key
from .mentions import Mention

__all__ = ["environments", "mentions_in", "teach", "template_mentions"]

_METHODS: Final = frozenset({"is_enabled", "evaluate", "value", "variant"})
_MANY: Final = frozenset({"flags_cache_key"})
_TEST: Final = "enabled_flag"
_NAMED: Final = re.compile(
    r"""\b(?:(?:el)?flag|flag_value|flag_variant|variant|is_enabled|evaluate|value)[\s(]*(?:"([^"]*)"|'([^']*)')"""
    r"""|(?:"([^"]*)"|'([^']*)')[\s)]*is\s+(?:not\s+)?enabled_flag\b|(flags_cache_key)"""
)
"""Where a flag's key seems to stand, whatever the delimiters: a first look at the text, which decides nothing."""
_LARGEST: Final = 1_000_000


def environments(templates: Any) -> list[Environment]:
    """The environments of what a site calls its templates: ``Jinja2Templates`` or environments, one or several."""
    given = templates if isinstance(templates, Sequence) else [templates]
    found: list[Any] = [getattr(one, "env", one) for one in given]
    for one in found:
        if not isinstance(one, Environment):
            raise ConfigurationError(f"templates: {one!r} is neither Jinja2Templates nor a Jinja environment")
    return found


def teach(env: Environment) -> None:
    """Install the tags, unless the site did."""
    if FlagExtension.identifier not in env.extensions:
        install_jinja(env)


def template_mentions(env: Environment, known: Container[str] = ()) -> Iterator[Mention]:
    """The flags that the site's own templates name; those that seem to name none but ``known`` ones are passed over.

    Parsing costs as much as compiling, and at start nobody should wait for a site that is in order. A template that
    cannot be read says so when it is rendered.
    """
    if env.loader is None:
        return
    for name in _names(env.loader):
        try:
            source, file, _ = env.loader.get_source(env, name)
            ours = "site-packages" not in PurePath(file or "").parts and len(source) <= _LARGEST
            if ours and _is_doubtful(source, known):
                yield from mentions_in(env, source, name)
        except Exception:  # noqa: S112 - whatever a loader or an extension of the site raises: a check breaks nothing
            continue


def _is_doubtful(source: str, known: Container[str]) -> bool:
    """Whether a closer look may find a name that is not known."""
    names = (next(filter(None, found.groups()), "") for found in _NAMED.finditer(source))
    return any(find_key(known, name) not in known for name in names)


def _names(loader: BaseLoader) -> list[str]:
    try:
        return sorted(loader.list_templates())  # Flask lists a set
    except Exception:  # a loader by a function cannot list, and says so by TypeError; others fail as they like
        return []


def mentions_in(env: Environment, source: str, name: str) -> list[Mention]:
    """The flags that one template names.

    >>> env = Environment(autoescape=True, extensions=[FlagExtension])
    >>> [found[::2] for found in mentions_in(env, '{% flag "beta" %}{% elflag flag("new") %}{% endflag %}', "a.html")]
    [('beta', 1), ('new', 1)]
    """
    tree = env.parse(source)
    ours = (FUNCTION_NAMES - _bound(tree)) | TAG_FUNCTIONS
    asked = tree.find_all((nodes.Call, nodes.Test))
    found = {Mention(key, name, node.lineno) for node in asked for key in _keys(node, ours)}  # `elvariant` asks again
    return sorted(found, key=lambda mention: (mention.line, mention.key))


def _bound(tree: nodes.Template) -> set[str]:
    """Names that mean something else here: a macro ``flag`` may well draw a country's."""
    names = {node.name for node in tree.find_all(nodes.Name) if node.ctx != "load"}
    names |= {macro.name for macro in tree.find_all(nodes.Macro)}
    for statement in tree.find_all(nodes.FromImport):
        names |= {name if isinstance(name, str) else name[1] for name in statement.names}
    return names


def _keys(node: nodes.Node, ours: frozenset[str]) -> Iterable[str]:
    if isinstance(node, nodes.Test):
        named = [node.node] if node.name == _TEST else []
    elif isinstance(node, nodes.Call) and _is_ours(node.node, ours):
        many = isinstance(node.node, nodes.Name) and node.node.name in _MANY
        named = node.args if many else node.args[:1]
    else:
        named = []
    return [item.value for item in named if isinstance(item, nodes.Const) and isinstance(item.value, str)]


def _is_ours(function: nodes.Node, ours: frozenset[str]) -> bool:
    """``flag(…)``, or ``flags.is_enabled(…)`` of whatever is called ``flags``."""
    if isinstance(function, nodes.Name):
        return function.name in ours
    if not isinstance(function, nodes.Getattr) or function.attr not in _METHODS:
        return False
    holder = function.node
    return getattr(holder, "name", None) == "flags" or getattr(holder, "attr", None) == "flags"
