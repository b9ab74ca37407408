"""Agreement of answers: a shadow whose metrics are spotless is judged by what it answers.

Both versions predict digits, log what they said by comparer/hook.py to a comparer that stands as
examples/comparer deploys it, and the cluster's Prometheus scrapes that as documented.
"""

from __future__ import annotations

import cluster_comparer
import digits_models
import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import CONFIG_MAP, Object
from cluster_scene import Model, Scene, model_server, mount
from cluster_users import allowed_deviation_percent, start_load
from tests.cluster.api import Cluster

pytestmark = pytest.mark.cluster

DIGITS = "digits"
FOLDER = "/models"
LIMIT = 0.8
# Two models share the machine, and each request is answered twice and logged twice.
REQUESTS_PER_SECOND = 30.0


@pytest.fixture(scope="module")
def comparer_image(cluster: Cluster) -> None:
    """Built for this file alone."""
    cluster_comparer.build_image(cluster)


def _workload(name: str, *, file: str) -> Object:
    env = {
        "MODEL_FILE": f"{FOLDER}/{file}.json",
        "COMPARER_URL": cluster_comparer.URL,
        "MODEL_DEPLOYMENT": name,
    }
    template = model_server(**env)
    mount(template["spec"], config_map=DIGITS, folder=FOLDER)
    template["metadata"] = {"annotations": {"tidegate.dev/shadow-safe": "true"}}
    return {"replicas": 1, "template": template}


def _strategy() -> Object:
    compare = {
        "preset": "response-agreement",
        "threshold": {"min": LIMIT},
        "minPairs": 200,
    }
    return {
        "type": "Shadow",
        "shadow": {
            "mirrorPercent": 100,
            "duration": "1m",
            "minRequests": 200,
            "then": "Promote",
            "compare": compare,
        },
        "scaleDownDelay": "5s",
    }


def _models(scene: Scene) -> tuple[Model, Model]:
    body = {
        "metadata": {"namespace": scene.namespace, "name": DIGITS},
        "data": digits_models.files(),
    }
    scene.client.apply(CONFIG_MAP, body)
    good, wrong = (
        scene.model(name, workload=_workload(name, file="first"), strategy=_strategy())
        for name in ("good", "wrong")
    )
    return good, wrong


def _assert_near(pairs: cluster_comparer.Pairs, expected: float) -> None:
    """The rows come round and round, so this is more than what single draws would allow."""
    allowed = allowed_deviation_percent(share_percent=100 * expected, requests=pairs.total) / 100
    assert abs(pairs.agreement - expected) < allowed, pairs


@pytest.mark.usefixtures("comparer_image")
def test_a_version_that_agrees_is_promoted_and_a_wrong_one_answers_nobody(scene: Scene) -> None:
    models = digits_models.models()
    expected = {
        name: digits_models.agreement(models["first"], models[name]) for name in ("close", "wrong")
    }
    assert LIMIT + 0.1 < expected["close"] < 1
    assert expected["wrong"] < LIMIT - 0.1
    good, wrong = _models(scene)
    for model in (good, wrong):
        model.apply("1")
    cluster_comparer.start(scene)
    first = {}
    for model in (good, wrong):
        first[model.name] = model.wait_for_phase("Healthy", seconds=180).stable_revision
    load, load_of_wrong = (
        start_load(model, requests_per_second=REQUESTS_PER_SECOND, rows=DIGITS)
        for model in (good, wrong)
    )
    applied_at = good.apply("2", workload=_workload(good.name, file="close"))
    wrong.apply("2", workload=_workload(wrong.name, file="wrong"))

    back = wrong.wait_for_phase("RolledBack", seconds=240, since=applied_at)
    assert (back.stable_version, back.rejected_versions) == ("1", ["2"])
    [rejected] = back.status["rejectedRevisions"]
    pairs = cluster_comparer.pairs(
        scene, model=wrong.name, revision=rejected["revision"], reference=first[wrong.name]
    )
    print(f"rejected after {back.at - applied_at:.0f} s and {pairs}")
    _assert_near(pairs, expected["wrong"])

    switching = good.wait_for(
        lambda look: look.intended_percent == 100.0,
        seconds=300,
        since=applied_at,
        what="the shadow has passed",
    )
    promoted = good.wait_for_phase("Healthy", seconds=120, since=switching.at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    pairs = cluster_comparer.pairs(
        scene, model=good.name, revision=promoted.stable_revision, reference=first[good.name]
    )
    print(f"promoted after {switching.at - applied_at:.0f} s and {pairs}")
    _assert_near(pairs, expected["close"])

    for books in (load.books(), load_of_wrong.books()):
        assert_nobody_failed(books)
    # The test is told of the switch later than users may see it.
    assert load.books().between(applied_at, switching.step_started_at).keys() == {"1"}
    assert load_of_wrong.books().totals().keys() == {"1"}
