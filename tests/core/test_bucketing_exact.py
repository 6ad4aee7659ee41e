"""The quick arithmetic of thresholds and cuts against the definition in fractions."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from flagmiddleware.bucketing import BUCKETS, cuts, threshold


@given(st.decimals(0, 100, places=12))
def test_a_threshold_is_the_floor_of_its_share(percent: Decimal) -> None:
    """threshold(p) is floor(p / 100 * 2**32), computed without rounding."""
    assert threshold(percent) == Fraction(percent) * BUCKETS // 100


@given(st.lists(st.one_of(st.integers(0, 10**9), st.floats(0, 1e6)), min_size=1).filter(any))
def test_cuts_are_the_floors_of_the_cumulative_shares(weights: list[int | float]) -> None:
    """cuts(weights) are floor(cumulative / total * 2**32), whole weights or not, and the last is 2**32."""
    exact = [Fraction(str(weight)) for weight in weights]
    wanted = [part * BUCKETS // sum(exact) for part in accumulate(exact)]
    assert list(cuts(weights)) == [*wanted[:-1], BUCKETS]
