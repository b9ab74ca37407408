"""ReplicaRatio: a plain Service and numbers of pods make the share; no Gateway takes part."""

from __future__ import annotations

import time

import pytest
from cluster_checks import (
    Held,
    assert_calm_after,
    assert_nobody_failed,
    assert_shares,
    held_steps,
)
from cluster_client import Object
from cluster_history import Look
from cluster_scene import Model, Scene, metric
from cluster_users import serve_first

from tidegate import ports

pytestmark = pytest.mark.cluster

REPLICAS = 4
SURGE = 1
# 30 % is not to be had with four or five pods: 1 of 4 is the nearest.
STEPS = [(30.0, "8s"), (50.0, "8s")]
SLOW = {"SLOW_RATIO": "1", "SLOW_SECONDS": "0.3"}
LATENCY = metric("latency-p95", max=0.1)


def test_promotion_by_numbers_of_pods(scene: Scene) -> None:
    model = scene.model(gateway=False, replicas=REPLICAS, steps=STEPS)
    load = serve_first(model)
    before = model.looks()[-1].stable_revision
    applied_at = model.apply("2")
    promoted = model.wait_for_phase("Healthy", seconds=300, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    resting = model.wait_for_rest(since=promoted.at)

    books = load.books()
    assert_nobody_failed(books)
    assert_shares(promoted, books, version="2", steps=2)
    after = promoted.stable_revision
    _assert_at_rest(model, resting, pods={before: 0, after: REPLICAS})
    held = held_steps(promoted)
    assert [it.percent for it in held] == [25.0, 50.0], "what four pods can give"
    pods = [(_pods_in(model, before, step=it), _pods_in(model, after, step=it)) for it in held]
    assert pods == [(3, 1), (2, 2)]
    _assert_pods_kept(model, since=applied_at)
    model.delete()
    _wait_until_nothing_is_left(model)


def test_rollback_by_numbers_of_pods(scene: Scene) -> None:
    """The entry Service leaves the slow candidate at once, then stable gets its pods back."""
    model = scene.model(
        gateway=False,
        replicas=REPLICAS,
        steps=[(50.0, "10m")],
        analysis={"metrics": [LATENCY]},
    )
    load = serve_first(model)
    applied_at = model.apply("2", env=SLOW)
    back = model.wait_for_phase("RolledBack", seconds=300, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    assert "latency-p95" in back.status["rejectedRevisions"][0]["reason"]
    good, bad = back.stable_revision, back.rollout["revision"]
    (held,) = held_steps(back)
    resting = model.wait_for_rest(since=back.at)
    assert_calm_after(load, back.at)
    assert_nobody_failed(load.books())
    _assert_at_rest(model, resting, pods={good: REPLICAS, bad: 0})
    assert (_pods_in(model, good, step=held), _pods_in(model, bad, step=held)) == (2, 2)


def _pods(model: Model, revision: str) -> int:
    """Ready pods of a revision as they were told last."""
    told = model.deployment(revision)
    return _ready(told[-1].body) if told else 0


def _pods_in(model: Model, revision: str, *, step: Held) -> int:
    """Ready pods of a revision when a step ended; versions tell what was before, watches do not."""
    ended = next(look for look in model.looks() if step in _held_so_far(look))
    told = [seen for seen in model.deployment(revision) if seen.version < ended.version]
    return _ready(told[-1].body) if told else 0


def _held_so_far(look: Look) -> list[Held]:
    return held_steps(look) if look.rollout else []


def _ready(deployment: Object) -> int:
    return int(deployment.get("status", {}).get("readyReplicas", 0))


def _assert_pods_kept(model: Model, *, since: float) -> None:
    """Never fewer ready pods than asked for, never more pods than the surge allows."""
    newest: dict[str, Object] = {}
    for seen in model.scene.history.of_kind(ports.DEPLOYMENT):
        if not seen.name.startswith(f"{model.name}-"):
            continue
        newest[seen.name] = seen.body
        if seen.at < since:
            continue
        assert sum(_ready(body) for body in newest.values()) >= REPLICAS, model.tell()
        wanted = sum(body["spec"]["replicas"] for body in newest.values())
        assert wanted <= REPLICAS + SURGE, model.tell()


def _assert_at_rest(model: Model, resting: Look, *, pods: dict[str, int]) -> None:
    """One revision has all the pods, the Service selects it, and nothing is owed any more."""
    scene = model.scene
    scene.history.wait_for(
        lambda: {it: _pods(model, it) for it in pods} == pods,
        seconds=120,
        explain=lambda: f"other pods than {pods}\n{model.tell()}",
    )
    entry = scene.client.get(ports.SERVICE, namespace=scene.namespace, name=model.name)
    assert entry is not None
    serving = next(revision for revision, count in pods.items() if count)
    assert entry["spec"]["selector"]["tidegate.dev/revision"] == serving
    assert not resting.body["metadata"].get("finalizers")
    assert not scene.client.list(ports.HTTP_ROUTE, namespace=scene.namespace)


def _wait_until_nothing_is_left(model: Model) -> None:
    """Children go with their owner, by the garbage collector of Kubernetes."""
    scene = model.scene
    mine = {"tidegate.dev/model-deployment": model.name}
    kinds = (ports.DEPLOYMENT, ports.SERVICE, ports.ENDPOINT_SLICE, ports.POD)
    deadline = time.monotonic() + 180
    while left := [
        f"{kind.kind} {body['metadata']['name']}"
        for kind in kinds
        for body in scene.client.list(kind, namespace=scene.namespace, **mine)
    ]:
        assert time.monotonic() < deadline, f"left over: {left}"
        time.sleep(0.5)
