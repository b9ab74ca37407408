"""Anybody's Prometheus will do: our scrape job, a PodMonitor, the community chart's annotation job.

Each has a Prometheus and a ModelDeployment of its own, side by side. In each a good version is
promoted and a bad one rolled back, by labels that the operator found itself.
"""

from __future__ import annotations

import cluster_prometheus
import pytest
from cluster_scene import Scene, metric
from cluster_users import start_load

pytestmark = pytest.mark.cluster

MODES = {"ours": "Label", "operator": "PodLabel", "community": "PodLabel"}
# Less than usual: three models share the machine.
REQUESTS_PER_SECOND = 25.0


@pytest.mark.sources(*MODES)
def test_a_good_version_is_promoted_and_a_bad_one_rolled_back(scene: Scene) -> None:
    cluster_prometheus.start(scene, cluster_prometheus.jobs(scene))
    models = {
        source: scene.model(
            source,
            gateway=False,
            analysis={"source": source, "metrics": [metric("error-ratio", max=0.2)]},
        )
        for source in MODES
    }
    for model in models.values():
        model.apply("1")
    for model in models.values():
        model.wait_for_phase("Healthy", seconds=180)
        start_load(model, requests_per_second=REQUESTS_PER_SECOND)
    for source, model in models.items():
        model.wait_for(
            lambda look, source=source: look.status.get("identity") == [_found(source)],
            seconds=180,
            what=f"the labels of {source} are found while version 1 serves",
        )

    good = {source: model.apply("2") for source, model in models.items()}
    for source, model in models.items():
        promoted = model.wait_for_phase("Healthy", seconds=300, since=good[source])
        assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted"), source

    bad = {source: model.apply("3", env={"FAIL_RATIO": "0.6"}) for source, model in models.items()}
    for source, model in models.items():
        back = model.wait_for_phase("RolledBack", seconds=300, since=bad[source])
        assert (back.stable_version, back.rejected_versions) == ("2", ["3"]), source
        assert back.status["identity"] == [_found(source)]


def _found(source: str) -> dict[str, str]:
    return {"source": source, "mode": MODES[source]}
