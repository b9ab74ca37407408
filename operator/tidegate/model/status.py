"""What was decided: everything that survives a restart."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.exposure import (
    NO_TRAFFIC,
    ROUTES_MAX_ITEMS,
    Control,
    Exposure,
    StageKind,
)
from tidegate.model.failover import Failover
from tidegate.model.fields import PER_METRIC, TEXT, URI, About
from tidegate.model.headers import HeaderRoute
from tidegate.model.judgement import MetricResult, SourceIdentity
from tidegate.model.silence import Silence
from tidegate.model.spec import StepLimit
from tidegate.model.steering import GATES_MAX_ITEMS, Gate, Recommendation

PLAN_MAX_ITEMS = 34  # the steps, the switch and the bake


class Phase(enum.StrEnum):
    """Where a ModelDeployment stands (api.md, 6.2)."""

    PENDING = "Pending"
    INITIALIZING = "Initializing"
    PROGRESSING = "Progressing"
    SHADOWING = "Shadowing"
    PAUSED = "Paused"
    AWAITING_APPROVAL = "AwaitingApproval"
    PROMOTING = "Promoting"
    BAKING = "Baking"
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
    COMPLETED = "Completed"  # as far as the strategy goes, which gives it no traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A model with its pod template. `hash` is the first 10 hex digits of `digest`."""

    hash: Annotated[str, About("Short hash of model and pod template.", name="revision")]
    digest: Annotated[str, About("Full hash, SHA-256 in hexadecimal digits.", absent="")]
    model_version: Annotated[str, About("Version of its model, for people.", absent="")]


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionStatus:
    """A revision in a role, with its pods."""

    revision: Annotated[str, About("Short hash of model and pod template.")]
    model_version: Annotated[str, About("Version of its model, for people.", absent="")]
    replicas: Annotated[int, About("Pods asked for.")] = 0
    ready_replicas: Annotated[int, About("Pods that are ready.")] = 0
    since: Annotated[datetime | None, About("In this role since.")] = None


