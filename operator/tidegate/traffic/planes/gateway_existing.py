"""Routes that belong to the user, in which only the weights of two Services of ours change.

A route that was given weight is noted beside its sums, so that one that spec no longer names is given back.
Source: api.md, 5.2 ("Existing mode"); ecosystem.md, 1.4; docs/adr/0044 and 0098.
"""

# ruff: noqa: ARG002  (a route says its weights itself)

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

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
from tidegate.traffic.planes import entry, route, user_route
from tidegate.traffic.planes.managed import Finding
from tidegate.traffic.planes.two_services import Held, Move, next_move
from tidegate.traffic.planes.user_route import Pair
from tidegate.traffic.sizing.by_weight import ByWeight

Found = Mapping[Reference, model.Document]
_KINDS = frozenset({"HTTPRoute", "GRPCRoute"})
_SHAPE = Shape(
    parts=lambda it: {"spec.rules": objects.at(it, "spec", "rules")},
    moves=re.compile(r"spec\.rules\[\d+\]\.backendRefs\[\d+\]\.weight"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """A route of the user with its rules that name both Services, and the sums kept for them.

    `named` says whether spec names it; one that it no longer names is only given back.
    """

    reference: Reference
    live: model.Document
    pairs: tuple[Pair, ...]
    sums: Mapping[str, int]
    named: bool = True

    @property
    def gives(self) -> bool:
        """The candidate's Service has some weight in it."""
        return any(it.candidate_weight for it in self.pairs)

    @property
    def is_owed(self) -> bool:
        """It has weights of ours: at rest the candidate's Service has none, and sums are as usual."""
        usual = all(self.sums.get(str(it.rule), it.sum) == it.sum for it in self.pairs)
        return not usual or self.gives


class ExistingRoutes:
    """Provider GatewayAPI, mode Existing."""

    capabilities = Capabilities(weights=Weights.EXACT)
    sizing: Sizing = ByWeight()

    def references(self, *, meta: model.ObjectMeta, spec: model.Spec) -> tuple[Reference, ...]:
        """The routes, then the two Services that they name."""
        services = (entry.reference(meta=meta, spec=spec), entry.second_reference(spec))
        return (*_route_references(spec), *services)

    def noted(self, found: Found, *, spec: model.Spec) -> tuple[Reference, ...]:
        """Routes that were given weight and that spec does not name any more."""
        named = set(_route_references(spec))
        known = filter(None, map(_reference_of, sorted(_noted_on(found, spec=spec))))
        return tuple(it for it in known if it not in named)

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
        return (second, first, *(_document(one, _percent_of(one, move)) for one in seen))

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
        named = (one for one in seen if one.named)
        finding = next(filter(None, (route.first_finding(one.live) for one in named)), None)
        obstacle = _obstacle(seen, spec=spec)
        if obstacle:
            finding = Finding(reason="RouteUnusable", message=obstacle)
        return model.TrafficState(
            exists=any(one.named or one.gives for one in seen),
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
            owed=any(one.is_owed for one in seen) or bool(_noted_on(found, spec=spec)),
        )


def _route_references(spec: model.Spec) -> tuple[Reference, ...]:
    return tuple(Reference(kind=it.kind, name=it.name, owned=False) for it in spec.traffic.routes)


def _services(spec: model.Spec) -> user_route.Services:
    name = spec.service.name
    return user_route.Services(stable=name, candidate=f"{name}{entry.SECOND}")


def _found(target: Target) -> Found:
    """What was seen of the objects of this plane, by reference."""
    plane = ExistingRoutes()
    found = _known(target, plane.references(meta=target.meta, spec=target.spec))
    return found | _known(target, plane.noted(found, spec=target.spec))


def _known(target: Target, references: Iterable[Reference]) -> dict[Reference, model.Document]:
    known = {one: target.live.get((one.kind, one.name)) for one in references}
    return {one: live for one, live in known.items() if live is not None}


def _seen(found: Found, *, spec: model.Spec) -> tuple[_Seen, ...]:
    """The routes that exist, in their order; those that spec no longer names come last."""
    noted = _noted_on(found, spec=spec)
    services, named = _services(spec), _route_references(spec)
    dropped = ExistingRoutes().noted(found, spec=spec)
    return tuple(
        _Seen(
            reference=one,
            live=found[one],
            pairs=user_route.pairs(found[one], services),
            sums=noted.get(_key(one), {}),
            named=one in named,
        )
        for one in (*named, *dropped)
        if one in found
    )


def _key(reference: Reference) -> str:
    return f"{reference.kind}/{reference.name}"


def _reference_of(key: str) -> Reference | None:
    """The route of a key that we wrote; None for anything else."""
    kind, _, name = key.partition("/")
    known = kind in _KINDS and name
    return Reference(kind=kind, name=name, owned=False) if known else None


def _noted_on(found: Found, *, spec: model.Spec) -> dict[str, dict[str, int]]:
    """What the candidate's Service says of routes with weights of ours: usual sums by route and rule.

    Rules whose sum is as usual are left out. What cannot be read was written by somebody else, and
    says nothing.
    """
    service = found.get(entry.second_reference(spec), {})
    text = objects.annotation(service, objects.ANNOTATION_SUMS)
    try:
        noted = objects.mapping(json.loads(text)) if text else {}
    except ValueError:
        return {}
    return {key: sums for key, value in noted.items() if (sums := _sums_of(value)) is not None}


def _sums_of(value: model.Json) -> dict[str, int] | None:
    """Sums by rule; None for what we never write."""
    if not isinstance(value, dict):
        return None
    sums = {rule: it for rule, it in value.items() if isinstance(it, int) and it > 0}
    return sums if len(sums) == len(value) else None


def _move(target: Target, found: Found, seen: tuple[_Seen, ...]) -> Move:
    first = entry.read(found, meta=target.meta, spec=target.spec)
    second = entry.read_second(found, meta=target.meta, spec=target.spec)
    pairs = _pairs_in_play(seen)
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
    """Of every route that has weights of ours, or is to get some: they are given back by that."""
    kept = {}
    for one in seen:
        percent = _percent_of(one, move)
        sums = user_route.remembered(one.pairs, percent, sums=one.sums)
        if sums or percent > 0 or one.is_owed:
            kept[_key(one.reference)] = sums
    return kept


def _percent_of(seen: _Seen, move: Move) -> float:
    """What the candidate's Service is to have in a route.

    One that spec no longer names has its own weights again; only where the candidate's Service answers
    all users its users stay there until the entry Service can take them.
    """
    if seen.named or (seen.gives and move.percent == 100):
        return move.percent
    return 0.0


def _pairs_in_play(seen: tuple[_Seen, ...]) -> tuple[Pair, ...]:
    """Rules that decide who has which share: a route that was given back is its owner's affair."""
    return tuple(pair for one in seen if one.named or one.gives for pair in one.pairs)


def _document(seen: _Seen, percent: float) -> WantedDocument:
    return WantedDocument(
        reference=seen.reference,
        body=user_route.with_percent(seen.live, seen.pairs, percent, sums=seen.sums),
        shape=_SHAPE,
        mechanism=Mechanism.PATCH_WEIGHTS,
        carries_weights=True,
    )


def _weights(seen: tuple[_Seen, ...], *, first: str, second: str) -> dict[str, float]:
    """Shares by revision; empty where nobody is given anything, or nobody selects what is given."""
    share = user_route.candidate_percent(_pairs_in_play(seen))
    if share is None:
        return {}
    found: dict[str, float] = {}
    for revision, percent in ((first, 100.0 - share), (second, share)):
        if revision:
            found[revision] = found.get(revision, 0.0) + percent
    return found


def _obstacle(seen: tuple[_Seen, ...], *, spec: model.Spec) -> str:
    """Why no weight can be written, and what to do about it; empty where it can."""
    named = [one for one in seen if one.named]
    missing = [it for it in _route_references(spec) if it not in {one.reference for one in named}]
    if missing:
        what = f"{missing[0].kind} {missing[0].name}"
        return f"{what} does not exist: create it, or correct traffic.gatewayAPI.routeRefs"
    return next(filter(None, (_obstacle_of(one, spec=spec) for one in named)), "")


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
