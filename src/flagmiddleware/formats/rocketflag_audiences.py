"""RocketFlag's audiences: up to five rules, any of which; each up to three conditions, all of which."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..conditions import OPERATORS
from ..errors import ConfigurationError
from ..model import AllOf, AnyOf, Condition, Test

__all__ = ["make_audiences"]

_OPERATORS: Final = ("in", "not_in", "starts_with")
_RESERVED: Final = ("cohort", "env", "targetingKey")


def make_audiences(document: Any) -> dict[str, Condition]:
    """The condition of each declared audience; ConfigurationError says what is wrong with the declaration.

    >>> document = {"pro": {"rules": [[{"attribute": "plan", "operator": "in", "values": ["pro"]}]]}}
    >>> make_audiences(document)["pro"].conditions[0].conditions[0].operand
    ('pro',)
    """
    if not isinstance(document, Mapping):
        raise ConfigurationError(f"RocketFlag audiences: expected an object of audiences by id, found {document!r:.80}")
    return {str(key): _audience(str(key), audience) for key, audience in document.items()}


def _audience(key: str, audience: Any) -> Condition:
    rules = audience.get("rules") if isinstance(audience, Mapping) else None
    where = f"audience {key!r}"
    return AnyOf(tuple(_rule(where, rule) for rule in _several(f"{where}.rules", rules, 5)))


def _rule(where: str, rule: Any) -> Condition:
    return AllOf(tuple(_condition(where, one) for one in _several(f"{where}: a rule's conditions", rule, 3)))


def _condition(where: str, condition: Any) -> Test:
    if not isinstance(condition, Mapping):
        raise ConfigurationError(f"{where}: expected {{attribute, operator, values}}, found {condition!r:.80}")
    attribute, operator = condition.get("attribute"), condition.get("operator")
    if not isinstance(attribute, str) or not attribute or attribute in _RESERVED:
        raise ConfigurationError(f"{where}: expected the name of an attribute (not {', '.join(_RESERVED)})")
    if operator not in _OPERATORS:
        raise ConfigurationError(f"{where}: unknown operator {operator!r}; there are {', '.join(_OPERATORS)}")
    values = tuple(_several(f"{where}: the values of {attribute!r}", condition.get("values"), 10))
    if not all(isinstance(value, str) for value in values):
        raise ConfigurationError(f"{where}: the values of {attribute!r} must be texts")
    return Test(attribute, OPERATORS[operator], values)


def _several(where: str, items: Any, most: int) -> Iterator[Any]:
    if not isinstance(items, list | tuple) or not 1 <= len(items) <= most:
        raise ConfigurationError(f"{where}: expected a list of 1 to {most}")
    return iter(items)
