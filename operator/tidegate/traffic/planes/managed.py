"""A plane of one object of ours with a weight per revision Service: what all such planes share.

A plane of this family says how its object is written and read. What stands beside it is the same
everywhere: the entry Service on stable, and the preview Service where there is one.
Source: api.md, 5.2 and 5.3; house.md, H7.
"""

# ruff: noqa: ARG002  (no plane needs all that it is told)

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import (
    Capabilities,
    Mechanism,
    Reference,
    Shape,
    Sizing,
    Target,
    WantedDocument,
    Weights,
)
from tidegate.traffic.planes import entry, handover, preview
from tidegate.traffic.planes.handover import Held, Move, Split
from tidegate.traffic.sizing.by_weight import ByWeight
from tidegate.traffic.sizing.whole import Whole

PENDING = "Pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Why an object is not in force."""

    reason: str
    message: str


class ManagedPlane(ABC):
    """Weights exact by request: to four decimals, or as `by_share` says."""

    abilities: ClassVar[Capabilities]
    by_rule: ClassVar[bool] = False  # what a proxy knows of a backend may hang on the rule
    unconfirmed: ClassVar[str] = ""  # what nobody says of the object once it is written
    by_share: ClassVar[type[ByWeight]] = ByWeight

    def __init__(self, *, exclusive: bool = False) -> None:
        """Where it is `exclusive` revisions never share: one write of the object moves all users."""
        switch = replace(self.abilities, weights=Weights.WHOLE, preview=True)
        self.capabilities = switch if exclusive else self.abilities
        self.sizing: Sizing = Whole() if exclusive else self.by_share()

    @abstractmethod
    def reference(self, *, meta: model.ObjectMeta, spec: model.Spec) -> Reference:
        """Where the object is found."""

    @abstractmethod
    def document(self, target: Target, move: Move) -> WantedDocument:
        """The whole object as it is to be written now."""

    @abstractmethod
    def split(self, live: model.Document, *, name: str) -> Split:
        """What it says; `name` is that of the ModelDeployment."""

    @abstractmethod
    def first_finding(self, live: model.Document, *, spec: model.Spec) -> Finding | None:
        """The first reason why its newest generation is not in force; None when it is."""

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The object, then the entry Service, and that of the preview where there is one."""
        services = (entry.reference(meta=meta, spec=spec), *preview.references(spec=spec))
        return (self.reference(meta=meta, spec=spec), *services)

    def noted(
        self, found: Mapping[Reference, model.Document], *, spec: model.Spec
    ) -> tuple[Reference, ...]:
        """None: every object that carries weights is ours, of a name that stays."""
        return ()

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """The object on its way to the weights, with the marks, and the entry Service on stable."""
        service = entry.document(target, revision=target.stable, marker="", carries_weights=False)
        move = handover.next_move(target, self._held(target), by_rule=self.by_rule)
        return (self.document(target, move), service, *preview.documents(target))

    def _held(self, target: Target) -> Held | None:
        at = self.reference(meta=target.meta, spec=target.spec)
        live = target.live.get((at.kind, at.name))
        if live is None:
            return None
        finding = self.first_finding(live, spec=target.spec)
        return Held(
            split=self.split(live, name=target.meta.name),
            in_force=finding is None,
            pending=finding is not None and finding.reason == PENDING,
        )

    def read(
        self,
        found: Mapping[Reference, model.Document],
        *,
        meta: model.ObjectMeta,
        spec: model.Spec,
        ready_pods: Mapping[str, int],
    ) -> model.TrafficState:
        """Weights and mirrors as written, and whether that generation is in force."""
        service = entry.read(found, meta=meta, spec=spec)
        state = model.TrafficState(
            exists=False,
            entry_exists=service.exists,
            entry_revision=service.revision,
            entry_port=service.port,
            conflict=service.conflict,
        )
        state = preview.read(state, found, meta=meta, spec=spec)
        reference = self.reference(meta=meta, spec=spec)
        live = found.get(reference)
        if live is None:
            return state
        if not objects.is_controlled_by(live, uid=meta.uid):
            return replace(state, conflict=entry.name_conflict(reference.kind, reference.name))
        finding, split = self.first_finding(live, spec=spec), self.split(live, name=meta.name)
        return replace(
            state,
            exists=True,
            weights=split.weights,
            by_header=split.by_header,
            mirrors=split.mirrors,
            holds_place=split.holds_place,
            accepted=finding is None,
            unconfirmed=self.unconfirmed,
            pending_reason=finding.reason if finding else "",
            pending_message=finding.message if finding else "",
            rolled_back_revision=objects.annotation(live, objects.ANNOTATION_ROLLED_BACK),
            lowered_rollout=objects.annotation(live, objects.ANNOTATION_FENCE),
            resource_version=objects.resource_version(live),
        )


def metadata(target: Target) -> model.Document:
    """That of an object with the name of the ModelDeployment, which carries the marks."""
    meta = target.meta
    return {
        "name": meta.name,
        "namespace": meta.namespace,
        "labels": objects.common_labels(meta.name, component="route"),
        **entry.mark_metadata(marker=target.marker, fence=target.fence),
        "ownerReferences": [objects.owner_reference(meta)],
    }


class ManagedObject(ManagedPlane):
    """An object of one kind that has the name of the ModelDeployment and is written as a whole."""

    kind: ClassVar[str]
    api_version: ClassVar[str]
    shape: ClassVar[Shape]

    @abstractmethod
    def spec_of(self, target: Target, move: Move) -> model.Document:
        """The spec of the object as it is to be written now."""

    def reference(self, *, meta: model.ObjectMeta, spec: model.Spec) -> Reference:
        """The object has the name of the ModelDeployment."""
        return Reference(kind=self.kind, name=meta.name)

    def document(self, target: Target, move: Move) -> WantedDocument:
        """The whole object."""
        body: model.Document = {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": metadata(target),
            "spec": self.spec_of(target, move),
        }
        return WantedDocument(
            reference=self.reference(meta=target.meta, spec=target.spec),
            body=body,
            shape=self.shape,
            mechanism=Mechanism.APPLY,
            carries_weights=True,
        )
