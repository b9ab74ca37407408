"""The watch by limits before a metric source: what it asks, what it makes of answers, and of none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from watch_bench import Bench, metric, run, served, template

from tidegate import model
from tidegate.controller.watch import limits
from tidegate.evidence.drift import (  # SciPy, loaded before a look has to be in time
    moves as _moves,  # noqa: F401
)
from tidegate.evidence.terms import (
    LabelMatch,
    Latency,
    Operator,
    Query,
    Ratio,
    Selector,
    Template,
    Throughput,
    Value,
)
from tidegate.model import Outcome

TOTAL = Selector(metric="requests_total")
FAILED = LabelMatch(label="code", operator=Operator.MATCHES, values=("5..",))
BY_CODE = Ratio(bad=replace(TOTAL, matches=(FAILED,)), total=TOTAL)
OWN = Ratio(bad=Selector(metric="failed_total"), total=TOTAL)
SPARSE = replace(OWN, sparse=True)
LATENCY = Latency(histogram=Selector(metric="seconds"), quantile=0.9)
SPEED = Throughput(requests=TOTAL)
BY_POD = Throughput(requests=TOTAL, per_pod=True)
GAUGE = Value(series=Selector(metric="queue_depth"))
FREE = Query(promql="sum(up)")

Sums = Callable[[str], Sequence[tuple[Mapping[str, str], float]]]


def bench_of(measure: Any, sums: Sums, **more: Any) -> Bench:
    fields = {"threshold": model.Threshold(max=0.05), "preset": "", "query": "q", **more}
    limited = model.Metric(name="limited", **fields)
    read = Template(
        name="limited", measure=measure, source="default", mode=model.IdentityMode.LABEL
    )
    bench = Bench(served(metrics=(limited,), templates={"limited": read}, references={}))
    bench.source.sums = sums
    return bench


def codes(good: float, bad: float) -> Sums:
    return lambda _: [({"code": "200"}, good), ({"code": "503"}, bad)]


def two(total: float, bad: float | None) -> Sums:
    def answer(promql: str) -> Sequence[tuple[Mapping[str, str], float]]:
        if "failed_total" in promql:
            return [({}, bad)] if bad is not None else []
        return [({}, total)]

    return answer


def edges(*rates: float) -> Sums:
    return lambda _: [
        ({"le": le}, rate) for le, rate in zip(("0.1", "0.5", "1", "+Inf"), rates, strict=True)
    ]


def pods(*rates: float) -> Sums:
    return lambda _: [({"pod": f"p{index}"}, rate) for index, rate in enumerate(rates)]


LEAST = model.Threshold(min=5.0)
MOST = model.Threshold(max=0.5)

CASES = [
    ("codes", BY_CODE, codes(9.0, 1.0), {}, "SloBreach", 0.1),
    ("two counters", OWN, two(10.0, 1.0), {}, "SloBreach", 0.1),
    ("more bad than all", OWN, two(10.0, 11.0), {}, "SloBreach", 1.0),
    ("latency", LATENCY, edges(5.0, 7.0, 9.0, 10.0), {"threshold": MOST}, "SloBreach", 1.0),
    ("speed", SPEED, pods(3.0), {"threshold": LEAST}, "SloBreach", 3.0),
    ("silence", SPEED, pods(0.0), {"threshold": LEAST}, "SloBreach", 0.0),
    ("speed by pod", BY_POD, pods(6.0, 2.0), {"threshold": LEAST}, "SloBreach", 4.0),
    ("gauge", GAUGE, lambda _: [({}, 0.7)], {"threshold": MOST}, "Limit", 0.7),
    ("query", FREE, lambda _: [({}, 0.7)], {"threshold": MOST}, "Limit", 0.7),
]


@pytest.mark.parametrize(
    ("measure", "sums", "more", "reason", "value"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_breach_is_told_with_its_numbers(
    measure: Any, sums: Sums, more: dict[str, Any], reason: str, value: float
) -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=7)
        assert (row.outcome, row.reason) == (Outcome.FAIL, reason), row
        assert row.against is model.Against.THRESHOLD
        assert row.value == pytest.approx(value)
        assert row.threshold == more.get("threshold", model.Threshold(max=0.05))

    run(scenario, bench_of(measure, sums, **more))


@pytest.mark.parametrize(
    ("measure", "sums", "more"),
    [
        (BY_CODE, lambda _: [({"code": "200"}, 10.0)], {}),
        (SPARSE, two(10.0, None), {}),
        (LATENCY, edges(5.0, 9.5, 10.0, 10.0), {"threshold": MOST}),
        (BY_POD, pods(6.0, 5.0), {"threshold": LEAST}),
        (GAUGE, lambda _: [({}, 0.5)], {"threshold": MOST}),
    ],
    ids=["no bad code", "sparse", "latency", "speed by pod", "gauge"],
)
def test_what_is_within_its_limits_is_sound(measure: Any, sums: Sums, more: dict[str, Any]) -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=13)
        assert (row.outcome, row.reason) == (Outcome.PASS, "NoHarmFound"), row

    run(scenario, bench_of(measure, sums, **more))


@pytest.mark.parametrize(
    ("measure", "sums", "more", "reason", "says"),
    [
        (BY_CODE, lambda _: [], {}, "NoData", "nothing was counted"),
        (BY_CODE, codes(0.0, 0.0), {}, "NoData", "nothing was counted"),
        (BY_CODE, lambda _: [({}, 10.0)], {}, "Error", "have no label code"),
        (OWN, two(10.0, None), {}, "NoData", "failed_total"),
        (LATENCY, lambda _: [], {"threshold": MOST}, "NoData", "nothing was counted"),
        (LATENCY, edges(0.0, 0.0, 0.0, 0.0), {"threshold": MOST}, "NoData", "nothing"),
        (LATENCY, edges(1.0, 1.0, 1.0, 1.0), {"threshold": LEAST}, "Error", "threshold.min"),
        (SPEED, lambda _: [], {"threshold": LEAST}, "NoData", "nothing was counted"),
        (GAUGE, lambda _: [], {"threshold": MOST}, "NoData", "nothing was counted"),
        (FREE, lambda _: [], {"threshold": MOST}, "NoData", "sum(up)"),
    ],
)
def test_what_cannot_be_judged_is_named_and_is_no_breach(
    measure: Any, sums: Sums, more: dict[str, Any], reason: str, says: str
) -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, reason), row
        assert says in row.message, row

    run(scenario, bench_of(measure, sums, **more))


def test_numbers_that_are_none_are_no_data() -> None:
    async def scenario(bench: Bench) -> None:
        bench.source.number = lambda _: "NaN"
        (row,) = await bench.rows(slices=8)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "NoData"), row

    run(scenario, bench_of(SPEED, pods(9.0), threshold=LEAST))


def test_counters_that_are_counted_together_are_summed_by_a_query_each() -> None:
    both = Throughput(requests=replace(TOTAL, also=("others_total",)))

    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=7)
        assert row.value == pytest.approx(6.0), row
        assert len(bench.source.queries) % 2 == 0
        assert len({at for _, at in bench.source.queries}) == len(bench.source.queries) / 2

    run(scenario, bench_of(both, pods(3.0), threshold=LEAST))


def test_a_look_asks_for_sums_of_one_slice() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=2)
        ((promql, _),) = bench.source.queries
        assert promql.startswith("sum by (namespace, model_deployment, revision, code) (")
        assert "[300s]" in promql

    run(scenario, bench_of(BY_CODE, codes(10.0, 0.0)))


def test_without_its_template_it_is_missing_data() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.rows(slices=13)
        bench.edit(templates={})
        (row,) = await bench.rows(slices=2)
        assert (row.outcome, row.reason) == (Outcome.NO_DATA, "NoData")
        assert "query or preset cannot be used" in row.message

    run(scenario, bench_of(BY_CODE, codes(10.0, 0.0)))


def test_a_metric_that_breaks_stops_no_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> object:
        raise OverflowError("nobody thought of it")

    async def scenario(bench: Bench) -> None:
        bench.edit(
            metrics=(*bench.watched[0].metrics, metric()),
            templates={**bench.watched[0].templates, "skew": template()},
            references=served().references,
        )
        bench.source.sums = None
        monkeypatch.setattr(limits, "_looked", broken)
        limited, skew = await bench.rows(slices=13)
        assert (limited.outcome, limited.reason) == (Outcome.NO_DATA, "Error")
        assert "nobody thought of it" in limited.message
        assert skew.outcome is Outcome.PASS

    run(scenario, bench_of(SPEED, pods(9.0), threshold=LEAST))


def test_a_metric_that_is_critical_needs_one_look() -> None:
    async def scenario(bench: Bench) -> None:
        (row,) = await bench.rows(slices=2)
        assert (row.outcome, row.reason) == (Outcome.FAIL, "Limit"), row

    run(scenario, bench_of(GAUGE, lambda _: [({}, 0.7)], threshold=MOST, critical=True))
