"""The HTTPProxy of provider Contour: as it is written, as it is read, and whether it is in force."""

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

PROXY = model.ContourProxy(fqdn="iris.example.com")
PLANE = plane_of(model.Traffic(provider=model.Provider.CONTOUR, contour=PROXY))
SWITCH = plane_of(model.Traffic(provider=model.Provider.CONTOUR, contour=PROXY, exclusive=True))
STAFF = model.Header(name="x-staff", value="1")
BETA = model.Header(name="cookie", value="^beta$", match=model.HeaderMatch.REGULAR_EXPRESSION)
ROUTES = (
    model.HeaderRoute(name="staff", headers=(STAFF,)),
    model.HeaderRoute(name="beta", headers=(BETA, STAFF)),
)
VALID: model.Document = {"type": "Valid", "status": "True", "observedGeneration": 7}


def spec(proxy: model.ContourProxy = PROXY) -> model.Spec:
    traffic = model.Traffic(provider=model.Provider.CONTOUR, contour=proxy)
    return replace(SPEC, traffic=traffic)


def wanted(
    proxy: model.ContourProxy = PROXY, *, routes: tuple[model.HeaderRoute, ...] = (), **more: Any
) -> Target:
    asked = target(spec(proxy), **more)
    return replace(asked, exposure=replace(asked.exposure, routes=routes))


def body(asked: Target) -> Mapping[str, Any]:
    """Spec of the HTTPProxy."""
    proxy, _ = PLANE.documents(asked)
    return objects.mapping(proxy.body["spec"])


def service(revision: str, weight: int, **more: Any) -> model.Document:
    return {"name": f"iris-{revision}", "port": 80, "weight": weight, **more}


# --- as it is written ----------------------------------------------------------------------------


def test_the_proxy_is_one_document_beside_the_entry_service() -> None:
    asked = wanted(weight_percent=12.5, marker=THIRD)
    proxy, entry = PLANE.documents(asked)
    assert proxy.reference == Reference(kind="HTTPProxy", name="iris")
    assert proxy.mechanism is Mechanism.APPLY
    assert proxy.carries_weights
    assert proxy.body["apiVersion"] == "projectcontour.io/v1"
    assert objects.annotation(proxy.body, "tidegate.dev/rolled-back-revision") == THIRD
    assert objects.is_controlled_by(proxy.body, uid="uid-1")
    assert proxy.body["spec"] == {
        "virtualhost": {"fqdn": "iris.example.com"},
        "routes": [{"services": [service(STABLE, 875), service(CANDIDATE, 125)]}],
    }
    assert objects.at(entry.body, "spec", "selector", "tidegate.dev/revision") == STABLE
    assert PLANE.references(meta=META, spec=spec()) == (proxy.reference, entry.reference)


@pytest.mark.parametrize(
    ("given_", "services"),
    [
        ({"candidate": ""}, [service(STABLE, 100)]),
        ({}, [service(STABLE, 100), service(CANDIDATE, 0)]),
        ({"weight_percent": 100.0}, [service(STABLE, 0), service(CANDIDATE, 100)]),
        ({"weight_percent": 99.9}, [service(STABLE, 1), service(CANDIDATE, 999)]),
        (
            {"mirror_percent": 20.0},
            [service(STABLE, 100), service(CANDIDATE, 20, mirror=True)],
        ),
        (
            {"weight_percent": 5.0, "mirror_percent": 100.0},
            [service(STABLE, 95), service(CANDIDATE, 5), service(CANDIDATE, 100, mirror=True)],
        ),
    ],
)
def test_every_service_has_a_weight_and_a_mirror_its_percent(
    given_: dict[str, Any], services: list[model.Document]
) -> None:
    (route,) = body(wanted(**given_))["routes"]
    assert route["services"] == services


def test_all_settings_stand_in_every_route() -> None:
    proxy = replace(
        PROXY,
        tls_secret="iris-tls",
        ingress_class="edge",
        path_prefixes=("/v2", "/metrics"),
        response_timeout="2m",
        idle_timeout="infinity",
    )
    written = body(wanted(proxy, weight_percent=50.0, routes=ROUTES))
    staff = {"header": {"name": "x-staff", "exact": "1"}}
    beta = {"header": {"name": "cookie", "regex": "^beta$"}}
    assert written["virtualhost"] == {
        "fqdn": "iris.example.com",
        "tls": {"secretName": "iris-tls"},
    }
    assert written["ingressClassName"] == "edge"
    assert [it["conditions"] for it in written["routes"]] == [
        [{"prefix": "/v2"}, staff],
        [{"prefix": "/metrics"}, staff],
        [{"prefix": "/v2"}, beta, staff],
        [{"prefix": "/metrics"}, beta, staff],
        [{"prefix": "/v2"}],
        [{"prefix": "/metrics"}],
    ]
    policy = {"response": "2m", "idle": "infinity"}
    assert all(it["timeoutPolicy"] == policy for it in written["routes"])
    assert all(it["services"] == [service(CANDIDATE, 100)] for it in written["routes"][:4])


