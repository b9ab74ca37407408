"""Labels that come later, from the samples of a metric source to the verdict."""

from __future__ import annotations

from typing import Any

import evidence_build as build
import pytest
from analyst_bench import START, Bench, metric, run
from labelling import Labelling

from tidegate import model
from tidegate.evidence.journal import replay
from tidegate.evidence.terms import Labels, Selector, Template
from tidegate.model import Verdict

MINUTE = 60.0
LABELS = model.Labels(delay_seconds=120.0, cohort_seconds=MINUTE)


def quality(**more: object) -> model.Metric:
    fields: dict[str, Any] = {
        "preset": "label-quality",
        "labels": LABELS,
        "compare": model.Compare(),
    }
    return model.Metric(name="quality", **{**fields, **more})


def bench(*metrics: model.Metric, stable: dict[str, Any] | None = None, **candidate: Any) -> Bench:
    found = Bench(*(metrics or (metric(), quality())))
    found.tsdb.pods = [
        Labelling(
            revision=build.CANDIDATE, **{"born_at": START - 300, "bad_from": START} | candidate
        ),
        *(
            Labelling(revision=build.STABLE, name=name, per_second=150.0, **(stable or {}))
            for name in ("a", "b", "c")
        ),
    ]
    return found


def ended(found: Bench, seconds: float = 1500.0) -> model.AnalysisState:
    """The first verdict that is not to hold, else the last state."""
    states: list[model.AnalysisState] = []

    async def scenario(found: Bench) -> None:
        for _ in range(round(seconds / 30)):
            states.extend(await found.states(seconds=30.0, every=30.0))
            if states[-1].verdict is not Verdict.HOLD:
                return

    run(scenario, found)
    return states[-1]


def result(state: model.AnalysisState, name: str = "quality") -> model.MetricResult:
    return next(it for it in state.results if it.name == name)


def test_who_is_as_right_as_stable_passes() -> None:
    state = ended(bench())

    assert state.verdict is Verdict.ADVANCE, state.message
    found = result(state)
    assert (found.outcome, found.reason) == (model.Outcome.PASS, "NonInferior")
    assert found.value == pytest.approx(0.95, abs=0.01)
    assert found.baseline_value == pytest.approx(0.95, abs=0.01)
    assert "accuracy 95.0% of" in found.message


def test_who_is_wrong_more_often_goes_back_once_labels_have_come() -> None:
    found = bench(wrong=0.3)
    state = ended(found)

    assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, "Regression"), state.message
    assert result(state).value == pytest.approx(0.7, abs=0.01)
    assert "accuracy 70.0% of" in state.message


def test_the_same_verdict_after_a_restart_of_the_operator_and_from_the_log() -> None:
    found = bench(wrong=0.3)
    state = ended(found)
    log = found.log()
    again: list[model.AnalysisState] = []

    async def scenario(found: Bench) -> None:
        found.restart()
        again.extend(await found.states(seconds=15.0, every=15.0))

    run(scenario, found)
    assert (again[-1].verdict, again[-1].reason) == (state.verdict, state.reason)
    report = replay.replay(log)
    assert report.difference == ""
    assert report.looks[-1].judgement.verdict is Verdict.ROLL_BACK


BINARY = ("cohort_predictions", "labelled", "outcomes")


def test_recall_of_a_binary_model() -> None:
    more = {"roles": BINARY}
    metrics = (metric(), quality(preset="label-recall"))
    state = ended(bench(*metrics, stable=more, wrong=0.4, **more))

    assert state.verdict is Verdict.ROLL_BACK
    assert result(state).value == pytest.approx(0.24 / (0.24 + 0.2), abs=0.01)


@pytest.mark.parametrize(
    ("candidate", "stable", "reason"),
    [
        pytest.param({"roles": ()}, {}, "NoData", id="the candidate exports nothing"),
        pytest.param({}, {"roles": ()}, "NoBaseline", id="stable exports nothing"),
        pytest.param({"labelled": 0.0}, {}, "LabelsOneSided", id="no labels of the candidate"),
        pytest.param(
            {"roles": ("cohort_predictions", "labelled")}, {}, "LabelsOneSided", id="no right ones"
        ),
        pytest.param(
            {"shift": 30.0, "named": "{:.0f}".format}, {}, "UnknownCohort", id="between two cohorts"
        ),
        pytest.param({"shift": 3600.0}, {}, "UnknownCohort", id="of the future"),
        pytest.param({"named": lambda start: f"h{start:.0f}"}, {}, "UnknownCohort", id="no time"),
        pytest.param({"label": "hour"}, {}, "Error", id="another label"),
        pytest.param({"value": lambda _: -1.0}, {}, "Error", id="negative counters"),
    ],
)
def test_what_cannot_be_compared_holds_and_is_named(
    candidate: dict[str, Any], stable: dict[str, Any], reason: str
) -> None:
    state = ended(
        bench(stable=stable, **candidate), seconds=420.0 if reason == "LabelsOneSided" else 120.0
    )

    assert state.verdict is Verdict.HOLD
    assert result(state).reason == reason, result(state)
    assert result(state).outcome is not model.Outcome.PASS


def test_a_template_reads_counters_of_ones_own() -> None:
    def counter(name: str) -> Selector:
        return Selector(metric=f"tidegate_probe_{name}_total")

    template = Template(
        name="own",
        measure=Labels(
            predictions=counter("cohort_predictions"),
            labelled=counter("labelled"),
            correct=counter("correct"),
            cohort_label="hour",
        ),
    )
    reference = model.TemplateRef(kind="MetricTemplate", name="own")
    found = Bench(metric(), quality(preset="", template=reference), templates={"own": template})
    named = {"label": "hour", "named": "{:.0f}".format}
    found.tsdb.pods = bench(stable=named, wrong=0.4, **named).tsdb.pods

    assert ended(found).verdict is Verdict.ROLL_BACK
