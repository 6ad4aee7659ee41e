"""The admin of flags in the database: words, reasons, permissions, history."""

from __future__ import annotations

import html
import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from flagmiddleware.django.store.models import HistoryEntry, StoredFlag, StoreState
from flagmiddleware.django.store.source import OrmSource
from flagmiddleware.sources.base import Change
from flagmiddleware.sources.chain import verify

pytestmark = pytest.mark.django_db

LIST = "/admin/flagmiddleware_store/storedflag/"
SHARED = "/admin/flagmiddleware_store/storestate/"
HISTORY = "/admin/flagmiddleware_store/historyentry/"
DOCUMENT: dict[str, Any] = {
    "version": 1,
    "segments": {"insiders": {"is_staff": True}},
    "policy": {"roles": {"boss": "approve"}},
    "flags": {
        "checkout": {
            "owner": ["shop"],
            "risk": {"technical": "high", "business": "high"},
            "rules": [{"if": {"segment": "insiders"}, "serve": True}],
        },
        "banner": {"owner": ["press"], "rules": [{"serve": True}], "environments": {"staging": {"enabled": True}}},
        "dark": {},
    },
}


@pytest.fixture(autouse=True)
def filled() -> None:
    """A store with three flags at revision 1."""
    change = Change(data=json.dumps(DOCUMENT).encode(), actor="Ann", reason="the first", via="test")
    assert OrmSource().write(change, None) == "1"


def signed_in(name: str, *permissions: str, groups: tuple[str, ...] = (), superuser: bool = False) -> Client:
    """A browser with a member of the staff in it."""
    user = get_user_model().objects.create_user(id=name, username=name, password="secret", is_staff=True)
    user.is_superuser = superuser
    user.save()
    for permission in permissions:
        user.user_permissions.add(Permission.objects.get(codename=permission))
    for group in groups:
        user.groups.add(Group.objects.get_or_create(name=group)[0])
    client = Client()
    client.force_login(user)
    return client


def pk(key: str) -> int:
    return int(StoredFlag.objects.get(key=key).pk)


def body(key: str) -> Any:
    return json.loads(StoredFlag.objects.get(key=key).definition)


def edit(client: Client, key: str, definition: Any, **fields: str) -> Any:
    revision = fields.pop("revision", str(StoreState.objects.get().revision))
    data = {"definition": json.dumps(definition), "revision": revision, **fields}
    return client.post(f"{LIST}{pk(key)}/change/", data)


def errors(response: Any) -> str:
    return str(response.context["adminform"].form.errors) if response.status_code == 200 else ""


def test_the_list_tells_flags_in_words() -> None:
    """Whom each flag serves what, its owner and its risk stand in the list; a rule is never shown as JSON."""
    text = signed_in("root", superuser=True).get(LIST).content.decode()
    assert "on for insiders" in text
    assert "on for everyone" in text
    assert "high / high" in text
    assert "press" in text
    assert "serve&quot;" not in text


def test_an_edit_needs_a_reason_and_is_written_to_the_history() -> None:
    """Without a reason nothing happens; with one, the history has old, new, who and why, and the revision counts."""
    client = signed_in("root", superuser=True)
    page = client.get(f"{LIST}{pk('dark')}/change/")
    assert page.status_code == 200
    assert "reason" in errors(edit(client, "dark", {"description": "soon"}, reason=" "))
    assert edit(client, "dark", {"description": "soon"}, reason="planning").status_code == 302
    entry = HistoryEntry.objects.first()
    assert entry is not None
    assert (entry.flag, entry.old, entry.new) == ("dark", "{}", '{"description":"soon"}')
    assert (entry.actor, entry.reason, entry.via, entry.revision) == ("root", "planning", "admin", 2)
    assert verify(list(reversed(OrmSource().history(100)))) is None


