"""What platform teams and namespaces allow, and what was found against it (api.md, 9).

Units: seconds, weights and steps in percent of the users, instants in UTC.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime, time, tzinfo
from typing import Annotated

from tidegate.model.fields import POLICY, TEXT, About
from tidegate.model.steering import Gate

SOURCES_MAX_ITEMS = 64
VIOLATIONS_MAX_ITEMS = 32
USERS_MAX_ITEMS = 20
EXEMPTIONS_MAX_ITEMS = 64
DEFAULTS_MAX_ITEMS = 32
OVERRIDES_MAX_ITEMS = 64


class EnforcementAction(enum.StrEnum):
    """What a violated rule does: keeps the rollout where it is, is told of, or is only listed."""

    ENFORCE = "Enforce"
    WARN = "Warn"
    AUDIT = "Audit"


class WindowKind(enum.StrEnum):
    """`Deny` closes; where there are windows of kind `Allow`, it is open in those only."""

    DENY = "Deny"
    ALLOW = "Allow"


class InFlight(enum.StrEnum):
    """What a closed window does to a rollout that requests reach already: nothing, or it stays."""

    CONTINUE = "Continue"
    HOLD = "Hold"


class SelectorOperator(enum.StrEnum):
    """How a label is held against values, as in Kubernetes."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """A condition on one label."""

    key: str
    operator: SelectorOperator
    values: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """The minutes at which something begins: the five fields of a crontab line, as numbers.

    Weekdays count from Sunday, 0. Where both days of the month and weekdays are limited, either
    will do (crontab(5)); a field that is not limited holds all of its numbers.
    """

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurring:
    """Begins by the wall clock of a zone, and lasts so many seconds from then on."""

    cron: Cron
    seconds: float
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Between:
    """Once, from one instant to another, which is outside."""

    begins: datetime
    ends: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Weekly:
    """Hours of some weekdays (from Sunday, 0) by the wall clock of a zone.

    Where it closes no later than it opens, it closes on the next day.
    """

    weekdays: frozenset[int]
    opens: time
    closes: time
    zone: tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which rollouts do not go forward, or in which alone they do."""

    name: str
    kind: WindowKind
    when: Recurring | Between | Weekly
    in_flight: InFlight = InFlight.HOLD


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class MandatoryCheck:
    """A metric by name or preset that must be judged; a limit above `max_threshold` is too loose."""

    metric: str
    max_threshold: float | None = None
    require_baseline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricGroup:
    """Of these metrics, by name or preset, at least so many must be judged."""

    any_of: frozenset[str]
    at_least: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What a rollout must keep to; what is not said allows everything.

    A set that is None allows all. Of several `uri_prefixes` each must have one that fits.
    """

    allowed_strategies: frozenset[str] | None = None
    allowed_automation_levels: frozenset[str] | None = None
    allowed_decision_modes: frozenset[str] | None = None
    allowed_traffic_providers: frozenset[str] | None = None
    allowed_sources: frozenset[str] | None = None
    uri_prefixes: frozenset[frozenset[str]] = frozenset()
    max_initial_weight: float | None = None
    max_step_increase: float | None = None
    max_surge_percent: float | None = None
    max_rollouts_per_namespace: int | None = None
    max_rollouts_per_cluster: int | None = None
    min_steps: int = 0
    min_replicas: int = 0
    min_hold_seconds: float = 0.0
    min_bake_seconds: float = 0.0
    min_total_seconds: float = 0.0
    rehearsed_within_seconds: float | None = None
    require_shadow: bool = False
    require_representable_weights: bool = False
    require_image_digest: bool = False
    require_model_digest: bool = False
    forbid_free_queries: bool = False
    mandatory_checks: frozenset[MandatoryCheck] = frozenset()
    metric_groups: frozenset[MetricGroup] = frozenset()


NO_CONSTRAINTS = Constraints()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyGate:
    """A gate of a policy, asked before the first step of `before_weight` percent of the users or more.

    Where that is None it is asked before the promotion.
    """

    gate: Gate
    before_weight: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitBreaker:
    """So many ModelDeployments rolled back within so many seconds are a trouble that they share."""

    rollbacks: int
    within_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """A ModelDeployment whose newest rollout was rolled back, and the policies that apply to it, by id."""

    namespace: str
    name: str
    at: datetime
    policies: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exemption:
    """Rules that need not be kept before `until`; by all of the namespace without a `model_deployment`."""

    name: str
    namespace: str
    model_deployment: str = ""
    rules: frozenset[str]
    until: datetime
    reason: str

    def is_for(self, *, namespace: str, name: str) -> bool:
        """It is about this ModelDeployment."""
        return self.namespace == namespace and self.model_deployment in {"", name}


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultValue:
    """A value that a policy gives where a ModelDeployment says nothing."""

    field: Annotated[str, About("Field below spec.")]
    value: Annotated[str, About("The value.")]
    policy: Annotated[str, About("Kind and name of the policy.", limit=POLICY)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A policy that people have let one rollout through, for all of it."""

    policy: Annotated[str, About("Kind and name of the policy.", limit=POLICY)]
    by: Annotated[str, About("Who has approved it.")]
    at: Annotated[datetime, About("When the operator saw it.")]
    comment: Annotated[str, About("Why, as that user says.", limit=TEXT)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A RolloutPolicy or ClusterRolloutPolicy. One with a `problem` could not be read.

    `selector` is about labels of ModelDeployments, `namespace_selector` about those of namespaces.
    `defaults` are values by their path below spec, as texts. Members of `override_groups` may let a
    rollout through.
    """

    kind: str
    name: str
    generation: int = 0
    priority: int = 0
    selector: tuple[Requirement, ...] = ()
    namespace_selector: tuple[Requirement, ...] = ()
    action: EnforcementAction = EnforcementAction.ENFORCE
    rule_actions: tuple[tuple[str, EnforcementAction], ...] = ()
    stopped: bool = False
    constraints: Constraints = NO_CONSTRAINTS
    windows: tuple[Window, ...] = ()
    gates: tuple[PolicyGate, ...] = ()
    breaker: CircuitBreaker | None = None
    exemptions: tuple[Exemption, ...] = ()
    defaults: tuple[tuple[str, str], ...] = ()
    override_groups: frozenset[str] = frozenset()
    problem: str = ""

    @property
    def namespaced(self) -> bool:
        """It is one of a namespace, and selects nothing outside of it."""
        return self.kind == "RolloutPolicy"

    @property
    def id(self) -> str:
        """Kind and name, for people."""
        return f"{self.kind}/{self.name}"

    @property
    def source(self) -> str:
        """With its version, as status names it."""
        return f"{self.id}@{self.generation}"

    def action_of(self, rule: str) -> EnforcementAction:
        """What a violation of this rule does."""
        return dict(self.rule_actions).get(rule, self.action)


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyViolation:
    """A rule of a policy that a rollout does not keep."""

    rule: Annotated[str, About("Field of the policy's spec that is not kept.")]
    policy: Annotated[str, About("Kind and name of the policy.", limit=POLICY)]
    action: Annotated[EnforcementAction, About("Enforce, Warn or Audit.")]
    message: Annotated[str, About("What is not kept, and how to mend it.", limit=TEXT)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyState:
    """What policies say of a ModelDeployment at the newest look."""

    sources: Annotated[
        tuple[str, ...],
        About(
            "Policies that apply now, each as Kind/name@generation.",
            limit=SOURCES_MAX_ITEMS,
            each=POLICY,
        ),
    ] = ()
    violations: Annotated[
        tuple[PolicyViolation, ...],
        About("Rules that it does not keep.", limit=VIOLATIONS_MAX_ITEMS),
    ] = ()
    defaults: Annotated[
        tuple[DefaultValue, ...],
        About(
            "Values that count because spec says nothing; of a rollout those that it began with.",
            limit=DEFAULTS_MAX_ITEMS,
        ),
    ] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """Whether rollouts may go forward by the windows of policies, and until when that stays so.

    `changes_at` is None where it is not foreseen. `closed_by` names policy and window.
    """

    closed_by: str = ""
    changes_at: datetime | None = None
    holds_begun: bool = False


OPEN = Freeze()


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyVerdict:
    """Everything that policies have against a rollout, and whether a window is closed."""

    violations: tuple[PolicyViolation, ...] = ()
    freeze: Freeze = field(default=OPEN)
    conflict: str = ""
