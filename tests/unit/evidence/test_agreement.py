"""The metric of a shadow whose answers are held against those of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import evidence_build as build
import pytest
from evidence_rows import counts, table

from tidegate import model
from tidegate.controller.analysis.pieces import Asked, asked_by
from tidegate.evidence.counts import readings
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import (
    Identity,
    Problem,
    Query,
    Ratio,
    Reason,
    Selector,
    Template,
)
from tidegate.evidence.verdict import agreement, rules
from tidegate.evidence.verdict.templates import alone, resolve_templates

IDENTITY = Identity(namespace="ml", name="iris", candidate="8b1c22e9d4", stable="6d9f7c01ab")
REFERENCE = model.TemplateRef(kind="MetricTemplate", name="pairs")
OWN = Template(
    name="pairs",
    measure=Ratio(bad=Selector(metric="differs_total"), total=Selector(metric="compared_total")),
    source="other",
)
FREE = Template(name="pairs", measure=Query(promql="1"), cluster=True)
STABLE, HUMAN = model.Reference.STABLE, model.Reference.HUMAN


def asked(
    reference: model.Reference = STABLE, *, template: model.TemplateRef | None = None
) -> model.Agreement:
    return model.Agreement(
        template=template,
        reference=reference,
        threshold=model.Threshold(min=0.98),
        min_pairs=5000,
    )


def shadowed(wanted: model.Agreement, *metrics: model.Metric) -> model.Spec:
    spec = build.spec(build.analysis(build.metric("first"), *metrics))
    shadow = model.Shadow(
        mirror=model.Mirror(percent=20.0, seconds=60.0),
        deadline_seconds=600.0,
        min_requests=100,
        then=model.Then.PROMOTE,
        agreement=wanted,
    )
    return replace(spec, shadow=shadow)


def resolved(
    spec: model.Spec, found: Template | None = None
) -> Mapping[str, Template] | tuple[model.Violation, ...]:
    return resolve_templates(spec, find=lambda _: found, sources={"default": False, "other": False})


def beside(
    wanted: model.Agreement | None,
    *metrics: model.Metric,
    templates: Mapping[str, Template] | None = None,
    since: datetime | None = None,
) -> tuple[model.Analysis, Mapping[str, Template]]:
    analysis = build.analysis(build.metric("first"), *metrics)
    return agreement.beside(wanted, since=since, analysis=analysis, templates=templates or {})


def queries(found: Asked | Problem) -> dict[str, str]:
    assert not isinstance(found, Problem)
    return {
        role: one.group.series([one.identity])
        for role, one in found.items()
        if isinstance(one, Wanted)
    }


@pytest.mark.parametrize(("reference", "other"), [(STABLE, "6d9f7c01ab"), (HUMAN, "Human")])
def test_pairs_are_asked_by_the_names_that_the_comparer_gives(
    reference: model.Reference, other: str
) -> None:
    analysis, templates = beside(asked(reference))
    metric = analysis.metrics[-1]
    found = asked_by(metric, template=templates[agreement.NAME], identity=IDENTITY)
    assert queries(found) == {
        "total": 'tidegate_comparer_pairs_total{namespace=~"ml",model_deployment=~"iris",'
        f'revision=~"6d9f7c01ab|8b1c22e9d4",reference=~"{other}"}}'
    }
    assert templates[agreement.NAME].source == "default"


@pytest.mark.parametrize(
    ("wanted", "counted"),
    [
        (asked(HUMAN), True),
        (asked(STABLE), False),  # copies are answered at once
        (asked(template=REFERENCE), False),
    ],
)
def test_labels_count_for_predictions_made_in_the_shadow(
    wanted: model.Agreement, *, counted: bool
) -> None:
    _, templates = beside(
        wanted,
        templates={agreement.NAME: OWN},
        since=datetime(2026, 11, 30, 7, 20, tzinfo=UTC),
    )
    found = asked_by(
        agreement.metric_of(wanted), template=templates[agreement.NAME], identity=IDENTITY
    )
    for text in queries(found).values():
        assert ('cohort=~"2026-11-30T08Z|' in text) == counted, text


def test_the_limit_is_one_of_agreement_and_a_few_pairs_prove_nothing() -> None:
    analysis, templates = beside(asked())
    config = rules.config_of(
        analysis,
        templates=templates,
        shapes={},
        traffic=build.spec(analysis).traffic,
        one_pod=False,
    )
    rule = config.metrics[-1]
    assert (rule.limit, rule.compare, rule.min_samples) == (pytest.approx(0.02), None, 5000)
    assert (rule.guard, rule.events) == (True, "pairs")


def test_without_an_agreement_nothing_is_added() -> None:
    analysis, templates = beside(None)
    assert ([one.name for one in analysis.metrics], templates) == (["first"], {})


def test_pairs_are_no_requests() -> None:
    """A shadow that is judged by its latency alone counts requests by that."""
    latency = build.metric("slow", preset="", threshold=model.Threshold(max=0.5))
    analysis = build.analysis(latency)
    analysis, templates = agreement.beside(asked(), since=None, analysis=analysis, templates={})
    assert rules.requests_from(analysis, templates=templates) == rules.REQUESTS


def test_a_template_that_is_gone_is_waited_for() -> None:
    analysis, templates = beside(asked(template=REFERENCE))
    found = asked_by(analysis.metrics[-1], template=templates[agreement.NAME], identity=IDENTITY)
    assert isinstance(found, Problem)
    assert found.reason is Reason.NO_DATA
    assert "MetricTemplate 'pairs'" in found.message


def test_a_metric_of_the_same_name_gives_way() -> None:
    analysis, _ = beside(asked(), build.metric(agreement.NAME))
    assert [(one.name, one.pairs) for one in analysis.metrics] == [
        ("first", False),
        (agreement.NAME, True),
    ]


@pytest.mark.parametrize(
    ("wanted", "found", "source"),
    [(asked(), None, "default"), (asked(template=REFERENCE), OWN, "other")],
)
def test_what_reads_the_pairs_is_told_by_whoever_counts_them(
    wanted: model.Agreement, found: Template | None, source: str
) -> None:
    templates = resolved(shadowed(wanted), found)
    assert isinstance(templates, Mapping)
    template = templates[agreement.NAME]
    assert (template.mode, template.source) == (model.IdentityMode.GATEWAY, source)


@pytest.mark.parametrize(
    ("spec", "found", "path", "says"),
    [
        (shadowed(asked(template=REFERENCE)), None, f"{agreement.PATH}.templateRef", "not exist"),
        (shadowed(asked(template=REFERENCE)), FREE, f"{agreement.PATH}.templateRef", "type Ratio"),
        (shadowed(asked(), build.metric(agreement.NAME)), None, agreement.PATH, "rename"),
        (
            shadowed(replace(asked(template=REFERENCE), threshold=model.Threshold(min=1.0))),
            OWN,
            f"{agreement.PATH}.threshold.min",
            "between 0 and 1",
        ),
        (
            shadowed(
                replace(asked(template=REFERENCE), threshold=model.Threshold(min=0.1, max=0.2))
            ),
            OWN,
            f"{agreement.PATH}.threshold",
            "one limit",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_with_the_field(
    spec: model.Spec, found: Template | None, path: str, says: str
) -> None:
    violations = resolved(spec, found)
    assert isinstance(violations, tuple)
    assert [one.path for one in violations] == [path]
    assert says in violations[0].message


def test_trouble_with_pairs_is_not_that_of_another_metric() -> None:
    spec = shadowed(asked(template=REFERENCE))
    templates = resolved(alone(spec, spec.analysis.metrics[0]))
    assert isinstance(templates, Mapping)
    assert templates.keys() == {"first"}
    plain = replace(spec, shadow=None)
    assert alone(plain, plain.analysis.metrics[0]).shadow is None


@pytest.mark.parametrize(
    ("pairs", "says"), [(True, "no pair of answers"), (False, "the candidate got no requests")]
)
def test_silence_of_pairs_is_told_in_their_words(*, pairs: bool, says: str) -> None:
    found = readings.silence(
        table(counts(0, 0, 10, 0)),
        metric="error-ratio",
        step=0,
        since=0.0,
        seconds=60.0,
        asked="it",
        pairs=pairs,
    )
    assert found is not None
    assert found.reason is Reason.NO_DATA
    assert found.message.startswith(says)
