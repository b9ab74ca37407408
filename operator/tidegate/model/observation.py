"""What is seen: everything that `decide` may know, as one fresh look."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tidegate.model.approval import NO_APPROVALS, Approvals
from tidegate.model.autoscaling import Autoscaler
from tidegate.model.document import Document
from tidegate.model.frozen import FrozenRevision, FrozenRollout
from tidegate.model.headers import Header
from tidegate.model.hook import SeenHook
from tidegate.model.isolation import Isolation
from tidegate.model.judgement import AnalysisState, SourceIdentity
from tidegate.model.policy import DefaultValue, Policy, RolledBack
from tidegate.model.probe import Probed
from tidegate.model.queue import EMPTY_QUEUE, Queue
from tidegate.model.rollout import Revision, Rollout, RolloutResult
from tidegate.model.room import Room
from tidegate.model.smoke_test import SeenJob
from tidegate.model.spec import Spec, Violation
from tidegate.model.status import Preflight, Role, Status
from tidegate.model.watch import WatchedMetric


class RequestKind(enum.StrEnum):
    """What a person can ask for by annotation (api.md, 7)."""

    PROMOTE = "promote"
    PROMOTE_FULL = "promote-full"
    ABORT = "abort"
    RETRY = "retry"
    PAUSE = "pause"
    RESUME = "resume"
    SKIP_STEP = "skip-step"
    REPIN = "repin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """The request annotations as written by a person; unparsed, since they may be malformed.

    `step` names the step that it is about; empty, whichever is active.
    """

    request: str
    revision: str
    requested_at: str
    reason: str = ""
    step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectMeta:
    """Identity and version of the ModelDeployment; `author` is who is said to have made the change."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    author: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionState:
    """Deployment and Service of one revision as they are in the cluster.

    `wanted` is the Deployment's spec.replicas; `current` says that its status speaks of the
    newest generation. `failure` is the pods' own reason (such as CrashLoopBackOff) or empty, and
    `crash` the same where a container has failed by itself, whatever the cluster does.
    `unschedulable` means that pods wait for capacity, which is no fault of the model, `starting`
    that they wait on a node for image or volumes, `lost` that the cluster has taken pods away.
    `unready_since` is when the youngest unready pod was made. `watched` is False when somebody
    removed the label by which the Deployment is watched. `template_hash` is that of the pod template
    now, `made_with` that of the one it was created with, empty until it is written down; `noted` is False
    where only the Service says so. `asked` are
    the replicas that Tidegate wrote last, None where that is not known; `pods` are those that there
    are, ready or not. `ready_pods` are those whose endpoint is ready: by name their addresses. `autoscaled` says that an autoscaler of ours may have moved that number since;
    `autoscaler` is the one that there is, `foreign_autoscaler` names one of somebody else.
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
    crash: str = ""
    unschedulable: str = ""
    starting: str = ""
    lost: str = ""
    unready_since: datetime | None = None
    watched: bool = True
    resource_version: str = ""
    template_hash: str = ""
    made_with: str = ""
    noted: bool = True
    asked: int | None = None
    ready_pods: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pods: int = 0
    autoscaled: bool = False
    autoscaler: Autoscaler | None = None
    foreign_autoscaler: str = ""

    @property
    def sized_by_others(self) -> bool:
        """Somebody else sets the number of pods, or did since Tidegate did."""
        if self.foreign_autoscaler:
            return self.wanted > 0  # at 0 an autoscaler rests
        return self.moved and not self.autoscaled

    @property
    def moved(self) -> bool:
        """The number of pods is not the one that Tidegate wrote last."""
        return self.asked is not None and self.asked != self.wanted

    @property
    def raised(self) -> bool:
        """Our autoscaler has added pods since Tidegate set their number."""
        return self.autoscaled and self.asked is not None and self.wanted > self.asked

    @property
    def lowered(self) -> bool:
        """Our autoscaler has taken pods since Tidegate set their number."""
        return self.autoscaled and self.asked is not None and self.wanted < self.asked

    @property
    def woken(self) -> bool:
        """Somebody else gave pods to a revision that was to have none any more."""
        return self.asked == 0 and self.wanted > 0

    @property
    def modified(self) -> bool:
        """Somebody changed the pods of the revision in place."""
        return bool(self.made_with) and self.made_with != self.template_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRecord:
    """What is asked of a RolloutRecord that exists: whose it is, how it ended, and how old it is.

    `reached`: requests had reached one of its steps.
    """

    name: str
    revision: str
    attempt: int
    finished_at: datetime
    result: RolloutResult
    by: str = ""
    reason: str = ""
    model_version: str = ""
    started_at: datetime | None = None
    reached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficState:
    """What the data plane says: who gets which share, and whether it accepted the newest write.

    `weights` maps a revision to its share in percent as written in the traffic target, `mirrors` one
    to the percentage of requests that are copied to it.
    `by_header` has for each revision the headers that requests are sent to it by, whatever the shares;
    `holds_place` says that a rule for such requests stands there that none of them matches.
    `pending` is empty when the target is accepted for its generation, else the reason. `unconfirmed` is what
    no plane says of an object that stands as it was written, empty where it says that it is in force.
    `rolled_back_revision` is the marker that a lowering write left on the target, `lowered_rollout`
    the rollout whose traffic such a write took away last. `entry_port` is where the entry Service
    sends requests: a port of the pods, or its name. `documents` are the live objects by kind and name.
    `obstacle` says why weights cannot be written although no object is at fault: a kind is not served,
    or a route of the user is missing or does not name our Services; its word is `pending_reason`. Such
    a route is `owed` its own weights while it has ours. `preview_revision` is what the preview Service
    selects, empty where there is none; `old_previews` are others that spec no longer names.
    """

    exists: bool
    weights: Mapping[str, float] = field(default_factory=dict)
    by_header: Mapping[str, tuple[tuple[Header, ...], ...]] = field(default_factory=dict)
    mirrors: Mapping[str, float] = field(default_factory=dict)
    holds_place: bool = False
    accepted: bool = False
    pending_reason: str = ""
    pending_message: str = ""
    unconfirmed: str = ""
    rolled_back_revision: str = ""
    lowered_rollout: str = ""
    resource_version: str = ""
    entry_exists: bool = False
    entry_revision: str = ""
    entry_port: str | int = 0
    conflict: str = ""
    preview_revision: str = ""
    preview_conflict: str = ""
    old_previews: tuple[str, ...] = ()
    documents: Mapping[tuple[str, str], Document] = field(default_factory=dict)
    obstacle: str = ""
    owed: bool = False

    @property
    def answering(self) -> frozenset[str]:
        """Revisions that requests of users are sent to, by share or by header."""
        shared = (revision for revision, share in self.weights.items() if share > 0)
        return frozenset(shared) | self.by_header.keys()


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One fresh look at everything `decide` may know.

    `ready_url_failure` is what the server itself says against its model, `ready_url_warning` why
    it could not be asked although its pods are ready, `ready_url_awaited` whose answer is still to come.
    `probed` is what is known by `server.probe`, None where nobody was asked;
    `smoke_test` what of the Job of a preview, None before the first answer; `isolation` which shadows are kept
    from sending, None where nobody asks or knows yet.
    `identity` says how metric sources were last seen to tell stable from other revisions.
    `preflight` says of each metric whether stable shows its series; None before the first look.
    `room` is what quotas and nodes have left, None where that is not known. `watched` is what the newest
    looks found of the revision that serves, None where it is not watched now. `hook` is what came of
    the hook that a drift calls. `policies` are those that apply to it, `queue` the rollouts that they count,
    `rollbacks` those that went wrong lately, `defaults` values that `spec` has by policies,
    `approvals` what people decided about its gates.
    `status_losses` names what of the status could not be read, as `path: what is wrong`.

    `spec` is the one in effect: the newest, but for the parts of it that cannot be carried out, which
    stay as the last rollout froze them. `services` are the revisions that have a Service, also without a
    Deployment. `blocked` is what the API server finally refused when the
    last decision was carried out. `clock_jump_seconds` is how much further the wall clock has moved since the last
    written decision than time has passed. `operator` is the name of this installation. `frozen` has every revision that has a ControllerRevision or a
    Deployment.
    """

    now: datetime
    epoch: int
    meta: ObjectMeta
    status: Status
    status_losses: tuple[str, ...] = ()
    clock_jump_seconds: float = 0.0
    spec: Spec | None = None
    desired: Revision | None = None
    violations: tuple[Violation, ...] = ()
    unknown_fields: tuple[str, ...] = ()
    blocked: Violation | None = None
    request: Request | None = None
    revisions: Mapping[str, RevisionState] = field(default_factory=dict)
    services: frozenset[str] = frozenset()
    frozen: Mapping[str, FrozenRevision] = field(default_factory=dict)
    frozen_rollouts: tuple[FrozenRollout, ...] = ()
    operator: str = ""
    records: tuple[KeptRecord, ...] = ()
    traffic: TrafficState = field(default_factory=lambda: TrafficState(exists=False))
    analysis: AnalysisState = field(default_factory=AnalysisState)
    preflight: tuple[Preflight, ...] | None = None
    ready_url_failure: str = ""
    ready_url_warning: str = ""
    ready_url_awaited: str = ""
    probed: Probed | None = None
    smoke_test: SeenJob | None = None
    isolation: Isolation | None = None
    identity: tuple[SourceIdentity, ...] = ()
    room: Room | None = None
    watched: tuple[WatchedMetric, ...] | None = None
    policies: tuple[Policy, ...] = ()
    defaults: tuple[DefaultValue, ...] = ()
    queue: Queue = EMPTY_QUEUE
    rollbacks: tuple[RolledBack, ...] = ()
    approvals: Approvals = NO_APPROVALS
    hook: SeenHook = field(default_factory=SeenHook)

    def frozen_for(self, rollout: Rollout | None) -> FrozenRollout | None:
        """The spec that this rollout goes by; None while it is not written down."""
        name = rollout.frozen_name if rollout is not None else ""
        return next((one for one in self.frozen_rollouts if one.name == name), None)
