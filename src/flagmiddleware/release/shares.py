"""Percentages as people write and read them, over the exact bucket counts that flags decide by."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from typing import Final

from ..bucketing import BUCKETS, threshold
from ..clock import share_at
from ..model import Ramp, Rollout, Share

__all__ = ["as_text", "format_fraction", "format_share", "parse_percent", "threshold_at"]

_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)\s*%")


def parse_percent(text: str) -> Share:
    """The share that a person typed: ``5%``, ``0.5 %``.

    >>> parse_percent("25%").threshold == 2**30
    True
    """
    found = _PERCENT.fullmatch(text.strip())
    if found is None or Decimal(found[1]) > 100:
        raise ValueError(f"expected a percentage from 0% to 100%, such as 5%, found {text!r}")
    number = found[1].lstrip("0") or "0"
    number = f"0{number}" if number.startswith(".") else number
    return Share(f"{number}%", threshold(Decimal(number)))


def format_share(share: Share) -> str:
    """The share as written, with the space that percentages are set with.

    >>> format_share(parse_percent("25%"))
    '25 %'
    """
    text = share.text.replace("%", "").strip()
    return f"{text} %" if text else format_fraction(Fraction(share.threshold, BUCKETS))


def format_fraction(fraction: Fraction) -> str:
    """A fraction in percent: as many digits as it takes to tell it from its neighbours, six at most.

    >>> format_fraction(Fraction(1, 4)), format_fraction(Fraction(1, 3)), format_fraction(Fraction(1, 10**9))
    ('25 %', '33.3333 %', '<0.0001 %')
    """
    if 0 < fraction < Fraction(1, 10**6):
        return "<0.0001 %"
    # A threshold is rounded down to a whole bucket: 1 % is 0.99999998 % of them. Four digits say what was meant.
    text = f"{float(fraction * 100):.4f}".rstrip("0").rstrip(".")
    return f"{text} %"


def threshold_at(gate: Rollout | Ramp | None, now: float) -> int:
    """How many buckets a gate lets in at ``now``; all of them where there is no gate.

    >>> threshold_at(None, 0.0) == 2**32
    True
    """
    if gate is None:
        return BUCKETS
    return gate.share.threshold if isinstance(gate, Rollout) else share_at(gate, now)


def as_text(gate: Rollout | Ramp | None, buckets: int, now: float) -> str:
    """What a gate lets in at ``now``, ``buckets`` of them, as it is written in a file.

    >>> as_text(Rollout(parse_percent("5%")), parse_percent("5%").threshold, 0.0), as_text(None, 2**32, 0.0)
    ('5%', '100%')
    """
    texts = [gate.share] if isinstance(gate, Rollout) else []
    if isinstance(gate, Ramp):
        texts = [step.to for step in gate.steps if step.at <= now][-1:]
    written = next((share.text for share in texts if share.threshold == buckets and share.text), "")
    return written or f"{float(Fraction(buckets, BUCKETS) * 100):.6f}".rstrip("0").rstrip(".") + "%"
