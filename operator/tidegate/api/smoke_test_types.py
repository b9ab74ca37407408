"""`strategy.blueGreen.prePromotion.job` as users write it. Source: api.md, 5.3; docs/adr/0055."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field

from tidegate import model
from tidegate.api import violations as found
from tidegate.api.durations import seconds_of
from tidegate.api.pod_types import PodTemplate
from tidegate.api.revision import canonical, mapping
from tidegate.api.schema import DurationBetween, Part

PATH = "spec.strategy.blueGreen.prePromotion.job"
_POLICIES = (None, "Never", "OnFailure")


class SmokeTest(Part):
    """Pods that ask the preview. They find it at TIDEGATE_PREVIEW_URL; success is exit code 0."""

    template: PodTemplate = Field(
        description="Template of its pods, as in a Job; restartPolicy is Never unless it says so."
    )
    timeout: Annotated[str, DurationBetween("1s", "24h")] = Field(
        default="10m", description="All the time that it has, image pulls and retries included."
    )
    backoff_limit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0, description="How often its pods may fail before it has failed."
    )


def read(spec: Mapping[str, Any]) -> model.SmokeTestJob | None:
    """The Job that this document of a spec asks for, if it does. Errors: none, on any JSON."""
    given = _job(spec)
    asked = found.parse(SmokeTest, given, path=PATH) if given is not None else None
    return made_of(asked, spec) if isinstance(asked, SmokeTest) else None


def made_of(asked: SmokeTest, spec: Mapping[str, Any]) -> model.SmokeTestJob:
    """The Job that was read from this document of a spec."""
    return model.SmokeTestJob(
        template=mapping(mapping(canonical(_job(spec))).get("template")),
        timeout_seconds=seconds_of(asked.timeout),
        backoff_limit=asked.backoff_limit,
    )


def violations(body: Mapping[str, Any]) -> Iterable[model.Violation]:
    """A restart policy with which no Job can be made."""
    job = _job(mapping(body.get("spec")))
    policy = mapping(mapping(mapping(job).get("template")).get("spec")).get("restartPolicy")
    if policy not in _POLICIES:
        yield model.Violation(
            path=f"{PATH}.template.spec.restartPolicy",
            message=f"is {policy}, which pods of a Job cannot have: set Never or OnFailure",
        )


def _job(spec: Mapping[str, Any]) -> Mapping[str, Any] | None:
    place = spec
    for name in ("strategy", "blueGreen", "prePromotion"):
        place = mapping(place.get(name))
    given = place.get("job")
    return given if isinstance(given, Mapping) else None
