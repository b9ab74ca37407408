from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from evidence_build import IDENTITY

from tidegate.evidence import presets, queries
from tidegate.evidence.model import (
    LabelMatch,
    Latency,
    Operator,
    Query,
    Ratio,
    Selector,
    Template,
    Variable,
)
from tidegate.evidence.substitution import Unsafe

ID = 'namespace="ml",model_deployment="iris",revision=~"5ab1e00001|c0ffee0001"'


def _plan(template: Template, **given: str) -> Mapping[str, str] | Unsafe:
    return queries.plan(
        template, given=given, identity=IDENTITY, range_seconds=360, window_seconds=60
    )


def _matching(operator: Operator, *values: str, label: str = "code") -> Selector:
    return Selector(
        metric="m_total", matches=(LabelMatch(label=label, operator=operator, values=values),)
    )


def test_a_ratio_asks_for_raw_samples_of_both_revisions() -> None:
    assert _plan(presets.TEMPLATES["MLServer", "error-ratio"]) == {
        "total": f'rest_server_requests_total{{{ID},path=~".*/infer"}}[360s]',
        "bad": f'rest_server_requests_total{{{ID},path=~".*/infer",status_code=~"5.."}}[360s]',
    }


def test_a_latency_asks_for_its_buckets() -> None:
    assert _plan(presets.TEMPLATES["MLServer", "latency-p95"]) == {
        "buckets": f'rest_server_request_duration_seconds_bucket{{{ID},path=~".*/infer"}}[360s]',
    }


def test_probes_of_a_generic_server_are_left_out() -> None:
    planned = _plan(presets.TEMPLATES["HTTP", "error-ratio"])

    assert isinstance(planned, Mapping)
    assert planned["bad"].startswith(f'http_requests_total{{{ID},path!~"')
    assert planned["bad"].endswith(',code=~"5.."}[360s]')


def test_every_server_has_every_preset() -> None:
    wanted = {(server, metric) for server in presets.SERVERS for metric in presets.METRICS}

    assert presets.TEMPLATES.keys() == wanted
    quantiles = {
        template.name: template.measure.quantile
        for template in presets.TEMPLATES.values()
        if isinstance(template.measure, Latency)
    }
    assert quantiles == {"latency-p50": 0.5, "latency-p95": 0.95, "latency-p99": 0.99}


def test_without_a_stable_revision_only_the_candidate_is_asked_for() -> None:
    text = queries.selector(
        Selector(metric="m"),
        variables={},
        identity=replace(IDENTITY, stable=""),
        range_seconds=60,
    )

    assert text == 'm{namespace="ml",model_deployment="iris",revision=~"c0ffee0001"}[60s]'


@pytest.mark.parametrize(
    ("operator", "values", "matcher"),
    [
        (Operator.IN, ("a.b", "c"), 'code=~"a\\\\.b|c"'),
        (Operator.NOT_IN, ("a",), 'code!~"a"'),
        (Operator.MATCHES, ("5..", "4.."), 'code=~"5..|4.."'),
        (Operator.NOT_MATCHES, ('x"y',), 'code!~"x\\"y"'),
        (Operator.MATCHES, ("${v|regex}",), 'code=~"1\\\\.5"'),
        (Operator.IN, ("${name}",), 'code=~"iris"'),
    ],
)
def test_matchers_are_escaped(operator: Operator, values: tuple[str, ...], matcher: str) -> None:
    text = queries.selector(
        _matching(operator, *values), variables={"v": "1.5"}, identity=IDENTITY, range_seconds=1
    )

    assert text == f"m_total{{{ID},{matcher}}}[1s]"


@pytest.mark.parametrize(
    ("case", "wanted", "message"),
    [
        ("metric name", Selector(metric='m{a="'), "no metric name"),
        ("label name", _matching(Operator.IN, "a", label="a-b"), "no label name"),
        ("identity", _matching(Operator.IN, "x", label="namespace"), "set by the operator"),
        ("le", _matching(Operator.IN, "0.5", label="le"), "set by the operator"),
        ("no values", _matching(Operator.IN), "needs a value"),
        ("unknown variable", _matching(Operator.IN, "${x}"), "unknown variable"),
    ],
)
def test_a_selector_that_cannot_be_asked_says_why(
    case: str, wanted: Selector, message: str
) -> None:
    planned = _plan(Template(name="t", measure=Ratio(bad=wanted, total=Selector(metric="m"))))

    assert isinstance(planned, Unsafe), case
    assert message in planned.message


def _free(promql: str, **given: str) -> Mapping[str, str] | Unsafe:
    variables = tuple(Variable(name=name) for name in given)
    return _plan(Template(name="t", measure=Query(promql=promql), variables=variables), **given)


def test_a_query_that_tells_revisions_apart_is_asked_for_both() -> None:
    assert _free('avg(up{revision="${revision}",a="${a}"}[${window}])', a="x") == {
        "candidate": 'avg(up{revision="c0ffee0001",a="x"}[60s])',
        "stable": 'avg(up{revision="5ab1e00001",a="x"}[60s])',
    }


@pytest.mark.parametrize(
    "promql", ["avg(up)", 'up{r="${revision}"} / up{r="${stableRevision}"}', 'up{a="${name}"}']
)
def test_another_query_is_asked_once(promql: str) -> None:
    planned = _free(promql)

    assert isinstance(planned, Mapping)
    assert planned.keys() == {"candidate"}


@pytest.mark.parametrize(
    ("promql", "given"),
    [("u" * 4097, {}), ("up{${name}}", {}), ("up", {"a": "sp ace"})],
    ids=["too long", "unsafe place", "unsafe value"],
)
def test_a_query_that_cannot_be_asked_is_refused(promql: str, given: dict[str, str]) -> None:
    assert isinstance(_free(promql, **given), Unsafe)
