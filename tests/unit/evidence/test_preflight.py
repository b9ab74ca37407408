"""What the answers of the diagnostic questions say together, and what is asked next."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tidegate import model
from tidegate.evidence.queries import diagnosis, presets
from tidegate.evidence.queries.diagnosis import Ask, Question
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Identity, Problem, Query, Reason, Series, Template
from tidegate.evidence.verdict import preflight
from tidegate.evidence.verdict.preflight import Answer
from tidegate.model import IdentityMode, PreflightReason
from tidegate.rollout import preflight as obstacles

STABLE = Identity(namespace="ml", name="iris", candidate="6d9f7c01ab")
SCRAPE = 15.0
POD = "iris-6d9f7c01ab-5d4b9c6f5d-x2x4z"
PROBLEM = Problem(reason=Reason.METRICS_UNAVAILABLE, message="connection refused")


def question(
    preset: tuple[str, str] = ("MLServer", "error-ratio"),
    *,
    mode: IdentityMode | None = IdentityMode.LABEL,
    addresses: tuple[str, ...] = (),
) -> Question:
    template = replace(presets.TEMPLATES[preset], source="prometheus", mode=mode)
    metric = model.Metric(name="errors", preset=preset[1])
    found = diagnosis.question(metric, template=template, identity=STABLE, addresses=addresses)
    assert isinstance(found, Question)
    return found


def seen(
    *, step: float = SCRAPE, scrapes: int = 10, by: float = 0.0, **labels: str
) -> tuple[Series, ...]:
    samples = tuple((1000.0 + step * n, 5.0 + by * n) for n in range(scrapes))
    return (
        Series(labels={"pod": POD, "namespace": "ml", "job": "pods", **labels}, samples=samples),
    )


def up(value: float, **labels: str) -> tuple[Series, ...]:
    names = {"namespace": "ml", "pod": POD, "job": "pods"} | labels
    return (Series(labels=names, samples=((1000.0, value),)),)


FOUND = seen()
# What is there, by question: the reason, whether ready, and a part that the message names.
CASES: list[tuple[str, dict[Ask, Answer], PreflightReason, bool | None, str]] = [
    ("found", {Ask.IDENTITY: FOUND}, PreflightReason.SERIES_FOUND, True, "prometheus has rest_"),
    ("down", {Ask.IDENTITY: PROBLEM}, PreflightReason.SOURCE_UNREACHABLE, None, "refused"),
    (
        "two jobs",
        {Ask.IDENTITY: (*seen(job="a"), *seen(job="b"))},
        PreflightReason.SCRAPED_TWICE,
        False,
        "jobs a, b",
    ),
    (
        "two replicas of a server",
        {Ask.IDENTITY: (*seen(prometheus_replica="0"), *seen(prometheus_replica="1"))},
        PreflightReason.SCRAPED_TWICE,
        False,
        "more than once",
    ),
    (
        "slower",
        {Ask.IDENTITY: seen(step=60.0)},
        PreflightReason.SCRAPE_INTERVAL_DIFFERS,
        False,
        "every 60 s",
    ),
    (
        "faster",
        {Ask.IDENTITY: seen(step=5.0)},
        PreflightReason.SCRAPE_INTERVAL_DIFFERS,
        True,
        "every 5 s",
    ),
    (
        "other labels",
        {Ask.IDENTITY: (), Ask.PODS: FOUND},
        PreflightReason.LABELS_MISSING,
        False,
        "labels that name",
    ),
    (
        "pods under foreign labels",
        {
            Ask.IDENTITY: (),
            Ask.PODS: (),
            Ask.UP: up(1, namespace="", pod="", instance="10.0.0.1:8082"),
            Ask.METRIC: (),
        },
        PreflightReason.LABELS_MISSING,
        False,
        "(instance, job, namespace, pod)",
    ),
    (
        "not scraped",
        {Ask.IDENTITY: (), Ask.PODS: (), Ask.UP: (), Ask.ANYWHERE: ()},
        PreflightReason.NOT_SCRAPED,
        False,
        "no series up",
    ),
    (
        "not scraped, others are",
        {Ask.IDENTITY: (), Ask.PODS: (), Ask.UP: (), Ask.ANYWHERE: FOUND},
        PreflightReason.NOT_SCRAPED,
        False,
        "of others or without label pod",
    ),
    (
        "scrape fails",
        {Ask.IDENTITY: (), Ask.PODS: (), Ask.UP: up(0), Ask.METRIC: ()},
        PreflightReason.NOT_SCRAPED,
        False,
        "up is 0",
    ),
    (
        "no request yet",
        {Ask.IDENTITY: (), Ask.PODS: (), Ask.UP: up(1), Ask.METRIC: ()},
        PreflightReason.NO_TRAFFIC,
        None,
        "no series of rest_server_requests_total",
    ),
    (
        "probes only",
        {Ask.IDENTITY: (), Ask.PODS: (), Ask.UP: up(1), Ask.METRIC: FOUND},
        PreflightReason.NO_TRAFFIC,
        None,
        "no series that fits",
    ),
]


@pytest.mark.parametrize(
    ("answers", "reason", "ready", "part"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_first_question_with_an_answer_names_the_missing_part(
    answers: dict[Ask, Answer], reason: PreflightReason, *, ready: bool | None, part: str
) -> None:
    """The ladder asks exactly these questions, and then knows enough."""
    asked: dict[Ask, Answer] = {}
    wanted = question()
    while (ask := preflight.next_ask(wanted, asked)) is not None:
        asked[ask] = answers[ask]
    row = preflight.finding(wanted, asked, scrape_seconds=SCRAPE).row

    assert asked == answers
    assert (row.metric, row.source, row.reason, row.ready) == (
        "errors",
        "prometheus",
        reason,
        ready,
    )
    assert part in row.message
    if reason is not PreflightReason.SCRAPE_INTERVAL_DIFFERS:
        assert 'path=~".*/(infer|generate)' in row.message, "what was asked"


def test_every_reason_of_one_metric_is_in_the_table_or_comes_from_others() -> None:
    rest = {PreflightReason.METRIC_MISSING, PreflightReason.NO_SOURCE}
    assert {case[2] for case in CASES} | rest == set(PreflightReason)


def test_a_server_that_answers_requests_does_not_lack_traffic_but_the_metric() -> None:
    silent = {Ask.IDENTITY: (), Ask.PODS: (), Ask.UP: up(1), Ask.METRIC: ()}
    latency = preflight.finding(
        question(("MLServer", "latency-p95")), silent, scrape_seconds=SCRAPE
    )
    errors = preflight.finding(question(), {Ask.IDENTITY: seen(by=3.0)}, scrape_seconds=SCRAPE)
    still = preflight.finding(question(), {Ask.IDENTITY: seen()}, scrape_seconds=SCRAPE)

    def reasons(*findings: preflight.Finding, traffic: bool = False) -> list[PreflightReason]:
        return [row.reason for row in preflight.rows(findings, traffic=traffic)]

    missing, idle = PreflightReason.METRIC_MISSING, PreflightReason.NO_TRAFFIC
    assert reasons(latency, errors) == [missing, PreflightReason.SERIES_FOUND]
    assert reasons(latency, still) == [idle, PreflightReason.SERIES_FOUND]
    assert reasons(latency, traffic=True) == [missing]


@pytest.mark.parametrize(
    ("told", "acts"),
    [
        ({}, True),
        ({"on_breach": model.OnBreach.HOLD}, True),
        ({"on_breach": model.OnBreach.ALERT}, False),
        ({"dry_run": True}, False),
    ],
)
@pytest.mark.parametrize("preset", ["error-ratio", "prediction-drift"])
def test_what_is_only_told_of_stops_nothing(
    preset: str, told: dict[str, Any], *, acts: bool
) -> None:
    found = presets.offered(preset, server="MLServer")
    assert found is not None
    asked = diagnosis.question(
        model.Metric(name="m", preset=preset, **told),
        template=replace(found, source="prometheus", mode=IdentityMode.LABEL),
        identity=STABLE,
    )
    assert isinstance(asked, Question)
    silent: dict[Ask, Answer] = dict.fromkeys(Ask, ())
    row = preflight.finding(asked, silent, scrape_seconds=SCRAPE).row
    (missing,) = preflight.rows([preflight.Finding(row=row)], traffic=True)
    assert (obstacles.obstacle([missing]) is not None) is acts, missing


def test_a_histogram_is_looked_for_by_one_bucket_and_labels_by_any_mode() -> None:
    latency = question(("MLServer", "latency-p95"), addresses=("10.0.0.1",))
    (text,) = latency.texts(Ask.IDENTITY, range_seconds=300)
    (up,) = latency.texts(Ask.UP, range_seconds=300)
    (bare,) = latency.texts(Ask.METRIC, range_seconds=300)

    assert text.startswith("rest_server_request_duration_seconds_bucket{")
    assert 'le=~"\\\\+Inf"' in text
    assert text.endswith("[300s]")
    assert "10\\\\.0\\\\.0\\\\.1" in up
    assert "path" not in bare


def test_metrics_that_are_counted_together_are_asked_for_one_by_one() -> None:
    triton = question(("Triton", "error-ratio"))

    for ask in (Ask.IDENTITY, Ask.PODS, Ask.METRIC):
        texts = triton.texts(ask, range_seconds=300)
        assert [it.split("{")[0] for it in texts] == [
            "nv_inference_request_failure",
            "nv_inference_request_success",
        ]
        assert "__name__" not in "".join(texts)
    (anywhere,) = triton.texts(Ask.ANYWHERE, range_seconds=300)
    assert " or nv_inference_request_success{" in anywhere


def test_while_no_labels_are_known_a_servers_own_label_is_not_looked_at() -> None:
    unknown = question(mode=None)
    assert preflight.next_ask(unknown, {}) is Ask.PODS


def test_a_data_plane_without_series_may_just_have_no_requests() -> None:
    """Holding a rollout for them would hold it for ever."""
    plane = question(("Envoy", "error-ratio"), mode=IdentityMode.GATEWAY)
    assert preflight.next_ask(plane, {Ask.IDENTITY: ()}) is Ask.ANYWHERE
    for elsewhere, part in (((), "not scraped"), (FOUND, "labels model_deployment")):
        answers: dict[Ask, Answer] = {Ask.IDENTITY: (), Ask.ANYWHERE: elsewhere}
        row = preflight.finding(plane, answers, scrape_seconds=SCRAPE).row
        assert row.reason is PreflightReason.NO_TRAFFIC
        assert part in row.message


def test_a_free_query_is_asked_as_it_is() -> None:
    template = Template(name="q", measure=Query(promql="sum(up)"), source="prometheus")
    free = diagnosis.question(
        model.Metric(name="q", query="sum(up)"), template=template, identity=STABLE
    )
    assert isinstance(free, Question)
    nothing = Problem(reason=Reason.NO_DATA, message="the query returned nothing")

    def reason(answer: Answer) -> PreflightReason:
        found = preflight.finding(free, {Ask.IDENTITY: answer}, scrape_seconds=SCRAPE)
        return found.row.reason

    assert free.texts(Ask.IDENTITY, range_seconds=9) == ("sum(up)",)
    assert preflight.next_ask(free, {}) is Ask.IDENTITY
    assert preflight.next_ask(free, {Ask.IDENTITY: preflight.NUMBER}) is None
    assert reason(preflight.NUMBER) is PreflightReason.SERIES_FOUND
    assert reason(nothing) is PreflightReason.NO_TRAFFIC
    assert reason(()) is PreflightReason.NO_TRAFFIC
    assert (free.name, free.selector) == ("the query", "sum(up)")


@pytest.mark.parametrize("text", ['up{pod="${nobody}"}', "up{pod=${podRegex}}"])
def test_a_query_with_a_variable_that_may_not_stand_there_is_not_asked(text: str) -> None:
    template = Template(name="q", measure=Query(promql=text), source="prometheus")
    found = diagnosis.question(
        model.Metric(name="q", query=text), template=template, identity=STABLE
    )
    assert isinstance(found, Unsafe)


def test_an_unknown_source_names_the_known_ones() -> None:
    row = preflight.no_source(question(), known=["b", "a"])
    assert row.reason is PreflightReason.NO_SOURCE
    assert row.ready is False
    assert "known: a, b" in row.message


def test_only_a_number_that_moves_is_traffic() -> None:
    assert preflight.has_traffic(seen(by=1.0))
    assert not preflight.has_traffic(FOUND)
    assert not preflight.has_traffic(())
