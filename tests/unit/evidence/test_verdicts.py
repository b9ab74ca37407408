from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from evidence_build import END, analysis, arm, look, metric
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.model import (
    Arm,
    Limit,
    Measurement,
    Problem,
    Reason,
    StepEvidence,
    Track,
)
from tidegate.evidence.verdicts import StepContext, judge
from tidegate.rollout import model
from tidegate.rollout.model import Outcome, Verdict

STEP = StepContext(now=END, judged_from=0.0, min_requests=100, candidate_percent=10.0)

GOOD = look(arm(0.002, samples=5210, bad=10))
BAD = look(arm(0.08, samples=5210, bad=417, limit=Limit.BROKEN))
RARE = look(arm(0.04, samples=100, bad=4, limit=Limit.BROKEN))
FEW = look(arm(0.5, samples=19, bad=10, limit=Limit.BROKEN))
QUIET = look(arm(0.0, samples=19))
BOTH = look(BAD.candidate, arm(0.09, bad=90, limit=Limit.BROKEN))
STABLE_UNSURE = look(BAD.candidate, arm(0.5, samples=8, bad=4, limit=Limit.BROKEN))
STABLE_ABSENT = look(BAD.candidate, arm(problem=Problem(reason=Reason.NO_DATA, message="-")))
FAR = look(arm(10.0, limit=Limit.UNKNOWN, edge=10.0), threshold=model.Threshold(max=30))
NAN = look(arm(math.nan))


def _trouble(reason: Reason) -> Measurement:
    return look(arm(None, problem=Problem(reason=reason, message="no series")))


def _track(*looks: Measurement) -> Track:
    return Track(
        latest=looks[-1],
        history=tuple(one for one in looks if one.candidate.problem is None),
    )


def _judge(
    tracks: Mapping[str, Track],
    *,
    metrics: Sequence[model.Metric] = (metric(),),
    requests: float = 1000.0,
    step: StepContext = STEP,
) -> model.AnalysisState:
    evidence = StepEvidence(tracks=tracks, requests=requests, consecutive_errors=2)
    return judge(evidence, analysis=analysis(*metrics), step=step)


@pytest.mark.parametrize(
    ("case", "looks", "verdict", "reason"),
    [
        ("one good look is enough", (GOOD,), Verdict.ADVANCE, Reason.PASSED),
        ("k of the last n", (BAD, GOOD, BAD, GOOD, BAD), Verdict.ROLL_BACK, Reason.BREACH),
        ("the newest may be good", (BAD, BAD, BAD, GOOD), Verdict.ROLL_BACK, Reason.BREACH),
        ("older than n", (BAD, BAD, GOOD, GOOD, GOOD, GOOD, BAD), Verdict.HOLD, Reason.UNDECIDED),
        ("fewer than k, newest bad", (BAD, BAD), Verdict.HOLD, Reason.UNDECIDED),
        ("fewer than k, newest good", (BAD, BAD, GOOD), Verdict.ADVANCE, Reason.PASSED),
        ("both arms break", (BOTH, BOTH, BOTH), Verdict.HOLD, Reason.SHARED_INCIDENT),
        ("stable on few requests", (STABLE_UNSURE,) * 3, Verdict.ROLL_BACK, Reason.BREACH),
        ("stable without data", (STABLE_ABSENT,) * 3, Verdict.ROLL_BACK, Reason.BREACH),
        ("few bad events", (RARE, RARE, RARE), Verdict.HOLD, Reason.INSUFFICIENT),
        ("few samples, bad", (FEW, FEW, FEW), Verdict.HOLD, Reason.INSUFFICIENT),
        ("few samples, good", (QUIET,), Verdict.HOLD, Reason.INSUFFICIENT),
        ("limit beyond the buckets", (FAR, FAR, FAR), Verdict.HOLD, Reason.SATURATED),
        ("NaN", (NAN, NAN, NAN), Verdict.HOLD, Reason.NO_DATA),
        ("no data", (_trouble(Reason.NO_DATA),), Verdict.HOLD, Reason.NO_DATA),
        ("stale", (_trouble(Reason.STALE),), Verdict.HOLD, Reason.STALE),
        ("error", (_trouble(Reason.ERROR),), Verdict.HOLD, Reason.ERROR),
        (
            "unavailable",
            (_trouble(Reason.METRICS_UNAVAILABLE),),
            Verdict.HOLD,
            Reason.METRICS_UNAVAILABLE,
        ),
        (
            "buckets",
            (_trouble(Reason.INCOMPATIBLE_BUCKETS),),
            Verdict.HOLD,
            Reason.INCOMPATIBLE_BUCKETS,
        ),
        (
            "data lost after failures",
            (BAD, BAD, BAD, _trouble(Reason.NO_DATA)),
            Verdict.HOLD,
            Reason.NO_DATA,
        ),
    ],
)
def test_one_metric(
    case: str, looks: tuple[Measurement, ...], verdict: Verdict, reason: Reason
) -> None:
    state = _judge({"error-ratio": _track(*looks)})

    assert (state.verdict, state.reason) == (verdict, reason.value), case
    assert state.judged


