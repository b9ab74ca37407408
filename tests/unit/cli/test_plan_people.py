"""What a plan says of people and testers, whose time and number it cannot know."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tidegate.cli import outcome
from tidegate.cli.main import main

MANIFEST = """
apiVersion: tidegate.dev/v1alpha1
kind: ModelDeployment
metadata: {{name: iris}}
spec:
  model: {{version: "1"}}
  server: {{preset: MLServer}}
  workload:
    replicas: 4
    template:
      metadata: {{annotations: {{tidegate.dev/shadow-safe: "true"}}}}
      spec: {{containers: [{{name: server, image: images.example.com/iris:1}}]}}
  traffic: {{provider: GatewayAPI, gatewayAPI: {{parentRefs: [{{name: gw}}]}}}}
  {more}
"""
STEPS = "{name: p10, weight: 10}, {name: p50, weight: 50%s}"
GATED = "strategy: {canary: {steps: [%s]}}" % (STEPS % ", approval: {name: risk-board}")
TESTERS = (
    "strategy: {canary: {routes: [{name: staff, headers: [{name: x-staff, exact: '1'}]}], "
    "steps: [{name: testers, weight: 0, hold: 30m, minRequests: 50}%s]}}"
)


def planned(
    capsys: pytest.CaptureFixture[str], folder: Path, more: str, *arguments: str
) -> tuple[int, str]:
    path = folder / "iris.yaml"
    path.write_text(MANIFEST.format(more=more), encoding="utf-8")
    code = main(["plan", "-f", str(path), "--rate", "50", *arguments])
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (GATED, ["gate risk-board before step p50"]),
        ("automation: {level: Gated}", ["automation.level Gated: promote before promotion"]),
        (
            "automation: {level: Gated}\n  " + GATED,
            ["gate risk-board before step p50"],
        ),
        (
            "automation: {level: Manual}",
            ["automation.level Manual: promote before every step and before promotion"],
        ),
        (
            "automation: {level: Advisory}\n  paused: true",
            [
                "automation.level Advisory: promote before every step and before promotion",
                "spec.paused is true: no step begins before it is false",
            ],
        ),
        (
            "automation: {level: Shadow}",
            ["automation.level Shadow: no step begins before the level is raised"],
        ),
        ("automation: {level: Full}", []),
    ],
)
def test_it_says_who_is_waited_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: str, said: list[str]
) -> None:
    code, text = planned(capsys, tmp_path, more)
    assert code == outcome.DONE
    assert re.findall(r"^Waits for people: (.*)$", text, re.MULTILINE) == said
    _, text = planned(capsys, tmp_path, more, "-o", "json")
    assert json.loads(text)[0]["waits_for_people"] == said


def test_a_step_of_testers_is_not_forecast_and_holds_up_no_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text = planned(capsys, tmp_path, TESTERS % ", {name: p50, weight: 50}")
    assert code == outcome.DONE
    assert "promotion in about" in text
    assert "a very long time" not in text
    assert "Warning" not in text
    assert "Not planned: step testers: how much testers send is not known" in text
    assert "it takes 30m to 2h, and needs 50 requests of testers" in text


def test_a_plan_of_testers_alone_has_nothing_to_forecast(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text = planned(capsys, tmp_path, TESTERS % "")
    assert code == outcome.NEGATIVE
    assert "Not planned: step testers" in text


SHADOW = "strategy: {type: Shadow, shadow: {mirrorPercent: 20, duration: 10m, minRequests: 100, then: %s}}"


@pytest.mark.parametrize(
    ("then", "code", "says"),
    [
        ("Promote", outcome.DONE, "promotion in about"),
        ("Hold", outcome.DONE, "Waits for people: step shadow: promote after its proof"),
        ("Stop", outcome.NEGATIVE, "Note: nothing is promoted, since strategy.shadow.then is Stop"),
    ],
)
def test_copies_of_requests_are_forecast_like_a_share(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, then: str, code: int, says: str
) -> None:
    ended, text = planned(capsys, tmp_path, SHADOW % then)
    assert ended == code
    assert re.search(r"^shadow +mirror 20 % +error-ratio +.* in ", text, re.MULTILINE)
    assert says in text
    assert "Not planned" not in text


WARMED = "strategy: {canary: {warmup: {mirrorPercent: 10, duration: 5m}, steps: [%s]}}" % (
    STEPS % ""
)
PREVIEWED = "strategy: {type: BlueGreen, blueGreen: {prePromotion: {duration: 20m%s}}}"
LIMITS = (
    "\n  analysis: {metrics: [{name: error-ratio, preset: error-ratio, threshold: {max: 0.01}}]}"
)


def test_a_preview_says_how_long_it_takes_and_promises_no_chance(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text = planned(capsys, tmp_path, PREVIEWED % "" + LIMITS)
    assert code == outcome.NEGATIVE
    assert "Not planned: step preview: limits alone judge it; it takes 20m" in text
    assert "is not promised where" not in text
    _, text = planned(capsys, tmp_path, PREVIEWED % ", minRequests: 50" + LIMITS)
    assert "step preview: how much testers send is not known; it takes 20m to" in text


def test_a_warm_up_is_named_and_not_forecast(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text = planned(capsys, tmp_path, WARMED)
    assert code == outcome.DONE
    assert "Not planned: step warmup: nothing is judged; it takes 5m" in text
    assert not re.search(r"^warmup ", text, re.MULTILINE)


LIMITED = (
    "strategy: {canary: {steps: [{name: p50, weight: 50, "
    "metrics: [{name: %s, threshold: {max: 0.2}}]}]}}"
)


def test_the_limit_of_a_step_leaves_the_other_metrics_in_the_forecast(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, text = planned(capsys, tmp_path, LIMITED % "error-ratio")
    assert code == outcome.DONE
    assert "latency-p95" in text
    assert "Not planned" not in text


def test_a_limit_for_no_metric_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "iris.yaml"
    path.write_text(MANIFEST.format(more=LIMITED % "nope"), encoding="utf-8")
    assert main(["plan", "-f", str(path), "--rate", "50"]) == outcome.TROUBLE
    assert "nope is no metric of this analysis" in capsys.readouterr().err
