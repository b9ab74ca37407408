from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from api_examples import FULL, REMOVED, SMALLEST, SOURCES, place

from tidegate import model
from tidegate.api import convert, profiles


def spec_of(body: dict[str, Any]) -> model.Spec:
    spec, violations = convert.read_spec(body, sources=SOURCES)
    assert violations == ()
    assert spec is not None
    return spec


def _default_step(percent: int) -> model.Step:
    return model.Step(
        name=f"p{percent}",
        weight_percent=percent,
        hold_seconds=600.0,
        deadline_seconds=7200.0,
        min_requests=100,
    )


def test_smallest_object_gets_all_defaults() -> None:
    spec = spec_of(SMALLEST)
    assert spec == model.Spec(
        model=model.Model(name="iris", version="1.4.0"),
        server=model.Server(
            preset="HTTP", port=8080, metrics_port=8080, metrics_path="/metrics", ready_path=""
        ),
        replicas=1,
        template=SMALLEST["spec"]["workload"]["template"],
        service=model.EntryService(name="iris", port=80, target_port=8080),
        traffic=model.Traffic(
            provider=model.Provider.REPLICA_RATIO,
            verify_timeout_seconds=120.0,
            share_check=model.ShareCheck.REPORT,
        ),
        steps=(
            _default_step(10),
            _default_step(25),
            _default_step(50),
        ),
        scaling=model.Scaling(max_surge_percent=25.0),
        scale_down_delay_seconds=30.0,
        analysis=model.Analysis(
            source="default",
            interval_seconds=5.0,
            warmup_seconds=60.0,
            warmup_learned=True,
            settle_seconds=30.0,
            min_requests=100,
            breach_failures=3,
            breach_out_of=5,
            error_limit=5,
            no_data_timeout_seconds=600.0,
            on_inconclusive=model.OnInconclusive.PAUSE,
            metrics=tuple(
                model.Metric(name=name, preset=name, compare=model.Compare())
                for name in ("error-ratio", "latency-p95")
            ),
            key="1-44136fa355",
        ),
        rollback=model.Rollback(),
        progress_deadline_seconds=1800.0,
        revision_history_limit=5,
    )


def test_every_given_value_is_taken_over() -> None:
    spec = spec_of(FULL)
    assert spec.model == model.Model(
        name="fraud",
        version="2026.11.1",
        uri="s3://models/fraud/2026.11.1",
        digest="sha256:" + "0123456789abcdef" * 4,
    )
    assert spec.server == model.Server(
        preset="MLServer",
        port=9000,
        metrics_port=9001,
        metrics_path="/prom",
        ready_path="/v2/models/fraud/ready",
    )
    assert spec.service == model.EntryService(
        name="fraud-entry", port=8000, target_port=9100, app_protocol="kubernetes.io/h2c"
    )
    assert spec.traffic == model.Traffic(
        provider=model.Provider.GATEWAY_API,
        gateway=model.GatewayRoute(
            parents=(
                model.ParentRef(
                    name="inference", namespace="gateways", section_name="http", port=80
                ),
            ),
            hostnames=("fraud.example.com", "*.example.org"),
            path_prefixes=("/v2",),
            request_timeout="2m",
            backend_request_timeout="90s",
            filters=(
                model.HeaderFilter(
                    side=model.HeaderSide.REQUEST,
                    set=(("x-model", "fraud"),),
                    add=(("x-tag", "canary test"),),
                    remove=("x-debug",),
                ),
                model.HeaderFilter(side=model.HeaderSide.RESPONSE, remove=("server",)),
            ),
        ),
        verify_timeout_seconds=60.0,
        share_check=model.ShareCheck.REPORT,
        share_tolerance=0.5,
    )
    assert spec.scaling == model.Scaling(
        match_traffic=False,
        min_replicas=2,
        max_surge_percent=50.5,
    )
    assert spec.rollback == model.Rollback(report_as="Suspended", keep_candidate_seconds=3600.0)
    assert (spec.replicas, spec.scale_down_delay_seconds) == (6, 600.0)
    assert spec.autoscaling == model.Autoscaling(
        min_replicas=3, max_replicas=12, cpu_percent=65, during_rollout=model.DuringRollout.FROZEN
    )
    assert (spec.progress_deadline_seconds, spec.revision_history_limit) == (900.0, 3)
    assert spec.paused
    assert spec.first_rollout is model.FirstRollout.PROBE
    assert spec.probe == model.Probe(
        path="/v2/models/fraud/infer?dry=1",
        headers=(("x-tenant", "probe"), ("Content-Type", "application/json")),
        body='{"inputs": []}',
        timeout_seconds=20.0,
        status=200,
        values=(model.ExpectedValue(pointer="/outputs/0/data/0", min=0.0, max=1.5),),
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"path": "/score"}, model.Probe(path="/score", method="GET")),
        ({"path": "/score", "method": "POST"}, model.Probe(path="/score")),
        (
            {
                "path": "/",
                "body": "a,b",
                "headers": [{"name": "content-type", "value": "text/csv"}],
            },
            model.Probe(path="/", body="a,b", headers=(("content-type", "text/csv"),)),
        ),
    ],
)
def test_what_a_probe_leaves_out_follows_from_its_body(
    given: dict[str, object], expected: model.Probe
) -> None:
    spec = spec_of(place(SMALLEST, "spec.server.probe", given))
    assert spec.probe == expected
    assert spec.first_rollout is model.FirstRollout.DIRECT


