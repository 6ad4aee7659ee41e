"""A plan as a comment on a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Final

from ..bucketing import BUCKETS
from .judge import Verdict
from .plan import PlannedFlag, ReleasePlan
from .shares import format_fraction

__all__ = ["exposure_line", "render_markdown"]

MARKER = "<!-- flags plan -->"
"""Starts the comment, so that the next run finds it and writes over it."""


_ROOM: Final = 60_000
"""Characters for the sections: GitHub takes no comment of more than 65,536, the head included."""


def exposure_line(flag: PlannedFlag) -> str:
    """The public's exposure, before and after."""
    if flag.everyone.is_computed:
        return "exposure: decided by the dialect's own functions; give a --population"
    before, after = (format_fraction(Fraction(share, BUCKETS)) for share in flag.exposure)
    of = f" of those whom {' and '.join(flag.behind)} let{'s' if len(flag.behind) == 1 else ''} through"
    beside = f" (everyone else has {flag.beside}, not off)" if flag.beside else ""
    return f"exposure {before} → {after}{of if flag.behind else ''}{beside}"


def render_markdown(plan: ReleasePlan) -> str:
    """The plan in Markdown: a verdict first, then a section a flag, those that break the policy first.

    Of a plan that is longer than a comment may be, the last sections are left out, and said to be.
    """
    place = f" in {plan.environment}" if plan.environment else ""
    out = [MARKER, f"## Flags plan{place}", ""]
    if plan.policy:
        out += ["The policy changes, for all that comes after:", ""]
        out += [*map(_verdict, plan.policy), ""]
    if not plan.flags:
        return "\n".join([*out, "No flag changes what it decides.", ""])
    broken = sum(flag.breaks for flag in plan.flags)
    head = f"❌ {broken} of {len(plan.flags)} break the policy." if broken else "✅ Every step keeps to the policy."
    out += [head, "", *_sections(sorted(plan.flags, key=lambda flag: not flag.breaks))]
    return "\n".join(out).rstrip() + "\n"


def _sections(flags: Sequence[PlannedFlag]) -> Iterator[str]:
    room = _ROOM
    for place, flag in enumerate(flags):
        section = "\n".join(_section(flag))
        room -= len(section) + 1
        if room < 0:
            yield f"… and {len(flags) - place} more, for which a comment has no room: `flags plan` tells of them all."
            return
        yield section


def _section(flag: PlannedFlag) -> Iterator[str]:
    title = _safe(flag.title).replace("`", "'")
    yield f"### {'❌ ' if flag.breaks else ''}`{title}` — {flag.kind}, {_safe(exposure_line(flag))}"
    yield ""
    yield f"- before: {_safe(flag.old)}"
    yield f"- after: {_safe(flag.new)}"
    if flag.because:
        yield f"- why it is here: {_safe(flag.because)}"
    for text in flag.reshuffles:
        yield f"- 🔴 **reshuffle**: {_safe(text)}"
    yield from map(_verdict, flag.verdicts)
    yield ""
    yield from _table(flag)
    yield ""


def _verdict(verdict: Verdict) -> str:
    return f"- {'❌' if verdict.breaks else 'ℹ️'} {_safe(verdict.text)}"


def _table(flag: PlannedFlag) -> Iterator[str]:
    yield "| who | before | after | gains | loses | flips |"
    yield "|---|--:|--:|--:|--:|--:|"
    for cohort in flag.cohorts:
        shares = (cohort.before, cohort.after, cohort.gains, cohort.loses, cohort.flips)
        cells = ["?"] * 5 if cohort.is_computed else [format_fraction(share) for share in shares]
        yield f"| {_safe(cohort.words)} | {' | '.join(cells)} |"
    if flag.impact is None:
        return
    yield ""
    yield "| users | count | before | after | gains | loses | flips |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name, found in (("all", flag.impact.total), *flag.impact.segments.items()):
        cells = [f"{n:,}" for n in (found.users, found.before, found.after, found.gains, found.loses, found.flips)]
        yield f"| {_safe(name)} | {' | '.join(cells)} |"
    if flag.impact.who:
        yield ""
        yield "<details><summary>who</summary>"
        yield ""
        yield from (_safe(f"- {user} {kind}: {was} → {will}") for user, kind, was, will in flag.impact.who)
        yield ""
        yield "</details>"


def _safe(text: str) -> str:
    for mark, safe in (("&", "&amp;"), ("<", "&lt;"), ("|", "\\|"), ("@", "@\u200b"), ("\n", " ")):
        text = text.replace(mark, safe)
    return text
