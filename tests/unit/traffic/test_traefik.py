"""The TraefikService of provider Traefik: as it is written, as it is read, and what is known of it."""

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
    STABLE,
    THIRD,
    TRAEFIK_SPEC,
    found,
    stored,
    target,
)

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import Mechanism, Mirror, Reference, Target, Weights, plane_of
from tidegate.traffic.refusals import refusals
from tidegate.traffic.writes import differences, is_current

PLANE = plane_of(TRAEFIK_SPEC.traffic)
SWITCH = plane_of(replace(TRAEFIK_SPEC.traffic, exclusive=True))


def wanted(**more: Any) -> Target:
    return target(TRAEFIK_SPEC, **more)


def body(asked: Target) -> Mapping[str, Any]:
    """Spec of the TraefikService."""
    return objects.mapping(PLANE.documents(asked)[0].body["spec"])


def to(revision: str, **more: Any) -> model.Document:
    return {"name": f"iris-{revision}", "kind": "Service", "port": 80, **more}


# --- as it is written ----------------------------------------------------------------------------


def test_the_traefik_service_is_one_document_beside_the_entry_service() -> None:
    asked = wanted(weight_percent=12.5, marker=THIRD)
    written, entry = PLANE.documents(asked)
    assert written.reference == Reference(kind="TraefikService", name="iris")
    assert written.mechanism is Mechanism.APPLY
    assert written.carries_weights
    assert written.body["apiVersion"] == "traefik.io/v1alpha1"
    assert objects.annotation(written.body, "tidegate.dev/rolled-back-revision") == THIRD
    assert objects.is_controlled_by(written.body, uid="uid-1")
    assert written.body["spec"] == {
        "weighted": {"services": [to(STABLE, weight=875), to(CANDIDATE, weight=125)]}
    }
    assert objects.at(entry.body, "spec", "selector", "tidegate.dev/revision") == STABLE
    assert PLANE.references(meta=META, spec=TRAEFIK_SPEC) == (written.reference, entry.reference)


@pytest.mark.parametrize(
    ("given_", "services"),
    [
        ({"candidate": ""}, [to(STABLE, weight=100)]),
        ({}, [to(STABLE, weight=100), to(CANDIDATE, weight=0)]),
        ({"weight_percent": 100.0}, [to(STABLE, weight=0), to(CANDIDATE, weight=100)]),
        ({"weight_percent": 99.9}, [to(STABLE, weight=1), to(CANDIDATE, weight=999)]),
    ],
)
def test_every_service_has_a_weight(given_: dict[str, Any], services: list[model.Document]) -> None:
    assert body(wanted(**given_)) == {"weighted": {"services": services}}


def test_copies_are_made_of_the_requests_of_stable_alone() -> None:
    asked = wanted(mirror_percent=20.0)
    mirrored = {"mirroring": {**to(STABLE), "mirrors": [to(CANDIDATE, percent=20)]}}
    assert body(asked) == mirrored
    # Whoever is still to leave does so first, at weight 0.
    before = replace(wanted(weight_percent=5.0), candidate=THIRD)
    live = {("TraefikService", "iris"): stored(PLANE.documents(before)[0])}
    services = frozenset({STABLE, CANDIDATE, THIRD})
    first = replace(asked, live=live, services=services)
    assert body(first) == {"weighted": {"services": [to(STABLE, weight=100), to(THIRD, weight=0)]}}
    live = {("TraefikService", "iris"): stored(PLANE.documents(first)[0])}
    assert body(replace(first, live=live)) == mirrored


# --- as it is read -------------------------------------------------------------------------------


def read(asked: Target, *, spec: Any = None) -> model.TrafficState:
    written, entry = PLANE.documents(asked)
    live = stored(written, generation=7)
    if spec is not None:
        live = {**live, "spec": spec}
    return PLANE.read(
        found((written, live), (entry, stored(entry))), meta=META, spec=asked.spec, ready_pods={}
    )


def test_what_stands_there_is_taken_for_in_force_and_said_to_be_unconfirmed() -> None:
    assert read(wanted(weight_percent=25.0, marker=THIRD)) == model.TrafficState(
        exists=True,
        weights={STABLE: 75.0, CANDIDATE: 25.0},
        accepted=True,
        unconfirmed="Traefik does not say when it has a TraefikService",
        rolled_back_revision=THIRD,
        resource_version="200",
        entry_exists=True,
        entry_revision=STABLE,
        entry_port=objects.PORT_NAME,
    )


@given(
    live_percent=st.integers(0, 1_000_000).map(lambda it: it / 10_000),
    mirror_percent=st.integers(0, 100).map(float),
)
def test_what_is_written_is_read_back(live_percent: float, mirror_percent: float) -> None:
    """Shares or copies, one of both."""
    for asked in (wanted(weight_percent=live_percent), wanted(mirror_percent=mirror_percent)):
        state = read(asked)
        assert state.weights.get(CANDIDATE, 0.0) == asked.exposure.live_percent
        copied = asked.exposure.mirror_percent
        assert state.mirrors == ({CANDIDATE: copied} if copied else {})
        assert not state.by_header
        written, _ = PLANE.documents(asked)
        assert is_current(stored(written), written)