def test_steps_take_their_deadline_from_the_hold_and_requests_from_the_analysis() -> None:
    steps = tuple(replace(step, routes=()) for step in spec_of(FULL).steps)
    assert steps == (
        model.Step(
            name="p1",
            weight_percent=1.0,
            hold_seconds=1800.0,
            deadline_seconds=10800.0,
            min_requests=500,
        ),
        model.Step(
            name="p12",
            weight_percent=12.5,
            hold_seconds=3600.0,
            deadline_seconds=21600.0,
            min_requests=5000,
            gate=model.Gate(
                name="risk-board",
                min_approvals=2,
                approver_groups=("ml-risk",),
                not_author=True,
                expires_seconds=172800.0,
            ),
            limits=(model.StepLimit(name="errors", threshold=model.Threshold(max=0.05)),),
            replicas_percent=50.0,
        ),
        model.Step(
            name="all",
            weight_percent=100.0,
            hold_seconds=600.0,
            deadline_seconds=21600.0,
            min_requests=500,
            replicas=6,
        ),
    )


def test_an_analysis_is_read_with_its_risks_and_times() -> None:
    analysis = spec_of(FULL).analysis
    assert analysis.interval_seconds == 10.0
    assert analysis.data_plane == "Istio"
    assert (analysis.breach_failures, analysis.breach_out_of) == (2, 4)
    assert analysis.on_inconclusive is model.OnInconclusive.ROLLBACK
    assert analysis.inconclusive_timeout_seconds == 6 * 3600
    assert (analysis.false_rollback, analysis.false_promotion) == (0.02, 0.1)


def test_metrics_are_read_with_their_windows_and_samples() -> None:
    assert spec_of(FULL).analysis.metrics[:4] == (
        model.Metric(
            name="errors",
            preset="error-ratio",
            threshold=model.Threshold(max=0.02),
            compare=model.Compare(
                tolerance_absolute=0.002,
                detect_ratio=3.0,
                detect_absolute=0.02,
                detect_slow=0.05,
            ),
            window_seconds=120.0,
            critical=True,
        ),
        model.Metric(
            name="p95",
            preset="latency-p95",
            threshold=model.Threshold(max=0.5),
            compare=model.Compare(
                tolerance=0.2,
                margin=0.5,
                tolerance_absolute=0.01,
                detect_ratio=4.0,
                detect_absolute=0.03,
                detect_slow=0.03,
            ),
            window_seconds=300.0,
            min_samples=50,
        ),
        model.Metric(
            name="quality",
            template=model.TemplateRef(kind="ClusterMetricTemplate", name="quality"),
            variables=(("feature", "amount"),),
            threshold=model.Threshold(min=0.9),
            window_seconds=120.0,
        ),
        model.Metric(
            name="gpu",
            query='max(gpu{pod=~"${podRegex}"})',
            threshold=model.Threshold(min=1.0, max=95.0),
            window_seconds=120.0,
            dry_run=True,
        ),
    )


