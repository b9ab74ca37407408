"""The words of a rollout as frozen data: what is asked for, what was decided, what is seen.

Everything that `rollout.phases.decide` may know or say is a value from this module. Nothing here
does I/O, reads a clock or knows how Kubernetes spells things; `tidegate.api` translates.

Units: seconds, ratios from 0 to 1, weights in percent from 0 to 100, instants in UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias, Union

Json: TypeAlias = Union[bool, int, float, str, Sequence["Json"], Mapping[str, "Json"], None]  # noqa: UP007
Document: TypeAlias = Mapping[str, Json]


class Phase(enum.StrEnum):
    """Where a ModelDeployment stands (api.md, 6.2)."""

    PENDING = "Pending"
    INITIALIZING = "Initializing"
    PROGRESSING = "Progressing"
    PAUSED = "Paused"
    PROMOTING = "Promoting"
    ROLLING_BACK = "RollingBack"
    HEALTHY = "Healthy"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    INVALID = "Invalid"
    TERMINATING = "Terminating"


class Role(enum.StrEnum):
    """What a revision is at the moment; held in status and in a label of Deployment and Service."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    PREVIOUS = "previous"


class Provider(enum.StrEnum):
    """The data planes that can carry a split."""

    REPLICA_RATIO = "ReplicaRatio"
    GATEWAY_API = "GatewayAPI"


class Outcome(enum.StrEnum):
    """Judgement of one metric (api.md, 1)."""

    PASS = "Pass"  # noqa: S105  (an outcome, not a password)
    FAIL = "Fail"
    INCONCLUSIVE = "Inconclusive"
    NO_DATA = "NoData"
    ERROR = "Error"


class Verdict(enum.StrEnum):
    """All metrics of a step together."""

    ADVANCE = "Advance"
    HOLD = "Hold"
    ROLL_BACK = "RollBack"


class OnInconclusive(enum.StrEnum):
    """What a step does at its deadline without proof."""

    PAUSE = "Pause"
    PROMOTE = "Promote"
    ROLLBACK = "Rollback"


class ShareCheck(enum.StrEnum):
    """What a measured share that differs from the weight does (api.md, 5.2)."""

    HOLD = "Hold"
    REPORT = "Report"
    OFF = "Off"


