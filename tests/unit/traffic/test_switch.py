"""Planes whose users change sides in one write, and the preview Service beside them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from traffic_examples import (
    CANDIDATE,
    CONTOUR_SPEC,
    GATEWAY_SPEC,
    ISTIO_SPEC,
    META,
    NGINX_SPEC,
    SPEC,
    STABLE,
    TRAEFIK_SPEC,
    found,
    stored,
    target,
)

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import (
    CapacityRequest,
    PodCount,
    Reference,
    Target,
    Wanted,
    Weights,
    plane_of,
)
from tidegate.traffic.sizing import whole

ASKED = model.BlueGreen(preview_service="iris-preview")
SPECS = {
    one.traffic.provider: replace(
        one,
        blue_green=ASKED,
        traffic=replace(one.traffic, exclusive=True),
        scaling=whole.SCALING,
    )
    for one in (SPEC, GATEWAY_SPEC, CONTOUR_SPEC, ISTIO_SPEC, TRAEFIK_SPEC, NGINX_SPEC)
}
PREVIEW = Reference(kind="Service", name="iris-preview")


@pytest.fixture(params=list(model.Provider))
def spec(request: pytest.FixtureRequest) -> model.Spec:
    return SPECS[request.param]


def selected(wanted: Target) -> dict[str, model.Json]:
    """The revision that each Service selects, by name."""
    return {
        one.reference.name: objects.at(one.body, "spec", "selector", objects.LABEL_REVISION)
        for one in plane_of(wanted.spec.traffic).documents(wanted)
        if one.reference.kind == "Service"
    }


def shown(spec: model.Spec, *, live_percent: float, preview: bool, **more: object) -> Target:
    exposure = model.Exposure(live_percent=live_percent, preview=preview)
    return replace(target(spec), exposure=exposure, **more)


def test_they_know_all_or_nothing_and_have_a_preview(spec: model.Spec) -> None:
    capabilities = plane_of(spec.traffic).capabilities
    assert (capabilities.weights, capabilities.preview) == (Weights.WHOLE, True)
    without = {model.Provider.REPLICA_RATIO, model.Provider.TRAEFIK}
    assert capabilities.headers is (spec.traffic.provider not in without)


@pytest.mark.parametrize(
    ("live_percent", "preview", "expected"),
    [(0.0, False, STABLE), (0.0, True, CANDIDATE), (100.0, False, CANDIDATE)],
)
def test_the_preview_selects_the_newest_that_may_be_seen(
    spec: model.Spec,
    live_percent: float,
    preview: bool,  # noqa: FBT001
    expected: str,
) -> None:
    wanted = shown(spec, live_percent=live_percent, preview=preview)
    assert selected(wanted)["iris-preview"] == expected


def test_a_preview_moves_no_user(spec: model.Spec) -> None:
    wanted = shown(spec, live_percent=0.0, preview=True)
    assert selected(wanted)["iris"] == STABLE
    carrying = [one for one in plane_of(spec.traffic).documents(wanted) if one.carries_weights]
    assert len(carrying) == 1
    assert carrying[0].reference != PREVIEW


@pytest.mark.parametrize("ready", [0, 2, 4])
def test_the_selector_never_stands_on_both(ready: int) -> None:
    """Whatever pods are ready by now: where that matters it was waited for before."""
    spec = SPECS[model.Provider.REPLICA_RATIO]
    pods = {STABLE: 4 - ready, CANDIDATE: ready}
    on = shown(spec, live_percent=100.0, preview=False, ready_pods=pods)
    assert selected(on)["iris"] == CANDIDATE
    back = shown(spec, live_percent=0.0, preview=False, ready_pods=pods)
    assert selected(back)["iris"] == STABLE


def test_all_services_reach_the_pods_by_their_named_port(spec: model.Spec) -> None:
    for one in plane_of(spec.traffic).documents(shown(spec, live_percent=0.0, preview=True)):
        if one.reference.kind == "Service":
            (port,) = objects.items(objects.at(one.body, "spec", "ports"))
            assert objects.at(port, "targetPort") == objects.PORT_NAME


def test_what_the_preview_selects_is_read_back(spec: model.Spec) -> None:
    plane = plane_of(spec.traffic)
    documents = plane.documents(shown(spec, live_percent=0.0, preview=True))
    live = found(*((one, stored(one)) for one in documents))
    assert set(live) == set(plane.references(meta=META, spec=spec))
    state = plane.read(live, meta=META, spec=spec, ready_pods={STABLE: 4, CANDIDATE: 4})
    assert state.preview_revision == CANDIDATE
    assert state.weights == {STABLE: 100.0} | (
        {CANDIDATE: 0.0} if spec.traffic.provider is not model.Provider.REPLICA_RATIO else {}
    )


@pytest.mark.parametrize(
    "provider",
    [
        model.Provider.GATEWAY_API,
        model.Provider.CONTOUR,
        model.Provider.ISTIO,
        model.Provider.NGINX,
    ],
)
def test_testers_of_a_preview_go_to_the_candidate_until_the_switch(
    provider: model.Provider,
) -> None:
    spec = SPECS[provider]
    staff = model.HeaderRoute(name="staff", headers=(model.Header(name="x-staff", value="1"),))
    plane = plane_of(spec.traffic)

    def read_back(exposure: model.Exposure) -> model.TrafficState:
        documents = plane.documents(replace(target(spec), exposure=exposure))
        live = found(*((one, stored(one)) for one in documents))
        return plane.read(live, meta=META, spec=spec, ready_pods={STABLE: 4, CANDIDATE: 4})

    tested = read_back(model.Exposure(live_percent=0.0, preview=True, routes=(staff,)))
    assert tested.by_header == {CANDIDATE: (staff.headers,)}
    assert tested.weights == {STABLE: 100.0, CANDIDATE: 0.0}
    switched = read_back(model.Exposure(live_percent=100.0))
    assert (switched.by_header, switched.weights) == ({}, {STABLE: 0.0, CANDIDATE: 100.0})
    back = read_back(model.NO_TRAFFIC)
    assert (back.by_header, back.weights.get(CANDIDATE, 0.0)) == ({}, 0.0)


def test_a_preview_service_of_somebody_else_is_a_conflict(spec: model.Spec) -> None:
    plane = plane_of(spec.traffic)
    documents = plane.documents(shown(spec, live_percent=0.0, preview=True))
    theirs = [
        (one, stored(one, uid="another" if one.reference == PREVIEW else META.uid))
        for one in documents
    ]
    state = plane.read(found(*theirs), meta=META, spec=spec, ready_pods={})
    assert "Service iris-preview exists" in state.preview_conflict
    assert not state.conflict


def test_a_missing_preview_service_is_nothing_but_missing(spec: model.Spec) -> None:
    plane = plane_of(spec.traffic)
    documents = plane.documents(shown(spec, live_percent=0.0, preview=True))
    live = found(*((one, stored(one)) for one in documents if one.reference != PREVIEW))
    state = plane.read(live, meta=META, spec=spec, ready_pods={})
    assert (state.preview_revision, state.preview_conflict) == ("", "")


def test_without_blue_green_there_is_none() -> None:
    assert "iris-preview" not in selected(target(SPEC))


# --- sizes ---------------------------------------------------------------------------------------


def pods(wanted: int, ready: int | None = None) -> PodCount:
    return PodCount(wanted=wanted, available=wanted if ready is None else ready)


@pytest.mark.parametrize(
    ("target_percent", "live_percent", "candidate", "expected"),
    [
        (0, 0, 0, Wanted(stable=4, candidate=0)),
        (100, 0, 0, Wanted(stable=4, candidate=4)),
        (100, 0, 1, Wanted(stable=4, candidate=4)),
        (100, 100, 4, Wanted(stable=4, candidate=4)),
        (0, 100, 4, Wanted(stable=4, candidate=4)),
    ],
)
def test_both_sides_have_their_full_size(
    target_percent: float, live_percent: float, candidate: int, expected: Wanted
) -> None:
    request = CapacityRequest(
        replicas=4,
        scaling=whole.SCALING,
        target_percent=target_percent,
        live_percent=live_percent,
        least_percent=live_percent,
        stable=pods(4),
        candidate=pods(candidate),
    )
    assert whole.Whole().capacity(request) == expected


def test_nothing_less_than_all_is_needed_and_given() -> None:
    sizing = whole.Whole()
    assert sizing.candidate_needed(100, replicas=4, scaling=whole.SCALING) == 4
    assert sizing.part_of(100, replicas=4, scaling=whole.SCALING, candidate=3) == 100


@pytest.mark.parametrize(
    ("stable", "candidate", "missing", "kept"),
    [(4, 4, 0, 0.0), (3, 4, 0, 100.0), (3, 4, 1, 0.0), (0, 0, 0, 0.0), (0, 4, 4, 100.0)],
)
def test_it_goes_back_once_stable_carries_everything(
    stable: int, candidate: int, missing: int, kept: float
) -> None:
    found = whole.Whole().kept_share(
        100.0, replicas=4, missing_pods=missing, stable=stable, candidate=candidate
    )
    assert found == kept
