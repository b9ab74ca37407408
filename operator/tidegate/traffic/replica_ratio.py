"""ReplicaRatio: one plain Service over the pods of both revisions; the share is theirs to give.

The entry Service selects stable alone, the candidate alone, or every pod of the ModelDeployment.
Source: ecosystem.md, 1.3; features.md, 3.2; api.md, 2.6.
"""

# ruff: noqa: ARG002  (pods need fewer facts than the common interface offers)

from __future__ import annotations

from collections.abc import Mapping

from tidegate import model
from tidegate.traffic import entry, pods, splits
from tidegate.traffic.interface import (
    Capabilities,
    CapacityRequest,
    Reference,
    Target,
    Wanted,
    WantedDocument,
)


class ReplicaRatio:
    """Splits by numbers of pods, per connection."""

    @property
    def capabilities(self) -> Capabilities:
        """Pods make the share."""
        return Capabilities(weight_by_pods=True)

    def effective_weight(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> float:
        """The candidate's share of the pods that come nearest (R2 to R4)."""
        if weight_percent in {0, 100}:
            return weight_percent
        return _split(weight_percent, replicas=replicas, scaling=scaling).candidate_percent

    def candidate_needed(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """One pod, if the weight gives it any: readiness itself then bounds the share.

        More cannot be asked for: stable must not shrink before the candidate serves, so within
        the surge there may be no room for a second one.
        """
        return min(self.candidate_pods(weight_percent, replicas=replicas, scaling=scaling), 1)

    def candidate_pods(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling
    ) -> int:
        """The candidate's side of the ratio."""
        return _split(weight_percent, replicas=replicas, scaling=scaling).candidate

    def capacity(self, request: CapacityRequest) -> Wanted:
        """One pass of R5 to R9."""
        return pods.next_pods(request)

    def part_of(
        self, weight_percent: float, *, replicas: int, scaling: model.Scaling, candidate: int
    ) -> float:
        """The whole weight: pods lead to it one by one anyway."""
        return weight_percent

    def kept_share(
        self, live_percent: float, *, replicas: int, missing_pods: int, stable: int, candidate: int
    ) -> float:
        """All of it until stable can be selected alone: meanwhile every ready pod has its share.

        A candidate that is selected alone shares with stable first.
        """
        if candidate == 0 or stable >= max(replicas - missing_pods, 1):
            return 0.0
        if stable == 0 or live_percent < 100:
            return live_percent
        return pods.PodSplit(stable=stable, candidate=candidate).candidate_percent

    def weight_reached(
        self,
        weight_percent: float,
        *,
        replicas: int,
        scaling: model.Scaling,
        stable_ready: int,
        candidate_ready: int,
    ) -> bool:
        """Whether the ready pods are those of the split; 0 and 100 are made by the selector."""
        if weight_percent in {0, 100}:
            return True
        ready = pods.PodSplit(stable=stable_ready, candidate=candidate_ready)
        return ready == _split(weight_percent, replicas=replicas, scaling=scaling)

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The entry Service."""
        return (entry.reference(meta=meta, spec=spec),)

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """The entry Service with the selector of the split, and the rollback marker on it."""
        wanted = entry.document(
            target,
            revision=_selected_revision(target),
            marker=target.marker,
            carries_weights=True,
            fence=target.fence,
        )
        return (wanted,)

    def read(
        self,
        found: Mapping[Reference, model.Document],
        *,
        meta: model.ObjectMeta,
        spec: model.Spec,
        ready_pods: Mapping[str, int],
    ) -> model.TrafficState:
        """Weights from the selector, and from ready pods where it selects all of them.

        A Service has no acceptance of its own: what is written is in force.
        """
        seen = entry.read(found, meta=meta, spec=spec)
        if not seen.exists:
            return model.TrafficState(exists=False, conflict=seen.conflict)
        return model.TrafficState(
            exists=True,
            weights={seen.revision: 100.0} if seen.revision else _shares(ready_pods),
            accepted=True,
            rolled_back_revision=seen.marker,
            lowered_rollout=seen.lowered_rollout,
            resource_version=seen.resource_version,
            entry_exists=True,
            entry_revision=seen.revision,
            entry_port=seen.port,
        )


def _split(weight_percent: float, *, replicas: int, scaling: model.Scaling) -> pods.PodSplit:
    surge_pods = pods.limits(replicas, scaling=scaling).surge_pods
    return pods.split_pods(replicas, weight_percent=weight_percent, surge_pods=surge_pods)


def _shares(ready_pods: Mapping[str, int]) -> dict[str, float]:
    """Shares by ready pods. With none ready any revision may answer next, so all count alike."""
    return splits.percents(ready_pods) or splits.percents(dict.fromkeys(ready_pods, 1))


def _selected_revision(target: Target) -> str:
    """The revision that the entry Service selects alone, or empty for every pod.

    The selector must never narrow to a revision without the pods for it (S5): a candidate on its
    way to 100 shares with stable until it has its pods, and a stable revision that was shrunk to
    nothing gets its pods before it takes all traffic back.
    """
    ready = target.ready_pods
    if target.exposure.live_percent == 0:
        anyone_else = any(ready[revision] for revision in ready if revision != target.stable)
        stranded = not ready.get(target.stable, 0) and anyone_else
        # Once stable is selected alone it stays so: a rejected revision never gets traffic again.
        return "" if stranded and target.entry_revision != target.stable else target.stable
    if target.exposure.live_percent < 100:
        return ""
    allowed = pods.limits(target.spec.replicas, scaling=target.spec.scaling)
    missing = max(allowed.unavailable_pods, target.missing_pods)
    needed = max(target.spec.replicas - missing, min(target.spec.replicas, 1))
    full = ready.get(target.candidate, 0) >= needed
    return target.candidate if full or target.entry_revision == target.candidate else ""
