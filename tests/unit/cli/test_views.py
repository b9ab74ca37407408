from __future__ import annotations

import dataclasses
from datetime import timedelta

import cli_world as world
import pytest

from tidegate import model
from tidegate.cli import views


def seen(status: model.Status | None, **meta: object) -> views.Seen:
    return views.read(world.document(status, **meta))  # type: ignore[arg-type]


def lines(*expected: str) -> list[str]:
    return list(expected)


# --- all objects ---------------------------------------------------------------------------------


def test_overview_tells_the_story_of_each_object_in_one_line() -> None:
    ready = model.Condition(
        type="Ready",
        status="True",
        reason="Serving",
        message="",
        last_transition_at=world.NOW,
        observed_generation=2,
    )
    objects = [
        seen(dataclasses.replace(world.HEALTHY, conditions=(ready,)), name="fraud"),
        seen(world.PROGRESSING),
        seen(None, name="new"),
        seen(world.HEALTHY, name="edited", generation=3),
    ]
    shown = views.overview(objects, now=world.NOW, with_namespace=False)
    assert shown == lines(
        "NAME     READY   PHASE         STEP   WEIGHT   STABLE   CANDIDATE   AGE   MESSAGE",
        "fraud    True    Healthy       -      -        1.4.0    -           5d    serving 1.4.0",
        "iris     -       Progressing   p50    50       1.4.0    1.5.0       5d    "
        "serving 1.4.0; 1.5.0 at weight 50 (step p50)",
        "new      -       -             -      -        -        -           5d    "
        "not seen by the operator yet",
        "edited   -       Healthy       -      -        1.4.0    -           5d    "
        "(newest edit not seen by the operator yet) serving 1.4.0",
    )


def test_overview_of_all_namespaces_names_them() -> None:
    shown = views.overview([seen(world.HEALTHY)], now=world.NOW, with_namespace=True)
    assert [line.split()[0] for line in shown] == ["NAMESPACE", "ml"]


def test_overview_cuts_long_messages() -> None:
    long = dataclasses.replace(world.HEALTHY, message="x" * 500)
    shown = views.overview([seen(long)], now=world.NOW, with_namespace=False)
    assert shown[1].endswith(f" {'x' * 77}...")


# --- one object ----------------------------------------------------------------------------------

RICH = dataclasses.replace(
    world.PROGRESSING,
    previous=model.RevisionStatus(revision="0123456789", model_version="1.3.0"),
    rollout=dataclasses.replace(
        world.ROLLOUT,
        waiting_for=model.WaitingFor(
            reason=model.Waiting.NO_DATA, since=world.NOW, message="no requests since 10m"
        ),
    ),
    analysis=(
        model.MetricResult(
            name="error-ratio",
            outcome=model.Outcome.PASS,
            value=0.0012,
            baseline_value=0.001,
            threshold=model.Threshold(max=0.01),
            candidate=model.ArmCounts(total=8123.0, bad=12.0),
            baseline=model.ArmCounts(total=73010.0),
            evidence=-0.32,
            evidence_limit=5.3,
            proof=4.51,
            proof_limit=3.0,
            critical=True,
            evaluated_at=world.NOW,
        ),
        model.MetricResult(
            name="latency-p95",
            outcome=model.Outcome.NO_DATA,
            reason="NoData",
            message="no samples",
            threshold=model.Threshold(min=0.1, max=0.5),
            edge=0.5,
            failures=1,
            dry_run=True,
        ),
    ),
    conditions=(
        model.Condition(
            type="Ready",
            status="False",
            reason="RolloutInProgress",
            message="",
            last_transition_at=world.NOW,
            observed_generation=2,
        ),
    ),
    last_rollout=model.LastRollout(
        id="iris-6d9f7c01ab-1",
        result=model.RolloutResult.PROMOTED,
        finished_at=world.NOW - timedelta(days=3),
        reason="all steps passed",
    ),
    last_handled_request=model.HandledRequest(
        request="promote",
        revision=world.CANDIDATE.hash,
        requested_at="x",
        handled_at=world.NOW,
        outcome="Refused",
        reason="NotWaiting",
    ),
    rejected=(dataclasses.replace(world.REJECTION, revision="77aa01b2c3"),),
)


