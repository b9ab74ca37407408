"""From an analysis to the rules of the engine, and what is refused."""

from __future__ import annotations

import math

import evidence_build as build
import pytest

from tidegate import model
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.queries import presets
from tidegate.evidence.sequential.judgement import Drift, Pace
from tidegate.evidence.terms import Query, Ratio, Selector, Template, TrainingData, Value
from tidegate.evidence.verdict import arms, rules

ERRORS = presets.TEMPLATES["MLServer", "error-ratio"]
SLOW = presets.TEMPLATES["MLServer", "latency-p95"]
NUMBER = Template(name="n", measure=Query(promql="up"))
RATE = presets.TEMPLATES["MLServer", "request-rate"]
POD_RATE = presets.TEMPLATES["MLServer", "pod-request-rate"]
INPUTS = presets.PROBE["feature-drift"]
GAUGE = Template(name="g", measure=Value(series=Selector(metric="memory")))
OWN = Template(name="own", measure=Ratio(bad=Selector(metric="b"), total=Selector(metric="t")))
SHAPE = Shape(edges=(0.1, 0.25, 0.5), decisive=1)
COMPARE = model.Compare()
Limits = model.Threshold


def config_of(
    *metrics: model.Metric,
    templates: dict[str, Template],
    shapes: dict[str, Shape] | None = None,
    one_pod: bool = False,
    references: dict[str, TrainingData] | None = None,
) -> rules.EvidenceConfig:
    return rules.config_of(
        build.analysis(*metrics),
        templates=templates,
        shapes=shapes or {},
        traffic=model.Traffic(provider=model.Provider.GATEWAY_API),
        one_pod=one_pod,
        references=references,
    )


@pytest.mark.parametrize(
    ("template", "threshold", "limit"),
    [
        (ERRORS, Limits(max=0.01), 0.01),
        (ERRORS, Limits(), None),
        (OWN, Limits(min=0.9), 0.1),  # of those that are not right
        (SLOW, Limits(max=0.3), 0.05),
        (SLOW, Limits(), None),
        (NUMBER, Limits(max=3), None),
        (GAUGE, Limits(min=1, max=3), None),
    ],
)
def test_a_threshold_becomes_a_rate_of_bad_events(
    template: Template, threshold: model.Threshold, limit: float | None
) -> None:
    one = build.metric("m", threshold=threshold, compare=COMPARE)
    (rule,) = config_of(one, templates={"m": template}, shapes={"m": SHAPE}).metrics

    assert rule.limit == (None if limit is None else pytest.approx(limit))
    assert rule.complement is (template is OWN and threshold.min is not None)
    assert rule.scalar is (template in {NUMBER, GAUGE})
    assert (rule.compare is None) is rule.scalar


@pytest.mark.parametrize(
    ("tolerance", "one_pod", "theta0"),
    [(None, False, 1.1), (None, True, 1.25), (0.5, False, 1.5), (0.05, True, 1.05)],
)
def test_one_pod_may_sit_on_a_slower_node(
    tolerance: float | None,
    one_pod: bool,  # noqa: FBT001
    theta0: float,
) -> None:
    compare = model.Compare(tolerance=tolerance, margin=0.4, tolerance_absolute=0.01)
    one = build.metric("m", compare=compare)
    (rule,) = config_of(one, templates={"m": ERRORS}, one_pod=one_pod).metrics

    assert rule.compare is not None
    assert rule.compare.theta0 == pytest.approx(theta0)
    assert rule.compare.theta0_promote == pytest.approx(1.4)
    assert rule.compare.excess_promote == 0.01


def test_a_latency_has_its_share_of_the_error_budget_before_its_edges_are_known() -> None:
    metrics = (
        build.metric("errors", compare=COMPARE),
        build.metric("slow", threshold=Limits(), compare=COMPARE),
        build.metric("shown", compare=COMPARE, dry_run=True),
    )
    templates = {"errors": ERRORS, "slow": SLOW, "shown": ERRORS}
    before = config_of(*metrics, templates=templates)
    after = config_of(*metrics, templates=templates, shapes={"slow": SHAPE})

    assert before.log_rollback == after.log_rollback == pytest.approx(math.log(3 / 0.01))
    assert [rule.edges for rule in after.metrics] == [(), SHAPE.edges, ()]
    assert [rule.guard for rule in after.metrics] == [True, True, False]


@pytest.mark.parametrize(
    ("template", "fields", "pace"),
    [
        (RATE, {"compare": COMPARE}, Pace(tolerated=0.8, promoted=0.8)),
        (
            RATE,
            {"compare": model.Compare(tolerance=1.0, margin=0.6), "threshold": Limits(min=50)},
            Pace(least=50, tolerated=0.5, promoted=0.625),
        ),
        (POD_RATE, {"threshold": Limits(min=3), "compare": None}, Pace(least=3, per_pod=True)),
    ],
)
def test_a_request_rate_has_a_limit_and_a_share_of_what_is_due(
    template: Template, fields: dict[str, object], pace: Pace
) -> None:
    one = build.metric("m", **{"threshold": Limits(), **fields})
    (rule,) = config_of(one, templates={"m": template}).metrics

    assert rule.pace == pace
    assert (rule.compare, rule.limit, rule.scalar, rule.tests) == (None, None, False, 1)


