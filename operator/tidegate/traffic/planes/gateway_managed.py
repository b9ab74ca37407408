"""One HTTPRoute or GRPCRoute of ours with a weight per revision Service.

Source: ecosystem.md, 1.4; api.md, 5.2 and 5.3.
"""

# ruff: noqa: ARG002  (a route says its weights itself)

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import (
    Capabilities,
    Mirror,
    Reference,
    Sizing,
    Target,
    WantedDocument,
    Weights,
)
from tidegate.traffic.planes import entry, mirror, preview, route
from tidegate.traffic.sizing.by_weight import ByWeight
from tidegate.traffic.sizing.whole import Whole


class ManagedRoute:
    """Provider GatewayAPI, mode Managed: weights exact to four decimals, by request."""

    capabilities = Capabilities(weights=Weights.EXACT, mirror=Mirror.PERCENT, headers=True)
    sizing: Sizing = ByWeight()

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The route, then the entry Service, and that of the preview where there is one."""
        services = (entry.reference(meta=meta, spec=spec), *preview.references(spec=spec))
        return (route.reference(meta=meta, spec=spec), *services)

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """The route with the weights and the marker, and the entry Service on stable."""
        service = entry.document(target, revision=target.stable, marker="", carries_weights=False)
        return (route.document(target), service, *preview.documents(target))

    def read(
        self,
        found: Mapping[Reference, model.Document],
        *,
        meta: model.ObjectMeta,
        spec: model.Spec,
        ready_pods: Mapping[str, int],
    ) -> model.TrafficState:
        """Weights and mirrors as written, and whether all its parents accepted that generation."""
        service = entry.read(found, meta=meta, spec=spec)
        state = model.TrafficState(
            exists=False,
            entry_exists=service.exists,
            entry_revision=service.revision,
            entry_port=service.port,
            conflict=service.conflict,
        )
        state = preview.read(state, found, meta=meta, spec=spec)
        reference = route.reference(meta=meta, spec=spec)
        live = found.get(reference)
        if live is None:
            return state
        if not objects.is_controlled_by(live, uid=meta.uid):
            return replace(state, conflict=entry.name_conflict(reference.kind, meta.name))
        finding = route.first_finding(live)
        return replace(
            state,
            exists=True,
            weights=route.weights(live, name=meta.name),
            by_header=route.by_header(live, name=meta.name),
            mirrors=mirror.percents(live, name=meta.name),
            accepted=finding is None,
            pending_reason=finding.reason if finding else "",
            pending_message=finding.message if finding else "",
            rolled_back_revision=objects.annotation(live, objects.ANNOTATION_ROLLED_BACK),
            lowered_rollout=objects.annotation(live, objects.ANNOTATION_FENCE),
            resource_version=objects.resource_version(live),
        )


class ManagedSwitch(ManagedRoute):
    """The same route where revisions never share: one write of it moves all users."""

    capabilities = Capabilities(weights=Weights.WHOLE, preview=True)
    sizing: Sizing = Whole()
