"""Which dialect and syntax a text is read as."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from typing import Any

import pytest
import yaml

from flagmiddleware import Flags, formats
from flagmiddleware.errors import ConfigurationError, RulesetError
from flagmiddleware.formats import FORMATS, parse, parse_document, parse_files

NATIVE = b'{"version": 1, "flags": {"beta": {"rules": [{"rollout": "25%"}]}}}'
FLAGD = json.dumps(
    {"flags": {"beta": {"state": "ENABLED", "variants": {"on": True, "off": False}, "defaultVariant": "on"}}}
).encode()
UNLEASH = json.dumps({"version": 2, "features": [{"name": "beta", "enabled": True, "strategies": []}]}).encode()
ROCKETFLAG = json.dumps(
    {
        "flags": [
            {"id": "f1", "name": "beta", "kind": "flag", "enabled": True, "trafficPercentage": 100, "cohorts": [],
             "audienceId": None, "updatedAt": "2026-01-01T00:00:00Z"}
        ]
    }
).encode()  # fmt: skip


@pytest.mark.parametrize(
    ("data", "dialect"), [(NATIVE, "native"), (FLAGD, "flagd"), (UNLEASH, "unleash"), (ROCKETFLAG, "rocketflag")]
)
def test_a_dialect_is_recognised_by_its_content(data: bytes, dialect: str) -> None:
    """Each dialect's own document is read as that dialect without being told, and as told."""
    assert parse(data).dialect.name.startswith(dialect)
    assert list(parse(data).flags) == list(parse(data, format=dialect).flags)


def test_one_bad_flag_hides_no_dialect() -> None:
    """A flag without an id costs RocketFlag's payload that flag, and is no reason to take the file for another's."""
    payload = {**DOCUMENTS["rocketflag"], "flags": [{"name": "bad"}, 7, *DOCUMENTS["rocketflag"]["flags"]]}
    found = parse(json.dumps(payload).encode(), strict=False)
    assert found.dialect.name == "rocketflag"
    assert found.flags["bad"].error is not None
    assert found.flags.keys() > parse(ROCKETFLAG).flags.keys()


@pytest.mark.parametrize("flags", ["[]", '["f1"]', '[{"key": "f1"}]'])
def test_a_list_of_flags_beside_a_version_is_told_as_native(flags: str) -> None:
    """Without another dialect's marks a list in a file of ours is a mistake with a place, not another dialect."""
    with pytest.raises(RulesetError, match=r"a\.json:2: flags: expected keys and flags, found a"):
        parse(f'{{"version": 1,\n"flags": {flags}}}'.encode(), name="a.json")


DOCUMENTS = {name: json.loads(data) for name, data in
             {"native": NATIVE, "flagd": FLAGD, "unleash": UNLEASH, "rocketflag": ROCKETFLAG}.items()}  # fmt: skip
BOTH: dict[tuple[str, ...], dict[str, Any]] = {
    ("native", "flagd"): {"version": 1, **DOCUMENTS["flagd"]},
    ("native", "unleash"): {**DOCUMENTS["unleash"], **DOCUMENTS["native"]},
    ("native", "rocketflag"): {"version": 1, **DOCUMENTS["rocketflag"]},
    ("flagd", "unleash"): {**DOCUMENTS["unleash"], **DOCUMENTS["flagd"]},
    ("flagd", "rocketflag"): {"$evaluators": {}, **DOCUMENTS["rocketflag"]},
    ("unleash", "rocketflag"): {**DOCUMENTS["unleash"], **DOCUMENTS["rocketflag"]},
}


@pytest.mark.parametrize("dialects", BOTH, ids="-".join)
@pytest.mark.parametrize("syntax", ["json", "yaml"])
@pytest.mark.parametrize("named", [True, False])
def test_the_marks_of_two_dialects_are_an_error_that_names_both(
    dialects: tuple[str, ...], syntax: str, named: bool
) -> None:
    """In JSON and in YAML, with and without a file name: who wrote it must say which dialect it is."""
    text = json.dumps(BOTH[dialects]) if syntax == "json" else yaml.safe_dump(BOTH[dialects])
    name = f"flags.{syntax}" if named else ""
    with pytest.raises(RulesetError) as caught:
        parse(text.encode(), name=name)
    choices = " or ".join(f"format='{dialect}'" for dialect in dialects)
    told = f"this may be written in any of {', '.join(dialects)}; say which: {choices}"
    assert str(caught.value) == (f"{name}: {told}" if named else told)
    for dialect in set(dialects) - {"native"}:
        assert parse(text.encode(), name=name, format=dialect).dialect.name == dialect


