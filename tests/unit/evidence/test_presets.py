from __future__ import annotations

import math
from collections import defaultdict

import evidence_build as build
import pytest
import recorded
from evidence_build import IDENTITY
from exposed import answer

from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Latency, Problem, Ratio, Reason, Series, Template
from tidegate.evidence.verdict.templates import resolve_templates

OWN_QUERY = {"OpenVINOGraph", "LLMD"}  # errors of requests that were accepted before
LATENCIES = ("latency-p50", "latency-p95", "latency-p99")


def _asked(server: str, metric: str) -> dict[str, Wanted | Narrowing]:
    found = promql.wanted(
        presets.TEMPLATES[server, metric], given={}, identity=IDENTITY, window_seconds=60
    )
    assert not isinstance(found, Unsafe), found
    return {role: it for role, it in found.items() if isinstance(it, Wanted | Narrowing)}


def _timed(server: str, metric: str) -> dict[float, float]:
    """Requests at or below each edge, in seconds."""
    wanted = _asked(server, metric)["buckets"]
    assert isinstance(wanted, Wanted)
    measure = presets.TEMPLATES[server, metric].measure
    assert isinstance(measure, Latency)
    found: dict[float, float] = defaultdict(float)
    for one in answer(wanted, recorded.series(server)):
        found[float(one.labels["le"]) * measure.unit_seconds] += recorded.events([one])
    return found


@pytest.mark.parametrize(
    "server", [name for name, it in recorded.COUNTED.items() if it.bad is not None]
)
def test_errors_are_those_that_were_served_and_probes_never_count(server: str) -> None:
    exported = recorded.series(server)
    asked = _asked(server, "error-ratio")
    total, picked = asked["total"], asked["bad"]
    assert isinstance(total, Wanted)
    everything = answer(total, exported)
    if isinstance(picked, Narrowing):
        bad = picked.pick(everything)
    else:  # the counter of bad events is another one, which may not exist yet
        assert server in OWN_QUERY
        assert asked["labels"] == Narrowing(matchers=())
        bad = answer(picked, exported)
    assert isinstance(bad, tuple)

    assert recorded.events(everything) == recorded.COUNTED[server].total
    assert recorded.events(bad) == recorded.COUNTED[server].bad


@pytest.mark.parametrize("server", recorded.COUNTED)
def test_all_requests_are_those_that_were_served(server: str) -> None:
    wanted = promql.raw(presets.REQUESTS[server], source="default", values={}, identity=IDENTITY)
    assert isinstance(wanted, Wanted)

    found = answer(wanted, recorded.series(server))

    assert recorded.events(found) == recorded.COUNTED[server].total


@pytest.mark.parametrize("metric", LATENCIES)
@pytest.mark.parametrize(
    "server", [name for name, it in recorded.COUNTED.items() if it.timed is not None]
)
def test_slow_requests_are_slow_in_seconds(server: str, metric: str) -> None:
    timed = _timed(server, metric)
    everything = timed[math.inf]

    assert everything == recorded.COUNTED[server].timed
    below = max(edge for edge in timed if edge <= 0.5 * (1 + 1e-9))
    above = min(edge for edge in timed if edge > 1.2)
    assert below >= 0.25
    assert everything - timed[below] == recorded.COUNTED[server].slow
    assert everything == timed[above]


@pytest.mark.parametrize("metric", ["ttft-p95", "itl-p95"])
@pytest.mark.parametrize("server", recorded.COUNTED)
def test_tokens_of_a_language_model_are_timed(server: str, metric: str) -> None:
    counted = recorded.COUNTED[server]
    expected = counted.first_tokens if metric == "ttft-p95" else counted.inter_tokens

    if expected is None:
        assert (server, metric) not in presets.TEMPLATES
    else:
        assert _timed(server, metric)[math.inf] == expected


