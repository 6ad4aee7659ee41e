"""OFREP: what callers may see and say, and how the answers are shaped."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flagmiddleware import Context, Flags
from flagmiddleware.errors import ConfigurationError
from flagmiddleware.formats import flagd
from flagmiddleware.ofrep import Ofrep, OfrepRequest, OfrepResponse

ONE = "/ofrep/v1/evaluate/flags/"
ALL = "/ofrep/v1/evaluate/flags"
FLAGS = Flags(
    {
        "version": 1,
        "flags": {
            "beta": {"public": True, "rules": [{"if": {"plan": "pro"}, "serve": True}]},
            "mine": {"public": True, "rules": [{"if": {"user": "ann"}, "serve": True}]},
            "half": {"public": True, "rules": [{"rollout": "50%"}]},
            "secret": {"rules": [{"serve": True}]},
        },
    }
)


def body(**context: Any) -> bytes:
    """A request's body."""
    return json.dumps({"context": context}).encode()


def post(ofrep: Ofrep, path: str, data: bytes, **more: Any) -> tuple[int, Any, OfrepResponse]:
    """Ask, and read the answer."""
    response = ofrep.respond(OfrepRequest("POST", path, data, "application/json", **more))
    return response.status, json.loads(response.body or b"null"), response


def test_a_private_flag_and_an_unknown_one_answer_alike() -> None:
    """An unauthorised caller cannot tell a flag that is not public from one that does not exist."""
    ofrep = Ofrep(FLAGS)
    secret, unknown = (post(ofrep, ONE + key, body(targetingKey="a"))[:2] for key in ("secret", "nobody"))
    assert secret[0] == unknown[0] == 404
    assert {**secret[1], "key": ""} == {**unknown[1], "key": ""}
    assert [flag["key"] for flag in post(ofrep, ALL, body(targetingKey="a"))[1]["flags"]] == ["beta", "mine", "half"]


def test_authorised_callers_see_every_flag_and_speak_for_their_subject() -> None:
    """``authorise`` opens private flags and takes the whole context from the caller."""
    ofrep = Ofrep(FLAGS, authorise=lambda request: request == "token")
    status, answer, _ = post(ofrep, ONE + "secret", body(targetingKey="a"), original="token")
    assert (status, answer["value"]) == (200, True)
    assert post(ofrep, ONE + "mine", body(targetingKey="ann"), original="token")[1]["value"] is True
    assert post(ofrep, ONE + "secret", body(targetingKey="a"), original="other")[0] == 404


def test_an_awaitable_yes_is_refused_where_nobody_awaits_it() -> None:
    """An async ``authorise`` under a synchronous server must not count as true."""

    async def authorise(request: Any) -> bool:
        return False

    with pytest.raises(ConfigurationError, match="asynchronous"):
        post(Ofrep(FLAGS, authorise=authorise), ONE + "secret", body(targetingKey="a"))


def test_clients_supply_only_the_attributes_on_the_list() -> None:
    """Without ``client_attributes`` a client's context is ignored, the targeting key included."""
    asked = body(targetingKey="user-1", plan="pro", user="ann")
    closed, opened = Ofrep(FLAGS), Ofrep(FLAGS, client_attributes=["plan", "targetingKey"])
    assert post(closed, ONE + "beta", asked)[1]["value"] is False
    assert post(opened, ONE + "beta", asked)[1]["value"] is True
    assert post(closed, ONE + "half", asked)[1]["metadata"]["errorCode"] == "TARGETING_KEY_MISSING"
    assert post(opened, ONE + "half", asked)[1]["reason"] == "SPLIT"


def test_the_targeting_key_of_a_client_is_not_its_user() -> None:
    """A client that may name its targeting key cannot become a user by it."""
    ofrep = Ofrep(FLAGS, client_attributes=["targetingKey"])
    assert post(ofrep, ONE + "mine", body(targetingKey="ann"))[1]["value"] is False


