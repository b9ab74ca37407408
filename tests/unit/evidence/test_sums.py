"""What is asked for the watch by limits: few rows, and bad events told apart as in a rollout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import evidence_build as build
import pytest

from tidegate.evidence.queries import presets, promql, sums
from tidegate.evidence.queries.narrowing import Matcher, Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import (
    Identity,
    LabelMatch,
    Latency,
    Operator,
    Query,
    Ratio,
    Selector,
    Series,
    Template,
    Throughput,
    Value,
)

WHO = Identity(namespace="ml", name="iris", candidate=build.STABLE)


def asked(measure: Any, **more: Any) -> Mapping[str, Any]:
    template = Template(name="m", measure=measure, source="default")
    raw = promql.wanted(template, given={}, identity=WHO, window_seconds=60)
    assert not isinstance(raw, Unsafe)
    found = sums.summed(raw, window_seconds=300, **more)
    assert not isinstance(found, Unsafe)
    return found


def text(wanted: object) -> str:
    assert isinstance(wanted, Wanted)
    return wanted.group.text([WHO], range_seconds=0)


def code(pattern: str) -> LabelMatch:
    return LabelMatch(label="code", operator=Operator.MATCHES, values=(pattern,))


TOTAL = Selector(metric="requests_total")
BY_CODE = Ratio(bad=Selector(metric="requests_total", matches=(code("5.."),)), total=TOTAL)


def test_bad_events_are_picked_by_their_label_from_one_query() -> None:
    found = asked(BY_CODE)
    assert isinstance(found[promql.BAD], Narrowing)
    assert "revision, code) (" in text(found[promql.TOTAL])
    assert "[300s]" in text(found[promql.TOTAL])


def test_bad_events_that_have_a_name_of_their_own_get_a_query() -> None:
    total = Selector(metric="good_total", also=("failed_total",))
    found = asked(Ratio(bad=Selector(metric="failed_total", matches=(code("5.."),)), total=total))
    assert (found[promql.BAD].metric, found[promql.BAD].also) == ("failed_total", ())
    assert 'code=~"5.."' in text(found[promql.BAD])
    assert found[promql.LABELS] == Narrowing(matchers=())
    assert (found[promql.TOTAL].metric, found[promql.TOTAL].also) == (
        "failed_total",
        ("good_total",),
    )


def test_a_bad_counter_of_its_own_is_summed_beside_all() -> None:
    found = asked(Ratio(bad=Selector(metric="failed_total"), total=TOTAL))
    assert text(found[promql.BAD]).startswith("sum by (namespace, model_deployment, revision) (")
    assert promql.LABELS not in found


NAMED = Matcher(label="__name__", positive=True, pattern="a")
CODED = Matcher(label="code", positive=True, pattern="5..", also=("status",))


def throughput() -> Mapping[str, Wanted | Narrowing | promql.Free]:
    template = Template(name="m", measure=Throughput(requests=TOTAL), source="default")
    raw = promql.wanted(template, given={}, identity=WHO, window_seconds=60)
    assert not isinstance(raw, Unsafe)
    return raw


def test_what_the_total_must_carry_is_a_label_of_its_rows_and_never_its_name() -> None:
    both = {**throughput(), promql.LABELS: Narrowing(matchers=(NAMED, CODED))}
    found = sums.summed(both, window_seconds=300)
    assert not isinstance(found, Unsafe)
    assert found[promql.LABELS] == Narrowing(matchers=(CODED,))
    total = found[promql.TOTAL]
    assert isinstance(total, Wanted)
    assert total.by == ("code", "status")


def test_a_name_and_alternative_labels_at_once_cannot_be_told() -> None:
    both = {**throughput(), promql.BAD: Narrowing(matchers=(NAMED, CODED))}
    assert isinstance(sums.summed(both, window_seconds=300), Unsafe)


def test_buckets_are_summed_by_their_edge() -> None:
    found = asked(Latency(histogram=Selector(metric="seconds"), quantile=0.9))
    assert "revision, le) (" in text(found[promql.BUCKETS])
    assert "seconds_bucket{" in text(found[promql.BUCKETS])


def test_requests_are_summed_by_pod_where_that_matters() -> None:
    assert asked(Throughput(requests=TOTAL))[promql.TOTAL].by == ()
    assert asked(Throughput(requests=TOTAL, per_pod=True), by_pod=True)[promql.TOTAL].by == ("pod",)


@pytest.mark.parametrize("measure", [Value(series=TOTAL), Query(promql="up")])
def test_what_is_one_number_stays_as_it_is(measure: Value | Query) -> None:
    template = Template(name="m", measure=measure, source="default")
    raw = promql.wanted(template, given={}, identity=WHO, window_seconds=60)
    assert not isinstance(raw, Unsafe)
    assert sums.summed(raw, window_seconds=300) == raw


@pytest.mark.parametrize("whose", sorted({name for name, _ in presets.TEMPLATES}))
def test_every_preset_can_be_summed(whose: str) -> None:
    own = [one for (name, _), one in presets.TEMPLATES.items() if name == whose]
    assert own
    for template in own:
        per_pod = isinstance(template.measure, Throughput) and template.measure.per_pod
        for role, one in asked(template.measure, by_pod=per_pod).items():
            if isinstance(one, Wanted):
                assert "__name__" not in one.by, (template.name, role)
                assert "rate(" in text(one), (template.name, role)


def test_rows_of_any_answer_add_up() -> None:
    numbers = sums.rows({build.STABLE: 2.0}, at=5.0)
    assert numbers == (Series(labels={"revision": build.STABLE}, samples=((5.0, 2.0),)),)
    empty = Series(labels={"code": "200"}, samples=())
    assert sums.total((*sums.rows(numbers, at=5.0), empty)) == 2.0
    assert sums.total((empty,)) is None
    assert sums.total(()) is None
