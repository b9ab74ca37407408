"""Metric presets as data: which series of which server or data plane tell errors and latencies.

Each row follows ecosystem.md, 2.4 and 3.1, as corrected by what real servers export: ADR 0007 and
`tests/support/expositions`. Requests are narrowed so that probes never count. A row without `bad`
or without a histogram says that nothing trustworthy is exported; such a preset is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate.evidence.terms import LabelMatch, Operator, Selector
from tidegate.model import IdentityMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """A classic histogram by its base name. `unit_seconds` is the length of its unit."""

    series: Selector
    unit_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What is exported, and where a model server listens. `requests` counts all requests.

    `bad` are those that the server failed, `refused` those that it blames on the client (4xx). An
    empty `metrics_port` is the port; an empty `ready_path` says that none is known. Ports and
    paths mean nothing for a data plane. `sparse` as in `terms.Ratio`. `recorded` says that the
    exposition in the tests comes from the real thing, not from its source or manual. `remarks`
    are what users must know, in sentences. `grpc_errors` and `grpc_times` say whether a data
    plane sees the outcome and the latency of calls by gRPC. A proxy that reports for the pods
    has `mode` Gateway; `proxied` says of any that its pods are not those of the model.
    """

    requests: Selector
    bad: Selector | None = None
    refused: Selector | None = None
    latency: Histogram | None = None
    first_token: Histogram | None = None
    inter_token: Histogram | None = None
    port: int = 8080
    metrics_port: int | None = None
    metrics_path: str = "/metrics"
    ready_path: str = ""
    sparse: bool = False
    recorded: bool = True
    remarks: tuple[str, ...] = ()
    grpc_errors: bool = True
    grpc_times: bool = True
    mode: IdentityMode = IdentityMode.LABEL
    proxied: bool = False


def _is(label: str, pattern: str) -> LabelMatch:
    return LabelMatch(label=label, operator=Operator.MATCHES, values=(pattern,))


def _is_not(label: str, pattern: str) -> LabelMatch:
    return LabelMatch(label=label, operator=Operator.NOT_MATCHES, values=(pattern,))


def _is_not_where_told(label: str, pattern: str) -> LabelMatch:
    """Older servers lack the label."""
    return LabelMatch(label=label, operator=Operator.NOT_MATCHES, values=(pattern,), optional=True)


def _is_path(label: str, paths: str) -> tuple[LabelMatch, ...]:
    """A label of a path, which a target label of that name renames: `endpoint` is what monitors add.

    What a monitor adds is a name of a port, and no port's name begins with a slash.
    """
    return _is(label, f"[^/].*|{paths}"), _is(f"exported_{label}", f"|{paths}")


def _is_no_path(label: str, paths: str) -> tuple[LabelMatch, ...]:
    return _is_not(label, paths), _is_not(f"exported_{label}", paths)


def _is_where_told(label: str, pattern: str) -> LabelMatch:
    return LabelMatch(label=label, operator=Operator.MATCHES, values=(pattern,), optional=True)


def _series(metric: str, *matches: LabelMatch, also: tuple[str, ...] = ()) -> Selector:
    return Selector(metric=metric, matches=matches, also=also)


_MILLISECONDS, _MICROSECONDS = 1e-3, 1e-6

# --- model servers -------------------------------------------------------------------------------

# For servers that follow the Prometheus examples. The status stands in `code` (Go's promhttp),
# in `status` (FastAPI's usual instrumentation, grouped as 5xx) or in `status_code`. An absent
# label is the empty string, which no probe path matches.
_PROBE_PATHS = "/+(metrics|health|healthz|livez|readyz|ready|v2/health)(/.*)?"
_HTTP = (_is_not("path", _PROBE_PATHS), _is_not("handler", _PROBE_PATHS))


def _http_code(pattern: str) -> LabelMatch:
    return LabelMatch(
        label="code",
        operator=Operator.MATCHES,
        values=(pattern,),
        also=("status", "status_code"),
        known="[1-5]..",
    )


# Its plain counter has no path, so that probes could not be told from requests.
_FLASK = (_is_not("path", _PROBE_PATHS),)

_MLSERVER = (_is("path", ".*/(infer|generate)(_stream)?|/invocations"),)

# Clients that hang up fail nobody.
_TRITON_FAILED = (_is_not_where_told("reason", "CANCELED"),)

# Every GET below /v1, a probe too, is a request that is OK and a latency without API. Only the
# runtime tells predictions apart, and it records those that succeed; failures stand in the
# counter of requests. A model that is not there yet, or not at all, is no failure of a model.
_TF_FAILED = (_is_not("status", "OK|NOT_FOUND"),)
_TF_PREDICTIONS = (_is("API", ".+"),)

