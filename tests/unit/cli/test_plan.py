"""What a rollout would find, said without a cluster."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

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
    replicas: {replicas}
    template: {{spec: {{containers: [{{name: server, image: images.example.com/iris:1}}]}}}}
  traffic: {{provider: GatewayAPI, gatewayAPI: {{parentRefs: [{{name: gw}}]}}}}
  analysis: {analysis}
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return written(tmp_path)


def written(folder: Path, *, replicas: int = 4, analysis: str = "{}") -> Path:
    path = folder / "iris.yaml"
    path.write_text(MANIFEST.format(replicas=replicas, analysis=analysis), encoding="utf-8")
    return path


def planned(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = main(["plan", "-f", *map(str, arguments)])
    return code, capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    _, text = planned(capsys, *arguments, "-o", "json")
    (found,) = json.loads(text)
    return dict(found)


def test_the_table_says_what_is_found_when_it_passes_and_when_it_is_promoted(
    capsys: pytest.CaptureFixture[str], manifest: Path
) -> None:
    code, text = planned(capsys, manifest, "--rate", 12, "--errors", 0.004)

    assert code == outcome.DONE
    assert "iris: 12 requests/s, 0.40% fail, 5.00% are slow; scraped every 15s" in text
    assert re.search(r"p10 +10 % +error-ratio +0\.80% in .+, 2\.00% in .+, 5\.40% in ", text)
    assert re.search(r"p50 +10m +\d+m +2h +\d+s", text)
    assert "Healthy version: promotion in about " in text
    assert "Warning" not in text


@pytest.mark.parametrize(
    ("rate", "hours"),
    [(1, 4.0), (10, 1.5), (100, 0.75)],
)
def test_an_ordinary_service_without_errors_is_expected_to_be_promoted(
    capsys: pytest.CaptureFixture[str], manifest: Path, rate: float, hours: float
) -> None:
    found = document(capsys, manifest, "--rate", rate, "--slow", 0.012)
    assert 0 < found["promoted_seconds"] <= hours * 3600
    assert all(0 < one["outage_seconds"] <= 180 for one in found["steps"])


def test_where_a_step_does_not_pass_in_time_it_says_what_to_change(
    capsys: pytest.CaptureFixture[str], manifest: Path
) -> None:
    code, text = planned(capsys, manifest, "--rate", 0.05)

    assert code == outcome.NEGATIVE
    assert "no promotion without a person is expected" in text
    assert "Warning: step p10: " in text


def test_profiles_differ_and_single_fields_win(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seconds = {
        analysis: document(
            capsys, written(tmp_path, analysis=f"{{{analysis}}}"), "--rate", 10, "--errors", 0.002
        )["promoted_seconds"]
        for analysis in ("profile: Quick", "profile: Balanced", "profile: Careful")
    }
    quick, balanced, careful = seconds.values()
    assert quick < balanced < (careful or 1e9)


def test_one_pod_plans_by_the_bet_and_a_given_dispersion_wins(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    alone = written(tmp_path, replicas=1)
    by_bet, given = (
        document(capsys, alone, "--rate", 100, "--errors", 0.01, *more)
        for more in ((), ("--dispersion", "20"))
    )
    finds = [one["steps"][0]["metrics"][0]["finds"] for one in (by_bet, given)]
    assert finds[0][0]["seconds"] < finds[1][0]["seconds"]


@pytest.mark.parametrize("suffix", ["svg", "html"])
def test_the_picture_needs_nothing_else(
    capsys: pytest.CaptureFixture[str], manifest: Path, suffix: str
) -> None:
    path = manifest.with_name(f"plan.{suffix}")
    code, _ = planned(capsys, manifest, "--rate", 12, "--picture", path)
    drawn = path.read_text(encoding="utf-8")

    assert code == outcome.DONE
    outside = drawn.replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert "http" not in outside
    assert "<script" not in drawn
    root = ET.fromstring(re.search(r"<svg.*</svg>", drawn, re.DOTALL).group())  # type: ignore[union-attr]
    texts = [one.text or "" for one in root.iter() if one.tag.endswith("text")]
    assert sum(one.startswith("passes after ") for one in texts) == 6
    width = float(root.attrib["width"])
    places = [float(one.attrib["x"]) for one in root.iter() if one.tag.endswith("text")]
    assert all(0 <= it <= width for it in places)


@pytest.mark.parametrize(("errors", "outage"), [(0.2, True), (0.6, True), (0.9999999, False)])
def test_what_is_planned_of_a_stable_that_fails_is_what_the_engine_does(
    capsys: pytest.CaptureFixture[str],
    manifest: Path,
    errors: float,
    outage: bool,  # noqa: FBT001
) -> None:
    """Where nothing worse is left no outage is promised, and of a fast failure no latency tells."""
    found = document(capsys, manifest, "--rate", 12, "--errors", errors)
    assert (found["promoted_seconds"] is not None) is outage
    assert [one["outage_seconds"] is not None for one in found["steps"]] == [outage] * 3
    used_to_less = document(capsys, manifest, "--rate", 12)
    soonest = used_to_less["steps"][0]["outage_seconds"]
    assert (found["steps"][0]["outage_seconds"] or 1e9) > soonest


@pytest.mark.parametrize(("limit", "passes"), [(0.05, False), (0.099, False), (0.2, True)])
def test_a_limit_that_stable_breaks_itself_promises_no_promotion(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    limit: float,
    passes: bool,  # noqa: FBT001
) -> None:
    metrics = f"{{metrics: [{{name: error-ratio, preset: error-ratio, threshold: {{max: {limit}}}, compare: {{}}}}]}}"
    path = written(tmp_path, analysis=metrics)
    code, text = planned(capsys, path, "--rate", 12, "--errors", 0.1)
    assert (code == outcome.DONE) is passes, text
    assert ("stable is above threshold" in text) is not passes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--rate", "0"), "--rate must be above 0"),
        (("--rate", "nan"), "--rate must be above 0"),
        (("--rate", "inf"), "--rate must be from 1e-06 to 1e+09 requests per second"),
        (("--rate", "1e300"), "--rate must be from 1e-06 to 1e+09 requests per second"),
        (("--rate", "1e-300"), "--rate must be from 1e-06 to 1e+09 requests per second"),
        (("--rate", "5", "--scrape", "9999h"), "--scrape must be from 0.1 to 86400 seconds"),
        (("--rate", "5", "--errors", "nan"), "--errors is a share of all requests"),
        (("--rate", "5", "--dispersion", "nan"), "--dispersion must be at least 1"),
        (("--rate", "5", "--dispersion", "inf"), "--dispersion must be at most 1e+06"),
        (("--rate", "5", "--errors", "1.2"), "--errors is a share of all requests"),
        (("--rate", "5", "--slow", "-1"), "--slow is a share of all requests"),
        (("--rate", "5", "--dispersion", "0.5"), "--dispersion must be at least 1"),
        (("--rate", "5", "--picture", "plan.png"), "ends in .svg or .html"),
    ],
)
def test_what_makes_no_sense_is_refused(
    capsys: pytest.CaptureFixture[str], manifest: Path, arguments: tuple[str, ...], said: str
) -> None:
    assert main(["plan", "-f", str(manifest), *arguments]) == outcome.TROUBLE
    assert said in capsys.readouterr().err


def test_a_file_without_a_deployment_or_with_a_wrong_one_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text("kind: Service\n", encoding="utf-8")
    wrong = written(tmp_path, analysis="{profile: Fast}")
    for path, said in (
        (other, "no ModelDeployment in"),
        (wrong, "spec.analysis.profile"),
        (tmp_path / "none.yaml", "cannot read"),
    ):
        assert main(["plan", "-f", str(path), "--rate", "1"]) == outcome.TROUBLE
        assert said in capsys.readouterr().err


@pytest.mark.parametrize(("replicas", "noted"), [(1, True), (2, True), (4, True), (5, False)])
def test_where_pods_are_few_it_says_that_the_risk_is_not_promised(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    replicas: int,
    noted: bool,  # noqa: FBT001
) -> None:
    path = written(tmp_path, replicas=replicas, analysis="{risk: {falseRollback: 0.02}}")
    _, text = planned(capsys, path, "--rate", 100)

    note = f"Note: the chance of 0.02 of rolling back an equal version is not promised where {replicas} pods"
    assert (note in text) is noted
    assert len(document(capsys, path, "--rate", 100)["notes"]) == noted


RATES = "{metrics: [{name: all, preset: request-rate}, {name: each, preset: pod-request-rate, %s}]}"


def test_request_rates_say_what_is_due_and_when_they_pass(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = written(tmp_path, analysis=RATES % "threshold: {min: 10}")
    code, text = planned(capsys, path, "--rate", 200)

    assert code == outcome.DONE
    assert re.search(r"p10 +all +200 requests/s at all traffic +107 in \d+s +\d+m", text)
    assert re.search(r"p10 +each +20 requests/s per pod +10\.7 in \d+s +\d+m", text)
    assert re.search(r"p50 +each +50 requests/s per pod +26\.7 in \d+s +\d+m", text)
    steps = document(capsys, path, "--rate", 200)["steps"]
    assert [one["request_rates"][1]["due"] for one in steps] == [20.0, 50.0, 50.0]
    assert all(one["request_rates"][0]["passes_seconds"] >= 600 for one in steps)


@pytest.mark.parametrize("more", ["threshold: {min: 10}", "threshold: {min: 300}"])
def test_request_rates_are_in_the_picture(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, more: str
) -> None:
    path, picture = written(tmp_path, analysis=RATES % more), tmp_path / "plan.svg"
    planned(capsys, path, "--rate", 200, "--picture", picture)
    texts = [it.text or "" for it in ET.parse(picture).iter() if it.tag.endswith("text")]

    assert texts.count("all") == texts.count("each") == 3
    assert sum(one.endswith("/s") for one in texts) == 6
    assert not any(one.startswith("outage") for one in texts)
    assert sum(one == "passes after a very long time" for one in texts) == 3 * ("300" in more)


def test_a_limit_that_so_few_requests_cannot_reach_is_named_with_a_way_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = written(tmp_path, analysis=RATES % "threshold: {min: 30}")
    code, text = planned(capsys, path, "--rate", 200)

    assert code == outcome.NEGATIVE
    warning = "Warning: step p10: each: only 20 arrive, so that min 30 cannot be judged; give the"
    assert warning in text
    assert "step p25: each" not in text
    assert "Healthy version: no promotion without a person is expected" in text


def test_a_single_pod_shows_nothing_of_how_requests_spread_so_that_it_takes_long(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = written(tmp_path, replicas=1, analysis=RATES % "dryRun: true")
    code, text = planned(capsys, path, "--rate", 1)

    assert code == outcome.NEGATIVE
    assert "step p10: error-ratio lets no" not in text
    assert "step p10: all: does not pass before the deadline: lower min, raise margin" in text
    assert "each" not in text


def test_metrics_that_are_not_compared_are_named(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    metrics = "[{name: up, query: 'up', threshold: {min: 1}}]"
    code, text = planned(
        capsys, written(tmp_path, analysis=f"{{metrics: {metrics}}}"), "--rate", "1"
    )
    assert code == outcome.NEGATIVE
    assert "nothing is compared with stable, so that nothing can be planned" in text
    assert "Not planned: up: it is not compared with stable" in text


# --- labels that come later ----------------------------------------------------------------------


def of_labels(delay: str, cohort: str = "10m", **more: str) -> str:
    quality = f'name: q, preset: label-quality, labelDelay: {delay}, labelCohort: "{cohort}"'
    rest = "".join(f", {name}: {value}" for name, value in more.items())
    return f"{{{{metrics: [{{{{name: e, preset: error-ratio}}}}, {{{{{quality}{rest}}}}}]}}}}"


def planned_labels(folder: Path, capsys: pytest.CaptureFixture[str], asked: str) -> str:
    path = written(folder, analysis=asked.format())
    return planned(capsys, path, "--rate", 12)[1]


def test_a_step_that_labels_can_judge_says_from_when_on(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = planned_labels(tmp_path, capsys, of_labels("5m"))

    assert "Labels: step p10: q: the first labels count after at most 25m" in found
    assert "Warning" not in found


def test_a_step_that_is_too_short_says_that_it_does_not_wait(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = planned_labels(tmp_path, capsys, of_labels("6h"))

    assert "Labels: step p10: q: labels count 6h after a prediction" in found
    assert "it does not wait for them" in found
    assert "Warning" not in found


def test_cohorts_that_are_longer_than_the_deadline_are_warned_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = planned_labels(tmp_path, capsys, of_labels("5m", cohort="2h"))

    assert "Warning: step p10: q: its first labels may count after 4h 5m" in found
    assert "let the exporter count by shorter cohorts" in found


def test_it_stands_in_the_document_and_is_no_metric_of_the_table(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    found = document(capsys, written(tmp_path, analysis=of_labels("6h").format()), "--rate", 12)

    assert [line.split(":")[0] for line in found["labels"]] == ["step p10", "step p25", "step p50"]
    assert {one["name"] for one in found["steps"][0]["metrics"]} == {"e"}
    assert found["not_planned"] == []
