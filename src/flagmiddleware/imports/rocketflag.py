"""RocketFlag's management payload; ``audiences=FILE`` beside it, as for the dialect.

Facts: see ``formats/rocketflag.py``. Its hash ties different flags' subjects together, ours does not. A partial rollout
would put subjects on another side, so it is only moved where ``move`` names the flag (its id, name or new key) or says
"all"; the others stay behind, and their note says how to go on serving them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..formats.rocketflag import wrong
from ..formats.rocketflag_audiences import make_audiences
from .documents import load
from .draft import Draft, FlagDraft, ImportProblem, Kept, Note, kebab, moved_by_rollout, percent
from .shapes import Malformed, alone

__all__ = ["convert"]


def convert(data: bytes, name: str, options: Mapping[str, Any]) -> Draft:
    """The native draft of RocketFlag's flags."""
    document = load(data, name)
    items = document.get("flags") if isinstance(document, Mapping) else None
    if not isinstance(items, list):
        raise ImportProblem(f'{name or "the file"}: expected an object with a list under "flags"')
    if items and not any(isinstance(item, Mapping) and isinstance(item.get("id"), str) for item in items):
        raise ImportProblem(f"{name or 'the file'}: flags[0] has no `id`, which RocketFlag gives each flag")
    audiences = _audiences(options.get("audiences"))
    draft = Draft()
    names = {key: draft.segment(key) for key in audiences}
    for key, audience in audiences.items():
        draft.segments[names[key]] = {"any": [_rule(rule) for rule in audience["rules"]]}
    move = _Move(frozenset(options.get("move") or ()), name)
    for place, item in enumerate(items):
        _flag(draft, item, f"flags[{place}]", names, move)
    move.check()
    return draft


class _Move:
    """Which partial rollouts are moved to our hash; ``file`` is what goes on serving the others."""

    def __init__(self, wanted: frozenset[str], file: str) -> None:
        self.wanted = wanted
        self.file = file
        self._known = {"all"}

    def takes(self, item: Mapping[str, Any]) -> bool:
        """Whether a flag is moved: one that the hash decides for nobody always is."""
        spellings = {str(item.get("id")), str(item.get("name")), kebab(str(item.get("name")))}
        self._known |= spellings
        return not _is_partial(item) or not self.wanted.isdisjoint({"all", *spellings})

    def check(self) -> None:
        """ImportProblem where a flag is wanted that there is not."""
        if unknown := sorted(self.wanted - self._known):
            raise ImportProblem(f"there is no flag {unknown[0]!r} to move; say its id, its name, or all")


def _flag(draft: Draft, item: Any, place: str, audiences: Mapping[str, str], move: _Move) -> None:
    if not (problem := wrong(item)) and not move.takes(item):
        _stay(draft, item, move.file)
        return
    names = [item.get(field) for field in ("name", "id")] if isinstance(item, Mapping) else []
    flag = draft.flag(*[each for each in names if isinstance(each, str)], place)
    with alone(flag, "RocketFlag"):
        if problem:
            raise Malformed(problem)
        flag.exact(f"had the id {item.get('id')!r}: change it where your code names it")
        if item.get("kind") == "groupflag":
            _group(flag, item.get("environments") or {}, audiences)
        else:
            flag.rules += _rules(flag, item, audiences)
            if not item.get("enabled"):
                flag.body["enabled"] = False


def _states(item: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    return (item.get("environments") or {}).values() if item.get("kind") == "groupflag" else (item,)


def _is_partial(item: Mapping[str, Any]) -> bool:
    """Whether the hash decides for anybody: a percentage that is neither all nor nothing, and is reached."""
    return any(
        0 < float(state.get("trafficPercentage") or 0) < 100
        and (state.get("audienceId") is not None or not state.get("cohorts"))
        for state in _states(item)
    )


def _stay(draft: Draft, item: Mapping[str, Any], name: str) -> None:
    partial = [float(state.get("trafficPercentage") or 0) for state in _states(item)]
    share = max(moved_by_rollout(each) for each in partial)
    key = str(item.get("name") or item.get("id"))
    text = (
        f"not moved: our hash would put {100 * share:.3g} % of the subjects on another side. Move it with "
        f"--move {item.get('id')}, or go on serving it from {name or 'this file'} with format=rocketflag"
    )
    draft.notes.append(Note(kebab(key) or key, Kept.LOST, text))


def _audiences(given: Any) -> Mapping[str, Any]:
    if not given:
        return {}
    document = load(Path(given).read_bytes(), str(given)) if not isinstance(given, Mapping) else given
    make_audiences(document)  # which says what is wrong with them
    return document


def _rule(conditions: list[Any]) -> Any:
    parts = [{one["attribute"]: {one["operator"]: list(one["values"])}} for one in conditions]
    return parts[0] if len(parts) == 1 else {"all": parts}


def _group(flag: FlagDraft, environments: Mapping[str, Any], audiences: Mapping[str, str]) -> None:
    flag.body["environments"] = {
        name: {"enabled": bool(state.get("enabled")), "rules": _rules(flag, state, audiences)}
        for name, state in environments.items()
    }


def _rules(flag: FlagDraft, state: Mapping[str, Any], audiences: Mapping[str, str]) -> list[dict[str, Any]]:
    cohorts, audience = state.get("cohorts") or [], state.get("audienceId")
    percentage = float(state.get("trafficPercentage") or 0)
    gate = {"serve": True} if percentage >= 100 else {"rollout": percent(percentage)}
    rules: list[dict[str, Any]] = []
    if cohorts:
        rules.append({"name": "cohort", "if": {"cohort": cohorts}, "serve": True})
    if audience is not None and audience not in audiences:
        flag.lost(f"audience {audience!r} is not in that API: declare it in a file and give --audiences FILE")
    elif audience is not None:
        rules.append({"name": "audience", "if": {"segment": audiences[audience]}, **gate})
    elif not cohorts:
        rules.append(gate)
    if 0 < percentage < 100 and rules and "rollout" in rules[-1]:
        flag.reshuffles(
            moved_by_rollout(percentage),
            f"{percent(percentage)}: moved from RocketFlag's FNV-1a hash, which ties flags together, to ours. "
            "To move nobody, leave --move out and keep serving it with format=rocketflag",
        )
    return rules
