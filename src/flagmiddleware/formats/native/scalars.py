"""The small grammars of the flag file: percentages, instants, dates and keys."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any, Final

from ...bucketing import threshold
from ...conditions import instant
from ...model import Share
from ..words import expected, show

__all__ = ["DATE", "INSTANT", "KEY", "PERCENT", "is_date", "read_instant", "read_share"]

KEY: Final = r"[a-z0-9]+(-[a-z0-9]+)*"
PERCENT: Final = r"(100(\.0{1,12})?|[0-9]{1,2}(\.[0-9]{1,12})?)%"
DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
INSTANT: Final = DATE + r"[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"

_percent = re.compile(PERCENT).fullmatch
_date = re.compile(DATE).fullmatch
_instant = re.compile(INSTANT).fullmatch
_bare = re.compile(r"([0-9]{1,3}(?:\.[0-9]+)?)( *%)?").fullmatch


def read_share(value: Any) -> tuple[Share | None, str]:
    """A percentage, or what is wrong with it.

    >>> read_share("25%")[0]
    Share(text='25%', threshold=1073741824)
    >>> read_share(0.25)[1]
    '0.25 can be read as 25% or as 0.25%; write "25%" or "0.25%"'
    """
    if value.__class__ is int and 0 <= value <= 100:
        return Share(f"{value}%", threshold(Decimal(value))), ""
    if value.__class__ is str and _percent(value):
        return Share(value, threshold(Decimal(value[:-1]))), ""
    return None, _doubt(value) or expected('a percentage from 0% to 100%, such as "25%" or 25', value)


def _doubt(value: Any) -> str:
    text = value if isinstance(value, str) else format(value, "g") if value.__class__ is float else ""
    match = _bare(text)
    if match is None or Decimal(match[1]) > 100:
        return ""
    if match[2]:
        return f'{show(value)} is not how a percentage is written; write "{match[1]}%"'
    number = Decimal(match[1])
    plain, scaled = _short(number), _short(number * 100)
    if number > 1 or not number:
        return f'{show(value)} has no percent sign; write "{plain}%"'
    return f'{show(value)} can be read as {scaled}% or as {plain}%; write "{scaled}%" or "{plain}%"'


def _short(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def read_instant(value: Any) -> tuple[float | None, str]:
    """A point in time, or what is wrong with it.

    >>> read_instant("2026-12-01T00:00:00+11:00")[0]
    1796043600.0
    >>> read_instant("2026-12-01T00:00:00")[1]
    '"2026-12-01T00:00:00" does not say in which zone; add Z or an offset, such as "2026-12-01T00:00:00+11:00"'
    """
    if value.__class__ is str:
        found = instant(value) if _instant(value) else None
        if found is not None:
            return found, ""
        if _instant(f"{value}Z"):
            return None, f'{show(value)} does not say in which zone; add Z or an offset, such as "{value}+11:00"'
    return None, expected('a date and time with an offset, such as "2026-12-01T09:00:00+11:00"', value)


def is_date(value: Any) -> bool:
    """Whether this is a day of the calendar, as text.

    >>> is_date("2027-03-31"), is_date("2027-02-30")
    (True, False)
    """
    if value.__class__ is not str or not _date(value):
        return False
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True
