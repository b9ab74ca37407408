"""A route that belongs to people, and two Services of ours that it names: who gets what by both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.sim import facts
from tests.sim.cluster import ROUTES, Change, Cluster
from tests.sim.fields import Object
from tests.sim.oracle import CLOSE, Memory, by_operator, require
from tests.sim.people import MD, NAME, NAMESPACE, ROUTE, SECOND, USER_ROUTES
from tests.sim.traffic_checks import EXPOSED_SECONDS, GOOD, rises

from tidegate import ports
from tidegate.model import objects

if TYPE_CHECKING:
    from tests.sim.run import Run

OURS = {NAME, SECOND}
Docs = dict[str, Object | None]
EXISTING = "Existing"


def shares(run: Run) -> dict[str, float]:
    """Share in percent by revision, as written."""
    return _shares(_now(run.cluster))


def weights(run: Run, name: str = ROUTE) -> list[int]:
    """The weights of the first rule."""
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, name)
    rules = ((route or {}).get("spec") or {}).get("rules") or [{}]
    return [it["weight"] for it in rules[0].get("backendRefs") or []]


def _now(cluster: Cluster) -> Docs:
    found: Docs = {name: cluster.get(ports.SERVICE, NAMESPACE, name) for name in OURS}
    return {**found, ROUTE: cluster.get(cluster.route_kind, NAMESPACE, ROUTE)}


def _shares(docs: Docs) -> dict[str, float]:
    """Those of the first rule; a Service that selects nobody gives nobody anything."""
    found: dict[str, float] = {}
    by_service = facts.shares(docs[ROUTE], name="")
    for name in OURS:
        revision = facts.selected(docs[name])
        if revision and by_service.get(name):
            found[revision] = found.get(revision, 0.0) + by_service[name]
    return found


def _around(memory: Memory, change: Change) -> tuple[dict[str, float], dict[str, float]] | None:
    """Shares before and after a change of the route or of a Service behind it."""
    if change.kind not in {*ROUTES, ports.SERVICE} or facts.provider(memory.body) != EXISTING:
        return None
    name = change.body["metadata"]["name"]
    if (change.kind, name) not in {
        (memory.run.cluster.route_kind, ROUTE),
        *((ports.SERVICE, it) for it in OURS),
    }:
        return None
    after = _now(memory.run.cluster)
    return _shares({**after, name: change.old}), _shares(after)


def only_weights_change(memory: Memory, change: Change) -> None:
    """I5: of a route of the user only the weights of our two Services change, and nobody creates it."""
    foreign = change.body["metadata"]["name"] in USER_ROUTES and change.kind in ROUTES
    if not foreign or not by_operator(change):
        return
    assert memory.run.cluster is not None
    require(
        change.old is not None and change.new is not None, "I5", "a user's route is made or deleted"
    )
    require(_plain(change.old) == _plain(change.new), "I5", "more than weights of a user's route")


def _plain(route: Object | None) -> Any:
    """The route without what may change: our weights, and what the API server counts."""
    assert route is not None
    rules = [
        {**rule, "backendRefs": [_without(it) for it in rule.get("backendRefs") or []]}
        for rule in route["spec"]["rules"]
    ]
    metadata = {
        key: value
        for key, value in route["metadata"].items()
        if key not in {"resourceVersion", "generation", "managedFields"}
    }
    return {**route, "spec": {**route["spec"], "rules": rules}, "metadata": metadata}


def _without(backend: Object) -> Object:
    ours = backend["name"] in OURS
    return {key: value for key, value in backend.items() if not (ours and key == "weight")}


def selectors_move_without_weight(memory: Memory, change: Change) -> None:
    """S5: a Service behind a user's route changes its revision only while it has no weight."""
    name = change.body["metadata"]["name"]
    if change.kind is not ports.SERVICE or name not in OURS or not (change.old and change.new):
        return
    if not by_operator(change) or facts.provider(memory.body) != EXISTING:
        return
    if (
        facts.selected(change.old) == facts.selected(change.new)
        or memory.run.people_touched_traffic
    ):
        return
    route = memory.run.cluster.get(memory.run.cluster.route_kind, NAMESPACE, ROUTE)
    weight = facts.shares(route, name="").get(name, 0.0)
    require(weight == 0, "S5", f"{name} has {weight:g} % and selects another revision")


def shares_rise_with_cause(memory: Memory, change: Change) -> None:
    """S2, S3, S4, S10: as for a route of ours."""
    found = _around(memory, change) if by_operator(change) else None
    if found is None:
        return
    before, after = found
    for revision, share in after.items():
        if share > before.get(revision, 0.0) + CLOSE:
            rises(memory, change, revision, share)


def pods_stay(memory: Memory, change: Change) -> None:
    """S5: no revision with traffic loses its pods."""
    if not by_operator(change) or change.kind is not ports.DEPLOYMENT or change.old is None:
        return
    gone = change.new is None or change.new["spec"]["replicas"] == 0
    body = memory.body
    if not gone or facts.provider(body) != EXISTING or body is None or not facts.replicas(body):
        return
    revision = facts.revision_label(change.old)
    share = shares(memory.run).get(revision, 0.0)
    require(share == 0, "S5", f"{revision} has {share:g} % and loses its pods")


def steps_are_seen(memory: Memory, change: Change) -> None:
    """S3, I2: a step counts once the route gives its weight; a rollout ends once it gives none."""
    if not by_operator(change) or change.kind is not MD or change.new is None:
        return
    if facts.provider(change.new) != EXISTING or memory.run.people_touched_traffic:
        return
    before, after = facts.rollout(change.old), facts.rollout(change.new)
    found = shares(memory.run)
    step, known = after.get("step") or {}, (before.get("step") or {}).get("confirmedAt")
    if step.get("confirmedAt") and step["confirmedAt"] != known and not facts.ends(change.new):
        share, wanted = (
            found.get(after["revision"], 0.0),
            after["plan"][step["index"]]["effectiveWeight"],
        )
        require(abs(share - wanted) < CLOSE, "S3", f"confirmed {wanted:g} % at {share:g} %")
    over = bool(before) and (not after or after["id"] != before["id"])
    stable = facts.stable(change.new)
    others = {one: share for one, share in found.items() if share and one != stable}
    require(
        not over or not stable or not others, "I2", f"the rollout ended while {others} had traffic"
    )


def bad_revisions_leave(memory: Memory, change: Change) -> None:
    """I2: as with a route of ours, a bad revision loses its traffic within the bound."""
    found = _around(memory, change)
    if found is None:
        return
    before, after = ({one for one, share in it.items() if share} for it in found)
    now = memory.run.loop.time()
    for deployment in memory.run.cluster.all(ports.DEPLOYMENT):
        revision = facts.revision_label(deployment)
        version = objects.annotation(deployment, objects.ANNOTATION_MODEL_VERSION)
        if revision in after - before:
            memory.exposed_since[revision] = now
        if revision in before - after and memory.run.scenario.truths.get(version, GOOD).wrong:
            seconds = now - memory.exposed_since.get(revision, now)
            require(
                seconds <= EXPOSED_SECONDS, "I2", f"bad {version} had traffic for {seconds:.0f} s"
            )


def at_rest(run: Run, stable: str) -> None:
    """I3: stable has everything, and the route is as its owner left it."""
    found = {one: share for one, share in shares(run).items() if share}
    require(found == {stable: 100.0}, "I3", f"the user's route gives {found}")
    route = run.cluster.get(run.cluster.route_kind, NAMESPACE, ROUTE)
    if route is not None and not run.people_touched_traffic:
        require(route["spec"] == run.people.route_spec, "I3", "the user's route is not as it was")
