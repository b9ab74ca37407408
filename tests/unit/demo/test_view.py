"""Reading the status of a ModelDeployment."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import pytest
from tests.demo import view

from tidegate import model
from tidegate.api.status import write_status

NOW = dt.datetime(2026, 11, 21, 12, 0, 30, tzinfo=dt.UTC)
REVISION = model.Revision(hash="8b1c22e9d4", digest="sha256:8b", model_version="v2")
PLAN = (
    model.Stage(
        name="p10",
        weight_percent=10.0,
        effective_weight_percent=10.0,
        hold_seconds=25.0,
        deadline_seconds=3600.0,
        min_requests=30,
    ),
)
ROLLOUT = model.Rollout(
    id="digits-8b1c22e9d4-1",
    revision=REVISION,
    attempt=1,
    active=True,
    started_at=NOW,
    progress_at=NOW,
    plan=PLAN,
    step=model.ActiveStep(
        index=0,
        name="p10",
        started_at=NOW,
        confirmed_at=NOW,
        hold_until=NOW + dt.timedelta(seconds=25),
    ),
    exposure=model.Exposure(live_percent=10.0),
)
STATUS = model.Status(
    observed_generation=2,
    phase=model.Phase.PROGRESSING,
    message="serving v1; v2 at weight 10",
    stable=model.RevisionStatus(revision="6d9f7c01ab", model_version="v1"),
    candidate=model.RevisionStatus(revision="8b1c22e9d4", model_version="v2"),
    rollout=ROLLOUT,
    analysis=(
        model.MetricResult(
            name="error-ratio",
            outcome=model.Outcome.PASS,
            value=0.0,
            candidate=model.ArmCounts(total=58.0),
            evaluated_at=NOW,
        ),
        model.MetricResult(name="latency-p95", outcome=model.Outcome.NO_DATA, reason="NoData"),
    ),
)


def document(status: model.Status | None, *, generation: int = 2) -> dict[str, Any]:
    """The object as the API server returns it."""
    metadata = {"name": "digits", "generation": generation}
    return {"metadata": metadata, **({"status": write_status(status)} if status else {})}


def test_a_running_step_is_read_from_what_the_operator_writes() -> None:
    seen = view.read_view(document(STATUS), at=100.0)
    assert (seen.phase, seen.step, seen.steps) == ("Progressing", "p10", ("p10",))
    assert (seen.stable, seen.candidate) == ("v1", "v2")
    assert seen.confirmed_at == NOW.timestamp()
    assert seen.hold_until == NOW.timestamp() + 25
    assert [(metric.name, metric.outcome, metric.samples) for metric in seen.metrics] == [
        ("error-ratio", "Pass", 58.0),
        ("latency-p95", "NoData", 0.0),
    ]
    assert seen.current
    assert seen.rolling


def test_an_object_nobody_looked_at_yet_is_pending() -> None:
    seen = view.read_view(document(None), at=1.0)
    assert (seen.phase, seen.current, seen.step, seen.intended_percent) == ("Pending", False, "", 0)


def test_a_status_of_an_older_spec_is_not_current() -> None:
    assert not view.read_view(document(STATUS, generation=3), at=1.0).current


@pytest.mark.parametrize(
    ("outcomes", "phase", "expected"),
    [
        (("Pass", "Pass"), model.Phase.PROGRESSING, "Pass"),
        (("Pass", "NoData"), model.Phase.PROGRESSING, "NoData"),
        (("Inconclusive", "Fail"), model.Phase.PROGRESSING, "Fail"),
        ((), model.Phase.PROGRESSING, "-"),
    ],
)
def test_the_worst_outcome_is_the_verdict(
    outcomes: tuple[str, ...], phase: model.Phase, expected: str
) -> None:
    results = tuple(
        model.MetricResult(name=f"m{index}", outcome=model.Outcome(outcome))
        for index, outcome in enumerate(outcomes)
    )
    status = dataclasses.replace(STATUS, analysis=results, phase=phase)
    assert view.read_view(document(status), at=1.0).verdict == expected


def test_an_old_verdict_is_not_shown_for_a_finished_rollout() -> None:
    done = dataclasses.replace(
        STATUS, phase=model.Phase.HEALTHY, rollout=dataclasses.replace(ROLLOUT, active=False)
    )
    assert view.read_view(document(done), at=1.0).verdict == "-"


@pytest.mark.parametrize(("version", "wanted"), [("v1", 90.0), ("v2", 10.0), ("v3", 0.0)])
def test_every_version_has_a_wanted_share(version: str, wanted: float) -> None:
    assert view.read_view(document(STATUS), at=1.0).wanted_percent(version) == wanted
