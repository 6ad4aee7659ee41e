"""Every operator, by the law of DESIGN's "Comparison"."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from ipaddress import ip_address
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.conditions import OPERATORS, instant
from flagmiddleware.versions import parse_range, parse_version

from .strategies import OPERANDS, Hostile, odd_values


def holds(operator: str, value: Any, operand: Any) -> bool:
    found = OPERATORS[operator]
    return found.test(value, found.prepare(operand))


@pytest.mark.parametrize(
    ("operator", "value", "operand"),
    [
        ("eq", "AU", "AU"),
        ("eq", 1, 1.0),
        ("eq", Decimal("1"), 1),
        ("eq", True, True),
        ("eq", ["NZ", "AU"], "AU"),
        ("eq", "AU", ["AU", "NZ"]),
        ("eq", UUID(int=7), str(UUID(int=7))),
        ("ne", "US", "AU"),
        ("ne", [], "AU"),
        ("ne", ["US", "NZ"], "AU"),
        ("in", {"AU"}, ["AU", "NZ"]),
        ("not_in", "US", ["AU", "NZ"]),
        ("starts_with", "Ann", "A"),
        ("starts_with", "Ann", ["B", "A"]),
        ("ends_with", ["x@a.com", "y@b.com"], "@b.com"),
        ("contains", "checkout", "eck"),
        ("contains", ["beta", "vip"], "vip"),
        ("contains", [1, 2], 2),
        ("matches", "abc123", "[0-9]+$"),
        ("gt", 5, 4.5),
        ("gte", 5, 5),
        ("lt", -1, 0),
        ("lte", Decimal("0.5"), 0.5),
        ("gt", [1, 9], 5),
        ("gt", 3, [10, 2]),
        ("before", "2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z"),
        ("after", datetime(2026, 6, 1, tzinfo=timezone.utc), "2026-05-31T23:59:59+00:00"),
        ("semver", "2.4.0", ">=2.1.0 <3"),
        ("semver", "v1.2", "^1.2.0"),
        ("cidr", "10.1.2.3", "10.0.0.0/8"),
        ("cidr", "::ffff:10.1.2.3", "10.0.0.0/8"),
        ("cidr", "::ffff:10.1.2.3", "::ffff:10.0.0.0/104"),
        ("cidr", ip_address("2001:db8::1"), ["10.0.0.0/8", "2001:db8::/32"]),
        ("exists", "", True),
        ("exists", [], True),
        ("exists", 0, True),
        ("exists", None, False),
    ],
)
def test_matches(operator: str, value: Any, operand: Any) -> None:
    """What each operator is for."""
    assert holds(operator, value, operand)


@pytest.mark.parametrize(
    ("operator", "value", "operand"),
    [
        ("eq", "au", "AU"),
        ("eq", 1, True),
        ("eq", True, 1),
        ("eq", "1", 1),
        ("eq", 1, "1"),
        ("eq", float("nan"), 0),
        ("eq", [], "AU"),
        ("ne", ["AU", "US"], "AU"),
        ("ne", float("nan"), 1.5),
        ("not_in", float("nan"), ["AU", 1]),
        ("ne", Decimal("sNaN"), 0),
        ("not_in", ["AU"], ["AU", "NZ"]),
        ("starts_with", 10, "1"),
        ("contains", 10, 1),
        ("contains", ["vip"], "vi"),
        ("matches", "abc", "^b"),
        ("gt", True, 0),
        ("gt", "5", 4),
        ("gt", float("nan"), 0),
        ("lt", float("nan"), 0),
        ("before", datetime(2020, 1, 1), "2026-01-01T00:00:00Z"),
        ("before", "2020-01-01", "2026-01-01T00:00:00Z"),
        ("semver", "2.4.0.1", ">=2.1.0"),
        ("semver", "2.4.0-01", ">=2.1.0"),
        ("semver", "2.4.0-rc.01", ">=2.1.0"),
        ("semver", 2, ">=2.1.0"),
        ("semver", "3.0.0-rc.1", "^2.0.0"),
        ("cidr", "10.1.2", "10.0.0.0/8"),
        ("exists", None, True),
        ("exists", "x", False),
    ],
)
def test_does_not_match(operator: str, value: Any, operand: Any) -> None:
    """Case, type and absence are never forgiven."""
    assert not holds(operator, value, operand)


@given(st.data(), st.sampled_from(sorted(OPERATORS)))
def test_a_missing_attribute_matches_only_exists_false(data: st.DataObject, operator: str) -> None:
    """Under ne and not_in too."""
    operand = data.draw(OPERANDS[operator])
    assert holds(operator, None, operand) is (operator == "exists" and operand is False)


@given(st.data(), st.sampled_from(sorted(OPERATORS)), odd_values)
def test_a_test_is_total(data: st.DataObject, operator: str, value: Any) -> None:
    """Whatever the value, hostile ones included, a test answers true or false and raises nothing."""
    assert holds(operator, value, data.draw(OPERANDS[operator])) in (True, False)


@given(st.sampled_from(["eq", "in"]), st.lists(st.sampled_from(["AU", 1, 1.5, True]), min_size=1), odd_values)
def test_negations_are_the_opposite_for_what_is_present(operator: str, operand: list[Any], value: Any) -> None:
    """ne and not_in hold exactly where eq and in do not, but for a missing attribute and for NaN."""
    opposite = {"eq": "ne", "in": "not_in"}[operator]
    nothing = value is None or (isinstance(value, float | Decimal) and not Decimal(value).is_finite())
    if not nothing:
        assert holds(operator, value, operand) is not holds(opposite, value, operand)


@pytest.mark.parametrize(
    ("operator", "operand"),
    [
        ("eq", None),
        ("eq", float("nan")),
        ("eq", {"a": 1}),
        ("in", "AU"),
        ("starts_with", 1),
        ("starts_with", []),
        ("matches", "(?=a)"),
        ("matches", "("),
        ("gt", "5"),
        ("gt", True),
        ("before", "2026-01-01"),
        ("before", "tomorrow"),
        ("semver", "latest"),
        ("semver", ""),
        ("cidr", "10.0.0.0/99"),
        ("exists", "yes"),
    ],
)
def test_bad_operands_are_refused_with_what_was_expected(operator: str, operand: Any) -> None:
    """An operand that makes no sense fails at load, in words that say what would."""
    with pytest.raises(ValueError, match="expected"):
        OPERATORS[operator].prepare(operand)


def test_a_huge_pattern_is_refused_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    """RE2 writes a line of its own to standard error for each part of a pattern of megabytes: it is not asked."""
    with pytest.raises(ValueError, match="at most 1,000,000 characters"):
        OPERATORS["matches"].prepare("(a*)*" * 1_000_000)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("operator", "operand"), [("cidr", "1." * 9999), ("matches", "(" * 9999), ("semver", "1 " * 9999 + "x" * 9999)]
)
def test_a_refusal_is_short_however_long_the_operand(operator: str, operand: str) -> None:
    """What another library says of an operand may repeat all of it; a message is for a person."""
    with pytest.raises(ValueError, match="expected") as caught:
        OPERATORS[operator].prepare(operand)
    assert len(str(caught.value)) < 300


def test_precedence_of_versions() -> None:
    """The order of SemVer 2.0.0, section 11."""
    before_rc = [f"1.0.0-{tag}" for tag in ("alpha", "alpha.1", "alpha.beta", "beta", "beta.2", "beta.11")]
    order = [*before_rc, "1.0.0-rc.1", "1.0.0"]
    versions = [parse_version(text) for text in order]
    assert versions == sorted(versions, key=lambda version: version or ())
    assert parse_version("1.0.0+one") == parse_version("1.0.0+two")


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("^0.2.3", "0.2.9", "0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^1", "1.9.9", "2.0.0-rc.1"),
        ("~1.2", "1.2.9", "1.3.0"),
        ("~1", "1.9.0", "2.0.0"),
        (">1.0.0 !=1.5.0 <=2", "2.0.0", "1.5.0"),
        ("= 1.2.3", "1.2.3", "1.2.4"),
    ],
)
def test_ranges(text: str, inside: str, outside: str) -> None:
    """Caret, tilde and sets of comparisons."""

    def within(version: str) -> bool:
        found = parse_version(version)
        assert found is not None
        return all(compare(found, bound) for compare, bound in parse_range(text))

    assert within(inside)
    assert not within(outside)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-12-01T00:00:00+11:00", 1796043600.0),
        ("2026-12-01t00:00:00.25z", 1796083200.25),
        ("2026-12-01T00:00:00.1234567Z", 1796083200.123456),
        ("2026-12-01T00:00:00", None),
        ("2026-12-32T00:00:00Z", None),
        ("2027-W01-1T00:00:00Z", None),
        ("2026-12-01T00:00:00+1100", None),
        ("2026-12-01T00:00:00+11", None),
        ("2026-12-01T00:00:00,5Z", None),
        ("2026-12-01T24:00:00Z", None),
        (Hostile(), None),
    ],
)
def test_instants(text: Any, expected: float | None) -> None:
    """RFC 3339 with an offset, in seconds since 1970; anything else is no instant, whichever Python reads it."""
    assert instant(text) == expected