@pytest.mark.parametrize(
    ("looks", "outcome"),
    [
        ((GOOD,), Outcome.PASS),
        ((BAD,), Outcome.FAIL),
        ((BAD, BAD, BAD, GOOD), Outcome.FAIL),
        ((BOTH,), Outcome.INCONCLUSIVE),
        ((FEW,), Outcome.INCONCLUSIVE),
        ((_trouble(Reason.INCOMPATIBLE_BUCKETS),), Outcome.INCONCLUSIVE),
        ((_trouble(Reason.STALE),), Outcome.NO_DATA),
        ((_trouble(Reason.ERROR),), Outcome.ERROR),
        ((NAN,), Outcome.NO_DATA),
    ],
)
def test_the_outcome_of_a_metric(looks: tuple[Measurement, ...], outcome: Outcome) -> None:
    (result,) = _judge({"error-ratio": _track(*looks)}).results

    assert result.outcome is outcome


def test_a_rollback_shows_the_numbers_behind_it() -> None:
    state = _judge({"error-ratio": _track(BAD, BAD, BAD, GOOD)})

    assert state.message == "error-ratio 0.08 > 0.01 (n=5210)"
    assert state.results == (
        model.MetricResult(
            name="error-ratio",
            outcome=Outcome.FAIL,
            reason="Breach",
            message="error-ratio 0.08 > 0.01 (n=5210)",
            value=0.002,
            baseline_value=0.0,
            threshold=model.Threshold(max=0.01),
            candidate=model.ArmCounts(total=5210, bad=417),
            baseline=model.ArmCounts(total=1000),
            failures=3,
            evaluated_at=datetime.fromtimestamp(END, tz=UTC),
        ),
    )
    assert (state.requests, state.consecutive_errors) == (1000.0, 2)


def _latency(value: float, limit: Limit, *, edge: float, saturated: bool = False) -> Measurement:
    return look(
        replace(arm(value, samples=200, bad=50, limit=limit, edge=edge), saturated=saturated),
        threshold=model.Threshold(max=0.5),
    )


@pytest.mark.parametrize(
    ("measurement", "message"),
    [
        (GOOD, "m 0.002 <= 0.01 (n=5210)"),
        (BAD, "m 0.08 > 0.01 (n=5210), 1 of 3 failures"),
        (BOTH, "m 0.08 > 0.01 (n=5210), and stable breaks the limit too"),
        (FEW, "m 0.5 > 0.01 (n=19), too few samples or bad events to judge"),
        (NAN, "m: no value"),
        (_trouble(Reason.NO_DATA), "m: no series"),
        (_latency(0.4, Limit.KEPT, edge=0.5), "m 0.4 s <= 0.5 s (n=200)"),
        (
            _latency(0.6, Limit.KEPT, edge=1.0),
            "m 0.6 s <= 1 s, the bucket edge at the limit 0.5 s (n=200)",
        ),
        (
            _latency(2.5, Limit.BROKEN, edge=0.5, saturated=True),
            "m at least 2.5 s > 0.5 s (n=200), 1 of 3 failures",
        ),
        (
            FAR,
            "m 10 s (n=1000), but the limit lies above the largest bucket edge",
        ),
        (
            look(arm(0.9, limit=Limit.BROKEN, bad=9), threshold=model.Threshold(min=0.95)),
            "m 0.9 < 0.95 (n=1000), 1 of 3 failures",
        ),
        (look(arm(0.9), threshold=model.Threshold(min=0.5)), "m 0.9 >= 0.5 (n=1000)"),
        (look(arm(0.9), threshold=model.Threshold(min=0.5, max=1)), "m 0.9 <= 1 (n=1000)"),
        (look(arm(0.9), threshold=model.NO_THRESHOLD), "m 0.9 (n=1000)"),
        (look(arm(0.001, samples=0), counted=False), "m 0.001 <= 0.01"),
    ],
)
def test_messages(measurement: Measurement, message: str) -> None:
    (result,) = _judge({"m": _track(measurement)}, metrics=(metric("m"),)).results

    assert result.message == message


