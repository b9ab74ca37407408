"""Grafana dashboards, from what each panel asks: one JSON file for each, which the chart ships.

Written in Grafana's classic model (schema 39, Grafana 11), with a data source that people choose. Queries
survive a change of the leading replica by `max by`, and name no revision.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

Object = dict[str, Any]
FOLDER: Final = Path("charts/tidegate/files/dashboards")
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
_COLUMNS: Final = 24
_OF: Final = 'model_namespace="$namespace",model_deployment="$modeldeployment"'
_BY: Final = "model_namespace, model_deployment"
# Pods of a revision are named <ModelDeployment>-<its hash>-<of the ReplicaSet>-<of the pod>.
_PODS: Final = 'namespace="$namespace",pod=~"$modeldeployment-[0-9a-f]{10}-.+",container!=""'
_REVISION: Final = '"revision", "$1", "pod", ".+-([0-9a-f]{10})-[^-]+-[^-]+"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """PromQL, and how its series are called."""

    text: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A picture of one or more queries. Units are names of Grafana; `width` is in 24ths."""

    title: str
    queries: tuple[Query, ...]
    about: str = ""
    kind: str = "timeseries"
    unit: str = "short"
    width: int = 12
    height: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)
    repeat: str = ""


def _panel(title: str, text: str, legend: str = "", **more: Any) -> Panel:
    return Panel(title=title, queries=(Query(text=text, legend=legend),), **more)


def _by(labels: str, metric: str, matchers: str = _OF) -> str:
    return f"max by ({labels}) ({metric}{{{matchers}}})"


FLEET: Final = (
    _panel(
        "ModelDeployments by phase",
        "sum by (phase) (max by (phase, strategy) (tidegate_modeldeployments))",
        "{{phase}}",
        options={"stack": True},
    ),
    _panel(
        "Needs attention",
        f"max by ({_BY}, condition, reason) (tidegate_condition{{condition!~"
        '"Ready|Reconciling|Available|TrafficProgrammed|EvidenceReady|AnalysisPassing|Promoted|Paused",'
        'status="True"} '
        'or tidegate_condition{condition=~"Available|TrafficProgrammed|EvidenceReady",status="False"})',
        kind="table",
        about="Conditions that are out of the ordinary, with their reasons.",
    ),
    _panel(
        "Rollouts under way: share of the candidate",
        f'max by ({_BY}) (tidegate_candidate_share_percent{{share="wanted"}})',
        "{{model_namespace}}/{{model_deployment}}",
        unit="percent",
    ),
    _panel(
        "Rollouts that stand still: for how long",
        f"time() - max by ({_BY}, reason) (tidegate_waiting_since_timestamp_seconds)",
        "{{model_namespace}}/{{model_deployment}}: {{reason}}",
        unit="s",
    ),
    _panel(
        "Rollouts that ended",
        "sum by (result) (increase(tidegate_rollouts_total[$__range]))",
        "{{result}}",
        kind="bargauge",
        width=8,
    ),
    _panel(
        "Rollbacks by cause",
        "sum by (reason) (increase(tidegate_rollbacks_total[$__range]))",
        "{{reason}}",
        kind="bargauge",
        width=8,
    ),
    _panel(
        "Drifts of what serves",
        "sum by (kind) (increase(tidegate_drifts_total[$__range]))",
        "{{kind}}",
        kind="bargauge",
        width=8,
    ),
    _panel("Leading replicas", "sum(tidegate_leader)", kind="stat", width=4),
    _panel(
        "Without series of their own",
        "max(tidegate_modeldeployments_without_series)",
        kind="stat",
        width=4,
        about="ModelDeployments beyond metrics.objects; they are missing in these dashboards.",
    ),
    _panel(
        "Metric sources: 95 % of the queries take at most",
        "histogram_quantile(0.95, sum by (source, le) "
        "(rate(tidegate_metric_query_duration_seconds_bucket[$__rate_interval])))",
        "{{source}}",
        unit="s",
    ),
    _panel(
        "Metric sources: queries without a usable answer",
        "sum by (source) (rate(tidegate_metric_query_errors_total[$__rate_interval]))",
        "{{source}}",
        unit="reqps",
    ),
    _panel(
        "Looks at ModelDeployments: 95 % take at most",
        "histogram_quantile(0.95, sum by (le) "
        "(rate(tidegate_reconcile_duration_seconds_bucket[$__rate_interval])))",
        "p95",
        unit="s",
        width=8,
    ),
    _panel(
        "Looks by outcome",
        "sum by (outcome) (rate(tidegate_reconcile_duration_seconds_count[$__rate_interval]))",
        "{{outcome}}",
        unit="ops",
        width=8,
    ),
    _panel("Waiting for a worker", "max(tidegate_workqueue_depth)", "ModelDeployments", width=8),
    _panel(
        "Requests to the API server",
        "sum by (verb, outcome) (rate(tidegate_api_requests_total[$__rate_interval]))",
        "{{verb}} {{outcome}}",
        unit="reqps",
    ),
    _panel(
        "Memory of the replicas",
        "process_resident_memory_bytes and on (instance) tidegate_leader",
        "{{instance}}",
        unit="bytes",
    ),
)

