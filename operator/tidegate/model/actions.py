"""The closed set of things a decision can ask the shell to do, and their order.

Every action is idempotent: the actuator compares with what it saw and sends nothing when equal.
Lowering actions run before the status write, all others after it (architecture.md, 1), and what
keeps the books last.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate import model


class EventType(enum.StrEnum):
    """Severity of a Kubernetes Event."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class FreezeRollout:
    """Write down the spec that the rollout goes by."""

    rollout: model.Rollout


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRevision:
    """Create what is missing of a revision: its ControllerRevision, then Deployment and Service."""

    revision: model.Revision
    replicas: int
    role: model.Role
    autoscaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectRevision:
    """Replace the ControllerRevision of a revision by one that reads its server in another way."""

    revision: str
    server: model.Server


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Set the replicas of a revision's Deployment, guarded by the number seen before.

    `autoscaled`: our autoscaler may move them from there.
    """

    revision: str
    replicas: int
    seen_replicas: int
    autoscaled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SetAutoscaler:
    """Make the autoscaler of a revision have these limits, or take it away."""

    revision: str
    limits: model.Autoscaler | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole:
    """Set the role label of a revision's Deployment."""

    revision: str
    role: model.Role


@dataclass(frozen=True, slots=True, kw_only=True)
class NoteTemplate:
    """Write down which pod template a revision's Deployment was created with."""

    revision: str
    template_hash: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTraffic:
    """Make the data plane give the candidate this exposure, guarded by the target's resourceVersion.

    `marker` names a revision that was rolled back; `lowering` writes go before status and use
    the reserved request slots. `fence` names the rollout that a lowering write ends. So many
    `missing_pods` of the candidate may be unready where it is to be selected alone. `kept` is a revision
    that gets nothing and is to have traffic again: it keeps its place.
    """

    stable: str
    candidate: str
    exposure: model.Exposure
    marker: str = ""
    lowering: bool = False
    fence: str = ""
    missing_pods: int = 0
    kept: str = ""

    @property
    def owes_an_end(self) -> bool:
        """Others than stable get requests: a candidate, or who answers in place of one without pods."""
        return self.exposure.owes_an_end or bool(self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateSmokeTest:
    """Make the Job of a preview as the rollout froze it; one of that name is left as it is."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteSmokeTest:
    """Delete the Job of a preview that nobody waits for any more."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateIsolation:
    """Make the NetworkPolicy of a shadow as the rollout froze it; one that is there is left as it is."""

    revision: model.Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteIsolation:
    """Delete the NetworkPolicy that keeps the pods of a revision from sending."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePreview:
    """Delete a preview Service that spec no longer names."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRevision:
    """Delete Deployment, Service and ControllerRevision of a revision beyond the history limit."""

    revision: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateRecord:
    """Write down how a rollout went. `rollout` is None where only its result is still known."""

    last: model.LastRollout
    rollout: model.Rollout | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRecord:
    """Delete a record beyond the history limit."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFrozenRollout:
    """Delete what an earlier rollout froze."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFinalizer:
    """Hold deletion back while traffic is owed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFinalizer:
    """Nothing is owed any more."""


Bookkeeping = CreateRecord | DeleteRecord | DeleteFrozenRollout | DeletePreview | DeleteSmokeTest
Action = (
    FreezeRollout
    | CreateRevision
    | CorrectRevision
    | Scale
    | SetAutoscaler
    | SetRole
    | NoteTemplate
    | SetTraffic
    | CreateSmokeTest
    | CreateIsolation
    | DeleteIsolation
    | DeleteRevision
    | AddFinalizer
    | RemoveFinalizer
    | Bookkeeping
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A Kubernetes Event: one fixed reason per transition (api.md, 6.4)."""

    type: EventType
    reason: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What `decide` wants: the new status, actions, Events and the next look in seconds.

    `rejections` say by whom a revision was rejected in this very pass, once for each.
    """

    status: model.Status
    actions: tuple[Action, ...]
    events: tuple[Event, ...]
    requeue_after_seconds: float
    rejections: tuple[str, ...] = ()


def lowering(actions: Sequence[Action]) -> tuple[Action, ...]:
    """Actions that take traffic from a candidate; they run before the status write."""
    return tuple(action for action in actions if isinstance(action, SetTraffic) and action.lowering)


def after_status(actions: Sequence[Action]) -> tuple[Action, ...]:
    """All other actions in their given order; they run once the intent is written."""
    others = {*lowering(actions), *bookkeeping(actions)}
    return tuple(action for action in actions if action not in others)


def bookkeeping(actions: Sequence[Action]) -> tuple[Bookkeeping, ...]:
    """Records of ended rollouts, and what is left of others. They come last, and no rollout ever waits for them."""
    return tuple(action for action in actions if isinstance(action, Bookkeeping))


def builds_on(action: Action, refused: Action) -> bool:
    """This one must not be done where that one was not.

    Nobody gets requests who would be left behind when the object goes, and nothing is made of a
    rollout that is not written down.
    """
    match refused:
        case AddFinalizer():
            return isinstance(action, SetTraffic) and action.owes_an_end
        case FreezeRollout(rollout=rollout):
            made = isinstance(action, CreateRevision) and action.revision == rollout.revision
            return made or (isinstance(action, SetTraffic) and action.exposure.owes_an_end)
        case _:
            return False
