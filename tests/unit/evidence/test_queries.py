from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest
from evidence_build import IDENTITY
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.narrowing import Matcher, Narrowing
from tidegate.evidence.queries.promql import Free, Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import (
    Aggregate,
    Identity,
    LabelMatch,
    Latency,
    Operator,
    Query,
    Ratio,
    Selector,
    Template,
    Throughput,
    Value,
    Variable,
)
from tidegate.model import IdentityMode

ID = 'namespace=~"ml",model_deployment=~"iris",revision=~"5ab1e00001|c0ffee0001"'


def _asked(template: Template, **given: str) -> Mapping[str, Wanted | Narrowing | Free]:
    found = promql.wanted(template, given=given, identity=IDENTITY, window_seconds=60)
    assert not isinstance(found, Unsafe), found
    return found


def _text(template: Template, role: str, **given: str) -> str:
    found = _asked(template, **given)[role]
    assert isinstance(found, Wanted)
    return found.group.text([found.identity], range_seconds=360)


def _matching(operator: Operator, *values: str, label: str = "code") -> LabelMatch:
    return LabelMatch(label=label, operator=operator, values=values)


def _ratio(bad: Selector, total: Selector) -> Template:
    return Template(name="t", measure=Ratio(bad=bad, total=total), source="default")


def _buckets(*matches: LabelMatch, **defaults: str) -> Template:
    return Template(
        name="t",
        measure=Latency(histogram=Selector(metric="m", matches=matches), quantile=0.5),
        variables=tuple(Variable(name=key, default=it) for key, it in defaults.items()),
    )


MLSERVER_PATHS = 'path=~".*/(infer|generate)(_stream)?|/invocations"'


def test_a_ratio_is_one_query_whose_bad_series_are_picked_here() -> None:
    template = presets.TEMPLATES["MLServer", "error-ratio"]
    bad = _asked(template)["bad"]

    assert _text(template, "total") == (
        f"rest_server_requests_total{{{ID},{MLSERVER_PATHS}}}[360s]"
    )
    assert isinstance(bad, Narrowing)
    assert bad.matchers == (Matcher(label="status_code", positive=True, pattern="5.."),)


def test_a_latency_asks_for_its_buckets() -> None:
    text = _text(presets.TEMPLATES["MLServer", "latency-p95"], "buckets")

    assert text == f"rest_server_request_duration_seconds_bucket{{{ID},{MLSERVER_PATHS}}}[360s]"


_TOTAL = Selector(metric="m", matches=(_matching(Operator.NOT_MATCHES, "/health", label="path"),))


@pytest.mark.parametrize(
    ("case", "bad"),
    [
        ("another metric", replace(_TOTAL, metric="n")),
        ("more metrics", replace(_TOTAL, also=("n",))),
        ("not a condition of the total", replace(_TOTAL, matches=())),
        (
            "a pattern that Python may read otherwise",
            replace(_TOTAL, matches=(*_TOTAL.matches, _matching(Operator.MATCHES, r"\pN"))),
        ),
    ],
)
def test_where_only_the_source_can_tell_the_bad_series_are_asked_for(
    case: str, bad: Selector
) -> None:
    found = _asked(_ratio(bad, _TOTAL))

    assert isinstance(found["bad"], Wanted), case


def test_metrics_that_are_counted_together_are_asked_for_by_their_exact_names() -> None:
    total = Selector(metric="success", also=("failure",))
    template = _ratio(Selector(metric="failure"), total)
    bad = _asked(template)["bad"]

    found = _asked(template)["total"]
    assert isinstance(found, Wanted)
    group = found.group
    assert _text(template, "total") == f'{{{ID},__name__=~"failure|success"}}[360s]'  # for people
    texts = [group.text([IDENTITY], metric=it, range_seconds=360) for it in group.metrics]
    assert texts == [f"failure{{{ID}}}[360s]", f"success{{{ID}}}[360s]"]
    assert isinstance(bad, Narrowing)
    assert bad.matchers == (Matcher(label="__name__", positive=True, pattern="failure"),)


def test_a_throughput_asks_for_all_requests_alone() -> None:
    template = Template(name="t", measure=Throughput(requests=Selector(metric="served")))

    assert set(_asked(template)) == {"total"}
    assert _text(template, "total") == f"served{{{ID}}}[360s]"


def test_a_variable_that_is_missing_is_no_throughput() -> None:
    served = Selector(
        metric="served",
        matches=(LabelMatch(label="path", operator=Operator.IN, values=("${path}",)),),
    )
    template = Template(name="t", measure=Throughput(requests=served))
    found = promql.wanted(template, given={}, identity=IDENTITY, window_seconds=60)

    assert isinstance(found, Unsafe)


