"""What reaches a browser: public flags only, and no value that breaks out of its place."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.web.debug import debug_headers
from flagmiddleware.web.frontend import banner, flags_json, health, is_fresh, payload, script_tag

from .doubles import KEY, install

HOSTILE = "</script><script>alert(1)</script><!-- & ' \" \u2028"
DOCUMENT = {
    "version": 1,
    "flags": {
        "shown": {"public": True, "variants": {"a": HOSTILE, "b": "x"}, "off": "a"},
        "secret-plan": {"rules": [{"serve": True}]},
    },
}


class Scripts(HTMLParser):
    """Counts elements and collects the text of scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_only_public_flags() -> None:
    """A flag that is not marked public appears in no front-end output, by key or by value."""
    here = Flags(DOCUMENT).bind()
    for text in (flags_json(here), script_tag(here), payload(here).body.decode()):
        assert "shown" in text
        assert "secret" not in text


def test_json_round_trips() -> None:
    """Escaped as it is, the JSON still says the value."""
    assert json.loads(flags_json(Flags(DOCUMENT).bind())) == {"shown": HOSTILE}


@given(st.text())
def test_no_value_breaks_out_of_a_script(value: str) -> None:
    """Law: whatever a variant's value, a browser sees one script element and nothing else."""
    document = {"version": 1, "flags": {"v": {"public": True, "variants": {"a": value, "b": "z"}, "off": "a"}}}
    try:
        flags = Flags(document)
    except UnicodeEncodeError:  # a lone surrogate cannot be written in a document
        return
    parser = Scripts()
    parser.feed(script_tag(flags.bind(), nonce='x" onload="alert(1)'))
    parser.close()
    assert parser.tags == [("script", {"nonce": 'x" onload="alert(1)'})]
    assert not set("<>&'\u2028\u2029") & set(parser.text)


@given(st.text())
def test_no_value_breaks_out_of_an_attribute(value: str) -> None:
    """Law: whatever a variant's value, an attribute in single quotes holds it whole, and the element has no other."""
    document = {"version": 1, "flags": {"v": {"public": True, "variants": {"a": value, "b": "z"}, "off": "a"}}}
    try:
        flags = Flags(document)
    except UnicodeEncodeError:  # a lone surrogate cannot be written in a document
        return
    parser = Scripts()
    parser.feed(f"<div data-flags='{flags_json(flags.bind())}'></div>")
    ((tag, attributes),) = parser.tags
    assert (tag, list(attributes)) == ("div", ["data-flags"])
    assert json.loads(attributes["data-flags"] or "") == {"v": value}


def test_variable_is_an_identifier() -> None:
    """The variable's name is code, so it must be a name."""
    here = Flags(DOCUMENT).bind()
    assert "window.$f=" in script_tag(here, variable="$f")
    with pytest.raises(ConfigurationError, match="JavaScript"):
        script_tag(here, variable="a;alert(1)")


def test_entity_tag_follows_the_content() -> None:
    """The tag changes exactly when the body does, and is compared weakly."""
    first, again = payload(Flags(DOCUMENT).bind()), payload(Flags(DOCUMENT).bind())
    other = payload(Flags({"version": 1, "flags": {}}).bind())
    assert first == again
    assert first.etag != other.etag
    assert is_fresh(f"W/{first.etag}", first.etag)
    assert not is_fresh(other.etag, first.etag)
    assert not is_fresh(None, first.etag)


def test_health_tells_strangers_nothing() -> None:
    """Anonymous callers learn the state; revision and errors are for those who may see them."""
    flags = Flags(DOCUMENT)
    assert health(flags) == (200, {"state": "READY"})
    status, body = health(flags, detail=True)
    assert status == 200
    assert {"state", "revision", "flags"} <= set(body)


def test_banner_only_with_an_override() -> None:
    """The banner shows what a tester sees, escaped, and nothing to anybody else."""
    from flagmiddleware.web.overrides import sign

    document = {"version": 1, "flags": {"beta": {"qa": True}}}
    installation = install(document, secret_keys=[KEY])
    assert banner(installation.begin({})) == ""
    token = sign(installation.flags, {"beta": "on"}, host="a.example", keys=[KEY])
    shown = banner(installation.begin({"headers": {"host": "a.example", "cookie": f"flags_override={token}"}}))
    assert "<strong>beta</strong>: on" in shown
    assert 'href="?flags="' in shown
    renamed = install(document, secret_keys=[KEY], qa_parameter="see")
    seen = banner(renamed.begin({"headers": {"host": "a.example", "cookie": f"flags_override={token}"}}))
    assert 'href="?see="' in seen


def test_debug_headers_are_encoded_and_capped() -> None:
    """Debug headers hold printable ASCII without line ends, and stay under the size that proxies refuse."""
    flags = Flags(
        {"version": 1, "flags": {f"flag-{n}": {"rules": [{"name": "é\n;=,", "serve": True}]} for n in range(300)}}
    )
    here = flags.bind()
    headers = debug_headers(here.all())
    assert [name for name, _ in headers] == ["X-Flags", "Server-Timing"]
    for _, value in headers:
        assert len(value) < 4000
        assert value.isascii()
        assert value.isprintable()


def test_traces_tell_where_a_flag_was_read() -> None:
    """While debugging, each flag's first read is known by file and line."""
    here = install(DOCUMENT, debug_header=True).begin({})
    here.evaluate("shown")
    here.is_enabled("secret-plan")
    here.is_enabled("shown")
    assert [(trace.key, trace.filename) for trace in here.traces] == [("shown", __file__), ("secret-plan", __file__)]
    assert here.traces[1].line == here.traces[0].line + 1
    assert install(DOCUMENT).begin({}).traces == []
