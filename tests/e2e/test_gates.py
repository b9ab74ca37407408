"""What is asked before anybody is answered: an inference, a Job, a person, testers by header; T28, T30."""

from __future__ import annotations

import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import Object
from cluster_history import Look
from cluster_scene import Model, Scene, restricted_container, restricted_pod
from cluster_tidegate import TESTKIT_IMAGE
from cluster_users import start_load

from tidegate import ports

pytestmark = pytest.mark.cluster

PREVIEW = "m-preview"
HEADER = "x-staff"
# Its preview answers as the version that is to be switched to; version 4 never passes.
GOLDEN = """
import json, os, urllib.request
url = os.environ["TIDEGATE_PREVIEW_URL"] + "/predict"
answer = json.load(urllib.request.urlopen(url, timeout=60))
assert answer["version"] == os.environ["TIDEGATE_MODEL_VERSION"], answer
assert answer["version"] != "4", "version 4 forgot what it knew"
"""


def _job() -> Object:
    container = {
        **restricted_container(),
        "name": "golden",
        "image": TESTKIT_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-c", GOLDEN],
    }
    return {"timeout": "5m", "template": {"spec": {**restricted_pod(), "containers": [container]}}}


def _model(scene: Scene) -> Model:
    staff = {"name": "staff", "headers": [{"name": HEADER, "exact": "1"}]}
    blue_green = {
        "preview": {"serviceName": PREVIEW, "routes": [staff]},
        "prePromotion": {"duration": "2s", "job": _job()},
        "autoPromote": False,
    }
    strategy = {
        "type": "BlueGreen",
        "blueGreen": blue_green,
        "firstRollout": "Probe",
        "scaleDownDelay": "5s",
    }
    probe = {"path": "/predict", "timeout": "10s", "expect": {"values": [{"pointer": "/version"}]}}
    return scene.model(strategy=strategy, server={"probe": probe})


def _asks_the_model(model: Model, *, since: float) -> Look:
    """A wrong answer of a pod keeps everything waiting; the deadline would reject it."""
    return model.wait_for(
        lambda look: look.current and look.waiting_for.get("reason") == "Probe",
        seconds=120,
        since=since,
        what="it waits for the probe",
    )


def _assert_testers_see(model: Model, version: str) -> None:
    """At the address of the users, whoever sends the header is answered by the preview alone."""
    testers = start_load(model, name="testers", header=f"{HEADER}: 1", requests_per_second=10.0)
    testers.wait_until_only(version, since=0.0)
    books = testers.books()
    assert_nobody_failed(books)
    assert books.totals().keys() == {version}
    testers.stop()


def test_a_version_answers_passes_a_job_and_is_approved_before_users_see_it(scene: Scene) -> None:
    model, broken = _model(scene), {"FAIL_RATIO": "1"}
    _asks_the_model(model, since=model.apply("0", env=broken))
    assert model.routes() == [], "nobody can reach a first version that does not answer"
    assert scene.client.get(ports.SERVICE, namespace=scene.namespace, name=model.name) is None
    model.wait_for_phase("Healthy", seconds=120, since=model.apply("1"))
    load = start_load(model)

    _asks_the_model(model, since=model.apply("2", env=broken))
    applied_at = model.apply("3")
    waiting = model.wait_for(
        lambda look: look.waiting_for.get("reason") == "ManualStep",
        seconds=180,
        since=applied_at,
        what="the Job has passed, and a person is asked",
    )
    assert (waiting.phase, waiting.stable_version) == ("Paused", "1")
    _assert_testers_see(model, "3")
    assert load.books().totals().keys() == {"1"}
    promoted_at = model.ask("promote", of=waiting)
    switched = model.wait_for_phase("Healthy", seconds=120, since=promoted_at)
    assert (switched.stable_version, switched.last_result) == ("3", "Promoted")

    back = model.wait_for_phase("RolledBack", seconds=180, since=model.apply("4"))
    assert "SmokeTestFailed" in back.message
    assert back.rejected_versions == ["4"]
    books = load.books()
    assert_nobody_failed(books)
    assert books.totals().keys() == {"1", "3"}