@pytest.mark.parametrize(
    ("spec", "weights", "mirrors"),
    [
        ({}, {}, {}),
        ({"weighted": {"services": [{"name": "iris-a"}]}}, {"a": 100.0}, {}),
        (
            {"weighted": {"services": [{"name": "iris-a"}, {"name": "web", "weight": 3}]}},
            {"a": 25.0, "web": 75.0},
            {},
        ),
        ({"weighted": {"services": [{"name": "iris-a", "weight": 0}]}}, {}, {}),
        # A mirror without a percent gets nothing.
        (
            {
                "mirroring": {
                    "name": "iris-a",
                    "mirrors": [{"name": "iris-b"}, {"name": "iris-c", "percent": 7}],
                }
            },
            {"a": 100.0},
            {"c": 7.0},
        ),
    ],
)
def test_foreign_words_mean_what_traefik_makes_of_them(
    spec: Any, weights: dict[str, float], mirrors: dict[str, float]
) -> None:
    state = read(wanted(), spec=spec)
    assert state.weights == weights
    assert state.mirrors == mirrors


def test_a_traefik_service_of_somebody_else_is_a_conflict() -> None:
    written, entry = PLANE.documents(wanted())
    live = stored(written, uid="other")
    state = PLANE.read(
        found((written, live), (entry, stored(entry))),
        meta=META,
        spec=TRAEFIK_SPEC,
        ready_pods={},
    )
    assert not state.exists
    assert "TraefikService iris exists and is not controlled" in state.conflict


# --- differences ---------------------------------------------------------------------------------


def moved(live: Target | model.Document, asked: Target) -> tuple[list[str], list[str]]:
    """Paths that differ: those that move traffic, and the rest."""
    have = stored(PLANE.documents(live)[0]) if isinstance(live, Target) else live
    want, _ = PLANE.documents(asked)
    paths = differences(have, want)
    moves = [it for it in paths if want.shape.moves.fullmatch(it)]
    return moves, [it for it in paths if it not in moves]


def test_weights_and_copies_move_traffic_and_settings_do_not() -> None:
    base = wanted(weight_percent=10.0)
    assert moved(base, base) == ([], [])
    moves, rest = moved(base, wanted(weight_percent=20.0))
    assert moves == [f"spec.weighted.services[{it}].weight" for it in (0, 1)]
    assert not rest
    for other in (wanted(mirror_percent=5.0), wanted(candidate="")):
        for pair in ((base, other), (other, base)):
            moves, rest = moved(*pair)
            assert moves
            assert not rest
    copied = wanted(mirror_percent=5.0)
    assert moved(copied, wanted(mirror_percent=6.0)) == (["spec.mirroring.mirrors[0].percent"], [])
    live = stored(PLANE.documents(base)[0])
    sticky = {"weighted": {**live["spec"]["weighted"], "sticky": {"cookie": {"name": "a"}}}}
    assert moved({**live, "spec": sticky}, base) == ([], ["spec.weighted.sticky"])
    second = {**live["spec"], "failover": {"service": {"name": "web"}}}
    assert moved({**live, "spec": second}, base) == (["spec.failover"], [])


# --- what it can do ------------------------------------------------------------------------------


def test_it_can_what_it_says() -> None:
    assert PLANE.capabilities.weights is Weights.EXACT
    assert PLANE.capabilities.mirror is Mirror.WHOLE_PERCENT
    assert not PLANE.capabilities.headers
    assert SWITCH.capabilities.weights is Weights.WHOLE
    assert SWITCH.capabilities.preview
    assert PLANE.sizing.effective_weight(0.1, replicas=1, scaling=model.Scaling()) == 0.1


@pytest.mark.parametrize(
    ("given_", "told"),
    [
        ({"mirror_percent": 20.0}, ""),
        ({"mirror_percent": 0.5}, "copies whole percents only: set mirrorPercent to 1"),
        (
            {
                "mirror_percent": 20.0,
                "weight_percent": 5.0,
                "effective_weight_percent": 5.0,
            },
            "copies no requests while it shares them: leave out the mirror beside a weight",
        ),
        (
            {
                "routes": (
                    model.HeaderRoute(name="a", headers=(model.Header(name="a", value="b"),)),
                )
            },
            "cannot route by header",
        ),
    ],
)
def test_what_it_cannot_is_refused(given_: dict[str, Any], told: str) -> None:
    plain: dict[str, Any] = {"weight_percent": 0.0, "effective_weight_percent": 0.0}
    stage = model.Stage(
        name="p5",
        kind=model.StageKind.LIVE,
        hold_seconds=0.0,
        deadline_seconds=60.0,
        min_requests=1,
        **(plain | given_),
    )
    refused = refusals([stage], PLANE.capabilities, scaling=model.Scaling(), provider="Traefik")
    assert [told in it.message for it in refused] == ([True] if told else [])
