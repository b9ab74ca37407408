"""The watch that never ends: what a model sees and whether it is right, long after its rollout.

All predict digits, with tidegate-probe beside them, in windows of ten minutes and cohorts of one: a
quarter of an hour, so `make e2e-long` has it and not `make test`. `forced` halves every pixel and was
promoted all the same; `visited` gets users who write white on black; the truth of `outdated` becomes
another one, which its labels tell; for `quiet` nothing changes.
"""

from __future__ import annotations

import json

import cluster_trainer
import digits_models
import pytest
from cluster_client import CONFIG_MAP, Object
from cluster_history import Look
from cluster_scene import Model, Scene, metric, model_server, mount
from cluster_users import Load, start_load

pytestmark = [pytest.mark.cluster, pytest.mark.long]

DIGITS, INVERTED, RELABELLED = "digits", "inverted", "relabelled"
FOLDER = "/models"
LONGEST_SECONDS = 2400
REQUESTS_PER_SECOND = 20.0
WINDOW_SECONDS = 600.0
ALARMS = ("DataDrift", "SkewSuspected", "ConceptDrift")

ERRORS = metric("error-ratio", max=0.2)
SKEW: Object = {
    "name": "skew",
    "preset": "feature-drift",
    "compare": {"to": "TrainingReference"},
}
QUALITY: Object = {
    "name": "quality",
    "preset": "label-quality",
    "labelDelay": "20s",
    "labelCohort": "1m",
    "threshold": {"min": 0.6},
}


def _model(
    scene: Scene, name: str, *metrics: Object, version: str = "1", on_drift: Object | None = None
) -> Model:
    reference = {"name": DIGITS, "key": f"profile-{version}.json"}
    steps = [{"name": "p50", "weight": 50, "hold": "8s"}]
    return scene.model(
        name,
        strategy={"canary": {"steps": steps}, "scaleDownDelay": "5s"},
        analysis={"baseline": {"reference": reference}, "metrics": [ERRORS, *metrics]},
        monitoring={"window": "10m", **({"onDrift": on_drift} if on_drift else {})},
    )


def _apply(model: Model, version: str, *, input_scale: str = "1") -> float:
    template = model_server(
        MODEL_FILE=f"{FOLDER}/{'first' if version == '1' else 'close'}.json",
        TIDEGATE_PROBE_PROFILE=f"{FOLDER}/profile-{version}.json",
        INPUT_SCALE=input_scale,
        LABEL_DELAY_SECONDS="5",
    )
    mount(template["spec"], config_map=DIGITS, folder=FOLDER)
    return model.apply(version, workload={"replicas": 1, "template": template})


def _users(model: Model, *, name: str = "users", rows: str = DIGITS) -> Load:
    return start_load(
        model,
        name=name,
        requests_per_second=REQUESTS_PER_SECOND,
        rows=rows,
        truths=True,
        seconds=LONGEST_SECONDS,
    )


def _is_true(look: Look, kind: str) -> bool:
    return bool(look.condition(kind).get("status") == "True")


def _wait(model: Model, condition: str, status: str, *, seconds: float, since: float) -> Look:
    return model.wait_for(
        lambda look: look.condition(condition).get("status") == status,
        seconds=seconds,
        since=since,
        what=f"{condition} of {model.name} is {status}",
    )


def _assert_still_serves(look: Look, *, version: str) -> None:
    assert (look.phase, look.stable_version, look.rejected_versions) == ("Healthy", version, [])


def _others(scene: Scene) -> None:
    """People whose digits look otherwise, and people who call them by other names."""
    files = digits_models.counted_files()
    rows = json.loads(files["rows.json"])
    inverted = [{**row, "pixels": [16.0 - ink for ink in row["pixels"]]} for row in rows]
    relabelled = [{**row, "label": (row["label"] + 1) % 10} for row in rows]
    for name, data in (
        (DIGITS, files),
        (INVERTED, {"rows.json": json.dumps(inverted)}),
        (RELABELLED, {"rows.json": json.dumps(relabelled)}),
    ):
        body = {"metadata": {"namespace": scene.namespace, "name": name}, "data": data}
        scene.client.apply(CONFIG_MAP, body)


@pytest.mark.hooks
@pytest.mark.timeout(LONGEST_SECONDS, func_only=True)
def test_the_watch_names_skew_new_users_and_another_truth_and_is_silent_otherwise(
    scene: Scene,
) -> None:
    _others(scene)
    cluster_trainer.start(scene)
    url = f"http://{cluster_trainer.host(scene.namespace)}{cluster_trainer.PATH}"
    told: Object = {"action": "Hook", "hook": {"url": url, "cooldown": "1h"}}
    forced = _model(scene, "forced", {**SKEW, "onBreach": "Alert"}, version="2")
    visited = _model(scene, "visited", SKEW)
    outdated = _model(scene, "outdated", QUALITY, on_drift=told)
    quiet = _model(scene, "quiet", SKEW, QUALITY)
    loads: dict[str, Load] = {}
    for model in (forced, visited, outdated, quiet):
        began = _apply(model, "1")
        model.wait_for_phase("Healthy", seconds=180, since=began)
        loads[model.name] = _users(model)
    forced_at = _apply(forced, "2", input_scale="0.5")
    promoted = forced.wait_for_phase("Healthy", seconds=300, since=forced_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")

    skewed = _wait(forced, "SkewSuspected", "True", seconds=2 * WINDOW_SECONDS, since=promoted.at)
    _assert_still_serves(skewed, version="2")
    before = _wait(visited, "DataDrift", "False", seconds=2 * WINDOW_SECONDS, since=began)
    # The newest cohort is judged within a look of its end, so all of these were right.
    loads["visited"].stop()
    loads["outdated"].stop()
    _users(visited, name="newcomers", rows=INVERTED)
    _users(outdated, name="dissenters", rows=RELABELLED)

    drifted = _wait(visited, "DataDrift", "True", seconds=2 * WINDOW_SECONDS, since=before.at)
    _assert_still_serves(drifted, version="1")
    wrong = _wait(outdated, "ConceptDrift", "True", seconds=2 * WINDOW_SECONDS, since=before.at)
    _assert_still_serves(wrong, version="1")
    called = outdated.wait_for(
        lambda look: look.status["monitoring"].get("hook", {}).get("state") == "Delivered",
        seconds=120,
        since=wrong.at,
        what="the hook that starts retraining is delivered",
    )
    for look, seconds in ((skewed, promoted.at), (drifted, before.at), (wrong, before.at)):
        [row] = [it for it in look.status["monitoring"]["metrics"] if it["outcome"] == "Fail"]
        print(f"{look.at - seconds:.0f} s until {row['message']}")

    # One more look at what has drifted on: it is known, and nobody is asked again.
    outdated.wait_for(
        lambda look: look.status["monitoring"]["metrics"] != wrong.status["monitoring"]["metrics"],
        seconds=WINDOW_SECONDS,
        since=called.at,
        what="another cohort of labels is judged",
    )
    assert cluster_trainer.calls(scene) == 1
    silent = quiet.looks(since=began)
    alarms = [kind for look in silent for kind in ALARMS if _is_true(look, kind)]
    assert alarms == []
    assert silent[-1].condition("DataDrift")["status"] == "False"
    _assert_still_serves(silent[-1], version="1")