class RequestKind(enum.StrEnum):
    """What a person can ask for by annotation (api.md, 7)."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"


class RolloutResult(enum.StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    FAST_PROMOTED = "FastPromoted"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


# --- what is asked for ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Identity of the served model; part of the revision."""

    name: str
    version: str
    uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How the model server speaks. `preset` names a row of the metric presets."""

    preset: str
    port: int
    metrics_port: int
    metrics_path: str
    ready_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryService:
    """The Service that clients use."""

    name: str
    port: int
    target_port: int
    app_protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRef:
    """A Gateway that the managed route attaches to. Empty strings and 0 mean: not given."""

    name: str
    namespace: str = ""
    section_name: str = ""
    port: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRoute:
    """What the managed HTTPRoute matches: hostnames and path prefixes."""

    parents: tuple[ParentRef, ...]
    hostnames: tuple[str, ...] = ()
    path_prefixes: tuple[str, ...] = ("/",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Which data plane carries the split and how long it may take to accept one."""

    provider: Provider
    gateway: GatewayRoute | None = None
    verify_timeout_seconds: float = 120.0
    share_check: ShareCheck = ShareCheck.HOLD
    share_tolerance: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A planned weight with its least and longest stay."""

    name: str
    weight_percent: float
    hold_seconds: float
    deadline_seconds: float
    min_requests: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many pods a rollout may add or miss (api.md, 5.3)."""

    match_traffic: bool = True
    min_replicas: int = 1
    max_surge_percent: float = 100.0
    max_unavailable_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Absolute limits of a value; `None` means no limit on that side."""

    min: float | None = None
    max: float | None = None

    def broken_by(self, value: float) -> bool:
        """True when the value lies outside the limits."""
        below = self.min is not None and value < self.min
        above = self.max is not None and value > self.max
        return below or above


NO_THRESHOLD = Threshold()


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Held against stable (api.md, 5.4): rates of bad events as ratios above 1.

    `tolerance` may be exceeded before it is harm, None leaves it to the number of pods; `margin`
    must be ruled out for a step to pass, or an excess of `tolerance_absolute` (a rate).
    """

    tolerance: float | None = None
    margin: float = 0.25
    tolerance_absolute: float = 0.005


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRef:
    """Reference to a MetricTemplate of the same namespace or to a ClusterMetricTemplate."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One judged number. Exactly one of `preset`, `template`, `query` is set."""

    name: str
    threshold: Threshold = NO_THRESHOLD
    compare: Compare | None = None
    preset: str = ""
    template: TemplateRef | None = None
    query: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    window_seconds: float = 60.0
    min_samples: int = 20
    critical: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """How a step is judged (api.md, 5.4). An empty `data_plane` leaves presets to the server."""

    source: str
    interval_seconds: float
    warmup_seconds: float
    settle_seconds: float
    min_requests: int
    breach_failures: int
    breach_out_of: int
    error_limit: int
    no_data_timeout_seconds: float
    on_inconclusive: OnInconclusive
    metrics: tuple[Metric, ...]
    false_rollback: float = 0.01
    false_promotion: float = 0.05
    data_plane: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What happens to a rejected revision and how it is reported."""

    report_as: str = "Degraded"
    keep_candidate_seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A valid ModelDeployment spec with every default filled in."""

    model: Model
    server: Server
    replicas: int
    template: Document
    service: EntryService
    traffic: Traffic
    steps: tuple[Step, ...]
    scaling: Scaling
    scale_down_delay_seconds: float
    analysis: Analysis
    rollback: Rollback
    progress_deadline_seconds: float
    revision_history_limit: int
    rollout_history_limit: int = 5
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Why a spec cannot be carried out: the field, what is wrong and how to mend it."""

    path: str
    message: str
    reason: str = "InvalidSpec"


# --- what was decided (status) -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A model with its pod template. `hash` is the first 10 hex digits of `digest`."""

    hash: str
    digest: str
    model_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionStatus:
    """A revision in a role, with its pods."""

    revision: str
    model_version: str
    replicas: int = 0
    ready_replicas: int = 0
    since: datetime | None = None


class StepState(enum.StrEnum):
    """What became of a planned step."""

    PENDING = "Pending"
    ACTIVE = "Active"
    PASSED = "Passed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """A confidence interval; None is an open end."""

    lower: float | None = None
    upper: float | None = None


OPEN_BOUNDS = Bounds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmCounts:
    """Requests of a revision, and those of them that speak against it."""

    total: float = 0.0
    bad: float = 0.0


NO_COUNTS = ArmCounts()


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricResult:
    """Judgement of one metric with the numbers behind it.

    `value_bounds` belong to the candidate's value, `ratio_bounds` to its ratio to stable; neither
    decides. `evidence` is the logarithm of an e-value against the candidate and acts at
    `evidence_limit`, `proof` that of the proof that it does no harm, needed is `proof_limit`.
    `edge` is the bucket bound (seconds) of a latency that the counts speak of.
    """

    name: str
    outcome: Outcome
    reason: str = ""
    message: str = ""
    value: float | None = None
    value_bounds: Bounds = OPEN_BOUNDS
    baseline_value: float | None = None
    threshold: Threshold = NO_THRESHOLD
    edge: float | None = None
    ratio: float | None = None
    ratio_bounds: Bounds = OPEN_BOUNDS
    evidence: float | None = None
    evidence_limit: float | None = None
    proof: float | None = None
    proof_limit: float | None = None
    dispersion: float | None = None
    dispersion_source: str = ""
    candidate: ArmCounts = NO_COUNTS
    baseline: ArmCounts = NO_COUNTS
    intervals: int = 0
    failures: int = 0
    dry_run: bool = False
    critical: bool = False
    evaluated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """A step as frozen when the rollout began. `effective_weight_percent` is after rounding.

    The instants and the evidence, the judgements with which the step ended, are filled in as it is
    walked.
    """

    name: str
    weight_percent: float
    effective_weight_percent: float
    hold_seconds: float
    deadline_seconds: float
    min_requests: int
    state: StepState = StepState.PENDING
    started_at: datetime | None = None
    confirmed_at: datetime | None = None
    ended_at: datetime | None = None
    evidence: tuple[MetricResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveStep:
    """The step being walked. `confirmed_at` is when the wanted weight was seen in the data plane.

    `estimate` says in words what the step can find out in its time.
    """

    index: int
    name: str
    started_at: datetime
    confirmed_at: datetime | None = None
    hold_until: datetime | None = None
    deadline_at: datetime | None = None
    estimate: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Share of users' requests per role in percent; the two always sum to 100."""

    candidate_percent: float

    @property
    def stable_percent(self) -> float:
        """What the candidate does not get."""
        return 100.0 - self.candidate_percent


