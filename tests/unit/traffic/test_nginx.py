"""The VirtualServer of provider NGINX: as it is written, as it is read, and what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_examples import (
    CANDIDATE,
    META,
    NGINX_SPEC,
    STABLE,
    THIRD,
    found,
    stored,
    target,
)

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import Mechanism, Mirror, Reference, Target, Weights, plane_of
from tidegate.traffic.writes import differences, is_current

PLANE = plane_of(NGINX_SPEC.traffic)
SWITCH = plane_of(replace(NGINX_SPEC.traffic, exclusive=True))
STAFF = model.Header(name="X-Staff", value='a.b "c" \\d')
BETA = model.Header(
    name="cookie", value=r"^(.*;\s*)?beta=yes(;.*)?$", match=model.HeaderMatch.REGULAR_EXPRESSION
)
ROUTES = (
    model.HeaderRoute(name="staff", headers=(STAFF,)),
    model.HeaderRoute(name="beta", headers=(BETA, model.Header(name="x-b", value="1"))),
)
VALID = {"state": "Valid", "reason": "AddedOrUpdated", "message": "Configuration was added"}


def wanted(settings: Mapping[str, Any] | None = None, **more: Any) -> Target:
    server = model.VirtualServer(host="iris.example.com", **(settings or {}))
    spec = replace(NGINX_SPEC, traffic=replace(NGINX_SPEC.traffic, nginx=server))
    routes = more.pop("routes", ())
    asked = target(spec, **more)
    return replace(asked, exposure=replace(asked.exposure, routes=routes))


def body(asked: Target) -> Mapping[str, Any]:
    """Spec of the VirtualServer."""
    return objects.mapping(PLANE.documents(asked)[0].body["spec"])


def up(revision: str, **more: Any) -> model.Document:
    name = f"iris-{revision}"
    return {"name": name, "service": name, "port": 80, **more}


def to(revision: str, **more: Any) -> model.Document:
    return {**more, "action": {"pass": f"iris-{revision}"}}


# --- as it is written ----------------------------------------------------------------------------


def test_the_virtual_server_is_one_document_beside_the_entry_service() -> None:
    asked = wanted(weight_percent=12.0, marker=THIRD)
    written, entry = PLANE.documents(asked)
    assert written.reference == Reference(kind="VirtualServer", name="iris")
    assert written.mechanism is Mechanism.APPLY
    assert written.carries_weights
    assert written.body["apiVersion"] == "k8s.nginx.org/v1"
    assert objects.annotation(written.body, "tidegate.dev/rolled-back-revision") == THIRD
    assert objects.is_controlled_by(written.body, uid="uid-1")
    assert written.body["spec"] == {
        "host": "iris.example.com",
        "upstreams": [up(STABLE), up(CANDIDATE)],
        "routes": [{"path": "/", "splits": [to(STABLE, weight=88), to(CANDIDATE, weight=12)]}],
    }
    assert objects.at(entry.body, "spec", "selector", "tidegate.dev/revision") == STABLE
    assert PLANE.references(meta=META, spec=NGINX_SPEC) == (written.reference, entry.reference)


def test_its_settings_stand_at_the_host_at_each_path_and_at_each_upstream() -> None:
    settings = {
        "tls_secret": "iris-tls",
        "ingress_class": "edge",
        "path_prefixes": ("/v2", "/metrics"),
        "read_timeout": "2m",
    }
    split = {"splits": [to(STABLE, weight=50), to(CANDIDATE, weight=50)]}
    assert body(wanted(settings, weight_percent=50.0)) == {
        "ingressClassName": "edge",
        "host": "iris.example.com",
        "tls": {"secret": "iris-tls"},
        "upstreams": [
            up(STABLE, **{"read-timeout": "2m"}),
            up(CANDIDATE, **{"read-timeout": "2m"}),
        ],
        "routes": [{"path": "/v2", **split}, {"path": "/metrics", **split}],
    }


@pytest.mark.parametrize(
    ("given_", "answered"),
    [
        # NGINX refuses a split of one.
        ({"candidate": ""}, to(STABLE)),
        ({}, {"splits": [to(STABLE, weight=100), to(CANDIDATE, weight=0)]}),
        (
            {"weight_percent": 100.0},
            {"splits": [to(STABLE, weight=0), to(CANDIDATE, weight=100)]},
        ),
        ({"weight_percent": 99.0}, {"splits": [to(STABLE, weight=1), to(CANDIDATE, weight=99)]}),
    ],
)
def test_who_stands_alone_gets_all_and_others_have_a_weight(
    given_: dict[str, Any], answered: model.Document
) -> None:
    assert body(wanted(**given_))["routes"] == [{"path": "/", **answered}]


def test_who_leaves_is_listed_at_weight_0_and_goes_once_that_is_in_force() -> None:
    before = replace(wanted(weight_percent=5.0), candidate=THIRD)
    services = frozenset({STABLE, CANDIDATE, THIRD})
    live = stored(PLANE.documents(before)[0])
    asked = replace(wanted(), services=services)
    pending = replace(asked, live={("VirtualServer", "iris"): live})
    leaving = {"splits": [to(STABLE, weight=100), to(CANDIDATE, weight=0), to(THIRD, weight=0)]}
    assert body(pending)["routes"] == [{"path": "/", **leaving}]
    assert body(pending)["upstreams"] == [up(STABLE), up(CANDIDATE), up(THIRD)]
    live = {**stored(PLANE.documents(pending)[0]), "status": VALID}
    last = replace(asked, live={("VirtualServer", "iris"): live})
    assert body(last)["upstreams"] == [up(STABLE), up(CANDIDATE)]


def test_testers_stand_beside_the_split_and_compare_as_they_were_written() -> None:
    (route,) = body(wanted(weight_percent=5.0, routes=ROUTES))["routes"]
    assert route["matches"] == [
        {
            "conditions": [{"header": "X-Staff", "value": r"~^a\\.b\\ \"c\"\\ \\\\d$"}],
            **to(CANDIDATE),
        },
        {
            "conditions": [
                {"header": "cookie", "value": r"~(?:^(.*;\\s*)?beta=yes(;.*)?$)"},
                {"header": "x-b", "value": "~^1$"},
            ],
            **to(CANDIDATE),
        },
    ]
    assert route["splits"] == [to(STABLE, weight=95), to(CANDIDATE, weight=5)]


# --- as it is read -------------------------------------------------------------------------------


def read(asked: Target, *, status: Any = None, spec: Any = None) -> model.TrafficState:
    written, entry = PLANE.documents(asked)
    live = {**stored(written, generation=7), "status": VALID if status is None else status}
    if spec is not None:
        live = {**live, "spec": spec}
    return PLANE.read(
        found((written, live), (entry, stored(entry))), meta=META, spec=asked.spec, ready_pods={}
    )


def test_what_it_calls_valid_is_taken_for_in_force_and_said_to_be_unconfirmed() -> None:
    assert read(wanted(weight_percent=25.0, marker=THIRD)) == model.TrafficState(
        exists=True,
        weights={STABLE: 75.0, CANDIDATE: 25.0},
        accepted=True,
        unconfirmed=(
            "NGINX Ingress Controller does not say of which generation of a VirtualServer it speaks"
        ),
        rolled_back_revision=THIRD,
        resource_version="200",
        entry_exists=True,
        entry_revision=STABLE,
        entry_port=objects.PORT_NAME,
    )


TEXTS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)
MATCHES = st.sampled_from([model.HeaderMatch.EXACT, model.HeaderMatch.REGULAR_EXPRESSION])


@given(percent=st.integers(0, 100).map(float), value=TEXTS, match=MATCHES)
def test_what_is_written_is_read_back(percent: float, value: str, match: model.HeaderMatch) -> None:
    header = model.Header(name="x-a", value=value, match=match)
    routes = (model.HeaderRoute(name="a", headers=(header, STAFF)),)
    asked = wanted({"path_prefixes": ("/v2", "/v1")}, weight_percent=percent, routes=routes)
    state = read(asked)
    assert state.weights == {STABLE: 100.0 - percent, CANDIDATE: percent}
    assert state.by_header == {CANDIDATE: ((header, STAFF),)}
    assert not state.mirrors
    written, _ = PLANE.documents(asked)
    assert is_current(stored(written), written)


UPSTREAMS = [{"name": "one", "service": "iris-a"}, {"name": "two", "service": "other/iris-b"}]


@pytest.mark.parametrize(
    ("routes", "weights", "by_header"),
    [
        ([], {}, set()),
        ([{"path": "/", "action": {"pass": "one"}}], {"a": 100.0}, set()),
        ([{"path": "/", "action": {"proxy": {"upstream": "one"}}}], {"a": 100.0}, set()),
        ([{"path": "/", "action": {"return": {"body": "no"}}}], {}, set()),
        ([{"path": "/", "route": "other/cafe"}], {}, set()),
        (
            [
                {
                    "path": "/",
                    "splits": [
                        {"weight": 80, "action": {"pass": "one"}},
                        {"weight": 20, "action": {"pass": "two"}},
                    ],
                }
            ],
            {"a": 80.0, "other/iris-b": 20.0},
            set(),
        ),
        # What looks at a cookie, or compares in a way that is not ours, is no share of everybody.
        (
            [
                {
                    "path": "/",
                    "action": {"pass": "one"},
                    "matches": [
                        {
                            "conditions": [{"cookie": "beta", "value": "yes"}],
                            "action": {"pass": "two"},
                        },
                    ],
                }
            ],
            {"a": 100.0},
            {"other/iris-b"},
        ),
    ],
)
def test_foreign_words_mean_what_nginx_makes_of_them(
    routes: Any, weights: dict[str, float], by_header: set[str]
) -> None:
    state = read(wanted(), spec={"upstreams": UPSTREAMS, "routes": routes})
    assert state.weights == weights
    assert set(state.by_header) == by_header


@pytest.mark.parametrize("value", ["1", "!1", "~1", "~*^1$", "~^1.*$", "~(?:1", "!~^1$"])
def test_other_ways_to_compare_are_none_of_ours(value: str) -> None:
    match = {"conditions": [{"header": "x-a", "value": value}], "action": {"pass": "two"}}
    routes = [{"path": "/", "action": {"pass": "one"}, "matches": [match]}]
    state = read(wanted(), spec={"upstreams": UPSTREAMS, "routes": routes})
    assert state.by_header == {"other/iris-b": ((model.Header(name="x-a", value=""),),)}


def test_a_virtual_server_of_somebody_else_is_a_conflict() -> None:
    written, entry = PLANE.documents(wanted())
    live = stored(written, uid="other")
    state = PLANE.read(
        found((written, live), (entry, stored(entry))), meta=META, spec=NGINX_SPEC, ready_pods={}
    )
    assert not state.exists
    assert "VirtualServer iris exists and is not controlled" in state.conflict


# --- whether it is in force ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        ({}, "Pending", "has not answered: is there one of class edge?"),
        (
            {"state": "Invalid", "reason": "Rejected", "message": "spec.host: Required value"},
            "Rejected",
            "NGINX Ingress Controller, Invalid: spec.host: Required value",
        ),
        # A mere warning in its words; the host is another's all the same.
        (
            {
                "state": "Warning",
                "reason": "Rejected",
                "message": "Host is taken by another resource",
            },
            "Rejected",
            "Warning: Host is taken by another resource",
        ),
        (
            {"state": "Invalid", "reason": "AddedOrUpdatedWithError", "message": "was not applied"},
            "AddedOrUpdatedWithError",
            "Invalid: was not applied",
        ),
        ({"state": "Invalid"}, "NotValid", "Invalid: Invalid"),
        ({"state": "Warning", "reason": "AddedOrUpdatedWithWarning", "message": "x"}, "", ""),
        (VALID, "", ""),
    ],
)
def test_that_nobody_has_it_and_refusals_are_told(
    status: dict[str, str], reason: str, message: str
) -> None:
    state = read(wanted({"ingress_class": "edge"}), status=status)
    assert state.accepted is (reason == "")
    assert state.accepted is (reason == "")
    assert state.pending_reason == reason
    assert message in state.pending_message


# --- differences ---------------------------------------------------------------------------------


def moved(live: Target | model.Document, asked: Target) -> tuple[list[str], list[str]]:
    """Paths that differ: those that move traffic, and the rest."""
    have = stored(PLANE.documents(live)[0]) if isinstance(live, Target) else live
    want, _ = PLANE.documents(asked)
    paths = differences(have, want)
    moves = [it for it in paths if want.shape.moves.fullmatch(it)]
    return moves, [it for it in paths if it not in moves]


def test_weights_upstreams_and_testers_move_traffic() -> None:
    base = wanted(weight_percent=10.0)
    assert moved(base, base) == ([], [])
    weights = [f"spec.routes[0].splits[{it}].weight" for it in (0, 1)]
    assert moved(base, wanted(weight_percent=20.0)) == (weights, [])
    alone, tested = wanted(candidate=""), wanted(weight_percent=10.0, routes=ROUTES)
    other = wanted(weight_percent=10.0, routes=ROUTES[:1])
    for pair in ((base, alone), (base, tested), (tested, other)):
        for one, two in (pair, pair[::-1]):
            moves, rest = moved(one, two)
            assert moves
            assert not rest


@pytest.mark.parametrize(
    ("settings", "paths"),
    [
        ({"tls_secret": "b"}, ["spec.tls.secret"]),
        ({"ingress_class": "b"}, ["spec.ingressClassName"]),
        ({"path_prefixes": ("/v2",)}, ["spec.routes[0].path"]),
        ({"path_prefixes": ("/v2", "/v1")}, ["spec.routes"]),
        ({"read_timeout": "5s"}, [f"spec.upstreams[{it}].read-timeout" for it in (0, 1)]),
    ],
)
def test_settings_do_not_move_traffic(settings: dict[str, Any], paths: list[str]) -> None:
    assert moved(wanted(), wanted(settings)) == ([], paths)


def test_what_it_does_not_write_belongs_to_the_user() -> None:
    """But not within its lists: a session cookie of an upstream, for one."""
    asked = wanted(weight_percent=10.0)
    live = stored(PLANE.documents(asked)[0])
    spec = objects.mapping(live["spec"])
    beside = {"policies": [{"name": "limit"}], "tls": {"redirect": {"enable": True}}}
    assert moved({**live, "spec": {**spec, **beside}}, asked) == ([], [])
    sticky = {"sessionCookie": {"enable": True, "name": "srv"}}
    upstreams = [{**objects.mapping(it), **sticky} for it in objects.items(spec["upstreams"])]
    paths = [f"spec.upstreams[{it}].sessionCookie" for it in (0, 1)]
    assert moved({**live, "spec": {**spec, "upstreams": upstreams}}, asked) == ([], paths)


# --- what it can do ------------------------------------------------------------------------------


def test_it_can_what_it_says() -> None:
    assert PLANE.capabilities.weights is Weights.EXACT
    assert PLANE.capabilities.mirror is Mirror.NONE
    assert PLANE.capabilities.headers
    assert SWITCH.capabilities.weights is Weights.WHOLE
    assert SWITCH.capabilities.preview


SCALING = model.Scaling(max_surge_percent=0.0)


@given(
    weight=st.integers(1, 100).map(float),
    replicas=st.integers(1, 300),
    pods=st.tuples(st.integers(0, 300), st.integers(0, 300)),
)
def test_a_part_of_a_weight_is_a_whole_percent_too(
    weight: float, replicas: int, pods: tuple[int, int]
) -> None:
    """What the pods of a candidate carry of it, and what it keeps for stable lacks pods."""
    part = PLANE.sizing.part_of(weight, replicas=replicas, scaling=SCALING, candidate=pods[0])
    kept = PLANE.sizing.kept_share(
        weight, replicas=replicas, missing_pods=0, stable=pods[1], candidate=pods[0]
    )
    for share in (part, kept):
        assert share % 1 == 0
        assert 0 <= share <= weight
    assert part >= 1
    least = PLANE.sizing.candidate_needed(1.0, replicas=replicas, scaling=SCALING)
    needed = PLANE.sizing.candidate_needed(part, replicas=replicas, scaling=SCALING)
    assert pods[0] >= needed or part == weight
    assert part == weight or pods[0] >= least
    lacking = 100 * (replicas - min(pods[1], replicas)) / replicas
    assert kept >= min(weight, lacking) or pods[0] == 0
