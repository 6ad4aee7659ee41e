"""The visitor cookie: minted when needed, where it can be kept, and never believed unsigned."""

from __future__ import annotations

from typing import Any

import pytest

from flagmiddleware.web.headers import PairHeaders
from flagmiddleware.web.installation import Installation
from flagmiddleware.web.signing import Signer

from .doubles import KEY, headers, install

HALF = {"version": 1, "flags": {"half": {"rules": [{"rollout": "50%"}]}}}


def answer(installation: Installation, request: dict[str, Any]) -> tuple[str | None, list[str]]:
    """The visitor of one request that reads a rollout, and the cookies that its answer sets."""
    here = installation.begin(request)
    here.evaluate("half")
    view = PairHeaders([])
    installation.finish(here, view)
    return here.context["visitor"], [value for name, value in view.pairs if name == "Set-Cookie"]


def test_cookie_under_http_and_https() -> None:
    """Under https the cookie is Secure and bound to the host by its prefix; a path or domain takes the prefix away."""
    _, (plain,) = answer(install(HALF, secret_keys=[KEY]), {})
    assert plain.startswith("flags_visitor=")
    assert plain.endswith("; Path=/; Max-Age=34560000; HttpOnly; SameSite=Lax")
    _, (secure,) = answer(install(HALF, secret_keys=[KEY]), {"scheme": "https"})
    assert secure.startswith("__Host-flags_visitor=")
    assert secure.endswith("; HttpOnly; SameSite=Lax; Secure")
    _, (wide,) = answer(install(HALF, secret_keys=[KEY], cookie_domain="shop.example"), {"scheme": "https"})
    assert wide.startswith("flags_visitor=")
    assert "; Domain=shop.example; " in wide


def test_cookie_options() -> None:
    """Name, path, age and secure are the site's to set."""
    options = {"cookie_name": "v", "cookie_path": "/shop", "cookie_age": 60, "cookie_secure": True}
    _, (cookie,) = answer(install(HALF, secret_keys=[KEY], **options), {})
    assert cookie.startswith("v=")
    assert cookie.endswith("; Path=/shop; Max-Age=60; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("sent", "minted"),
    [
        ({}, True),
        (headers(sec_fetch_mode="navigate", sec_fetch_dest="document"), True),
        (headers(sec_fetch_mode="navigate", sec_fetch_dest="iframe"), False),
        (headers(sec_fetch_mode="cors", sec_fetch_dest="empty"), False),
        (headers(sec_fetch_mode="no-cors", sec_fetch_dest="image"), False),
        (headers(x_requested_with="XMLHttpRequest"), False),
    ],
)
def test_only_navigations_mint(sent: dict[str, str], minted: bool) -> None:
    """A document navigation draws a new visitor; what a page loads beside it does not."""
    visitor, cookies = answer(install(HALF, secret_keys=[KEY]), {"headers": sent})
    assert (visitor is not None, bool(cookies)) == (minted, minted)


def test_key_rotation_keeps_the_visitor() -> None:
    """A cookie under a retiring key is still the same visitor, and is signed anew on the next navigation."""
    old, new = "the retiring key of a site", KEY
    cookie = "flags_visitor=" + Signer([old], "flagmiddleware.visitor").sign("A" * 22)
    visitor, (renewed,) = answer(install(HALF, secret_keys=[new, old]), {"headers": {"cookie": cookie}})
    assert visitor == "A" * 22
    again, cookies = answer(install(HALF, secret_keys=[new]), {"headers": {"cookie": renewed.partition(";")[0]}})
    assert (again, cookies) == (visitor, [])


def test_consent_withdrawn_forgets() -> None:
    """Without consent a cookie that is still there is not read either, and a consent hook that fails counts as no."""
    cookie = "flags_visitor=" + Signer([KEY], "flagmiddleware.visitor").sign("A" * 22)

    def fail(request: Any) -> bool:
        raise RuntimeError

    for consent in (False, lambda request: False, fail):
        installation = install(HALF, secret_keys=[KEY], visitor_cookie=consent)
        assert answer(installation, {"headers": {"cookie": cookie}}) == (None, [])


def test_too_late_for_a_cookie() -> None:
    """After the headers left no visitor is minted: the answer that it got could not be kept."""
    installation = install(HALF, secret_keys=[KEY])
    here = installation.begin({})
    installation.finish(here, PairHeaders([]))
    assert here.evaluate("half").variant == "off"
    assert here.context["visitor"] is None


def test_ten_megabytes_of_cookies() -> None:
    """A cookie header of ten megabytes, ours last, is searched and not parsed; a huge forged token is not hashed."""
    mine = "flags_visitor=" + Signer([KEY], "flagmiddleware.visitor").sign("A" * 22)
    noise = "; ".join(f"c{number}={'x' * 1000}" for number in range(10_000))
    installation = install(HALF, secret_keys=[KEY])
    assert answer(installation, {"headers": {"cookie": f"{noise}; {mine}"}})[0] == "A" * 22
    huge = "flags_visitor=" + "a" * 10_000_000 + ".b"
    visitor, cookies = answer(installation, {"headers": {"cookie": huge}})
    assert visitor != "A" * 22
    assert len(cookies) == 1