_BENTOML = _is_no_path("endpoint", "/(livez|readyz|healthz|metrics)")

# Probes and unknown paths belong to no application. The histograms per deployment are not read:
# their label `replica` looks like that of a Prometheus pair, and they miss the queue of the proxy.
_RAY = (_is("application", ".+"),)

# The engine's own counter, vllm:request_success_total, sees neither a broken chat template nor any
# other failure before the engine, and takes clients that hang up for failures.
_VLLM_PATHS = (
    "/v1/.*|/v2/rerank|/(score|rerank|pooling|classify|invocations)|/inference/v1/generate"
)
_VLLM = (_is("handler", _VLLM_PATHS), _is("method", "POST"))

# Administration is served by POST on the same port, so the paths of models are listed.
_SGLANG_PATHS = (
    "/v1/.*|/(generate|encode|classify|invocations|vertex_generate)|/api/(chat|generate)"
)
_SGLANG = (*_is_path("endpoint", _SGLANG_PATHS), _is("method", "POST"))

# Requests that were refused for what they ask, or that clients left.
_TGI_FAILED = (_is_not("err", "validation|template|dropped"),)

_OPENVINO = (_is("method", "ModelInfer|Predict"),)
_OPENVINO_GRAPH = (_is_not("method", "ModelReady|ModelMetadata"),)

# The client's own: a bad request, an unknown model, a connection that it closed.
_DYNAMO_FAILED = (
    _is("status", "error"),
    _is_not_where_told("error_type", "validation|not_found|cancelled"),
)

_DYNAMO_REFUSED = (_is("status", "error"), _is_where_told("error_type", "validation|not_found"))

_LITELLM = "litellm_proxy_total_requests_metric_total"

_UNTIMED_FAILURES = "Failed requests are not timed."
_ABORTED = "Requests that clients give up are in no latency, so a slow version loses its slowest."