def test_every_preset_has_an_exposition_that_says_where_it_comes_from() -> None:
    assert set(recorded.COUNTED) == set(presets.PRESETS)
    for name, preset in presets.PRESETS.items():
        for moment in ("before", "after"):
            first, *_ = recorded.text(name, moment).splitlines()
            assert first.startswith(f"# {name}")
            assert first.endswith("not recorded") is not preset.recorded, name


def test_what_a_server_does_not_export_is_refused_with_a_way_out() -> None:
    offered = {
        server: {metric for metric in presets.METRICS if (server, metric) in presets.TEMPLATES}
        for server in presets.PRESETS
    }
    everybody = {"request-rate", "pod-request-rate"}
    proxies = {name for name, it in offered.items() if "pod-request-rate" not in it}
    assert proxies == {"Envoy", "LLMD"}  # whose pods are not those of the model
    assert all("request-rate" in it for it in offered.values())
    offered = {server: found - everybody for server, found in offered.items()}
    own = {"error-ratio", *LATENCIES}  # client errors are told by nobody, or counted as errors
    usual = {*own, "client-error-ratio"}

    assert offered == {
        **dict.fromkeys(presets.PRESETS, usual),
        **dict.fromkeys(("TFServing", "OpenVINO", "OpenVINOGraph"), own),
        "KServe": set(LATENCIES),
        "Triton": {"error-ratio"},
        "VLLM": {*usual, "ttft-p95", "itl-p95"},
        "SGLang": {*usual, "ttft-p95", "itl-p95"},
        "Dynamo": {*usual, "ttft-p95", "itl-p95"},
        "TGI": {*usual, "itl-p95"},
        "NIM": {*LATENCIES, "ttft-p95", "itl-p95"},
    }


@pytest.mark.parametrize(
    ("server", "metric", "fix"),
    [
        (
            "KServe",
            "error-ratio",
            "set spec.analysis.dataPlane (Envoy, Istio, LLMD), or use a templateRef",
        ),
        (
            "Triton",
            "latency-p95",
            "set spec.analysis.dataPlane (Envoy, Istio, LLMD), or use a templateRef",
        ),
        ("MLServer", "ttft-p95", "ttft-p95 can be read from: use a templateRef"),
    ],
)
def test_a_refusal_names_field_and_fix(server: str, metric: str, fix: str) -> None:
    analysis = build.analysis(build.metric(metric, preset=metric))
    spec = build.spec(analysis, preset=server)

    found = resolve_templates(spec, find=lambda _: None, sources={"default": False})

    assert isinstance(found, tuple)
    assert [(it.path, it.reason) for it in found] == [
        ("spec.analysis.metrics[0].preset", "UnsupportedByProvider")
    ]
    assert fix in found[0].message


def _resolved(server: str, plane: str, metric: str) -> Template:
    analysis = build.analysis(build.metric(metric, preset=metric), data_plane=plane)
    found = resolve_templates(
        build.spec(analysis, preset=server), find=lambda _: None, sources={"default": False}
    )
    assert not isinstance(found, tuple), found
    return found[metric]


@pytest.mark.parametrize("plane", presets.DATA_PLANES)
def test_a_data_plane_is_read_instead_of_the_server(plane: str) -> None:
    for metric in ("error-ratio", "latency-p95"):
        expected = presets.TEMPLATES[plane, metric].measure
        for server in presets.SERVERS:
            assert _resolved(server, plane, metric).measure == expected


def test_what_a_data_plane_cannot_see_comes_from_the_server() -> None:
    for plane in presets.DATA_PLANES:
        found = _resolved("VLLM", plane, "ttft-p95")

        assert found.measure == presets.TEMPLATES["VLLM", "ttft-p95"].measure


def test_every_preset_counts_bad_among_all() -> None:
    for template in presets.TEMPLATES.values():
        if isinstance(template.measure, Ratio):
            bad, total = template.measure.bad, template.measure.total
            if template.measure.sparse:
                continue
            assert {bad.metric, *bad.also} <= {total.metric, *total.also}
            assert set(total.matches) <= set(bad.matches)


