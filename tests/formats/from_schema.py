"""Documents generated from our JSON Schema: only the keywords that it uses, conditions down to a depth."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Schema = dict[str, Any]
names = st.sampled_from(["alpha", "beta", "on", "off", "country", "x"])
anything = st.sampled_from([None, True, 0, 1.5, "AU", [], {}, [1], {"a": {"b": 1}}])


def made_from(schema: Schema, whole: Schema, depth: int = 3) -> st.SearchStrategy[Any]:
    """Values that the schema describes; ``not``, ``if`` and ``required`` alternatives are left to a filter."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name == "Condition" and depth <= 0:
            return st.just({"country": "AU"})
        return st.deferred(lambda: made_from(whole["$defs"][name], whole, depth - (name == "Condition")))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "anyOf" in schema and "properties" not in schema and "type" not in schema:
        return st.one_of([made_from(item, whole, depth) for item in schema["anyOf"]])
    kinds = schema.get("type", "object")
    return st.one_of([_of_type(kind, schema, whole, depth) for kind in ([kinds] if isinstance(kinds, str) else kinds)])


def _of_type(kind: str, schema: Schema, whole: Schema, depth: int) -> st.SearchStrategy[Any]:
    match kind:
        case "object":
            return _object(schema, whole, depth)
        case "array":
            item = made_from(schema["items"], whole, depth) if "items" in schema else anything
            return st.lists(item, min_size=schema.get("minItems", 0), max_size=2)
        case "string" if "pattern" in schema:
            return st.from_regex(schema["pattern"])
        case "string":
            return names
        case "integer":
            return st.integers(schema.get("minimum", -9), schema.get("maximum", 99))
        case "number":
            return st.one_of(st.integers(0, 9), st.floats(0, 9))
        case "boolean":
            return st.booleans()
        case _:
            return st.none()


@st.composite
def _object(draw: st.DrawFn, schema: Schema, whole: Schema, depth: int) -> Any:
    fields: dict[str, Any] = schema.get("properties", {})
    usable = [name for name in fields if fields[name] is not False]
    chosen = {*schema.get("required", ()), *(draw(st.lists(st.sampled_from(usable), max_size=3)) if usable else ())}
    value = {name: draw(made_from(fields[name], whole, depth)) for name in sorted(chosen)}
    if "patternProperties" in schema and not draw(st.integers(0, 9)):
        value["x-note"] = draw(anything)
    others = schema.get("additionalProperties", True)
    if others is not False:
        values = anything if others is True else made_from(others, whole, depth)
        for name in draw(st.lists(names, min_size=schema.get("minProperties", 0) if not value else 0, max_size=3)):
            if name not in fields:
                value[name] = draw(values)
    return value
