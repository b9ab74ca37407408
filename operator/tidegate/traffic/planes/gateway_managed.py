"""One HTTPRoute or GRPCRoute of ours with a weight per revision Service.

Source: ecosystem.md, 1.4; api.md, 5.2 and 5.3.
"""

# ruff: noqa: ARG002  (a route says itself whether it is in force)

from __future__ import annotations

from tidegate import model
from tidegate.traffic.interface import (
    Capabilities,
    Mirror,
    Reference,
    Target,
    WantedDocument,
    Weights,
)
from tidegate.traffic.planes import mirror, route
from tidegate.traffic.planes.handover import Move, Split
from tidegate.traffic.planes.managed import Finding, ManagedPlane


class ManagedRoute(ManagedPlane):
    """Provider GatewayAPI, mode Managed."""

    abilities = Capabilities(weights=Weights.EXACT, mirror=Mirror.PERCENT, headers=True)
    by_rule = True

    def reference(self, *, meta: model.ObjectMeta, spec: model.Spec) -> Reference:
        """The route has the name of the ModelDeployment."""
        return route.reference(meta=meta, spec=spec)

    def document(self, target: Target, move: Move) -> WantedDocument:
        """The whole route."""
        return route.document(target, move)

    def split(self, live: model.Document, *, name: str) -> Split:
        """Over all its rules."""
        return Split(
            weights=route.weights(live, name=name),
            by_header=route.by_header(live, name=name),
            mirrors=mirror.percents(live, name=name),
            holds_place=route.holds_place(live),
        )

    def first_finding(self, live: model.Document, *, spec: model.Spec) -> Finding | None:
        """All its parents must have accepted that generation."""
        return route.first_finding(live)
