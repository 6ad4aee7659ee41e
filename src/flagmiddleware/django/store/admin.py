"""The admin: flags in words, edited with a reason, killed several at a time; and a history that nobody edits."""

from __future__ import annotations

import datetime
import json
from fractions import Fraction
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from ...errors import FlagMiddlewareError
from ...release.shares import format_fraction
from ...release.words import describe
from .editing import Desk, pretty
from .forms import FlagForm, ReasonForm, SharedForm
from .models import HistoryEntry, StoredFlag, StoreState

__all__ = ["HistoryAdmin", "SharedAdmin", "StoredFlagAdmin"]

_DONE = {"kill": "killed", "restore": "restored", "remove": "removed"}


class _FlagList(ChangeList):
    """The page of flags; what they mean is read once for all of them."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        desk = Desk(request.user)
        for row in self.result_list:
            row.parsed = desk.ruleset.flags.get(row.key)
            row.ruleset = desk.ruleset


def _refusals(desk: Desk, keys: list[str], action: str) -> str:
    """Why the user may not do this to some of the flags; empty where they may."""
    found = ((key, desk.may(_asks(action), desk.ruleset.flags.get(key))) for key in keys)
    return "; ".join(f"{key}: {permission.why}" for key, permission in found if not permission)


def _asks(action: str) -> str:
    """What the policy calls it: removing takes away what a flag serves, as a ramp to nothing would."""
    return "ramp" if action == "remove" else action


class _Desked(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Pages that write the whole document, as their form has checked it."""

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """The form, with the flags as they are now and the user who edits."""
        made = super().get_form(request, obj, change, **kwargs)
        return type(made.__name__, (made,), {"desk": Desk(request.user)})

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the document; the row itself is written with it."""
        form.desk.write(form.document, reason=form.cleaned_data["reason"], via="admin", keys=self.keys_of(obj))

    def keys_of(self, obj: Any) -> tuple[str, ...]:
        """Which flags the change is about."""
        return ()

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """The page; what the store refuses is told on it."""
        try:
            return super().changeform_view(request, *args, **kwargs)
        except FlagMiddlewareError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)


@admin.register(StoreState)
class SharedAdmin(_Desked):
    """The segments and the release policy: one page, since there is one of each."""

    form = SharedForm
    fields = ("segments", "policy", "reason", "override", "revision")
    list_display = ("__str__", "segments", "roles")

    @admin.display(description="segments")
    def segments(self, row: StoreState) -> str:
        """The names of the segments."""
        return ", ".join(json.loads(row.top).get("segments", {})) or "none"

    @admin.display(description="policy")
    def roles(self, row: StoreState) -> str:
        """What the policy says of its own."""
        return ", ".join(json.loads(row.top).get("policy", {})) or "as built in"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The first push makes it."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Flags cannot be without it."""
        return False

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Their part of the history."""
        return HttpResponseRedirect(f"{reverse('admin:flagmiddleware_store_historyentry_changelist')}?flag=")


@admin.register(StoredFlag)
class StoredFlagAdmin(_Desked):
    """One flag a row, told in words."""

    form = FlagForm
    fields = ("key", "definition", "reason", "override", "revision")
    list_display = ("key", "is_alive", "in_words", "owner", "risk", "expires")
    search_fields = ("key", "definition")
    list_per_page = 100
    actions = ("kill_flags", "restore_flags", "remove_flags")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[_FlagList]:
        """The list that knows what the flags mean."""
        return _FlagList

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """A flag is never renamed: its key is what subjects are dealt by."""
        return ("key",) if obj is not None else ()

    # -- columns --------------------------------------------------------------------------------------------------

    @admin.display(description="enabled", boolean=True)
    def is_alive(self, row: Any) -> bool:
        """Whether the flag is not killed."""
        return row.parsed is not None and row.parsed.enabled

    @admin.display(description="serves")
    def in_words(self, row: Any) -> str:
        """Whom the flag serves what."""
        return describe(row.parsed, row.ruleset) if row.parsed is not None else "unknown"

    @admin.display(description="owner")
    def owner(self, row: Any) -> str:
        """Who may flip it."""
        return ", ".join(row.parsed.owner) if row.parsed is not None else ""

    @admin.display(description="risk (technical / business)")
    def risk(self, row: Any) -> str:
        """Its place in the matrix."""
        risk = row.parsed.risk if row.parsed is not None else None
        return f"{risk.technical} / {risk.business}" if risk is not None else ""

    @admin.display(description="expires")
    def expires(self, row: Any) -> str:
        """When it should be gone."""
        return str(row.parsed.expires or "") if row.parsed is not None else ""

    # -- permissions ----------------------------------------------------------------------------------------------

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Flags are removed with a reason, by the action."""
        return False

    def has_kill_permission(self, request: HttpRequest) -> bool:
        """Whoever may kill, or may change anyway."""
        user: Any = request.user
        return bool(user.has_perm("flagmiddleware_store.kill_storedflag")) or self.has_change_permission(request)

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Django's own permission to delete."""
        user: Any = request.user
        return bool(user.has_perm("flagmiddleware_store.delete_storedflag"))

    # -- writing --------------------------------------------------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the document, and learn the row's number where it is new."""
        super().save_model(request, obj, form, change)
        obj.pk = StoredFlag.objects.get(key=obj.key).pk

    def keys_of(self, obj: Any) -> tuple[str, ...]:
        """The flag of the page."""
        return (obj.key,)

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """The flag's part of the history."""
        row = self.get_object(request, object_id)
        where = reverse("admin:flagmiddleware_store_historyentry_changelist")
        return HttpResponseRedirect(f"{where}?flag={row.key}" if row is not None else where)

    @admin.action(description="Kill: serve `off` to everyone", permissions=["kill"])
    def kill_flags(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Kill, once a reason is given."""
        return self._several(request, queryset, "kill")

    @admin.action(description="Restore: let the rules decide again", permissions=["change"])
    def restore_flags(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Restore, once a reason is given."""
        return self._several(request, queryset, "restore")

    @admin.action(description="Remove", permissions=["remove"])
    def remove_flags(self, request: HttpRequest, queryset: Any) -> HttpResponse | None:
        """Remove, once a reason is given."""
        return self._several(request, queryset, "remove")

    def _several(self, request: HttpRequest, queryset: Any, action: str) -> HttpResponse | None:
        desk = Desk(request.user)
        keys = list(queryset.values_list("key", flat=True))
        refused = _refusals(desk, keys, action)
        if refused:
            self.message_user(request, f"Nothing was changed. {refused}", messages.ERROR)
            return None
        form = ReasonForm(request.POST if "reason" in request.POST else None)
        if not form.is_valid():
            return self._ask(request, queryset, action, form)
        try:
            data = desk.edited(keys, action)
            if action != "kill" and (elsewhere := desk.refusals(data, _asks(action))):
                self.message_user(request, f"Nothing was changed. {'; '.join(elsewhere)}", messages.ERROR)
                return None
            desk.write(data, reason=form.cleaned_data["reason"], via=f"admin {action}", keys=keys)
        except FlagMiddlewareError as error:
            self.message_user(request, f"Nothing was changed. {error}", messages.ERROR)
        else:
            self.message_user(request, f"{_DONE[action]}: {', '.join(keys)}", messages.SUCCESS)
        return None

    def _ask(self, request: HttpRequest, queryset: Any, action: str, form: ReasonForm) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{action.capitalize()} {queryset.count()} flag(s)",
            "opts": self.opts,
            "rows": queryset,
            "action": f"{action}_flags",
            "form": form,
            "media": self.media,
        }
        return TemplateResponse(request, "admin/flagmiddleware_store/reason.html", context)


