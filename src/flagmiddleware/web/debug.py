"""The developer's view: what was decided in this request, and where in the code it was asked."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from ..model import Evaluation

__all__ = ["Trace", "TracingMemo", "debug_headers"]

_OURS: Final = str(Path(__file__).resolve().parent.parent)
_LONGEST: Final = 3000
"""Servers and proxies refuse header blocks of 4 or 8 kB."""


class Trace(NamedTuple):
    """One flag, decided: the answer, and the first line outside this package that asked."""

    key: str
    evaluation: Evaluation
    filename: str
    line: int


class TracingMemo(dict[str, Evaluation]):
    """A memo that notes where each flag was first read; takes the place of the plain one while debugging."""

    __slots__ = ("traces",)

    def __init__(self) -> None:
        super().__init__()
        self.traces: list[Trace] = []

    def __setitem__(self, key: str, evaluation: Evaluation) -> None:
        super().__setitem__(key, evaluation)
        self.traces.append(Trace(key, evaluation, *_caller()))

    def update(self, many: Mapping[str, Evaluation], /, **_: Any) -> None:  # type: ignore[override]
        """Note each one."""
        for key, evaluation in many.items():
            self[key] = evaluation


def _caller() -> tuple[str, int]:
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_OURS, "<flag")):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def debug_headers(evaluations: Mapping[str, Evaluation]) -> list[tuple[str, str]]:
    """``X-Flags`` and ``Server-Timing`` for what was read; percent-encoded, and cut off where they get too long.

    >>> debug_headers({"beta": Evaluation(flag_key="beta", variant="on", reason="SPLIT")})[0]
    ('X-Flags', 'beta=on;reason=SPLIT')
    """
    flags: list[str] = []
    timings: list[str] = []
    room = _LONGEST
    for key, found in evaluations.items():
        rule = f";rule={_plain(found.rule)}" if found.rule else ""
        flags.append(f"{_plain(key)}={_plain(found.variant)};reason={found.reason}{rule}")
        timings.append(f'flag;desc="{_plain(key)}={_plain(found.variant)} {found.reason}"')
        room -= len(flags[-1]) + len(timings[-1])
        if room < 0:
            return [("X-Flags", ", ".join([*flags[:-1], "..."])), ("Server-Timing", ", ".join(timings[:-1]))]
    return [("X-Flags", ", ".join(flags)), ("Server-Timing", ", ".join(timings))]


def _plain(text: object) -> str:
    return quote(str(text), safe=":._-", errors="replace")[:200]