def _one(metric: str, **labels: str) -> Series:
    return Series(
        labels={"__name__": metric, **labels, **recorded.TARGET}, samples=((0.0, 0.0), (60.0, 1.0))
    )


@pytest.mark.parametrize(
    ("server", "metric", "label", "values"),
    [
        (
            "MLServer",
            "rest_server_requests_total",
            "path",
            {
                "/v2/models/a/infer": True,
                "/v2/models/a/infer_stream": True,
                "/v2/models/a/versions/1/generate": True,
                "/v2/models/a/generate_stream": True,
                "/invocations": True,
                "/v2/health/ready": False,
                "/v2/models/a": False,
            },
        ),
        (
            "VLLM",
            "http_requests_total",
            "handler",
            {
                "/v1/chat/completions": True,
                "/score": True,
                "/rerank": True,
                "/v2/rerank": True,
                "/pooling": True,
                "/classify": True,
                "/invocations": True,
                "/inference/v1/generate": True,
                "/health": False,
                "/tokenize": False,
            },
        ),
        (
            "OpenVINO",
            "ovms_requests_success",
            "method",
            {"ModelInfer": True, "Predict": True, "ModelReady": False, "ModelMetadata": False},
        ),
        (
            "SGLang",
            "sglang:http_responses_total",
            "endpoint",
            {"/generate": True, "/v1/responses": True, "/flush_cache": False, "/health": False},
        ),
    ],
)
def test_requests_for_the_model_are_counted_and_no_others(
    server: str, metric: str, label: str, values: dict[str, bool]
) -> None:
    wanted = promql.raw(presets.REQUESTS[server], source="", values={}, identity=IDENTITY)
    assert isinstance(wanted, Wanted)

    for value, counted in values.items():
        asked = _one(metric, method="POST") if label != "method" else _one(metric)
        one = Series(labels={**asked.labels, label: value}, samples=asked.samples)
        assert bool(answer(wanted, [one])) is counted, value


@pytest.mark.parametrize(
    ("server", "metric", "labels", "bad"),
    [
        ("Triton", "nv_inference_request_failure", {"reason": "BACKEND"}, True),
        ("Triton", "nv_inference_request_failure", {"reason": "CANCELED"}, False),
        ("Triton", "nv_inference_request_failure", {}, True),  # before reasons were told
        ("TGI", "tgi_request_failure", {"err": "generation"}, True),
        ("TGI", "tgi_request_failure", {"err": "dropped"}, False),
        ("Dynamo", "dynamo_frontend_requests_total", {"status": "error"}, True),
        (
            "Dynamo",
            "dynamo_frontend_requests_total",
            {"status": "error", "error_type": "cancelled"},
            False,
        ),
        ("HTTP", "http_requests_total", {"code": "503"}, True),
        ("HTTP", "http_requests_total", {"status": "5xx"}, True),
        ("HTTP", "http_requests_total", {"status_code": "500"}, True),
        ("HTTP", "http_requests_total", {"status": "4xx"}, False),
    ],
)
def test_what_fails_a_user_is_bad_however_it_is_spelled(
    server: str, metric: str, labels: dict[str, str], *, bad: bool
) -> None:
    series = [_one(metric, **labels)]
    picked = _asked(server, "error-ratio")["bad"]
    assert isinstance(picked, Narrowing)

    assert picked.pick(series) == (tuple(series) if bad else ())


