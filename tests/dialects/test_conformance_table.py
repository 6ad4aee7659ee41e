"""docs/conformance.md tells the truth."""

from __future__ import annotations

import pytest

from tests.dialects.conformance_table import BEGIN, DOCUMENT, END, all_cases, folder, table


@pytest.mark.skipif(
    not folder().is_dir(), reason="the folder of conformance cases is not here (FLAGMIDDLEWARE_CONFORMANCE)"
)
def test_the_table_in_the_docs_is_what_the_cases_give() -> None:
    """The counts that the documentation shows are those of a run; `make conformance` writes them anew."""
    lines, total = table(all_cases())
    written = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert written.strip().splitlines() == lines
    assert total["failed"] == 0
