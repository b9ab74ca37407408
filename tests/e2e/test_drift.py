"""Drift: versions that answer 200, quickly and wrongly, and others that were merely trained anew.

All predict digits with tidegate-probe beside them. Version 2 learned from fewer rows. Where it is
broken, its preprocessing halves every pixel or loses them: no error, no slow answer, other inputs.
"""

from __future__ import annotations

import digits_models
import pytest
from cluster_checks import assert_nobody_failed
from cluster_client import CONFIG_MAP, Object
from cluster_history import Look
from cluster_scene import Model, Scene, metric, model_server, mount
from cluster_users import Load, start_load

pytestmark = pytest.mark.cluster

DIGITS = "digits"
FOLDER = "/models"
HALVED, LOST = "0.5", "0"
REQUESTS_PER_SECOND = 40.0

ERRORS = metric("error-ratio", max=0.2)
INPUTS: Object = {"name": "inputs", "preset": "feature-drift"}
PREDICTIONS: Object = {
    "name": "predictions",
    "preset": "prediction-drift",
    "onBreach": "Rollback",
}
SKEW: Object = {
    "name": "skew",
    "preset": "feature-drift",
    "compare": {"to": "TrainingReference"},
    "onBreach": "Rollback",
}
STEPS: Object = {"steps": [{"name": "p50", "weight": 50, "hold": "8s"}]}
CANARY: Object = {"canary": STEPS, "scaleDownDelay": "5s"}


def _shadow(then: str) -> Object:
    shadow = {"mirrorPercent": 100, "duration": "1m", "minRequests": 200, "then": then}
    following = {"canary": STEPS} if then == "Canary" else {}
    return {"type": "Shadow", "shadow": shadow, **following, "scaleDownDelay": "5s"}


def _workload(version: str, *, input_scale: str) -> Object:
    env = {
        "MODEL_FILE": f"{FOLDER}/{'first' if version == '1' else 'close'}.json",
        "TIDEGATE_PROBE_PROFILE": f"{FOLDER}/profile-{version}.json",
        "INPUT_SCALE": input_scale,
    }
    template = model_server(**env)
    mount(template["spec"], config_map=DIGITS, folder=FOLDER)
    template["metadata"] = {"annotations": {"tidegate.dev/shadow-safe": "true"}}
    return {"replicas": 1, "template": template}


def _model(scene: Scene, name: str, *metrics: Object, strategy: Object) -> Model:
    reference = {"name": DIGITS, "key": "profile-2.json"}
    analysis = {"baseline": {"reference": reference}, "metrics": [ERRORS, *metrics]}
    return scene.model(name, strategy=strategy, analysis=analysis)


def _scale(model: Model, *, version: str) -> str:
    """What the preprocessing of this version multiplies pixels by."""
    if model.name == "skewed":
        return HALVED  # stable, too: only the training data can tell
    broken = {"shadowed": LOST, "stepped": HALVED} if version == "2" else {}
    return broken.get(model.name, "1")


def _apply(model: Model, version: str) -> float:
    scale = _scale(model, version=version)
    return model.apply(version, workload=_workload(version, input_scale=scale))


def _users(model: Model) -> Load:
    model.wait_for_phase("Healthy", seconds=180)
    return start_load(model, requests_per_second=REQUESTS_PER_SECOND, rows=DIGITS)


def _row(look: Look, name: str) -> Object:
    return next(row for row in look.status["analysis"] if row["name"] == name)


def _assert_rejected(look: Look, *, by: str) -> None:
    assert (look.stable_version, look.rejected_versions) == ("1", ["2"])
    rows = {row["name"]: row["outcome"] for row in look.status["analysis"]}
    assert [name for name, outcome in rows.items() if outcome == "Fail"] == [by], rows
    [worst, *_] = _row(look, by)["shifts"]
    assert worst["feature"].startswith("digit" if by == "predictions" else "pixel-")
    assert worst["psi"] > 1, "neither half of the ink nor one digit for all is a small shift"


def test_broken_preprocessing_is_rolled_back_and_a_model_trained_anew_is_promoted(
    scene: Scene,
) -> None:
    body = {
        "metadata": {"namespace": scene.namespace, "name": DIGITS},
        "data": digits_models.counted_files(),
    }
    scene.client.apply(CONFIG_MAP, body)
    shadowed = _model(scene, "shadowed", PREDICTIONS, strategy=_shadow("Promote"))
    stepped = _model(scene, "stepped", INPUTS, strategy=CANARY)
    skewed = _model(scene, "skewed", INPUTS, SKEW, strategy=CANARY)
    quiet = _model(scene, "quiet", INPUTS, PREDICTIONS, SKEW, strategy=_shadow("Canary"))
    models = (quiet, shadowed, stepped, skewed)
    for model in models:
        _apply(model, "1")
    loads = {model.name: _users(model) for model in models}
    applied_at, *_ = [_apply(model, "2") for model in models]

    for model, by in ((shadowed, "predictions"), (stepped, "inputs"), (skewed, "skew")):
        back = model.wait_for_phase("RolledBack", seconds=300, since=applied_at)
        print(f"{back.at - applied_at:.0f} s until {_row(back, by)['message']}")
        _assert_rejected(back, by=by)
    promoted = quiet.wait_for_phase("Healthy", seconds=300, since=applied_at)
    assert (promoted.stable_version, promoted.last_result) == ("2", "Promoted")
    breaches = [
        (row["name"], row["message"])
        for look in quiet.looks(since=applied_at)
        for row in look.status.get("analysis", ())
        if row["outcome"] == "Fail"
    ]
    assert breaches == []
    print(f"quiet: promoted after {promoted.at - applied_at:.0f} s")

    for load in loads.values():
        assert_nobody_failed(load.books())
    assert loads["shadowed"].books().totals().keys() == {"1"}