@pytest.mark.parametrize(
    ("server", "metric", "labels", "refused"),
    [
        ("HTTP", "http_requests_total", {"code": "404"}, True),
        ("HTTP", "http_requests_total", {"status": "4xx"}, True),
        ("HTTP", "http_requests_total", {"status_code": "503"}, False),
        ("Flask", "flask_http_request_duration_seconds_count", {"status": "422"}, True),
        ("MLServer", "rest_server_requests_total", {"status_code": "404"}, True),
        ("BentoML", "bentoml_service_request_total", {"http_response_code": "400"}, True),
        ("RayServe", "ray_serve_num_http_requests_total", {"status_code": "499"}, True),
        ("VLLM", "http_requests_total", {"status": "4xx"}, True),
        ("VLLM", "http_requests_total", {"status": "2xx"}, False),
        ("SGLang", "sglang:http_responses_total", {"status_code": "400"}, True),
        ("LiteLLM", "litellm_proxy_total_requests_metric_total", {"status_code": "429"}, True),
        ("TGI", "tgi_request_failure", {"err": "validation"}, True),
        ("TGI", "tgi_request_failure", {"err": "generation"}, False),
        (
            "Dynamo",
            "dynamo_frontend_requests_total",
            {"status": "error", "error_type": "not_found"},
            True,
        ),
        ("Dynamo", "dynamo_frontend_requests_total", {"status": "error"}, False),  # not told
        ("Envoy", "envoy_cluster_upstream_rq_xx", {"envoy_response_code_class": "4"}, True),
        ("Envoy", "envoy_cluster_upstream_rq_xx", {"envoy_response_code_class": "5"}, False),
        ("Istio", "istio_requests_total", {"response_code": "404"}, True),
    ],
)
def test_what_a_server_blames_on_the_client_is_told_apart(
    server: str, metric: str, labels: dict[str, str], *, refused: bool
) -> None:
    series = [_one(metric, **labels)]
    picked = _asked(server, "client-error-ratio")["bad"]
    assert isinstance(picked, Narrowing)

    assert picked.pick(series) == (tuple(series) if refused else ())


@pytest.mark.parametrize(
    "server",
    [name for name in presets.PRESETS if (name, "client-error-ratio") in presets.TEMPLATES],
)
def test_client_errors_cost_no_query_of_their_own_for_all_requests(server: str) -> None:
    errors, refused = _asked(server, "error-ratio"), _asked(server, "client-error-ratio")

    assert refused["total"] == errors["total"]
    picked = refused["bad"]
    if isinstance(picked, Narrowing):
        found = picked.pick(answer(refused["total"], recorded.series(server)))  # type: ignore[arg-type]
        assert not isinstance(found, Problem)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            {"http_response_status_code": "500", "method": "POST"},
            (
                "no label code or status or status_code "
                "(labels seen: http_response_status_code, method)"
            ),
        ),
        ({"status": "error"}, "holds no value like [1-5].. (values seen: error)"),
    ],
)
def test_an_outcome_that_cannot_be_read_is_an_error(labels: dict[str, str], message: str) -> None:
    picked = _asked("HTTP", "error-ratio")["bad"]
    assert isinstance(picked, Narrowing)

    found = picked.pick([_one("http_requests_total", **labels)])

    assert isinstance(found, Problem)
    assert found.reason is Reason.ERROR
    assert message in found.message


@pytest.mark.parametrize("protocol", sorted(presets.GRPC))
def test_errors_of_grpc_are_never_read_from_http_codes(protocol: str) -> None:
    def offered(metric: str, server: str, plane: str) -> Template | None:
        return presets.offered(metric, server=server, data_plane=plane, app_protocol=protocol)

    own = presets.TEMPLATES["Triton", "error-ratio"]
    for plane in ("Envoy", "Istio"):
        assert offered("error-ratio", "Triton", plane) == own
        assert offered("error-ratio", "KServe", plane) is None
    assert offered("latency-p95", "Triton", "Envoy") == presets.TEMPLATES["Envoy", "latency-p95"]
    assert offered("latency-p95", "Triton", "Istio") is None
    for plane in ("Envoy", "Istio"):
        assert offered("client-error-ratio", "Triton", plane) is None
