from __future__ import annotations

import json
import logging
import sys

import pytest
from prometheus_client import generate_latest

from tidegate import ports
from tidegate.adapters.telemetry import JsonFormatter, Telemetry
from tidegate.evidence.journal import replay, row_lines
from tidegate.evidence.sequential.judgement import Context, EvidenceConfig
from tidegate.evidence.verdict import engine


def metrics(telemetry: Telemetry) -> list[str]:
    return generate_latest(telemetry.registry).decode().splitlines()


def line(record: logging.LogRecord) -> dict[str, object]:
    decoded = json.loads(JsonFormatter().format(record))
    assert isinstance(decoded, dict)
    return decoded


def record(message: str, /, *args: object, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("tidegate", logging.INFO, "f", 1, message, args, None)
    made.fields = fields
    return made


def test_what_happened_is_counted() -> None:
    telemetry = Telemetry()
    telemetry.reconciled(seconds=0.2, outcome="done")
    telemetry.api_request(verb="apply", outcome="Ok")
    telemetry.metric_query(source="default", seconds=0.1, outcome="Ok")
    telemetry.metric_query(source="default", seconds=0.1, outcome="Retryable")
    telemetry.rollback(reason="analysis")
    telemetry.rollout_ended(result="Promoted")
    telemetry.drift(kind="DataDrift")
    telemetry.queue(depth=3)
    telemetry.leading(leads=True)
    telemetry.problem("feeder_late", kind="Service")
    lines = metrics(telemetry)
    for expected in (
        'tidegate_reconcile_duration_seconds_count{outcome="done"} 1.0',
        'tidegate_api_requests_total{outcome="Ok",verb="apply"} 1.0',
        'tidegate_metric_query_duration_seconds_count{outcome="Ok",source="default"} 1.0',
        'tidegate_metric_query_errors_total{source="default"} 1.0',
        'tidegate_rollbacks_total{reason="analysis"} 1.0',
        'tidegate_rollouts_total{result="Promoted"} 1.0',
        'tidegate_drifts_total{kind="DataDrift"} 1.0',
        "tidegate_workqueue_depth 3.0",
        "tidegate_leader 1.0",
        'tidegate_problems_total{event="feeder_late"} 1.0',
    ):
        assert expected in lines


def test_counters_with_known_labels_start_at_zero() -> None:
    lines = metrics(Telemetry())
    assert 'tidegate_rollouts_total{result="RolledBack"} 0.0' in lines
    assert 'tidegate_reconcile_duration_seconds_count{outcome="error"} 0.0' in lines


def test_every_metric_has_a_help_text_and_none_names_an_object() -> None:
    telemetry = Telemetry()
    for family in telemetry.registry.collect():
        assert family.documentation
        assert family.name.startswith(("tidegate_", "process_"))
        for sample in family.samples:
            assert not {"namespace", "name", "revision"} & sample.labels.keys()


def test_transition_is_counted_by_its_phase() -> None:
    telemetry = Telemetry()
    telemetry.transition(
        ports.Transition(
            namespace="ns", name="md", generation=3, phase="Paused", step="10", decision="Hold"
        )
    )
    assert 'tidegate_transitions_total{phase="Paused"} 1.0' in metrics(telemetry)


def test_log_line_is_json_with_the_fields_of_the_event() -> None:
    decoded = line(record("transition", name="md", step="10", generation=3))
    assert decoded["event"] == "transition"
    assert decoded["level"] == "info"
    assert (decoded["name"], decoded["step"], decoded["generation"]) == ("md", "10", 3)
    assert str(decoded["time"]).endswith("+00:00")


def test_log_line_of_a_library_is_json_too() -> None:
    assert line(record("100%% of %s", "it"))["event"] == "100% of it"


def test_field_cannot_forge_the_level_or_the_event() -> None:
    decoded = line(record("real", level="debug", event="forged"))
    assert (decoded["level"], decoded["event"]) == ("info", "real")


def test_evidence_is_logged_so_that_it_can_be_replayed(caplog: pytest.LogCaptureFixture) -> None:
    config = EvidenceConfig(metrics=(), requests_from="")
    context = Context(now=1.0, step=0, judged_from=0.0, has_stable=True)
    judgement = engine.judge([], context=context, config=config)
    written = Telemetry()
    with caplog.at_level(logging.INFO, logger="tidegate"):
        written.evidence(replay.opened(rollout="ml/a-1", namespace="ml", name="a", config=config))
        written.evidence(
            replay.judged(
                rollout="ml/a-1",
                rows=0,
                digest=row_lines.digest([]),
                context=context,
                judgement=judgement,
            )
        )
    lines = [JsonFormatter().format(made) for made in caplog.records]
    report = replay.replay(lines)
    assert (len(report.looks), report.difference) == (1, "")


def test_text_with_line_breaks_stays_on_one_line() -> None:
    assert "\n" not in JsonFormatter().format(record("a\nb", message="c\nd"))


def test_exception_is_part_of_the_line() -> None:
    made = record("failed")
    try:
        raise ValueError("boom")  # noqa: TRY301
    except ValueError:
        made.exc_info = sys.exc_info()
    assert "ValueError: boom" in str(line(made)["exception"])
