"""The alert rules: by promtool, and that each is tried and has a page."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import helm_chart
import pytest
import yaml
from tests.cluster import gobuild
from tests.cluster.progress import Progress

from tidegate import model

Object = dict[str, Any]
HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RULES = ROOT / "charts" / "tidegate" / "files" / "prometheus" / "rules.yaml"
TRIED = HERE / "rules_test.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"


def alerts() -> dict[str, Object]:
    document = yaml.safe_load(RULES.read_text())
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


@pytest.fixture(scope="session")
def promtool() -> Path:
    if gobuild.go_version() is None:
        reason = "no promtool: install Go, with which the pinned one is built"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return gobuild.ensure_program(gobuild.PROMTOOL, Progress())


def run(promtool: Path, *arguments: str | Path) -> None:
    done = subprocess.run(
        [promtool, *arguments], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules(promtool: Path) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES)


def test_alerts_come_where_they_should_and_nowhere_else(promtool: Path) -> None:
    run(promtool, "test", "rules", TRIED)


def test_each_alert_is_seen_to_come_and_to_stay_away() -> None:
    document = yaml.safe_load(TRIED.read_text())
    tried = [case for test in document["tests"] for case in test["alert_rule_test"]]
    for expected in (True, False):
        seen = {it["alertname"] for it in tried if bool(it["exp_alerts"]) is expected}
        assert seen <= alerts().keys()
        # What comes at once has a neighbour in the same case that stays away.
        waits = {name for name, rule in alerts().items() if "for" in rule}
        assert seen >= (alerts().keys() if expected else waits - SEEN_BY_NEIGHBOURS)


SEEN_BY_NEIGHBOURS = {
    "TidegateRollbackUnconfirmed",
    "TidegateTrafficNotProgrammed",
    "TidegateMetricSourceFailing",
}


@pytest.mark.parametrize("name", alerts())
def test_each_alert_has_a_page_and_words_for_people(name: str) -> None:
    page = (RUNBOOKS / f"{name}.md").read_text()
    assert page.startswith(f"# {name}\n")
    for heading in ("## It means", "## Look", "## Do"):
        assert f"\n{heading}\n" in page
    assert alerts()[name]["annotations"].keys() == {"summary", "description"}
    assert alerts()[name]["labels"]["severity"] in {"info", "warning", "critical"}


def test_whoever_waits_is_told_by_one_alert_or_wants_it_so() -> None:
    """A new reason to wait has to be put somewhere."""
    wanted_so = {"Request", "SpecPaused", "Freeze", "ConcurrencyQuota"}
    by_outcome = {"NoData", "MetricsUnavailable"}  # TidegateNoData, TidegateMetricSourceFailing
    told = [
        reason
        for rule in alerts().values()
        if (found := re.search(r'since_timestamp_seconds{reason=~"([^"]+)"', rule["expr"]))
        for reason in found[1].split("|")
    ]
    assert sorted([*told, *wanted_so, *by_outcome]) == sorted(model.Waiting)


def test_no_page_is_left_over() -> None:
    pages = {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"}
    assert pages == alerts().keys()
    listed = (RUNBOOKS / "README.md").read_text()
    assert all(f"({name}.md)" in listed for name in pages)


def rendered(**values: Any) -> dict[str, Object]:
    objects = helm_chart.render(prometheusRule={"enabled": True, **values})
    [rule] = [it for it in objects if it["kind"] == "PrometheusRule"]
    return {it["alert"]: it for group in rule["spec"]["groups"] for it in group["rules"]}


def test_the_chart_passes_the_rules_on() -> None:
    found = rendered()
    for name, rule in found.items():
        assert rule["annotations"].pop("runbook_url") == f"docs/runbooks/{name}.md"
    assert found == alerts()


def test_values_change_what_they_name_and_nothing_else() -> None:
    found = rendered(
        alertLabels={"team": "ml"},
        without=["TidegateDrift"],
        waitSeconds={"TidegateApprovalPending": 14400},
        runbooks="https://wiki.example.com/tidegate/",
        **{"for": {"TidegateNoData": "30m"}},
    )
    assert found.keys() == alerts().keys() - {"TidegateDrift"}
    assert found["TidegateNoData"]["for"] == "30m"
    assert found["TidegateApprovalPending"]["expr"].endswith("> 14400")
    assert found["TidegateRolloutStuck"]["expr"].endswith("> 3600")
    url = "https://wiki.example.com/tidegate/TidegateDown.md"
    assert found["TidegateDown"]["annotations"]["runbook_url"] == url
    assert found["TidegateDown"]["labels"] == {"severity": "critical", "team": "ml"}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"without": ["TidegateDoom"]}, "there is no alert TidegateDoom"),
        ({"for": {"TidegateDoom": "5m"}}, "there is no alert TidegateDoom"),
        ({"for": {"TidegateDown": "soon"}}, "/prometheusRule/for/TidegateDown"),
        ({"waitSeconds": {"TidegateShareOff": 5}}, "not about a wait"),
    ],
)
def test_wrong_values_are_refused(values: Object, said: str) -> None:
    done = helm_chart.template({"prometheusRule": {"enabled": True, **values}})
    assert done.returncode != 0
    assert said in done.stderr
