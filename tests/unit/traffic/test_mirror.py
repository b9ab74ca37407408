"""The mirror of a managed route: what is written, what is read back, and what may be refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from traffic_examples import CANDIDATE, GATEWAY_SPEC, META, SPEC, STABLE, found, stored, target

from tidegate import model
from tidegate.model import actions, objects
from tidegate.traffic import changes, features
from tidegate.traffic.plane import CapacityRequest, PodCount, Wanted, WantedDocument, plane_of
from tidegate.traffic.planes import mirror
from tidegate.traffic.sizing.by_weight import ByWeight

PLANE = plane_of(GATEWAY_SPEC.traffic)
BACKEND: model.Document = {"group": "", "kind": "Service", "name": "iris-bbbbbbbbbb", "port": 80}
HEADERS = model.HeaderFilter(side=model.HeaderSide.REQUEST, remove=("x-debug",))


def with_filters(*filters: model.HeaderFilter) -> model.Spec:
    gateway = GATEWAY_SPEC.traffic.gateway
    assert gateway is not None
    traffic = replace(GATEWAY_SPEC.traffic, gateway=replace(gateway, filters=filters))
    return replace(GATEWAY_SPEC, traffic=traffic)


def route(
    spec: model.Spec = GATEWAY_SPEC, *, weight: float = 0.0, copied: float = 0.0
) -> WantedDocument:
    wanted = target(spec, weight_percent=weight, mirror_percent=copied)
    return PLANE.documents(wanted)[0]


def rule(wanted: WantedDocument) -> model.Document:
    (only,) = objects.items(objects.at(wanted.body, "spec", "rules"))
    return objects.mapping(only)


# --- the filter ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("percent", "share"),
    [
        (100.0, {}),
        (20.0, {"percent": 20}),
        (1.0, {"percent": 1}),
        (0.5, {"fraction": {"numerator": 5, "denominator": 1000}}),
        (12.5, {"fraction": {"numerator": 125, "denominator": 1000}}),
        (0.0001, {"fraction": {"numerator": 1, "denominator": 1_000_000}}),
        (33.3333, {"fraction": {"numerator": 333_333, "denominator": 1_000_000}}),
    ],
)
def test_a_percentage_is_written_exactly(percent: float, share: model.Document) -> None:
    wanted = mirror.filter_of(BACKEND, percent=percent)
    assert wanted == {"type": "RequestMirror", "requestMirror": {"backendRef": BACKEND, **share}}


@given(st.integers(min_value=1, max_value=1_000_000))
def test_what_is_written_is_read_back(units: int) -> None:
    percent = units / 10_000
    live = stored(route(copied=percent))
    assert mirror.percents(live, name="iris") == {CANDIDATE: percent}


@pytest.mark.parametrize(
    ("given_share", "percent"),
    [
        ({"percent": 0}, None),
        ({"fraction": {"numerator": 1}}, 1.0),
        ({"fraction": {"numerator": 1, "denominator": 0}}, 100.0),
        ({"fraction": {}}, None),
        ({}, 100.0),
    ],
)
def test_mirrors_of_others_are_read_as_the_api_means_them(
    given_share: model.Document, percent: float | None
) -> None:
    filters = [{"type": "RequestMirror", "requestMirror": {"backendRef": BACKEND, **given_share}}]
    live: model.Document = {"spec": {"rules": [{"filters": filters}, {}]}}
    expected = {} if percent is None else {CANDIDATE: percent}
    assert mirror.percents(live, name="iris") == expected


def test_a_foreign_backend_keeps_its_name_and_the_largest_share_counts() -> None:
    def one(name: str, percent: int) -> model.Document:
        backend = {**BACKEND, "name": name}
        return {
            "type": "RequestMirror",
            "requestMirror": {"backendRef": backend, "percent": percent},
        }

    rules = [{"filters": [one("audit", 5)]}, {"filters": [one("iris-x", 10), one("audit", 30)]}]
    assert mirror.percents({"spec": {"rules": rules}}, name="iris") == {"audit": 30.0, "x": 10.0}


# --- the route -----------------------------------------------------------------------------------


def test_a_shadow_is_no_backend_so_that_it_cannot_answer() -> None:
    only = rule(route(copied=20))
    assert [objects.at(it, "name") for it in objects.items(only["backendRefs"])] == [
        f"iris-{STABLE}"
    ]
    assert objects.items(only["filters"]) == [mirror.filter_of(BACKEND, percent=20)]


def test_a_share_with_copies_beside_it_has_both() -> None:
    only = rule(route(weight=10, copied=50))
    weights = [objects.at(it, "weight") for it in objects.items(only["backendRefs"])]
    assert weights == [90, 10]
    assert mirror.percents(stored(route(weight=10, copied=50)), name="iris") == {CANDIDATE: 50.0}


def test_filters_that_people_asked_for_stay_and_come_first() -> None:
    types = [
        objects.at(it, "type")
        for it in objects.items(rule(route(with_filters(HEADERS), copied=5))["filters"])
    ]
    assert types == ["RequestHeaderModifier", "RequestMirror"]
    assert "filters" not in rule(route(weight=10))


def test_weights_and_copies_are_read_apart() -> None:
    wanted = route(copied=20)
    state = PLANE.read(found((wanted, stored(wanted))), meta=META, spec=GATEWAY_SPEC, ready_pods={})
    assert (state.weights, state.mirrors) == ({STABLE: 100.0}, {CANDIDATE: 20.0})


# --- what a write would change -------------------------------------------------------------------


def changed(
    live: WantedDocument, *, spec: model.Spec = GATEWAY_SPEC, copied: float
) -> changes.Changes:
    seen = model.Observation(
        now=None,  # type: ignore[arg-type]
        epoch=1,
        meta=META,
        status=model.Status(),
        spec=spec,
        traffic=model.TrafficState(exists=True, documents={("HTTPRoute", "iris"): stored(live)}),
    )
    action = actions.SetTraffic(
        stable=STABLE,
        candidate=CANDIDATE,
        exposure=model.Exposure(live_percent=0.0, mirror_percent=copied),
    )
    return changes.changes_of(action, seen)


@pytest.mark.parametrize("live_percent", [0.0, 10.0, 100.0])
def test_who_gets_copies_is_traffic_and_no_field_of_the_spec(live_percent: float) -> None:
    found_ = changed(route(copied=live_percent), copied=20)
    assert (found_.moves_traffic, found_.fields) == (True, ())


def test_the_same_mirror_changes_nothing() -> None:
    found_ = changed(route(copied=20), copied=20)
    assert (found_.moves_traffic, found_.fields) == (False, ())


@pytest.mark.parametrize("copied", [0.0, 20.0])
def test_other_filters_are_fields_beside_a_mirror_too(copied: float) -> None:
    found_ = changed(route(with_filters(HEADERS), copied=copied), copied=copied)
    assert not found_.moves_traffic
    assert found_.fields == ("HTTPRoute iris: spec.rules[0].filters",)


# --- pods ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "candidate"), [(20.0, 1), (26.0, 2), (50.0, 2), (100.0, 4), (0.5, 1)]
)
def test_copies_need_pods_beside_all_of_stable(load: float, candidate: int) -> None:
    wanted = ByWeight().capacity(
        CapacityRequest(
            replicas=4,
            scaling=model.Scaling(),
            target_percent=load,
            live_percent=0.0,
            stable=PodCount(wanted=4, available=4),
        )
    )
    assert wanted == Wanted(stable=4, candidate=candidate)


# --- what classes of Gateways list ---------------------------------------------------------------

ALL = frozenset({"HTTPRoute", features.MIRROR, features.MIRROR_PERCENT})


def shadow(percent: float) -> model.Stage:
    return model.Stage(
        name="shadow",
        kind=model.StageKind.SHADOW,
        weight_percent=0.0,
        effective_weight_percent=0.0,
        mirror_percent=percent,
    )


@pytest.mark.parametrize(
    ("percent", "listed", "told"),
    [
        (20.0, ALL, ""),
        (100.0, ALL, ""),
        (20.0, frozenset(), ""),
        (0.0, frozenset({"HTTPRoute"}), ""),
        (100.0, ALL - {features.MIRROR_PERCENT}, ""),
        (20.0, ALL - {features.MIRROR_PERCENT}, "set mirrorPercent to 100, or use another Gateway"),
        (20.0, frozenset({"HTTPRoute"}), "leave out the mirror, or use another Gateway"),
        (100.0, frozenset({"HTTPRoute"}), "leave out the mirror, or use another Gateway"),
    ],
)
def test_a_class_that_lists_features_without_the_mirror_is_refused(
    percent: float, listed: frozenset[str], told: str
) -> None:
    refused = list(
        features.refused(
            [shadow(percent)], listed, of="GatewayClass eg", path_of=lambda it: f"at {it.name}"
        )
    )
    assert [one.path for one in refused] == ["at shadow"] * bool(told)
    assert all(one.message.endswith(told) and "GatewayClass eg" in one.message for one in refused)
    assert {one.reason for one in refused} <= {"UnsupportedByProvider"}


@pytest.mark.parametrize(
    ("listed", "known"),
    [
        ([{"name": "A"}, {"name": "B"}], {"A", "B"}),
        (["A", "B"], {"A", "B"}),
        ([{}, 5, ""], set()),
        (None, set()),
    ],
)
def test_features_are_read_in_both_forms(listed: model.Json, known: set[str]) -> None:
    assert features.supported({"status": {"supportedFeatures": listed}}) == known


def test_a_plane_of_pods_has_no_mirror() -> None:
    assert not plane_of(SPEC.traffic).read({}, meta=META, spec=SPEC, ready_pods={STABLE: 1}).mirrors
