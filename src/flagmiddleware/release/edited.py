"""One edit of one flag's text: made where the flag stands, and refused where it would do anything else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches

import msgspec

from ..errors import RulesetError
from ..model import Ruleset
from .changes import changed_keys
from .documents import Documents
from .splice import EditError, Splicer, splicer_for

__all__ = ["Edited", "dialect_of", "edit", "parsed"]


class Edited(msgspec.Struct, frozen=True):
    """One file of the documents, changed; ``warnings`` tell what could not be checked."""

    file: str
    before: bytes
    after: bytes
    old: Ruleset | None
    new: Ruleset | None
    warnings: tuple[str, ...] = ()


def _home(documents: Documents, key: str) -> str:
    """The file that a flag is in."""
    known: list[str] = []
    for name, tree in documents.trees():
        flags = tree.get("flags") if isinstance(tree, Mapping) else None
        if isinstance(flags, Mapping):
            if key in flags:
                return name
            known += map(str, flags)
    for name, data in documents.files.items():  # one that does not parse tells more than "no such flag"
        splicer_for(data, name)
    close = get_close_matches(key, known, n=1)
    raise EditError(f"{documents.name} has no flag {key!r}" + (f"; did you mean {close[0]!r}?" if close else ""))


def parsed(documents: Documents, environment: str | None) -> Ruleset | RulesetError:
    """The definitions, or what is wrong with them."""
    try:
        return documents.parse(environment)
    except RulesetError as error:
        return error


def edit(
    documents: Documents,
    key: str,
    change: Callable[[Splicer], None],
    environment: str | None,
    home: str | None = None,
) -> Edited:
    """Make the change in the file that the flag is in (or in ``home``); refuse it where it would do anything else."""
    name = home or _home(documents, key)
    splicer = splicer_for(documents.files[name], name)
    change(splicer)
    after = msgspec.structs.replace(documents, files={**documents.files, name: splicer.data})
    old, new = parsed(documents, environment), parsed(after, environment)
    if isinstance(new, RulesetError):
        if not isinstance(old, RulesetError):
            raise EditError(f"the change would break {name}, so nothing was written:\n{new}")
        warning = f"{name} has other problems, so sites keep their last good flags until these are mended:\n{new}"
        return Edited(name, documents.files[name], splicer.data, None, None, (warning,))
    if isinstance(old, RulesetError):
        return Edited(name, documents.files[name], splicer.data, None, new)
    others = [other for other in changed_keys(old, new) if other != key]
    if others:
        raise EditError(f"the change would touch {', '.join(others)}, so nothing was written")
    return Edited(name, documents.files[name], splicer.data, old, new)


def dialect_of(documents: Documents) -> str:
    """What the documents are written in; native, where they are broken."""
    try:
        return documents.dialect or documents.parse().dialect.name
    except RulesetError:
        return "native"
