"""Which Services an object of ours lists, so that no request meets a backend its proxy does not know.

A proxy learns of backends and of routes one after the other, in no order that one could rely on: a route
may name a backend that is not there yet, or not any more, and answers 503 for that long. So a Service
is listed before it gets requests, and has none before it leaves: each in a write of its own, made once
the one before is in force. Taking traffic away waits for nothing, since weight 0 is such a write.
Source: Envoy, xDS protocol, "Eventual consistency considerations" (make before break); docs/adr/0074.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import splits
from tidegate.traffic.interface import Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """The Service of a revision, and its weight."""

    service: str
    weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """What an object says, by revision; a foreign Service keeps its own name.

    Shares and copies are in percent. Without any `weights` it sends nothing anywhere. `holds_place`: a
    rule for requests by header stands there that none of them matches.
    """

    weights: Mapping[str, float]
    by_header: Mapping[str, tuple[tuple[model.Header, ...], ...]] = field(default_factory=dict)
    mirrors: Mapping[str, float] = field(default_factory=dict)
    holds_place: bool = False

    def gives(self, revision: str) -> bool:
        """Whether users are sent to it, by share or by header."""
        return self.weights.get(revision, 0.0) > 0 or revision in self.by_header


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the object says now; whether that is in force, or has no answer yet."""

    split: Split
    in_force: bool
    pending: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """What is written now: what the candidate gets, and every Service that is listed, stable first.

    `holds_place`: a rule that no request matches stands for that of the testers.
    """

    exposure: model.Exposure
    backends: tuple[Backend, ...]
    holds_place: bool = False


def next_move(target: Target, held: Held | None, *, by_rule: bool) -> Move:
    """One write towards the target; asked again once it is in force, until that is what it holds.

    What leaves comes last, at weight 0, so that nothing else changes its place. Where there is no
    object yet nobody is served, and it is made as it is wanted. `by_rule` says that proxies may know
    backends by the rule that names them, so that a rule has to be there before it gets requests.
    """
    if held is None:
        return Move(exposure=target.exposure, backends=tuple(_wanted(target, target.exposure)))
    exposure = _given_now(target, held, by_rule=by_rule)
    wanted = tuple(_wanted(target, exposure))
    names = {one.service for one in wanted}
    leaving = (service_of(target, it) for it in _leaving(target, held))
    left = (Backend(service=it, weight=0) for it in leaving if it not in names)
    closed = bool(target.exposure.routes or held.split.by_header)
    closed = closed or (held.split.holds_place and held.pending)
    return Move(
        exposure=exposure,
        backends=(*wanted, *left),
        holds_place=by_rule and closed and not exposure.routes,
    )


def service_of(target: Target, revision: str) -> str:
    """Name of the Service where the requests of a revision go."""
    return objects.revision_object_name(target.meta.name, revision=revision)


def _given_now(target: Target, held: Held, *, by_rule: bool) -> model.Exposure:
    """What is wanted, without what the proxies may not know the way of yet.

    Not where traffic is taken away, nor where stable has no pod: who cannot answer is not waited for.
    """
    exposure, candidate, split = target.exposure, target.candidate, held.split
    if target.at_once or target.ready_pods.get(target.stable, 0) == 0:
        return exposure
    listed = held.in_force and candidate in split.weights
    if exposure.answers_users and not (listed or split.gives(candidate)):
        return replace(exposure, live_percent=0.0, routes=())
    placed = bool(split.by_header) or (held.in_force and split.holds_place)
    return exposure if placed or not by_rule else replace(exposure, routes=())


def _wanted(target: Target, exposure: model.Exposure) -> Iterator[Backend]:
    """Stable, a candidate that may answer, and who keeps a place, in this order.

    One that only gets copies is no backend at all, so that no slip of a weight lets it answer.
    """
    weights, asked = splits.plane_weights(exposure), target.exposure
    yield Backend(service=service_of(target, target.stable), weight=weights.stable)
    if target.candidate and (asked.answers_users or asked.mirror_percent <= 0):
        yield Backend(service=service_of(target, target.candidate), weight=weights.candidate)
    if target.kept and target.kept not in {target.stable, target.candidate}:
        yield Backend(service=service_of(target, target.kept), weight=0)


def _leaving(target: Target, held: Held) -> Iterator[str]:
    """Revisions that are listed and may still get requests.

    A Service that is gone is not listed again, and what a proxy has refused it does not have.
    """
    for revision in sorted(held.split.weights.keys() & target.services):
        if held.split.gives(revision) or held.pending:
            yield revision