DETAIL = """\
Name:          ml/iris
Phase:         Progressing (health Progressing)
Message:       serving 1.4.0; 1.5.0 at weight 50 (step p50)
Wanted:        1.5.0 (revision 8b1c22e9d4)
Stable:        1.4.0 (revision 6d9f7c01ab), 4 of 4 pods ready, since 2026-11-17T12:00:00Z
Candidate:     1.5.0 (revision 8b1c22e9d4), 2 of 2 pods ready
Previous:      1.3.0 (revision 0123456789), 0 of 0 pods ready
Rollout:       iris-8b1c22e9d4-1, attempt 1, since 2026-11-20T11:30:00Z
Traffic:       candidate 50 % intended, 49.25 % observed
Step:          p50 (2 of 2), weight confirmed 2026-11-20T11:56:00Z, holds until 2026-11-20T12:06:00Z, deadline 2026-11-20T12:56:00Z
Waiting for:   NoData since 2026-11-20T12:00:00Z: no requests since 10m
Last rollout:  Promoted iris-6d9f7c01ab-1 at 2026-11-17T12:00:00Z: all steps passed
Last request:  promote of 8b1c22e9d4: Refused (NotWaiting) at 2026-11-20T12:00:00Z

Plan
STEP   STATE    WEIGHT   EFFECTIVE   HOLD   DEADLINE   REQUESTS
p10    Passed   10       25          10m    1h         100
p50    Active   50       50          10m    1h         100

Metrics
METRIC                   OUTCOME   VALUE    LIMIT                        STABLE   SAMPLES        HARM          PROOF        AT                     WHY
error-ratio (critical)   Pass      0.0012   <= 0.01                      0.001    8123 / 73010   -0.3 of 5.3   4.5 of 3.0   2026-11-20T12:00:00Z   -
latency-p95 (dry run)    NoData    -        >= 0.1 and <= 0.5 (at 0.5)   -        0 / 0          1 failed      -            -                      NoData: no samples

Conditions
TYPE    STATUS   REASON              SINCE                  MESSAGE
Ready   False    RolloutInProgress   2026-11-20T12:00:00Z   -

Rejected revisions (tried again only after a retry)
REVISION     VERSION   BY         AT                     REASON
77aa01b2c3   1.5.0     Analysis   2026-11-20T12:00:00Z   error-ratio 0.08 > 0.01 (n=5210)
"""


def test_detail_shows_all_that_the_status_says() -> None:
    assert "\n".join(views.detail(seen(RICH))) + "\n" == DETAIL


def test_detail_of_an_idle_object_is_short() -> None:
    assert views.detail(seen(world.HEALTHY)) == lines(
        "Name:     ml/iris",
        "Phase:    Healthy (health Healthy)",
        "Message:  serving 1.4.0",
        "Wanted:   1.4.0 (revision 6d9f7c01ab)",
        "Stable:   1.4.0 (revision 6d9f7c01ab), 4 of 4 pods ready, since 2026-11-17T12:00:00Z",
    )


def test_detail_of_an_object_that_nobody_has_worked_on_says_so() -> None:
    assert views.detail(seen(None)) == lines(
        "Name:     ml/iris", "Message:  not seen by the operator yet"
    )


def test_a_rollout_under_way_says_what_is_not_known_yet() -> None:
    step = model.ActiveStep(index=0, name="p10", started_at=world.NOW)
    young = dataclasses.replace(world.ROLLOUT, step=step, observed_candidate_percent=None)
    shown = views.detail(seen(dataclasses.replace(world.PROGRESSING, rollout=young)))
    assert "Step:       p10 (1 of 2), weight not confirmed yet" in shown
    assert "Traffic:    candidate 50 % intended, not observed yet" in shown