def test_a_new_flag_is_added() -> None:
    """Adding goes the same way: checked, with a reason, at the end of the document."""
    client = signed_in("root", superuser=True)
    assert client.get(f"{LIST}add/").status_code == 200
    data = {"key": "fresh", "definition": '{"requires": {"dark": true}}', "reason": "new", "revision": "1"}
    assert client.post(f"{LIST}add/", {**data, "key": "Not A Key"}).status_code == 200
    assert client.post(f"{LIST}add/", data).status_code == 302
    assert list(StoredFlag.objects.values_list("key", flat=True))[-1] == "fresh"
    assert "There is a flag" in errors(client.post(f"{LIST}add/", {**data, "revision": "2"}))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ({"rools": []}, "did you mean"),
        ({"requires": {"nobody": True}}, "nobody"),
        ({"requires": {"dark": True}}, "cycle"),
    ],
)
def test_a_definition_that_is_wrong_is_refused(definition: Any, message: str) -> None:
    """The whole document is checked, so what would dangle or go round in circles is told on the page."""
    client = signed_in("root", superuser=True)
    assert message in errors(edit(client, "dark", definition, reason="x"))
    assert StoreState.objects.get().revision == 1


def test_nobody_writes_over_somebody_else() -> None:
    """A page that was opened at an older revision is refused, and what the other one wrote stays."""
    client = signed_in("root", superuser=True)
    edit(client, "dark", {"description": "mine"}, reason="first")
    assert "Somebody else" in errors(edit(client, "dark", {"description": "late"}, reason="second", revision="1"))
    assert body("dark") == {"description": "mine"}


def test_the_policy_holds_in_the_admin() -> None:
    """A step that the matrix forbids needs a reason to override, from somebody who may."""
    wide = {**DOCUMENT["flags"]["checkout"], "rules": [{"serve": True}]}
    owner = signed_in("olga", "change_storedflag", "view_storedflag", groups=("shop",))
    assert "Nothing was written" in errors(edit(owner, "checkout", wide, reason="go"))
    assert "approve" in errors(edit(owner, "checkout", wide, reason="go", override="I want to"))
    boss = signed_in("boss", "change_storedflag", "view_storedflag", groups=("shop",))
    assert edit(boss, "checkout", wide, reason="go", override="the board").status_code == 302
    assert HistoryEntry.objects.first().reason == "go (override: the board)"  # type: ignore[union-attr]


def test_flags_belong_to_their_owners() -> None:
    """Who may change rows still changes only flags that their group owns; nobody makes themselves the owner."""
    client = signed_in("olga", "change_storedflag", "view_storedflag", groups=("shop",))
    mine = {**DOCUMENT["flags"]["banner"], "owner": ["shop"]}
    assert "Not allowed" in errors(edit(client, "banner", mine, reason="mine now"))
    fine = {**DOCUMENT["flags"]["checkout"], "description": "the one"}
    assert edit(client, "checkout", fine, reason="docs").status_code == 302
    several = {"action": "restore_flags", "_selected_action": [pk("checkout"), pk("banner")], "reason": "x"}
    text = client.post(LIST, several, follow=True).content.decode()
    assert "Nothing was changed. banner" in text


def test_roles_and_stages_hold_in_each_environment() -> None:
    """Who only views in production edits what does not get there; a step in one environment is judged like any."""
    policy = {"roles": {"shop": "operate"}, "environments": {"production": {"shop": "view"}}}
    own = {"owner": ["shop", "engineering", "product"], "environments": {"production": {"rules": []}}}
    elsewhere = {**DOCUMENT["flags"]["checkout"], **own}
    document = {**DOCUMENT, "policy": policy, "flags": {**DOCUMENT["flags"], "checkout": elsewhere}}
    change = Change(data=json.dumps(document).encode(), reason="roles", via="test")
    OrmSource().write(change, "1")
    olga = signed_in("olga", "change_storedflag", "view_storedflag", groups=("shop",))
    here = {**elsewhere, "rules": [*elsewhere["rules"], {"rollout": "1%"}]}
    assert edit(olga, "checkout", here, reason="not in production").status_code == 302
    there = {**here, "environments": {"production": {"rules": [{"rollout": "1%"}]}}}
    refused = errors(edit(olga, "checkout", there, reason="production, too"))
    assert "ramp needs the role operate in production; olga has view" in refused
    several = {"action": "remove_flags", "_selected_action": [pk("checkout")], "reason": "x"}
    allowed = signed_in("rob", "change_storedflag", "delete_storedflag", "view_storedflag", groups=("shop",))
    assert "needs the role operate in production" in allowed.post(LIST, several, follow=True).content.decode()
    root = signed_in("root", superuser=True)
    wide = {**here, "environments": {"production": {"rules": [{"rollout": "100%"}]}}}
    assert "this asks for 100 % (in production)" in html.unescape(errors(edit(root, "checkout", wide, reason="x")))