def test_what_the_server_derives_wins() -> None:
    """Where the request's own context has an attribute or a key, the client's word does not count."""
    ofrep = Ofrep(FLAGS, client_attributes=["plan", "targetingKey", "user"])
    here = FLAGS.bind(Context("ann", plan="free"))
    asked = body(targetingKey="someone", plan="pro", user="bob")
    assert post(ofrep, ONE + "beta", asked, here=here)[1]["value"] is False
    assert post(ofrep, ONE + "mine", asked, here=here)[1]["value"] is True
    assert post(ofrep, ONE + "mine", body(), here=here)[0] == 200


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"", 400, "PARSE_ERROR"),
        (b"[" * 100_00, 400, "PARSE_ERROR"),
        (b"\xff", 400, "PARSE_ERROR"),
        (b"[]", 400, "INVALID_CONTEXT"),
        (b'{"context": 1}', 400, "INVALID_CONTEXT"),
        (b'{"context": {"targetingKey": 1}}', 400, "INVALID_CONTEXT"),
        (b'{"context": {}}', 400, "TARGETING_KEY_MISSING"),
        (b" " * 70_000, 413, "GENERAL"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong_with_it(data: bytes, status: int, code: str) -> None:
    """Malformed, incomplete and oversized bodies answer with OFREP's error shape."""
    for path in (ONE + "beta", ALL):
        found, answer, _ = post(Ofrep(FLAGS), path, data)
        assert (found, answer["errorCode"]) == (status, code)
        assert answer.get("key") == ("beta" if path != ALL else None)


def test_a_key_may_look_like_a_path() -> None:
    """What stands behind the first endpoint in the path is the key, whatever it holds."""
    asked = body(targetingKey="a")
    assert (
        post(Ofrep(FLAGS), "/api/v1" + ONE + "a/v1/evaluate/flags/b%0Ac", asked)[1]["key"] == "a/v1/evaluate/flags/b\nc"
    )


def test_wrong_paths_methods_and_types_are_refused() -> None:
    """404, 405 with Allow, and 415."""
    ofrep = Ofrep(FLAGS)
    assert ofrep.respond(OfrepRequest("POST", "/ofrep/v2/evaluate/flags", body())).status == 404
    refused = ofrep.respond(OfrepRequest("GET", ALL))
    assert refused.status == 405
    assert ("Allow", "POST") in refused.headers
    assert ofrep.respond(OfrepRequest("POST", ALL, body(targetingKey="a"), "text/plain")).status == 415


def test_a_bulk_answer_is_not_sent_twice() -> None:
    """The same flags for the same subject have the same entity tag, and If-None-Match then gets 304 without a body."""
    ofrep = Ofrep(FLAGS, client_attributes=["plan"])
    headers = dict(post(ofrep, ALL, body(targetingKey="a"))[2].headers)
    assert headers["Cache-Control"] == "private, no-cache"
    status, answer, again = post(ofrep, ALL, body(targetingKey="a"), if_none_match=headers["ETag"])
    assert (status, answer, dict(again.headers)["ETag"]) == (304, None, headers["ETag"])
    assert post(ofrep, ALL, body(targetingKey="a", plan="pro"), if_none_match=headers["ETag"])[0] == 200


def test_the_configuration_tells_how_often_to_ask() -> None:
    """The configuration endpoint names the polling interval and answers 304 to its own entity tag."""
    ofrep = Ofrep(FLAGS, poll_ms=5000)
    first = ofrep.respond(OfrepRequest("GET", "/ofrep/v1/configuration"))
    assert json.loads(first.body)["capabilities"]["cacheInvalidation"]["polling"]["minPollingIntervalMs"] == 5000
    tag = dict(first.headers)["ETag"]
    assert ofrep.respond(OfrepRequest("GET", "/ofrep/v1/configuration", if_none_match=tag)).status == 304


def test_a_flag_that_fails_tells_outsiders_nothing_about_its_definition() -> None:
    """An error's details are for authorised callers; a flag that leaves the value to the caller has no value."""
    definitions = {
        "bad": {"state": "ENABLED", "variants": {"on": True}, "targeting": {"$ref": "internal-name"}},
        "none": {"state": "DISABLED", "variants": {"on": True}, "defaultVariant": "on"},
    }
    flags = Flags(flagd.parse(json.dumps({"flags": definitions}).encode()))
    ofrep = Ofrep(flags, authorise=lambda request: True)
    status, answer, _ = post(ofrep, ONE + "bad", body(targetingKey="a"))
    assert (status, answer["errorCode"]) == (400, "PARSE_ERROR")
    assert "internal-name" in answer["errorDetails"]
    assert post(ofrep, ONE + "none", body(targetingKey="a"))[1] == {"key": "none", "reason": "DISABLED"}


def test_a_list_of_names_is_no_text() -> None:
    """``client_attributes="plan"`` would otherwise allow the attributes p, l, a and n."""
    with pytest.raises(ConfigurationError, match="client_attributes"):
        Ofrep(FLAGS, client_attributes="plan")
