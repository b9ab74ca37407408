"""Routes that belong to the user, in which only the weights of two Services of ours change.

Source: api.md, 5.2 ("Existing mode"); ecosystem.md, 1.4; docs/adr/0044.
"""

# ruff: noqa: ARG002  (a route says its weights itself)

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import (
    Capabilities,
    Mechanism,
    Reference,
    Sizing,
    Target,
    WantedDocument,
    Weights,
)
from tidegate.traffic.planes import entry, route, user_route
from tidegate.traffic.planes.two_services import Held, Move, next_move
from tidegate.traffic.planes.user_route import Pair
from tidegate.traffic.sizing.by_weight import ByWeight

Found = Mapping[Reference, model.Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A route of the user with its rules that name both Services, and the sums kept for them."""

    reference: Reference
    live: model.Document
    pairs: tuple[Pair, ...]
    sums: Mapping[str, int]


class ExistingRoutes:
    """Provider GatewayAPI, mode Existing."""

    capabilities = Capabilities(weights=Weights.EXACT)
    sizing: Sizing = ByWeight()

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The routes, then the two Services that they name."""
        services = (entry.reference(meta=meta, spec=spec), entry.second_reference(spec))
        return (*_route_references(spec), *services)

    def documents(self, target: Target) -> tuple[WantedDocument, ...]:
        """One move towards the split: the Services first, as what is noted there must not get lost."""
        found = _found(target)
        seen = _seen(found, spec=target.spec)
        move = _move(target, found, seen)
        sums = _sums_to_keep(seen, move)
        second = entry.second_document(
            target,
            revision=move.candidate,
            annotations={
                objects.ANNOTATION_ROLLED_BACK: target.marker,
                objects.ANNOTATION_FENCE: target.fence,
                objects.ANNOTATION_SUMS: json.dumps(sums, sort_keys=True) if sums else "",
            },
        )
        first = entry.document(target, revision=move.entry, marker="", carries_weights=False)
        return (second, first, *(_document(one, move.percent) for one in seen))

    def read(
        self,
        found: Found,
        *,
        meta: model.ObjectMeta,
        spec: model.Spec,
        ready_pods: Mapping[str, int],
    ) -> model.TrafficState:
        """Shares of the revisions that the two Services select, by the weights of all routes."""
        first = entry.read(found, meta=meta, spec=spec)
        second = entry.read_second(found, meta=meta, spec=spec)
        seen = _seen(found, spec=spec)
        finding = next(filter(None, (route.first_finding(one.live) for one in seen)), None)
        obstacle = _obstacle(seen, spec=spec)
        if obstacle:
            finding = route.Finding(reason="RouteUnusable", message=obstacle)
        return model.TrafficState(
            exists=bool(seen),
            weights=_weights(seen, first=first.revision, second=second.revision),
            accepted=finding is None,
            pending_reason=finding.reason if finding else "",
            pending_message=finding.message if finding else "",
            rolled_back_revision=second.marker,
            lowered_rollout=second.lowered_rollout,
            resource_version=second.resource_version,
            entry_exists=first.exists and second.exists,
            entry_revision=first.revision,
            entry_port=first.port,
            conflict=first.conflict or second.conflict,
            obstacle=obstacle,
            owed=any(_is_owed(one) for one in seen),
        )


def _route_references(spec: model.Spec) -> tuple[Reference, ...]:
    return tuple(Reference(kind=it.kind, name=it.name, owned=False) for it in spec.traffic.routes)


def _services(spec: model.Spec) -> user_route.Services:
    name = spec.service.name
    return user_route.Services(stable=name, candidate=f"{name}{entry.SECOND}")


def _found(target: Target) -> Found:
    """What was seen of the objects of this plane, by reference."""
    plane = ExistingRoutes().references(meta=target.meta, spec=target.spec)
    known = {one: target.live.get((one.kind, one.name)) for one in plane}
    return {one: live for one, live in known.items() if live is not None}


def _seen(found: Found, *, spec: model.Spec) -> tuple[_Seen, ...]:
    """The routes that exist, in their order."""
    noted = _noted(found.get(entry.second_reference(spec)))
    services = _services(spec)
    return tuple(
        _Seen(
            reference=one,
            live=found[one],
            pairs=user_route.pairs(found[one], services),
            sums=noted.get(_key(one), {}),
        )
        for one in _route_references(spec)
        if one in found
    )


def _key(reference: Reference) -> str:
    return f"{reference.kind}/{reference.name}"


def _noted(service: model.Document | None) -> dict[str, dict[str, int]]:
    """Sums by route and rule; what cannot be read was written by somebody else, and says nothing."""
    text = objects.annotation(service or {}, objects.ANNOTATION_SUMS)
    try:
        noted = json.loads(text) if text else {}
    except ValueError:
        return {}
    return {
        key: {rule: total for rule, total in sums.items() if isinstance(total, int) and total > 0}
        for key, sums in objects.mapping(noted).items()
        if isinstance(sums, dict)
    }


def _move(target: Target, found: Found, seen: tuple[_Seen, ...]) -> Move:
    first = entry.read(found, meta=target.meta, spec=target.spec)
    second = entry.read_second(found, meta=target.meta, spec=target.spec)
    pairs = [pair for one in seen for pair in one.pairs]
    in_force = target.accepted or not pairs
    held = Held(
        entry=first.revision,
        candidate=second.revision,
        entry_weighs=not in_force or any(it.stable_weight for it in pairs),
        candidate_weighs=not in_force or any(it.candidate_weight for it in pairs),
    )
    return next_move(
        held,
        stable=target.stable,
        candidate=target.candidate,
        percent=target.exposure.live_percent,
    )


def _sums_to_keep(seen: tuple[_Seen, ...], move: Move) -> dict[str, dict[str, int]]:
    kept = {
        _key(one.reference): user_route.remembered(one.pairs, move.percent, sums=one.sums)
        for one in seen
    }
    return {key: sums for key, sums in kept.items() if sums}


def _document(seen: _Seen, percent: float) -> WantedDocument:
    return WantedDocument(
        reference=seen.reference,
        body=user_route.with_percent(seen.live, seen.pairs, percent, sums=seen.sums),
        mechanism=Mechanism.PATCH_WEIGHTS,
        carries_weights=True,
    )


def _weights(seen: tuple[_Seen, ...], *, first: str, second: str) -> dict[str, float]:
    """Shares by revision; empty where nobody is given anything, or nobody selects what is given."""
    share = user_route.candidate_percent(tuple(pair for one in seen for pair in one.pairs))
    if share is None:
        return {}
    found: dict[str, float] = {}
    for revision, percent in ((first, 100.0 - share), (second, share)):
        if revision:
            found[revision] = found.get(revision, 0.0) + percent
    return found


def _is_owed(seen: _Seen) -> bool:
    """It still has weights of ours: at rest the candidate's Service has none, and sums are as usual."""
    usual = all(seen.sums.get(str(it.rule), it.sum) == it.sum for it in seen.pairs)
    return not usual or any(it.candidate_weight for it in seen.pairs)


def _obstacle(seen: tuple[_Seen, ...], *, spec: model.Spec) -> str:
    """Why no weight can be written, and what to do about it; empty where it can."""
    missing = [it for it in _route_references(spec) if it not in {one.reference for one in seen}]
    if missing:
        what = f"{missing[0].kind} {missing[0].name}"
        return f"{what} does not exist: create it, or correct traffic.gatewayAPI.routeRefs"
    return next(filter(None, (_obstacle_of(one, spec=spec) for one in seen)), "")


def _obstacle_of(seen: _Seen, *, spec: model.Spec) -> str:
    services, where = _services(spec), f"{seen.reference.kind} {seen.reference.name}"
    both = f"Services {services.stable} and {services.candidate}"
    if not seen.pairs:
        return (
            f"no rule of {where} names the {both}: add both to backendRefs, with weights 100 and 0"
        )
    if not any(it.sum for it in seen.pairs):
        return f"{where} gives the {both} no weight: give {services.stable} one, such as 100"
    steps = [step.weight_percent for step in spec.steps]
    for pair in seen.pairs:
        percent = user_route.cannot_give(pair, iter(steps), sums=seen.sums)
        if percent is not None:
            return (
                f"rule {pair.rule} of {where} has another backend with a weight, so the two weights "
                f"must keep their sum {pair.sum}, which cannot give {percent:g} %: use larger numbers"
            )
    return ""
