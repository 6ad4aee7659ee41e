"""QA links: who may sign what, and what a token does and does not do."""

from __future__ import annotations

from time import time
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.web.caching import cache_key
from flagmiddleware.web.overrides import _Token, sign
from flagmiddleware.web.signing import Signer

from .doubles import KEY, install

DOCUMENT = {
    "version": 1,
    "flags": {
        "beta": {"qa": True},
        "closed": {},
        "button": {"qa": True, "variants": {"blue": 1, "green": 2}, "off": "blue"},
    },
}
FLAGS = Flags(DOCUMENT)
HOST = "shop.example"


def token(**choices: str) -> str:
    return sign(FLAGS, choices, host=HOST, keys=[KEY])


def forged(**changes: Any) -> str:
    """A token that is signed rightly and says something that sign() would not."""
    said: dict[str, Any] = {
        "flags": {"beta": "on"},
        "until": int(time()) + 60,
        "host": HOST,
        "environment": "",
        "epoch": 0,
    }
    from base64 import urlsafe_b64encode

    packed = urlsafe_b64encode(msgspec.json.encode({**said, **changes})).rstrip(b"=").decode()
    return Signer([KEY], "flagmiddleware.override").sign(packed)


def request(cookie: str = "", **more: Any) -> dict[str, Any]:
    return {"headers": {"host": f"{HOST}:8000", "cookie": f"flags_override={cookie}"}, **more}


@pytest.mark.parametrize(
    ("choices", "options", "said"),
    [
        ({"beta": "on"}, {"keys": []}, "secret_keys"),
        ({"beta": "on"}, {"ttl": 90_000}, "24 hours"),
        ({"beta": "on"}, {"ttl": 0}, "24 hours"),
        ({"beta": "on"}, {"host": ""}, "host"),
        ({"bete": "on"}, {}, "did you mean 'beta'"),
        ({"closed": "on"}, {}, "qa: true"),
        ({"button": "red"}, {}, "blue, green"),
    ],
)
def test_sign_refuses(choices: dict[str, str], options: dict[str, Any], said: str) -> None:
    """Links are made only for flags that allow it, variants that exist, and a day at most."""
    with pytest.raises(ConfigurationError) as caught:
        sign(FLAGS, choices, **{"host": HOST, "keys": [KEY], **options})
    assert said in str(caught.value)


def test_valid_token_overrides() -> None:
    """The cookie of a valid link serves the variant with reason OVERRIDE, on any port of the host."""
    here = install(DOCUMENT, secret_keys=[KEY]).begin(request(token(beta="on", button="green")))
    assert (here.is_enabled("beta"), here.value("button"), str(here.evaluate("beta").reason)) == (True, 2, "OVERRIDE")
    assert here.overrides == {"beta": "on", "button": "green"}


