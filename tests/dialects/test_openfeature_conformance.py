"""The evaluation rows of OpenFeature's specification."""

from __future__ import annotations

import pytest

from tests.dialects.cases import Case
from tests.dialects.conformance_table import folder
from tests.dialects.openfeature_cases import cases

CASES = list(cases(folder())) if folder().is_dir() else []


@pytest.mark.skipif(not CASES, reason="the folder of conformance cases is not here (FLAGMIDDLEWARE_CONFORMANCE)")
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.file} {case.name}")
def test_the_provider_resolves_as_the_specification_says(case: Case) -> None:
    """Every evaluation row of the specification holds through FlagMiddlewareProvider."""
    if case.skip:
        pytest.skip(case.skip)
    case.run()
