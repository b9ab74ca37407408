"""One plain Service over the pods of both revisions; the share is theirs to give, or there is none.

The entry Service selects stable alone, the candidate alone, or, where revisions share, every pod of
the ModelDeployment.
Source: ecosystem.md, 1.3; features.md, 3.2; api.md, 2.6.
"""

# ruff: noqa: ARG002  (no plane needs all that it is told)

from __future__ import annotations

from collections.abc import Mapping

from tidegate import model
from tidegate.traffic import splits
from tidegate.traffic.interface import (
    Capabilities,
    Reference,
    Sizing,
    Target,
    WantedDocument,
    Weights,
)
from tidegate.traffic.planes import entry, preview
from tidegate.traffic.sizing.by_pods import ByPods
from tidegate.traffic.sizing.limits import limits
from tidegate.traffic.sizing.whole import Whole


class ServicePlane:
    """Provider ReplicaRatio: a selector, and numbers of pods."""

    capabilities = Capabilities(weights=Weights.BY_POD)
    sizing: Sizing = ByPods()

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The entry Service, and that of the preview where there is one."""
        return (entry.reference(meta=meta, spec=spec), *preview.references(spec=spec))

    def noted(
        self, found: Mapping[Reference, model.Document], *, spec: model.Spec
    ) -> tuple[Reference, ...]:
        """None: every object that carries weights is ours, of a name that stays."""
        return ()

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """The entry Service with the selector of the split, and the rollback marker on it."""
        return _services(target, selected=_selected_revision(target))

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
        state = model.TrafficState(
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
        return preview.read(state, found, meta=meta, spec=spec)


class ServiceSwitch(ServicePlane):
    """Provider ReplicaRatio where revisions never share: one write of the selector moves all users.

    Connections that live on end as their pods do, after `scaleDownDelay`.
    """

    capabilities = Capabilities(weights=Weights.WHOLE, preview=True)
    sizing: Sizing = Whole()

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """The entry Service on the one revision that serves, and the preview Service."""
        switched = target.exposure.live_percent == 100
        return _services(target, selected=target.candidate if switched else target.stable)


def _services(target: Target, *, selected: str) -> tuple[WantedDocument, ...]:
    wanted = entry.document(
        target,
        revision=selected,
        marker=target.marker,
        carries_weights=True,
        fence=target.fence,
    )
    return (wanted, *preview.documents(target))


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
    allowed = limits(target.spec.replicas, scaling=target.spec.scaling)
    missing = max(allowed.unavailable_pods, target.missing_pods)
    needed = max(target.spec.replicas - missing, min(target.spec.replicas, 1))
    full = ready.get(target.candidate, 0) >= needed
    return target.candidate if full or target.entry_revision == target.candidate else ""
