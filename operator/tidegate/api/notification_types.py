"""NotificationProvider as users write it: where news of rollouts goes (api.md, 13)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.monitoring_types import Url
from tidegate.api.policy_types import LabelSelector
from tidegate.api.schema import DurationBetween, Part, Rule

EventName = Annotated[str, Field(max_length=63, pattern=r"^[A-Z][A-Za-z]*$")]
# Their URLs are secrets, which must not stand in an object.
_BY_NAME_ONLY = frozenset({model.NotificationType.SLACK, model.NotificationType.MS_TEAMS})


class Spec(Part):
    """Where news of the ModelDeployments of this namespace goes, and which of it."""

    type: Annotated[model.NotificationType, schema.LAX] = Field(
        description="What the receiver understands: Webhook, CloudEvents, Slack, MSTeams or Alertmanager."
    )
    url: Url | None = Field(
        default=None,
        description="Where it is posted, signed; its host must stand in hookReceivers of the operator's settings.",
    )
    receiver: schema.Name | None = Field(
        default=None,
        description="One of notificationReceivers of the operator's settings, which keep URL and credentials.",
    )
    events: Annotated[list[EventName], Field(max_length=64)] = Field(
        default=[],
        description="Only these, by the reason of the Event; without any, all.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    min_severity: Annotated[model.Severity, schema.LAX] = Field(
        default=model.Severity.INFO,
        description="Only what matters as much: Info, Warn or Error.",
    )
    model_deployments: Annotated[list[schema.Name], Field(max_length=64)] = Field(
        default=[],
        description="Only of these ModelDeployments; without any, of all that selector names.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    selector: LabelSelector = Field(
        default=LabelSelector(), description="Only of ModelDeployments with these labels."
    )
    template: Annotated[str, Field(max_length=2048)] = Field(
        default="",
        description="Text of a message, with variables such as ${name}; without it, a usual one.",
    )
    max_per_minute: Annotated[int, Field(ge=1, le=600)] = Field(
        default=30, description="At most so many messages; others wait for their turn."
    )
    timeout: Annotated[str, DurationBetween("1s", "30s")] = Field(
        default="10s", description="Longest wait for the answer to one try."
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        default=5, description="Further tries of a message, with growing rests."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V87",
            cel="has(self.url) != has(self.receiver)",
            message="name either a url or a receiver: add one, or remove one",
            field="",
            holds=lambda it: (it.url is None) != (it.receiver is None),
        ),
        Rule(
            id="V88",
            cel="!has(self.url) || !(self.type in ['Slack', 'MSTeams'])",
            message=(
                "the URLs of Slack and MSTeams are secrets: let the administrator put it into "
                "notificationReceivers, and name it in receiver"
            ),
            field="url",
            holds=lambda it: it.url is None or it.type not in _BY_NAME_ONLY,
        ),
    )
