"""What a threshold cannot tell: small regressions, noise, and outages that are nobody's fault."""

from __future__ import annotations

import pytest
from cluster_client import Client, Object
from cluster_history import Look
from cluster_scene import SERVER_PORT, Model, Scene, model_server
from cluster_users import Load, start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

BACKEND = "backend"
HISTORY_SECONDS = 20.0  # of stable, before there is a candidate


def errors(**more: object) -> Object:
    """The error ratio with a strict limit, and compared with stable."""
    return {"name": "error-ratio", "preset": "error-ratio", **more}


def judged(look: Look, metric: str = "error-ratio") -> Object:
    """The last judgement of a metric in this status."""
    return next(one for one in look.status["analysis"] if one["name"] == metric)


def serve(model: Model, *, requests_per_second: float, **env: str) -> Load:
    """Version 1 with these faults, and many users."""
    model.apply("1", env=env)
    model.wait_for_phase("Healthy", seconds=120)
    return start_load(model, requests_per_second=requests_per_second)


def test_three_times_the_errors_are_found_below_a_limit_of_one_percent(scene: Scene) -> None:
    model = scene.model(
        replicas=2,
        steps=[(50.0, "20s")],
        analysis={"metrics": [errors(threshold={"max": 0.01})]},
    )
    load = serve(model, requests_per_second=200, FAIL_RATIO="0.003")
    load.wait_for_more(HISTORY_SECONDS, since=load.books().seconds[0].at)
    applied_at = model.apply("2", env={"FAIL_RATIO": "0.009"})

    back = model.wait_for_phase("RolledBack", seconds=400, since=applied_at)

    found = judged(back)
    assert (found["outcome"], found["reason"]) == ("Fail", "Regression")
    assert found["value"] < 0.01, "a threshold alone would have let it pass"
    assert found["evidence"] >= found["evidenceLimit"]
    assert found["ratio"] > 1.5


def test_noisy_but_equal_version_is_promoted(scene: Scene) -> None:
    noisy = {"FAIL_RATIO": "0.05", "FAIL_BURST": "2"}
    model = scene.model(
        replicas=2,
        steps=[(50.0, "10s")],
        analysis={"metrics": [errors(compare={"margin": 1, "toleranceAbsolute": 0.02})]},
    )
    load = serve(model, requests_per_second=200, **noisy)
    load.wait_for_more(HISTORY_SECONDS, since=load.books().seconds[0].at)
    applied_at = model.apply("2", env=noisy)

    done = model.wait_for_phase("Healthy", seconds=400, since=applied_at)

    assert (done.stable_version, done.last_result) == ("2", "Promoted")
    found = judged(done)
    assert found["outcome"] == "Pass"
    assert found["reason"] in {"NonInferior", "NoHarmFound"}, (
        "whichever the rows of this run gave first"
    )
    assert found["value"] > 0.03, "a threshold of 3 % would have rolled it back"
    assert found["dispersionSource"] == "Measured"
    assert found["dispersion"] > 1.2, "bursts are seen on stable's pods"


def test_outage_of_a_shared_backend_rolls_nothing_back(scene: Scene, client: Client) -> None:
    backend_up(scene, client)
    env = {"BACKEND": f"{BACKEND}.{scene.namespace}.svc.cluster.local:{SERVER_PORT}"}
    model = scene.model(
        replicas=2,
        steps=[(50.0, "10m")],
        analysis={"metrics": [errors(threshold={"max": 0.05})]},
    )
    load = serve(model, requests_per_second=50, **env)
    applied_at = model.apply("2", env=env)
    started = model.wait_for_weight(50.0, seconds=120, since=applied_at)

    client.delete(ports.POD, namespace=scene.namespace, name=BACKEND)
    shared = model.wait_for(
        lambda look: look.condition("AnalysisPassing")["reason"] == "SharedIncident",
        seconds=180,
        since=started.at,
        what="both versions fail at once",
    )
    assert judged(shared)["value"] > 0.05
    assert judged(shared)["baselineValue"] > 0.05
    backend_up(scene, client)
    load.wait_until_well("1", "2", since=shared.at)
    scene.history.wait_for(
        lambda: model.looks()[-1].condition("AnalysisPassing")["reason"] != "SharedIncident",
        seconds=180,
        explain=lambda: f"the incident does not end\n{model.tell()}",
    )

    for look in model.looks(since=started.at):
        assert (look.phase, look.intended_percent) == ("Progressing", 50.0)


def backend_up(scene: Scene, client: Client) -> None:
    """The pod that all versions ask, with a name for it."""
    pod = model_server()["spec"]
    labels = {"app": BACKEND}
    metadata = {"name": BACKEND, "namespace": scene.namespace}
    client.apply(ports.POD, {"metadata": {**metadata, "labels": labels}, "spec": pod})
    service = {"selector": labels, "ports": [{"port": SERVER_PORT}]}
    client.apply(ports.SERVICE, {"metadata": metadata, "spec": service})
