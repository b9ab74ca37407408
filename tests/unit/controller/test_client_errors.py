"""A version that answers 404 to everybody is no good one, though it is no error of the server."""

from __future__ import annotations

from dataclasses import replace

import evidence_build as build
import pytest
from analyst_bench import Bench, flow, metric, run

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Ratio, Template
from tidegate.evidence.verdict import client_errors
from tidegate.model import Verdict

NAME = "client-error-ratio"


def _bench(*metrics: model.Metric, refused: float, stable: float = 0.0, **more: object) -> Bench:
    """The candidate and stable refuse these shares of their requests with 404."""
    bench = Bench(*metrics, candidate=flow(0.0), **more)  # type: ignore[arg-type]
    for pod in bench.tsdb.pods:
        pod.refused_share = refused if pod.revision == build.CANDIDATE else stable
    return bench


def _ended(bench: Bench, seconds: float = 600.0) -> model.AnalysisState:
    """The first verdict that is not to hold, else the last state."""
    found: list[model.AnalysisState] = []

    async def scenario(bench: Bench) -> None:
        for _ in range(round(seconds / 5)):
            found.extend(await bench.states(seconds=5.0))
            if found[-1].verdict is not Verdict.HOLD:
                return

    run(scenario, bench)
    return found[-1]


@pytest.mark.parametrize("preset", ["MLServer", "HTTP"])
def test_404_to_everybody_is_rolled_back(preset: str) -> None:
    bench = _bench(refused=1.0, preset=preset)
    if preset == "HTTP":
        bench.tsdb.pods = [replace(pod, prefix="http") for pod in bench.tsdb.pods]

    state = _ended(bench)

    assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, "Regression")
    assert state.message.startswith(f"{NAME} 1 against 0 ")


def test_a_version_that_refuses_more_and_more_is_found_beside_callers_that_err() -> None:
    state = _ended(_bench(refused=0.6, stable=0.1))

    assert (state.verdict, state.reason) == (Verdict.ROLL_BACK, "Regression")
    assert state.message.startswith(NAME)


@pytest.mark.parametrize("share", [0.0, 0.02, 0.4])
def test_callers_that_err_alike_in_both_versions_keep_nothing_from_passing(share: float) -> None:
    state = _ended(_bench(refused=share, stable=share), seconds=900.0)

    assert state.verdict is Verdict.ADVANCE
    assert [it.name for it in state.results] == ["error-ratio", NAME]


@pytest.mark.parametrize(
    "metrics",
    [
        pytest.param((metric(dry_run=True),), id="errors are only watched"),
        pytest.param(
            (metric(), metric(NAME, threshold=model.NO_THRESHOLD, dry_run=True)), id="own"
        ),
        pytest.param((metric(compare=None),), id="nothing is compared"),
    ],
)
def test_what_the_spec_says_of_client_errors_goes_before(metrics: tuple[model.Metric, ...]) -> None:
    state = _ended(_bench(*metrics, refused=1.0))

    assert state.verdict is not Verdict.ROLL_BACK


def _beside(template: Template, *metrics: model.Metric) -> model.Analysis:
    analysis = build.analysis(*metrics or (metric("errors", preset="error-ratio"),))
    templates = {one.name: template for one in analysis.metrics}
    found, more = client_errors.beside(analysis, templates)
    assert {one.name for one in found.metrics} <= more.keys()
    return found


@pytest.mark.parametrize("name", presets.PRESETS)
def test_every_preset_that_tells_client_errors_compares_them(name: str) -> None:
    errors = presets.TEMPLATES.get((name, "error-ratio"))
    if errors is None:
        assert (name, NAME) not in presets.TEMPLATES
        return

    found = _beside(replace(errors, source="team-b", mode=model.IdentityMode.POD))

    told = (name, NAME) in presets.TEMPLATES
    assert [one.name for one in found.metrics] == ["errors", NAME] if told else ["errors"]
    if told:
        added = found.metrics[1]
        assert added.threshold == model.NO_THRESHOLD
        assert added.compare == client_errors.COMPARE


def test_they_are_read_from_the_source_and_by_the_labels_of_the_errors() -> None:
    errors = replace(
        presets.TEMPLATES["VLLM", "error-ratio"], source="team-b", mode=model.IdentityMode.POD
    )
    analysis = build.analysis(metric("errors", preset="error-ratio"))

    _, templates = client_errors.beside(analysis, {"errors": errors})

    added = templates[NAME]
    assert (added.source, added.mode) == ("team-b", model.IdentityMode.POD)
    assert added.measure == presets.TEMPLATES["VLLM", NAME].measure


def test_a_template_of_the_users_own_is_left_alone() -> None:
    own = Template(
        name="own", measure=Ratio(bad=presets.REQUESTS["HTTP"], total=presets.REQUESTS["HTTP"])
    )

    assert [it.name for it in _beside(own).metrics] == ["errors"]


def test_no_more_proof_is_asked_than_of_the_errors() -> None:
    easy = model.Compare(tolerance=2.0, margin=3.0, tolerance_absolute=0.2, detect_ratio=7.0)
    template = presets.TEMPLATES["MLServer", "error-ratio"]

    easily = _beside(template, metric("errors", preset="error-ratio", compare=easy)).metrics[-1]
    strictly = _beside(template, metric("errors", preset="error-ratio")).metrics[-1]

    assert easily.name == strictly.name == NAME
    assert easily.compare == easy
    assert strictly.compare is not None
    assert (strictly.compare.tolerance, strictly.compare.tolerance_absolute) == (1.0, 0.05)
