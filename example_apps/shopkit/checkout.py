"""What a checkout asks for, and what is wrong with an answer: the same rules for the old checkout and the new one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["ADDRESS", "FIELDS", "PAYMENT", "Field", "problems"]


class Field(NamedTuple):
    """One question; ``autocomplete`` is what HTML calls the kind of answer."""

    name: str
    label: str
    autocomplete: str
    hint: str = ""
    digits: int = 0


ADDRESS = (
    Field("name", "Full name", "name"),
    Field("street", "Street and number", "street-address"),
    Field("city", "Town or city", "address-level2"),
    Field("postcode", "Postcode", "postal-code"),
)
PAYMENT = (Field("card", "Card number", "off", "Sixteen digits. Nothing is charged; any sixteen will do.", digits=16),)
FIELDS = ADDRESS + PAYMENT


def problems(fields: Iterable[Field], answers: Mapping[str, str]) -> dict[str, str]:
    """What is wrong, field by field, said so that it can be put right; empty when all is well.

    >>> problems(PAYMENT, {"card": "1234"})
    {'card': 'Card number needs 16 digits; this has 4.'}
    """
    found = ((field.name, _problem(field, answers.get(field.name, ""))) for field in fields)
    return {name: text for name, text in found if text}


def _problem(field: Field, answer: str) -> str:
    answer = answer.strip()
    if not answer:
        return f"{field.label} is missing."
    if len(answer) > 100:
        return f"{field.label} is too long; 100 characters is the most."
    if field.digits:
        digits = sum(character.isdigit() for character in answer)
        if digits != field.digits:
            return f"{field.label} needs {field.digits} digits; this has {digits}."
    return ""
