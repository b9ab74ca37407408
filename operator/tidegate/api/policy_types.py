"""RolloutPolicy and ClusterRolloutPolicy as users write them (api.md, 9.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from tidegate import model
from tidegate.api import schema
from tidegate.api.concurrency_types import ConcurrentRollouts
from tidegate.api.default_types import Defaults
from tidegate.api.exemption_types import Exemption
from tidegate.api.gate_types import Overrides, PolicyGate
from tidegate.api.instants import Instant, instant_of
from tidegate.api.rule_names import RuleName
from tidegate.api.schema import DurationBetween, Keyed, Part, Rule, built_in
from tidegate.model.policy import EXEMPTIONS_MAX_ITEMS
from tidegate.model.steering import POLICY_GATES_MAX_ITEMS
from tidegate.policy import cron

WEEKDAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
LONGEST_WINDOW = "2160h"
_QUALIFIED = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"

Action = Annotated[model.EnforcementAction, schema.LAX]
LabelKey = Annotated[str, Field(min_length=1, max_length=317, pattern=_QUALIFIED)]
LabelValue = Annotated[
    str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")
]
Weekday = Literal[WEEKDAYS]  # type: ignore[valid-type]
ClockTime = Annotated[str, Field(max_length=5, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Share = Annotated[float, Field(gt=0, le=100)]
MetricName = Annotated[str, Field(min_length=1, max_length=63)]


def _is_zone(name: str) -> str:
    """The name itself; an error where the time zone database does not have it."""
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        raise schema.failure("is no time zone: name one such as Europe/Berlin, or UTC") from error
    return name


def _is_schedule(text: str) -> str:
    try:
        cron.parse(text)
    except cron.CronError as error:
        raise schema.failure(str(error)) from error
    return text


Schedule = Annotated[
    str,
    Field(max_length=128, pattern=r"^\S+( +\S+){4}$"),
    AfterValidator(_is_schedule),
]
Zone = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_is_zone)]


class LabelRequirement(Part):
    """A condition on a label."""

    key: LabelKey = Field(description="Name of the label.")
    operator: Annotated[model.SelectorOperator, schema.LAX] = Field(
        description="In, NotIn, Exists or DoesNotExist."
    )
    values: Annotated[list[LabelValue], Field(max_length=16)] = Field(
        default=[],
        description="Alternatives of In and NotIn.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V101",
            cel="(self.operator in ['In', 'NotIn']) == (has(self.values) && size(self.values) > 0)",
            message="In and NotIn need values, Exists and DoesNotExist have none: add or remove them",
            field="values",
            holds=lambda it: (it.operator in {"In", "NotIn"}) == bool(it.values),
        ),
    )


class LabelSelector(Part):
    """Objects by their labels; one without conditions selects all."""

    extensions: ClassVar[dict[str, object]] = schema.ATOMIC_MAP
    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = Field(
        default={}, description="Labels and their values."
    )
    match_expressions: Annotated[list[LabelRequirement], Field(max_length=16)] = Field(
        default=[], description="Conditions on labels.", json_schema_extra=schema.ATOMIC_LIST
    )


class RuleAction(Part):
    """Another action for one rule, for gradual adoption."""

    rule: RuleName = Field(
        description="A member of constraints, freezeWindows, approvals, circuitBreaker or stopPolicy."
    )
    action: Action = Field(description="Enforce, Warn or Audit.")


class MandatoryCheck(Part):
    """A metric that must be judged."""

    metric: MetricName = Field(
        description=(
            "Name or preset of a metric of the ModelDeployment. The name of a preset is met by that "
            "preset alone."
        )
    )
    max_threshold: Annotated[float, Field(ge=0)] | None = Field(
        default=None,
        description="Largest threshold.max that it may have, in each step; without: any.",
    )
    require_baseline: bool = Field(
        default=False, description="It must be held against stable or a reference."
    )


class MetricGroup(Part):
    """Some of several metrics must be judged."""

    name: schema.Name = Field(description="Name of the group.")
    any_of: Annotated[list[MetricName], Field(min_length=1, max_length=16)] = Field(
        description="Names or presets of metrics.", json_schema_extra=schema.ATOMIC_LIST
    )
    at_least: Annotated[int, Field(ge=1, le=16)] = Field(
        default=1, description="How many of them must be judged."
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V102",
            cel="!has(self.atLeast) || self.atLeast <= size(self.anyOf)",
            message="atLeast must not be more than anyOf has: lower it, or add metrics",
            field="atLeast",
            holds=lambda it: it.at_least <= len(it.any_of),
        ),
    )


class MetricSources(Part):
    """Where metrics may come from."""

    allowed: Annotated[list[schema.Name], Field(min_length=1, max_length=16)] | None = Field(
        default=None,
        description="Metric sources that may be used; without: all.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    forbid_free_queries: bool = Field(
        default=False, description="Metrics must use a preset or a template."
    )


class Images(Part):
    """What images must be: of the pods, their image volumes and the Job of a preview."""

    require_digest: bool = Field(
        default=False,
        description=(
            "Each image is named with its digest: of containers, initContainers and image volumes, "
            "also of prePromotion.job."
        ),
    )


class ModelURIs(Part):
    """Where models may come from."""

    allowed_prefixes: Annotated[list[schema.Uri], Field(min_length=1, max_length=16)] | None = (
        Field(
            default=None,
            description=(
                "model.uri and every model.artifacts[].uri must begin with one of these, by whole "
                "segments, and have no segment . or ..; without: any. What containers load by their "
                "arguments or environment is not seen."
            ),
            json_schema_extra=schema.ATOMIC_LIST,
        )
    )
    require_digest: bool = Field(
        default=False, description="model.digest must be set, and that of every artefact."
    )


class RehearsedRollback(Part):
    """The way back was gone not long ago, by an abort or by a rollback."""

    within: Annotated[str, DurationBetween("1h", "8760h")] = Field(
        description=(
            "Within how long a time, by the RolloutRecords that rolloutHistoryLimit keeps; it counts "
            "where requests had reached a step."
        )
    )


Strategies = Annotated[
    list[Literal["Canary", "Shadow", "BlueGreen"]], Field(min_length=1, max_length=3)
]
Levels = Annotated[
    list[Annotated[model.AutomationLevel, schema.LAX]], Field(min_length=1, max_length=5)
]
Modes = Annotated[
    list[Annotated[model.DecisionMode, schema.LAX]], Field(min_length=1, max_length=5)
]
Providers = Annotated[
    list[Annotated[model.Provider, schema.LAX]], Field(min_length=1, max_length=8)
]


class Constraints(Part):
    """What every rollout must keep to. What is left out allows everything."""

    allowed_strategies: Strategies | None = Field(
        default=None,
        description="Values of strategy.type that are allowed.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    allowed_automation_levels: Levels | None = Field(
        default=None,
        description="Values of automation.level that are allowed.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    allowed_decision_modes: Modes | None = Field(
        default=None,
        description="Values of automation.decisionMode that are allowed; it must be set then.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    allowed_traffic_providers: Providers | None = Field(
        default=None,
        description="Values of traffic.provider that are allowed.",
        json_schema_extra=schema.ATOMIC_LIST,
    )
    max_initial_weight: Share | None = Field(
        default=None,
        description="Largest first share of the users in percent; a BlueGreen has a preview instead.",
    )
    max_step_increase: Share | None = Field(
        default=None,
        description=(
            "Most percent points from one step to the next, the promotion included; a BlueGreen "
            "switches at once."
        ),
    )
    max_surge_percent: schema.Percent | None = Field(
        default=None, description="Largest strategy.scaling.maxSurgePercent."
    )
    max_concurrent_rollouts: ConcurrentRollouts = Field(
        default=ConcurrentRollouts(),
        description="Most rollouts under way at once; further ones wait for a place, by age.",
    )
    min_steps: Annotated[int, Field(ge=1, le=32)] | None = Field(
        default=None, description="Fewest steps with users before the promotion."
    )
    min_replicas: Annotated[int, Field(ge=1, le=5000)] | None = Field(
        default=None,
        description="Fewest workload.replicas; 0, which is no pods at all, is allowed.",
    )
    min_hold: Annotated[str, DurationBetween("1s", "720h")] | None = Field(
        default=None, description="Shortest hold of a step with users."
    )
    min_bake: Annotated[str, DurationBetween("1s", "720h")] | None = Field(
        default=None, description="Shortest strategy.postPromotion.bake."
    )
    min_total_duration: Annotated[str, DurationBetween("1s", "2160h")] | None = Field(
        default=None, description="Shortest time of all steps from the start to the promotion."
    )
    require_shadow: bool = Field(
        default=False,
        description="Copies of requests before the first users: a warm-up or a Shadow.",
    )
    require_rehearsed_rollback: RehearsedRollback | None = Field(
        default=None,
        description="Before the promotion: a rollback of this ModelDeployment not long ago.",
    )
    require_representable_weights: bool = Field(
        default=False,
        description="No weight may round to nothing or to everything with the pods that there are.",
    )
    mandatory_checks: (
        Annotated[list[MandatoryCheck], Field(min_length=1, max_length=16), Keyed("metric")] | None
    ) = Field(default=None, description="Metrics that must be judged.")
    metric_groups: (
        Annotated[list[MetricGroup], Field(min_length=1, max_length=8), Keyed("name")] | None
    ) = Field(default=None, description="Groups of which some metrics must be judged.")
    metric_sources: MetricSources = Field(
        default=MetricSources(), description="Where metrics may come from."
    )
    images: Images = Field(default=Images(), description="What images must be.")
    model_uris: ModelURIs = Field(
        default=ModelURIs(), alias="modelURIs", description="Where models may come from."
    )


class Hours(Part):
    """Hours of a day by the wall clock; from 18:00 to 08:00 ends on the next day."""

    begin: ClockTime = Field(alias="from", description="When it begins, such as 09:00.")
    end: ClockTime = Field(alias="to", description="When it ends, such as 17:00.")


def _one_of(*members: str) -> Callable[[Any], bool]:
    return lambda it: sum(getattr(it, member) is not None for member in members) == 1


class FreezeWindow(Part):
    """A time in which rollouts do not go forward, or in which alone they do; back they go always."""

    name: schema.Name = Field(description="Name of the window.")
    kind: Annotated[model.WindowKind, schema.LAX] = Field(
        default=model.WindowKind.DENY,
        description="Deny: closed meanwhile. Allow: closed outside of all windows of this kind.",
    )
    schedule: Schedule | None = Field(
        default=None, description="When it begins, as a line of a crontab; with duration."
    )
    duration: Annotated[str, DurationBetween("1m", LONGEST_WINDOW)] | None = Field(
        default=None, description="How long it lasts after schedule."
    )
    hours: Hours | None = Field(default=None, description="Hours of the days in question.")
    days: Annotated[list[Weekday], Field(min_length=1, max_length=7)] | None = Field(
        default=None,
        description="Days of hours.",
        json_schema_extra=schema.ATOMIC_LIST | built_in("every day"),
    )
    begin: Instant | None = Field(
        default=None,
        alias="from",
        description="Begin of a window that comes once, by RFC 3339 with its zone.",
    )
    end: Instant | None = Field(
        default=None,
        alias="to",
        description="End of a window that comes once, by RFC 3339 with its zone.",
    )
    time_zone: Zone | None = Field(
        default=None,
        description="Zone of schedule and hours, such as Europe/Berlin.",
        json_schema_extra=built_in("UTC"),
    )
    in_flight: Annotated[model.InFlight, schema.LAX] = Field(
        default=model.InFlight.HOLD,
        description="Rollouts under way. Hold: they stay where they are. Continue: they go on.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V103",
            cel="[has(self.schedule), has(self.hours), has(self.from)].exists_one(x, x)",
            message="exactly one of schedule, hours and from must be set: say when the window is",
            field="",
            holds=_one_of("schedule", "hours", "begin"),
        ),
        Rule(
            id="V104",
            cel="has(self.schedule) == has(self.duration)",
            message="schedule and duration belong together: set both, or neither",
            field="duration",
            holds=lambda it: (it.schedule is None) == (it.duration is None),
        ),
        Rule(
            id="V105",
            cel=(
                "has(self.from) == has(self.to) && "
                "(!has(self.from) || !has(self.to) || timestamp(self.from) < timestamp(self.to))"
            ),
            message="from and to belong together, and to is later: set both, or neither",
            field="to",
            holds=lambda it: (
                (it.begin is None) == (it.end is None)
                and (it.begin is None or instant_of(it.begin) < instant_of(it.end))
            ),
        ),
        Rule(
            id="V106",
            cel="!has(self.days) || has(self.hours)",
            message="days are those of hours: add hours, or write the days into schedule",
            field="days",
            holds=lambda it: it.days is None or it.hours is not None,
        ),
        Rule(
            id="V107",
            cel="!has(self.timeZone) || !has(self.from)",
            message="from and to have their zone themselves: remove timeZone",
            field="timeZone",
            holds=lambda it: it.time_zone is None or it.begin is None,
        ),
    )


class PolicySpec(Part):
    """What the rollouts of a namespace must keep to, and when they may go forward."""

    selector: LabelSelector = Field(
        default=LabelSelector(),
        description=(
            "ModelDeployments by their labels; without: all. What applied when a rollout began applies "
            "until it has ended."
        ),
    )
    enforcement_action: Action = Field(
        default=model.EnforcementAction.ENFORCE,
        description=(
            "Enforce: what is not kept holds the rollout where it is. Warn: it is told by an Event. "
            "Audit: it is listed in status. Going back is never held."
        ),
    )
    rule_actions: Annotated[list[RuleAction], Field(max_length=32), Keyed("rule")] = Field(
        default=[], description="Actions of single rules, for gradual adoption."
    )
    priority: Annotated[int, Field(ge=0, le=1000)] = Field(
        default=0,
        description="Orders defaults: the higher one counts. No constraint is loosened by it.",
    )
    defaults: Defaults = Field(
        default=Defaults(),
        description=(
            "Values for ModelDeployments that say nothing; a rollout keeps those that it began with. "
            "Of several policies a RolloutPolicy counts more, then priority, then the name."
        ),
    )
    stop_policy: Literal["None", "Hold"] = Field(
        default="None", description="Hold: no rollout goes forward until it is taken away."
    )
    constraints: Constraints = Field(
        default=Constraints(), description="What every rollout must keep to."
    )
    freeze_windows: Annotated[list[FreezeWindow], Field(max_length=32), Keyed("name")] = Field(
        default=[], description="When rollouts may go forward."
    )
    approvals: Annotated[
        list[PolicyGate], Field(max_length=POLICY_GATES_MAX_ITEMS), Keyed("name")
    ] = Field(default=[], description="Gates that people open in every rollout.")
    overrides: Overrides = Field(
        default=Overrides(),
        description="Who may let a single rollout through this policy; without: nobody.",
    )


class CircuitBreaker(Part):
    """Many rollouts rolled back at once have a cause that they share: the others wait meanwhile."""

    rollbacks: Annotated[int, Field(ge=2, le=10000)] = Field(
        description="ModelDeployments whose newest rollout was rolled back; each counts once."
    )
    within: Annotated[str, DurationBetween("1m", "24h")] = Field(
        description="In how long a time; it lets go when fewer are left in it."
    )


class ClusterPolicySpec(PolicySpec):
    """The same for the namespaces that it selects."""

    selector: LabelSelector = Field(
        default=LabelSelector(),
        description=(
            "ModelDeployments by their labels; without: all. These labels belong to whoever may edit "
            "the ModelDeployment: use namespaceSelector for what must hold. What applied when a rollout "
            "began applies until it has ended."
        ),
    )
    namespace_selector: LabelSelector = Field(
        default=LabelSelector(), description="Namespaces by their labels; without: all."
    )
    circuit_breaker: CircuitBreaker | None = Field(
        default=None,
        description="Holds all rollouts that the policy applies to when many are rolled back.",
    )
    exemptions: Annotated[
        list[Exemption], Field(max_length=EXEMPTIONS_MAX_ITEMS), Keyed("name")
    ] = Field(default=[], description="Who need not keep which rules, until when, and why.")
