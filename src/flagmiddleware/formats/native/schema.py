"""The JSON Schema of the flag file, generated from its shape: ``python -m flagmiddleware.formats.native.schema``.

``formats/schema.json`` is this, shipped, so that editors complete and check a file. What the parser accepts the
schema accepts. The parser alone refuses what no schema can tell: see docs/reference/flag-file.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from ...conditions import OPERATORS
from .conditions import RESERVED
from .flags import PER_ENVIRONMENT
from .shape import DocumentShape, Instant

__all__ = ["generate"]

Schema = dict[str, Any]

_SCALAR: Final[Schema] = {"type": ["string", "number", "boolean"]}
_MARGINALIA: Final[Schema] = {"^x-": True, "^\\$schema$": True}
_BOOLEAN: Final[Schema] = {"const": {"on": True, "off": False}}


def generate() -> Schema:
    """The schema of a whole file.

    >>> generate()["properties"]["version"]["const"]
    1
    """
    _, shapes = msgspec.json.schema_components([DocumentShape], ref_template="#/$defs/{name}")
    shapes = json.loads(json.dumps(shapes).replace("Shape", ""))
    for shape in shapes.values():
        shape.update(patternProperties=_MARGINALIA, additionalProperties=False)
        if not shape.get("required", True):
            del shape["required"]
    shapes["Condition"] = _condition(shapes["Condition"])
    shapes["Operators"] = _operators()
    _adjust_rule(shapes["Rule"])
    _adjust_flag(shapes["Flag"])
    _adjust_environment(shapes["Environment"])
    shapes["Example"]["properties"]["given"].update(
        propertyNames={"not": {"enum": sorted(RESERVED)}},
        properties={"environment": {"type": "string", "minLength": 1}},
    )
    shapes["Schedule"]["anyOf"] = [{"required": ["from"]}, {"required": ["until"]}]
    document = shapes.pop("Document")
    document["properties"]["version"] = {"description": "The version of this format", "const": 1}
    document["title"] = "flagmiddleware flag file"
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **document, "$defs": shapes}


def _listed(item: Schema) -> Schema:
    return {"anyOf": [item, {"type": "array", "items": item, "minItems": 1}]}


def _condition(described: Mapping[str, Any]) -> Schema:
    this = {"$ref": "#/$defs/Condition"}
    several = {"type": "array", "items": this, "minItems": 1}
    values = _listed(_SCALAR)["anyOf"]
    return {
        "title": described["title"],
        "description": described["description"],
        "type": "object",
        "minProperties": 1,
        "properties": {
            "all": {"description": "Each of these", **several},
            "any": {"description": "At least one of these", **several},
            "not": {"description": "The opposite of this", **this},
            "segment": {
                "description": "In this segment, or in one of these",
                **_listed({"type": "string", "minLength": 1}),
            },
            "targeting_key": False,
        },
        "propertyNames": {"minLength": 1},
        "additionalProperties": {"anyOf": [*values, {"$ref": "#/$defs/Operators"}]},
    }


def _operators() -> Schema:
    text, number = {"type": "string"}, {"type": "number"}
    operands: dict[str, Schema] = {name: _listed(text) for name in OPERATORS}
    operands.update(dict.fromkeys(("eq", "ne", "contains"), _listed(_SCALAR)))
    operands.update(dict.fromkeys(("in", "not_in"), _listed(_SCALAR)["anyOf"][1]))
    operands.update(dict.fromkeys(("gt", "gte", "lt", "lte"), _listed(number)))
    operands.update(dict.fromkeys(("before", "after"), _listed(msgspec.json.schema(Instant))))
    operands["exists"] = {"type": "boolean"}
    return {
        "title": "Operators",
        "description": "Comparisons of one attribute; several mean all of them",
        "type": "object",
        "minProperties": 1,
        "properties": operands,
        "patternProperties": {"^x-": True},
        "not": {"propertyNames": {"pattern": "^x-"}},
        "additionalProperties": False,
    }


def _adjust_rule(rule: Schema) -> None:
    rule["dependentRequired"] = {"linear": ["ramp"]}
    rule["allOf"] = [{"not": {"required": ["serve", "split"]}}, {"not": {"required": ["rollout", "ramp"]}}]


def _one_type(variants: Schema) -> None:
    kinds = ("string", "number", "boolean", "object", "array")
    variants["anyOf"] = [{"additionalProperties": {"type": kind}} for kind in kinds]


def _adjust_flag(flag: Schema) -> None:
    _one_type(flag["properties"]["variants"])
    with_payload = {"anyOf": [{"required": ["serve"]}, {"required": ["split"]}]}
    flag["if"] = {"required": ["variants"], "properties": {"variants": {"not": _BOOLEAN}}}
    flag["then"] = {"required": ["off"], "properties": {"rules": {"items": with_payload}}}
    flag["else"] = {"properties": {"off": {"enum": [False, "off"]}}}


def _adjust_environment(environment: Schema) -> None:
    fields: dict[str, Schema] = environment["properties"]
    _one_type(fields["variants"])
    fields["clear"] = {
        "description": fields["clear"]["description"], **_listed({"enum": _in_order(fields, PER_ENVIRONMENT)})
    }  # fmt: skip
    for name in PER_ENVIRONMENT:
        fields[name] = {"anyOf": [fields[name], {"type": "null"}]}


def _in_order(names: Iterable[str], wanted: frozenset[str]) -> list[str]:
    return [name for name in names if name in wanted]


if __name__ == "__main__":
    print(json.dumps(generate(), indent=2, ensure_ascii=False))
