"""The questions of both checkouts."""

from __future__ import annotations

from django import forms
from shopkit.checkout import ADDRESS, PAYMENT, Field, problems


class NotRepeated(forms.TextInput):
    """Never sends an answer back to the browser: a card number is typed again."""

    def format_value(self, value: object) -> None:
        """Nothing, whatever was typed."""
        return None


def question(field: Field) -> forms.CharField:
    """A form field that asks what ``field`` asks, and judges the answer by the same rules as the other shops."""

    def judge(answer: str) -> None:
        wrong = problems((field,), {field.name: answer})
        if wrong:
            raise forms.ValidationError(wrong[field.name])

    look = {"autocomplete": field.autocomplete}
    widget = NotRepeated(look | {"inputmode": "numeric"}) if field.digits else forms.TextInput(look)
    missing = {"required": f"{field.label} is missing."}
    return forms.CharField(
        label=field.label, help_text=field.hint, widget=widget, validators=[judge], error_messages=missing
    )


Address = type("Address", (forms.Form,), {field.name: question(field) for field in ADDRESS})
Payment = type("Payment", (forms.Form,), {field.name: question(field) for field in PAYMENT})


class GiftWrap(forms.Form):
    """Offered where its flag is on."""

    gift_wrap = forms.BooleanField(required=False, label="Wrap it as a gift for $5.00")
