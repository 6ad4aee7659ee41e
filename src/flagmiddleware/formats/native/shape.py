"""The shape of a flag file, as types: the JSON Schema is generated from them, and the tests hold the parser to it.

Nothing is decoded into these types. The parser goes through plain data once and names every problem at its place;
a decoder would stop at the first, and a second pass that finds the others could disagree with it.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from .conditions import RESERVED
from .scalars import DATE, INSTANT, KEY, PERCENT

__all__ = ["ConditionShape", "EnvironmentShape", "ExampleShape", "FlagShape", "RuleShape", "ScheduleShape"]
__all__ += ["DocumentShape", "RiskShape", "StepShape"]

Text = Annotated[str, Meta(min_length=1)]
Key = Annotated[str, Meta(pattern=f"^{KEY}$")]
Attribute = Annotated[str, Meta(min_length=1, extra_json_schema={"not": {"enum": sorted(RESERVED)}})]
Day = Annotated[str, Meta(pattern=f"^{DATE}$", extra_json_schema={"format": "date"}, examples=["2027-03-31"])]
Instant = Annotated[str, Meta(pattern=f"^{INSTANT}$", examples=["2026-12-01T09:00:00+11:00"])]
Percentage = (
    Annotated[str, Meta(pattern=f"^{PERCENT}$", examples=["25%"])] | Annotated[int, Meta(ge=0, le=100, examples=[25])]
)
Level = Literal["low", "high"]
VariantName = bool | Text
Teams = Text | Annotated[list[Text], Meta(min_length=1)]
Weight = Annotated[float, Meta(ge=0)]


class ConditionShape(Struct, rename=None):
    """What must hold: attributes and their values, or combinations. Several keys mean all of them."""


class ScheduleShape(Struct, omit_defaults=True):
    """When the rule counts: from an instant (inclusive), until another (exclusive)."""

    start: Instant | UnsetType = field(default=UNSET, name="from")
    until: Instant | UnsetType = UNSET


class StepShape(Struct):
    """From an instant on, this share is let in."""

    at: Instant
    to: Percentage


class RuleShape(Struct, omit_defaults=True):
    """The first rule whose condition and schedule hold decides."""

    name: Annotated[Text, Meta(description="What evaluations and `flags explain` call this rule")] | UnsetType = UNSET
    condition: ConditionShape | UnsetType = field(default=UNSET, name="if")
    schedule: ScheduleShape | UnsetType = UNSET
    rollout: (
        Annotated[Percentage, Meta(description="The share that is let in; the others get `default`, and no later rule")]
        | UnsetType
    ) = UNSET
    ramp: (
        Annotated[list[StepShape], Meta(min_length=1, description="A rollout that follows the clock; steps in order")]
        | UnsetType
    ) = UNSET
    linear: Annotated[bool, Meta(description="Draw lines between the steps of `ramp`")] | UnsetType = UNSET
    serve: (
        Annotated[VariantName, Meta(description="The variant's name; true or false for boolean flags")] | UnsetType
    ) = UNSET
    split: Annotated[dict[Text, Weight], Meta(min_length=1, description="Variants and their weights")] | UnsetType = (
        UNSET
    )


class RiskShape(Struct):
    """A flag's place in the Blast Radius Matrix."""

    technical: Level
    business: Level


class ExampleShape(Struct, omit_defaults=True):
    """One example that `flags lint` runs."""

    expect: Annotated[VariantName, Meta(description="The variant that is served")]
    given: Annotated[dict[str, Any], Meta(description="Attributes, and `environment`")] | UnsetType = UNSET
    at: Annotated[Instant, Meta(description="When; now, if it is left out")] | UnsetType = UNSET


Wanted = VariantName | Annotated[list[VariantName], Meta(min_length=1)]


class _Fields(Struct, omit_defaults=True):
    description: str | UnsetType = UNSET
    owner: Annotated[Teams, Meta(description="Who may flip it")] | UnsetType = UNSET
    risk: RiskShape | UnsetType = UNSET
    expires: Annotated[Day, Meta(description="When the flag should be gone")] | UnsetType = UNSET
    enabled: Annotated[bool, Meta(description="The kill switch: false serves `off` to everyone")] | UnsetType = UNSET
    requires: (
        Annotated[dict[str, Wanted], Meta(description="Other flags, and the variants that they must serve first")]
        | UnsetType
    ) = UNSET
    sticky_by: Annotated[Attribute, Meta(description="The attribute that is hashed")] | UnsetType = UNSET
    salt: Annotated[Text, Meta(description="What is hashed beside it, in place of the flag's key")] | UnsetType = UNSET
    qa: Annotated[bool, Meta(description="Whether override links may name this flag")] | UnsetType = UNSET
    public: Annotated[bool, Meta(description="Whether browsers may see this flag")] | UnsetType = UNSET
    variants: (
        Annotated[dict[Text, Any], Meta(min_length=1, description="Names and values; all of one type")] | UnsetType
    ) = UNSET
    off: Annotated[VariantName, Meta(description="The variant that is served when killed")] | UnsetType = UNSET
    default: Annotated[VariantName, Meta(description="The variant that is served when no rule matches")] | UnsetType = (
        UNSET
    )
    rules: list[RuleShape] | UnsetType = UNSET
    metadata: Annotated[dict[str, Any], Meta(description="Whatever you like")] | UnsetType = UNSET


class EnvironmentShape(_Fields, omit_defaults=True):
    """The fields that are replaced in this environment; null puts one back to its default."""

    clear: Annotated[Teams, Meta(description="Fields to put back to their defaults")] | UnsetType = UNSET


class FlagShape(_Fields, omit_defaults=True):
    """A named decision point."""

    environments: dict[Text, EnvironmentShape] | UnsetType = UNSET
    tests: list[ExampleShape] | UnsetType = UNSET


class DocumentShape(Struct, omit_defaults=True):
    """A flag file of flagmiddleware."""

    version: Annotated[int, Meta(description="The version of this format: 1")]
    flags: dict[Key, FlagShape]
    segments: dict[Text, ConditionShape] | UnsetType = UNSET
    attributes: (
        Annotated[list[Attribute] | Attribute, Meta(description="Attributes of your own that rules may name")]
        | UnsetType
    ) = UNSET
    policy: Annotated[dict[str, Any], Meta(description="The release policy")] | UnsetType = UNSET
    metadata: Annotated[dict[str, Any], Meta(description="Whatever you like")] | UnsetType = UNSET
