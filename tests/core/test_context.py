"""The evaluation context: who is asking, and what was read of it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from flagmiddleware import Context
from flagmiddleware.context import EMPTY, LazyContext


def test_user_and_targeting_key_stand_in_for_each_other() -> None:
    """Only one of the two has to be given; given both, each keeps its own."""
    assert Context("user-42")["user"] == "user-42"
    assert Context(user="user-42").targeting_key == "user-42"
    both = Context("visitor-1", user="user-42")
    assert (both.targeting_key, both["user"]) == ("visitor-1", "user-42")


def test_attributes_come_from_a_mapping_and_from_keywords() -> None:
    """Names that are no identifiers go into the mapping."""
    context = Context("user-42", {"session.theme": "dark", "plan": "free"}, plan="pro")
    assert context == {"user": "user-42", "session.theme": "dark", "plan": "pro"}


def test_a_missing_attribute_reads_as_none_and_is_not_invented() -> None:
    """Reading leaves a hand-made context as it was."""
    context = Context("user-42")
    assert context["country"] is None
    assert "country" not in context


@pytest.mark.parametrize(
    ("email", "domain"),
    [("ann@YourCompany.com", "yourcompany.com"), ('"a@b"@c.org', "c.org"), ("ann", None), (None, None), (7, None)],
)
def test_the_email_domain_follows_from_the_email(email: object, domain: str | None) -> None:
    """As on the web, so that a hand-made context and a request agree."""
    assert Context(email=email)["email_domain"] == domain


def test_a_lazy_context_resolves_once_and_remembers() -> None:
    """What was asked for is in the dict afterwards, None for what is missing; nothing else is."""
    calls: list[str] = []

    def country(context: LazyContext) -> str:
        calls.append("country")
        return "AU"

    context = LazyContext({"country": country})
    assert (context["country"], context["country"], context["plan"]) == ("AU", "AU", None)
    assert calls == ["country"]
    assert dict(context) == {"country": "AU", "plan": None}


def test_a_lazy_context_resolves_its_targeting_key_and_what_that_reads() -> None:
    """The keys present afterwards name everything that the decision depended on."""
    context = LazyContext({"user": lambda _: None, "visitor": lambda _: "v-1", "targeting_key": _key})
    assert context.encode_key() == b"v-1"
    assert set(context) == {"user", "visitor", "targeting_key"}


def _key(context: Any) -> Any:
    return context["user"] or context["visitor"]


@pytest.mark.parametrize("key", ["user-42", 42, None])
def test_dump_and_load_carry_the_key_and_the_named_attributes_only(key: object) -> None:
    """What a queue carries is what was asked for, and no secret beside it."""
    context = Context(key, plan="pro", email="ann@yourcompany.com")
    dumped = context.dump("plan")
    assert dumped == {"targeting_key": key, "attributes": {"plan": "pro"}}
    loaded = Context.load(dumped)
    assert (loaded.targeting_key, loaded["plan"], loaded["email"]) == (key, "pro", None)


def test_the_empty_context_has_no_key() -> None:
    """Nobody in particular has no bucket."""
    assert EMPTY.encode_key() == b""


def test_a_uuid_is_kept_as_it_is_and_hashed_as_its_text() -> None:
    """Django's primary keys need no conversion by the site."""
    assert Context(UUID(int=7)).encode_key() == str(UUID(int=7)).encode()
