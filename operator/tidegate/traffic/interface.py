"""What the rollout asks of a data plane, in the same words for every provider."""

from __future__ import annotations

import enum
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tidegate import model


class Weights(enum.Enum):
    """What makes a share: numbers of ready pods, in steps of one pod, or a route, to four decimals.

    By pod every revision that has pods takes part. `WHOLE` knows all or nothing.
    """

    BY_POD = enum.auto()
    EXACT = enum.auto()
    WHOLE = enum.auto()


class Mirror(enum.Enum):
    """Which requests can be copied to a candidate: none, all, so many whole percent, or any share."""

    NONE = enum.auto()
    ALL = enum.auto()
    WHOLE_PERCENT = enum.auto()
    PERCENT = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a plane can do, as data (ecosystem.md, 1.1); `refusals` holds a plan against it.

    Without `mirror_beside_share` a candidate gets copies only while it has no share of the users.
    """

    weights: Weights
    mirror: Mirror = Mirror.NONE
    mirror_beside_share: bool = True
    headers: bool = False
    preview: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PodCount:
    """Pods that a Deployment asks for, and those of them that are available."""

    wanted: int
    available: int


NO_PODS = PodCount(wanted=0, available=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityRequest:
    """Everything that decides how many pods there should be now.

    `replicas` are the pods of a revision that serves alone. `target_percent` is the candidate's
    load that is prepared or held: 0 when it is to leave, 100 when promoting. `live_percent` is the
    most that the candidate may have in the data plane now, copies too; `least_percent` the least of
    users' requests that it takes from stable. They differ while a weight is written that is not in
    force yet. `others` are all older revisions together. `copied` says that some of the load are
    copies: who gets these answers nobody, so that no pod that serves may go for them.
    """

    replicas: int
    scaling: model.Scaling
    target_percent: float
    live_percent: float
    stable: PodCount
    candidate: PodCount = NO_PODS
    least_percent: float = 0.0
    others: PodCount = NO_PODS
    copied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Pods to ask for now. `others` is the most that all older revisions together may keep."""

    stable: int
    candidate: int
    others: int = 0


class Mechanism(enum.StrEnum):
    """How an object is written (architecture.md, 6)."""

    CREATE_THEN_PATCH = "CreateThenPatch"
    APPLY = "Apply"
    PATCH_WEIGHTS = "PatchWeights"  # of an object that belongs to the user; nothing else of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How two documents of a kind are compared.

    `parts` are what counts of a document, by path; what is not named there is somebody else's. Paths
    that match `moves` as a whole say who gets requests, all others how.
    """

    parts: Callable[[model.Document], Mapping[str, model.Json]]
    moves: re.Pattern[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An object of the ModelDeployment's namespace; one that is not `owned` belongs to the user."""

    kind: str
    name: str
    owned: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedDocument:
    """An object that the data plane must hold.

    `body` is complete but for `metadata.resourceVersion`, which whoever writes adds from its
    observation. `carries_weights` marks the one object whose write moves traffic.
    """

    reference: Reference
    body: model.Document
    shape: Shape
    mechanism: Mechanism
    carries_weights: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The traffic that is wanted.

    `stable` and `candidate` are revision hashes; without a candidate the exposure must be none. `marker`
    is the revision that was rolled back, or empty; so is `fence`, the rollout whose traffic is taken
    away by this write. `ports` says where each revision with pods answers requests. `ready_pods` (by
    revision) and `entry_revision` are what was seen: a provider that splits by pods must not select a
    revision alone before it can carry the traffic, of whose pods `missing_pods` may be unready.
    `live` are the objects of the plane as they were seen, by kind and name, and `accepted` whether
    they are in force: of what belongs to the user only numbers are changed. `services` are the
    revisions that have a Service, `kept` is one that is listed at weight 0 although it gets nothing, and
    `at_once` is said of what takes traffic away.
    """

    meta: model.ObjectMeta
    spec: model.Spec
    stable: str
    candidate: str
    exposure: model.Exposure
    marker: str
    ports: Mapping[str, model.PodPort]
    ready_pods: Mapping[str, int]
    entry_revision: str
    fence: str = ""
    missing_pods: int = 0
    live: Mapping[tuple[str, str], model.Document] = field(default_factory=dict)
    accepted: bool = False
    services: frozenset[str] = frozenset()
    kept: str = ""
    at_once: bool = False


class Sizing(Protocol):
    """How a share is rounded, and how many pods it needs."""

    def effective_weight(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> float:
        """The share in percent that the plane gives when asked for this weight."""
        ...

    def candidate_needed(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """Ready pods that the candidate must have before this weight may be set."""
        ...

    def candidate_pods(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """Pods that the candidate comes to have at this weight: where its evidence comes from."""
        ...

    def stable_pods(self, weight_percent: float, *, replicas: int, scaling: model.Scaling) -> int:
        """Pods that carry what this weight of the candidate leaves to stable."""
        ...

    def capacity(self, request: CapacityRequest) -> Wanted:
        """Pods to ask for now; asked again and again, it leads to the target and stops there."""
        ...

    def part_of(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling, candidate: int
    ) -> float:
        """As much of this weight as so many pods of the candidate can be given."""
        ...

    def kept_share(
        self, live_percent: float, *, replicas: int, missing_pods: int, stable: int, candidate: int
    ) -> float:
        """The share that a candidate keeps which is to leave, for stable cannot carry more yet.

        `stable` and `candidate` are ready pods; of the former `missing_pods` may lack in the end.
        """
        ...

    def weight_reached(
        self,
        weight_percent: float,
        *,
        replicas: int,
        scaling: model.Scaling,
        stable_ready: int,
        candidate_ready: int,
    ) -> bool:
        """Whether the pods do their part for a weight that the plane already holds."""
        ...


class Plane(Protocol):
    """A data plane: what it can do, what it must hold, what it says."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    @property
    def sizing(self) -> Sizing:
        """Which pods it needs; planes that make shares in one way have it in common."""
        ...

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The objects to look at for `read`; the one that carries the weights comes first."""
        ...

    def noted(
        self, found: Mapping[Reference, model.Document], *, spec: model.Spec
    ) -> tuple[Reference, ...]:
        """More objects to look at: spec does not name them any more, and they may owe something.

        `found` has those of `references` that exist.
        """
        ...

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """What the plane must hold; the object that carries the weights comes first."""
        ...

    def read(
        self,
        found: Mapping[Reference, model.Document],
        *,
        meta: model.ObjectMeta,
        spec: model.Spec,
        ready_pods: Mapping[str, int],
    ) -> model.TrafficState:
        """What the plane holds and whether it accepted it.

        Shapes: `found` has the live object of each reference that exists; `ready_pods` has every
        revision of the ModelDeployment that has pods.
        """
        ...
