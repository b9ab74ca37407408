"""Every panel of the dashboards is asked of a Prometheus that rollouts have filled, and has an answer."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
import scraped_rollouts
from scraped_rollouts import SCRAPE_SECONDS
from tests.cluster import gobuild
from tests.cluster.progress import Progress
from tests.sim.people import NAME, NAMESPACE

from .conftest import ROOT, Prometheus, every_second, running

Object = dict[str, Any]
DASHBOARDS = {
    file.stem: json.loads(file.read_text())
    for file in sorted((ROOT / "charts/tidegate/files/dashboards").glob("*.json"))
}
PANELS = {
    f"{name}: {panel['title']}": panel
    for name, dashboard in DASHBOARDS.items()
    for panel in dashboard["panels"]
}
QUERIES = [
    pytest.param(target["expr"], id=f"{title} {target['refId']}")
    for title, panel in PANELS.items()
    for target in panel["targets"]
]
# What Grafana puts in for its variables.
CHOSEN = {
    "namespace": NAMESPACE,
    "modeldeployment": NAME,
    "metric": "latency-p95",
    "__rate_interval": "1m",
    "__range": "1h",
}
PAST_SECONDS = 10_800.0  # beyond what the server keeps in memory
JOB = {"job_name": "nobody", "static_configs": [{"targets": ["127.0.0.1:1"]}]}


def filled_in(expression: str) -> str:
    """The query as Grafana sends it. Errors: KeyError for a variable that nobody fills in."""
    return re.sub(r"\$([A-Za-z_]\w*)", lambda it: CHOSEN[it[1]], expression)


class Filled:
    """A Prometheus with what was scraped, and the time that it is about."""

    def __init__(self, prometheus: Prometheus, *, start: float, end: float) -> None:
        self._url = prometheus.url
        self._times = {"start": f"{start}", "end": f"{end}", "step": f"{SCRAPE_SECONDS:g}"}
        self._end = end

    def series(self, promql: str) -> list[Object]:
        """The answer over all the time."""
        return self._ask("query_range", {"query": promql, **self._times})

    def at_the_end(self, promql: str) -> list[Object]:
        return self._ask("query", {"query": promql, "time": f"{self._end}"})

    def _ask(self, what: str, parameters: dict[str, str]) -> list[Object]:
        url = f"{self._url}/api/v1/{what}?{urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=120) as answer:
            found: list[Object] = json.load(answer)["data"]["result"]
            return found


@pytest.fixture(scope="module")
def filled(program: str, store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """Blocks are written by promtool; the server reads them when it starts."""
    folder = tmp_path_factory.mktemp("filled")
    played = scraped_rollouts.scraped()
    end = time.time() - PAST_SECONDS
    exposition = folder / "scraped.om"
    exposition.write_text(played.document(ending_at=end))
    promtool = gobuild.ensure_program(gobuild.PROMTOOL, Progress())
    blocks = ("tsdb", "create-blocks-from", "openmetrics", exposition, folder / "data")
    done = subprocess.run([promtool, *blocks], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    config: Callable[[str], Object] = lambda _: every_second(JOB)  # noqa: E731
    with running(program, store=store, folder=folder, config=config) as started:
        yield Filled(started, start=end - played.seconds, end=end)


@pytest.mark.parametrize("expression", QUERIES)
def test_every_panel_has_an_answer(filled: Filled, expression: str) -> None:
    found = filled.series(filled_in(expression))
    numbers = [value for one in found for _, value in one["values"] if value != "NaN"]
    assert numbers, filled_in(expression)


def test_the_variables_of_a_dashboard_have_values(filled: Filled) -> None:
    for variable in DASHBOARDS["modeldeployment"]["templating"]["list"]:
        if variable["type"] != "query":
            continue
        asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
        assert asked is not None
        found = filled.series(filled_in(asked[1]))
        values = {one["metric"].get(asked[2]) for one in found}
        assert CHOSEN[variable["name"]] in values


def test_the_pictures_tell_what_was_played(filled: Filled) -> None:
    def values(metric: str, **labels: str) -> set[str]:
        matchers = ",".join(f'{key}="{value}"' for key, value in labels.items())
        found = filled.series(f"{metric}{{{matchers}}}")
        return {value for one in found for _, value in one["values"]}

    phases = {one["metric"]["phase"] for one in filled.series("tidegate_info")}
    assert {"Progressing", "RolledBack", "Paused", "Healthy"} <= phases
    assert values("tidegate_candidate_share_percent", share="wanted") >= {"10", "50"}
    drifted = filled.series("tidegate_drift_psi > 1")
    assert {one["metric"]["feature"] for one in drifted} == {"amount"}
    [ended] = filled.at_the_end('tidegate_rollouts_total{result="Promoted"}')
    assert float(ended["value"][1]) >= 1
    waited = filled.series("time() - tidegate_waiting_since_timestamp_seconds")
    longest = max(float(value) for one in waited for _, value in one["values"])
    assert 0 < longest < 300


def test_alerts_come_in_the_same_rollouts(filled: Filled) -> None:
    """Rules and dashboards read what the operator really exports."""
    rolled_back = filled.series('tidegate_info{phase="RolledBack"} == 1')
    assert rolled_back
    drift = "tidegate_drift_psi and on (model_namespace, model_deployment, metric) "
    assert filled.series(f'{drift} tidegate_analysis_outcome{{outcome="Fail"}} == 1')


@pytest.mark.parametrize("name", DASHBOARDS)
def test_a_dashboard_stands_by_itself(name: str) -> None:
    dashboard = DASHBOARDS[name]
    assert dashboard["uid"] == f"tidegate-{name}"
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    for panel in dashboard["panels"]:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert panel["title"]
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24
    corners = [(it["gridPos"]["x"], it["gridPos"]["y"]) for it in dashboard["panels"]]
    assert len(corners) == len(set(corners))
