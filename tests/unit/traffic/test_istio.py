"""The VirtualService of provider Istio: as it is written, as it is read, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_examples import CANDIDATE, META, SPEC, STABLE, THIRD, found, stored, target

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import Mechanism, Mirror, Reference, Target, Weights, plane_of
from tidegate.traffic.refusals import refusals
from tidegate.traffic.writes import differences, is_current

MESH = model.VirtualService()
OUTSIDE = model.VirtualService(
    hosts=("iris.example.com", "*.example.org"),
    gateways=(
        model.IstioGateway(name="public", namespace="istio-system"),
        model.IstioGateway(name="mesh"),
    ),
)
PLANE = plane_of(model.Traffic(provider=model.Provider.ISTIO, istio=MESH))
SWITCH = plane_of(model.Traffic(provider=model.Provider.ISTIO, istio=MESH, exclusive=True))
STAFF = model.Header(name="X-Staff", value="1")
BETA = model.Header(name="cookie", value="^beta$", match=model.HeaderMatch.REGULAR_EXPRESSION)
READ_STAFF = replace(STAFF, name="x-staff")
ROUTES = (
    model.HeaderRoute(name="staff", headers=(STAFF,)),
    model.HeaderRoute(name="beta", headers=(BETA, STAFF)),
)


def spec(asked: model.VirtualService = MESH) -> model.Spec:
    return replace(SPEC, traffic=model.Traffic(provider=model.Provider.ISTIO, istio=asked))


def wanted(
    asked: model.VirtualService = MESH, *, routes: tuple[model.HeaderRoute, ...] = (), **more: Any
) -> Target:
    found_ = target(spec(asked), **more)
    return replace(found_, exposure=replace(found_.exposure, routes=routes))


def body(asked: Target) -> Mapping[str, Any]:
    """Spec of the VirtualService."""
    return objects.mapping(PLANE.documents(asked)[0].body["spec"])


def to(revision: str, weight: int) -> model.Document:
    return {"destination": {"host": f"iris-{revision}", "port": {"number": 80}}, "weight": weight}


# --- as it is written ----------------------------------------------------------------------------


def test_the_virtual_service_is_one_document_beside_the_entry_service() -> None:
    asked = wanted(weight_percent=12.5, marker=THIRD)
    written, entry = PLANE.documents(asked)
    assert written.reference == Reference(kind="VirtualService", name="iris")
    assert written.mechanism is Mechanism.APPLY
    assert written.carries_weights
    assert written.body["apiVersion"] == "networking.istio.io/v1"
    assert objects.annotation(written.body, "tidegate.dev/rolled-back-revision") == THIRD
    assert objects.is_controlled_by(written.body, uid="uid-1")
    assert written.body["spec"] == {
        "hosts": [entry.reference.name],
        "gateways": ["mesh"],
        "http": [{"route": [to(STABLE, 875), to(CANDIDATE, 125)]}],
    }
    assert objects.at(entry.body, "spec", "selector", "tidegate.dev/revision") == STABLE
    assert PLANE.references(meta=META, spec=spec()) == (written.reference, entry.reference)


def test_a_gateway_is_named_with_its_namespace_so_that_none_is_the_mesh() -> None:
    written = body(wanted(OUTSIDE))
    assert written["hosts"] == ["iris.example.com", "*.example.org"]
    assert written["gateways"] == ["istio-system/public", f"{META.namespace}/mesh"]


@pytest.mark.parametrize(
    ("given_", "rule"),
    [
        ({"candidate": ""}, {"route": [to(STABLE, 100)]}),
        ({}, {"route": [to(STABLE, 100), to(CANDIDATE, 0)]}),
        ({"weight_percent": 100.0}, {"route": [to(STABLE, 0), to(CANDIDATE, 100)]}),
        ({"weight_percent": 99.9}, {"route": [to(STABLE, 1), to(CANDIDATE, 999)]}),
        (
            {"mirror_percent": 0.5},
            {
                "route": [to(STABLE, 100)],
                "mirror": to(CANDIDATE, 0)["destination"],
                "mirrorPercentage": {"value": 0.5},
            },
        ),
        (
            {"weight_percent": 5.0, "mirror_percent": 100.0},
            {
                "route": [to(STABLE, 95), to(CANDIDATE, 5)],
                "mirror": to(CANDIDATE, 0)["destination"],
                "mirrorPercentage": {"value": 100.0},
            },
        ),
    ],
)
def test_every_destination_has_a_weight_and_a_mirror_its_percent(
    given_: dict[str, Any], rule: model.Document
) -> None:
    assert body(wanted(**given_))["http"] == [rule]


def test_testers_come_first_and_settings_stand_in_every_rule() -> None:
    asked = replace(MESH, path_prefixes=("/v2", "/metrics"), timeout="2m")
    testers, users = body(wanted(asked, weight_percent=50.0, routes=ROUTES))["http"]
    staff = {"x-staff": {"exact": "1"}}
    beta = {"cookie": {"regex": "^beta$"}, **staff}
    paths: list[dict[str, Any]] = [{"uri": {"prefix": it}} for it in ("/v2", "/metrics")]
    assert testers == {
        "match": [{**path, "headers": sent} for sent in (staff, beta) for path in paths],
        "route": [to(CANDIDATE, 100)],
        "timeout": "2m",
    }
    assert users == {
        "match": paths,
        "route": [to(STABLE, 50), to(CANDIDATE, 50)],
        "timeout": "2m",
    }


# --- as it is read -------------------------------------------------------------------------------


def read(asked: Target, *, http: Any = None, status: Any = None) -> model.TrafficState:
    written, entry = PLANE.documents(asked)
    live = stored(written, generation=7)
    if http is not None:
        live = {**live, "spec": {"http": http}}
    if status is not None:
        live = {**live, "status": status}
    return PLANE.read(
        found((written, live), (entry, stored(entry))), meta=META, spec=asked.spec, ready_pods={}
    )


def test_what_stands_there_is_taken_for_in_force_and_said_to_be_unconfirmed() -> None:
    state = read(wanted(weight_percent=25.0, marker=THIRD))
    assert state == model.TrafficState(
        exists=True,
        weights={STABLE: 75.0, CANDIDATE: 25.0},
        accepted=True,
        unconfirmed="Istio does not say when its proxies have a VirtualService",
        rolled_back_revision=THIRD,
        resource_version="200",
        entry_exists=True,
        entry_revision=STABLE,
        entry_port=objects.PORT_NAME,
    )


@given(
    live_percent=st.integers(0, 1_000_000).map(lambda it: it / 10_000),
    mirror_percent=st.integers(0, 1_000_000).map(lambda it: it / 10_000),
    routes=st.sampled_from([(), ROUTES[:1], ROUTES]),
    prefixes=st.sampled_from([(), ("/",), ("/a", "/b")]),
)
def test_what_is_written_is_read_back(
    live_percent: float,
    mirror_percent: float,
    routes: tuple[model.HeaderRoute, ...],
    prefixes: tuple[str, ...],
) -> None:
    asked = wanted(
        replace(OUTSIDE, path_prefixes=prefixes),
        routes=routes,
        weight_percent=live_percent,
        mirror_percent=mirror_percent,
    )
    state = read(asked)
    assert state.weights.get(CANDIDATE, 0.0) == live_percent
    assert state.mirrors == ({CANDIDATE: mirror_percent} if mirror_percent else {})
    sent = ((READ_STAFF,), (BETA, READ_STAFF))[: len(routes)]
    assert state.by_header.get(CANDIDATE, ()) == sent
    written, _ = PLANE.documents(asked)
    assert is_current(stored(written), written)


@pytest.mark.parametrize(
    ("rule", "weights", "mirrors"),
    [
        ({}, {}, {}),
        # Who stands alone gets everything; among several no weight is none.
        ({"route": [to("a", 0)]}, {"a": 100.0}, {}),
        ({"route": [to("a", 9), {"destination": {"host": "iris-b"}}]}, {"a": 100.0, "b": 0.0}, {}),
        ({"route": [to("a", 0), to("b", 0)]}, {}, {}),
        (
            {
                "route": [
                    {"destination": {"host": "web"}, "weight": 1},
                    {"destination": {"host": "iris-b.ml.svc.cluster.local"}, "weight": 3},
                ]
            },
            {"web": 25.0, "b": 75.0},
            {},
        ),
        # A mirror without a percent gets all requests.
        ({"route": [to("a", 1)], "mirror": {"host": "iris-b"}}, {"a": 100.0}, {"b": 100.0}),
        (
            {"route": [to("a", 1)], "mirror": {"host": "iris-b"}, "mirrorPercent": 7},
            {"a": 100.0},
            {"b": 7.0},
        ),
        (
            {
                "route": [to("a", 1)],
                "mirror": {"host": "iris-b"},
                "mirror_percent": 7,
                "mirrorPercentage": {"value": 0.5},
            },
            {"a": 100.0},
            {"b": 0.5},
        ),
        (
            {
                "route": [to("a", 1)],
                "mirrors": [
                    {"destination": {"host": "iris-b"}, "percentage": {"value": 2.5}},
                    {"destination": {"host": "iris-c"}},
                ],
            },
            {"a": 100.0},
            {"b": 2.5, "c": 100.0},
        ),
    ],
)
def test_foreign_words_mean_what_istio_makes_of_them(
    rule: Any, weights: dict[str, float], mirrors: dict[str, float]
) -> None:
    state = read(wanted(), http=[rule])
    assert state.weights == weights
    assert state.mirrors == mirrors


def test_a_rule_of_which_some_match_looks_at_no_header_is_one_of_all() -> None:
    sent = {"headers": {"x-staff": {"exact": "1"}}}
    rule = {"match": [sent, {"uri": {"prefix": "/"}}], "route": [to(CANDIDATE, 1)]}
    state = read(wanted(), http=[rule])
    assert state.weights == {CANDIDATE: 100.0}
    assert not state.by_header


@pytest.mark.parametrize("how", [{"prefix": "1"}, {}, {"exact": "2"}, {"regex": "1"}])
def test_another_way_to_compare_is_not_ours(how: dict[str, Any]) -> None:
    rule = {"match": [{"headers": {"x-staff": how}}], "route": [to(CANDIDATE, 1)]}
    (sent,) = read(wanted(), http=[rule]).by_header[CANDIDATE]
    assert sent != (READ_STAFF,)


def test_a_virtual_service_of_somebody_else_is_a_conflict() -> None:
    written, entry = PLANE.documents(wanted())
    live = stored(written, uid="other")
    state = PLANE.read(
        found((written, live), (entry, stored(entry))), meta=META, spec=spec(), ready_pods={}
    )
    assert not state.exists
    assert "VirtualService iris exists and is not controlled" in state.conflict


# --- what Istio says -----------------------------------------------------------------------------

ERROR = {"level": "ERROR", "type": {"name": "ReferencedResourceNotFound", "code": "IST0101"}}


@pytest.mark.parametrize("generation", [7, "7"])
def test_an_error_of_istios_analysis_is_not_in_force(generation: int | str) -> None:
    said = {"observedGeneration": generation, "validationMessages": [ERROR]}
    state = read(wanted(), status=said)
    assert not state.accepted
    assert state.pending_reason == "ReferencedResourceNotFound"
    assert state.pending_message == "Istio's analysis found IST0101: see istioctl analyze"
    bare = read(wanted(), status={**said, "validationMessages": [{"level": "ERROR"}]})
    assert (bare.pending_reason, bare.accepted) == ("NotValid", False)
    assert "found an error" in bare.pending_message


@pytest.mark.parametrize(
    "status",
    [
        {},
        {"observedGeneration": "7", "validationMessages": [{**ERROR, "level": "WARNING"}]},
        {"observedGeneration": "6", "validationMessages": [ERROR]},
        {"observedGeneration": "?", "validationMessages": [ERROR]},
        {"validationMessages": [ERROR]},
    ],
)
def test_a_warning_or_what_was_said_of_another_generation_does_not_count(
    status: dict[str, Any],
) -> None:
    assert read(wanted(), status=status).accepted


# --- from one write to the next ------------------------------------------------------------------


def http(asked: Target) -> list[model.Json]:
    return list(body(asked)["http"])


def test_a_service_is_listed_before_it_weighs_and_weighs_nothing_before_it_leaves() -> None:
    services = frozenset({STABLE, CANDIDATE})
    rest = replace(wanted(candidate=""), services=services)
    live = {("VirtualService", "iris"): stored(PLANE.documents(rest)[0])}
    shared = replace(wanted(weight_percent=20.0, routes=ROUTES[:1]), services=services)
    first = replace(shared, live=live)
    assert http(first) == [{"route": [to(STABLE, 100), to(CANDIDATE, 0)]}]
    live = {("VirtualService", "iris"): stored(PLANE.documents(first)[0])}
    testers, users = http(replace(shared, live=live))
    assert objects.at(testers, "route") == [to(CANDIDATE, 100)]
    assert users == {"route": [to(STABLE, 80), to(CANDIDATE, 20)]}
    live = {("VirtualService", "iris"): stored(PLANE.documents(replace(shared, live=live))[0])}
    leaves = replace(rest, live=live, at_once=True)
    assert http(leaves) == [{"route": [to(STABLE, 100), to(CANDIDATE, 0)]}]
    live = {("VirtualService", "iris"): stored(PLANE.documents(leaves)[0])}
    assert http(replace(rest, live=live)) == [{"route": [to(STABLE, 100)]}]


def moved(live: Target, asked: Target) -> tuple[list[str], list[str]]:
    """Paths that differ: those that move traffic, and the rest."""
    have, (want, _) = stored(PLANE.documents(live)[0]), PLANE.documents(asked)
    paths = differences(have, want)
    moves = [it for it in paths if want.shape.moves.fullmatch(it)]
    return moves, [it for it in paths if it not in moves]


def test_weights_copies_and_testers_move_traffic_and_settings_do_not() -> None:
    base = wanted(weight_percent=10.0)
    assert moved(base, base) == ([], [])
    moves, rest = moved(base, wanted(weight_percent=20.0))
    assert moves == [f"spec.http[0].route[{it}].weight" for it in (0, 1)]
    assert not rest
    for other in (
        wanted(weight_percent=10.0, mirror_percent=5.0),
        wanted(weight_percent=10.0, routes=ROUTES[:1]),
        wanted(weight_percent=100.0),
    ):
        for pair in ((base, other), (other, base)):
            moves, rest = moved(*pair)
            assert moves
            assert not rest
    moves, rest = moved(base, wanted(replace(OUTSIDE, timeout="5s"), weight_percent=10.0))
    assert not moves
    assert rest == ["spec.hosts", "spec.gateways", "spec.http[0].timeout"]


# --- what it can do ------------------------------------------------------------------------------


def test_it_can_what_it_says() -> None:
    assert PLANE.capabilities.weights is Weights.EXACT
    assert PLANE.capabilities.mirror is Mirror.PERCENT
    assert PLANE.capabilities.headers
    assert SWITCH.capabilities.weights is Weights.WHOLE
    assert SWITCH.capabilities.preview
    assert PLANE.sizing.effective_weight(0.1, replicas=1, scaling=model.Scaling()) == 0.1
    pods = {"replicas": 4, "scaling": model.Scaling(), "candidate": 1}
    assert PLANE.sizing.part_of(50, **pods) == 25
    assert SWITCH.sizing.part_of(50, **pods) == 50


@pytest.mark.parametrize("percent", [0.0001, 0.5, 12.7, 100.0])
def test_it_copies_any_share(percent: float) -> None:
    stage = model.Stage(
        name="shadow",
        kind=model.StageKind.SHADOW,
        weight_percent=0.0,
        effective_weight_percent=0.0,
        mirror_percent=percent,
        hold_seconds=0.0,
        deadline_seconds=60.0,
        min_requests=1,
    )
    assert not refusals([stage], PLANE.capabilities, scaling=model.Scaling(), provider="Istio")
