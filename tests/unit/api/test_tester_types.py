"""Routes of testers: what users write, as headers that a data plane compares."""

from __future__ import annotations

import re
from typing import Any

import pytest
from api_examples import SMALLEST, Object, place, steps

from tidegate import model
from tidegate.api import convert

_GATEWAY = {"provider": "GatewayAPI", "gatewayAPI": {"parentRefs": [{"name": "g"}]}}


def read_steps(*routes: Object, weights: tuple[float, ...] = (0, 10, 50)) -> Any:
    body = place(SMALLEST, "spec.traffic", _GATEWAY)
    body = place(body, "spec.strategy.canary", {"steps": steps(*weights), "routes": [*routes]})
    spec, violations = convert.read_spec(body)
    assert violations == ()
    assert spec is not None
    return spec.steps


def header_of(**given: object) -> model.Header:
    first = read_steps({"name": "t", **given})[0]
    (header,) = first.routes[0].headers
    return header  # type: ignore[no-any-return]


def test_an_exact_header_stays_as_it_is() -> None:
    header = header_of(headers=[{"name": "X-Tester", "exact": "a.b"}])
    assert header == model.Header(name="X-Tester", value="a.b")


@pytest.mark.parametrize(
    ("value", "fits"),
    [("a.b", True), ("a.b/1", True), ("axb", False), (" a.b", False), ("A.b", False)],
)
def test_a_prefix_is_taken_word_for_word(value: str, fits: bool) -> None:  # noqa: FBT001
    header = header_of(headers=[{"name": "user-agent", "prefix": "a.b"}])
    assert header.match is model.HeaderMatch.REGULAR_EXPRESSION
    assert bool(re.fullmatch(header.value, value)) is fits
    assert bool(re.search(header.value, value)) is fits


@pytest.mark.parametrize(
    ("cookies", "fits"),
    [
        ("beta=y.s", True),
        ("a=1; beta=y.s; c=2", True),
        ("a=1;beta=y.s", True),
        ("beta=yes", False),
        ("beta=y.s2", False),
        ("xbeta=y.s", False),
        ("a=beta=y.s", False),
    ],
)
def test_a_cookie_is_found_among_others(cookies: str, fits: bool) -> None:  # noqa: FBT001
    header = header_of(cookie={"name": "beta", "value": "y.s"})
    assert header.name == "cookie"
    assert bool(re.search(header.value, cookies)) is fits
    assert bool(re.fullmatch(header.value, cookies)) is fits


def test_all_that_a_route_names_must_fit_and_it_begins_with_its_step() -> None:
    found = read_steps(
        {
            "name": "both",
            "headers": [{"name": "x-a", "exact": "1"}],
            "cookie": {"name": "b", "value": "1"},
        },
        {"name": "late", "headers": [{"name": "x-b", "exact": "1"}], "fromStep": "s1"},
    )
    assert [[route.name for route in step.routes] for step in found] == [
        ["both"],
        ["both", "late"],
        ["both", "late"],
    ]
    assert [it.name for it in found[0].routes[0].headers] == ["x-a", "cookie"]


def test_testers_of_a_preview_are_read_alike_and_have_no_step() -> None:
    routes = [{"name": "t", "headers": [{"name": "x-a", "exact": "1"}]}]
    strategy = {"type": "BlueGreen", "blueGreen": {"preview": {"routes": routes}}}
    body = place(place(SMALLEST, "spec.traffic", _GATEWAY), "spec.strategy", strategy)
    spec, violations = convert.read_spec(body)
    assert violations == ()
    assert spec is not None
    assert spec.blue_green is not None
    assert spec.blue_green.routes == read_steps(*routes)[0].routes
    place_of = "spec.strategy.blueGreen.preview.routes[0].fromStep"
    _, violations = convert.read_spec(place(body, place_of, "p10"))
    assert [one.path for one in violations] == [place_of]


def test_testers_of_a_preview_need_a_route_of_ours() -> None:
    """Each with the field that asks for them, and what to do about it."""
    routes = [{"name": "t", "headers": [{"name": "x-a", "exact": "1"}]}]
    existing = {"mode": "Existing", "routeRefs": [{"name": "shop"}]}
    body = place(SMALLEST, "spec.traffic", {"provider": "GatewayAPI", "gatewayAPI": existing})
    strategy = {"type": "BlueGreen", "blueGreen": {"preview": {"routes": routes}}}
    _, violations = convert.read_spec(place(body, "spec.strategy", strategy))
    told = {one.path: one.message for one in violations}
    assert "leave out the routes" in told["spec.strategy.blueGreen.preview.routes"]
    _, violations = convert.read_spec(
        place(body, "spec.strategy.canary", {"steps": steps(10), "routes": routes})
    )
    assert [one.path for one in violations] == ["spec.strategy.canary.routes"]


def test_without_routes_nobody_is_a_tester() -> None:
    assert [step.routes for step in read_steps(weights=(10, 50))] == [(), ()]
