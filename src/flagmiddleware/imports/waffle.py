"""django-waffle: flags, switches and samples, from a ``dumpdata`` fixture or an SQLite database.

Facts: django-waffle 5.0, ``waffle.models.AbstractBaseFlag.is_active``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from .documents import Row, rows
from .draft import Draft, FlagDraft, ImportProblem, moved_by_rollout, percent
from .shapes import Percentage, Shape, alone, check

__all__ = ["convert"]


class _Named(Shape, frozen=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    note: str | None = None


class _Flag(_Named, frozen=True):
    everyone: bool | None = None
    percent: Percentage | None = None
    testing: bool | None = None
    superusers: bool | None = None
    staff: bool | None = None
    authenticated: bool | None = None
    rollout: bool | None = None
    languages: str | None = None
    groups: list[int | str | list[str]] | None = None
    users: list[int | str | list[str]] | None = None


class _Switch(_Named, frozen=True, kw_only=True):
    active: bool


class _Sample(_Named, frozen=True, kw_only=True):
    percent: Percentage


_TABLES: Final = (
    "waffle_flag", "waffle_switch", "waffle_sample", "auth_group", "waffle_flag_groups", "waffle_flag_users",
)  # fmt: skip


def convert(data: bytes, name: str, options: Any) -> Draft:
    """The native draft of waffle's tables."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows(data, name, _TABLES):
        found[row.model.replace(".", "_")].append(row)
    _join(found)
    if not any(found[table] for table in _TABLES[:3]):
        raise ImportProblem(f"{name or 'the file'} has no waffle flag, switch or sample in it")
    named = ((row.pk, row.fields.get("name")) for row in found["auth_group"])
    groups = {key: title for key, title in named if isinstance(key, int) and isinstance(title, str)}
    draft = Draft()
    for table, shape, fill in _KINDS:
        for row in found[table]:
            called = row.fields.get("name")
            flag = draft.flag(called if isinstance(called, str) else None, f"{row.model} {row.pk}")
            with alone(flag, "django-waffle"):
                # A fixture has "50.0" for a number, a database 1 for true.
                fields = check(row.fields, shape, is_lax=True)
                flag.describe(fields.note)
                fill(flag, fields, groups)
    return draft


def _join(found: dict[str, list[Row]]) -> None:
    """Put the rows of the two join tables (a database has them, a fixture has lists) onto their flags."""
    flags = {row.pk: row for row in found["waffle_flag"] if isinstance(row.pk, int | str)}
    for table, field, column in (
        ("waffle_flag_groups", "groups", "group_id"),
        ("waffle_flag_users", "users", "user_id"),
    ):
        for link in found[table]:
            key = link.fields.get("flag_id")
            row = flags.get(key) if isinstance(key, int | str) else None
            if row is not None:
                row.fields.setdefault(field, []).append(link.fields.get(column))


def _flag(flag: FlagDraft, fields: _Flag, groups: dict[Any, Any]) -> None:
    if fields.everyone is not None:
        if fields.everyone:
            flag.rule(serve=True)
        else:
            flag.body["enabled"] = False
        flag.exact(f"everyone: {'yes' if fields.everyone else 'no'}")
        return
    _languages(flag, fields.languages or "")
    for is_meant, name, attribute in (
        (fields.authenticated, "authenticated", "is_authenticated"),
        (fields.staff, "staff", "is_staff"),
        (fields.superusers, "superusers", "is_superuser"),
    ):
        if is_meant:
            flag.rule({attribute: True}, name=name, serve=True)
    _people(flag, fields, groups)
    if fields.testing:
        flag.body["qa"] = True
        flag.lost(
            "testing mode took an unsigned parameter; now it takes a signed, expiring link (flags with `qa: true`)"
        )
    _percent(flag, fields.percent or 0.0, rollout=bool(fields.rollout))


def _languages(flag: FlagDraft, written: str) -> None:
    languages = [part.strip() for part in written.split(",") if part.strip()]
    if languages:
        flag.rule({"language": [_bcp47(language) for language in languages]}, name="languages", serve=True)
        flag.lost("languages: waffle asks Django's LANGUAGE_CODE (URL, cookie), we ask Accept-Language's first tag")


def _bcp47(language: str) -> str:
    first, *rest = language.split("-")
    return "-".join([first.lower(), *(part.upper() if len(part) == 2 else part.title() for part in rest)])


def _people(flag: FlagDraft, fields: _Flag, groups: dict[Any, Any]) -> None:
    # A user's id is a number in one framework's context and text in another's, and the two are never equal.
    keys = [key for key in fields.users or () if not isinstance(key, list)]
    users = [each for key in keys for each in dict.fromkeys((key, str(key)))]
    if users:
        flag.rule({"user": users}, name="users", serve=True)
    if len(keys) < len(fields.users or ()):
        flag.lost("users: the file has their names (--natural-foreign); dump it without, for their ids")
    named = [key if isinstance(key, str) else groups.get(key) for key in map(_only, fields.groups or ())]
    missing = [key for key, name in zip(fields.groups or (), named, strict=True) if name is None]
    if any(named):
        flag.rule({"groups": [name for name in named if name]}, name="groups", serve=True)
    if missing:
        flag.lost(f"groups {missing}: their names are not in the file; dump auth.group, too")


def _only(key: Any) -> Any:
    return key[0] if isinstance(key, list) and len(key) == 1 else key  # --natural-foreign writes ["editors"]


def _percent(flag: FlagDraft, percentage: float, *, rollout: bool) -> None:
    if percentage > 0:
        flag.rule(name="percent", rollout=percent(percentage))
        again = "; in rollout mode who was out drew again in each browser session, and now stays out" if rollout else ""
        flag.reshuffles(
            moved_by_rollout(percentage),
            f"{percent(percentage)} was a dice kept in a cookie{again}; now it is a hash of the user or visitor. "
            "FLAGMIDDLEWARE['WAFFLE_COOKIES_UNTIL'] keeps those who have a cookie where they are until a day",
        )
    else:
        flag.exact("every condition came over")


def _switch(flag: FlagDraft, fields: _Switch, groups: Any) -> None:
    if fields.active:
        flag.rule(serve=True)
    flag.exact("a switch: on or off for everybody")


def _sample(flag: FlagDraft, fields: _Sample, groups: Any) -> None:
    percentage = fields.percent
    if percentage > 0:
        flag.rule(rollout=percent(percentage))
    flag.reshuffles(moved_by_rollout(percentage), "a sample drew anew at each call; now a subject stays on one side")
    if percentage in (0, 100):
        flag.exact("a sample of nobody or everybody")


_KINDS: Final[tuple[tuple[str, type[Any], Callable[[FlagDraft, Any, dict[Any, Any]], None]], ...]] = (
    ("waffle_flag", _Flag, _flag),
    ("waffle_switch", _Switch, _switch),
    ("waffle_sample", _Sample, _sample),
)