def test_several_are_killed_with_one_reason() -> None:
    """The action asks why on a page of its own, then kills all in one revision, environments included."""
    client = signed_in("kim", "view_storedflag", "kill_storedflag")
    several: dict[str, Any] = {"action": "kill_flags", "_selected_action": [pk("checkout"), pk("banner")]}
    asked = client.post(LIST, several)
    assert "reason" in asked.content.decode()
    assert StoreState.objects.get().revision == 1
    client.post(LIST, {**several, "reason": "  "})
    assert StoreState.objects.get().revision == 1
    assert client.post(LIST, {**several, "reason": "it burns"}).status_code == 302
    assert body("checkout")["enabled"] is False
    assert body("banner")["environments"]["staging"]["enabled"] is False
    entries = HistoryEntry.objects.filter(revision=2)
    assert {(entry.flag, entry.reason, entry.via) for entry in entries} == {
        ("checkout", "it burns", "admin kill"),
        ("banner", "it burns", "admin kill"),
    }


def test_restored_and_removed_with_a_reason() -> None:
    """The other two actions go the same way; there is no deleting without one."""
    client = signed_in("root", superuser=True)
    for action in ("kill", "restore", "remove"):
        sent = {"action": f"{action}_flags", "_selected_action": [pk("dark")], "reason": action}
        assert client.post(LIST, sent).status_code == 302
    assert not StoredFlag.objects.filter(key="dark").exists()
    assert HistoryEntry.objects.first().new is None  # type: ignore[union-attr]
    assert client.post(f"{LIST}{pk('banner')}/delete/", {"post": "yes"}).status_code == 403
    refused = signed_in("vera", "view_storedflag").post(
        LIST, {"action": "kill_flags", "_selected_action": [pk("banner")], "reason": "x"}
    )
    assert refused.status_code in (200, 302, 403)
    assert "enabled" not in body("banner")


def test_reading_changes_nothing() -> None:
    """A GET with an action in its query does nothing: changes are POSTs with a CSRF token."""
    client = signed_in("root", superuser=True)
    query = {"action": "kill_flags", "_selected_action": pk("banner"), "reason": "x"}
    client.get(LIST, query)
    assert StoreState.objects.get().revision == 1
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    assert strict.post(LIST, query).status_code == 403


