"""Distributions, from the samples of a metric source to the verdict."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from analyst_bench import Bench, metric, run
from observing_pods import BROKEN, NAMED_OTHERWISE, USUAL, bench, inputs

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Distribution, Form, Selector, Template
from tidegate.model import Verdict


def ended(found: Bench, seconds: float = 600.0) -> model.AnalysisState:
    """The first verdict that is not to hold, else the last state."""
    states: list[model.AnalysisState] = []

    async def scenario(found: Bench) -> None:
        for _ in range(round(seconds / 15)):
            states.extend(await found.states(seconds=15.0))
            if states[-1].verdict is not Verdict.HOLD:
                return

    run(scenario, found)
    return states[-1]


def result(state: model.AnalysisState, name: str = "inputs") -> model.MetricResult:
    return next(it for it in state.results if it.name == name)


def test_who_sees_what_stable_sees_passes() -> None:
    state = ended(bench())

    assert state.verdict is Verdict.ADVANCE
    found = result(state)
    assert (found.outcome, found.reason) == (model.Outcome.PASS, "NonInferior")
    assert found.threshold == model.Threshold(max=0.1)
    assert found.value == pytest.approx(0.0, abs=0.01)
    assert found.candidate.total > 1000


def test_broken_preprocessing_goes_back_with_its_worst_feature() -> None:
    state = ended(bench(mix={"amount": BROKEN}))

    assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, "Drift")
    (shift,) = result(state).shifts
    assert (shift.feature, shift.bin, shift.share) == ("amount", "missing", 1.0)
    assert shift.reference_share == pytest.approx(0.1, abs=0.01)
    assert result(state).value == pytest.approx(shift.psi)


def test_the_same_verdict_after_a_restart_of_the_operator() -> None:
    found = bench(mix={"amount": BROKEN})
    state = ended(found)
    again: list[model.AnalysisState] = []

    async def scenario(found: Bench) -> None:
        found.restart()
        again.extend(await found.states(seconds=60.0))

    run(scenario, found)
    assert (again[-1].verdict, again[-1].reason) == (state.verdict, state.reason)
    assert result(again[-1]).shifts == result(state).shifts


@pytest.mark.parametrize(
    ("candidate", "stable", "reason"),
    [
        pytest.param({"mix": {}}, {}, "NoData", id="the candidate exports nothing"),
        pytest.param({}, {"mix": {}}, "NoBaseline", id="stable exports nothing"),
        pytest.param({"mix": {}}, {"mix": {}}, "NoData", id="nobody exports anything"),
        pytest.param(
            {"mix": {"amount": NAMED_OTHERWISE}}, {}, "IncompatibleBins", id="other edges"
        ),
        pytest.param({"mix": {"amount": USUAL, "new": USUAL}}, {}, "NoBaseline", id="a new one"),
        pytest.param({}, {"mix": {"amount": USUAL, "old": USUAL}}, "NoData", id="a missing one"),
        pytest.param({"labels": ("feature", "bucket")}, {}, "IncompatibleBins", id="another label"),
        pytest.param({"value": lambda _: -1.0}, {}, "NoData", id="negative counts"),
        pytest.param(
            {"mix": {"amount": {f"{it}": 1e-4 for it in range(300)}}}, {}, "Error", id="300 bins"
        ),
    ],
)
def test_what_cannot_be_compared_holds_and_is_named(
    candidate: dict[str, Any], stable: dict[str, Any], reason: str
) -> None:
    state = ended(bench(stable=stable, **candidate), seconds=300.0)

    assert state.verdict is Verdict.HOLD
    assert result(state).reason == reason, result(state)
    assert result(state).outcome is not model.Outcome.PASS


@pytest.mark.parametrize(
    ("on_breach", "verdict"),
    [
        (model.OnBreach.ROLLBACK, Verdict.ROLL_BACK),
        (model.OnBreach.HOLD, Verdict.HOLD),
        (model.OnBreach.ALERT, Verdict.ADVANCE),
    ],
)
def test_a_breach_does_what_it_is_told_to(on_breach: model.OnBreach, verdict: Verdict) -> None:
    found = bench(metric(), inputs(on_breach=on_breach), mix={"amount": BROKEN})
    state = ended(found)

    assert state.verdict is verdict
    assert result(state).outcome is model.Outcome.FAIL
    assert result(state).on_breach is on_breach


ROUTES = (model.HeaderRoute(name="staff", headers=(model.Header(name="x-staff", value="1"),)),)
GATEWAY = model.Traffic(provider=model.Provider.GATEWAY_API)
BY_POD = model.Traffic(provider=model.Provider.REPLICA_RATIO)


@pytest.mark.parametrize(
    ("traffic", "stage", "written", "verdict"),
    [
        pytest.param(GATEWAY, {}, False, Verdict.ROLL_BACK, id="the same users"),
        pytest.param(GATEWAY, {"routes": ROUTES}, False, Verdict.HOLD, id="testers, too"),
        pytest.param(GATEWAY, {"routes": ROUTES}, True, Verdict.ROLL_BACK, id="asked for"),
        pytest.param(GATEWAY, {"preview": True}, False, Verdict.HOLD, id="a preview"),
        pytest.param(BY_POD, {}, False, Verdict.HOLD, id="whole connections"),
        pytest.param(BY_POD, {}, True, Verdict.ROLL_BACK, id="asked for by connection"),
    ],
)
def test_where_stable_has_other_users_drift_holds_unless_it_is_told_to_roll_back(
    traffic: model.Traffic, stage: dict[str, Any], verdict: Verdict, *, written: bool
) -> None:
    found = bench(
        metric(),
        inputs(on_breach_is_written=written),
        mix={"amount": BROKEN},
    )
    found.edit(spec=replace(found.request.spec, traffic=traffic))
    found.edit_rollout(plan=tuple(replace(it, **stage) for it in found.rollout.plan))
    state = ended(found, seconds=300.0)

    assert state.verdict is verdict, state.message
    assert result(state).reason == "Drift"
    held = verdict is Verdict.HOLD
    assert (result(state).on_breach is model.OnBreach.HOLD) is held
    assert ("stable may have other users" in state.message) is held


@pytest.mark.parametrize("on_breach", [model.OnBreach.HOLD, model.OnBreach.ALERT])
def test_so_does_a_ratio(on_breach: model.OnBreach) -> None:
    found = bench(metric(on_breach=on_breach), error_share=0.4)
    state = ended(found, seconds=300.0)

    assert state.verdict is not Verdict.ROLL_BACK
    assert result(state, "error-ratio").outcome is model.Outcome.FAIL


def test_a_histogram_of_ones_own_is_read_by_its_edges() -> None:
    template = Template(
        name="scores",
        measure=Distribution(
            series=Selector(metric="score"), dimension_label="output", form=Form.HISTOGRAM
        ),
    )
    at_most = {"0.2": 0.5, "0.8": 0.9, "+Inf": 1.0}
    moved = {"0.2": 0.1, "0.8": 0.2, "+Inf": 1.0}
    reference = model.TemplateRef(kind="MetricTemplate", name="scores")
    found = Bench(
        metric(),
        inputs(preset="", template=reference),
        templates={"scores": template},
    )
    more = {"metric": "score_bucket", "labels": ("output", "le")}
    found.tsdb.pods = bench(
        stable=more | {"mix": {"all": at_most}}, mix={"all": moved}, **more
    ).tsdb.pods
    state = ended(found)

    assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, "Drift")
    assert result(state).shifts[0].bin in at_most


def test_the_presets_read_what_the_probe_exports() -> None:
    assert presets.offered("feature-drift", server="Triton") == presets.PROBE["feature-drift"]
    assert not presets.is_of_server("feature-drift", data_plane="")
    assert presets.is_of_server("error-ratio", data_plane="")