SERVERS: Mapping[str, Preset] = {
    "HTTP": Preset(
        requests=_series("http_requests_total", *_HTTP),
        bad=_series("http_requests_total", *_HTTP, _http_code("5..")),
        refused=_series("http_requests_total", *_HTTP, _http_code("4..")),
        latency=Histogram(series=_series("http_request_duration_seconds", *_HTTP)),
        remarks=(
            (
                "Recorded with `prometheus-fastapi-instrumentator`. "
                "Its histogram has three edges (0.1, 0.5 and 1 s): give it more for a finer p95."
            ),
        ),
    ),
    "Flask": Preset(  # prometheus-flask-exporter
        requests=_series("flask_http_request_duration_seconds_count", *_FLASK),
        bad=_series("flask_http_request_duration_seconds_count", *_FLASK, _is("status", "5..")),
        refused=_series("flask_http_request_duration_seconds_count", *_FLASK, _is("status", "4..")),
        latency=Histogram(series=_series("flask_http_request_duration_seconds", *_FLASK)),
        remarks=("Served by `prometheus-flask-exporter` under its default prefix.",),
    ),
    "MLServer": Preset(
        requests=_series("rest_server_requests_total", *_MLSERVER),
        bad=_series("rest_server_requests_total", *_MLSERVER, _is("status_code", "5..")),
        refused=_series("rest_server_requests_total", *_MLSERVER, _is("status_code", "4..")),
        latency=Histogram(series=_series("rest_server_request_duration_seconds", *_MLSERVER)),
        metrics_port=8082,
        ready_path="/v2/health/ready",
        remarks=("The setting `metrics_rest_server_prefix` must keep its default.",),
    ),
    "KServe": Preset(  # failed predictions are among the others, and nowhere counted apart
        requests=_series("request_predict_seconds_count"),
        latency=Histogram(series=_series("request_predict_seconds")),
        ready_path="/v2/health/ready",
        remarks=(
            "Latency is that of the predict step, without pre- and postprocessing.",
            "The OpenAI routes of the Hugging Face server with vLLM export vLLM's names: use VLLM.",
        ),
    ),
    "Triton": Preset(  # of whole requests there are sums and summaries, but no histogram
        requests=_series("nv_inference_request_success", also=("nv_inference_request_failure",)),
        bad=_series("nv_inference_request_failure", *_TRITON_FAILED),
        port=8000,
        metrics_port=8002,
        ready_path="/v2/health/ready",
        remarks=(
            "Requests that clients cancel are no failures; those for an unknown model are in no counter.",
        ),
    ),
    "TFServing": Preset(
        requests=_series(
            ":tensorflow:serving:runtime_latency_count",
            *_TF_FAILED,
            also=(":tensorflow:serving:request_count",),
        ),
        bad=_series(":tensorflow:serving:request_count", *_TF_FAILED),
        latency=Histogram(
            series=_series(":tensorflow:serving:request_latency", *_TF_PREDICTIONS),
            unit_seconds=_MICROSECONDS,
        ),
        port=8501,
        metrics_path="/monitoring/prometheus/metrics",
        recorded=False,
        remarks=(
            f"{_UNTIMED_FAILURES} Bad input counts as bad, a model that is not found does not.",
        ),
    ),
    "BentoML": Preset(
        requests=_series("bentoml_service_request_total", *_BENTOML),
        bad=_series("bentoml_service_request_total", *_BENTOML, _is("http_response_code", "5..")),
        refused=_series(
            "bentoml_service_request_total", *_BENTOML, _is("http_response_code", "4..")
        ),
        latency=Histogram(series=_series("bentoml_service_request_duration_seconds", *_BENTOML)),
        port=3000,
        ready_path="/readyz",
        remarks=(
            (
                "A stream that breaks is in no counter. "
                "`metrics.namespace` and the paths of probes must keep their defaults. "
                "Calls between services of one group may count once more."
            ),
        ),
    ),
    "RayServe": Preset(
        requests=_series("ray_serve_num_http_requests_total", *_RAY),
        bad=_series("ray_serve_num_http_requests_total", *_RAY, _is("status_code", "5..")),
        refused=_series("ray_serve_num_http_requests_total", *_RAY, _is("status_code", "4..")),
        latency=Histogram(
            series=_series("ray_serve_http_request_latency_ms", *_RAY), unit_seconds=_MILLISECONDS
        ),
        port=8000,
        metrics_port=8080,
        ready_path="/-/healthz",
        remarks=(
            (
                "With `RAY_SERVE_ENABLE_HA_PROXY` use Ray 2.60: "
                "before, every replica counts in that mode."
            ),
        ),
    ),
    "VLLM": Preset(
        requests=_series("http_requests_total", *_VLLM),
        bad=_series("http_requests_total", *_VLLM, _is("status", "5..")),
        refused=_series("http_requests_total", *_VLLM, _is("status", "4..")),
        latency=Histogram(series=_series("vllm:e2e_request_latency_seconds")),
        first_token=Histogram(series=_series("vllm:time_to_first_token_seconds")),
        inter_token=Histogram(series=_series("vllm:inter_token_latency_seconds")),
        port=8000,
        ready_path="/health",
        remarks=(f"`itl-p95` needs vLLM 0.11 or newer. {_ABORTED}",),
    ),
    "SGLang": Preset(
        requests=_series("sglang:http_responses_total", *_SGLANG),
        bad=_series("sglang:http_responses_total", *_SGLANG, _is("status_code", "5..")),
        refused=_series("sglang:http_responses_total", *_SGLANG, _is("status_code", "4..")),
        latency=Histogram(series=_series("sglang:e2e_request_latency_seconds")),
        first_token=Histogram(series=_series("sglang:time_to_first_token_seconds")),
        inter_token=Histogram(series=_series("sglang:inter_token_latency_seconds")),
        port=30000,
        ready_path="/health",
        recorded=False,
        remarks=(f"Start it with `--enable-metrics`. {_ABORTED}",),
    ),
    "TGI": Preset(
        requests=_series("tgi_request_success", also=("tgi_request_failure",)),
        bad=_series("tgi_request_failure", *_TGI_FAILED),
        refused=_series("tgi_request_failure", _is("err", "validation|template")),
        latency=Histogram(series=_series("tgi_request_duration")),
        inter_token=Histogram(series=_series("tgi_request_mean_time_per_token_duration")),
        port=80,
        ready_path="/health",
        recorded=False,
        remarks=(
            (
                f"{_UNTIMED_FAILURES} `itl-p95` reads one mean per request. "
                "Input that is refused and clients that leave are no failures."
            ),
        ),
    ),
    "NIM": Preset(  # what fails before the engine is in no counter
        requests=_series("e2e_request_latency_seconds_count"),
        latency=Histogram(series=_series("e2e_request_latency_seconds")),
        first_token=Histogram(series=_series("time_to_first_token_seconds")),
        inter_token=Histogram(series=_series("time_per_output_token_seconds")),
        port=8000,
        metrics_path="/v1/metrics",
        ready_path="/v1/health/ready",
        recorded=False,
        remarks=(
            "Only requests that were finished are counted, so errors need a data plane or a template.",
        ),
    ),
    "Dynamo": Preset(
        requests=_series("dynamo_frontend_requests_total"),
        bad=_series("dynamo_frontend_requests_total", *_DYNAMO_FAILED),
        refused=_series("dynamo_frontend_requests_total", *_DYNAMO_REFUSED),
        latency=Histogram(series=_series("dynamo_frontend_request_duration_seconds")),
        first_token=Histogram(series=_series("dynamo_frontend_time_to_first_token_seconds")),
        inter_token=Histogram(series=_series("dynamo_frontend_inter_token_latency_seconds")),
        port=8000,
        ready_path="/health",
        recorded=False,
        remarks=(
            (
                "Read from the frontend, so each revision needs a frontend of its own. "
                "Bad requests, unknown models and clients that leave are no failures."
            ),
        ),
    ),
    "LiteLLM": Preset(
        requests=_series(_LITELLM),
        bad=_series(_LITELLM, _is("status_code", "5..")),
        refused=_series(_LITELLM, _is("status_code", "4..")),
        latency=Histogram(series=_series("litellm_request_total_latency_metric")),
        port=4000,
        metrics_path="/metrics/",
        ready_path="/health/readiness",
        recorded=False,
        remarks=('Set `litellm_settings.callbacks: ["prometheus"]`.',),
    ),
    "OpenVINO": Preset(
        requests=_series("ovms_requests_success", *_OPENVINO, also=("ovms_requests_fail",)),
        bad=_series("ovms_requests_fail", *_OPENVINO),
        latency=Histogram(series=_series("ovms_request_time_us"), unit_seconds=_MICROSECONDS),
        port=8000,
        ready_path="/v2/health/ready",
        recorded=False,
        remarks=(f"Models and DAGs. {_UNTIMED_FAILURES} Bad input counts as bad.",),
    ),
    "OpenVINOGraph": Preset(
        requests=_series(
            "ovms_requests_accepted", *_OPENVINO_GRAPH, also=("ovms_requests_rejected",)
        ),
        bad=_series("ovms_graph_error", *_OPENVINO_GRAPH, also=("ovms_requests_rejected",)),
        latency=Histogram(
            series=_series("ovms_graph_processing_time_us"), unit_seconds=_MICROSECONDS
        ),
        port=8000,
        ready_path="/v2/health/ready",
        sparse=True,
        recorded=False,
        remarks=("MediaPipe graphs, and so all of the `v3` API: text generation, embeddings.",),
    ),
}

