"""Metric presets: which series of which server give errors and latencies. Data, no logic.

`MLServer` follows ecosystem.md, 3.1: its probes are counted too, so every selector is narrowed to
inference paths. `HTTP` is for servers that follow the Prometheus examples: the status code stands
in the label `code`, as Go's promhttp writes it. A server with another spelling needs a template.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.evidence.model import LabelMatch, Latency, Operator, Ratio, Selector, Template

ERROR_RATIO = "error-ratio"

_PROBE_PATHS = "/+(metrics|health|healthz|livez|readyz|ready|v2/health)(/.*)?"


def _match(label: str, operator: Operator, value: str) -> LabelMatch:
    return LabelMatch(label=label, operator=operator, values=(value,))


_MLSERVER_INFER = (_match("path", Operator.MATCHES, ".*/infer"),)
_HTTP_NO_PROBES = (  # an absent label is the empty string, which no probe path matches
    _match("path", Operator.NOT_MATCHES, _PROBE_PATHS),
    _match("handler", Operator.NOT_MATCHES, _PROBE_PATHS),
)

_RATIOS: Mapping[str, Ratio] = {
    "MLServer": Ratio(
        bad=Selector(
            metric="rest_server_requests_total",
            matches=(*_MLSERVER_INFER, _match("status_code", Operator.MATCHES, "5..")),
        ),
        total=Selector(metric="rest_server_requests_total", matches=_MLSERVER_INFER),
    ),
    "HTTP": Ratio(
        bad=Selector(
            metric="http_requests_total",
            matches=(*_HTTP_NO_PROBES, _match("code", Operator.MATCHES, "5..")),
        ),
        total=Selector(metric="http_requests_total", matches=_HTTP_NO_PROBES),
    ),
}

_HISTOGRAMS: Mapping[str, Selector] = {
    "MLServer": Selector(metric="rest_server_request_duration_seconds", matches=_MLSERVER_INFER),
    "HTTP": Selector(metric="http_request_duration_seconds", matches=_HTTP_NO_PROBES),
}

_QUANTILES: Mapping[str, float] = {"latency-p50": 0.5, "latency-p95": 0.95, "latency-p99": 0.99}

SERVERS: tuple[str, ...] = tuple(_RATIOS)
METRICS: tuple[str, ...] = (ERROR_RATIO, *_QUANTILES)

REQUESTS: Mapping[str, Selector] = {server: ratio.total for server, ratio in _RATIOS.items()}

TEMPLATES: Mapping[tuple[str, str], Template] = {
    (server, ERROR_RATIO): Template(name=ERROR_RATIO, measure=ratio)
    for server, ratio in _RATIOS.items()
} | {
    (server, name): Template(name=name, measure=Latency(histogram=histogram, quantile=quantile))
    for server, histogram in _HISTOGRAMS.items()
    for name, quantile in _QUANTILES.items()
}
