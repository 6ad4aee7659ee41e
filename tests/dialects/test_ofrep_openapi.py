"""OFREP held against its own OpenAPI document, by schemathesis, over a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings

from flagmiddleware import Flags
from tests.dialects.conformance_table import folder
from tests.dialects.ofrep_site import DOCUMENT, TOKEN, serving, site

PATH = folder() / "ofrep" / "openapi.yaml"


def _document(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    # As it stands no answer with a value can be valid: `codeDefaultFlag` (no property is required) fits every object,
    # so an answer with a value always fits two of the `oneOf`, and an integer fits a third one.
    for part in document["components"]["schemas"]["evaluationSuccess"]["allOf"]:
        if "oneOf" in part:
            part["anyOf"] = part.pop("oneOf")
    # And an item of a bulk answer that fits one of the two may fit the other by its bare key.
    items = document["components"]["schemas"]["bulkEvaluationSuccess"]["properties"]["flags"]["items"]
    items["anyOf"] = items.pop("oneOf")
    return document


pytestmark = pytest.mark.skipif(
    not PATH.is_file(), reason="the OFREP document is not here (FLAGMIDDLEWARE_CONFORMANCE)"
)
schema = schemathesis.openapi.from_dict(
    _document(PATH) if PATH.is_file() else {"openapi": "3.1.0", "info": {"title": "", "version": "1"}, "paths": {}}
)


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """A running site."""
    with serving(site(Flags(DOCUMENT))) as url:
        yield url


@schema.parametrize()
@settings(
    max_examples=150, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck), deadline=None
)
def test_every_answer_is_one_that_the_document_allows(case: Any, base_url: str) -> None:
    """Valid and invalid requests, authorised or not: status and body are the document's, and nothing is a 500."""
    for headers in ({}, {"Authorization": f"Bearer {TOKEN}"}):
        response = case.call(base_url=base_url, headers=headers)
        assert response.status_code < 500
        case.validate_response(
            response,
            checks=[
                schemathesis.checks.not_a_server_error,
                schemathesis.specs.openapi.checks.response_schema_conformance,
                schemathesis.specs.openapi.checks.content_type_conformance,
            ],
        )
