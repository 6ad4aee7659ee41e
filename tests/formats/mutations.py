"""Documents that are nearly right: a valid one with something else in one of its places."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.core.strategies import documents

# fmt: off
WORDS = (
    "all", "any", "not", "segment", "targeting_key", "on", "off", "true", "false", "25%", "0.25", "1%", "rollout",
    "ramp", "linear", "serve", "split", "name", "if", "schedule", "from", "until", "at", "to", "user", "country",
    "alpha", "beta", "insiders", "oceania", "blue", "x-note", "$schema", "environments", "staging", "clear",
    "rules", "variants", "default", "enabled", "requires", "tests", "given", "expect", "environment", "risk",
    "technical", "low", "high", "expires", "2027-03-31", "2027-02-30", "owner", "metadata", "policy", "attributes",
    "eq", "in", "exists", "matches", "semver", "2026-12-01T00:00:00Z", "2026-12-01",
)
# fmt: on
texts = st.one_of(st.sampled_from(["", *WORDS]), st.text(max_size=5))
junk: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-1, 101), st.floats(allow_nan=False, allow_infinity=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)


def places(tree: Any) -> list[tuple[Any, Any]]:
    """Every container and key in a tree."""
    found, todo = [], [tree]
    while todo:
        node = todo.pop()
        items = list(node.items() if isinstance(node, dict) else enumerate(node))
        found += [(node, key) for key, _ in items]
        todo += [item for _, item in items if isinstance(item, dict | list)]
    return found


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A document with up to three places that hold something else, lack it, or have a neighbour."""
    tree: dict[str, Any] = deepcopy(draw(documents()))
    if draw(st.booleans()):
        key = draw(st.sampled_from(sorted(tree["flags"])))
        extras = {
            "environments": {"staging": {draw(texts): draw(junk)}},
            "tests": [{"given": {"user": "u", "environment": "staging"}, "expect": draw(junk)}],
            "risk": {"technical": "low", "business": draw(texts)},
            "expires": draw(texts),
            "metadata": draw(junk),
            "requires": draw(junk),
        }
        name = draw(st.sampled_from(sorted(extras)))
        tree["flags"][key][name] = extras[name]
    for _ in range(draw(st.integers(0, 3))):
        holder, key = draw(st.sampled_from(places(tree)))
        match draw(st.sampled_from(["replace", "remove", "add"])):
            case "replace":
                holder[key] = draw(junk)
            case "remove":
                del holder[key]
            case _ if isinstance(holder, dict):
                holder[draw(texts)] = draw(junk)
            case _:
                holder.append(draw(junk))
    return tree
