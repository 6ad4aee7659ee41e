"""RocketFlag's definitions decided here, and its own SDK pointed at our endpoint."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import rocketflag

from flagmiddleware import ConfigurationError, Context, Flags, RulesetError, formats
from flagmiddleware.model import ErrorCode, Reason
from flagmiddleware.rocketflag_api import RocketFlagEndpoint

AUDIENCES = {
    "aud-pro": {
        "rules": [
            [
                {"attribute": "plan", "operator": "in", "values": ["pro", "team"]},
                {"attribute": "country", "operator": "not_in", "values": ["NZ"]},
            ],
            [{"attribute": "email", "operator": "starts_with", "values": ["ann@", "bob@"]}],
        ]
    }
}


def flag(key: str, **more: Any) -> dict[str, Any]:
    """A flag as the management API writes it."""
    return {
        "id": key, "name": f"Flag {key}", "kind": "flag", "enabled": True, "trafficPercentage": 100, "cohorts": [],
        "audienceId": None, "updatedAt": "2026-01-01T00:00:00Z", **more,
    }  # fmt: skip


def load(*flags: Any, environment: str | None = None, audiences: Any = AUDIENCES) -> Flags:
    """``flags`` behind our front door."""
    payload = json.dumps({"flags": flags}).encode()
    return Flags(formats.parse(payload, format="rocketflag", environment=environment, options={"audiences": audiences}))


@pytest.mark.parametrize(
    ("percent", "key", "expected"),
    [(11, "user-42", True), (10, "user-42", False), (22, "user-43", True), (21, "user-43", False)],
)
def test_percentage_follows_the_published_vectors(percent: int, key: str, expected: bool) -> None:
    """FNV-1a of ``id:key`` modulo 100, strictly below the percentage."""
    flags = load(flag("flag_123", trafficPercentage=percent))
    assert flags.is_enabled("flag_123", Context(key)) is expected
    assert flags.evaluate("flag_123", Context(key)).reason is Reason.SPLIT


def test_cohort_stands_in_for_a_missing_targeting_key() -> None:
    """Without a targeting key the cohort is hashed; an empty key counts as missing."""
    flags = load(flag("flag_123", trafficPercentage=11))
    assert flags.is_enabled("flag_123", Context(None, cohort="user-42"))
    assert flags.is_enabled("flag_123", Context("", cohort="user-42"))
    assert not flags.is_enabled("flag_123", Context(None, cohort="user-43"))


def test_no_key_is_no_dice() -> None:
    """Our one deliberate difference: without any key a partial rollout is false, and says why."""
    evaluation = load(flag("flag_123", trafficPercentage=99)).evaluate("flag_123", Context())
    assert (evaluation.value, evaluation.error_code) == (False, ErrorCode.TARGETING_KEY_MISSING)
    assert load(flag("flag_123")).is_enabled("flag_123", Context())


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"plan": "pro", "country": "AU"}, True),
        ({"plan": "pro", "country": "NZ"}, False),
        ({"plan": "pro"}, False),
        ({"plan": "pro", "country": ""}, True),
        ({"plan": "Pro", "country": "AU"}, False),
        ({"plan": " pro", "country": "AU"}, False),
        ({"email": "bob@yourcompany.com"}, True),
        ({"email": "Bob@yourcompany.com"}, False),
        ({}, False),
    ],
)
def test_audience_is_exact(attributes: dict[str, Any], expected: bool) -> None:
    """Any rule, all conditions, case-sensitive, no trimming; absent never matches, not even not_in; empty is there."""
    assert load(flag("a", audienceId="aud-pro")).is_enabled("a", Context("u", attributes)) is expected


def test_attributes_are_compared_as_the_sdk_sends_them() -> None:
    """``true`` and ``5`` as text; what the SDK refuses to send is absent."""
    audience = {"x": {"rules": [[{"attribute": "beta", "operator": "in", "values": ["true", "5"]}]]}}
    flags = load(flag("a", audienceId="x"), audiences=audience)
    assert [flags.is_enabled("a", Context("u", beta=value)) for value in (True, 5, "5", 5.5, None, ["5"])] == [
        True, True, True, False, False, False,
    ]  # fmt: skip


def test_cohort_comes_before_percentage_and_audience() -> None:
    """A cohort listed is in whatever the rest says; a flag with cohorts and no audience is shut to the others."""
    flags = load(
        flag("percent", cohorts=["beta"], trafficPercentage=0),
        flag("audience", cohorts=["beta"], audienceId="aud-pro"),
        flag("unknown", cohorts=["beta"], audienceId="gone"),
        flag("killed", cohorts=["beta"], enabled=False),
    )
    beta, other = Context("u", cohort="beta"), Context("u", cohort="alpha")
    assert [flags.is_enabled(key, beta) for key in ("percent", "audience", "unknown", "killed")] == [
        True, True, True, False,
    ]  # fmt: skip
    assert [flags.is_enabled(key, other) for key in ("percent", "audience", "unknown", "killed")] == [False] * 4


def test_unknown_audience_is_false_and_says_so() -> None:
    """An audience that nobody declared serves false with an error code and names the option that declares it."""
    evaluation = load(flag("a", audienceId="gone")).evaluate("a", Context("u"))
    assert (evaluation.value, evaluation.error_code) == (False, ErrorCode.GENERAL)
    assert "'gone'" in str(evaluation.error_message)
    assert "audiences" in str(evaluation.error_message)


GROUP = {
    "id": "g", "name": "Group", "kind": "groupflag",
    "environments": {
        "prod": {"enabled": True, "trafficPercentage": 0, "cohorts": [], "audienceId": None},
        "staging": {"enabled": True, "trafficPercentage": 100, "cohorts": [], "audienceId": None},
        "dev": {"enabled": False, "trafficPercentage": 100, "cohorts": [], "audienceId": None},
    },
}  # fmt: skip


def test_group_flag_is_that_of_its_environment() -> None:
    """``environment=`` picks it; an unknown or a disabled one is false."""
    names = ("prod", "staging", "dev", "x")
    answers = [load(GROUP, environment=name).is_enabled("g", Context("u")) for name in names]
    assert answers == [False, True, False, False]


def test_group_flag_without_an_environment_asks_the_context() -> None:
    """The SDK's ``env`` attribute picks the environment where the site fixed none; where it did, the site wins."""
    flags = load(GROUP)
    assert [flags.is_enabled("g", Context("u", env=name)) for name in ("prod", "staging", "dev", "x")] == [
        False, True, False, False,
    ]  # fmt: skip
    assert not flags.is_enabled("g", Context("u"))
    assert not load(GROUP, environment="prod").is_enabled("g", Context("u", env="staging"))