def test_inside_the_warm_up_nothing_is_decided() -> None:
    step = replace(STEP, judged_from=END + 12)

    state = _judge({"error-ratio": _track(BAD, BAD, BAD)}, step=step)

    assert (state.verdict, state.reason) == (Verdict.HOLD, "Warmup")
    assert state.message == "nothing is judged before 00:17:52 UTC"


def test_before_the_first_look_nothing_is_judged() -> None:
    state = _judge({})

    assert not state.judged
    assert (state.verdict, state.reason) == (Verdict.HOLD, "NoData")


def test_a_critical_metric_rolls_back_at_its_first_failure() -> None:
    critical = metric(critical=True)

    assert _judge({"error-ratio": _track(GOOD, BAD)}, metrics=(critical,)).verdict is (
        Verdict.ROLL_BACK
    )


def test_a_dry_run_never_acts() -> None:
    dry = metric("dry", dry_run=True)

    for looks in ((BAD, BAD, BAD), (_trouble(Reason.ERROR),), (GOOD,)):
        state = _judge(
            {"error-ratio": _track(GOOD), "dry": _track(*looks)}, metrics=(metric(), dry)
        )
        assert state.verdict is Verdict.ADVANCE
        assert len(state.results) == 2


def test_with_dry_runs_only_nothing_advances() -> None:
    state = _judge({"dry": _track(GOOD)}, metrics=(metric("dry", dry_run=True),))

    assert (state.verdict, state.reason) == (Verdict.HOLD, "NoMetrics")


def test_the_step_needs_its_requests() -> None:
    state = _judge({"error-ratio": _track(GOOD)}, requests=99)

    assert (state.verdict, state.reason) == (Verdict.HOLD, "Insufficient")
    assert state.message == "99 of 100 requests in this step"


def test_the_step_says_why_its_requests_are_not_known() -> None:
    evidence = StepEvidence(
        tracks={"error-ratio": _track(GOOD)}, requests=0, requests_problem="source down"
    )

    state = judge(evidence, analysis=analysis(), step=STEP)

    assert state.message == "0 of 100 requests in this step (source down)"


def test_no_traffic_names_the_share_that_the_candidate_should_get() -> None:
    state = _judge({"error-ratio": _track(_trouble(Reason.NO_DATA))})

    assert state.message == ("error-ratio: no series; the candidate should get 10 % of the traffic")


def test_every_required_metric_must_have_been_looked_at() -> None:
    state = _judge({"error-ratio": _track(GOOD)}, metrics=(metric(), metric("other")))

    assert (state.verdict, state.reason) == (Verdict.HOLD, "NoData")


def test_a_breach_is_not_silenced_by_another_metric_without_data() -> None:
    state = _judge(
        {"a": _track(_trouble(Reason.METRICS_UNAVAILABLE)), "b": _track(BAD, BAD, BAD)},
        metrics=(metric("a"), metric("b")),
    )

    assert state.verdict is Verdict.ROLL_BACK


def test_of_several_reasons_the_first_in_order_is_reported() -> None:
    tracks = {
        "a": _track(QUIET),
        "b": _track(_trouble(Reason.NO_DATA)),
        "c": _track(_trouble(Reason.METRICS_UNAVAILABLE)),
    }

    state = _judge(tracks, metrics=[metric(name) for name in tracks])

    assert state.reason == "MetricsUnavailable"
    assert state.message == "c: no series"