@pytest.mark.parametrize(
    "changes",
    [
        {"until": int(time()) - 1},
        {"until": int(time()) + 2 * 86_400},
        {"host": "other.example"},
        {"environment": "staging"},
        {"epoch": 1},
        {"flags": {"closed": "on"}},
        {"flags": {"beta": "nonsense"}},
        {"extra": 1},
        {"flags": ["beta"]},
    ],
    ids=["expired", "too far", "other host", "environment", "epoch", "closed", "no variant", "extra", "no mapping"],
)
def test_invalid_tokens_do_nothing(changes: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """Even rightly signed, a token that expired, lives too long, is of another place or asks too much does nothing."""
    installation = install(DOCUMENT, secret_keys=[KEY])
    for _ in range(3):
        here = installation.begin(request(forged(**changes)))
        assert not here.is_enabled("beta")
        assert not here.is_enabled("closed")
    assert len(caplog.records) <= 1


def test_an_ordinary_forged_token_is_valid() -> None:
    """The control of the test above: without changes, that token works."""
    assert install(DOCUMENT, secret_keys=[KEY]).begin(request(forged())).is_enabled("beta")


@given(st.text(max_size=200))
def test_any_other_cookie_does_nothing(cookie: str) -> None:
    """No text in the cookie or the link raises or overrides."""
    installation = install(DOCUMENT, secret_keys=[KEY])
    assert not installation.begin(request(cookie)).is_enabled("beta")
    assert (
        installation.answer_link(request(query=f"flags={cookie}")) is None
        or cookie in ("", *"&\x00")
        or cookie[0] == "&"
    )


def test_no_keys_no_links() -> None:
    """Without secret_keys, links and cookies are not looked at."""
    installation = install(DOCUMENT)
    assert installation.answer_link(request(query=f"flags={token(beta='on')}")) is None
    assert not installation.begin(request(token(beta="on"))).is_enabled("beta")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_links_are_for_get(method: str) -> None:
    """A form that is sent to a link's address is not redirected: its body would be lost."""
    asked = request(query=f"flags={token(beta='on')}", method=method)
    assert install(DOCUMENT, secret_keys=[KEY]).answer_link(asked) is None


def test_empty_parameter_takes_the_cookie_away() -> None:
    """``?flags=`` forgets the override, and keeps the rest of the query."""
    redirect = install(DOCUMENT, secret_keys=[KEY]).answer_link(request(query="a=1&flags=&b=2", path="/shop"))
    assert redirect is not None
    sent = dict(redirect.headers)
    assert sent["Location"] == "/shop?a=1&b=2"
    assert "Max-Age=0" in sent["Set-Cookie"]


def test_secure_cookie_under_https() -> None:
    """Under https the cookie is Secure and has the host prefix; it dies with the token."""
    redirect = install(DOCUMENT, secret_keys=[KEY]).answer_link(
        request(query=f"flags={token(beta='on')}", scheme="https")
    )
    assert redirect is not None
    cookie = dict(redirect.headers)["Set-Cookie"]
    assert cookie.startswith("__Host-flags_override=")
    assert "; HttpOnly; SameSite=Lax; Secure" in cookie
    age = int(cookie.partition("Max-Age=")[2].partition(";")[0])
    assert 3590 <= age <= 3600


@given(st.text(max_size=30), st.text(max_size=30))
def test_redirect_stays_on_the_site(path: str, query: str) -> None:
    """Law: the target is a path of this site in printable ASCII, whatever slashes, controls or hosts were asked for."""
    asked = request(query=f"{query}&flags={token(beta='on')}", path="/" + path)
    redirect = install(DOCUMENT, secret_keys=[KEY]).answer_link(asked)
    if redirect is None:  # the text held a parameter of that name itself
        assert "flags=" in query
        return
    location = dict(redirect.headers)["Location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))
    assert all(" " < character < "\x7f" for character in location)
    assert urlsplit(location).netloc == ""


def test_token_holds_no_more_than_it_says() -> None:
    """The token's content is exactly what was asked for: nothing of the site leaks into links that people share."""
    from base64 import urlsafe_b64decode

    text = token(beta="on").partition(".")[0]
    said = msgspec.json.decode(urlsafe_b64decode(text + "=" * (-len(text) % 4)), type=_Token)
    assert (said.flags, said.host, said.environment, said.epoch) == ({"beta": "on"}, HOST, "", 0)


def test_fragments_of_a_tester() -> None:
    """Overrides of flags that are not named tell apart a cached fragment that a tester sees, which may read them."""
    site = install(DOCUMENT, secret_keys=[KEY])
    cookies = [token(beta="on"), token(beta="off"), ""]
    keys = [cache_key(site.begin(request(cookie)), *named) for named in (["closed"], []) for cookie in cookies]
    assert len(set(keys)) == 6
    assert keys[2] == cache_key(site.flags.bind(), "closed")


def test_a_link_that_no_cookie_holds() -> None:
    """Browsers drop a cookie that is too long without a word, so such a link is not made."""
    flags = Flags({"version": 1, "flags": {f"a-flag-with-a-long-name-{number}": {"qa": True} for number in range(200)}})
    choices = dict.fromkeys(flags.ruleset.flags, "on")
    with pytest.raises(ConfigurationError, match="200 flags"):
        sign(flags, choices, host=HOST, keys=[KEY])
    few = dict(list(choices.items())[:70])
    assert len(sign(flags, few, host=HOST, keys=[KEY])) < 4000
