"""What was decided: everything that survives a restart."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime

from tidegate.model.judgement import MetricResult, SourceIdentity


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


class RolloutResult(enum.StrEnum):
    """How a rollout ended."""

    PROMOTED = "Promoted"
    FAST_PROMOTED = "FastPromoted"
    ROLLED_BACK = "RolledBack"
    ABORTED = "Aborted"
    SUPERSEDED = "Superseded"
    FAILED = "Failed"


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


class PreflightReason(enum.StrEnum):
    """What a look for the series of stable found, long before there is a candidate."""

    SERIES_FOUND = "SeriesFound"
    NO_TRAFFIC = "NoTraffic"
    SCRAPE_INTERVAL_DIFFERS = "ScrapeIntervalDiffers"
    METRIC_MISSING = "MetricMissing"
    LABELS_MISSING = "LabelsMissing"
    SCRAPED_TWICE = "ScrapedTwice"
    NOT_SCRAPED = "NotScraped"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    NO_SOURCE = "NoSource"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """Whether one metric could be judged: `ready` is None where nobody can tell yet."""

    metric: str
    source: str
    reason: PreflightReason
    ready: bool | None
    message: str = ""
    dry_run: bool = False


class Waiting(enum.StrEnum):
    """Why a rollout stands still although time and evidence alone would not stop it."""

    REQUEST = "Request"
    SPEC_PAUSED = "SpecPaused"
    INCONCLUSIVE = "Inconclusive"
    METRICS_UNAVAILABLE = "MetricsUnavailable"
    NO_DATA = "NoData"
    EVIDENCE = "Evidence"
    CAPACITY = "Capacity"
    PODS_NOT_READY = "PodsNotReady"
    ROUTE_NOT_READY = "RouteNotReady"
    DRAIN = "Drain"
    WITHDRAWN = "Withdrawn"


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

    @property
    def withdrawn(self) -> bool:
        """It had traffic and is to get it again once its pods are back; nobody blames it."""
        walks = self.stage in {Phase.PROGRESSING, Phase.PROMOTING}
        had = self.first_traffic_at is not None
        return self.active and walks and had and self.split.candidate_percent == 0


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
    """A revision without traffic whose pods go at `scale_down_at`.

    None while its successor lacks pods for the load: the delay begins anew when it has them.
    """

    revision: str
    scale_down_at: datetime | None


class Difference(enum.StrEnum):
    """What is done about fields of Service or route that differ from the spec.

    An edit of the spec is being written, or somebody else's is being taken back; the latter was done;
    or the other one did it again soon, and is not fought.
    """

    APPLYING = "Applying"
    RESTORING = "Restoring"
    RESTORED = "Restored"
    LEFT = "Left"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficDifference:
    """Fields of Service or route that differ from the spec, or did last.

    `since` is when they were found, `written_at` the last write or, once restored, its confirmation.
    """

    state: Difference
    fields: str
    since: datetime
    written_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSync:
    """The newest generation whose `service` and `traffic` the cluster had, and what differs now."""

    generation: int = 0
    difference: TrafficDifference | None = None


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
    """Everything that survives a restart, besides the objects in the cluster themselves.

    `served` names the revisions that were promoted, the newest first; `rejected_earlier` those whose
    rejection is too old to be told in full. `operator` names the installation that works on it.
    """

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
    identity: tuple[SourceIdentity, ...] = ()
    last_handled_request: HandledRequest | None = None
    last_rollout: LastRollout | None = None
    rejected: tuple[RejectedRevision, ...] = ()
    rejected_earlier: tuple[str, ...] = ()
    retiring: tuple[Retiring, ...] = ()
    served: tuple[str, ...] = ()
    traffic: TrafficSync = TrafficSync()
    epoch: int = 0
    operator: str = ""
    evidence: tuple[Preflight, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def rejects(self, revision: str) -> bool:
        """The revision must not be tried again until a person asks for it."""
        return revision in self.rejected_earlier or any(
            one.revision == revision for one in self.rejected
        )
