"""Metric presets: which series of which server or data plane tell errors and latencies. Data only.

Each row follows ecosystem.md, 2.4 and 3.1, as corrected by what real servers export: ADR 0007 and
`tests/support/expositions`. Requests are narrowed so that probes never count. A row without `bad`
or without a histogram says that nothing trustworthy is exported; such a preset is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.evidence.terms import LabelMatch, Latency, Operator, Ratio, Selector, Template

ERROR_RATIO = "error-ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A classic histogram by its base name. `unit_seconds` is the length of its unit."""

    series: Selector
    unit_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What is exported, and where a model server listens. `requests` counts all requests.

    An empty `metrics_port` is the port; an empty `ready_path` says that none is known. Ports and
    paths mean nothing for a data plane.
    """

    requests: Selector
    bad: Selector | None = None
    latency: Histogram | None = None
    first_token: Histogram | None = None
    inter_token: Histogram | None = None
    port: int = 8080
    metrics_port: int | None = None
    metrics_path: str = "/metrics"
    ready_path: str = ""


def _is(label: str, pattern: str) -> LabelMatch:
    return LabelMatch(label=label, operator=Operator.MATCHES, values=(pattern,))


def _is_not(label: str, pattern: str) -> LabelMatch:
    return LabelMatch(label=label, operator=Operator.NOT_MATCHES, values=(pattern,))


def _series(metric: str, *matches: LabelMatch, also: tuple[str, ...] = ()) -> Selector:
    return Selector(metric=metric, matches=matches, also=also)


_MILLISECONDS, _MICROSECONDS = 1e-3, 1e-6

# --- model servers -------------------------------------------------------------------------------

# For servers that follow the Prometheus examples: the status stands in the label `code`, as Go's
# promhttp writes it. An absent label is the empty string, which no probe path matches.
_PROBE_PATHS = "/+(metrics|health|healthz|livez|readyz|ready|v2/health)(/.*)?"
_HTTP = (_is_not("path", _PROBE_PATHS), _is_not("handler", _PROBE_PATHS))

_MLSERVER = (_is("path", ".*/infer"),)

_BENTOML = (_is_not("endpoint", "/(livez|readyz|healthz|metrics)"),)

# Probes and unknown paths belong to no application. The histograms per deployment are not read:
# their label `replica` looks like that of a Prometheus pair, and they miss the queue of the proxy.
_RAY = (_is("application", ".+"),)

# The engine's own counter, vllm:request_success_total, sees neither a broken chat template nor any
# other failure before the engine, and takes clients that hang up for failures.
_VLLM = (_is("handler", "/v1/.*"), _is("method", "POST"))

_OPENVINO = (_is("method", "ModelInfer|Predict|Unary|Stream"),)

_SERVERS: Mapping[str, Preset] = {
    "HTTP": Preset(
        requests=_series("http_requests_total", *_HTTP),
        bad=_series("http_requests_total", *_HTTP, _is("code", "5..")),
        latency=Histogram(series=_series("http_request_duration_seconds", *_HTTP)),
    ),
    "MLServer": Preset(
        requests=_series("rest_server_requests_total", *_MLSERVER),
        bad=_series("rest_server_requests_total", *_MLSERVER, _is("status_code", "5..")),
        latency=Histogram(series=_series("rest_server_request_duration_seconds", *_MLSERVER)),
        metrics_port=8082,
        ready_path="/v2/health/ready",
    ),
    "KServe": Preset(  # failed predictions are among the others, and nowhere counted apart
        requests=_series("request_predict_seconds_count"),
        latency=Histogram(series=_series("request_predict_seconds")),
        ready_path="/v2/health/ready",
    ),
    "Triton": Preset(  # of whole requests there are sums and summaries, but no histogram
        requests=_series("nv_inference_request_success", also=("nv_inference_request_failure",)),
        bad=_series("nv_inference_request_failure"),
        port=8000,
        metrics_port=8002,
        ready_path="/v2/health/ready",
    ),
    "TFServing": Preset(  # the histogram holds successful requests only
        requests=_series(":tensorflow:serving:request_count"),
        bad=_series(":tensorflow:serving:request_count", _is_not("status", "OK")),
        latency=Histogram(
            series=_series(":tensorflow:serving:request_latency"), unit_seconds=_MICROSECONDS
        ),
        port=8501,
        metrics_path="/monitoring/prometheus/metrics",
    ),
    "BentoML": Preset(
        requests=_series("bentoml_service_request_total", *_BENTOML),
        bad=_series("bentoml_service_request_total", *_BENTOML, _is("http_response_code", "5..")),
        latency=Histogram(series=_series("bentoml_service_request_duration_seconds", *_BENTOML)),
        port=3000,
        ready_path="/readyz",
    ),
    "RayServe": Preset(
        requests=_series("ray_serve_num_http_requests_total", *_RAY),
        bad=_series("ray_serve_num_http_requests_total", *_RAY, _is("status_code", "5..")),
        latency=Histogram(
            series=_series("ray_serve_http_request_latency_ms", *_RAY), unit_seconds=_MILLISECONDS
        ),
        port=8000,
        metrics_port=8080,
        ready_path="/-/healthz",
    ),
    "VLLM": Preset(
        requests=_series("http_requests_total", *_VLLM),
        bad=_series("http_requests_total", *_VLLM, _is("status", "5..")),
        latency=Histogram(series=_series("vllm:e2e_request_latency_seconds")),
        first_token=Histogram(series=_series("vllm:time_to_first_token_seconds")),
        inter_token=Histogram(series=_series("vllm:inter_token_latency_seconds")),
        port=8000,
        ready_path="/health",
    ),
    "OpenVINO": Preset(
        requests=_series("ovms_requests_success", *_OPENVINO, also=("ovms_requests_fail",)),
        bad=_series("ovms_requests_fail", *_OPENVINO),
        latency=Histogram(series=_series("ovms_request_time_us"), unit_seconds=_MICROSECONDS),
        port=8000,
        ready_path="/v2/health/ready",
    ),
}

# --- data planes ---------------------------------------------------------------------------------

_SIDECAR = (_is("reporter", "destination"), _is("request_protocol", "http"))

_DATA_PLANES: Mapping[str, Preset] = {
    "Envoy": Preset(
        requests=_series("envoy_cluster_upstream_rq_xx"),
        bad=_series("envoy_cluster_upstream_rq_xx", _is("envoy_response_code_class", "5")),
        latency=Histogram(
            series=_series("envoy_cluster_upstream_rq_time"), unit_seconds=_MILLISECONDS
        ),
    ),
    "Istio": Preset(
        requests=_series("istio_requests_total", *_SIDECAR),
        bad=_series("istio_requests_total", *_SIDECAR, _is("response_code", "5..")),
        latency=Histogram(
            series=_series("istio_request_duration_milliseconds", *_SIDECAR),
            unit_seconds=_MILLISECONDS,
        ),
    ),
}

# --- by name -------------------------------------------------------------------------------------

PRESETS: Mapping[str, Preset] = {**_SERVERS, **_DATA_PLANES}
SERVERS: tuple[str, ...] = tuple(_SERVERS)
DATA_PLANES: tuple[str, ...] = tuple(_DATA_PLANES)

_QUANTILES: Mapping[str, float] = {"latency-p50": 0.5, "latency-p95": 0.95, "latency-p99": 0.99}
_TTFT = "ttft-p95"
ITL = "itl-p95"  # the only one that counts tokens instead of requests
METRICS: tuple[str, ...] = (ERROR_RATIO, *_QUANTILES, _TTFT, ITL)

REQUESTS: Mapping[str, Selector] = {name: preset.requests for name, preset in PRESETS.items()}


def _templates(preset: Preset) -> Mapping[str, Template]:
    """A template for each metric that the preset can read, by the metric's name."""
    histograms = {name: (preset.latency, quantile) for name, quantile in _QUANTILES.items()}
    histograms |= {
        _TTFT: (preset.first_token, 0.95),
        ITL: (preset.inter_token, 0.95),
    }
    found = {
        name: Template(
            name=name,
            measure=Latency(
                histogram=histogram.series, quantile=quantile, unit_seconds=histogram.unit_seconds
            ),
        )
        for name, (histogram, quantile) in histograms.items()
        if histogram is not None
    }
    if preset.bad is not None:
        ratio = Ratio(bad=preset.bad, total=preset.requests)
        found[ERROR_RATIO] = Template(name=ERROR_RATIO, measure=ratio)
    return found


TEMPLATES: Mapping[tuple[str, str], Template] = {
    (name, metric): template
    for name, preset in PRESETS.items()
    for metric, template in _templates(preset).items()
}
