"""The form that a flag is edited in: the definition, why, and the revision that was looked at."""

from __future__ import annotations

import json
import time
from typing import Any, ClassVar

from django import forms

from ...errors import RulesetError
from ...model import Flag
from .editing import Desk, pretty
from .models import StoredFlag, StoreState

__all__ = ["FlagForm", "ReasonForm", "SharedForm"]


def _plain(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise forms.ValidationError(f"This is not valid JSON: {error}") from error


class _Form(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    """Asks why, and refuses a page that is older than the flags; ``desk`` is set by the admin."""

    desk: Desk
    document = b""  # what is to be written, once it was checked

    reason = forms.CharField(widget=forms.Textarea(attrs={"rows": 2, "cols": 80}), help_text="Goes into the history.")
    override = forms.CharField(
        required=False,
        widget=forms.TextInput(attrs={"size": 80}),
        help_text="Why the policy is broken, where it has to be. Goes into the history, too.",
    )
    revision = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["revision"] = self.desk.revision or ""

    def clean(self) -> dict[str, Any]:
        """Check everything that only the whole document shows."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("revision", "") != (self.desk.revision or ""):
            message = "Somebody else changed the flags meanwhile. Open this page again, and make your change there."
            raise forms.ValidationError(message)
        if not self.errors:
            self.check(cleaned)
        return cleaned

    def check(self, cleaned: dict[str, Any]) -> None:
        """Set ``document``, or raise ValidationError."""
        raise NotImplementedError

    def judge(self, cleaned: dict[str, Any], *flags: Flag | None) -> None:
        """Refuse a step that breaks the policy, unless it is overridden by who may do that to each of ``flags``."""
        broken = self.desk.broken_rules(self.document, time.time())
        if not broken:
            return
        override = (cleaned.get("override") or "").strip()
        if not override:
            raise forms.ValidationError([*broken, "Nothing was written. With a reason to override it goes ahead."])
        refused = [permission.why for flag in flags if not (permission := self.desk.may("override", flag))]
        if refused:
            raise forms.ValidationError([*broken, *(f"Not allowed: {why}." for why in dict.fromkeys(refused))])
        self.permit("override")
        cleaned["reason"] += f" (override: {override})"

    def permit(self, action: str) -> None:
        """Refuse what the user may not do in some environment that the change reaches."""
        refused = self.desk.refusals(self.document, action)
        if refused:
            raise forms.ValidationError([f"Not allowed: {why}." for why in refused])


class FlagForm(_Form):
    """Checks the whole document that the change would make, and the policy."""

    class Meta:
        """The flag's own fields."""

        model = StoredFlag
        fields = ("key", "definition")
        widgets: ClassVar = {"definition": forms.Textarea(attrs={"rows": 24, "cols": 100, "spellcheck": "false"})}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["definition"] = pretty(self.instance.definition)

    def clean_definition(self) -> Any:
        """The definition as plain data."""
        return _plain(self.cleaned_data["definition"])

    def check(self, cleaned: dict[str, Any]) -> None:
        """Build the document with the flag in it; what is wrong is told beside the definition."""
        self._check(cleaned.get("key") or self.instance.key, cleaned)

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
        self.permit("ramp")
        self.judge(cleaned, flag)


class SharedForm(_Form):
    """What all flags share: the segments and the release policy, each as JSON."""

    segments = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 16, "cols": 100, "spellcheck": "false"}),
        help_text='Conditions by name, such as {"insiders": {"is_staff": true}}.',
    )
    policy = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 16, "cols": 100, "spellcheck": "false"}),
        help_text="The Blast Radius Matrix, roles and teams, where they differ from what is built in.",
    )

    class Meta:
        """Nothing of the row itself: it is written with the document."""

        model = StoreState
        fields = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("segments", "policy"):
            self.initial[name] = pretty(json.dumps(self.desk.shared.get(name, {})))

    def clean_segments(self) -> Any:
        """The segments as plain data."""
        return _plain(self.cleaned_data["segments"] or "{}")

    def clean_policy(self) -> Any:
        """The policy as plain data."""
        return _plain(self.cleaned_data["policy"] or "{}")

    def check(self, cleaned: dict[str, Any]) -> None:
        """Build the document with both in it; what is wrong with either is told beside it."""
        fields = {name: cleaned[name] for name in ("segments", "policy")}
        try:
            self.document = self.desk.with_shared(fields)
        except RulesetError as error:
            raise forms.ValidationError(_by_field(error)) from error
        changed = fields["policy"] != self.desk.shared.get("policy", {})
        allowed = [self.desk.may("policy", None)] if changed else []
        # A segment decides for every flag that names it, so it takes what changing each of them takes.
        moved = self.desk.moved_by(self.document)
        allowed += [self.desk.may("ramp", flag) for flag in moved]
        refused = [permission.why for permission in allowed if not permission]
        if refused:
            raise forms.ValidationError([f"Not allowed: {why}." for why in dict.fromkeys(refused)])
        self.judge(cleaned, *moved)


def _by_field(error: RulesetError) -> dict[str, list[str]]:
    """The parser's messages beside the field that they are about; a flag's trouble is a segment's doing."""
    found: dict[str, list[str]] = {}
    for problem in error.problems:
        field = "policy" if problem.where.partition(".")[0] == "policy" else "segments"
        found.setdefault(field, []).append(f"{problem.where}: {problem.message}")
    return found


class ReasonForm(forms.Form):
    """Why several flags are changed at once."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 2, "cols": 80}), help_text="Goes into the history of each flag."
    )