@pytest.mark.parametrize("dialect", ["flagd", "unleash", "rocketflag"])
@pytest.mark.parametrize("name", ["flags.yaml", ""])
def test_each_dialect_is_read_from_yaml(dialect: str, name: str) -> None:
    """What is JSON in the other system may be kept as YAML here; it is recognised and read alike."""
    read, meant = (
        parse(yaml.safe_dump(DOCUMENTS[dialect]).encode(), name=name),
        parse(json.dumps(DOCUMENTS[dialect]).encode()),
    )
    assert (read.dialect.name, list(read.flags)) == (dialect, list(meant.flags))
    assert all(Flags(read).evaluate(key) == Flags(meant).evaluate(key) for key in read.flags)
    assert any(Flags(read).is_enabled(key) for key in read.flags)


def test_a_folder_of_two_dialects_says_which_file_is_what() -> None:
    """Files that are clear one by one, and together are of no one dialect."""
    with pytest.raises(RulesetError, match=r"one dialect: a\.json is native, b\.json is flagd, c\.json is unleash"):
        parse_files({"a.json": NATIVE, "b.json": FLAGD, "c.json": UNLEASH})


def test_an_empty_list_is_what_the_rest_of_the_folder_is() -> None:
    """A file that may be of two dialects is that of the file beside it."""
    assert set(parse_files({"a.json": b'{"flags": []}', "b.json": FLAGD}).flags) == {"beta"}
    with pytest.raises(RulesetError, match=r"a\.json: this may be written in any of flagd, rocketflag"):
        parse_files({"a.json": b'{"flags": []}', "b.json": UNLEASH})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("flags.yml", "version: 1\nflags: {beta: {}}"),
        ("FLAGS.YAML", "version: 1\nflags: {beta: {}}"),
        ("flags.toml", "version = 1\n[flags.beta]"),
        ("flags.json", '{"version": 1, "flags": {"beta": {}}}'),
        ("", "version: 1\nflags: {beta: {}}"),
        ("", "# a comment\n\nversion = 1\n[flags.beta]"),
        ("", '\ufeff {"version": 1, "flags": {"beta": {}}}'),
        ("flags.yaml", '{"version": 1, "flags": {"beta": {}}}'),
        ("flags.yaml", "\ufeffversion: 1\nflags: {beta: {}}"),
        ("flags.txt", "flags:\n  beta: {}\nversion: 1\n"),
    ],
)
def test_a_syntax_is_recognised_by_name_or_content(name: str, text: str) -> None:
    """The ending of the name tells the syntax, and the first characters do where it does not; a BOM is let through."""
    assert list(parse(text.encode(), name=name).flags) == ["beta"]


def test_what_no_dialect_claims_is_told_as_native() -> None:
    """A document that nobody recognises gets the native format's messages, which say what a flag file has."""
    with pytest.raises(RulesetError, match="`version` is missing"):
        parse(b'{"flags": {"beta": {"rules": []}}}')


@pytest.mark.parametrize(
    "document",
    [
        b'{"flags": []}',
        b'{"flags": [{"id": "x", "key": "y", "state": "ENABLED", "variants": {"on": true}, "defaultVariant": "on"}]}',
    ],
)
def test_an_ambiguous_document_names_the_choices(document: bytes) -> None:
    """What two dialects may have written is refused with their names, and read once one of them is named."""
    with pytest.raises(
        RulesetError, match="any of flagd, rocketflag; say which: format='flagd' or format='rocketflag'"
    ):
        parse(document)
    for format in ("flagd", "rocketflag"):
        assert parse(document, format=format).dialect.name == format


def test_lists_of_flags_and_of_features_name_all_who_write_them() -> None:
    """Empty, they may be anybody's."""
    with pytest.raises(RulesetError, match="any of flagd, unleash, rocketflag; say which"):
        parse(b'{"flags": [], "features": []}')


def test_an_unknown_format_is_a_wrong_setting() -> None:
    """A format that is none names the nearest one."""
    with pytest.raises(ConfigurationError, match='did you mean "unleash"'):
        parse(NATIVE, format="unlaesh")