def test_a_rollback_under_way_says_why() -> None:
    falling = dataclasses.replace(world.ROLLOUT, rollback_reason="aborted by request", step=None)
    shown = views.detail(seen(dataclasses.replace(world.PROGRESSING, rollout=falling)))
    assert any(line.endswith("; rolled back: aborted by request") for line in shown)


def test_texts_of_objects_cannot_reach_the_terminal() -> None:
    evil = dataclasses.replace(world.HEALTHY, message="\x1b]0;title\x07\nReady: True")
    shown = views.detail(seen(evil))
    assert all(line.isprintable() for line in shown)
    assert any("\\x1b]0;title\\x07\\nReady: True" in line for line in shown)


def test_a_broken_status_is_shown_as_far_as_it_goes() -> None:
    body = world.document(world.HEALTHY)
    body["status"] |= {"stable": 7, "analysis": [{"name": 1}]}
    body["metadata"]["creationTimestamp"] = "yesterday"
    assert "Phase:    Healthy (health Healthy)" in views.detail(views.read(body))
    assert views.overview([views.read(body)], now=world.NOW, with_namespace=False)


# --- one line of a watch -------------------------------------------------------------------------


def test_progress_names_phase_message_and_metrics_of_a_running_rollout() -> None:
    assert views.progress(seen(RICH)) == (
        "Progressing   serving 1.4.0; 1.5.0 at weight 50 (step p50)"
        "  [error-ratio Pass, latency-p95 NoData]"
    )


def test_progress_without_a_rollout_leaves_old_metrics_out() -> None:
    old = dataclasses.replace(RICH, rollout=None, phase=model.Phase.HEALTHY)
    assert "[" not in views.progress(seen(old))
    assert views.progress(seen(None)) == "-             not seen by the operator yet"


def test_gates_and_testers_are_shown_where_there_are_any() -> None:
    rollout = RICH.rollout
    assert rollout is not None
    testers = model.HeaderRoute(name="staff", headers=(model.Header(name="x-staff", value="1"),))
    first, *rest = rollout.plan
    gates = (model.Gate(name="board", opened_at=rollout.started_at), model.Gate(name="legal"))
    exposure = dataclasses.replace(rollout.exposure, live_percent=0.0, routes=(testers,))
    shown = dataclasses.replace(
        RICH,
        rollout=dataclasses.replace(
            rollout,
            plan=(dataclasses.replace(first, gates=gates), *rest),
            exposure=exposure,
            active=True,
        ),
    )
    text = "\n".join(views.detail(seen(shown)))
    assert "candidate 0 % and the requests of staff intended" in text
    assert "board (open), legal (closed)" in text


# --- copies of requests --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("live", "mirror", "text"), [(10, 0, "10"), (0, 20, "mirror 20"), (5, 0.5, "5, mirror 0.5")]
)
def test_shares_say_whether_users_are_answered(live: float, mirror: float, text: str) -> None:
    exposure = model.Exposure(live_percent=live, mirror_percent=mirror)
    assert views.share_text(exposure) == text


@pytest.mark.parametrize(
    ("exposure", "observed", "text"),
    [
        (
            model.Exposure(live_percent=0, mirror_percent=20),
            None,
            "copies of requests 20 % intended, not observed yet",
        ),
        (
            model.Exposure(live_percent=0, mirror_percent=20),
            19.5,
            "copies of requests 20 % intended, 19.5 % observed",
        ),
        (
            model.Exposure(live_percent=50, mirror_percent=20),
            None,
            "candidate 50 % intended; copies of requests 20 % intended, not observed yet",
        ),
    ],
)
def test_traffic_tells_copies_from_answers(
    exposure: model.Exposure, observed: float | None, text: str
) -> None:
    rollout = world.PROGRESSING.rollout
    assert rollout is not None
    shadowed = dataclasses.replace(
        rollout,
        exposure=exposure,
        observed_candidate_percent=49.2,
        observed_mirror_percent=observed,
    )
    shown = views.detail(seen(dataclasses.replace(world.PROGRESSING, rollout=shadowed)))
    assert any(line.split() == ["Traffic:", *text.split()] for line in shown), shown
