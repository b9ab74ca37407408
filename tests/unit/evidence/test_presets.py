from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Sequence

import evidence_build as build
import pytest
import recorded
from evidence_build import IDENTITY

from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Latency, Ratio, Series, Template
from tidegate.evidence.verdict.templates import resolve_templates

LATENCIES = ("latency-p50", "latency-p95", "latency-p99")
_MATCHER = re.compile(r'(?P<label>\w+)(?P<operator>=~|!~)"(?P<value>(?:[^"\\]|\\.)*)"')


def _asked(server: str, metric: str) -> dict[str, Wanted | Narrowing]:
    found = promql.wanted(
        presets.TEMPLATES[server, metric], given={}, identity=IDENTITY, window_seconds=60
    )
    assert not isinstance(found, Unsafe), found
    return {role: it for role, it in found.items() if isinstance(it, Wanted | Narrowing)}


def _answer(wanted: Wanted, exported: Sequence[Series]) -> tuple[Series, ...]:
    """What Prometheus would return: anchored patterns, an absent label is the empty string."""
    matchers = [_MATCHER.fullmatch(one) for one in wanted.matchers]
    return tuple(
        one
        for one in exported
        if (not wanted.metric or one.labels["__name__"] == wanted.metric)
        and all(
            (re.fullmatch(_unquoted(it["value"]), one.labels.get(it["label"], "")) is not None)
            == (it["operator"] == "=~")
            for it in matchers
            if it is not None
        )
    )


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _timed(server: str, metric: str) -> dict[float, float]:
    """Requests at or below each edge, in seconds."""
    wanted = _asked(server, metric)["buckets"]
    assert isinstance(wanted, Wanted)
    measure = presets.TEMPLATES[server, metric].measure
    assert isinstance(measure, Latency)
    found: dict[float, float] = defaultdict(float)
    for one in _answer(wanted, recorded.series(server)):
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
    everything = _answer(total, exported)
    assert isinstance(picked, Narrowing), "one query must do"
    bad = picked.pick(everything)
    assert isinstance(bad, tuple)

    assert recorded.events(everything) == recorded.COUNTED[server].total
    assert recorded.events(bad) == recorded.COUNTED[server].bad


@pytest.mark.parametrize("server", recorded.COUNTED)
def test_all_requests_are_those_that_were_served(server: str) -> None:
    wanted = promql.raw(presets.REQUESTS[server], source="default", values={}, identity=IDENTITY)
    assert isinstance(wanted, Wanted)

    found = _answer(wanted, recorded.series(server))

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


def test_tokens_of_a_language_model_are_timed() -> None:
    expected = recorded.COUNTED["VLLM"]

    assert _timed("VLLM", "ttft-p95")[math.inf] == expected.first_tokens
    assert _timed("VLLM", "itl-p95")[math.inf] == expected.inter_tokens


def test_what_a_server_does_not_export_is_refused_with_a_way_out() -> None:
    offered = {
        server: {metric for metric in presets.METRICS if (server, metric) in presets.TEMPLATES}
        for server in presets.PRESETS
    }
    usual = {"error-ratio", *LATENCIES}

    assert offered == {
        **dict.fromkeys(presets.PRESETS, usual),
        "KServe": set(LATENCIES),
        "Triton": {"error-ratio"},
        "VLLM": {*usual, "ttft-p95", "itl-p95"},
    }


@pytest.mark.parametrize(
    ("server", "metric", "fix"),
    [
        (
            "KServe",
            "error-ratio",
            "set spec.analysis.dataPlane (Envoy, Istio), or use a templateRef",
        ),
        (
            "Triton",
            "latency-p95",
            "set spec.analysis.dataPlane (Envoy, Istio), or use a templateRef",
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
            assert {bad.metric, *bad.also} <= {total.metric, *total.also}
            assert set(total.matches) <= set(bad.matches)