def test_name_addresses_a_flag_where_it_is_unique() -> None:
    """By id always, by name where one flag alone has it; both hash the id."""
    flags = load(
        flag("flag_123", name="checkout", trafficPercentage=11), flag("b", name="twin"), flag("c", name="twin")
    )
    assert flags.is_enabled("checkout", Context("user-42"))
    assert flags.evaluate("twin", Context("u")).error_code is ErrorCode.FLAG_NOT_FOUND


def test_one_bad_flag_leaves_the_others_alone() -> None:
    """A flag of another shape answers PARSE_ERROR; a document of another shape is refused."""
    flags = load(flag("good"), flag("bad", trafficPercentage="lots"))
    assert flags.is_enabled("good", Context("u"))
    assert flags.evaluate("bad", Context("u")).error_code is ErrorCode.PARSE_ERROR
    with pytest.raises(RulesetError, match="list under"):
        Flags(json_file(b'{"flags": 3}'))


def json_file(data: bytes) -> Any:
    """A ruleset of bytes that are RocketFlag's, or an error."""
    return formats.parse(data, format="rocketflag")


@pytest.mark.parametrize(
    "audiences",
    [
        [],
        {"a": {"rules": []}},
        {"a": {"rules": [[{"attribute": "plan", "operator": "like", "values": ["x"]}]]}},
        {"a": {"rules": [[{"attribute": "cohort", "operator": "in", "values": ["x"]}]]}},
        {"a": {"rules": [[{"attribute": "plan", "operator": "in", "values": []}]]}},
        {"a": {"rules": [[{"attribute": "plan", "operator": "in", "values": ["x"] * 11}]]}},
        {"a": {"rules": [[{"attribute": "plan", "operator": "in", "values": [5]}]]}},
    ],
)
def test_audience_declarations_are_checked(audiences: Any) -> None:
    """A declaration outside RocketFlag's own limits is refused at load, naming the audience."""
    with pytest.raises(ConfigurationError, match="audience"):
        load(flag("a"), audiences=audiences or [1])