def test_a_metric_without_a_template_is_left_out() -> None:
    found = config_of(build.metric("a"), build.metric("b"), templates={"b": ERRORS})

    assert [rule.name for rule in found.metrics] == ["b"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("own", "slow", "errors"), "errors"),  # a preset counts all requests, a template may not
        (("slow", "own"), "own"),
        (("slow", "number"), "slow"),
        (("rate", "number"), "rate"),
        (("rate", "own"), "own"),
        (("number",), rules.REQUESTS),
        ((), rules.REQUESTS),
    ],
)
def test_requests_are_counted_by_the_metric_that_sees_them_all(
    names: tuple[str, ...], expected: str
) -> None:
    known = {"own": OWN, "slow": SLOW, "errors": ERRORS, "number": NUMBER, "rate": RATE}
    metrics = {
        name: build.metric(name, preset="p" if name in {"slow", "errors"} else "") for name in names
    }
    for order in (names, names[::-1]):
        analysis = build.analysis(build.metric("unread"), *(metrics[name] for name in order))
        assert rules.requests_from(analysis, templates=known) == expected


@pytest.mark.parametrize(
    ("template", "fields", "path", "text"),
    [
        (ERRORS, {"threshold": Limits(min=0.1, max=0.2)}, ".threshold", "one limit"),
        (ERRORS, {"threshold": Limits(max=0)}, ".threshold.max", "between 0 and 1"),
        (ERRORS, {"threshold": Limits(min=1)}, ".threshold.min", "between 0 and 1"),
        (SLOW, {"threshold": Limits(min=0.1)}, ".threshold.min", "upper limit only"),
        (NUMBER, {"compare": COMPARE}, ".compare", "not compared"),
        (
            RATE,
            {"threshold": Limits(min=1, max=9)},
            ".threshold.max",
            "set threshold.min, remove max",
        ),
        (POD_RATE, {"threshold": Limits(min=0)}, ".threshold.min", "above 0 requests/s"),
        (RATE, {"threshold": Limits()}, ".threshold", "needs threshold.min or compare"),
        (GAUGE, {"threshold": Limits()}, ".threshold", "needs threshold.min or threshold.max"),
        (ERRORS, {"drift": model.Drift()}, ".drift", "only a distribution drifts"),
        (NUMBER, {"drift": model.Drift()}, ".drift", "only a distribution drifts"),
        (INPUTS, {"threshold": Limits(max=0.1)}, ".threshold", "by drift alone: remove threshold"),
        (
            INPUTS,
            {"threshold": Limits(), "compare": COMPARE},
            ".compare",
            "by drift alone: remove compare",
        ),
        (
            INPUTS,
            {"threshold": Limits(), "critical": True},
            ".critical",
            "by drift alone: remove critical",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_field(
    template: Template, fields: dict[str, object], path: str, text: str
) -> None:
    one = build.metric("m", **fields)
    (found,) = rules.violations(one, template=template, path="spec.m")

    assert found.path == f"spec.m{path}"
    assert text in found.message


@pytest.mark.parametrize("template", [ERRORS, SLOW, NUMBER, GAUGE])
def test_what_can_be_judged_is_accepted(template: Template) -> None:
    assert list(rules.violations(build.metric("m"), template=template, path="p")) == []


@pytest.mark.parametrize(
    ("drift", "expected"),
    [
        (None, Drift(delta=0.1, margin=0.25)),
        (model.Drift(delta=0.2), Drift(delta=0.2, margin=0.5)),
        (model.Drift(delta=0.01), Drift(delta=0.01, margin=0.1)),
        (model.Drift(delta=0.0), Drift(delta=0.0, margin=0.1)),
        (
            model.Drift(delta=0.2, margin=0.3, at_most=2, ignore=("a",)),
            Drift(delta=0.2, margin=0.3, at_most=2, ignore=("a",)),
        ),
    ],
)
def test_how_far_a_distribution_may_move(drift: model.Drift | None, expected: Drift) -> None:
    one = build.metric("inputs", threshold=Limits(), drift=drift)
    (rule,) = config_of(one, templates={"inputs": INPUTS}).metrics

    assert (rule.drift, rule.tests, rule.counts_bad) == (expected, 1, False)
    assert list(rules.violations(one, template=INPUTS, path="p")) == []
    assert rules.is_counted(INPUTS)
    assert not rules.has_history(INPUTS)


def test_training_data_take_the_place_of_stable_where_asked() -> None:
    training = model.ProfileRef(name="training", key="profile.json")
    asked = build.metric("a", threshold=Limits(), drift=model.Drift(training=training))
    other = build.metric("b", threshold=Limits(), drift=model.Drift())
    data = TrainingData(counts={"amount": {"10": 1.0}})
    read = {"a": data, "b": data}

    def references(read: dict[str, TrainingData]) -> list[TrainingData | None]:
        templates = {"a": INPUTS, "b": INPUTS}
        found = config_of(asked, other, templates=templates, references=read)
        return [rule.drift.reference for rule in found.metrics if rule.drift is not None]

    assert references(read) == [data, None]
    assert references({}) == [rules.NOT_READ, None], "what was not read is not stable"
    limited = arms.by_limits(build.analysis(asked, other))
    assert limited.metrics == (asked,), "nobody needs to serve beside it"


@pytest.mark.parametrize(
    ("on_breach", "dry_run", "guard", "holds"),
    [
        (model.OnBreach.ROLLBACK, False, True, False),
        (model.OnBreach.HOLD, False, True, True),
        (model.OnBreach.ALERT, False, False, False),
        (model.OnBreach.HOLD, True, False, True),
    ],
)
def test_what_a_breach_may_do(
    on_breach: model.OnBreach, *, dry_run: bool, guard: bool, holds: bool
) -> None:
    one = build.metric("m", on_breach=on_breach, dry_run=dry_run)
    (rule,) = config_of(one, templates={"m": ERRORS}).metrics

    assert (rule.guard, rule.holds) == (guard, holds)
