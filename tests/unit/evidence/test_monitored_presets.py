"""Presets before what monitors of the Prometheus operator make of a server's labels.

A label that the server exports under the name of a target label is stored as `exported_...`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

import pod_monitor
import pytest
import recorded
from evidence_build import CANDIDATE, IDENTITY
from exposed import answer

from tidegate.evidence.counts import scrapes
from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Series

POD = {
    "metadata": {
        "name": recorded.TARGET["pod"],
        "namespace": "ml",
        "labels": {"tidegate.dev/model-deployment": "iris", "tidegate.dev/revision": CANDIDATE},
        "annotations": {"prometheus.io/scrape": "true"},
    },
    "spec": {
        "containers": [
            {"name": "server", "ports": [{"name": "tidegate-metric", "containerPort": 1}]}
        ]
    },
    "status": {"podIP": "10.0.0.1", "phase": "Running"},
}


def _by_hand() -> dict[str, Any]:
    """A monitor of somebody who keeps all that the Prometheus operator adds."""
    monitor = copy.deepcopy(pod_monitor.MODEL_MONITOR)
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    endpoint["relabelings"] = [it for it in endpoint["relabelings"] if "targetLabel" in it]
    return monitor


# A ServiceMonitor names the service as well, and its job after it.
SERVICE = {"service": "iris", "endpoint": "http", "container": "server", "job": "iris"}
PLAIN = {"job": "pods"}


def target_labels(monitor: Mapping[str, Any]) -> dict[str, str]:
    """What the scrape job of a monitor adds to the series of the pod."""
    [labels] = pod_monitor.discovered(POD)
    for rule in pod_monitor.scrape_job(dict(monitor))["relabel_configs"]:
        action = rule.get("action", "replace")
        if action == "labeldrop":
            labels = {k: v for k, v in labels.items() if not re.fullmatch(rule["regex"], k)}
        if action == "replace":
            value = ";".join(labels.get(it, "") for it in rule.get("source_labels", ()))
            found = re.fullmatch(rule.get("regex", "(.*)"), value, re.DOTALL)
            if found:
                text = rule.get("replacement", "$1").replace(
                    "$1", found[1] if found.re.groups else ""
                )
                labels[rule["target_label"]] = text
    return {name: value for name, value in labels.items() if not name.startswith("__")}


def scraped(server: str, added: Mapping[str, str]) -> tuple[Series, ...]:
    """The recorded exposition of a server as Prometheus stores it, without `honor_labels`."""
    found = []
    for one in recorded.series(server):
        own = {k: v for k, v in one.labels.items() if recorded.TARGET.get(k) != v}
        renamed = {f"exported_{k}" if k in added else k: v for k, v in own.items()}
        found.append(Series(labels={**renamed, **added, **recorded.TARGET}, samples=one.samples))
    return tuple(found)


MONITORS = {
    "chart": target_labels(pod_monitor.MODEL_MONITOR),
    "by hand": target_labels(_by_hand()),
    "service": SERVICE,
}


def selected(server: str, metric: str, added: Mapping[str, str]) -> dict[str, float]:
    """Events by role of a metric."""
    asked = promql.wanted(
        presets.TEMPLATES[server, metric], given={}, identity=IDENTITY, window_seconds=60
    )
    assert isinstance(asked, dict)
    series = scraped(server, added)
    found = {role: answer(it, series) for role, it in asked.items() if isinstance(it, Wanted)}
    for role, it in asked.items():
        if isinstance(it, Narrowing) and role == "bad":
            picked = it.pick(found["total"])
            assert isinstance(picked, tuple), picked
            found[role] = picked
    return {role: recorded.events(some) for role, some in found.items()}


def test_the_chart_drops_what_servers_export_themselves() -> None:
    assert "endpoint" not in MONITORS["chart"]
    assert MONITORS["by hand"]["endpoint"] == "tidegate-metric"
    assert MONITORS["by hand"]["container"] == "server"


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize(("server", "metric"), presets.TEMPLATES)
def test_a_monitor_changes_no_count(server: str, metric: str, monitor: str) -> None:
    expected = selected(server, metric, PLAIN)

    assert selected(server, metric, MONITORS[monitor]) == expected
    if metric == "error-ratio":
        assert expected["total"] == recorded.COUNTED[server].total
        assert expected.get("bad", recorded.COUNTED[server].bad) == recorded.COUNTED[server].bad


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize(
    ("server", "name", "paths"),
    [
        (
            "SGLang",
            "endpoint",
            {"/v1/chat/completions": True, "/health": False, "/flush_cache": False},
        ),
        ("BentoML", "endpoint", {"/predict": True, "/livez": False, "/readyz": False}),
    ],
)
def test_probes_behind_a_monitor_are_no_requests(
    server: str, name: str, paths: dict[str, bool], monitor: str
) -> None:
    wanted = promql.raw(presets.REQUESTS[server], source="", values={}, identity=IDENTITY)
    assert isinstance(wanted, Wanted)
    added = MONITORS[monitor]
    own = f"exported_{name}" if name in added else name
    for path, counted in paths.items():
        labels = {"__name__": wanted.metric, "method": "POST", **added, own: path}
        one = Series(labels={**labels, **recorded.TARGET}, samples=((0.0, 0.0), (60.0, 1.0)))
        assert bool(answer(wanted, [one])) is counted, path


@pytest.mark.parametrize("monitor", MONITORS)
@pytest.mark.parametrize("server", ["BentoML", "SGLang"])
def test_the_label_of_the_server_tells_its_counters_apart(server: str, monitor: str) -> None:
    wanted = promql.raw(presets.REQUESTS[server], source="", values={}, identity=IDENTITY)
    assert isinstance(wanted, Wanted)
    series = answer(wanted, scraped(server, MONITORS[monitor]))
    counters = {it.lane.counter for it in scrapes.entries_of(series)}
    assert len(counters) == len(series) > 1
