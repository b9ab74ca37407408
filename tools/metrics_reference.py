"""The page of the operator's metrics, from the code that exports them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client.metrics import MetricWrapperBase

from tidegate.adapters.telemetry import Telemetry
from tidegate.controller import gauges

_HEAD: Final = """# Metrics of the operator

On port 8080 at `/metrics`. The chart has it scraped by `metrics.podMonitor` or `metrics.serviceMonitor`. [Alerts](../runbooks/README.md) and [dashboards](../how-to/alerts-and-dashboards.md) are made of these.

Those with `model_namespace` and `model_deployment` are made of the status of ModelDeployments, by the replica that leads, for up to `metrics.objects` of them. Beside these stand `process_...` metrics of the process.

| Metric | Type | Labels | It is |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    return _HEAD + "".join(f"{row}\n" for row in sorted([*_counted(), *_made_of_status()]))


def _counted() -> Iterator[str]:
    kept = vars(Telemetry()).values()
    for metric in (it for it in kept if isinstance(it, MetricWrapperBase)):
        [family] = metric.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = metric._labelnames  # noqa: SLF001 - nowhere public
        yield _row(name, family.type, labels, family.documentation)


def _made_of_status() -> Iterator[str]:
    for family in gauges.families((), at_most=0):
        yield _row(family.name, "gauge", family.labels, family.text)


def _row(name: str, kind: str, labels: Sequence[str], text: str) -> str:
    return f"| `{name}` | {kind} | {', '.join(f'`{it}`' for it in labels)} | {text} |"