ONE: Final = (
    _panel(
        "Phase",
        _by("phase", "tidegate_info"),
        "{{phase}}",
        kind="stat",
        width=6,
        height=4,
        options={"textMode": "name"},
    ),
    _panel(
        "Step",
        _by("step", "tidegate_step"),
        "{{step}}",
        kind="stat",
        width=6,
        height=4,
        options={"textMode": "name"},
    ),
    _panel(
        "Stands still for",
        f"time() - {_by('reason', 'tidegate_waiting_since_timestamp_seconds')}",
        "{{reason}}",
        kind="stat",
        unit="s",
        width=6,
        height=4,
        options={"textMode": "value_and_name"},
    ),
    _panel(
        "Rollout runs for",
        f"time() - {_by('model_deployment', 'tidegate_rollout_started_timestamp_seconds')}",
        kind="stat",
        unit="s",
        width=6,
        height=4,
    ),
    _panel(
        "Exposure: share of the requests",
        _by("share", "tidegate_candidate_share_percent"),
        "{{share}}",
        unit="percent",
        about="Wanted and observed are answered by the candidate; copied are not.",
    ),
    _panel(
        "Outcomes",
        _by("metric, outcome", "tidegate_analysis_outcome"),
        "{{metric}}: {{outcome}}",
        options={"stack": True},
    ),
    Panel(
        title="Evidence of harm, and where it rolls back",
        queries=(
            Query(
                text=_by("metric", "tidegate_analysis_evidence", f'{_OF},of="harm"'),
                legend="{{metric}}",
            ),
            Query(
                text=_by("metric", "tidegate_analysis_evidence_limit", f'{_OF},of="harm"'),
                legend="{{metric}} limit",
            ),
        ),
        about="Logarithms of e-values: above its limit a metric rolls the candidate back.",
    ),
    Panel(
        title="Proof that there is no harm, and where it is enough",
        queries=(
            Query(
                text=_by("metric", "tidegate_analysis_evidence", f'{_OF},of="proof"'),
                legend="{{metric}}",
            ),
            Query(
                text=_by("metric", "tidegate_analysis_evidence_limit", f'{_OF},of="proof"'),
                legend="{{metric}} limit",
            ),
        ),
    ),
    Panel(
        title="$metric: candidate, stable and limits",
        queries=(
            Query(
                text=_by("role", "tidegate_analysis_value", f'{_OF},metric="$metric"'),
                legend="{{role}}",
            ),
            Query(
                text=_by("bound", "tidegate_analysis_bound", f'{_OF},metric="$metric"'),
                legend="{{bound}} bound",
            ),
            Query(
                text=_by("limit", "tidegate_analysis_limit", f'{_OF},metric="$metric"'),
                legend="{{limit}}",
            ),
        ),
        about="The band is a 95 % confidence interval of the candidate's value: latencies in seconds, ratios from 0 to 1.",
        repeat="metric",
        width=24,
    ),
    _panel(
        "Drift by feature",
        _by("metric, feature", "tidegate_drift_psi"),
        "{{metric}}: {{feature}}",
        about="Population stability index of the three features of a metric that moved most.",
    ),
    _panel(
        "Throughput that was judged",
        f"clamp_min(deriv({'tidegate_analysis_requests{' + _OF + '}'}[5m]), 0)",
        "{{metric}} {{role}}",
        unit="reqps",
        about="Requests per second behind the judgements of the running step.",
    ),
    Panel(
        title="Pods, wanted and ready",
        queries=(
            Query(text=_by("role", "tidegate_replicas"), legend="{{role}} wanted"),
            Query(text=_by("role", "tidegate_ready_replicas"), legend="{{role}} ready"),
        ),
        width=8,
    ),
    _panel(
        "CPU time by revision",
        f"sum by (revision) (label_replace(rate(container_cpu_usage_seconds_total{{{_PODS}}}"
        f"[$__rate_interval]), {_REVISION}))",
        "{{revision}}",
        unit="none",
        width=8,
        about="Of the containers, as cAdvisor counts them in the kubelet.",
    ),
    _panel(
        "Memory by revision",
        f"sum by (revision) (label_replace(container_memory_working_set_bytes{{{_PODS}}}, {_REVISION}))",
        "{{revision}}",
        unit="bytes",
        width=8,
        about="Of the containers, as cAdvisor counts it in the kubelet.",
    ),
)


