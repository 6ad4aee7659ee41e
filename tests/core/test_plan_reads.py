"""Which attributes a flag may read is worked out once for each flag, and never for names that nobody defined."""

from __future__ import annotations

from flagmiddleware import Flags
from flagmiddleware.plan import Plan


def document(*countries: str) -> dict[str, object]:
    rules = [{"if": {"country": list(countries)}, "rollout": "10%"}]
    return {
        "version": 1,
        "flags": {
            "base": {"rules": rules},
            "top": {"requires": {"base": True}, "rules": [{"if": {"plan": "pro"}, "serve": True}]},
            "dead": {"enabled": False, "rules": rules},
        },
    }


WANTED = {
    "base": frozenset({"country", "targeting_key"}),
    "top": frozenset({"country", "targeting_key", "plan"}),
    "dead": frozenset(),
}


def test_what_is_kept_is_what_is_found() -> None:
    """The second answer is the very object of the first, and both are what walking the rules finds."""
    plan = Flags(document("AU")).plan
    for key, wanted in WANTED.items():
        assert plan.reads(key) == wanted == plan._find_reads(key)
        assert plan.reads(key) is plan.reads(key)


def test_unknown_keys_are_not_kept() -> None:
    """A key that is made of what a visitor sent costs no memory: no more is kept than there are flags."""
    plan = Flags(document("AU")).plan
    for number in range(1_000):
        assert plan.reads(f"no-such-{number}") == frozenset()
    for key in WANTED:
        plan.reads(key)
    assert set(plan._reads) == set(WANTED)


def test_a_new_plan_finds_out_for_itself() -> None:
    """A plan that takes over compiled functions takes over no reads: a prerequisite may read something else now."""
    old = Flags(document("AU")).plan
    assert old.reads("top") == WANTED["top"]
    changed = document("AU")
    changed["flags"]["base"] = {"rules": [{"if": {"email": "x"}, "serve": True}]}  # type: ignore[index]
    new = Plan(Flags(changed).ruleset, old.instant, old)
    assert new.reads("top") == {"email", "plan"}
