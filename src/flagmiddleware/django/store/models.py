"""The tables: one row a flag, one row for what all flags share, and a history that only grows.

Rows are written by :mod:`.writing` alone, which keeps revision, hash and history in step; a row that was edited behind
its back is found out by its hash, and never served.
"""

from __future__ import annotations

from typing import Any

from django.db import models

__all__ = ["HistoryEntry", "StoreState", "StoredFlag"]

_LONGEST_KEY = 255


class StoredFlag(models.Model):
    """One flag: its key, and its definition as JSON."""

    key: models.CharField[str, str] = models.CharField("flag", max_length=_LONGEST_KEY, unique=True)
    position: models.PositiveIntegerField[int, int] = models.PositiveIntegerField(editable=False)
    definition: models.TextField[str, str] = models.TextField()

    class Meta:
        """In the order of the document; killing is a permission of its own."""

        ordering = ("position", "key")
        verbose_name = "flag"
        permissions = (("kill_storedflag", "Can kill flags"),)

    def __str__(self) -> str:
        return self.key


class StoreState(models.Model):
    """The one row that readers look at: which revision the flags are at, and what they share (segments, policy …)."""

    THE_ONE = 1

    id: models.PositiveSmallIntegerField[int, int] = models.PositiveSmallIntegerField(primary_key=True, default=THE_ONE)
    revision: models.BigIntegerField[int, int] = models.BigIntegerField()
    epoch: models.CharField[str, str] = models.CharField(max_length=32)
    sha256: models.CharField[str, str] = models.CharField(max_length=64)
    top: models.TextField[str, str] = models.TextField(help_text="The document without its flags, as JSON.")
    link: models.CharField[str, str] = models.CharField(
        max_length=64, help_text="The hash of the newest entry of the history."
    )
    place: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(
        null=True, help_text="How many entries the history has, since they were counted."
    )

    class Meta:
        """One row has no plural; what people change in it is what its name says."""

        verbose_name = "segments and policy"
        verbose_name_plural = "segments and policy"

    def __str__(self) -> str:
        return f"segments and policy, revision {self.revision}"


class HistoryEntry(models.Model):
    """One flag, changed: from what to what, by whom, why. Entries are neither edited nor deleted.

    ``flag`` is empty where what all flags share was changed; ``at`` is seconds since 1970; ``place`` counts entries,
    and ``link`` chains each to the one before, so that a history that was rewritten or cut shows. ``was`` and ``will``
    say in words what ``old`` and ``new`` say in JSON, the exposures are shares of everyone (0 … 1), ``environment``
    is where that holds (empty: everywhere). Those are None where they are not known: in what all flags share, and in
    entries from before they were kept.
    """

    revision: models.BigIntegerField[int, int] = models.BigIntegerField(db_index=True)
    flag: models.CharField[str, str] = models.CharField(max_length=_LONGEST_KEY, db_index=True, blank=True)
    old: models.TextField[str | None, str | None] = models.TextField(null=True)
    new: models.TextField[str | None, str | None] = models.TextField(null=True)
    actor: models.CharField[str, str] = models.CharField("who", max_length=320)
    reason: models.TextField[str, str] = models.TextField("why")
    via: models.CharField[str, str] = models.CharField(max_length=60)
    environment: models.CharField[str | None, str | None] = models.CharField(max_length=_LONGEST_KEY, null=True)
    kind: models.CharField[str | None, str | None] = models.CharField(max_length=20, null=True)
    was: models.TextField[str | None, str | None] = models.TextField("from", null=True)
    will: models.TextField[str | None, str | None] = models.TextField("to", null=True)
    exposure_before: models.FloatField[float | None, float | None] = models.FloatField(null=True)
    exposure_after: models.FloatField[float | None, float | None] = models.FloatField(null=True)
    app_revision: models.CharField[str | None, str | None] = models.CharField(max_length=_LONGEST_KEY, null=True)
    at: models.FloatField[float, float] = models.FloatField()
    place: models.BigIntegerField[int | None, int | None] = models.BigIntegerField(null=True)
    link: models.CharField[str, str] = models.CharField(max_length=64)

    class Meta:
        """The newest first."""

        ordering = ("-id",)
        verbose_name = "change"
        verbose_name_plural = "history"

    def __str__(self) -> str:
        return f"{self.flag or 'segments and policy'}, revision {self.revision}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert; an entry that is there already stays as it is."""
        if self.pk is not None and not self._state.adding:
            raise TypeError("the history of flags is not edited")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse."""
        raise TypeError("the history of flags is not deleted")

    def as_record(self) -> dict[str, str]:
        """The entry as the change log shows it, and as it was linked.

        What is not known is left out, so that entries which were linked before it was kept still fit their link.
        """
        told = {
            "environment": self.environment,
            "kind": self.kind,
            "from": self.was,
            "to": self.will,
            "exposure_before": None if self.exposure_before is None else repr(self.exposure_before),
            "exposure_after": None if self.exposure_after is None else repr(self.exposure_after),
            "app_revision": self.app_revision,
            "place": None if self.place is None else str(self.place),
        }
        return {
            "revision": str(self.revision),
            "time": repr(self.at),
            "keys": self.flag,
            "actor": self.actor,
            "reason": self.reason,
            "via": self.via,
            "old": self.old or "",
            "new": self.new or "",
            **{name: value for name, value in told.items() if value is not None},
            "link": self.link,
        }