class StepState(enum.StrEnum):
    """What became of a planned step."""

    PENDING = "Pending"
    ACTIVE = "Active"
    PASSED = "Passed"
    FAILED = "Failed"
    SKIPPED = "Skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A stage as fixed when the rollout began.

    `control` says what it is judged by, `kept_percent` how many pods of stable stay as the way back.
    The instants and the evidence, the judgements with which it ended, are filled in as it is
    walked.
    """

    name: Annotated[str, About("Name of the step.", recorded=True)]
    kind: Annotated[
        StageKind, About("First, Shadow, Preview, Live, Switch or Bake.", vital=True, recorded=True)
    ] = StageKind.LIVE
    control: Annotated[
        Control, About("What it is judged against: Concurrent, LimitsOnly or None.", vital=True)
    ] = Control.CONCURRENT
    weight_percent: Annotated[
        float, About("Wanted share of the candidate in percent.", name="weight")
    ]
    effective_weight_percent: Annotated[
        float,
        About(
            "Share of the candidate in percent, after rounding to what is possible.",
            name="effectiveWeight",
            recorded=True,
            recorded_as="weight",
        ),
    ]
    mirror_percent: Annotated[
        float,
        About(
            "Share of requests copied to the candidate.", name="mirror", quiet=True, recorded=True
        ),
    ] = 0.0
    routes: Annotated[
        tuple[HeaderRoute, ...],
        About("Requests that fit one of these go to it.", limit=ROUTES_MAX_ITEMS, quiet=True),
    ] = ()
    preview: Annotated[bool, About("It has an address of its own.", quiet=True)] = False
    awaits_request: Annotated[
        bool, About("A person ends it, once it is proven.", name="awaitsRequest", quiet=True)
    ] = False
    kept_percent: Annotated[
        float,
        About("Pods of stable that stay meanwhile, in percent.", name="keptPercent", quiet=True),
    ] = 100.0
    hold_seconds: Annotated[
        float, About("Least time at this weight.", name="hold", duration=True)
    ] = 0.0
    deadline_seconds: Annotated[
        float, About("Longest wait for proof.", name="deadline", duration=True)
    ] = 0.0
    min_requests: Annotated[int, About("Candidate requests needed.", vital=True)] = 0
    gates: Annotated[
        tuple[Gate, ...],
        About("What a person opens before it begins.", limit=GATES_MAX_ITEMS, quiet=True),
    ] = ()
    limits: Annotated[
        tuple[StepLimit, ...],
        About(
            "Metrics with limits of their own in this step.",
            name="metrics",
            limit=PER_METRIC,
            quiet=True,
        ),
    ] = ()
    replicas: Annotated[
        int, About("Pods of the candidate; absent: as the weight needs.", quiet=True)
    ] = 0
    replicas_percent: Annotated[
        float, About("The same in percent of workload.replicas.", quiet=True)
    ] = 0.0
    state: Annotated[
        StepState,
        About("Pending, Active, Passed, Failed or Skipped.", vital=True, recorded=True, told=True),
    ] = StepState.PENDING
    started_at: Annotated[datetime | None, About("When its weight was decided.", recorded=True)] = (
        None
    )
    confirmed_at: Annotated[
        datetime | None, About("When its weight was seen in the data plane.", recorded=True)
    ] = None
    ended_at: Annotated[datetime | None, About("When it ended.", recorded=True)] = None
    ended_by: Annotated[
        str, About("Who ended it, where no evidence did.", quiet=True, recorded=True)
    ] = ""
    evidence: Annotated[
        tuple[MetricResult, ...],
        About("Judgements with which it ended, the worst first.", limit=PER_METRIC, recorded=True),
    ] = ()

    @property
    def exposure(self) -> Exposure:
        """What the candidate is exposed to, as the data plane can give it."""
        return Exposure(
            live_percent=self.effective_weight_percent,
            mirror_percent=self.mirror_percent,
            routes=self.routes,
            preview=self.preview,
        )

    @property
    def needs_proof(self) -> bool:
        """Time alone does not end it: it goes on when the evidence says so.

        Nobody has to visit a preview, unless the plan says how many requests it takes.
        """
        proves = self.kind in {StageKind.SHADOW, StageKind.LIVE}
        proves = proves or (self.kind is StageKind.PREVIEW and self.min_requests > 0)
        return proves and self.control is not Control.NONE

    @property
    def is_held(self) -> bool:
        """It lasts, so that judgements are its own; the others end once they are confirmed."""
        return self.needs_proof or self.kind in {StageKind.PREVIEW, StageKind.BAKE}


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveStep:
    """The step being walked. `confirmed_at` is when the wanted weight was seen in the data plane.

    `estimate` says in words what the step can find out in its time.
    """

    index: Annotated[int, About("Position in the plan, from 0.")]
    name: Annotated[str, About("Name of the step.")]
    started_at: Annotated[datetime, About("When its weight was decided.")]
    confirmed_at: Annotated[
        datetime | None, About("When its weight was seen in the data plane.", vital=True)
    ] = None
    hold_until: Annotated[datetime | None, About("End of its hold.", vital=True)] = None
    deadline_at: Annotated[datetime | None, About("End of the wait for proof.", vital=True)] = None
    estimate: Annotated[str, About("What it can find out in its time.", limit=TEXT)] = ""


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

    metric: Annotated[str, About("Name of the metric.")]
    source: Annotated[str, About("Metric source that was asked.", absent="")]
    reason: Annotated[PreflightReason, About("What was found, as one word.")]
    ready: Annotated[
        bool | None,
        About("Whether a candidate could be judged; absent: not known yet.", absent=None),
    ]
    message: Annotated[str, About("What was asked and which part is missing.", limit=TEXT)] = ""
    dry_run: Annotated[bool, About("The metric is reported, but never acts.")] = False


class Waiting(enum.StrEnum):
    """Why a rollout stands still although time and evidence alone would not stop it."""

    REQUEST = "Request"
    MANUAL_STEP = "ManualStep"
    APPROVAL = "Approval"
    AUTOMATION_LEVEL = "AutomationLevel"
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

    reason: Annotated[Waiting, About("Why it stands still, as one word.")]
    since: Annotated[datetime, About("Since when.")]
    message: Annotated[str, About("Why it stands still, in words.", limit=TEXT)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One attempt to bring a revision into service; `active` until its result stands.

    `exposure` is the intent, written before the data plane is; `observed_candidate_percent` the
    measured share. `progress_at` restarts the progress deadline. `judged_since` is the last
    confirmation of a weight; evidence of earlier steps counts from `evidence_since` on, and
    `evidence_digest` is the SHA-256 of the rows that it came from. The `from_` fields name what
    served when it began, empty for the first revision.
    """

    id: Annotated[str, About("Name, revision and attempt.")]
    revision: Annotated[Revision, About(inline=True)]
    attempt: Annotated[int, About("From 1; rises with retry.", absent=1, vital=True)]
    active: Annotated[bool, About("True until its result stands.", absent=False, vital=True)]
    started_at: Annotated[datetime, About("When it began.")]
    progress_at: Annotated[datetime, About("Last progress of pods or route.")]
    plan: Annotated[
        tuple[Stage, ...],
        About("Stages as fixed at the start.", limit=PLAN_MAX_ITEMS, absent=(), vital=True),
    ]
    step: Annotated[ActiveStep | None, About("The step being walked.", vital=True)] = None
    exposure: Annotated[
        Exposure,
        About("Shares of the requests in percent.", name="traffic", inline=True, vital=True),
    ] = NO_TRAFFIC
    observed_candidate_percent: Annotated[
        float | None,
        About("Measured share of the candidate.", name="traffic.observedCandidate"),
    ] = None
    observed_mirror_percent: Annotated[
        float | None,
        About("Measured share of requests that were copied.", name="traffic.observedMirror"),
    ] = None
    first_traffic_at: Annotated[
        datetime | None, About("When the candidate got its first traffic.", vital=True)
    ] = None
    judged_since: Annotated[
        datetime | None,
        About("Evidence counts from here: the last confirmation of a weight."),
    ] = None
    evidence_since: Annotated[
        datetime | None,
        About("Evidence of steps confirmed from here on counts together."),
    ] = None
    evidence_digest: Annotated[
        str, About("SHA-256 of the counting intervals behind the last decision.")
    ] = ""
    waiting_for: Annotated[
        WaitingFor | None, About("Absent while only time and evidence are needed.")
    ] = None
    silence: Annotated[
        Silence | None, About("Its traffic was taken back, as it showed no data.")
    ] = None
    recommendation: Annotated[
        Recommendation | None, About("What the evidence advises where a person decides.")
    ] = None
    analysis_key: Annotated[str, About("Hash of the analysis that the evidence belongs to.")] = ""
    repinned: Annotated[int, About("How often an edited plan was adopted.", quiet=True)] = 0
    rollback_reason: Annotated[str, About("Why it is rolled back.", limit=TEXT)] = ""
    rollback_by: Annotated[str, About("Who or what rolled it back.")] = ""
    model_name: Annotated[str, About("Name of its model.")] = ""
    model_uri: Annotated[str, About("Place of its model.", limit=URI)] = ""
    from_revision: Annotated[str, About("Revision that served when it began.", vital=True)] = ""
    from_model_version: Annotated[str, About("Version of that revision's model.")] = ""

    @property
    def frozen_name(self) -> str:
        """The ControllerRevision with the spec that its plan was made of."""
        return f"{self.id}-{self.repinned}" if self.repinned else self.id

    @property
    def stage(self) -> Stage | None:
        """The stage of the plan that is worked on."""
        if self.step is None or not 0 <= self.step.index < len(self.plan):
            return None
        return self.plan[self.step.index]

    @property
    def judged_stage(self) -> Stage | None:
        """The stage by whose limits the evidence is judged: the last whose weight was confirmed."""
        reached = [one for one in self.plan if one.is_held and one.confirmed_at is not None]
        return reached[-1] if reached else self.stage

    @property
    def ending(self) -> bool:
        """It goes no further; its traffic is given back."""
        return self.active and bool(self.rollback_by)

    @property
    def begun(self) -> bool:
        """Requests have reached it, or are meant to."""
        return self.exposure.is_visited or self.first_traffic_at is not None

    @property
    def switched(self) -> bool:
        """All users were given to it; what comes after that only watches."""
        passed = (it.kind for it in self.plan if it.state is StepState.PASSED)
        return StageKind.SWITCH in passed

    @property
    def withdrawn(self) -> bool:
        """It had traffic and is to get it again once its pods are back; nobody blames it."""
        had = self.first_traffic_at is not None
        return self.active and not self.ending and had and not self.exposure.is_visited


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRevision:
    """A revision that must not be tried again until a person asks for it."""

    revision: Annotated[str, About("Short hash of the revision.")]
    model_version: Annotated[str, About("Version of its model, for people.", absent="")]
    reason: Annotated[str, About("Why it was rejected.", limit=TEXT, absent="")]
    at: Annotated[datetime, About("When it was rejected.")]
    by: Annotated[str, About("Who or what rejected it.", absent="")]
    attempt: Annotated[int, About("The rejected attempt.")] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Retiring:
    """A revision without traffic whose pods go at `scale_down_at`.

    None while its successor lacks pods for the load: the delay begins anew when it has them.
    """

    revision: Annotated[str, About("Short hash of the revision.")]
    scale_down_at: Annotated[
        datetime | None,
        About(
            "When its pods go; absent while its successor lacks pods for the load.",
            absent=None,
            vital=True,
        ),
    ]


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

    state: Annotated[
        Difference,
        About(
            "Applying: an edit of spec is being written. Restoring: somebody else's is being taken "
            "back. Restored: that was done. Left: it came again soon and is not fought."
        ),
    ]
    fields: Annotated[str, About("Objects and fields.", limit=TEXT)]
    since: Annotated[datetime, About("When it was found.")]
    written_at: Annotated[datetime, About("When it was written last, or confirmed.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficSync:
    """The newest generation whose `service` and `traffic` the cluster had, and what differs now."""

    generation: Annotated[
        int,
        About("Newest generation that they were as asked for.", name="observedGeneration"),
    ] = 0
    difference: Annotated[
        TrafficDifference | None, About("What differs from spec, or did last.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandledRequest:
    """Answer to the newest request annotation."""

    request: Annotated[str, About("What was asked for.", limit=TEXT)]
    revision: Annotated[str, About("Revision it was bound to.", absent="")]
    requested_at: Annotated[str, About("When it was asked, as it was written.", absent="")]
    handled_at: Annotated[datetime, About("When it was answered.")]
    outcome: Annotated[str, About("Accepted, NoOp or Refused.")]
    reason: Annotated[str, About("Why.", limit=TEXT)] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRollout:
    """How the rollout before ended. `record` names its RolloutRecord, empty where none is kept."""

    id: Annotated[str, About("Name, revision and attempt.")]
    result: Annotated[RolloutResult, About("How it ended.")]
    finished_at: Annotated[datetime, About("When it ended.")]
    reason: Annotated[str, About("Why.", limit=TEXT)] = ""
    by: Annotated[str, About("Who or what ended it.")] = ""
    revision: Annotated[str, About("Short hash of the revision.")] = ""
    attempt: Annotated[int, About("From 1; rises with every try of the revision.")] = 1
    record: Annotated[str, About("Name of its RolloutRecord; empty: none is kept.")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A metav1 condition."""

    type: Annotated[str, About("Name of the aspect.")]
    status: Annotated[str, About('"True", "False" or "Unknown".')]
    reason: Annotated[str, About("Why, as one word.")]
    message: Annotated[str, About("Why, in words.", limit=TEXT, absent="")]
    last_transition_at: Annotated[
        datetime, About("When status changed.", name="lastTransitionTime")
    ]
    observed_generation: Annotated[int, About("Generation it speaks of.", absent=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What the operator decided and saw.

    Everything that survives a restart, besides the objects in the cluster themselves. `served` names the revisions that were promoted, the newest first; `rejected_earlier` those whose rejection is too old to be told in full. `operator` names the installation that works on it.
    """

    observed_generation: Annotated[int, About("Generation this speaks of.")] = 0
    phase: Annotated[Phase, About("Where the object stands.")] = Phase.PENDING
    message: Annotated[str, About("One line for people.", limit=TEXT)] = ""
    health_status: Annotated[
        str,
        About(
            "Healthy, Progressing, Degraded or Suspended.",
            name="health.status",
            group="Health as Argo CD shows it.",
        ),
    ] = "Progressing"
    health_message: Annotated[str, About("Why, in words.", name="health.message", limit=TEXT)] = ""
    desired: Annotated[Revision | None, About("What spec asks for.")] = None
    stable: Annotated[RevisionStatus | None, About("The revision that serves.")] = None
    candidate: Annotated[RevisionStatus | None, About("The revision being tried.")] = None
    previous: Annotated[RevisionStatus | None, About("Served before; kept.")] = None
    replicas: Annotated[int, About("Pods that there are, of all revisions.")] = 0
    selector: Annotated[str, About("Label selector of these pods, for the scale subresource.")] = ""
    autoscaled_replicas: Annotated[
        int | None,
        About(
            "Pods for the whole load, as the autoscalers chose them last.",
            name="autoscaling.replicas",
            group="What the autoscalers of the revisions chose.",
        ),
    ] = None
    rollout: Annotated[Rollout | None, About("The running or last rollout.")] = None
    analysis: Annotated[
        tuple[MetricResult, ...],
        About("Last judgement per metric, written with decisions.", limit=PER_METRIC),
    ] = ()
    identity: Annotated[
        tuple[SourceIdentity, ...],
        About(
            "Labels that tell revisions apart, per metric source; fixed during a rollout.",
            limit=PER_METRIC,
            key="source",
        ),
    ] = ()
    last_handled_request: Annotated[
        HandledRequest | None, About("Answer to the newest request annotation.")
    ] = None
    last_rollout: Annotated[LastRollout | None, About("How the rollout before ended.")] = None
    rejected: Annotated[
        tuple[RejectedRevision, ...],
        About("Not tried again until a person asks for it.", name="rejectedRevisions", limit=50),
    ] = ()
    rejected_earlier: Annotated[
        tuple[str, ...],
        About(
            "Revisions rejected before those; they are not tried again either.",
            limit=1000,
        ),
    ] = ()
    retiring: Annotated[
        tuple[Retiring, ...],
        About("Revisions without traffic whose pods go soon.", limit=64, newest_last=True),
    ] = ()
    served: Annotated[
        tuple[str, ...], About("Revisions that were promoted, newest first.", limit=21)
    ] = ()
    failover: Annotated[Failover | None, About("Who answers while stable has no ready pod.")] = None
    traffic: Annotated[TrafficSync, About("Whether Service and route are as spec asks.")] = (
        TrafficSync()
    )
    epoch: Annotated[
        int,
        About(
            "Lease epoch of the last writer.",
            name="controller.epoch",
            group="The writer of this status.",
        ),
    ] = 0
    operator: Annotated[
        str,
        About(
            "Namespace and name of the Lease of the operator that serves it.",
            name="controller.operator",
        ),
    ] = ""
    evidence: Annotated[
        tuple[Preflight, ...],
        About("Whether stable shows the series of each metric.", limit=PER_METRIC),
    ] = ()
    conditions: Annotated[
        tuple[Condition, ...], About("Aspects of the state.", limit=16, key="type")
    ] = ()

    @property
    def active_rollout(self) -> Rollout | None:
        """The rollout that has no result yet, if any."""
        return self.rollout if self.rollout is not None and self.rollout.active else None

    def rejects(self, revision: str) -> bool:
        """The revision must not be tried again until a person asks for it."""
        return revision in self.rejected_earlier or any(
            one.revision == revision for one in self.rejected
        )