def test_the_history_is_read_only() -> None:
    """Entries are shown with old and new, found by flag, and neither changed nor deleted, by page or by code."""
    client = signed_in("root", superuser=True)
    edit(client, "dark", {"description": "<script>"}, reason="planning")
    listed = client.get(f"{LIST}{pk('dark')}/history/", follow=True)
    assert "planning" in listed.content.decode()
    entry = HistoryEntry.objects.first()
    assert entry is not None
    shown = client.get(f"/admin/flagmiddleware_store/historyentry/{entry.pk}/change/").content.decode()
    assert "&lt;script&gt;" in shown
    assert "<script>&quot;" not in shown
    assert (
        client.post(f"/admin/flagmiddleware_store/historyentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    )
    with pytest.raises(TypeError):
        entry.delete()
    entry.reason = "other"
    with pytest.raises(TypeError):
        entry.save()


def test_migrations_are_complete() -> None:
    """The models and the migrations say the same."""
    call_command("makemigrations", "flagmiddleware_store", check=True, dry_run=True, verbosity=0)


def share(client: Client, **fields: Any) -> Any:
    """Send the page of segments and policy."""
    top = json.loads(StoreState.objects.get().top)
    sent = {name: json.dumps(fields.pop(name, top.get(name, {}))) for name in ("segments", "policy")}
    data = {"revision": str(StoreState.objects.get().revision), **sent, **fields}
    return client.post(f"{SHARED}1/change/", data)


def test_segments_and_policy_are_edited_with_a_reason() -> None:
    """Both are shown as they are, written with a reason, kept in the history; the flags and all else stay."""
    client = signed_in("root", superuser=True)
    assert "insiders" in client.get(SHARED).content.decode()
    assert "insiders" in client.get(f"{SHARED}1/change/").content.decode()
    wider = {"insiders": {"any": [{"is_staff": True}, {"plan": "pro"}]}}
    assert "reason" in errors(share(client, segments=wider))
    refused = errors(share(client, segments=wider, policy={}, reason="pro users too"))
    assert "checkout: measured crawl: for insiders from 0 % to 100 %; exposure unknown" in refused
    answer = share(client, segments=wider, policy={}, reason="pro users too", override="the board")
    assert answer.status_code == 302
    top = json.loads(StoreState.objects.get().top)
    assert top == {"version": 1, "segments": wider}
    entry = HistoryEntry.objects.filter(flag="").first()
    assert entry is not None
    assert (entry.reason, entry.revision, entry.actor) == ("pro users too (override: the board)", 2, "root")
    assert "roles" in (entry.old or "")
    assert body("banner") == DOCUMENT["flags"]["banner"]
    assert "pro users too" in client.get(f"{SHARED}1/history/", follow=True).content.decode()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"segments": {}}, "insiders"),
        ({"segments": {"insiders": {"segment": "insiders"}}}, "cycle"),
        ({"segments": {"insiders": {"is_staff": None}}}, "segments.insiders"),
        ({"policy": {"roles": {"boss": "aprove"}}}, "did you mean"),
        ({"policy": {"strategies": {"fast-lane": {"soak": "soon"}}}}, "policy.strategies.fast-lane.soak"),
        ({"segments": {"insiders": {"segment": "x"}}, "policy": {"rolls": {}}}, "rolls"),
    ],
)
def test_segments_and_policy_that_are_wrong_are_refused(fields: Any, message: str) -> None:
    """What the parser has against them stands on the page, beside the field; nothing is written."""
    response = share(signed_in("root", superuser=True), **fields, reason="x")
    assert message in errors(response)
    assert list(response.context["adminform"].form.errors) == list(fields)
    assert StoreState.objects.get().revision == 1


def test_a_segment_belongs_to_the_owners_of_its_flags() -> None:
    """Who changes a segment changes every flag that names it, and must own them; the policy asks for its admins."""
    wider = {"insiders": {"is_staff": True}, "pro": {"plan": "pro"}}
    press = signed_in("pia", "change_storestate", "view_storestate", groups=("press",))
    assert share(press, segments=wider, reason="a new one hurts nobody").status_code == 302
    narrower = {**wider, "insiders": {"all": [{"is_staff": True}, {"plan": "pro"}]}}
    assert "Not allowed" in errors(share(press, segments=narrower, reason="x"))
    assert "Not allowed" in errors(share(press, policy={"roles": {"pia": "admin"}}, reason="x"))
    shop = signed_in("olga", "change_storestate", "view_storestate", groups=("shop",))
    assert "Not allowed" in errors(share(shop, segments={"insiders": {"plan": "pro"}}, reason="x", override="x"))
    assert share(shop, segments=narrower, reason="ours").status_code == 302
    assert signed_in("vera", "view_storestate").post(f"{SHARED}1/change/", {}).status_code == 403


def test_segments_are_not_written_over_either() -> None:
    """A page that is older than the flags is refused."""
    client = signed_in("root", superuser=True)
    edit(client, "dark", {"description": "mine"}, reason="first")
    assert "Somebody else" in errors(share(client, segments=DOCUMENT["segments"], reason="late", revision="1"))


def test_the_history_tells_changes_in_words() -> None:
    """Whom a flag served what before and after, and which share of everyone, stand in the list and on the page."""
    client = signed_in("root", superuser=True)
    assert edit(client, "dark", {"rules": [{"rollout": "5%"}]}, reason="go").status_code == 302
    listed = client.get(f"{HISTORY}?flag=dark").content.decode()
    entry = HistoryEntry.objects.filter(flag="dark").first()
    assert entry is not None
    page = client.get(f"{HISTORY}{entry.pk}/change/").content.decode()
    for text in (listed, page):
        assert "off for everyone" in text
        assert "on for 5 % of everyone" in text
        assert "0 % → 5 %" in text
