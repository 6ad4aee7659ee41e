"""flagd's own cases: the testbed in both bucketings, and what its schemas accept and refuse."""

from __future__ import annotations

import pytest

from tests.dialects.cases import Case
from tests.dialects.conformance_table import folder
from tests.dialects.flagd_cases import cases

CASES = list(cases(folder())) if folder().is_dir() else []


@pytest.mark.skipif(not CASES, reason="the folder of conformance cases is not here (FLAGMIDDLEWARE_CONFORMANCE)")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file}[{case.mode}] {case.name}")
def test_flagd_decides_as_its_testbed_says(case: Case) -> None:
    """Every row of flagd's testbed and every file of its schemas comes out as marked."""
    if case.skip:
        pytest.skip(case.skip)
    case.run()