def test_a_part_has_no_host_name() -> None:
    part = model.ContourProxy(included_by=model.ProxyRef(name="edge"), ingress_class="edge")
    assert set(body(wanted(part))) == {"ingressClassName", "routes"}


# --- as it is read -------------------------------------------------------------------------------


def read(asked: Target, *, spec_: Any = None, status: Any = None) -> model.TrafficState:
    proxy, entry = PLANE.documents(asked)
    live = {**stored(proxy, generation=7), "status": {"conditions": [VALID]}}
    live |= {"spec": spec_} if spec_ is not None else {}
    live |= {"status": status} if status is not None else {}
    return PLANE.read(
        found((proxy, live), (entry, stored(entry))), meta=META, spec=asked.spec, ready_pods={}
    )


def test_a_valid_proxy_is_in_force() -> None:
    state = read(wanted(weight_percent=25.0, marker=THIRD))
    assert state == model.TrafficState(
        exists=True,
        weights={STABLE: 75.0, CANDIDATE: 25.0},
        accepted=True,
        rolled_back_revision=THIRD,
        resource_version="200",
        entry_exists=True,
        entry_revision=STABLE,
        entry_port=objects.PORT_NAME,
    )


@given(
    live_percent=st.integers(0, 1_000_000).map(lambda it: it / 10_000),
    mirror_percent=st.integers(0, 100).map(float),
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
        replace(PROXY, path_prefixes=prefixes),
        routes=routes,
        weight_percent=live_percent,
        mirror_percent=mirror_percent,
    )
    state = read(asked)
    assert state.weights.get(CANDIDATE, 0.0) == live_percent
    assert state.mirrors == ({CANDIDATE: mirror_percent} if mirror_percent else {})
    assert state.by_header.get(CANDIDATE, ()) == tuple(it.headers for it in routes)
    proxy, _ = PLANE.documents(asked)
    assert is_current(stored(proxy), proxy)


@pytest.mark.parametrize(
    ("services", "weights", "mirrors"),
    [
        ([], {}, {}),
        # Where no Service has a weight all count alike; where one has, the others have none.
        ([{"name": "iris-a"}, {"name": "iris-b"}], {"a": 50.0, "b": 50.0}, {}),
        ([{"name": "iris-a", "weight": 0}], {"a": 100.0}, {}),
        ([{"name": "iris-a", "weight": 9}, {"name": "iris-b"}], {"a": 100.0, "b": 0.0}, {}),
        (
            [{"name": "web", "weight": 1}, {"name": "iris-b", "weight": 3}],
            {"web": 25.0, "b": 75.0},
            {},
        ),
        # A mirror without a weight, or with 0, gets all requests.
        ([{"name": "iris-a"}, {"name": "iris-b", "mirror": True}], {"a": 100.0}, {"b": 100.0}),
        (
            [{"name": "iris-a"}, {"name": "iris-b", "mirror": True, "weight": 0}],
            {"a": 100.0},
            {"b": 100.0},
        ),
        (
            [{"name": "iris-a", "mirror": False}, {"name": "iris-b", "mirror": True, "weight": 7}],
            {"a": 100.0},
            {"b": 7.0},
        ),
    ],
)
def test_foreign_words_mean_what_contour_makes_of_them(
    services: list[Any], weights: dict[str, float], mirrors: dict[str, float]
) -> None:
    state = read(wanted(), spec_={"routes": [{"services": services}]})
    assert state.weights == weights
    assert state.mirrors == mirrors


@pytest.mark.parametrize(
    "condition",
    [{"present": True}, {"contains": "1"}, {"notexact": "1"}, {"exact": "2"}, {"regex": "1"}],
)
def test_another_way_to_compare_is_not_ours(condition: dict[str, Any]) -> None:
    route = {
        "conditions": [{"header": {"name": "x-staff", **condition}}],
        "services": [{"name": f"iris-{CANDIDATE}"}],
    }
    (sent,) = read(wanted(), spec_={"routes": [route]}).by_header[CANDIDATE]
    assert sent != (STAFF,)


