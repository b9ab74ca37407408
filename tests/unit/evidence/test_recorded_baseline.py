"""What stable showed last as a limit for a bake. Source: ADR 0073."""

from __future__ import annotations

import evidence_build as build
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.queries import presets
from tidegate.evidence.sequential.judgement import MetricRule
from tidegate.evidence.verdict import arms, recorded, rules

COMPARE = model.Compare()
SHAPE = Shape(edges=(0.1, 0.25, 0.5), decisive=1)
ERRORS = presets.TEMPLATES["MLServer", "error-ratio"]
SLOW = presets.TEMPLATES["MLServer", "latency-p95"]
NONE = model.NO_THRESHOLD


def shown(
    *, total: float, bad: float, phi: float | None = 1.0, edge: float | None = None
) -> model.MetricResult:
    return model.MetricResult(
        name="m",
        outcome=model.Outcome.PASS,
        baseline=model.ArmCounts(total=total, bad=bad),
        dispersion=phi,
        edge=edge,
    )


def recorded_of(result: model.MetricResult, **metric: object) -> tuple[model.Baseline, ...]:
    one = build.metric("m", **{"compare": COMPARE, **metric})
    return recorded.baselines(build.analysis(one), evidence=(result,))


@pytest.mark.parametrize(
    ("result", "low", "high"),
    [
        (shown(total=1e6, bad=5000), 0.025, 0.027),  # five times the usual rate
        (shown(total=1e6, bad=5000, phi=None), 0.025, 0.027),
        (shown(total=1e6, bad=0), 0.005, 0.0052),  # what is tolerated in any case
        (shown(total=1e6, bad=20_000), 0.07, 0.072),  # no more than detect.absolute beyond it
        (shown(total=1e6, bad=20_000, edge=0.25), 0.1, 0.11),  # more slow ones are no harm yet
        (shown(total=1e6, bad=100_000), 0.2, 0.21),  # at least twice as many
        (shown(total=1000, bad=5), 0.05, 0.1),  # few requests say less
        (shown(total=1e6, bad=5000, phi=50.0), 0.028, 0.034),  # as do those that fail in clumps
    ],
)
def test_only_harm_of_the_size_to_detect_counts(
    result: model.MetricResult, low: float, high: float
) -> None:
    (found,) = recorded_of(result)
    assert model.ArmCounts(total=found.total, bad=found.bad) == result.baseline
    assert found.edge == result.edge
    assert low <= found.limit <= high


@pytest.mark.parametrize(
    ("result", "metric"),
    [
        (shown(total=0, bad=0), {}),
        (shown(total=1000, bad=10), {"compare": None}),
        (shown(total=1000, bad=10), {"dry_run": True}),
        (shown(total=1000, bad=10), {"on_breach": model.OnBreach.ALERT}),
        (shown(total=1000, bad=400), {}),  # twice as many would be the rule
        (shown(total=10, bad=0), {}),
    ],
)
def test_what_says_nothing_is_not_recorded(
    result: model.MetricResult, metric: dict[str, object]
) -> None:
    assert recorded_of(result, **metric) == ()


def test_a_metric_without_evidence_has_no_record() -> None:
    other = build.analysis(build.metric("other", compare=COMPARE))
    assert recorded.baselines(other, evidence=(shown(total=1e6, bad=10),)) == ()


@given(
    total=st.integers(1, 10**7),
    share=st.floats(0, 1),
    phi=st.floats(1, 100),
    more=st.floats(1, 10),
)
def test_clumps_never_make_the_limit_tighter_and_it_is_above_what_stable_showed(
    total: int, share: float, phi: float, more: float
) -> None:
    bad = float(int(total * share))
    found = recorded_of(shown(total=total, bad=bad, phi=phi))
    wider = recorded_of(shown(total=total, bad=bad, phi=phi * more))
    for one in found:
        assert bad / total < one.limit < recorded.COMMON
    for one in wider:
        assert one.limit >= found[0].limit - 1e-6


@pytest.mark.parametrize(
    ("shape", "threshold", "edge", "limit"),
    [
        (None, 0.05, None, 0.02),
        (None, 0.01, None, None),
        (None, None, None, 0.02),
        (SHAPE, 0.2, 0.25, 0.02),
        (SHAPE, 0.2, 0.1, 0.02),  # no fewer are above a shorter time
        (SHAPE, 0.2, 0.5, None),
        (Shape(), 0.2, 0.5, 0.02),  # nothing was counted yet
        (SHAPE, None, 0.25, 0.02),
    ],
)
def test_the_tighter_one_of_limit_and_record_judges(
    shape: Shape | None, threshold: float | None, edge: float | None, limit: float | None
) -> None:
    known = model.Baseline(name="m", edge=edge, total=1000, bad=4, limit=0.02)
    metric = build.metric("m", threshold=model.Threshold(max=threshold), compare=COMPARE)
    templates = {"m": ERRORS if shape is None else SLOW}

    def rule(analysis: model.Analysis) -> MetricRule:
        (found,) = rules.config_of(
            analysis,
            templates=templates,
            shapes={"m": shape or Shape()},
            traffic=model.Traffic(provider=model.Provider.GATEWAY_API),
            one_pod=False,
        ).metrics
        return found

    asked = build.analysis(metric)
    judged, usual = rule(arms.by_limits(recorded.beside(asked, (known,)))), rule(asked)
    assert judged.limit == (usual.limit if limit is None else limit)
    assert judged.recorded is (limit is not None)
    assert judged.compare is None


@pytest.mark.parametrize(
    ("threshold", "edge", "cut_at"),
    [(NONE, 0.25, 0.25), (NONE, None, None), (model.Threshold(max=0.3), 0.25, 0.3)],
)
def test_a_latency_is_cut_where_stable_was_counted_unless_it_has_a_limit(
    threshold: model.Threshold, edge: float | None, cut_at: float | None
) -> None:
    known = model.Baseline(name="m", edge=edge, total=1000, bad=4, limit=0.02)
    assert build.metric("m", threshold=threshold, recorded=known).cut_at == cut_at
    assert build.metric("m", threshold=threshold).cut_at == threshold.max


@pytest.mark.parametrize(
    ("edge", "text"),
    [
        (None, "m (harm from 2.00%, stable had 4 of 1000)"),
        (0.25, "m above 0.25 s (harm from 2.00%, stable had 4 of 1000)"),
    ],
)
def test_it_is_said_in_words(edge: float | None, text: str) -> None:
    known = model.Baseline(name="m", edge=edge, total=1000, bad=4, limit=0.02)
    assert recorded.words(known) == text