# --- data planes ---------------------------------------------------------------------------------

_SIDECAR = (_is("reporter", "destination"), _is("request_protocol", "http"))
_PICKER = "llm_d_router_epp_request"

DATA_PLANES: Mapping[str, Preset] = {
    "Envoy": Preset(
        requests=_series("envoy_cluster_upstream_rq_xx"),
        bad=_series("envoy_cluster_upstream_rq_xx", _is("envoy_response_code_class", "5")),
        refused=_series("envoy_cluster_upstream_rq_xx", _is("envoy_response_code_class", "4")),
        latency=Histogram(
            series=_series("envoy_cluster_upstream_rq_time"), unit_seconds=_MILLISECONDS
        ),
        grpc_errors=False,
        remarks=(
            (
                "**gRPC is not judged by HTTP codes**: a failed call is HTTP 200 with a trailer and "
                "counts as a success here. No data are better than no errors: with "
                "`service.appProtocol` `grpc` or `kubernetes.io/h2c` errors are read from the server, "
                "where it counts them. Set it for gRPC."
            ),
            "Requests that time out are among the errors, but not timed.",
        ),
        mode=IdentityMode.GATEWAY,
        proxied=True,
    ),
    "Istio": Preset(
        requests=_series("istio_requests_total", *_SIDECAR),
        bad=_series("istio_requests_total", *_SIDECAR, _is("response_code", "5..")),
        refused=_series("istio_requests_total", *_SIDECAR, _is("response_code", "4..")),
        latency=Histogram(
            series=_series("istio_request_duration_milliseconds", *_SIDECAR),
            unit_seconds=_MILLISECONDS,
        ),
        recorded=False,
        grpc_errors=False,
        grpc_times=False,
        remarks=(
            "HTTP only: calls by gRPC are not counted.",
            "Sidecars only: in ambient mode a waypoint reports from another pod.",
        ),
    ),
    "LLMD": Preset(
        requests=_series(f"{_PICKER}_total"),
        bad=_series(f"{_PICKER}_error_total", _is_not_where_told("error_code", "BadRequest")),
        refused=_series(f"{_PICKER}_error_total", _is_where_told("error_code", "BadRequest")),
        latency=Histogram(series=_series(f"{_PICKER}_duration_seconds")),
        sparse=True,
        recorded=False,
        proxied=True,
        remarks=(
            (
                "The endpoint picker of llm-d: one pool for each revision, the labels of the revision "
                "on the picker's series by relabeling."
            ),
        ),
    ),
}
