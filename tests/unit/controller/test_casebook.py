"""What a rollout's requests are counted by."""

from __future__ import annotations

from datetime import UTC, datetime

import evidence_build as build
import pytest

from tidegate.controller import casebook
from tidegate.evidence import presets, rules
from tidegate.evidence.model import Ratio
from tidegate.evidence.templates import resolve_templates
from tidegate.rollout import model

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROLLOUT = model.Rollout(
    id="iris-c0ffee0001-1",
    revision=model.Revision(hash=build.CANDIDATE, digest="", model_version="2"),
    attempt=1,
    active=True,
    started_at=NOW,
    progress_at=NOW,
    plan=(),
)


def _setting(server: str, plane: str, *names: str) -> casebook.Setting:
    metrics = [build.metric(name, preset=name) for name in names]
    spec = build.spec(build.analysis(*metrics, data_plane=plane), preset=server)
    templates = resolve_templates(spec, find=lambda _: None, sources={"default": True})
    assert not isinstance(templates, tuple), templates
    return casebook.setting_of(
        namespace="ml",
        name="iris",
        rollout=ROLLOUT,
        spec=spec,
        templates=templates,
        one_pod=False,
        identity=build.IDENTITY,
        scrapes={"default": 15.0},
    )


@pytest.mark.parametrize(("plane", "counter"), [("", "VLLM"), ("Istio", "Istio")])
def test_tokens_are_no_requests_so_these_are_counted_beside_them(plane: str, counter: str) -> None:
    setting = _setting("VLLM", plane, "itl-p95")

    measure = setting.templates[rules.REQUESTS].measure
    assert isinstance(measure, Ratio)
    assert measure.total == presets.REQUESTS[counter]
    assert [one.name for one in setting.metrics] == ["itl-p95", rules.REQUESTS]


def test_a_metric_that_counts_requests_is_enough() -> None:
    setting = _setting("VLLM", "", "itl-p95", "ttft-p95")

    assert [one.name for one in setting.metrics] == ["itl-p95", "ttft-p95"]
    assert rules.requests_from(setting.analysis, templates=setting.templates) == "ttft-p95"
