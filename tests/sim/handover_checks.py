"""S19: no request meets a backend that its proxy does not know: make before break (ADR 0074).

What proxies know is what a Gateway has taken last. Where no answer names its generation, as
with Istio, Traefik and NGINX, what stood in the object before counts. Whoever edits the object by hand,
or takes it away, breaks that himself; what takes traffic away, or finds stable without pods, waits for
nobody.
"""

from __future__ import annotations

from tests.sim import facts, gateway
from tests.sim.cluster import ROUTES, SILENT, Change
from tests.sim.fields import Object
from tests.sim.oracle import Memory, by_operator, require
from tests.sim.people import NAME, NAMESPACE

from tidegate import ports


def backends_are_known(memory: Memory, change: Change) -> None:
    """S19: a Service is listed before it gets requests, and has none in force when it leaves."""
    if not by_operator(change) or change.kind not in ROUTES or memory.run.people_touched_traffic:
        return
    known = _known(memory, change)
    if change.body["metadata"]["name"] != NAME or known is None or not (change.old and change.new):
        return
    listed = set(_weights(change.new))
    busy = {name for name, share in known.shares(gateway.TESTERS_SHARE) if share > 0}
    for name in sorted((busy | _asked(change.old)) - listed):
        gone = memory.run.cluster.get(ports.SERVICE, NAMESPACE, name) is None
        require(gone, "S19", f"{name} leaves the route while it gets requests")
    if not _waits(memory, change):
        return
    for name in sorted(_asked(change.new)):
        there = name in known.weights or name in known.by_header
        require(there, "S19", f"{name} gets requests, and no proxy knows it yet")


def _known(memory: Memory, change: Change) -> gateway.Plane | None:
    if change.kind in SILENT:
        return gateway.plane_of(change.old) if change.old else None
    return memory.run.world.planes.get((NAMESPACE, NAME))


def _waits(memory: Memory, change: Change) -> bool:
    """Traffic is not taken away, and stable has pods to go on with."""
    return not change.urgent and memory.had_pods(facts.stable(memory.body))


def _weights(route: Object) -> dict[str, int]:
    return gateway.plane_of(route).weights


def _asked(route: Object) -> set[str]:
    """Services that a route sends requests to."""
    plane = gateway.plane_of(route)
    both = [*plane.weights.items(), *plane.by_header.items()]
    return {name for name, weight in both if weight > 0}


def rules_keep_their_place(memory: Memory, change: Change) -> None:
    """S19: a rule stands before it gets requests, and gets none any more when it goes."""
    managed = change.kind in {ports.HTTP_ROUTE, ports.GRPC_ROUTE}
    if not by_operator(change) or not managed or memory.run.people_touched_traffic:
        return
    if change.body["metadata"]["name"] != NAME or not (change.old and change.new):
        return
    before, after = (gateway.all_rules(it) for it in (change.old, change.new))
    for rule in after[len(before) :] if _waits(memory, change) else ():
        require(gateway.is_closed(rule), "S19", "requests go by a rule that no proxy knows yet")
    for rule in before[len(after) :]:
        require(gateway.is_closed(rule), "S19", "a rule goes while requests go by it")