NO_TRAFFIC = Split(candidate_percent=0.0)


class Waiting(enum.StrEnum):
    """Why a rollout stands still although time and evidence alone would not stop it."""

    REQUEST = "Request"
    SPEC_PAUSED = "SpecPaused"
    INCONCLUSIVE = "Inconclusive"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    NO_DATA = "NoData"
    CAPACITY = "Capacity"
    PODS_NOT_READY = "PodsNotReady"
    ROUTE_NOT_READY = "RouteNotReady"
    DRAIN = "Drain"


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingFor:
    """What the rollout waits for, since when, and in words."""

    reason: Waiting
    since: datetime
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One attempt to bring a revision into service; `active` until its result stands.

    `stage` is the phase the rollout works in; the status phase differs from it while paused.
    `split` is the intent, written before the data plane is; `observed_candidate_percent` the
    measured share. `progress_at` restarts the progress deadline. `judged_since` is the last
    confirmation of a weight; evidence of earlier steps counts from `evidence_since` on, and
    `evidence_digest` is the SHA-256 of the rows that it came from. The `from_` fields name what
    served when it began, empty for the first revision.
    """

    id: str
    revision: Revision
    attempt: int
    active: bool
    started_at: datetime
    progress_at: datetime
    plan: tuple[PlanStep, ...]
    step: ActiveStep | None = None
    split: Split = NO_TRAFFIC
    observed_candidate_percent: float | None = None
    first_traffic_at: datetime | None = None
    judged_since: datetime | None = None
    evidence_since: datetime | None = None
    evidence_digest: str = ""
    waiting_for: WaitingFor | None = None
    stage: Phase = Phase.PENDING
    skip_analysis: bool = False
    analysis_key: str = ""
    rollback_reason: str = ""
    rollback_by: str = ""
    model_name: str = ""
    model_uri: str = ""
    from_revision: str = ""
    from_model_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRevision:
    """A revision that must not be tried again until a person asks for it."""

    revision: str
    model_version: str
    reason: str
    at: datetime
    by: str
    attempt: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """A revision without traffic whose pods go at `scale_down_at`."""

    revision: str
    scale_down_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class HandledRequest:
    """Answer to the newest request annotation."""

    request: str
    revision: str
    requested_at: str
    handled_at: datetime
    outcome: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRollout:
    """How the rollout before ended. `record` names its RolloutRecord, empty where none is kept."""

    id: str
    result: RolloutResult
    finished_at: datetime
    reason: str = ""
    by: str = ""
    revision: str = ""
    attempt: int = 1
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A metav1 condition."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_at: datetime
    observed_generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that survives a restart, besides the objects in the cluster themselves."""

    observed_generation: int = 0
    phase: Phase = Phase.PENDING
    message: str = ""
    health_status: str = "Progressing"
    health_message: str = ""
    desired: Revision | None = None
    stable: RevisionStatus | None = None
    candidate: RevisionStatus | None = None
    previous: RevisionStatus | None = None
    rollout: Rollout | None = None
    analysis: tuple[MetricResult, ...] = ()
    last_handled_request: HandledRequest | None = None
    last_rollout: LastRollout | None = None
    rejected: tuple[RejectedRevision, ...] = ()
    retiring: tuple[Retiring, ...] = ()
    epoch: int = 0
    conditions: tuple[Condition, ...] = ()