def _placed(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    """Panels with their places, line after line from the left."""
    across = down = highest = 0
    for panel in panels:
        if across + panel.width > _COLUMNS:
            across, down, highest = 0, down + highest, 0
        yield panel, across, down
        across, highest = across + panel.width, max(highest, panel.height)


def _drawn(number: int, panel: Panel, *, across: int, down: int) -> Object:
    stacked = (
        {"stacking": {"mode": "normal"}, "fillOpacity": 40} if panel.options.get("stack") else {}
    )
    options = {key: it for key, it in panel.options.items() if key != "stack"}
    instant = panel.kind in {"table", "bargauge", "stat"}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.about,
        "datasource": _SOURCE,
        "gridPos": {"x": across, "y": down, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "custom": stacked}, "overrides": []},
        "options": options,
        **({"repeat": panel.repeat, "repeatDirection": "v"} if panel.repeat else {}),
        "targets": [
            {
                "refId": chr(ord("A") + at),
                "datasource": _SOURCE,
                "expr": query.text,
                "legendFormat": query.legend,
                "instant": instant,
                "range": not instant,
                "format": "table" if panel.kind == "table" else "time_series",
            }
            for at, query in enumerate(panel.queries)
        ],
    }


def _variable(name: str, query: str, *, label: str, many: bool = False) -> Object:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": query, "refId": name},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": many,
        "includeAll": many,
    }


def _dashboard(
    uid: str, title: str, panels: Sequence[Panel], *, variables: Sequence[Object] = ()
) -> str:
    chosen = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
    }
    links = {"type": "dashboards", "tags": ["tidegate"], "title": "Tidegate", "asDropdown": True}
    document = {
        "uid": uid,
        "title": title,
        "tags": ["tidegate"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "links": [links],
        "templating": {"list": [chosen, *variables]},
        "panels": [
            _drawn(number, panel, across=across, down=down)
            for number, (panel, across, down) in enumerate(_placed(panels), start=1)
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def texts() -> Mapping[Path, str]:
    """Every dashboard by its path from the repository's root."""
    of_namespace = 'tidegate_info{model_namespace="$namespace"}'
    variables = (
        _variable("namespace", "label_values(tidegate_info, model_namespace)", label="Namespace"),
        _variable(
            "modeldeployment",
            f"label_values({of_namespace}, model_deployment)",
            label="ModelDeployment",
        ),
        _variable(
            "metric",
            f"label_values(tidegate_analysis_outcome{{{_OF}}}, metric)",
            label="Metric",
            many=True,
        ),
    )
    return {
        FOLDER / "fleet.json": _dashboard("tidegate-fleet", "Tidegate: fleet", FLEET),
        FOLDER / "modeldeployment.json": _dashboard(
            "tidegate-modeldeployment", "Tidegate: one ModelDeployment", ONE, variables=variables
        ),
    }
