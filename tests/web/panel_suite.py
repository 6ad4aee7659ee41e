"""What the QA panel of a site without Django has to do: one suite, and a small site for it in each framework."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest

from flagmiddleware import ConfigurationError, Flags
from flagmiddleware.web.qa_panel import form_fields

from .doubles import KEY

__all__ = ["PANEL", "URL", "QAPanelSuite", "is_staff"]

DOCUMENT: dict[str, Any] = {
    "version": 1,
    "flags": {
        "beta": {"qa": True, "description": "The <b>new</b> page"},
        "button": {"qa": True, "variants": {"blue": 1, "green": 2}, "off": "blue"},
        "killed": {"qa": True, "enabled": False},
        "not-for-qa": {},
    },
}
PANEL = "/flags-qa"
STAFF = {"X-Staff": "ann"}
URL = "http://shop.example"
GOOD = {"flag:beta": "on", "action": "here"}

Make = Callable[..., httpx.Client]


def is_staff(request: Any) -> bool:
    """Who may, in these sites."""
    return "x-staff" in request.headers


def token_in(text: str) -> str:
    found = re.search(r'name="flags_form" value="([^"]+)"', text)
    assert found is not None, text
    return found[1]


def send(client: httpx.Client, data: Mapping[str, str], headers: Mapping[str, str] = {}) -> httpx.Response:
    """Fill in the form as it was shown, and send it."""
    token = token_in(client.get(PANEL, headers=STAFF).text)
    return client.post(PANEL, data={"flags_form": token, **data}, headers={**STAFF, **headers})


class QAPanelSuite:
    """Subclass it with ``site(authorise=, hidden=, **settings)``, a client that keeps cookies and follows no redirect,
    and ``login(request)``, which sends to ``/login`` as the framework does it.

    The site has the panel at :data:`PANEL`, and at ``/page`` either ``new`` or ``old``, with the bar behind it.
    """

    site: Callable[..., httpx.Client]
    login: Callable[[Any], bool]

    @pytest.fixture
    def make(self) -> Make:
        """Builds the site, for staff unless a test says otherwise."""
        usual: dict[str, Any] = {"flags": Flags(DOCUMENT), "secret_keys": [KEY], "authorise": is_staff, "hidden": None}
        return lambda **options: type(self).site(**{**usual, **options})

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_the_panel_is_shut_unless_the_site_says_otherwise(self, make: Make, method: str) -> None:
        """A stranger gets 403 and learns no flag's name, and a panel without `authorise=` cannot be made."""
        response = getattr(make(), method)(PANEL)
        assert response.status_code == 403
        assert "beta" not in response.text
        with pytest.raises(ConfigurationError, match="authorise="):
            make(authorise=None)

    def test_authorise_may_be_asynchronous(self, make: Make) -> None:
        """A coroutine function is awaited; its coroutine object, which is true, lets nobody in."""

        async def nobody(request: Any) -> bool:
            return False

        async def everybody(request: Any) -> bool:
            return True

        assert make(authorise=nobody).get(PANEL).status_code == 403
        assert make(authorise=everybody).get(PANEL).status_code == 200

    def test_authorise_may_send_to_a_login_page(self, make: Make) -> None:
        """What the site's callable raises is answered as anywhere else in its framework."""
        response = make(authorise=type(self).login).get(PANEL)
        assert (response.status_code, response.headers["location"]) == (303, "/login")

    def test_the_form_offers_what_testers_may_see(self, make: Make) -> None:
        """Flags that say `qa: true` and are not killed, escaped; no cache keeps the page, and nobody may frame it."""
        response = make().get(PANEL, headers=STAFF)
        assert set(re.findall(r'name="flag:([^"]+)"', response.text)) == {"beta", "button"}
        assert "The &lt;b&gt;new&lt;/b&gt; page" in response.text
        assert {"private", "no-store"} <= {part.strip() for part in response.headers["cache-control"].split(",")}
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
        assert response.headers["content-type"] == "text/html; charset=utf-8"

    def test_here_and_back(self, make: Make) -> None:
        """“Use in this browser” shows the variant with the bar, to this browser only; “Stop overriding” ends it."""
        client = make()
        response = send(client, {"flag:beta": "on", "flag:button": "", "seconds": "900", "action": "here"})
        assert (response.status_code, response.headers["location"]) == (303, PANEL)
        assert re.search(r"flags_override=[^;]+; Path=/; Max-Age=(9\d\d|8\d\d); HttpOnly; SameSite=Lax",
                         response.headers["set-cookie"])  # fmt: skip
        assert client.get("/page").text.startswith("new<aside")
        assert make().get("/page").text == "old"
        assert "<code>beta</code> is <code>on</code>" in client.get(PANEL, headers=STAFF).text
        assert send(client, {"action": "clear"}).status_code == 303
        assert client.get("/page").text == "old"

    @pytest.mark.parametrize(
        ("asked", "leads"),
        [
            ("/page", "/page"),
            ("/page?colour=red", "/page"),
            ("/caf%C3%A9 1", "/caf%C3%A9%201"),
            ("http://shop.example/page", "/page"),
            ("https://evil.example/", "/"),
            ("//evil.example/x", "/"),
            ("javascript:alert(1)", "/"),
            ("http://[broken", "/"),
            ("\\\\evil.example", "/evil.example"),
        ],
    )
    def test_a_link_leads_to_this_site_only(self, make: Make, asked: str, leads: str) -> None:
        """“Make a link” gives a link for somebody without an account; whatever was typed, it stays on the site."""
        response = send(make(), {"flag:beta": "on", "seconds": "3600", "action": "link", "page": asked})
        link = re.search(r'<a href="(http://shop\.example([^"?]*)\?[^"]*flags=[^"]+)"', response.text)
        assert link is not None, response.text
        assert link[2] == leads
        assert "set-cookie" not in response.headers
        tester = make()
        assert tester.get(link[1].replace("&amp;", "&")).status_code == 303
        assert tester.get("/page").text.startswith("new")

    @pytest.mark.parametrize(
        "data",
        [
            {"action": "here"},
            {"action": "here", "flag:killed": "on"},
            {"action": "here", "flag:not-for-qa": "on"},
            {"action": "here", "flag:beta": "purple"},
            {"action": "here", "flag:beta": "on", "seconds": "999999"},
            {"action": "link", "flag:beta": "on", "seconds": "x"},
        ],
    )
    def test_bad_forms(self, make: Make, data: dict[str, str]) -> None:
        """What must not be overridden is refused, with words and a 400, and no override is set."""
        response = send(make(), data)
        assert response.status_code == 400
        assert 'role="alert"' in response.text
        assert "<title>Error: " in response.text
        assert "flags_override" not in response.headers.get("set-cookie", "")

    def test_what_was_chosen_stays_chosen(self, make: Make) -> None:
        """A form that was refused comes back as it was filled in."""
        text = send(make(), {"flag:button": "green", "seconds": "x", "page": '/"><script>', "action": "here"}).text
        assert '<option value="green" selected>' in text
        assert 'value="/&quot;&gt;&lt;script&gt;"' in text

    def test_another_sites_form_does_nothing(self, make: Make) -> None:
        """No token, a made-up one, another browser's, or a browser that tells of another site: 403, no cookie."""
        other = token_in(make().get(PANEL, headers=STAFF).text)
        mine = make()
        token = token_in(mine.get(PANEL, headers=STAFF).text)
        attempts = [
            mine.post(PANEL, data=GOOD, headers=STAFF),
            mine.post(PANEL, data={**GOOD, "flags_form": "a.b"}, headers=STAFF),
            mine.post(PANEL, data={**GOOD, "flags_form": other}, headers=STAFF),
            mine.post(PANEL, data={**GOOD, "flags_form": token}, headers={**STAFF, "Sec-Fetch-Site": "cross-site"}),
            mine.post(PANEL, data={**GOOD, "flags_form": token}, headers={**STAFF, "Sec-Fetch-Site": "same-site"}),
        ]
        assert [response.status_code for response in attempts] == [403] * 5
        assert not any("flags_override" in response.headers.get("set-cookie", "") for response in attempts)
        assert mine.post(PANEL, data={**GOOD, "flags_form": token}, headers=STAFF).status_code == 303

    def test_a_form_without_its_cookie_does_nothing(self, make: Make) -> None:
        """A token alone, taken from somebody's page, is worth nothing in another browser."""
        token = token_in(make().get(PANEL, headers=STAFF).text)
        assert make().post(PANEL, data={**GOOD, "flags_form": token}, headers=STAFF).status_code == 403

    def test_get_changes_nothing(self, make: Make) -> None:
        """An address with everything in its query sets no override."""
        client = make()
        response = client.get(PANEL, params={**GOOD, "seconds": "900"}, headers=STAFF)
        assert "flags_override" not in response.headers.get("set-cookie", "")
        assert client.get("/page").text == "old"

    def test_the_sites_own_protection_finds_its_field(self, make: Make) -> None:
        """`hidden=` puts the fields of a site's own CSRF protection into every form, escaped."""
        client = make(hidden=lambda request: {"csrf_token": '"x"'})
        assert client.get(PANEL, headers=STAFF).text.count('name="csrf_token" value="&quot;x&quot;"') == 1
        send(client, GOOD)
        assert client.get(PANEL, headers=STAFF).text.count('name="csrf_token"') == 2

    def test_without_keys_the_panel_says_so(self, make: Make) -> None:
        """A site that cannot sign shows the reason, and a form that is sent all the same does nothing."""
        client = make(secret_keys=[])
        assert "No secret key is set" in client.get(PANEL, headers=STAFF).text
        assert "set-cookie" not in client.post(PANEL, data=GOOD, headers=STAFF).headers

    def test_under_https_the_cookies_are_bound_to_the_host(self, make: Make) -> None:
        """Both cookies get the host's prefix, wherever the site keeps its others."""
        client = make(cookie_secure=True, cookie_path="/shop")
        response = client.get(PANEL, headers=STAFF)
        assert response.headers["set-cookie"].startswith("__Host-flags_form=")
        assert "Path=/;" in response.headers["set-cookie"]

    def test_every_control_has_a_label(self, make: Make) -> None:
        """Every control has a label, ids are unique, groups have legends, the page a language and one heading."""
        text = make().get(PANEL, headers=STAFF).text
        controls = re.findall(r'<(?:select|input type="text")[^>]* id="([^"]+)"', text)
        assert len(controls) == 4
        assert all(f'<label for="{control}">' in text for control in controls)
        ids = re.findall(r' id="([^"]+)"', text)
        assert len(ids) == len(set(ids))
        assert text.count("<fieldset>") == text.count("<legend>") == 2
        assert (text.count("<h1"), '<html lang="en">' in text) == (1, True)

    @pytest.mark.parametrize("body", [b"\xff=\xfe", b"a" * 100_000, b"&" * 5000, b"a=1&" * 3000, b"%ff=%zz"])
    def test_odd_bodies(self, make: Make, body: bytes) -> None:
        """No body is a 500, nor sets anything."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        response = make().post(PANEL, content=body, headers={**STAFF, **kind})
        assert response.status_code in (400, 403, 413)
        assert len(form_fields(body)) < 2000
