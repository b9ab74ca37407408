"""What a write of traffic would change, told apart: who gets requests, and all the rest.

The rest are fields of `spec.service` and `spec.traffic`, such as ports, hostnames and timeouts.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate import model
from tidegate.model.actions import SetTraffic
from tidegate.traffic.interface import Target
from tidegate.traffic.plane import plane_of
from tidegate.traffic.writes import MARKS, differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """`moves_traffic`: other weights, mirrors, selectors or marks. `fields`: the rest, by object and path."""

    moves_traffic: bool
    fields: tuple[str, ...]


def target_of(action: SetTraffic, seen: model.Observation) -> Target:
    """The traffic that an action wants, by what was seen. The spec must be readable."""
    assert seen.spec is not None
    return Target(
        meta=seen.meta,
        spec=seen.spec,
        stable=action.stable,
        candidate=action.candidate,
        exposure=action.exposure,
        marker=action.marker,
        fence=action.fence,
        ports=_live_ports(action, seen),
        ready_pods={hash_: state.ready for hash_, state in seen.revisions.items()},
        entry_revision=seen.traffic.entry_revision,
        missing_pods=action.missing_pods,
        live=seen.traffic.documents,
        accepted=seen.traffic.accepted,
        services=seen.services,
        kept=action.kept,
        at_once=action.lowering,
    )


def _live_ports(action: SetTraffic, seen: model.Observation) -> dict[str, model.PodPort]:
    """Where stable, the candidate and whoever else has pods answer requests."""
    busy = {hash_ for hash_, state in seen.revisions.items() if state.wanted or state.ready}
    busy |= {action.stable, action.candidate}
    return {hash_: one.port for hash_, one in seen.frozen.items() if hash_ in busy}


def changes_of(action: SetTraffic, seen: model.Observation) -> Changes:
    """What the write would change in the objects that there are; a missing one counts for nothing."""
    target = target_of(action, seen)
    moves, fields = False, []
    for wanted in plane_of(target.spec.traffic).documents(target):
        kind, name = wanted.reference.kind, wanted.reference.name
        live = seen.traffic.documents.get((kind, name))
        if live is None:
            continue
        for path in differences(live, wanted):
            if path == MARKS or wanted.shape.moves.fullmatch(path):
                moves = True
            else:
                fields.append(f"{kind} {name}: {path}")
    return Changes(moves_traffic=moves, fields=tuple(fields))
