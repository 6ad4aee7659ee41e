"""We and Yggdrasil, the engine of Unleash's own SDKs, on the same random payloads and contexts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flagmiddleware import Context, Flags, formats
from flagmiddleware.formats import unleash_variants as ours_variants
from flagmiddleware.formats.unleash_context import draw as real_draw
from tests.dialects.unleash_cases import served
from tests.differential.amount import DECISIONS, MARKS, examples
from tests.differential.unleash_strategies import contexts, payloads

yggdrasil = pytest.importorskip("yggdrasil_engine.engine", reason="the vendor's engine: pip install UnleashClient")
pytestmark = MARKS

CONTEXTS = 6
EXAMPLES = examples(20)  # one makes more than 20 decisions that can be compared


class Both:
    """The same payload in both engines."""

    def __init__(self, payload: dict[str, Any]) -> None:
        data = json.dumps(payload)
        self.theirs = yggdrasil.UnleashEngine()
        self.theirs.take_state(data)
        self.payload = data
        self.ours = Flags(formats.parse(data.encode(), format="unleash"))

    def compare(self, key: str, context: dict[str, Any]) -> bool:
        """Whether the two agree; AssertionError tells how they differ. False: it was decided by a dice."""
        drawn: list[Any] = []

        def recorded(here: Any) -> str:
            drawn.append(here)
            return real_draw(here)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ours_variants, "draw", recorded)
            evaluation = self.ours.evaluate(key, Context(None, context))
        if drawn:
            return False
        enabled = self.theirs.check_enabled(key, context).is_enabled
        variant = self.theirs.check_variant(key, context).variant
        assert evaluation.is_enabled is enabled, (key, context, evaluation, self.payload)
        theirs = {"name": variant.name, "enabled": variant.enabled, "feature_enabled": variant.feature_enabled}
        assert served(evaluation) == theirs, (key, context, evaluation, self.payload)
        return True


@pytest.fixture(scope="module")
def tally() -> dict[str, int]:
    """How many decisions were compared."""
    return {"compared": 0, "dice": 0}


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(payload=payloads(), asked=st.lists(contexts(), min_size=CONTEXTS, max_size=CONTEXTS))
def test_we_decide_as_the_vendors_engine(
    tally: dict[str, int], payload: dict[str, Any], asked: list[dict[str, Any]]
) -> None:
    """Enabled, variant name and variant state agree on every decision that is not a dice's."""
    both = Both(payload)
    for feature in payload["features"]:
        for context in asked:
            tally["compared" if both.compare(feature["name"], context) else "dice"] += 1
    assert both.ours.status.fallbacks == 0


def test_enough_decisions_were_compared(tally: dict[str, int]) -> None:
    """A run that compared less than the issue asks for proves too little."""
    print(f"\nUnleash: {tally['compared']} decisions compared, {tally['dice']} left to a dice")
    assert tally["compared"] >= DECISIONS