class _ByFlag(admin.SimpleListFilter):
    """``?flag=KEY``; the history link of a flag leads here."""

    title = "flag"
    parameter_name = "flag"

    def has_output(self) -> bool:
        """Not in the side bar: there may be thousands of flags."""
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The one that is chosen."""
        key = request.GET.get("flag")
        return [] if key is None else [(key, key or "(segments, policy)")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        """Only its entries."""
        return queryset.filter(flag=self.value()) if self.value() is not None else queryset


@admin.register(HistoryEntry)
class HistoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """Who changed what, when and why; to be read, not written."""

    list_display = ("when", "revision", "what", "was", "will", "exposure", "actor", "reason")
    list_filter = (_ByFlag, "via")
    search_fields = ("flag", "actor", "reason")
    fields = (
        *("what", "when", "revision", "actor", "reason", "via", "app_revision"),
        *("kind", "environment", "was", "will", "exposure", "before", "after", "link"),
    )
    readonly_fields = fields

    @admin.display(description="when", ordering="at")
    def when(self, entry: HistoryEntry) -> Any:
        """The instant, in the site's time zone."""
        return datetime.datetime.fromtimestamp(entry.at, datetime.timezone.utc)

    @admin.display(description="flag", ordering="flag")
    def what(self, entry: HistoryEntry) -> str:
        """The flag's key."""
        return entry.flag or "(segments, policy)"

    @admin.display(description="exposure")
    def exposure(self, entry: HistoryEntry) -> str:
        """The shares of everyone before and after; empty where they are not known."""
        if entry.exposure_before is None or entry.exposure_after is None:
            return ""
        before, after = (format_fraction(Fraction(share)) for share in (entry.exposure_before, entry.exposure_after))
        return f"{before} → {after}"

    @admin.display(description="old definition")
    def before(self, entry: HistoryEntry) -> str:
        """The definition as it was."""
        return format_html("<pre>{}</pre>", pretty(entry.old)) if entry.old else "absent"

    @admin.display(description="new definition")
    def after(self, entry: HistoryEntry) -> str:
        """The definition as it became."""
        return format_html("<pre>{}</pre>", pretty(entry.new)) if entry.new else "absent"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Entries are made by changes."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Entries stay as they are."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Entries stay."""
        return False
