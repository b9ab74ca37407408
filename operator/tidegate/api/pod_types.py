"""Pod templates as users write them: what is not listed is passed on as it is (api.md, 5.1)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field

from tidegate.api import schema
from tidegate.api.schema import Keyed, Part, Rule

RESERVED_LABEL_PREFIX = "tidegate.dev/"

LabelValue = Annotated[str, Field(max_length=63)]
AnnotationValue = Annotated[str, Field(max_length=4096)]


class Container(Part):
    """A container; members not listed here are passed on as they are."""

    model_config = ConfigDict(extra="allow")
    name: schema.Name = Field(description="Name of the container.")
    image: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Image of the container."
    )


class PodSpec(Part):
    """A pod spec; members not listed here are passed on as they are.

    The published schema says nothing of what stands below such an object. So who reads the API server's
    books of fields with it, as Argo CD does, takes a list here for one value: the books have to agree.
    """

    model_config = ConfigDict(extra="allow")
    containers: Annotated[
        list[Container], Field(min_length=1, max_length=32), Keyed("name", atomic=True)
    ] = Field(description="Containers of the pod.")


class PodMetadata(Part):
    """Labels and annotations of the pods."""

    labels: Annotated[dict[str, LabelValue], Field(max_length=64)] = Field(
        default={}, description="Labels of the pods; tidegate.dev/ is reserved."
    )
    annotations: Annotated[dict[str, AnnotationValue], Field(max_length=64)] = Field(
        default={}, description="Annotations of the pods."
    )
    creation_timestamp: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Ignored; client libraries write it, mostly as null.",
        json_schema_extra={"nullable": True},
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V31",
            cel=f"!has(self.labels) || self.labels.all(k, !k.startsWith('{RESERVED_LABEL_PREFIX}'))",
            message=(
                f"labels under {RESERVED_LABEL_PREFIX} are reserved for the operator: remove them"
            ),
            field="labels",
            holds=lambda it: not any(k.startswith(RESERVED_LABEL_PREFIX) for k in it.labels),
        ),
    )


class PodTemplate(Part):
    """The pods of a revision; a change here makes a new revision."""

    metadata: PodMetadata = Field(default=PodMetadata(), description="Metadata of the pods.")
    spec: PodSpec = Field(description="Spec of the pods, as in a Deployment.")
