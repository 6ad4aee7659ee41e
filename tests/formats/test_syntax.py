"""The three syntaxes: what their texts hold, and the line of everything in them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import tomli_w
import yaml
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.formats.syntax import Path, is_deeper, read

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4)
trees = st.dictionaries(
    names,
    st.recursive(
        st.one_of(st.booleans(), st.integers(-5, 5), names),
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
        max_leaves=8,
    ),
    max_size=4,
)


def paths(tree: Any, path: Path = ()) -> set[Path]:
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return {path, *(place for key, item in items for place in paths(item, (*path, key)))}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("NO", "NO"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("Off", "Off"),
        ("true", True), ("True", True), ("FALSE", False), ("tRue", "tRue"),
        ("null", None), ("~", None), ("", None), ("nil", "nil"),
        ("010", 10), ("0o17", 15), ("0x1F", 31), ("+5", 5), ("-5", -5), ("1_000", "1_000"), ("0b1", "0b1"),
        ("12:30", "12:30"), ("1:2:3", "1:2:3"), ("2026-12-01", "2026-12-01"),
        ("2026-12-01T00:00:00Z", "2026-12-01T00:00:00Z"),
        ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("-1.5E-3", -0.0015), (".", "."), ("1.2.3", "1.2.3"),
        ("25%", "25%"), ("'5'", "5"), ('"true"', "true"), ("!!str 5", "5"), ("!!int '5'", 5), ("! 5", "5"),
        ("'a''b'", "a'b"), ('"\\u00df"', "ß"), ("=", "="), (">-\n  a\n  b", "a b"), ("|\n  a\n", "a\n"),
    ],
)  # fmt: skip
def test_yaml_reads_the_core_schema(text: str, value: Any) -> None:
    """A scalar is what YAML 1.2's core schema says: no Norway problem, no octal, no sexagesimal, no dates."""
    document = read(f"a: {text}\n".encode(), syntax="yaml")
    assert document.findings == []
    assert document.tree == {"a": value}
    assert type(document.tree["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1979-05-27T07:32:00Z", "1979-05-27T07:32:00+00:00"),
        ("1979-05-27 07:32:00.5-07:00", "1979-05-27T07:32:00.500000-07:00"),
        ("1979-05-27T07:32:00", "1979-05-27T07:32:00"),
        ("1979-05-27", "1979-05-27"),
        ("07:32:00", "07:32:00"),
        ("[1979-05-27]", ["1979-05-27"]),
    ],
)
def test_toml_dates_are_text(text: str, value: Any) -> None:
    """TOML's dates and times become RFC 3339 text."""
    assert read(f"a = {text}\n".encode(), syntax="toml").tree == {"a": value}


@given(trees)
def test_every_path_has_its_line_in_json(tree: dict[str, Any]) -> None:
    """In indented JSON, everything has a line, and a key's line holds the key."""
    text = json.dumps(tree, indent=1)
    _check(read(text.encode(), syntax="json"), tree, text, lambda key: json.dumps(key))


@given(trees)
def test_every_path_has_its_line_in_yaml(tree: dict[str, Any]) -> None:
    """In block YAML, everything has a line, and a key's line holds the key."""
    text = yaml.safe_dump(json.loads(json.dumps(tree)), default_style='"', allow_unicode=True, width=10**6)
    tree = read(text.encode(), syntax="yaml").tree
    _check(read(text.encode(), syntax="yaml"), tree, text, lambda key: "")


@given(trees)
def test_every_path_has_its_line_in_toml(tree: dict[str, Any]) -> None:
    """In TOML, tables, arrays of tables and inline tables included, everything has a line."""
    text = tomli_w.dumps(tree)
    _check(read(text.encode(), syntax="toml"), tree, text, lambda key: "")


def _check(document: Any, tree: Any, text: str, written: Any) -> None:
    assert document.tree == tree
    assert document.findings == []
    lines = document.lines()
    assert paths(tree) <= set(lines)
    texts = text.split("\n")
    for path, line in lines.items():
        assert 1 <= line <= len(texts)
        if path and isinstance(path[-1], str) and path in paths(tree):
            assert written(path[-1]) in texts[line - 1]


def test_lines_in_toml() -> None:
    """Headers, arrays of tables, dotted keys, multi-line arrays and texts: each thing has the line it stands on."""
    text = '''# a comment
a.b = """x
y"""
[t."k.k"]
list = [
  1, # one
  {c = 2, d = [3]},
]
[[t.items]]
n = 'z'
[[t.items]]
[t.items.sub]
s = 1
'''
    assert read(text.encode(), syntax="toml").lines() == {
        (): 1,
        ("a",): 2,
        ("a", "b"): 2,
        ("t",): 4,
        ("t", "k.k"): 4,
        ("t", "k.k", "list"): 5,
        ("t", "k.k", "list", 0): 6,
        ("t", "k.k", "list", 1): 7,
        ("t", "k.k", "list", 1, "c"): 7,
        ("t", "k.k", "list", 1, "d"): 7,
        ("t", "k.k", "list", 1, "d", 0): 7,
        ("t", "items"): 9,
        ("t", "items", 0): 9,
        ("t", "items", 0, "n"): 10,
        ("t", "items", 1): 11,
        ("t", "items", 1, "sub"): 12,
        ("t", "items", 1, "sub", "s"): 13,
    }


@given(st.binary(max_size=60), st.sampled_from(["json", "yaml", "toml"]))
def test_what_is_read_has_lines(data: bytes, syntax: str) -> None:
    """Whatever is read at all can also be looked through for its lines."""
    from flagmiddleware.errors import RulesetError

    try:
        document = read(data, syntax=syntax)
    except RulesetError:
        return
    assert document.lines()[()] == 1


@given(trees)
def test_json_with_escapes_is_read_alike(tree: dict[str, Any]) -> None:
    """JSON reads the same with every character escaped, with spaces around the colons, and on one line."""
    plain = json.dumps(tree).encode()
    escaped = "".join(f"\\u{ord(c):04x}" if c.isalpha() and ord(c) < 0x10000 else c for c in '{"ab": 1}'[2:4])
    assert read(plain).tree == read(json.dumps(tree, indent="\t", separators=(" ,", " : ")).encode()).tree == tree
    assert read(f'{{"{escaped}": 1}}'.encode()).tree == {"ab": 1}


def test_a_quote_in_disguise_hides_no_duplicate() -> None:
    """A key written twice is found also where `\\u0022` stands for quotes, which spoils the quick count."""
    text = '{"a": "\\u0022\\u0022", "b": {"c": 1, "c": 1}}'
    assert [finding.message for finding in read(text.encode()).findings] == [
        'the key "c" is here twice; the first is on line 1'
    ]
    assert read(b'{"a": "\\u0022\\u0022"}').findings == []


@pytest.mark.parametrize("text", ['{"a": "\\ud800"}', '{"\\udfff": 1}'])
def test_lone_surrogates_are_read(text: str) -> None:
    """JSON may write half a surrogate pair; it is read, and is no reason to refuse a file."""
    assert read(text.encode()).tree == json.loads(text)
    assert read(text.encode()).findings == []


@given(st.integers(0, 6))
def test_depth_is_counted_exactly(levels: int) -> None:
    """`is_deeper` counts containers, empty ones too."""
    tree: Any = 1
    for _ in range(levels):
        tree = [tree]
    assert is_deeper(tree, levels) is False
    assert levels == 0 or is_deeper(tree, levels - 1)
