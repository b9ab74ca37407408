"""What was decided: everything that survives a restart."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from tidegate.model.failover import Failover
from tidegate.model.fields import PER_METRIC, TEXT, About
from tidegate.model.judgement import MetricResult, SourceIdentity
from tidegate.model.policy import USERS_MAX_ITEMS, PolicyState
from tidegate.model.rollout import Revision, Rollout, RolloutResult
from tidegate.model.watch import Watch


class Phase(enum.StrEnum):
    """Where a ModelDeployment stands (api.md, 6.2)."""

    PENDING = "Pending"
    INITIALIZING = "Initializing"
    PROGRESSING = "Progressing"
    SHADOWING = "Shadowing"
    PAUSED = "Paused"
    FROZEN = "Frozen"
    AWAITING_APPROVAL = "AwaitingApproval"
    PROMOTING = "Promoting"
    BAKING = "Baking"
    ROLLING_BACK = "RollingBack"
    HEALTHY = "Healthy"
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    INVALID = "Invalid"
    POLICY_VIOLATION = "PolicyViolation"
    TERMINATING = "Terminating"


class Role(enum.StrEnum):
    """What a revision is at the moment; held in status and in a label of Deployment and Service."""

    STABLE = "stable"
    CANDIDATE = "candidate"
    PREVIOUS = "previous"


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionStatus:
    """A revision in a role, with its pods."""

    revision: Annotated[str, About("Short hash of model and pod template.")]
    model_version: Annotated[str, About("Version of its model, for people.", absent="")]
    replicas: Annotated[int, About("Pods asked for.")] = 0
    ready_replicas: Annotated[int, About("Pods that are ready.")] = 0
    since: Annotated[datetime | None, About("In this role since.")] = None


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
    shadows_isolated: Annotated[
        bool, About("NetworkPolicies that keep shadows from sending may be there.", quiet=True)
    ] = False
    rollout: Annotated[Rollout | None, About("The running or last rollout.")] = None
    analysis: Annotated[
        tuple[MetricResult, ...],
        About("Last judgement per metric, written with decisions.", limit=PER_METRIC),
    ] = ()
    monitoring: Annotated[
        Watch | None, About("What the watch for the revision that serves has found.")
    ] = None
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
    policy: Annotated[
        PolicyState | None, About("What policies say of it; absent where none applies.")
    ] = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """What the operator found of a RolloutPolicy or ClusterRolloutPolicy, and whom it applies to.

    `used_by` names some ModelDeployments as namespace/name, `matched` counts all.
    """

    observed_generation: Annotated[int, About("Generation this speaks of.")] = 0
    matched: Annotated[
        int, About("ModelDeployments that it applies to.", name="matchedModelDeployments")
    ] = 0
    violating: Annotated[
        int,
        About("Those of them that do not keep it.", name="violatingModelDeployments"),
    ] = 0
    used_by: Annotated[
        tuple[str, ...],
        About("Some of them, as namespace/name; those that break it first.", limit=USERS_MAX_ITEMS),
    ] = ()
    closed: Annotated[
        bool, About("A window of it is closed now.", name="freeze.closed", group="Its windows.")
    ] = False
    closed_by: Annotated[str, About("Which window.", name="freeze.reason", limit=TEXT)] = ""
    changes_at: Annotated[
        datetime | None,
        About("When that changes; absent: not foreseen.", name="freeze.changesAt"),
    ] = None
    conditions: Annotated[
        tuple[Condition, ...], About("Aspects of the state.", limit=16, key="type")
    ] = ()
