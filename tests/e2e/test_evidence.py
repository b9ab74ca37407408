"""What a threshold cannot tell: small regressions, noise, and outages that are nobody's fault."""

from __future__ import annotations

import time

import pytest
from cluster_client import Client, Object
from cluster_history import Look
from cluster_scene import SERVER_PORT, Model, Scene, model_server
from cluster_users import start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

BACKEND = "backend"


def errors(**more: object) -> Object:
    """The error ratio with a strict limit, and compared with stable."""
    return {"name": "error-ratio", "preset": "error-ratio", **more}


def judged(look: Look, metric: str = "error-ratio") -> Object:
    """The last judgement of a metric in this status."""
    return next(one for one in look.status["analysis"] if one["name"] == metric)


def serve(model: Model, *, requests_per_second: float, **env: str) -> None:
    """Version 1 with these faults, and many users."""
    model.apply("1", env=env)
    model.wait_for_phase("Healthy", seconds=60)
    start_load(model, requests_per_second=requests_per_second)


def test_three_times_the_errors_are_found_below_a_limit_of_one_percent(scene: Scene) -> None:
    model = scene.model(
        replicas=2,
        steps=[(50.0, "20s")],
        analysis={"metrics": [errors(threshold={"max": 0.01})]},
    )
    serve(model, requests_per_second=200, FAIL_RATIO="0.003")
    time.sleep(20)  # of history
    applied_at = model.apply("2", env={"FAIL_RATIO": "0.009"})

    back = model.wait_for_phase("RolledBack", seconds=220, since=applied_at)

    found = judged(back)
    assert (found["outcome"], found["reason"]) == ("Fail", "Regression")
    assert found["value"] < 0.01, "a threshold alone would have let it pass"
    assert found["evidence"] >= found["evidenceLimit"]
    assert found["ratio"] > 1.5


def test_noisy_but_equal_version_is_promoted(scene: Scene) -> None:
    noisy = {"FAIL_RATIO": "0.05", "FAIL_BURST": "4"}
    model = scene.model(
        replicas=2,
        steps=[(50.0, "10s")],
        analysis={"metrics": [errors(compare={"margin": 1, "toleranceAbsolute": 0.02})]},
    )
    serve(model, requests_per_second=200, **noisy)
    time.sleep(20)
    applied_at = model.apply("2", env=noisy)

    done = model.wait_for_phase("Healthy", seconds=240, since=applied_at)

    assert (done.stable_version, done.last_result) == ("2", "Promoted")
    found = judged(done)
    assert (found["outcome"], found["reason"]) == ("Pass", "NonInferior")
    assert found["value"] > 0.03, "a threshold of 3 % would have rolled it back"
    assert found["dispersion"] > 1.5, "bursts are seen on stable's pods"


def test_outage_of_a_shared_backend_rolls_nothing_back(scene: Scene, client: Client) -> None:
    backend_up(scene, client)
    env = {"BACKEND": f"{BACKEND}.{scene.namespace}.svc.cluster.local:{SERVER_PORT}"}
    model = scene.model(
        replicas=2,
        steps=[(50.0, "10m")],
        analysis={"metrics": [errors(threshold={"max": 0.05})]},
    )
    serve(model, requests_per_second=50, **env)
    applied_at = model.apply("2", env=env)
    started = model.wait_for_weight(50.0, seconds=60, since=applied_at)

    client.delete(ports.POD, namespace=scene.namespace, name=BACKEND)
    shared = model.wait_for(
        lambda look: look.condition("AnalysisPassing")["reason"] == "SharedIncident",
        seconds=60,
        since=started.at,
        what="both versions fail at once",
    )
    assert judged(shared)["value"] > 0.05
    assert judged(shared)["baselineValue"] > 0.05
    backend_up(scene, client)
    time.sleep(15)

    last = model.looks()[-1]
    assert last.phase == "Progressing"
    assert last.rollout["traffic"]["candidate"] == 50
    assert not any(look.phase in {"RollingBack", "RolledBack"} for look in model.looks())


def backend_up(scene: Scene, client: Client) -> None:
    """The pod that all versions ask, with a name for it."""
    pod = model_server()["spec"]
    labels = {"app": BACKEND}
    metadata = {"name": BACKEND, "namespace": scene.namespace}
    client.apply(ports.POD, {"metadata": {**metadata, "labels": labels}, "spec": pod})
    service = {"selector": labels, "ports": [{"port": SERVER_PORT}]}
    client.apply(ports.SERVICE, {"metadata": metadata, "spec": service})
