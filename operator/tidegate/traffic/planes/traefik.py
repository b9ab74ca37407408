"""One TraefikService of ours with a weight per revision Service, named by an IngressRoute of the user.

It either shares requests or copies them, so that a candidate gets copies only while stable answers
alone. Traefik writes no status: nobody says when it has such an object.
Source: Traefik, `traefik.io/v1alpha1`; ecosystem.md, 1.8; docs/adr/0102.
"""

from __future__ import annotations

import re
from typing import ClassVar

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import (
    Capabilities,
    Mirror,
    Shape,
    Target,
    Weights,
)
from tidegate.traffic.planes import handover, ways
from tidegate.traffic.planes.handover import Move, Split
from tidegate.traffic.planes.managed import Finding, ManagedObject
from tidegate.traffic.planes.ways import Way

_MEMBERS = ("weighted", "mirroring", "highestRandomWeight", "failover")


def _parts(live: model.Document) -> dict[str, model.Json]:
    spec = objects.mapping(live.get("spec"))
    return {f"spec.{name}": spec.get(name) for name in _MEMBERS}


_TO_WHOM = r"(\[\d+\]\.(name|kind|weight|percent))?"
SHAPE = Shape(
    parts=_parts,
    moves=re.compile(
        rf"spec\.({'|'.join(_MEMBERS)})|spec\.weighted\.services{_TO_WHOM}"
        rf"|spec\.mirroring\.(name|kind|mirrors{_TO_WHOM})"
    ),
)


class TraefikPlane(ManagedObject):
    """Provider Traefik."""

    kind = "TraefikService"
    api_version = "traefik.io/v1alpha1"
    shape = SHAPE
    abilities = Capabilities(
        weights=Weights.EXACT, mirror=Mirror.WHOLE_PERCENT, mirror_beside_share=False
    )
    unconfirmed: ClassVar[str] = "Traefik does not say when it has a TraefikService"

    def spec_of(self, target: Target, move: Move) -> model.Document:
        """Copies of what stable answers, or shares."""
        return _copying(target, move) or _sharing(move)

    def split(self, live: model.Document, *, name: str) -> Split:
        """By weight, or everything to one of whose requests others get copies."""
        spec = objects.mapping(live.get("spec"))
        copying = objects.mapping(spec.get("mirroring"))
        answering = _shared(objects.at(spec, "weighted", "services"))
        if copying:
            answering = [(objects.text(copying.get("name")), 1)]
        way = Way(answering=answering, copied=_copied(copying.get("mirrors")))
        return ways.split([way], name=name)

    def first_finding(self, live: model.Document, *, spec: model.Spec) -> Finding | None:  # noqa: ARG002
        """None: what stands there is all that is known."""
        return None


# --- as it is written ----------------------------------------------------------------------------


def _sharing(move: Move) -> model.Document:
    return {
        "weighted": {"services": [{**_to(it.service), "weight": it.weight} for it in move.backends]}
    }


def _copying(target: Target, move: Move) -> model.Document:
    """Copies begin once stable stands alone; whoever is still to leave does so first."""
    percent = int(target.exposure.mirror_percent)
    if percent <= 0 or len(move.backends) > 1:
        return {}
    (stable,) = move.backends
    copied = {**_to(handover.service_of(target, target.candidate)), "percent": percent}
    return {"mirroring": {**_to(stable.service), "mirrors": [copied]}}


def _to(service: str) -> model.Document:
    return {"name": service, "kind": "Service", "port": objects.REVISION_SERVICE_PORT}


# --- as it is read -------------------------------------------------------------------------------


def _shared(services: model.Json) -> list[tuple[str, int]]:
    """Services by weight, 1 where none is given; negative ones are none."""
    return [
        (objects.text(objects.at(it, "name")), objects.whole(objects.at(it, "weight"), default=1))
        for it in objects.items(services)
    ]


def _copied(mirrors: model.Json) -> dict[str, float]:
    """Percent of the requests that are copied, by Service; a mirror without one gets none."""
    found = {
        objects.text(objects.at(it, "name")): float(objects.whole(objects.at(it, "percent")))
        for it in objects.items(mirrors)
    }
    return {name: percent for name, percent in found.items() if percent > 0}
