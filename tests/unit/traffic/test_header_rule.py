"""Requests of testers in the managed route: a rule before the one with the weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
from traffic_examples import (
    CANDIDATE,
    GATEWAY,
    GATEWAY_SPEC,
    META,
    STABLE,
    THIRD,
    found,
    stored,
    target,
)

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.plane import plane_of
from tidegate.traffic.planes.route import BY_HEADER
from tidegate.traffic.writes import differences, is_current

PLANE = plane_of(GATEWAY_SPEC.traffic)
TESTER = model.Header(name="x-tester", value="1")
BETA = model.Header(name="cookie", value="^beta=yes$", match=model.HeaderMatch.REGULAR_EXPRESSION)
ROUTES = (
    model.HeaderRoute(name="testers", headers=(TESTER,)),
    model.HeaderRoute(name="beta", headers=(TESTER, BETA)),
)
WRITTEN = {"type": "Exact", "name": "x-tester", "value": "1"}


def route(weight: float = 0.0, *, routes: tuple[model.HeaderRoute, ...] = ROUTES) -> model.Document:
    wanted = target(GATEWAY_SPEC, weight_percent=weight)
    exposure = replace(wanted.exposure, routes=routes)
    return PLANE.documents(replace(wanted, exposure=exposure))[0].body


def rules(body: model.Document) -> list[model.Json]:
    return list(objects.items(objects.at(body, "spec", "rules")))


def test_the_rule_of_the_testers_comes_last_and_goes_to_the_candidate() -> None:
    weighted, testers = rules(route(10.0))
    assert objects.at(testers, "matches") == [
        {"path": {"type": "PathPrefix", "value": path}, "headers": headers}
        for headers in (
            [WRITTEN],
            [WRITTEN, {"type": "RegularExpression", "name": "cookie", "value": "^beta=yes$"}],
        )
        for path in GATEWAY.path_prefixes
    ]
    (backend,) = objects.items(objects.at(testers, "backendRefs"))
    assert objects.at(backend, "name") == f"iris-{CANDIDATE}"
    shares = [objects.at(it, "weight") for it in objects.items(objects.at(weighted, "backendRefs"))]
    assert shares == [90, 10]


def test_timeouts_and_filters_hold_for_testers_too() -> None:
    gateway = replace(
        GATEWAY,
        request_timeout="2m",
        filters=(model.HeaderFilter(side=model.HeaderSide.REQUEST, remove=("x-debug",)),),
    )
    spec = replace(GATEWAY_SPEC, traffic=replace(GATEWAY_SPEC.traffic, gateway=gateway))
    wanted = target(spec)
    exposure = replace(wanted.exposure, routes=ROUTES)
    weighted, testers = rules(PLANE.documents(replace(wanted, exposure=exposure))[0].body)
    for member in ("timeouts", "filters"):
        assert objects.at(testers, member) == objects.at(weighted, member) != None  # noqa: E711


def read(body: model.Document) -> model.TrafficState:
    documents = PLANE.documents(target(GATEWAY_SPEC))
    live = {**stored(documents[0]), "spec": body["spec"]}
    return PLANE.read(found((documents[0], live)), meta=META, spec=GATEWAY_SPEC, ready_pods={})


def test_what_was_written_is_read_back_apart_from_the_shares() -> None:
    state = read(route(25.0))
    assert state.weights == {STABLE: 75.0, CANDIDATE: 25.0}
    assert state.by_header == {CANDIDATE: ((TESTER,), (TESTER, BETA))}
    assert state.answering == {STABLE, CANDIDATE}


def test_testers_alone_are_answered_by_a_candidate_without_a_share() -> None:
    state = read(route())
    assert state.weights == {STABLE: 100.0, CANDIDATE: 0.0}
    assert state.answering == {STABLE, CANDIDATE}
    assert read(route(routes=())).answering == {STABLE}


def _rule(name: str, *, weight: int = 1, headers: model.Json = None) -> model.Document:
    match = {"path": {"type": "PathPrefix", "value": "/"}}
    full = {**match, "headers": headers} if headers else match
    return {"matches": [full], "backendRefs": [{"name": name, "weight": weight}]}


@pytest.mark.parametrize(
    ("live", "by_header"),
    [
        ([_rule(f"iris-{THIRD}", headers=[WRITTEN])], {THIRD: ((TESTER,),)}),
        ([_rule("other", headers=[{"name": "a", "value": "b"}])], {"other": 1}),
        ([_rule(f"iris-{THIRD}", weight=0, headers=[WRITTEN])], {}),
        ([_rule(f"iris-{THIRD}", weight=1)], {}),
        ([{"matches": [], "backendRefs": [{"name": f"iris-{THIRD}"}]}], {}),
        (["garbage", {"matches": [{"headers": "x"}]}], {}),
    ],
    ids=["older revision", "foreign", "weight 0", "no headers", "no matches", "garbage"],
)
def test_rules_of_others_are_told_by_their_shape(
    live: list[model.Json], by_header: dict[str, object]
) -> None:
    found_ = read({"spec": {"rules": live}}).by_header
    assert found_.keys() == by_header.keys()
    if THIRD in by_header:
        assert found_ == by_header


def _differences(live: model.Document, wanted: model.Document) -> tuple[str, ...]:
    document = PLANE.documents(target(GATEWAY_SPEC))[0]
    return differences(
        {**stored(document), "spec": live["spec"]},
        replace(document, body={**document.body, **wanted}),
    )


def test_a_rule_that_comes_or_goes_is_no_other_difference() -> None:
    assert _differences(route(), route()) == ()
    assert _differences(route(routes=()), route()) == (BY_HEADER,)
    assert _differences(route(), route(routes=())) == (BY_HEADER,)
    assert _differences(route(10.0), route()) == (
        "spec.rules[0].backendRefs[0].weight",
        "spec.rules[0].backendRefs[1].weight",
    )


def test_another_header_is_a_difference_of_that_rule_alone() -> None:
    other = (model.HeaderRoute(name="testers", headers=(BETA,)), ROUTES[1])
    found_ = _differences(route(routes=other), route())
    assert found_
    assert all(path.startswith(f"{BY_HEADER}[0].matches[") for path in found_)
    document = PLANE.documents(target(GATEWAY_SPEC))[0]
    assert is_current(stored(document), document)