def test_a_folder_of_another_dialect_is_joined() -> None:
    """Several files of a dialect make one ruleset; a key in two of them is refused."""
    other = FLAGD.replace(b"beta", b"gamma")
    ruleset = parse_files({"b.json": FLAGD, "a.json": other})
    assert dict(ruleset.sources) == {"gamma": "a.json", "beta": "b.json"}
    assert set(ruleset.flags) == {"beta", "gamma"}
    with pytest.raises(RulesetError, match=r'b\.json: flags\.beta: the flag "beta" is in a\.json, too'):
        parse_files({"b.json": FLAGD, "a.json": FLAGD})


def test_plain_data_is_copied_and_checked() -> None:
    """A document given as plain data is not kept, and what JSON cannot hold in it is a problem at its place."""
    tree = {"version": 1, "flags": {"beta": {"metadata": {"a": [1]}}}}
    ruleset = parse_document(tree)
    tree["flags"]["beta"]["metadata"]["a"].append(2)  # type: ignore[index]
    assert ruleset.flags["beta"].metadata == {"a": [1]}
    with pytest.raises(RulesetError) as caught:
        parse_document({"version": 1, "flags": {"beta": {"expires": object(), "metadata": {"b": float("nan"), 3: 1}}}})
    assert {problem.where for problem in caught.value.problems} == {
        "flags.beta.expires", "flags.beta.metadata.b", "flags.beta.metadata"
    }  # fmt: skip
    cyclic: dict[str, object] = {"version": 1}
    cyclic["flags"] = cyclic
    with pytest.raises(RulesetError, match="nested deeper than 100"):
        parse_document(cyclic)


@pytest.mark.parametrize("data", [NATIVE, b"version: 1\nflags: {beta: {rules: [{rools: 1}]}}"])
@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_as_it_was(data: bytes, enabled: bool) -> None:
    """Loading pauses the garbage collector, and puts it back as it was, also after a refusal."""
    was_enabled = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        try:
            parse(data)
        except RulesetError:
            assert data is not NATIVE
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was_enabled else gc.disable)()


def test_json_loads_no_yaml() -> None:
    """Reading a JSON file imports neither PyYAML, nor TOML, nor another dialect, nor the schema's types."""
    code = (
        "import sys; from flagmiddleware.formats import parse; parse(sys.stdin.buffer.read());"
        "print(*sorted(name for name in sys.modules if name in ('yaml', 'tomllib', 'tomli', 'difflib', 'asyncio')"
        " or name.startswith('flagmiddleware.formats')))"
    )
    # Coverage, where it measures subprocesses, reads its own configuration with tomllib.
    bare = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    run = subprocess.run(
        [sys.executable, "-c", code], input=NATIVE, capture_output=True, check=True, timeout=60, env=bare
    )
    loaded = run.stdout.decode().split()
    assert "flagmiddleware.formats.syntax.json" in loaded
    unwanted = ("yaml", "toml", "difflib", "asyncio", "shape", "schema", "flagd", "unleash", "rocketflag")
    assert not [name for name in loaded if any(word in name for word in unwanted)]


def test_every_registered_dialect_has_its_two_functions() -> None:
    """Each module of the registry can be imported and has `parse` and `recognises`."""
    for name in FORMATS:
        module = formats._module(name)
        assert callable(module.parse)
        assert callable(module.recognises)


def test_the_native_module_reads_like_any_dialect() -> None:
    """`formats.native.parse` has the signature of every dialect, and takes the syntax as an option."""
    from flagmiddleware.formats import native

    how = {"name": "", "environment": None, "strict": True}
    assert native.parse(NATIVE, **how, options={}) == parse(NATIVE)
    assert native.parse(NATIVE, **how, options={"syntax": "yaml"}) == parse(NATIVE)
    with pytest.raises(RulesetError, match="not valid TOML"):
        native.parse(NATIVE, **how, options={"syntax": "toml"})


def test_a_document_as_plain_data_is_read_in_its_dialect() -> None:
    """Flags takes another dialect's definitions as a dict too, named or recognised, as it takes them as a file."""
    variants = {"on": True, "off": False}
    flag = {"state": "ENABLED", "variants": variants, "defaultVariant": "on"}
    for format in ("flagd", None):
        assert Flags({"flags": {"beta": flag}}, format=format).is_enabled("beta")
    with pytest.raises(RulesetError, match="no JSON"):
        Flags({"flags": {"beta": {**flag, "metadata": {"a": object()}}}}, format="flagd")
