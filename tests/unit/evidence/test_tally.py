from __future__ import annotations

from dataclasses import replace

import evidence_build as build
import pytest
from evidence_build import CANDIDATE, END, IDENTITY, STABLE, START, WINDOW, grows, series
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence import presets, tally
from tidegate.evidence.model import Latency, Query, Ratio, Selector, Template, Variable

ALL = Template(
    name="all",
    measure=Ratio(bad=Selector(metric="bad"), total=Selector(metric="all_total")),
    source="other",
    variables=(Variable(name="v"),),
)
SPEED = Template(
    name="speed", measure=Latency(histogram=Selector(metric="speed"), quantile=0.9), source="third"
)
FREE = Template(name="free", measure=Query(promql="up"), source="default")
PRESET = replace(presets.TEMPLATES["HTTP", "error-ratio"], source="default")
TEMPLATES = {"all": ALL, "speed": SPEED, "free": FREE, "zz-errors": PRESET, "all-broken": ALL}
METRICS = {
    "all": build.metric("all", preset="", variables=(("v", "1"),)),
    "speed": build.metric("speed", preset=""),
    "free": build.metric("free", preset="", query="up"),
    "zz-errors": build.metric("zz-errors", preset="error-ratio"),
    "all-broken": build.metric("all-broken", preset=""),
}


@pytest.mark.parametrize(
    ("names", "source", "metric", "variables"),
    [
        (("speed", "all", "zz-errors"), "default", "http_requests_total", {}),
        (("speed", "all"), "other", "all_total", {"v": "1"}),
        (("free", "speed"), "third", "speed_count", {}),
        (("free",), "default", "rest_server_requests_total", {}),
        (("all-broken",), "other", "all_total", {}),
    ],
)
def test_where_requests_are_counted_does_not_depend_on_the_order_of_metrics(
    names: tuple[str, ...], source: str, metric: str, variables: dict[str, str]
) -> None:
    for ordered in (names, tuple(reversed(names))):
        analysis = build.analysis(*(METRICS[name] for name in ordered))
        found = tally.counter_of(analysis, server="MLServer", templates=TEMPLATES)

        assert (found.source, found.selector.metric) == (source, metric)
        assert found.variables == variables


def test_requests_are_added_per_arm() -> None:
    all_series = [
        series(CANDIDATE, grows(by=10)),
        series(CANDIDATE, grows(by=5), pod="b"),
        series(STABLE, grows(by=45)),
    ]
    before = tally.Tally(until=START, candidate=100, stable=100)

    found = tally.advance(before, series=all_series, identity=IDENTITY, window=WINDOW)

    assert found == tally.Tally(until=END, candidate=160, stable=280)
    assert found.candidate_percent == 36.36


def test_without_requests_there_is_no_share() -> None:
    assert tally.Tally(until=START).candidate_percent is None


def test_without_a_stable_revision_everything_is_the_candidates() -> None:
    found = tally.advance(
        tally.Tally(until=START),
        series=[series(CANDIDATE, grows(by=10))],
        identity=replace(IDENTITY, stable=""),
        window=WINDOW,
    )

    assert found.candidate_percent == 100


@given(steps=st.lists(st.integers(0, 50), min_size=6, max_size=6), cut=st.floats(START, END))
def test_counting_in_pieces_gives_the_whole(steps: list[int], cut: float) -> None:
    values = [sum(steps[: index + 1]) for index in range(len(steps))]
    all_series = [series(CANDIDATE, values), series(STABLE, grows(by=3))]

    def advanced(before: tally.Tally, end: float) -> tally.Tally:
        window = replace(WINDOW, start=before.until, end=end)
        return tally.advance(before, series=all_series, identity=IDENTITY, window=window)

    start = tally.Tally(until=START)
    assert advanced(advanced(start, cut), END) == advanced(start, END)
