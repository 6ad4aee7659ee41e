"""Unleash's client specification, case by case."""

from __future__ import annotations

import pytest

from tests.dialects.cases import Case
from tests.dialects.conformance_table import folder
from tests.dialects.unleash_cases import cases

CASES = list(cases(folder())) if folder().is_dir() else []


@pytest.mark.skipif(not CASES, reason="the folder of conformance cases is not here (FLAGMIDDLEWARE_CONFORMANCE)")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file} {case.name}")
def test_unleash_decides_as_its_specification_says(case: Case) -> None:
    """Every case of Unleash's client specification comes out as written."""
    case.run()
