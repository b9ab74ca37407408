"""Records of ended rollouts: what they say, that they stay small, and that they read back."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from status_examples import FULL_STATUS, NOON

import tidegate
from tidegate import model
from tidegate.api import record
from tidegate.model import objects

META = model.ObjectMeta(
    namespace="ml-prod", name="fraud", uid="0c2f7a52", generation=3, resource_version="7"
)
ROLLOUT = FULL_STATUS.rollout
assert ROLLOUT is not None
LAST = model.LastRollout(
    id=ROLLOUT.id,
    result=model.RolloutResult.ROLLED_BACK,
    finished_at=NOON + timedelta(hours=1),
    reason="error-ratio 0.08 > 0.01 (n=5210)",
    by="Analysis",
    revision=ROLLOUT.revision.hash,
    attempt=2,
    record=ROLLOUT.id,
)
RESULT = ROLLOUT.plan[0].evidence[0]


def written(rollout: model.Rollout | None = ROLLOUT) -> dict[str, object]:
    return record.write_record(META, last=LAST, rollout=rollout)


def grown(*, steps: int, metrics: int, text: str = "x" * 63) -> model.Rollout:
    assert ROLLOUT is not None
    evidence = tuple(
        dataclasses.replace(RESULT, name=f"{number}-{text}", value=number / 7)
        for number in range(metrics)
    )
    step = dataclasses.replace(ROLLOUT.plan[0], name=text, evidence=evidence)
    return dataclasses.replace(ROLLOUT, plan=(step,) * steps, model_uri="s3://" + text * 40)


def test_texts_of_any_length_fit() -> None:
    assert ROLLOUT is not None
    long = dataclasses.replace(ROLLOUT, model_uri="\N{ROCKET}" * 2048)
    last = dataclasses.replace(LAST, reason="\N{ROCKET}" * 1024)
    spec = record.write_record(META, last=last, rollout=long)["spec"]
    assert len(json.dumps(spec, ensure_ascii=False).encode()) < 8_500
    assert spec["omitted"].endswith("ends of reason and model")


def test_a_record_is_owned_labelled_and_named_by_its_rollout() -> None:
    body = written()
    metadata = body["metadata"]
    assert isinstance(metadata, dict)
    assert metadata["name"] == ROLLOUT.id if ROLLOUT else False
    assert objects.is_controlled_by(body, uid=META.uid)  # type: ignore[arg-type]
    assert metadata["labels"][objects.LABEL_MODEL_DEPLOYMENT] == "fraud"
    assert metadata["labels"][objects.LABEL_WATCH] == "true"


def _spec() -> dict[str, Any]:
    spec = written()["spec"]
    assert isinstance(spec, dict)
    return spec


def test_a_record_says_what_is_needed_to_reproduce_the_verdict() -> None:
    spec = _spec()
    del spec["steps"]
    assert spec == {
        "modelDeployment": {"name": "fraud", "uid": "0c2f7a52"},
        "revision": "8b1c22e9d4",
        "attempt": 2,
        "specHash": "8b1c22e9d4" + "0" * 54,
        "result": "RolledBack",
        "by": "Analysis",
        "reason": "error-ratio 0.08 > 0.01 (n=5210)",
        "from": {"revision": "6d9f7c01ab", "modelVersion": "1.4.0"},
        "model": {"name": "fraud", "version": "1.5.0", "uri": "s3://models/fraud/1.5.0"},
        "startedAt": "2026-11-20T12:00:00Z",
        "finishedAt": "2026-11-20T13:00:00Z",
        "strategy": "Canary",
        "operatorVersion": tidegate.__version__,
        "overrides": [
            {
                "policy": "ClusterRolloutPolicy/year-end",
                "by": "dana",
                "at": "2026-11-20T12:00:00Z",
                "comment": "mends the outage of this morning",
            }
        ],
        "evidenceDigest": "9f" * 32,
    }


def test_a_record_says_what_each_step_has_shown() -> None:
    steps = _spec()["steps"]
    assert steps[0] == {
        "name": "p12",
        "weight": 16.666666666666668,
        "mirror": 2.5,
        "state": "Active",
        "startedAt": "2026-11-20T12:00:00Z",
        "confirmedAt": "2026-11-20T12:00:01.500000Z",
        "endedAt": "2026-11-20T12:03:00Z",
        "endedBy": "User",
        "evidence": [
            {
                "metric": "latency-p95",
                "outcome": "Fail",
                "reason": "Breached",
                "candidate": {"total": 8123, "bad": 12},
                "baseline": {"total": 73010.5, "bad": 70},
                "value": 0.6,
                "baselineValue": 0.4,
                "threshold": {"min": 0.001, "max": 0.5},
                "edge": 0.5,
                "ratio": 1.7,
                "lower": 1.1,
                "upper": 2.6,
                "evidence": 6.25,
                "limit": 5.3,
                "proof": -4.5,
                "proofLimit": 3,
                "detect": 0.005,
                "detectRatio": 5.2,
                "power": 0.93,
                "dispersion": 1.4,
                "dispersionSource": "Measured",
                "intervals": 12,
                "shifts": [
                    {
                        "feature": "amount",
                        "psi": 0.83,
                        "bin": "missing",
                        "share": 0.41,
                        "referenceShare": 0.001,
                    }
                ],
                "dryRun": True,
                "onBreach": "Alert",
            }
        ],
    }
    assert steps[1] == {"name": "p50", "weight": 50, "state": "Pending"}


def test_a_record_of_a_result_alone_says_what_is_missing() -> None:
    spec = written(None)["spec"]
    assert isinstance(spec, dict)
    assert "steps" not in spec
    assert spec["result"] == "RolledBack"
    assert spec["omitted"].startswith("steps and evidence: ")


def test_a_first_revision_came_from_nothing() -> None:
    assert ROLLOUT is not None
    first = dataclasses.replace(ROLLOUT, plan=(), from_revision="", from_model_version="")
    spec = written(first)["spec"]
    assert isinstance(spec, dict)
    assert "from" not in spec
    assert spec["strategy"] == "Direct"


@settings(max_examples=30)
@given(st.integers(0, 32), st.integers(0, 8), st.text(min_size=1, max_size=63))
def test_no_rollout_makes_a_record_too_large(steps: int, metrics: int, text: str) -> None:
    rollout = grown(steps=steps, metrics=metrics, text=text)
    body = written(rollout)
    compact = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    assert len(compact.encode()) < 8_500
    assert body == written(rollout)


@pytest.mark.parametrize(
    ("steps", "metrics", "omitted"),
    [
        (3, 2, ""),
        (10, 4, "to stay below 10 kB: evidence of 9 steps, 0 metrics of the last one, 0 steps"),
        (25, 8, "to stay below 10 kB: evidence of 24 steps, 7 metrics of the last one, 1 steps"),
    ],
)
def test_detail_goes_from_the_earliest_steps_first(steps: int, metrics: int, omitted: str) -> None:
    spec = written(grown(steps=steps, metrics=metrics, text="y" * 20))["spec"]
    assert isinstance(spec, dict)
    assert spec.get("omitted", "") == omitted
    assert spec["steps"][-1]["evidence"]


def test_a_record_reads_back() -> None:
    body = written()
    kept = record.read_kept(body)
    assert kept == model.KeptRecord(
        name=LAST.record,
        revision=LAST.revision,
        attempt=2,
        finished_at=LAST.finished_at,
        result=LAST.result,
        by=LAST.by,
        reason=LAST.reason,
        model_version=ROLLOUT.revision.model_version,
        started_at=ROLLOUT.started_at,
        reached=True,
    )


@pytest.mark.parametrize("spec", [None, {}, {"revision": 1}, "text"])
def test_what_is_no_record_reads_as_none(spec: object) -> None:
    body = {"metadata": {"name": "x"}, "spec": spec}
    assert record.read_kept(body) is None
