"""How attributes are derived from a request: lazily, once, and from nothing but what was trusted."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import ErrorCode
from flagmiddleware.errors import ContextNotReadyError
from flagmiddleware.web.network import client_address, host_name, language_tag

from .doubles import KEY, DictFacts, document, headers, install


class Recording(DictFacts):
    """Facts that note what was asked."""

    touches = True

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[str] = []

    def user(self, request: dict[str, Any]) -> Any:
        self.asked.append("user")
        return request.get("user")

    def session(self, request: dict[str, Any]) -> Any:
        self.asked.append("session")
        return request.get("session")

    def touched(self, request: dict[str, Any], attribute: str) -> None:
        self.told.append(attribute)


def test_nothing_is_asked_before_a_rule_asks() -> None:
    """Neither user nor session is looked at by a flag that needs neither, and each only once by those that do."""
    facts = Recording()
    here = install(
        document(a={"path": "/"}, b={"user": "ann"}, c={"email": "x"}, d={"session.plan": "pro"}), facts
    ).begin({"user": {"id": "ann"}, "session": {"plan": "pro"}})
    assert here.is_enabled("a")
    assert facts.asked == []
    assert [here.is_enabled(key) for key in ("b", "c", "d")] == [True, False, True]
    assert facts.asked == ["user", "session"]


def test_touched_is_told_before_the_read() -> None:
    """An adapter is told at the first read of each attribute that makes a page private or Vary, and of no other."""
    facts = Recording()
    here = install(document(a={"path": "/"}, b={"user": "ann"}, c={"language": "en"}, d={"session.x": 1}), facts).begin(
        {}
    )
    here.is_enabled("a")
    assert facts.told == []
    for key in ("b", "c", "d", "b", "d"):
        here.is_enabled(key)
    assert facts.told == ["user", "language", "session.x"]


def test_targeting_key_is_user_then_visitor() -> None:
    """Rollouts hash the user id of those who signed in and the visitor id of the others; the two never mix."""
    flags = {"version": 1, "flags": {"half": {"rules": [{"rollout": "50%"}]}}}
    installation = install(flags, secret_keys=[KEY])
    signed_in = installation.begin({"user": {"id": "ann"}})
    signed_in.evaluate("half")
    assert signed_in.context.targeting_key == "ann"
    assert "visitor" not in signed_in.context
    visitor = installation.begin({})
    visitor.evaluate("half")
    assert visitor.context["user"] is None
    assert visitor.context.targeting_key == visitor.context["visitor"]


def test_without_keys_nobody_can_be_told_apart(caplog: pytest.LogCaptureFixture) -> None:
    """Without secret_keys there is no visitor: rollouts serve the default, and one log line says why."""
    installation = install({"version": 1, "flags": {"half": {"rules": [{"rollout": "50%"}]}}})
    for _ in range(3):
        found = installation.begin({}).evaluate("half")
    assert found.error_code is ErrorCode.TARGETING_KEY_MISSING
    assert sum("secret_keys" in record.getMessage() for record in caplog.records) == 1


def test_anonymous_user_object_is_nobody() -> None:
    """A user object that says it is not authenticated counts as no user, whatever else it has."""
    flags = document(u={"user": "ann"}, s={"is_staff": True}, g={"groups": "beta"}, a={"is_authenticated": False})
    user = {"id": "ann", "is_authenticated": False, "is_staff": True, "groups": ["beta"]}
    here = install(flags).begin({"user": user})
    assert [here.is_enabled(key) for key in "usga"] == [False, False, False, True]


def test_groups_by_name_and_by_object() -> None:
    """Groups may be names or objects that have one."""

    class Group:
        name = "beta"

    installation = install(document(g={"groups": "beta"}))
    assert installation.begin({"user": {"id": 1, "groups": [Group()]}}).is_enabled("g")
    assert installation.begin({"user": {"id": 1, "groups": "beta"}}).is_enabled("g")
    assert not installation.begin({"user": {"id": 1, "groups": 7}}).is_enabled("g")


def test_site_callable_fills_what_the_framework_does_not_know() -> None:
    """The callable is asked once a request, for its own attributes and where the framework has no answer."""
    calls = []

    def ask(request: dict[str, Any]) -> dict[str, Any]:
        calls.append(request)
        return {"plan": "pro", "user": "from-site", "country": "NZ"}

    installation = install(
        document(p={"plan": "pro"}, u={"user": "from-site"}, c={"country": "NZ"}),
        context=ask,
        headers={"country": "X-C"},
    )
    here = installation.begin({})
    assert [here.is_enabled(key) for key in "puc"] == [True, True, True]
    assert len(calls) == 1
    known = installation.begin({"user": {"id": "ann"}, "headers": headers(x_c="au")})
    assert not known.is_enabled("u")
    assert not known.is_enabled("c")
    assert len(calls) == 1


@pytest.mark.parametrize("answer", [None, 5, ["plan"]])
def test_site_callable_that_returns_no_mapping(answer: Any) -> None:
    """Whatever a callable returns that is no mapping has no attributes."""
    assert not install(document(p={"plan": "pro"}), context=lambda request: answer).begin({}).is_enabled("p")


def test_async_callable_unawaited_on_a_loop() -> None:
    """On a running loop an unawaited attribute gives off, ERROR, INVALID_CONTEXT; awaited, it is decided."""

    async def ask(request: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"plan": "pro"}

    installation = install(document(p={"plan": "pro"}), context=ask)

    async def unawaited() -> Any:
        return installation.begin({}).evaluate("p")

    async def awaited() -> bool:
        return await installation.begin({}).ais_enabled("p")

    found = asyncio.run(unawaited())
    assert (found.is_enabled, found.error_code) == (False, ErrorCode.INVALID_CONTEXT)
    assert asyncio.run(awaited())
    assert installation.begin({}).is_enabled("p")  # no loop runs here, so it may be run


def test_callable_that_returns_an_awaitable() -> None:
    """A plain function that returns a coroutine is recognised when it does."""

    async def plan() -> dict[str, Any]:
        return {"plan": "pro"}

    installation = install(document(p={"plan": "pro"}), context=lambda request: plan())

    async def reads() -> tuple[bool, bool]:
        return installation.begin({}).is_enabled("p"), await installation.begin({}).ais_enabled("p")

    assert asyncio.run(reads()) == (False, True)
    assert installation.begin({}).is_enabled("p")


class BlockingFacts(DictFacts):
    """A framework whose users and sessions need I/O, as Django's do."""

    blocking_callable = True

    def user(self, request: dict[str, Any]) -> Any:
        if request.get("loop"):
            raise ContextNotReadyError("await it")
        return request.get("user")

    async def auser(self, request: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return request.get("user")

    async def agroups(self, request: dict[str, Any], user: Any) -> Any:
        await asyncio.sleep(0)
        return user["groups"]

    async def asession(self, request: dict[str, Any]) -> Any:
        await asyncio.sleep(0)
        return request.get("session")


def test_ready_awaits_what_the_rules_need() -> None:
    """ready() fetches user, groups, session and the site's attributes, whichever the flags may read."""
    flags = document(u={"user": "ann"}, g={"groups": "beta"}, s={"session.plan": "pro"}, p={"plan": "gold"})
    installation = install(flags, BlockingFacts(), context=lambda request: {"plan": "gold"})
    request = {"loop": True, "user": {"id": "ann", "groups": ["beta"]}, "session": {"plan": "pro"}}

    async def reads(*ready: str) -> list[bool]:
        here = installation.begin(dict(request))
        await here.ready(*ready)
        return [here.is_enabled(key) for key in "ugsp"]

    assert asyncio.run(reads()) == [True] * 4
    assert asyncio.run(reads("u")) == [True, True, True, False]  # p was not asked for, and is not run on the loop


def test_ready_asks_for_groups_once_where_there_are_none() -> None:
    """Groups that were awaited and are none are known to be none: later rules decide, and nobody fetches them again."""
    asked: list[Any] = []

    class Facts(BlockingFacts):
        def groups(self, request: dict[str, Any], user: Any) -> Any:
            raise ContextNotReadyError("await it")

        async def agroups(self, request: dict[str, Any], user: Any) -> Any:
            asked.append(user)
            return await super().agroups(request, user)

    flags = document(a={"groups": {"not_in": ["beta"]}}, b={"groups": "beta"})
    installation = install(flags, Facts(), context=lambda request: {"plan": "gold"})

    async def reads() -> Any:
        here = installation.begin({"loop": True, "user": {"id": "ann", "groups": []}})
        return await here.aevaluate("a"), await here.aevaluate("b")

    found = asyncio.run(reads())
    assert [(one.is_enabled, one.error_code) for one in found] == [(True, None), (False, None)]
    assert len(asked) == 1


def test_what_could_not_be_read_makes_the_page_private() -> None:
    """A flag that failed for one user answers for nobody else: no shared cache may keep its page."""

    class Facts(DictFacts):
        def groups(self, request: dict[str, Any], user: Any) -> Any:
            raise OSError("the database is away")

    installation = install(document(a={"groups": "beta"}), Facts())
    here = installation.begin({"user": {"id": "ann"}})
    assert here.evaluate("a").error_code is not None
    policy = installation.simple_policy(here)
    assert policy is not None
    assert (policy.private, policy.vary) == (True, ("Cookie",))


@pytest.mark.parametrize("method", ["auser", "agroups", "asession"])
def test_ready_does_not_raise(method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """A database that is away costs a flag its answer and a line in the log, and not the page."""

    async def fails(*arguments: Any) -> Any:
        raise OSError("the database is away")

    monkeypatch.setattr(BlockingFacts, method, fails)
    installation = install(document(a={"all": [{"groups": "beta"}, {"session.plan": "pro"}]}), BlockingFacts())

    async def read() -> bool:
        here = installation.begin({"loop": True, "user": {"id": "ann", "groups": ["x"]}, "session": {}})
        return await here.ais_enabled("a")

    assert asyncio.run(read()) is False
    assert caplog.text.count("the database is away") == 1


def test_reauthenticate_decides_again_what_depended_on_the_user() -> None:
    """After authentication, decisions that read the user are made again, others stay; the page stays private."""
    request: dict[str, Any] = {}
    installation = install(document(u={"user": "ann"}, p={"path": "/"}))
    here = installation.begin(request)
    assert (here.is_enabled("u"), here.is_enabled("p")) == (False, True)
    kept = here.evaluate("p")
    request["user"] = {"id": "ann"}
    assert not here.is_enabled("u")
    here.reauthenticate()
    assert here.evaluate("p") is kept
    assert installation._rules.policy(here.web_context).private
    assert here.is_enabled("u")


def test_context_is_not_pickled() -> None:
    """A request's context does not travel to a queue by accident; the error says what does."""
    here = install(document(p={"path": "/"})).begin({})
    with pytest.raises(TypeError, match="dump"):
        pickle.dumps(here.context)
    assert here.context.dump("path") == {"targeting_key": None, "attributes": {"path": "/"}}


@pytest.mark.parametrize(
    ("peer", "forwarded", "proxies", "address"),
    [
        ("10.0.0.1", "203.0.113.7", 0, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7", 1, "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7", 1, "203.0.113.7"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.7, 10.0.0.2", 2, "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7", 2, "203.0.113.7"),
        ("10.0.0.1", None, 1, "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7:4711", 1, "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", 1, "2001:db8::1"),
        ("10.0.0.1", "2001:DB8:0::1", 1, "2001:db8::1"),
        ("10.0.0.1", "unknown", 1, None),
        ("10.0.0.1", "203.0.113.7, <script>", 1, None),
        ("/run/socket", None, 0, None),
        (None, None, 0, None),
    ],
)
def test_client_address(peer: str | None, forwarded: str | None, proxies: int, address: str | None) -> None:
    """The address is the one that the outermost proxy of the site saw, in canonical form; anything else is none."""
    assert client_address(peer, forwarded, proxies) == address


@given(st.text(), st.integers(1, 5))
def test_client_cannot_choose_an_address(spoofed: str, proxies: int) -> None:
    """Law: whatever a client sends in X-Forwarded-For, what the site's own proxies appended decides."""
    appended = ["203.0.113.7", *(f"10.0.0.{number}" for number in range(1, proxies))]
    assert client_address("10.0.0.9", ", ".join([spoofed, *appended]), proxies) == "203.0.113.7"


@given(st.text(max_size=400))
def test_odd_headers_never_raise(text: str) -> None:
    """No header value makes a derivation fail."""
    client_address(text, text, 2)
    host_name(text)
    language_tag(text)


@pytest.mark.parametrize(
    ("accepted", "tag"),
    [
        ("en-au,en;q=0.5", "en-AU"), ("DE", "de"), ("zh-hant-tw", "zh-Hant-TW"), ("es-419", "es-419"), ("*", None),
        ("", None), (None, None), ("en_US", None), (" sr-latn ;q=1", "sr-Latn"), ("de-1996", "de-1996"),
    ],
)  # fmt: skip
def test_language_tag(accepted: str | None, tag: str | None) -> None:
    """Accept-Language's first tag, in BCP 47 case."""
    assert language_tag(accepted) == tag