def test_a_candidate_at_weight_0_is_not_reached_by_header() -> None:
    route = {
        "conditions": [{"header": {"name": "x-staff", "exact": "1"}}],
        "services": [{"name": "iris-a", "weight": 1}, {"name": f"iris-{CANDIDATE}", "weight": 0}],
    }
    assert read(wanted(), spec_={"routes": [route]}).by_header == {"a": ((STAFF,),)}


def test_a_proxy_of_somebody_else_is_a_conflict() -> None:
    proxy, entry = PLANE.documents(wanted())
    live = stored(proxy, uid="other")
    state = PLANE.read(
        found((proxy, live), (entry, stored(entry))), meta=META, spec=spec(), ready_pods={}
    )
    assert not state.exists
    assert "HTTPProxy iris exists and is not controlled" in state.conflict


# --- whether it is in force ----------------------------------------------------------------------

ORPHAN = {"type": "Orphaned", "reason": "Orphaned", "message": "no root includes it"}
BROKEN = {**VALID, "status": "False", "reason": "ErrorPresent", "message": "at least one error"}
PART = model.ContourProxy(included_by=model.ProxyRef(name="edge", namespace="web"))


@pytest.mark.parametrize(
    ("proxy", "conditions", "reason", "part"),
    [
        (PROXY, [], "Pending", "has not answered for generation 7: is there one in this cluster?"),
        (replace(PROXY, ingress_class="x"), [], "Pending", "is there one of class x?"),
        (PROXY, [{**VALID, "observedGeneration": 6}], "Pending", "has not answered"),
        (PROXY, [{"type": "Valid", "status": "True"}], "Pending", "has not answered"),
        (PROXY, [{**VALID, "type": "Ready"}], "Pending", "has not answered"),
        (PROXY, [BROKEN], "ErrorPresent", "Contour, Valid: at least one error"),
        (PROXY, [{**VALID, "status": "Unknown"}], "NotValid", "Contour, Valid: NotValid"),
        (
            PROXY,
            [{**BROKEN, "errors": [{"type": "ServiceError", "reason": "NoPort", "message": "80"}]}],
            "NoPort",
            "Contour, Valid: 80",
        ),
        (PROXY, [{**BROKEN, "errors": [ORPHAN]}], "Orphaned", "no root includes it"),
        (PART, [{**BROKEN, "errors": [ORPHAN]}], "Orphaned", "HTTPProxy web/edge must include it"),
        (
            replace(PART, included_by=model.ProxyRef(name="edge")),
            [{**BROKEN, "errors": [ORPHAN]}],
            "Orphaned",
            "HTTPProxy edge must include it",
        ),
    ],
)
def test_what_contour_has_not_called_valid_is_not_in_force(
    proxy: model.ContourProxy, conditions: list[model.Document], reason: str, part: str
) -> None:
    state = read(wanted(proxy), status={"conditions": conditions})
    assert not state.accepted
    assert state.pending_reason == reason
    assert part in state.pending_message


# --- differences ---------------------------------------------------------------------------------


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
    assert moves == [f"spec.routes[0].services[{it}].weight" for it in (0, 1)]
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
    asked = replace(PROXY, fqdn="b.example.com", response_timeout="5s", tls_secret="t")
    moves, rest = moved(base, wanted(asked, weight_percent=10.0))
    assert not moves
    assert rest == [
        "spec.virtualhost.fqdn",
        "spec.virtualhost.tls",
        "spec.routes[0].timeoutPolicy",
    ]


# --- what it can do ------------------------------------------------------------------------------


def test_it_can_what_it_says() -> None:
    assert PLANE.capabilities.weights is Weights.EXACT
    assert PLANE.capabilities.mirror is Mirror.WHOLE_PERCENT
    assert PLANE.capabilities.headers
    assert SWITCH.capabilities.weights is Weights.WHOLE
    assert SWITCH.capabilities.preview
    assert PLANE.sizing.effective_weight(0.1, replicas=1, scaling=model.Scaling()) == 0.1
    pods = {"replicas": 4, "scaling": model.Scaling(), "candidate": 1}
    assert PLANE.sizing.part_of(50, **pods) == 25
    assert SWITCH.sizing.part_of(50, **pods) == 50


@pytest.mark.parametrize(
    ("percent", "refused"),
    [(0.0, ""), (1.0, ""), (100.0, ""), (0.5, "to 1"), (0.0001, "to 1"), (12.7, "to 13")],
)
def test_it_copies_whole_percents_only(percent: float, refused: str) -> None:
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
    told = refusals([stage], PLANE.capabilities, scaling=model.Scaling(), provider="Contour")
    assert bool(told) == bool(refused)
    assert all(f"set mirrorPercent {refused}" in it.message for it in told)