def test_without_a_stable_revision_only_the_candidate_is_asked_for() -> None:
    alone = replace(IDENTITY, stable="")
    found = promql.wanted(_buckets(), given={}, identity=alone, window_seconds=60)

    assert isinstance(found, Mapping)
    wanted = found["buckets"]
    assert isinstance(wanted, Wanted)
    assert 'revision=~"c0ffee0001"}' in wanted.group.text([alone], range_seconds=1)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Value(series=Selector(metric="m")), "avg by ({by}) (m{{{id}}})"),
        (
            Value(series=Selector(metric="m"), aggregate=Aggregate.MAX, counter=True),
            "max by ({by}) (rate(m{{{id}}}[60s]))",
        ),
    ],
)
def test_a_value_is_a_number_per_revision(value: Value, text: str) -> None:
    template = Template(name="t", measure=value, mode=IdentityMode.GATEWAY)

    assert _text(template, "number") == text.format(
        id=ID, by="namespace, model_deployment, revision"
    )


_BY_POD_LABEL = (
    'namespace=~"ml",tidegate_dev_model_deployment=~"iris",'
    'tidegate_dev_revision=~"5ab1e00001|c0ffee0001"'
)
_BY_POD = 'namespace=~"ml",pod=~"(iris-5ab1e00001|iris-c0ffee0001)-[0-9a-z]+-[0-9a-z]{5}"'
_POD = '"(.+)-([^-]+)-[0-9a-z]+-[0-9a-z]{5}"'
_OF_POD = f', "model_deployment", "$1", "pod", {_POD}), "revision", "$2", "pod", {_POD})'
_OWN = f'pod=~"|{_POD[1:]}'
_RENAMED = (
    "label_replace(label_replace(m{{{id},{own}}}, "
    '"model_deployment", "$1", "tidegate_dev_model_deployment", "(.+)"), '
    '"revision", "$1", "tidegate_dev_revision", "(.+)")'
)


@pytest.mark.parametrize(
    ("mode", "matchers", "series"),
    [
        (IdentityMode.LABEL, ID, f"label_replace(label_replace(m{{{ID},{_OWN}}}{_OF_POD}"),
        (
            IdentityMode.POD_LABEL,
            _BY_POD_LABEL,
            f"label_replace(label_replace({_RENAMED}",
        ),
        (
            IdentityMode.POD,
            _BY_POD,
            "label_replace(label_replace(m{{{id}}}",
        ),
    ],
)
def test_each_identity_gives_one_number_per_revision(
    mode: IdentityMode, matchers: str, series: str
) -> None:
    template = Template(name="t", measure=Value(series=Selector(metric="m")), mode=mode)
    inner = series if mode is IdentityMode.LABEL else series.format(id=matchers, own=_OWN) + _OF_POD

    assert _text(template, "number") == (
        f"avg by (namespace, model_deployment, revision) ({inner})"
    )


@pytest.mark.parametrize(
    ("mode", "matchers"),
    [
        (IdentityMode.LABEL, ID),
        (IdentityMode.GATEWAY, ID),
        (
            IdentityMode.POD_LABEL,
            _BY_POD_LABEL,
        ),
        (
            IdentityMode.POD,
            _BY_POD,
        ),
    ],
)
def test_raw_samples_are_asked_for_by_the_labels_that_the_source_has(
    mode: IdentityMode, matchers: str
) -> None:
    measure = Latency(histogram=Selector(metric="m"), quantile=0.95)
    template = Template(name="t", measure=measure, mode=mode)

    assert _text(template, "buckets") == f"m_bucket{{{matchers}}}[360s]"


def test_rollouts_whose_source_has_other_labels_share_no_query() -> None:
    def group(mode: IdentityMode) -> object:
        template = replace(_buckets(), mode=mode)
        found = promql.wanted(template, given={}, identity=IDENTITY, window_seconds=60)
        assert isinstance(found, Mapping)
        wanted = found["buckets"]
        assert isinstance(wanted, Wanted)
        return wanted.group

    assert len({group(mode) for mode in IdentityMode}) == len(IdentityMode)


def test_the_scale_and_a_gauge_s_window_do_not_split_a_group() -> None:
    def group(seconds: int, scale: float) -> object:
        template = Template(name="t", measure=Value(series=Selector(metric="m"), scale=scale))
        found = promql.wanted(template, given={}, identity=IDENTITY, window_seconds=seconds)
        assert isinstance(found, Mapping)
        wanted = found["number"]
        assert isinstance(wanted, Wanted)
        assert wanted.scale == scale
        return wanted.group

    assert group(60, 1.0) == group(300, 100.0)


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
    template = _buckets(_matching(operator, *values), v="1.5")

    assert _text(template, "buckets") == f"m_bucket{{{ID},{matcher}}}[360s]"