@pytest.mark.parametrize(
    ("requests", "looks", "verdict"),
    [
        (1000, 3, Verdict.ROLL_BACK),
        (19, 3, Verdict.HOLD),
        (1000, 2, Verdict.HOLD),
    ],
)
def test_a_free_query_needs_requests_but_no_bad_events(
    requests: float, looks: int, verdict: Verdict
) -> None:
    broken = look(arm(5.0, samples=0, limit=Limit.BROKEN), counted=False)

    state = _judge({"error-ratio": _track(*[broken] * looks)}, requests=requests)

    assert state.verdict is verdict


def test_a_free_query_that_breaks_on_both_sides_is_a_shared_incident() -> None:
    broken = arm(5.0, samples=0, limit=Limit.BROKEN)

    state = _judge({"error-ratio": _track(*[look(broken, broken, counted=False)] * 3)})

    assert state.reason == "SharedIncident"


# --- properties ----------------------------------------------------------------------------------

NUMBERS = st.one_of(st.floats(), st.integers(0, 1000).map(float))
PROBLEMS = st.sampled_from([None, *(Problem(reason=it, message=it.value) for it in Reason)])
ARMS = st.builds(
    Arm,
    value=st.one_of(st.none(), NUMBERS),
    samples=NUMBERS,
    bad=NUMBERS,
    edge=st.one_of(st.none(), NUMBERS),
    saturated=st.booleans(),
    limit=st.sampled_from(Limit),
    newest=st.just(END),
    problem=PROBLEMS,
)
THRESHOLDS = st.builds(
    model.Threshold, min=st.one_of(st.none(), NUMBERS), max=st.one_of(st.none(), NUMBERS)
)
LOOKS = st.builds(
    Measurement,
    at=st.just(END),
    threshold=THRESHOLDS,
    candidate=ARMS,
    stable=ARMS,
    counted=st.booleans(),
)
TRACKS = st.builds(Track, latest=LOOKS, history=st.lists(LOOKS, max_size=6).map(tuple))
NAMES = ("a", "b", "c")


@st.composite
def _metrics(draw: st.DrawFn) -> list[model.Metric]:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=3))
    return [
        metric(name, dry_run=draw(st.booleans()), critical=draw(st.booleans())) for name in names
    ]


def _state(
    tracks: Mapping[str, Track], metrics: Sequence[model.Metric], requests: float
) -> model.AnalysisState:
    evidence = StepEvidence(tracks=tracks, requests=requests)
    return judge(evidence, analysis=replace(analysis(), metrics=tuple(metrics)), step=STEP)


@given(tracks=st.dictionaries(st.sampled_from(NAMES), TRACKS), metrics=_metrics(), requests=NUMBERS)
def test_judge_is_total_and_the_order_of_metrics_does_not_matter(
    tracks: dict[str, Track], metrics: list[model.Metric], requests: float
) -> None:
    states = [_state(tracks, ordered, requests) for ordered in itertools.permutations(metrics)]

    assert len({(it.verdict, it.reason, it.message, it.judged) for it in states}) == 1


@given(
    tracks=st.fixed_dictionaries(dict.fromkeys(NAMES, TRACKS)),
    metrics=_metrics(),
    value=st.sampled_from([None, math.nan, math.inf, -math.inf]),
    reason=st.sampled_from([it for it in Reason if it not in {Reason.PASSED, Reason.BREACH}]),
    lost=st.booleans(),
)
def test_without_a_value_nothing_advances_and_nothing_rolls_back(
    tracks: dict[str, Track],
    metrics: list[model.Metric],
    value: float | None,
    reason: Reason,
    *,
    lost: bool,
) -> None:
    problem = Problem(reason=reason, message="") if lost else None

    def blind(measurement: Measurement) -> Measurement:
        candidate = replace(measurement.candidate, value=value, problem=problem)
        return replace(measurement, candidate=candidate)

    blinded = {
        name: Track(latest=blind(it.latest), history=() if lost else tuple(map(blind, it.history)))
        for name, it in tracks.items()
    }

    assert _state(blinded, metrics, 1000.0).verdict is Verdict.HOLD


@given(tracks=st.fixed_dictionaries(dict.fromkeys(NAMES, TRACKS)), metrics=_metrics())
def test_a_dry_run_changes_no_verdict(
    tracks: dict[str, Track], metrics: list[model.Metric]
) -> None:
    wet = [one for one in metrics if not one.dry_run]

    assert _state(tracks, metrics, 1000.0).verdict is _state(tracks, wet, 1000.0).verdict
