"""Make before break: who is listed in an object of ours, from one write to the next (ADR 0074)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest
from traffic_examples import CANDIDATE, CONTOUR_SPEC, GATEWAY_SPEC, STABLE, THIRD, stored, target

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import Target, plane_of

SPECS = {"HTTPRoute": GATEWAY_SPEC, "HTTPProxy": CONTOUR_SPEC}
STAFF = (model.HeaderRoute(name="staff", headers=(model.Header(name="x-staff", value="1"),)),)
ALL = frozenset({STABLE, CANDIDATE, THIRD})
PARENT: model.Document = {
    "group": "gateway.networking.k8s.io",
    "kind": "Gateway",
    "name": "inference",
    "namespace": "gateways",
}
Weights = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a proxy's controller says of the object: in force, no answer yet, or refused."""

    status: str = "True"
    generation: int = 1


IN_FORCE, PENDING, REFUSED = Told(), Told(generation=0), Told(status="False")


def asked(spec: model.Spec, **more: Any) -> Target:
    """The traffic that is wanted; every revision has a Service."""
    exposure = {
        it: more.pop(it) for it in ("live_percent", "mirror_percent", "routes") if it in more
    }
    wanted = target(spec, candidate=more.pop("candidate", CANDIDATE))
    return replace(
        wanted,
        exposure=model.Exposure(**{"live_percent": 0.0, **exposure}),
        services=more.pop("services", ALL),
        **more,
    )


def document(wanted: Target) -> model.Document:
    return plane_of(wanted.spec.traffic).documents(wanted)[0].body


def after(written: Target, told: Told) -> dict[tuple[str, str], model.Document]:
    """The object as that write left it, and what was said of it."""
    wanted = plane_of(written.spec.traffic).documents(written)[0]
    kinds = ("Valid",) if wanted.reference.kind == "HTTPProxy" else ("Accepted", "ResolvedRefs")
    said: list[model.Json] = [
        {"type": kind, "status": told.status, "observedGeneration": told.generation}
        for kind in kinds
    ]
    parent: model.Json = {"parentRef": PARENT, "conditions": said}
    live = {**stored(wanted), "status": {"conditions": said, "parents": [parent]}}
    return {(wanted.reference.kind, wanted.reference.name): live}


def listed(body: model.Document) -> dict[str, int]:
    """Weights by revision of what looks at no headers, in their order."""
    spec = objects.mapping(body["spec"])
    if "rules" in spec:
        backends = objects.items(objects.at(objects.items(spec["rules"])[0], "backendRefs"))
    else:
        backends = objects.items(objects.at(objects.items(spec["routes"])[-1], "services"))
    return {
        objects.text(objects.at(it, "name")).removeprefix("iris-"): objects.whole(
            objects.at(it, "weight")
        )
        for it in backends
        if objects.at(it, "mirror") is not True
    }


def by_header(body: model.Document) -> list[tuple[str, str]]:
    """Which header leads to which revision."""
    spec = objects.mapping(body["spec"])
    rules = [*objects.items(spec.get("rules")), *objects.items(spec.get("routes"))]
    found = []
    for rule in rules:
        for one in (
            *objects.items(objects.at(rule, "matches")),
            *objects.items(objects.at(rule, "conditions")),
        ):
            for header in (*objects.items(objects.at(one, "headers")), objects.at(one, "header")):
                to = objects.items(objects.at(rule, "backendRefs") or objects.at(rule, "services"))
                name = objects.text(objects.at(header, "name"))
                if name:
                    revision = objects.text(objects.at(to[0], "name")).removeprefix("iris-")
                    found.append((name, revision))
    return list(dict.fromkeys(found))


REST: dict[str, Any] = {"candidate": ""}
HALF: dict[str, Any] = {"live_percent": 50.0}
EVERYTHING: dict[str, Any] = {"live_percent": 100.0}
LISTED: dict[str, Any] = {}
ALONE, BESIDE = {STABLE: 100}, {STABLE: 100, CANDIDATE: 0}


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize(
    ("before", "told", "wanted", "weights"),
    [
        # A weight for whom no proxy knows waits for a listing that is in force.
        (REST, IN_FORCE, HALF, BESIDE),
        (REST, IN_FORCE, EVERYTHING, BESIDE),
        (LISTED, PENDING, HALF, BESIDE),
        (LISTED, REFUSED, HALF, BESIDE),
        (LISTED, IN_FORCE, HALF, {STABLE: 50, CANDIDATE: 50}),
        (HALF, PENDING, EVERYTHING, {STABLE: 0, CANDIDATE: 100}),
        ({"mirror_percent": 20.0}, IN_FORCE, HALF, BESIDE),
        # Unless traffic is taken away, or stable has nobody who could answer.
        (REST, IN_FORCE, {**HALF, "at_once": True}, {STABLE: 50, CANDIDATE: 50}),
        (REST, IN_FORCE, {**EVERYTHING, "ready_pods": {}}, {STABLE: 0, CANDIDATE: 100}),
        # Weight 0 waits for nothing; who had a weight leaves when that is in force.
        (HALF, IN_FORCE, {**REST, "at_once": True}, BESIDE),
        (HALF, PENDING, REST, BESIDE),
        (LISTED, PENDING, REST, BESIDE),
        (LISTED, IN_FORCE, REST, ALONE),
        (LISTED, REFUSED, REST, ALONE),
        (HALF, REFUSED, REST, BESIDE),
        # A Service that is gone would have the whole object refused.
        (HALF, IN_FORCE, {**REST, "services": frozenset({STABLE})}, ALONE),
        # A candidate with copies only is no backend, in the end.
        (HALF, IN_FORCE, {"mirror_percent": 20.0}, BESIDE),
        (LISTED, IN_FORCE, {"mirror_percent": 20.0}, ALONE),
        # Promoted: the old one leaves at once, since its weight 0 is in force.
        (EVERYTHING, IN_FORCE, {**REST, "stable": CANDIDATE}, {CANDIDATE: 100}),
        (EVERYTHING, PENDING, {**REST, "stable": CANDIDATE}, {CANDIDATE: 100, STABLE: 0}),
        # A third revision comes while the second one leaves.
        (HALF, PENDING, {"candidate": THIRD}, {STABLE: 100, THIRD: 0, CANDIDATE: 0}),
        # Who stands in for stable leaves it its place.
        (REST, IN_FORCE, {**REST, "stable": THIRD, "kept": STABLE}, {THIRD: 100, STABLE: 0}),
        (REST, IN_FORCE, {**REST, "kept": STABLE}, ALONE),
    ],
)
def test_who_is_listed_by_the_next_write(
    kind: str, before: dict[str, Any], told: Told, wanted: dict[str, Any], weights: Weights
) -> None:
    spec = SPECS[kind]
    live = after(asked(spec, **before), told)
    found = listed(document(asked(spec, **wanted, live=live)))
    assert list(found.items()) == list(weights.items())