def test_audiences_may_be_a_file(tmp_path: Path) -> None:
    """``options={"audiences": path}`` reads YAML or JSON."""
    path = tmp_path / "audiences.yaml"
    path.write_text("aud-pro:\n  rules:\n    - - {attribute: plan, operator: in, values: [pro]}\n")
    flags = load(flag("a", audienceId="aud-pro"), audiences=path)
    assert flags.is_enabled("a", Context("u", plan="pro"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(flag("a"), audiences=tmp_path / "gone.yaml")


def test_payload_is_recognised(tmp_path: Path) -> None:
    """A list of flags with ids is RocketFlag's: no format= needed."""
    path = tmp_path / "flags.json"
    path.write_text(json.dumps({"flags": [flag("a")]}))
    with closing(Flags(path)) as flags:
        assert flags.ruleset.dialect.name == "rocketflag"
        assert flags.is_enabled("a", Context("u"))


# -- the endpoint --------------------------------------------------------------------------------------------------


class _Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def serve() -> Iterator[Any]:
    """``serve(endpoint)`` runs it on a real server and gives its address."""
    servers: list[Any] = []

    def start(endpoint: RocketFlagEndpoint) -> str:
        server = make_server("127.0.0.1", 0, endpoint.wsgi, handler_class=_Quiet)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_endpoint_refuses_to_tell_everybody_everything() -> None:
    """Neither authorise= nor allow=: no endpoint."""
    with pytest.raises(ConfigurationError, match="authorise="):
        RocketFlagEndpoint(load(flag("a")))


def test_an_async_hook_is_never_a_yes() -> None:
    """A coroutine is true, and would let everybody ask for everything."""

    async def authorise(scope: Any) -> bool:
        return False

    with pytest.raises(ConfigurationError, match="authorise is asynchronous"):
        RocketFlagEndpoint(load(flag("a")), authorise=authorise).answer("GET", "/v1/flags/a")


def test_rocketflags_own_sdk_works_against_it(serve: Any) -> None:
    """The real package gets the flag, the sticky answer, the audience, the group's environment and the 404."""
    flags = load(flag("flag_123", trafficPercentage=11), flag("a/b é", audienceId="aud-pro"), GROUP)
    client = rocketflag.create_client(api_url=serve(RocketFlagEndpoint(flags, authorise=lambda environ: True)))
    assert client.get_flag("flag_123", {"targetingKey": "user-42"}) == rocketflag.Flag(
        "Flag flag_123", True, "flag_123"
    )
    assert not client.get_flag("flag_123", {"targetingKey": "user-43"}).enabled
    assert client.get_flag("a/b é", {"plan": "pro", "country": "AU"}).enabled
    assert not client.get_flag("a/b é", {"plan": "pro", "country": "NZ"}).enabled
    assert client.get_flag("g", {"env": "staging"}).enabled
    assert not client.get_flag("g", {"env": "prod"}).enabled
    with pytest.raises(rocketflag.APIError) as caught:
        client.get_flag("nobody-knows")
    assert caught.value.status == 404
    caught.value.__cause__.close()  # type: ignore[union-attr]  # the SDK leaves the connection of an error open


def test_strangers_see_allowed_flags_and_send_allowed_attributes(serve: Any) -> None:
    """A flag outside allow= answers as one that does not exist; attributes outside client_attributes= are dropped."""
    flags = load(flag("flag_123", trafficPercentage=11), flag("secret"), flag("pro", audienceId="aud-pro"))
    endpoint = RocketFlagEndpoint(
        flags,
        allow=["flag_123", "pro", "gone"],
        client_attributes=["targetingKey", "plan"],
        authorise=lambda environ: environ is not None and environ.get("HTTP_AUTHORIZATION") == "Bearer server",
    )
    client = rocketflag.create_client(api_url=serve(endpoint))
    assert client.get_flag("flag_123", {"targetingKey": "user-42"}).enabled
    assert not client.get_flag("flag_123", {"cohort": "user-42"}).enabled
    assert not client.get_flag("pro", {"email": "ann@yourcompany.com", "targetingKey": "u"}).enabled
    assert endpoint.answer("GET", "/v1/flags/secret") == endpoint.answer("GET", "/v1/flags/gone")
    trusted = {"HTTP_AUTHORIZATION": "Bearer server"}
    assert endpoint.answer("GET", "/v1/flags/secret", "", trusted).status == 200


def test_what_the_server_knows_wins() -> None:
    """``context=`` overrules the caller's attributes and key."""
    flags = load(flag("flag_123", trafficPercentage=11))
    endpoint = RocketFlagEndpoint(
        flags, authorise=lambda request: True, context=lambda request: {"targetingKey": "user-42"}
    )
    assert json.loads(endpoint.answer("GET", "/v1/flags/flag_123", "targetingKey=user-43").body)["enabled"] is True


def over_asgi(endpoint: RocketFlagEndpoint, query: bytes = b"") -> Any:
    """What the endpoint answers for the flag "flag_123" as an ASGI application."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("nothing to receive")

    scope = {"type": "http", "method": "GET", "path": "/v1/flags/flag_123", "query_string": query}

    async def run() -> None:
        await endpoint.asgi(scope, receive, send)

    asyncio.run(run())
    return sent[0]["status"], json.loads(sent[1]["body"])


def test_a_context_callable_that_fails_costs_its_own_attributes(caplog: pytest.LogCaptureFixture) -> None:
    """The caller's own key decides then; the log says so once, under WSGI and ASGI together."""

    def context(request: Any) -> Any:
        raise LookupError("the session store is away")

    endpoint = RocketFlagEndpoint(
        load(flag("flag_123", trafficPercentage=11)), authorise=lambda request: True, context=context
    )
    for _ in range(2):
        answer = endpoint.answer("GET", "/v1/flags/flag_123", "targetingKey=user-42")
        assert (answer.status, json.loads(answer.body)["enabled"]) == (200, True)
        assert over_asgi(endpoint, b"targetingKey=user-42")[1]["enabled"] is True
    assert caplog.text.count("the session store is away") == 1


@pytest.mark.parametrize("answer", [None, ["no mapping"], 7])
def test_a_context_callable_may_have_nothing_to_say(answer: Any) -> None:
    """None, or what is no mapping, is no attributes."""
    flags = load(flag("flag_123", trafficPercentage=11))
    endpoint = RocketFlagEndpoint(flags, authorise=lambda request: True, context=lambda request: answer)
    assert endpoint.answer("GET", "/v1/flags/flag_123", "targetingKey=user-42").status == 200


def test_async_hooks_are_awaited_under_asgi() -> None:
    """`context` and `authorise` may be coroutine functions there; a "no" that is awaited stays a no."""
    flags = load(flag("flag_123", trafficPercentage=11))
    trusted = [True]

    async def context(request: Any) -> Any:
        await asyncio.sleep(0)
        return {"targetingKey": "user-42"}

    async def authorise(request: Any) -> bool:
        await asyncio.sleep(0)
        return trusted[0]

    endpoint = RocketFlagEndpoint(flags, authorise=authorise, context=context)
    assert over_asgi(endpoint) == (200, {"name": "Flag flag_123", "enabled": True, "id": "flag_123"})
    trusted[0] = False
    assert over_asgi(endpoint)[0] == 404


def test_an_async_context_is_refused_in_words_where_nothing_awaits() -> None:
    """Under WSGI its attributes could never come: that is a wrong setting, not a subject without attributes."""

    async def context(request: Any) -> Any:
        return {"targetingKey": "user-42"}

    endpoint = RocketFlagEndpoint(load(flag("a")), allow=["a"], context=context)
    with pytest.raises(ConfigurationError, match="context is asynchronous"):
        endpoint.answer("GET", "/v1/flags/a")


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("POST", "/v1/flags/a", "", 405),
        ("GET", "/v1/flags/", "", 404),
        ("GET", "/", "", 404),
        ("GET", "/v1/flags/a", "x" * 9000, 414),
        ("GET", "/v1/flags/a", "&".join(f"a{number}=1" for number in range(200)), 400),
        ("HEAD", "/v1/flags/a", "", 200),
        ("GET", "/prefix/v1/flags/a", "", 200),
    ],
)
def test_odd_requests_get_an_answer(method: str, path: str, query: str, status: int) -> None:
    """Methods, paths and queries that an SDK never sends end in a status, never an exception; nothing is cached."""
    endpoint = RocketFlagEndpoint(load(flag("a")), allow=["a"])
    answer = endpoint.answer(method, path, query)
    assert answer.status == status
    assert ("Cache-Control", "private, no-cache") in answer.headers


def test_asgi_mount_answers_alike() -> None:
    """The ASGI application sends what :meth:`answer` says."""
    endpoint = RocketFlagEndpoint(load(flag("flag_123", trafficPercentage=11)), authorise=lambda scope: True)
    told = {"name": "Flag flag_123", "enabled": True, "id": "flag_123"}
    assert over_asgi(endpoint, b"targetingKey=user-42") == (200, told)


def test_ten_megabytes_load() -> None:
    """A payload of 10 MB, most of it cohorts, is read like any other, and each flag decides."""
    cohorts = [f"cohort-{number:012d}" for number in range(1_000)]
    flags = load(*(flag(f"flag-{number}", cohorts=cohorts) for number in range(450)))
    assert len(json.dumps([flag("f", cohorts=cohorts)])) * 450 > 10_000_000
    assert flags.is_enabled("flag-449", Context(cohort="cohort-000000000999"))
    assert not flags.is_enabled("flag-449", Context(cohort="cohort-x"))
