"""Semantic versions and the ranges that a ``semver`` condition names.

Source: Semantic Versioning 2.0.0, section 11 (precedence). ``^`` and ``~`` follow npm's reading of them. A leading
``v`` and a missing minor or patch number are accepted on both sides; build metadata is ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, TypeAlias

__all__ = ["Range", "parse_range", "parse_version"]

_NUMBER = r"(0|[1-9][0-9]{0,17})"
_BUILD = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_IDENTIFIER = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"  # a number has no leading zeros here, either
_VERSION: Final = re.compile(
    rf"[vV]?{_NUMBER}(?:\.{_NUMBER})?(?:\.{_NUMBER})?(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?(?:\+{_BUILD})?", re.ASCII
)
_COMPARISON: Final = re.compile(r"\s*(<=|>=|!=|=|<|>|\^|~)?\s*([^\s<>=!^~]+)")

Version: TypeAlias = "tuple[int, int, int, tuple[Any, ...]]"
Range: TypeAlias = "tuple[tuple[Callable[[Version, Version], bool], Version], ...]"

_RELEASE: Final = (1,)
_COMPARE: Final = {"=": eq, "!=": ne, "<": lt, "<=": le, ">": gt, ">=": ge}


def _identifier(text: str) -> tuple[int, int, str]:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


def parse_version(text: object) -> Version | None:
    """A version as a tuple that compares by precedence; None for anything that is not a version.

    >>> parse_version("1.2") < parse_version("v1.2.1-rc.1") < parse_version("1.2.1")
    True
    >>> parse_version("one") is None
    True
    """
    match = _VERSION.fullmatch(text) if isinstance(text, str) and len(text) <= 256 else None
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    suffix = (0, *map(_identifier, prerelease.split("."))) if prerelease else _RELEASE
    return int(major), int(minor or 0), int(patch or 0), suffix


def _ceiling(mark: str, text: str, low: Version) -> Version:
    given = text.partition("-")[0].partition("+")[0].count(".") + 1
    release: list[int] = [low[0], low[1], low[2]]
    # "^" holds everything up to and including the first number that is not zero
    leading = next((place + 1 for place in range(given) if release[place]), given)
    numbers = release[: min(given, 2) if mark == "~" else leading]
    numbers[-1] += 1
    major, minor, patch = (*numbers, 0, 0, 0)[:3]
    return major, minor, patch, (0,)  # below every pre-release of the ceiling, so ^1.2 does not let 2.0.0-rc in


def parse_range(text: object) -> Range:
    """What ``">=2.1.0 <3"`` asks for, as comparisons that must all hold; ValueError where it is no such set.

    >>> version = parse_version("2.4.0")
    >>> all(compare(version, bound) for compare, bound in parse_range(">=2.1.0 <3"))
    True
    """
    expected = 'expected comparisons such as ">=2.1.0 <3" (= != < <= > >= ^ ~, separated by spaces)'
    if not isinstance(text, str) or not text.strip() or _COMPARISON.sub("", text).strip():
        raise ValueError(expected)
    found: list[tuple[Callable[[Version, Version], bool], Version]] = []
    for mark, number in _COMPARISON.findall(text):
        low = parse_version(number)
        if low is None:
            raise ValueError(f"{expected}, found {number[:60]!r}")
        if mark in ("^", "~"):
            found += [(ge, low), (lt, _ceiling(mark, number, low))]
        else:
            found.append((_COMPARE[mark or "="], low))
    return tuple(found)
