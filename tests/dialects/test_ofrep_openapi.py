"""OFREP held against its own OpenAPI document, by schemathesis, over a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, settings

from flagmiddleware import Flags
from tests.dialects.conformance_table import folder
from tests.dialects.ofrep_site import DOCUMENT, TOKEN, serving, site

PATH = folder() / "ofrep" / "openapi.yaml"


def _document(path: Path) -> dict[str, Any]:
    """The document, with two of its schemas made to say what their descriptions say.

    As they stand nothing with a value is valid under the `oneOf` of ``evaluationSuccess``, the document's own examples
    included (see :func:`test_the_document_refuses_its_own_examples`): ``codeDefaultFlag`` asks for nothing and so fits
    every object, and each integer is a number. "This schema has no `value` property", and a float is no integer.
    """
    document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    schemas = document["components"]["schemas"]
    schemas["codeDefaultFlag"]["not"] = {"required": ["value"]}
    schemas["floatFlag"]["properties"]["value"]["not"] = {"type": "integer"}
    return document


def _examples(document: dict[str, Any]) -> Iterator[Any]:
    """Every evaluation with a value that the document shows as a valid answer."""
    for path in document["paths"].values():
        shown = path["post"]["responses"]["200"]["content"]["application/json"]
        examples = [shown["example"]] if "example" in shown else [each["value"] for each in shown["examples"].values()]
        for example in examples:
            yield from (item for item in example.get("flags", [example]) if "value" in item)


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


def test_the_document_refuses_its_own_examples() -> None:
    """Why it cannot be used unchanged: its `oneOf` accepts none of the answers that it shows, and with ours each."""
    plain, mended = yaml.safe_load(PATH.read_text(encoding="utf-8")), _document(PATH)
    examples = list(_examples(plain))
    assert examples
    for document, accepted in ((plain, False), (mended, True)):
        wanted = {**document, "$ref": "#/components/schemas/evaluationSuccess"}
        assert {jsonschema.Draft202012Validator(wanted).is_valid(example) for example in examples} == {accepted}
