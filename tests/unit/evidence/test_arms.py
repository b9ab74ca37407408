"""What is compared when stable and candidate run different model servers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rollout_world import make_spec

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Query, Template
from tidegate.evidence.verdict import arms

LIMIT = model.Threshold(max=0.05)
ERRORS = model.Metric(name="errors", preset="error-ratio", compare=model.Compare())
LIMITED = replace(ERRORS, threshold=LIMIT)
QUERY = model.Metric(name="q", query="up", threshold=LIMIT)


def analysis(*metrics: model.Metric, data_plane: str = "") -> model.Analysis:
    return replace(make_spec().analysis, metrics=metrics, data_plane=data_plane)


@pytest.mark.parametrize(
    ("metric", "data_plane", "stable", "candidate", "expected"),
    [
        (ERRORS, "", "MLServer", "VLLM", True),
        (ERRORS, "", "VLLM", "MLServer", True),
        (ERRORS, "", "MLServer", "MLServer", False),
        (ERRORS, "Istio", "MLServer", "VLLM", False),
        (QUERY, "", "MLServer", "VLLM", False),
    ],
)
def test_presets_read_servers_in_different_ways(
    metric: model.Metric, data_plane: str, stable: str, candidate: str, *, expected: bool
) -> None:
    found = arms.differ(metric, data_plane=data_plane, stable=stable, candidate=candidate)
    assert found == expected


def test_between_servers_absolute_limits_alone_are_judged() -> None:
    judged = arms.judged_alone(analysis(LIMITED, QUERY), stable="MLServer", candidate="VLLM")
    assert judged.metrics == (replace(LIMITED, compare=None), QUERY)


def test_of_one_server_everything_is_compared() -> None:
    same = analysis(LIMITED, ERRORS)
    assert arms.judged_alone(same, stable="VLLM", candidate="VLLM") == same
    assert arms.violations(same, stable="VLLM", candidate="VLLM") == ()


def test_what_nothing_could_be_judged_by_is_named_before_traffic_moves() -> None:
    asked = analysis(LIMITED, ERRORS, replace(ERRORS, dry_run=True))
    (violation,) = arms.violations(asked, stable="MLServer", candidate="VLLM")
    assert violation.path == "spec.analysis.metrics[1]"
    assert violation.blocks
    assert "give it a threshold" in violation.message


@pytest.mark.parametrize(
    "told", [{"dry_run": True}, {"on_breach": model.OnBreach.ALERT}], ids=["dry run", "Alert"]
)
def test_what_is_only_told_of_keeps_no_version_of_another_server_away(
    told: dict[str, Any],
) -> None:
    asked = analysis(LIMITED, replace(ERRORS, **told))
    assert arms.violations(asked, stable="MLServer", candidate="VLLM") == ()


def test_each_server_is_read_by_its_own_names_from_the_same_source() -> None:
    asked = analysis(LIMITED, replace(ERRORS, name="ttft", preset="ttft-p95"), QUERY)
    newest = {
        "errors": replace(presets.TEMPLATES["VLLM", "error-ratio"], source="team-b"),
        "ttft": presets.TEMPLATES["VLLM", "ttft-p95"],
        "q": Template(name="q", measure=Query(promql="up")),
    }
    found = arms.read_from("MLServer", analysis=asked, templates=newest)
    own = presets.TEMPLATES["MLServer", "error-ratio"]
    assert found == {"errors": replace(own, source="team-b"), "q": newest["q"]}
