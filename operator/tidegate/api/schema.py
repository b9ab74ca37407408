"""What our pydantic types have in common: strictness, rules and what a CRD says beyond types.

A cross-field rule is written once, as CEL for the API server and as a predicate for us, with one
message. `crdgen` turns both the types and the rules into manifests; `Part` enforces them here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Self

import pydantic
from pydantic import ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError, core_schema

from tidegate.api import durations

VALIDATIONS = "x-kubernetes-validations"
BUILT_IN = "x-tidegate-built-in"  # a default that depends on other fields, in words; docs only
KEEP_DEFAULT = "x-tidegate-keep-default"  # this default belongs into the CRD (api.md, 2.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A condition on an object that its types cannot express.

    `field` is the member to blame and to mend, as it is spelled in YAML, or empty for the object
    itself. `id` is the number of the rule in api.md, 2.4; ours begin at V31, templates have T.
    """

    id: str
    cel: str
    message: str
    field: str
    holds: Callable[[Any], bool]

    def validation(self) -> JsonSchemaValue:
        """The rule as an entry of `x-kubernetes-validations`."""
        entry = {"rule": self.cel, "message": self.message}
        return entry | ({"fieldPath": f".{self.field}"} if self.field else {})


def failure(message: str) -> PydanticCustomError:
    """An error whose message is taken as it is, braces included."""
    return PydanticCustomError("rule", "{message}", {"message": message})


class Part(pydantic.BaseModel):
    """An object of our API: strict types, no unknown members, rules checked as a whole."""

    model_config = ConfigDict(
        strict=True,
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        allow_inf_nan=False,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    extensions: ClassVar[dict[str, object]] = {}

    @pydantic.model_validator(mode="after")
    def _keep_rules(self) -> Self:
        broken = [
            InitErrorDetails(
                type=failure(rule.message),
                loc=(rule.field,) if rule.field else (),
                input=None,
            )
            for rule in self.rules
            if not rule.holds(self)
        ]
        if broken:
            raise pydantic.ValidationError.from_exception_data(type(self).__name__, broken)
        return self

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler, /
    ) -> JsonSchemaValue:
        """The schema of the members, with the extensions and rules of this class."""
        result = handler.resolve_ref_schema(handler(schema))
        result.update(cls.extensions)
        if cls.rules:
            result[VALIDATIONS] = [rule.validation() for rule in cls.rules]
        return result


@dataclass(frozen=True, slots=True)
class DurationBetween:
    """Marks a string as a duration within limits."""

    shortest: str
    longest: str

    @property
    def message(self) -> str:
        """What to write instead."""
        return f"must be a duration from {self.shortest} to {self.longest}, such as 90s or 1h30m"

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The string, checked."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The pattern, and the limits as CEL (V13)."""
        rule = (
            f"duration(self) >= duration('{self.shortest}') && "
            f"duration(self) <= duration('{self.longest}')"
        )
        return handler(schema) | {
            "pattern": durations.PATTERN,
            "maxLength": durations.MAX_LENGTH,
            VALIDATIONS: [{"rule": rule, "message": self.message}],
        }

    def check(self, value: str) -> str:
        """The value itself; an error where it is no duration within the limits."""
        seconds = durations.parse(value)
        low, high = durations.seconds_of(self.shortest), durations.seconds_of(self.longest)
        if seconds is None or not low <= seconds <= high:
            raise failure(self.message)
        return value


@dataclass(frozen=True, slots=True)
class FourDecimals:
    """Marks a number as having at most 4 decimals (V30); `multipleOf` refuses valid floats."""

    MESSAGE: ClassVar[str] = "must have at most 4 decimals"
    RULE: ClassVar[str] = (
        "self * 10000.0 - double(int(self * 10000.0 + 0.5)) < 0.0001 && "
        "double(int(self * 10000.0 + 0.5)) - self * 10000.0 < 0.0001"
    )

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The number, checked."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The CEL rule."""
        rules = [{"rule": self.RULE, "message": self.MESSAGE}]
        return handler(schema) | {VALIDATIONS: rules}

    def check(self, value: float) -> float:
        """The value itself; an error where it has more decimals."""
        scaled = value * 10_000
        if abs(scaled - int(scaled + 0.5)) >= 0.0001:
            raise failure(self.MESSAGE)
        return value


@dataclass(frozen=True, slots=True)
class Keyed:
    """Marks a list whose items are told apart by one member (`listType: map`).

    atomic: for server-side apply the list is one value; see ADR 0112.
    """

    key: str
    atomic: bool = False

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """The list, checked."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The list type and its key, or the rule that stands for them."""
        if self.atomic:
            rule = f"self.all(one, self.exists_one(other, other.{self.key} == one.{self.key}))"
            message = f"{self.key} is used twice: give every item its own {self.key}"
            return (
                handler(schema) | ATOMIC_LIST | {VALIDATIONS: [{"rule": rule, "message": message}]}
            )
        return handler(schema) | {
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": [self.key],
        }

    def check(self, value: list[Part]) -> list[Part]:
        """The list itself; an error for each item whose key was used before."""
        seen: set[Hashable] = set()
        errors: list[InitErrorDetails] = []
        for index, item in enumerate(value):
            key = getattr(item, self.key)
            if key in seen:
                message = f"{key} is used twice: give every item its own {self.key}"
                errors.append(
                    InitErrorDetails(type=failure(message), loc=(index, self.key), input=None)
                )
            seen.add(key)
        if errors:
            raise pydantic.ValidationError.from_exception_data("list", errors)
        return value


def built_in(text: str) -> dict[str, Any]:
    """For `json_schema_extra`: a default that depends on other fields, in words."""
    return {BUILT_IN: text}


ATOMIC_MAP: dict[str, object] = {"x-kubernetes-map-type": "atomic"}
ATOMIC_LIST: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}

LABEL = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
DNS_LABEL = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"
SHA256 = r"^sha256:[0-9a-f]{64}$"

ServiceName = Annotated[str, Field(min_length=1, max_length=63, pattern=DNS_LABEL)]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME)]
ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=DNS_SUBDOMAIN)]
Digest = Annotated[str, Field(max_length=71, pattern=SHA256)]
Uri = Annotated[str, Field(min_length=1, max_length=2048)]
UrlPath = Annotated[str, Field(max_length=256, pattern=r"^/[^\s?#]*$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Count = Annotated[int, Field(ge=1, le=1_000_000_000)]
UpToHundred = Annotated[int, Field(ge=1, le=100)]
Percent = Annotated[float, Field(ge=0, le=100), FourDecimals()]
# Enums are given as their text, which strict types would refuse.
LAX = Strict(False)
