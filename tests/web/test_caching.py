"""Vary and Cache-Control: merging, overruling, clamping."""

from __future__ import annotations

from email.utils import formatdate, parsedate_to_datetime
from time import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware import Context, Flags
from flagmiddleware.web.caching import PRIVATE, cache_key, clamp, make_policy, merge_vary, patch
from flagmiddleware.web.headers import PairHeaders

TOKENS = st.sampled_from(["public", "private", "no-cache", "max-age=60", "s-maxage=600", "immutable", 'private="x, y"'])


def patched(
    *pairs: tuple[str, str], private: bool = True, no_store: bool = False, until: float | None = None
) -> dict[str, str]:
    """What patch makes of these headers."""
    view = PairHeaders(list(pairs))
    patch(view, PRIVATE if private else make_policy(), no_store=no_store, until=until)
    return dict(view.pairs)


def test_merge_vary_keeps_order_and_stars() -> None:
    """Names are added once, whatever their case; ``*`` says everything already."""
    assert merge_vary(None, ["Host", "host"]) == "Host"
    assert merge_vary("Origin", ["Cookie", "ORIGIN"]) == "Origin, Cookie"
    assert merge_vary("Origin, *", ["Cookie"]) == "*"


def test_private_overrules_everything_shared() -> None:
    """No header that speaks to shared caches survives on a private answer."""
    headers = patched(
        ("Cache-Control", "public, s-maxage=600, max-age=60, must-revalidate"),
        ("CDN-Cache-Control", "max-age=600"),
        ("Surrogate-Control", "max-age=600"),
        ("X-Accel-Expires", "600"),
    )
    assert headers == {"Vary": "Cookie", "Cache-Control": "private, max-age=60, must-revalidate"}


def test_no_store_for_overrides() -> None:
    """An answer that a QA link changed is kept nowhere."""
    assert (
        patched(("Cache-Control", "public, max-age=60, immutable"), no_store=True)["Cache-Control"]
        == "private, no-store"
    )


@given(st.lists(TOKENS))
def test_private_law(directives: list[str]) -> None:
    """Law: a private answer says private once and never public or s-maxage; doing it twice changes nothing."""
    once = patched(("Cache-Control", ", ".join(directives)))["Cache-Control"]
    assert once.split(", ").count("private") == 1
    assert "public" not in once
    assert "s-maxage" not in once
    assert patched(("Cache-Control", once))["Cache-Control"] == once


@pytest.mark.parametrize(
    ("value", "seconds", "expected"),
    [
        ("max-age=60", 100, "max-age=60"),
        ("max-age=60", 30, "max-age=30"),
        ("public, max-age=10, s-maxage=600", 60, "public, max-age=10, s-maxage=60"),
        ("max-age=31536000, immutable", 60, "max-age=60"),
        ("max-age=10, stale-while-revalidate=600", 60, "max-age=10"),
        ('max-age="600"', 60, "max-age=60"),
        ("no-cache", 60, "no-cache"),
        ("max-age=nonsense", 60, "max-age=nonsense"),
        ("max-age=99999999999999999999", 60, "max-age=60"),
    ],
)
def test_clamp(value: str, seconds: int, expected: str) -> None:
    """Ages that outlive the next boundary are cut; what needs no cut is left as it is written."""
    assert clamp(value, seconds) == expected


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6))
def test_clamp_law(age: int, shared: int, seconds: int) -> None:
    """No age is left above the limit, and none is raised."""
    found = dict(part.split("=") for part in clamp(f"max-age={age}, s-maxage={shared}", seconds).split(", "))
    assert int(found["max-age"]) == min(age, seconds)
    assert int(found["s-maxage"]) == min(shared, seconds)


def test_expires_and_nginx_are_clamped() -> None:
    """``Expires`` and nginx's own header do not outlive the boundary either."""
    until = time() + 60
    headers = patched(
        ("Expires", formatdate(time() + 9000, usegmt=True)), ("X-Accel-Expires", "9000"), private=False, until=until
    )
    assert parsedate_to_datetime(headers["Expires"]).timestamp() <= until + 1
    assert int(headers["X-Accel-Expires"]) <= 60


def test_expires_nonsense_is_left() -> None:
    """``Expires: 0``, which many sites send, is no date and stays."""
    assert patched(("Expires", "0"), private=False, until=time() + 5) == {"Expires": "0"}


@given(st.text(max_size=60))
def test_patch_survives_any_cache_control(value: str) -> None:
    """Nothing that a page may put in Cache-Control makes patching fail."""
    patched(("Cache-Control", value), until=time() + 60)


def test_cache_key_follows_variants_only() -> None:
    """Two subjects with the same variants share a cached fragment; others do not."""
    flags = Flags({"version": 1, "flags": {"beta": {"rules": [{"if": {"plan": "pro"}, "serve": True}]}, "live": {}}})
    ann, bob, cem = (
        cache_key(flags.bind(Context(name, plan=plan)), "beta")
        for name, plan in [("ann", "pro"), ("bob", "pro"), ("cem", "free")]
    )
    assert ann == bob
    assert ann != cem
    assert cache_key(flags.bind(), "beta", "live") != cache_key(flags.bind(), "beta")