@pytest.mark.parametrize("kind", SPECS)
def test_the_way_to_a_share_and_back_ends_by_itself(kind: str) -> None:
    spec = SPECS[kind]
    live, seen = after(asked(spec, **REST), IN_FORCE), []
    for wanted in (HALF, HALF, EVERYTHING, REST, REST, REST):
        seen.append(listed(document(asked(spec, **wanted, live=live))))
        live = after(asked(spec, **wanted, live=live), IN_FORCE)
    assert seen == [
        BESIDE,
        {STABLE: 50, CANDIDATE: 50},
        {STABLE: 0, CANDIDATE: 100},
        BESIDE,
        ALONE,
        ALONE,
    ]


@pytest.mark.parametrize("kind", SPECS)
def test_copies_go_on_while_a_candidate_is_listed(kind: str) -> None:
    spec = SPECS[kind]
    live = after(asked(spec, mirror_percent=40.0), IN_FORCE)
    body = document(asked(spec, live_percent=20.0, mirror_percent=40.0, live=live))
    assert listed(body) == BESIDE
    assert str(body).count("mirror") + str(body).count("RequestMirror") > 0


TESTERS: dict[str, Any] = {"routes": STAFF}
OPEN, CLOSED = [("x-staff", CANDIDATE)], [("x-tidegate-closed", STABLE)]


@pytest.mark.parametrize(
    ("before", "told", "wanted", "rules"),
    [
        (REST, IN_FORCE, TESTERS, CLOSED),
        (LISTED, IN_FORCE, TESTERS, CLOSED),
        (HALF, IN_FORCE, {**HALF, **TESTERS}, CLOSED),
        (REST, IN_FORCE, {**TESTERS, "ready_pods": {}}, OPEN),
        (TESTERS, PENDING, {**HALF, **TESTERS}, OPEN),
        (TESTERS, IN_FORCE, {**REST, "at_once": True}, CLOSED),
        (TESTERS, PENDING, HALF, CLOSED),
        (REST, PENDING, REST, []),
    ],
)
def test_the_rule_of_testers_has_its_place_before_and_after(
    before: dict[str, Any], told: Told, wanted: dict[str, Any], rules: list[tuple[str, str]]
) -> None:
    live = after(asked(GATEWAY_SPEC, **before), told)
    assert by_header(document(asked(GATEWAY_SPEC, **wanted, live=live))) == rules


@pytest.mark.parametrize(
    ("told", "wanted", "rules"),
    [
        (PENDING, TESTERS, CLOSED),
        (IN_FORCE, TESTERS, OPEN),
        (PENDING, REST, CLOSED),
        (IN_FORCE, REST, []),
        (REFUSED, REST, []),
    ],
)
def test_a_place_that_is_held_is_taken_or_given_up(
    told: Told, wanted: dict[str, Any], rules: list[tuple[str, str]]
) -> None:
    at_rest = after(asked(GATEWAY_SPEC, **REST), IN_FORCE)
    closed = after(asked(GATEWAY_SPEC, **TESTERS, live=at_rest), told)
    assert by_header(document(asked(GATEWAY_SPEC, **wanted, live=closed))) == rules


def test_a_place_that_is_held_sends_nobody_anywhere() -> None:
    at_rest = after(asked(GATEWAY_SPEC, **REST), IN_FORCE)
    wanted = asked(GATEWAY_SPEC, **TESTERS, live=at_rest)
    plane = plane_of(GATEWAY_SPEC.traffic)
    reference = plane.documents(wanted)[0].reference
    live = after(wanted, IN_FORCE)[reference.kind, reference.name]
    state = plane.read({reference: live}, meta=wanted.meta, spec=GATEWAY_SPEC, ready_pods={})
    assert state.holds_place
    assert state.by_header == {}
    assert state.weights == {STABLE: 100.0, CANDIDATE: 0.0}


def test_testers_of_contour_wait_only_for_the_service() -> None:
    """Its proxies know a backend by the Service, so that a rule needs no place."""
    for before, rules in ((REST, []), (LISTED, OPEN)):
        live = after(asked(CONTOUR_SPEC, **before), IN_FORCE)
        assert by_header(document(asked(CONTOUR_SPEC, **TESTERS, live=live))) == rules
    live = after(asked(CONTOUR_SPEC, **TESTERS), IN_FORCE)
    gone = document(asked(CONTOUR_SPEC, **REST, live=live))
    assert (by_header(gone), listed(gone)) == ([], BESIDE)