# --- what is seen --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The request annotations as written by a person; unparsed, since they may be malformed."""

    request: str
    revision: str
    requested_at: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """Identity and version of the ModelDeployment."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool = False
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionState:
    """Deployment and Service of one revision as they are in the cluster.

    `wanted` is the Deployment's spec.replicas; `current` says that its status speaks of the
    newest generation. `failure` is the pods' own reason (such as CrashLoopBackOff) or empty;
    `unschedulable` means that pods wait for capacity, which is no fault of the model.
    """

    revision: Revision
    wanted: int
    ready: int
    available: int
    role: Role | None
    created_at: datetime
    has_service: bool
    current: bool = True
    failure: str = ""
    unschedulable: str = ""
    resource_version: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """What is asked of a RolloutRecord that exists: whose it is, and how old."""

    name: str
    revision: str
    attempt: int
    finished_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficState:
    """What the data plane says: who gets which share, and whether it accepted the newest write.

    `weights` maps a revision to its share in percent as written in the traffic target.
    `pending` is empty when the target is accepted for its generation, else the reason.
    `rolled_back_revision` is the marker that a lowering write left on the target, `lowered_rollout`
    the rollout whose traffic such a write took away last.
    """

    exists: bool
    weights: Mapping[str, float] = field(default_factory=dict)
    accepted: bool = False
    pending_reason: str = ""
    pending_message: str = ""
    rolled_back_revision: str = ""
    lowered_rollout: str = ""
    resource_version: str = ""
    entry_exists: bool = False
    entry_revision: str = ""
    conflict: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a planned step can find out, said before it starts; a warning if that is too little."""

    text: str
    warning: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisState:
    """Judgement of the running step by the evidence engine, or why there is none yet.

    `judged` is False while nothing was evaluated for this (revision, step) since it was
    confirmed. `requests` counts candidate requests in this step. `only_proof_is_missing` says that
    a hold has no other reason, so that time alone may be enough. `estimates` has one entry per step
    of the plan once the stable history is known; `digest` is the SHA-256 of the interval table.
    """

    judged: bool = False
    verdict: Verdict = Verdict.HOLD
    reason: str = ""
    message: str = ""
    results: tuple[MetricResult, ...] = ()
    requests: float = 0.0
    consecutive_errors: int = 0
    without_data_since: datetime | None = None
    only_proof_is_missing: bool = False
    observed_candidate_percent: float | None = None
    estimates: tuple[Estimate, ...] = ()
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One fresh look at everything `decide` may know.

    `blocked` is what the API server finally refused when the last decision was carried out.
    """

    now: datetime
    epoch: int
    meta: ObjectMeta
    status: Status
    spec: Spec | None = None
    desired: Revision | None = None
    violations: tuple[Violation, ...] = ()
    blocked: Violation | None = None
    request: Request | None = None
    revisions: Mapping[str, RevisionState] = field(default_factory=dict)
    records: tuple[KeptRecord, ...] = ()
    traffic: TrafficState = field(default_factory=lambda: TrafficState(exists=False))
    analysis: AnalysisState = field(default_factory=AnalysisState)
    ready_url_failure: str = ""
