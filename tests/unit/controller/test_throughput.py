"""Requests per second as an objective, from the samples of a metric source to the verdict."""

from __future__ import annotations

import pytest
from analyst_bench import Bench, flow, metric, run

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.model import Verdict

COMPARE = model.Compare()


def _rate(
    preset: str = "request-rate",
    *,
    least: float | None = None,
    compare: model.Compare | None = COMPARE,
) -> model.Metric:
    return metric(preset, preset=preset, compare=compare, threshold=model.Threshold(min=least))


def _bench(*metrics: model.Metric, per_second: float, server: str = "MLServer") -> Bench:
    """Stable's pods finish 225/s each at 90 %, so that 50/s are due to the candidate's one."""
    templates = {one.name: presets.TEMPLATES[server, one.preset] for one in metrics}
    return Bench(*metrics, templates=templates, candidate=flow(0.0, per_second=per_second))


def _ended(bench: Bench, seconds: float = 900.0) -> model.AnalysisState:
    """The first verdict that is not to hold, else the last state."""
    found: list[model.AnalysisState] = []

    async def scenario(bench: Bench) -> None:
        for _ in range(round(seconds / 15)):
            found.extend(await bench.states(seconds=15.0))
            if found[-1].verdict is not Verdict.HOLD:
                return

    run(scenario, bench)
    return found[-1]


@pytest.mark.parametrize(
    ("one", "value"),
    [
        pytest.param(_rate(), 500.0, id="beside stable"),
        pytest.param(_rate(least=300.0), 500.0, id="and a limit"),
        pytest.param(_rate(least=300.0, compare=None), 500.0, id="a limit alone"),
        pytest.param(_rate("pod-request-rate", least=30.0), 50.0, id="per pod"),
    ],
)
def test_a_version_that_keeps_up_passes(one: model.Metric, value: float) -> None:
    state = _ended(_bench(metric(), one, per_second=50.0))

    (result,) = [it for it in state.results if it.name == one.name]
    assert state.verdict is Verdict.ADVANCE
    assert (result.outcome, result.reason) == (model.Outcome.PASS, "NonInferior")
    assert result.value == pytest.approx(value, rel=0.02)
    assert result.baseline_value == pytest.approx(value, rel=0.02)
    assert result.ratio == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        pytest.param(_rate(), "Regression", id="beside stable"),
        pytest.param(_rate(least=450.0, compare=None), "SloBreach", id="a limit alone"),
        pytest.param(
            _rate("pod-request-rate", least=45.0, compare=None), "SloBreach", id="per pod"
        ),
    ],
)
def test_one_that_finishes_too_little_is_rolled_back(one: model.Metric, reason: str) -> None:
    state = _ended(_bench(metric(), one, per_second=32.0))

    assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, reason)
    assert state.message.startswith(f"{one.name} ")


def test_alone_it_counts_the_requests_of_the_step() -> None:
    state = _ended(_bench(_rate(), per_second=50.0))

    assert state.verdict is Verdict.ADVANCE
    assert state.requests > 1000


@pytest.mark.parametrize(
    "one", [_rate(least=600.0), _rate("pod-request-rate", least=60.0, compare=None)]
)
def test_a_limit_that_traffic_does_not_reach_holds_and_says_so(one: model.Metric) -> None:
    state = _ended(_bench(metric(), one, per_second=50.0))

    assert (state.verdict, state.reason) == (Verdict.HOLD, "Insufficient")
    assert f"min {one.threshold.min:g} cannot be judged" in state.message


def test_the_same_verdict_after_a_restart_of_the_operator() -> None:
    bench = _bench(metric(), _rate(), per_second=50.0)
    state = _ended(bench)
    found: list[model.AnalysisState] = []

    async def scenario(bench: Bench) -> None:
        bench.restart()
        found.extend(await bench.states(seconds=60.0))

    run(scenario, bench)
    assert found[-1].verdict is state.verdict
    assert {it.name: it.reason for it in found[-1].results} == {
        it.name: it.reason for it in state.results
    }


def _told(*metrics: model.Metric, per_second: float = 50.0) -> model.Estimate:
    """What is said of the step beforehand."""
    bench = _bench(*metrics, per_second=per_second)
    (estimate,) = _ended(bench).estimates
    return estimate


def test_beforehand_it_is_said_what_is_due_what_is_found_and_when_it_passes() -> None:
    told = _told(metric(), _rate(), _rate("pod-request-rate", least=30.0))

    assert "; request-rate (450 requests/s at all traffic are due): finds 240 in " in told.text
    assert "; pod-request-rate (45 requests/s per pod are due): finds 24 in " in told.text
    assert "a healthy version passes after about" in told.text
    assert told.warning == ""


def test_alone_it_is_all_that_is_planned() -> None:
    told = _told(_rate())

    assert told.text.startswith(
        "request-rate (450 requests/s at all traffic are due): finds 240 in"
    )
    assert "promotion in about" in told.text
    assert "an outage" not in told.text


@pytest.mark.parametrize(
    ("one", "warning"),
    [
        (_rate(least=600.0), "request-rate: only 450 arrive, so that min 600 cannot be judged"),
        (
            _rate("pod-request-rate", least=60.0, compare=None),
            "pod-request-rate: only 45 arrive, so that min 60 cannot be judged; give the step more",
        ),
    ],
)
def test_a_limit_out_of_reach_is_warned_of_beforehand(one: model.Metric, warning: str) -> None:
    told = _told(metric(), one)

    assert told.warning.startswith(warning)
    assert "no promotion without a person is expected" in told.text
