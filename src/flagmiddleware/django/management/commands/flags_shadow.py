"""``manage.py flags_shadow``: how often the old system and ours agreed, in all processes."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from ...installed import installation
from ...shadowcounts import KINDS, shared_counts

__all__ = ["Command"]


class Command(BaseCommand):
    """Shows the counts; the flags that differ come first."""

    help = "Show how often the old flag system and this one agreed (FLAGMIDDLEWARE['SHADOW'])."

    def add_arguments(self, parser: CommandParser) -> None:
        """How to show, and what to fail on."""
        parser.add_argument("--json", action="store_true", help="Print JSON.")
        parser.add_argument("--check", action="store_true", help="Fail if any flag disagreed.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the cache and print."""
        alias = getattr(settings, "FLAGMIDDLEWARE", {}).get("SHADOW_CACHE")
        if alias is None:
            raise CommandError(
                "each process counts for itself: set FLAGMIDDLEWARE['SHADOW_CACHE'] to one of settings.CACHES that "
                "all processes share (not the local-memory one)"
            )
        found = shared_counts(alias, installation().flags.ruleset.flags)
        self.stdout.write(json.dumps(found) if options["json"] else _table(found))
        if options["check"] and found["disagreed"]:
            raise CommandError(f"disagreed: {', '.join(sorted(found['disagreed']))}")


def _table(found: dict[str, dict[str, int]]) -> str:
    keys = sorted(
        {key for kind in KINDS for key in found[kind]}, key=lambda key: (-found["disagreed"].get(key, 0), key)
    )
    if not keys:
        return "Nothing was compared yet."
    width = max(map(len, [*keys, "flag"]))
    head = f"{'flag':{width}}" + "".join(f"{kind:>12}" for kind in KINDS)
    return "\n".join(
        [head, *(f"{key:{width}}" + "".join(f"{found[kind].get(key, 0):>12}" for kind in KINDS) for key in keys)]
    )
