"""django-waffle: flags, switches and samples, from a ``dumpdata`` fixture or an SQLite database.

Facts: django-waffle 5.0, ``waffle.models.AbstractBaseFlag.is_active``.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from .documents import Row, rows
from .draft import Draft, FlagDraft, ImportProblem, moved_by_rollout, percent

__all__ = ["convert"]

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
    groups = {row.pk: row.fields.get("name") for row in found["auth_group"]}
    draft = Draft()
    for row in found["waffle_flag"]:
        _flag(draft, row.fields, groups)
    for row in found["waffle_switch"]:
        _switch(draft, row.fields)
    for row in found["waffle_sample"]:
        _sample(draft, row.fields)
    return draft


def _join(found: dict[str, list[Row]]) -> None:
    """Put the rows of the two join tables (a database has them, a fixture has lists) onto their flags."""
    for table, field, column in (
        ("waffle_flag_groups", "groups", "group_id"),
        ("waffle_flag_users", "users", "user_id"),
    ):
        for link in found[table]:
            for row in found["waffle_flag"]:
                if row.pk == link.fields.get("flag_id"):
                    row.fields.setdefault(field, []).append(link.fields.get(column))


def _truth(value: Any) -> bool | None:
    return None if value is None else bool(value)


def _flag(draft: Draft, fields: dict[str, Any], groups: dict[Any, Any]) -> None:
    flag = draft.flag(fields["name"])
    flag.describe(fields.get("note"))
    everyone = _truth(fields.get("everyone"))
    if everyone is not None:
        if everyone:
            flag.rule(serve=True)
        else:
            flag.body["enabled"] = False
        flag.exact(f"everyone: {'yes' if everyone else 'no'}")
        return
    _languages(flag, fields)
    for field, attribute in (
        ("authenticated", "is_authenticated"), ("staff", "is_staff"), ("superusers", "is_superuser"),
    ):  # fmt: skip
        if fields.get(field):
            flag.rule({attribute: True}, name=field, serve=True)
    _people(flag, fields, groups)
    if fields.get("testing"):
        flag.body["qa"] = True
        flag.lost(
            "testing mode took an unsigned parameter; now it takes a signed, expiring link (flags with `qa: true`)"
        )
    _percent(flag, float(fields.get("percent") or 0), rollout=bool(fields.get("rollout")))


def _languages(flag: FlagDraft, fields: dict[str, Any]) -> None:
    languages = [part.strip() for part in (fields.get("languages") or "").split(",") if part.strip()]
    if languages:
        flag.rule({"language": [_bcp47(language) for language in languages]}, name="languages", serve=True)
        flag.lost("languages: waffle asks Django's LANGUAGE_CODE (URL, cookie), we ask Accept-Language's first tag")


def _bcp47(language: str) -> str:
    first, *rest = language.split("-")
    return "-".join([first.lower(), *(part.upper() if len(part) == 2 else part.title() for part in rest)])


def _people(flag: FlagDraft, fields: dict[str, Any], groups: dict[Any, Any]) -> None:
    # A user's id is a number in one framework's context and text in another's, and the two are never equal.
    users = [each for key in map(_only, fields.get("users") or ()) for each in dict.fromkeys((key, str(key)))]
    if users:
        flag.rule({"user": users}, name="users", serve=True)
    named = [groups.get(key, key if isinstance(key, str) else None) for key in map(_only, fields.get("groups") or ())]
    missing = [key for key, name in zip(fields.get("groups") or (), named, strict=True) if name is None]
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


def _switch(draft: Draft, fields: dict[str, Any]) -> None:
    flag = draft.flag(fields["name"])
    flag.describe(fields.get("note"))
    if fields.get("active"):
        flag.rule(serve=True)
    flag.exact("a switch: on or off for everybody")


def _sample(draft: Draft, fields: dict[str, Any]) -> None:
    flag, percentage = draft.flag(fields["name"]), float(fields.get("percent") or 0)
    flag.describe(fields.get("note"))
    if percentage > 0:
        flag.rule(rollout=percent(percentage))
    flag.reshuffles(moved_by_rollout(percentage), "a sample drew anew at each call; now a subject stays on one side")
    if percentage in (0, 100):
        flag.exact("a sample of nobody or everybody")