def test_metrics_of_drift_and_of_labels_are_read_with_their_settings() -> None:
    assert spec_of(FULL).analysis.metrics[4:] == (
        model.Metric(
            name="inputs",
            preset="feature-drift",
            window_seconds=120.0,
            drift=model.Drift(
                delta=0.2,
                margin=0.4,
                at_most=2,
                ignore=("channel",),
                training=model.ProfileRef(name="training", key="v2.json"),
            ),
            on_breach=model.OnBreach.HOLD,
            on_breach_is_written=True,
        ),
        model.Metric(
            name="recall",
            preset="label-recall",
            threshold=model.Threshold(min=0.7),
            compare=model.Compare(
                tolerance_absolute=0.002,
                detect_ratio=3.0,
                detect_absolute=0.02,
                detect_slow=0.05,
            ),
            labels=model.Labels(delay_seconds=21600.0, cohort_seconds=1800.0),
            window_seconds=120.0,
        ),
    )


@pytest.mark.parametrize(
    ("given", "drift", "on_breach"),
    [
        ({"preset": "feature-drift"}, model.Drift(), model.OnBreach.ROLLBACK),
        ({"preset": "prediction-drift"}, model.Drift(), model.OnBreach.HOLD),
        (
            {"preset": "prediction-drift", "onBreach": "Rollback"},
            model.Drift(),
            model.OnBreach.ROLLBACK,
        ),
        ({"preset": "error-ratio"}, None, model.OnBreach.ROLLBACK),
        ({"preset": "error-ratio", "onBreach": "Alert"}, None, model.OnBreach.ALERT),
    ],
)
def test_what_a_metric_does_that_is_breached(
    given: dict[str, str], drift: model.Drift | None, on_breach: model.OnBreach
) -> None:
    chosen = {"metrics": [{"name": "m", **given}]}
    (metric,) = spec_of(place(SMALLEST, "spec.analysis", chosen)).analysis.metrics

    assert (metric.drift, metric.on_breach) == (drift, on_breach)
    assert metric.on_breach_is_written is ("onBreach" in given)
    assert (metric.compare is None) == (drift is not None)


TRAINING = model.Drift(training=model.ProfileRef(name="training", key="profile.json"))


@pytest.mark.parametrize(
    ("kind", "given", "drift", "on_breach"),
    [
        ("TrainingReference", {"preset": "feature-drift"}, TRAINING, model.OnBreach.HOLD),
        (
            "TrainingReference",
            {"preset": "feature-drift", "onBreach": "Rollback"},
            TRAINING,
            model.OnBreach.ROLLBACK,
        ),
        (
            "TrainingReference",
            {"preset": "feature-drift", "compare": {"to": "Stable"}},
            model.Drift(),
            model.OnBreach.ROLLBACK,
        ),
        (
            "Stable",
            {"preset": "prediction-drift", "compare": {"to": "TrainingReference"}},
            TRAINING,
            model.OnBreach.HOLD,
        ),
        ("Stable", {"preset": "feature-drift"}, model.Drift(), model.OnBreach.ROLLBACK),
        (
            "Stable",
            {
                "templateRef": {"kind": "MetricTemplate", "name": "own"},
                "compare": {"to": "TrainingReference"},
            },
            TRAINING,
            model.OnBreach.HOLD,
        ),
        ("TrainingReference", {"preset": "error-ratio"}, None, model.OnBreach.ROLLBACK),
    ],
)
def test_what_a_distribution_is_held_against(
    kind: str, given: dict[str, object], drift: model.Drift | None, on_breach: model.OnBreach
) -> None:
    baseline = {"type": kind, "reference": {"name": "training"}}
    chosen = {"baseline": baseline, "metrics": [{"name": "m", **given}]}
    (metric,) = spec_of(place(SMALLEST, "spec.analysis", chosen)).analysis.metrics

    assert (metric.drift, metric.on_breach) == (drift, on_breach)
    assert metric.training == (drift.training if drift is not None else None)
    assert metric.needs_stable == (metric.training is None)
    assert (metric.compare is None) == (drift is not None)


