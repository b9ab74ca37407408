"""The smallest spec of every kind of server: it can be read, and what it asks is exported."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import recorded
from api_examples import SMALLEST
from evidence_build import IDENTITY
from exposed import answer

from tidegate import model
from tidegate.api import convert
from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.narrowing import Narrowing
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.verdict.templates import preset_violations, resolve_templates, unjudged
from tidegate.settings import MetricSourceSettings

SOURCES = {"default": MetricSourceSettings(name="default", url="http://127.0.0.1:9090")}
# What cannot be judged without a data plane, by server; everything else is judged.
LEFT_OUT = {"KServe": ("error-ratio",), "Triton": ("latency-p95",), "NIM": ("error-ratio",)}


def _spec(server: str, **analysis: Any) -> model.Spec:
    body = copy.deepcopy(SMALLEST)
    body["spec"]["server"] = {"preset": server}
    if analysis:
        body["spec"]["analysis"] = analysis
    spec, violations = convert.read_spec(body, sources=SOURCES)
    assert violations == ()
    assert spec is not None
    return spec


@pytest.mark.parametrize("server", presets.SERVERS)
def test_the_smallest_spec_is_valid_and_asks_for_what_its_server_exports(server: str) -> None:
    spec = _spec(server)

    found = resolve_templates(spec, find=lambda _: None, sources={"default": False})

    assert not isinstance(found, tuple), found
    assert set(found) == set(presets.USUAL) - set(LEFT_OUT.get(server, ()))
    assert found
    exported = recorded.series(server)
    for template in found.values():
        asked = promql.wanted(template, given={}, identity=IDENTITY, window_seconds=60)
        assert isinstance(asked, dict)
        for wanted in asked.values():
            assert not isinstance(wanted, Wanted) or answer(wanted, exported)
        picked = asked.get(promql.BAD)
        if isinstance(picked, Narrowing):
            total = asked[promql.TOTAL]
            assert isinstance(total, Wanted)
            assert isinstance(picked.pick(answer(total, exported)), tuple)


@pytest.mark.parametrize("server", presets.SERVERS)
def test_what_the_smallest_spec_cannot_judge_is_said_with_a_way_out(server: str) -> None:
    expected = LEFT_OUT.get(server, ())

    told = unjudged(_spec(server))

    assert _spec(server).analysis.left_out == expected
    assert [it.split(" ", 1)[0] for it in told] == list(expected)
    for text in told:
        assert f"server {server} exports nothing" in text
        assert "set spec.analysis.dataPlane (Envoy, Istio, LLMD), or use a templateRef" in text


@pytest.mark.parametrize("server", presets.SERVERS)
@pytest.mark.parametrize("plane", presets.DATA_PLANES)
def test_with_a_data_plane_everything_usual_is_judged(server: str, plane: str) -> None:
    spec = _spec(server, dataPlane=plane)

    assert [it.name for it in spec.analysis.metrics] == list(presets.USUAL)
    assert unjudged(spec) == ()


def test_what_the_spec_names_itself_is_an_error_that_names_field_and_fix() -> None:
    spec = _spec("Triton", metrics=[{"name": "slow", "preset": "latency-p95"}])

    (violation,) = preset_violations(spec)

    assert unjudged(spec) == ()
    assert violation.path == "spec.analysis.metrics[0].preset"
    assert violation.reason == "UnsupportedByProvider"


def test_errors_of_grpc_are_left_out_where_only_a_gateway_could_tell_them() -> None:
    body = copy.deepcopy(SMALLEST)
    body["spec"] |= {
        "server": {"preset": "KServe"},
        "service": {"appProtocol": "kubernetes.io/h2c"},
        "analysis": {"dataPlane": "Envoy"},
    }
    spec, violations = convert.read_spec(body, sources=SOURCES)
    assert spec is not None

    (told,) = unjudged(spec)

    assert violations == ()
    assert [it.name for it in spec.analysis.metrics] == ["latency-p95"]
    assert told.startswith("error-ratio is not judged: data plane Envoy does not see it of gRPC")
    assert "Istio" not in told


@pytest.mark.parametrize(
    ("given", "expected"),
    [(None, "/v2/health/ready"), ("Off", ""), ("", ""), ("/ok", "/ok")],
)
def test_the_ready_path_can_be_switched_off(given: str | None, expected: str) -> None:
    body = copy.deepcopy(SMALLEST)
    body["spec"]["server"] = {"preset": "Triton"}
    if given is not None:
        body["spec"]["server"]["readyPath"] = given

    spec, violations = convert.read_spec(body, sources=SOURCES)

    assert violations == ()
    assert spec is not None
    assert spec.server.ready_path == expected


@pytest.mark.parametrize("given", ["off", "ready", "/a b", False])
def test_another_word_for_a_ready_path_is_refused(given: object) -> None:
    body = copy.deepcopy(SMALLEST)
    body["spec"]["server"] = {"readyPath": given}

    spec, violations = convert.read_spec(body, sources=SOURCES)

    assert spec is None
    assert [it.path for it in violations] == ["spec.server.readyPath"]
