"""The preview Service: an address of its own for the version that is being tried.

It selects the candidate while that is shown or serves, else stable, so that who tests by this name
always finds the newest version that may be looked at. It carries no users and no marks.
Source: api.md, 2.6 and 5.3 (`strategy.blueGreen.preview`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import Reference, Target, WantedDocument
from tidegate.traffic.planes import entry


def references(*, spec: model.Spec) -> tuple[Reference, ...]:
    """Where it is found, if one is asked for."""
    name = spec.preview_service
    return (Reference(kind="Service", name=name),) if name else ()


def documents(target: Target) -> tuple[WantedDocument, ...]:
    """The Service as wanted, if one is asked for."""
    exposure = target.exposure
    newest = target.candidate if exposure.preview or exposure.live_percent == 100 else ""
    return tuple(
        entry.service(
            target, at, revision=newest or target.stable, component=objects.PREVIEW_COMPONENT
        )
        for at in references(spec=target.spec)
    )


def read(
    state: model.TrafficState,
    found: Mapping[Reference, model.Document],
    *,
    meta: model.ObjectMeta,
    spec: model.Spec,
) -> model.TrafficState:
    """The state with what the preview Service selects; a foreign one of its name is a conflict."""
    for at in references(spec=spec):
        live = found.get(at)
        if live is None:
            continue
        if not objects.is_controlled_by(live, uid=meta.uid):
            return replace(state, preview_conflict=entry.name_conflict(at.kind, at.name))
        selected = objects.text(objects.at(live, "spec", "selector", objects.LABEL_REVISION))
        return replace(state, preview_revision=selected)
    return state