@pytest.mark.parametrize("profile", model.Profile)
def test_a_profile_sets_what_is_not_set_by_itself(profile: model.Profile) -> None:
    numbers = profiles.PROFILES[profile]
    alone = spec_of(place(SMALLEST, "spec.analysis", {"profile": profile.value}))
    chosen = {
        "profile": profile.value,
        "risk": {"falseRollback": 0.03},
        "metrics": [
            {"name": "e", "preset": "error-ratio", "compare": {"detect": {"absolute": 0.07}}}
        ],
    }
    mixed = spec_of(place(SMALLEST, "spec.analysis", chosen)).analysis
    (metric,) = mixed.metrics

    assert {step.deadline_seconds for step in alone.steps} == {numbers.deadline_seconds}
    assert alone.analysis.false_rollback == numbers.false_rollback
    assert (mixed.false_rollback, mixed.false_promotion) == (0.03, numbers.false_promotion)
    assert metric.compare == model.Compare(
        tolerance=numbers.tolerance,
        margin=numbers.margin,
        tolerance_absolute=numbers.tolerance_absolute,
        detect_ratio=numbers.detect_ratio,
        detect_absolute=0.07,
        detect_slow=0.07,
    )


def test_each_profile_is_at_least_as_careful_as_the_next() -> None:
    numbers = [profiles.PROFILES[it] for it in model.Profile]
    for careful, quick in itertools.pairwise(numbers):
        assert careful.false_promotion < quick.false_promotion
        assert careful.tolerance_absolute < quick.tolerance_absolute
        assert careful.detect_ratio < quick.detect_ratio
        assert careful.detect_absolute < quick.detect_absolute
        assert careful.deadline_seconds > quick.deadline_seconds


def test_template_is_passed_on_without_nulls_and_else_unchanged() -> None:
    template = spec_of(FULL).template
    expected = place(FULL, "spec.workload.template.metadata.creationTimestamp", REMOVED)
    assert template == expected["spec"]["workload"]["template"]


@pytest.mark.parametrize(
    ("server", "expected"),
    [
        ({}, (8080, 8080, "")),
        ({"port": 9000}, (9000, 9000, "")),
        ({"preset": "MLServer"}, (8080, 8082, "/v2/health/ready")),
        ({"preset": "MLServer", "port": 9000}, (9000, 8082, "/v2/health/ready")),
        ({"preset": "BentoML"}, (3000, 3000, "/readyz")),
        ({"preset": "BentoML", "port": 9000}, (9000, 9000, "/readyz")),
        ({"preset": "MLServer", "readyPath": "/r"}, (8080, 8082, "/r")),
    ],
)
def test_server_preset_brings_ports_and_ready_path(
    server: dict[str, Any], expected: tuple[int, int, str]
) -> None:
    found = spec_of(place(SMALLEST, "spec.server", server)).server
    assert (found.port, found.metrics_port, found.ready_path) == expected


@pytest.mark.parametrize(
    ("source", "window", "expected"),
    [("default", None, 60.0), ("slow", None, 240.0), ("slow", "30s", 30.0)],
)
def test_window_covers_four_scrapes_unless_given(
    source: str, window: str | None, expected: float
) -> None:
    body = place(SMALLEST, "spec.analysis", {"source": source, "window": window})
    assert spec_of(body).analysis.metrics[0].window_seconds == expected


@pytest.mark.parametrize(
    ("metrics", "given", "seconds"),
    [
        ([{}], None, 30.0),
        ([{}, {}], None, 30.0),
        ([{"critical": True}], None, 5.0),  # its first bad value takes the traffic back
        ([{}, {"critical": True}], None, 5.0),
        ([{}, {"query": None, "preset": "error-ratio"}], None, 5.0),  # so does an outage
        ([{"critical": True}], "1m", 60.0),
    ],
)
def test_free_queries_are_asked_less_often_where_nothing_waits_for_the_next_scrape(
    metrics: list[dict[str, object]], given: str | None, seconds: float
) -> None:
    named = [
        {"name": f"q{number}", "query": "up", "threshold": {"max": 1}, **more}
        for number, more in enumerate(metrics)
    ]
    body = place(SMALLEST, "spec.analysis", {"metrics": named, "interval": given})
    assert spec_of(body).analysis.interval_seconds == seconds


def test_fewest_samples_never_exceed_the_requests_of_a_step() -> None:
    body = place(SMALLEST, "spec.analysis.minRequests", 5)
    assert spec_of(body).analysis.metrics[0].min_samples == 5


def test_null_counts_as_absent() -> None:
    body = place(SMALLEST, "spec.analysis", None)
    assert spec_of(body) == spec_of(SMALLEST)