def test_the_order_of_conditions_does_not_split_a_group() -> None:
    one, two = _matching(Operator.IN, "1"), _matching(Operator.IN, "2", label="path")

    assert _asked(_buckets(one, two)) == _asked(_buckets(two, one))


_STRING = r'"(?:[^"\\\n]|\\.)*"'
_WHOLE = re.compile(
    rf"[A-Za-z_:][A-Za-z0-9_:]*\{{[a-z_]+=~{_STRING}(?:,[a-z_]+[=!]~{_STRING})*\}}\[\d+s\]"
)


@given(
    value=st.text(max_size=40) | st.sampled_from(['"}', '\\"} or up{a="', "\\", "\n", "a|.*"]),
    names=st.lists(st.text(min_size=1, max_size=10), min_size=4, max_size=4),
)
def test_no_value_and_no_name_breaks_out_of_the_query(value: str, names: list[str]) -> None:
    namespace, name, candidate, stable = names
    who = Identity(namespace=namespace, name=name, candidate=candidate, stable=stable)
    template = replace(
        _buckets(_matching(Operator.IN, "${v}")), variables=(Variable(name="v", pattern=r"[^\0]*"),)
    )
    found = promql.wanted(template, given={"v": value}, identity=who, window_seconds=60)

    if isinstance(found, Unsafe):
        return
    wanted = found["buckets"]
    assert isinstance(wanted, Wanted)
    text = wanted.group.text([who, IDENTITY], range_seconds=60)
    assert _WHOLE.fullmatch(text), text
    assert set(re.findall(rf"([a-z_]+)[=!]~{_STRING}", text)) == {
        "namespace",
        "model_deployment",
        "revision",
        "code",
    }


@pytest.mark.parametrize(
    ("case", "bad", "message"),
    [
        ("metric name", Selector(metric='m{a="'), "no metric name"),
        ("another metric name", Selector(metric="m", also=("a|b",)), "no metric name"),
        ("label name", _matching(Operator.IN, "a", label="a-b"), "no label name"),
        ("identity", _matching(Operator.IN, "x", label="namespace"), "set by the operator"),
        ("le", _matching(Operator.IN, "0.5", label="le"), "set by the operator"),
        ("no values", _matching(Operator.IN), "needs a value"),
        ("unknown variable", _matching(Operator.IN, "${x}"), "unknown variable"),
    ],
)
def test_a_selector_that_cannot_be_asked_says_why(
    case: str, bad: Selector | LabelMatch, message: str
) -> None:
    selector = bad if isinstance(bad, Selector) else Selector(metric="m", matches=(bad,))
    good = Selector(metric="m")
    measures = (
        Ratio(bad=selector, total=good),
        Ratio(bad=good, total=selector),
        Latency(histogram=selector, quantile=0.5),
        Value(series=selector),
    )
    for measure in measures:
        found = promql.wanted(
            Template(name="t", measure=measure), given={}, identity=IDENTITY, window_seconds=60
        )
        assert isinstance(found, Unsafe), case
        assert message in found.message


def _free(text: str, **given: str) -> Mapping[str, object] | Unsafe:
    template = Template(
        name="t",
        measure=Query(promql=text),
        source="default",
        variables=tuple(Variable(name=name) for name in given),
    )
    return promql.wanted(template, given=given, identity=IDENTITY, window_seconds=60)


def test_a_query_that_tells_revisions_apart_is_asked_for_both() -> None:
    assert _free('avg(up{revision="${revision}",a="${a}"}[${window}])', a="x") == {
        "candidate": Free(
            source="default",
            promql='avg(up{revision="c0ffee0001",a="x"}[60s])',
            namespace="ml",
        ),
        "stable": Free(
            source="default",
            promql='avg(up{revision="5ab1e00001",a="x"}[60s])',
            namespace="ml",
        ),
    }


@pytest.mark.parametrize(
    "promql", ["avg(up)", 'up{r="${revision}"} / up{r="${stableRevision}"}', 'up{a="${name}"}']
)
def test_another_query_is_asked_once(promql: str) -> None:
    found = _free(promql)

    assert isinstance(found, Mapping)
    assert found.keys() == {"candidate"}


@pytest.mark.parametrize(
    ("promql", "given"),
    [("u" * 4097, {}), ("up{${name}}", {}), ("up", {"a": "sp ace"})],
    ids=["too long", "unsafe place", "unsafe value"],
)
def test_a_query_that_cannot_be_asked_is_refused(promql: str, given: dict[str, str]) -> None:
    assert isinstance(_free(promql, **given), Unsafe)
