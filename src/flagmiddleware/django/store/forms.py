"""The form that a flag is edited in: the definition, why, and the revision that was looked at."""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

from django import forms

from ...errors import RulesetError
from .editing import Desk, pretty
from .models import StoredFlag

__all__ = ["FlagForm", "ReasonForm"]


class FlagForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Checks the whole document that the change would make, and the policy; ``desk`` is set by the admin."""

    desk: Desk

    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 2, "cols": 80}), help_text="Goes into the history.")
    override = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"size": 80}),
        help_text="Why the policy is broken, where it has to be. Goes into the history, too.",
    )
    revision = forms.CharField(required=False, widget=forms.HiddenInput)

    class Meta:
        """The flag's own fields."""

        model = StoredFlag
        fields = ("key", "definition")
        widgets: ClassVar = {"definition": forms.Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["definition"] = pretty(self.instance.definition)
        self.initial["revision"] = self.desk.revision or ""
        self.document = b""

    def clean_definition(self) -> Any:
        """The definition as plain data."""
        try:
            return json.loads(self.cleaned_data["definition"])
        except ValueError as error:
            raise forms.ValidationError(f"This is not valid JSON: {error}") from error

    def clean(self) -> dict[str, Any]:
        """Check everything that only the whole document shows."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("revision", "") != (self.desk.revision or ""):
            message = "Somebody else changed the flags meanwhile. Open this page again, and make your change there."
            raise forms.ValidationError(message)
        if self.errors:
            return cleaned
        key = cleaned.get("key") or self.instance.key
        self._check(key, cleaned)
        return cleaned

    def _check(self, key: str, cleaned: dict[str, Any]) -> None:
        flag = self.desk.ruleset.flags.get(key)
        if self.instance.pk is None and flag is not None:
            raise forms.ValidationError({"key": "There is a flag of that name."})
        try:
            self.document, ruleset = self.desk.with_flag(key, cleaned["definition"])
        except RulesetError as error:
            raise forms.ValidationError({"definition": [problem.message for problem in error.problems]}) from error
        # The owner that is in force decides, or whoever edits would make themselves the owner.
        allowed = self.desk.may("ramp", flag if flag is not None else ruleset.flags[key])
        if not allowed:
            raise forms.ValidationError(f"Not allowed: {allowed.why}.")
        broken = self.desk.broken_rules(key, ruleset, time.time())
        if broken and not (cleaned.get("override") or "").strip():
            raise forms.ValidationError([*broken, "Nothing was written. With a reason to override it goes ahead."])
        permission = self.desk.may("override", flag)
        if broken and not permission:
            raise forms.ValidationError([*broken, f"Not allowed: {permission.why}."])
        if broken:
            cleaned["reason"] += f" (override: {cleaned['override'].strip()})"


class ReasonForm(forms.Form):
    """Why several flags are changed at once."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2, "cols": 80}), help_text="Goes into the history of each flag."
    )
