"""Promises about copies and switches: kept by what was seen, broken by each thing that may go wrong."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from demo_run import START, look, second, users
from tests.demo import exposure, plots
from tests.demo.promises import Span
from tests.demo.recording import ActRecording
from tests.demo.users import Second, Sums
from tests.demo.view import Judged, View

METRIC = "response-agreement"
SPAN = Span(start=START, end=START + 10.0)


def judged(name: str, outcome: str) -> Judged:
    return Judged(name=name, outcome=outcome, reason=f"{name} said so", value=0.4, samples=700.0)


def rejected(*metrics: Judged, **fields: Any) -> View:
    return look(START, phase="RolledBack", metrics=metrics, **{"rejected": ("v4",), **fields})


def timed(at: int, **versions: tuple[float, float]) -> Second:
    """A second with one answer at the beginning and one at the end of each span."""
    books = {
        name: Sums(answered=2, first_at=at + first, last_at=at + last)
        for name, (first, last) in versions.items()
    }
    return Second(at=at, versions=books)


@pytest.mark.parametrize(
    ("view", "kept"),
    [
        (rejected(judged("error-ratio", "Pass"), judged(METRIC, "Fail")), True),
        (rejected(judged("error-ratio", "Fail"), judged(METRIC, "Fail")), False),
        (rejected(judged("error-ratio", "Fail")), False),
        (rejected(judged(METRIC, "Fail"), rejected=("v3",)), False),
        (None, False),
    ],
)
def test_only_its_answers_may_speak_against_it(view: View | None, *, kept: bool) -> None:
    promise = exposure.rejected_for_what_it_says(view, version="v4", metric=METRIC)
    assert promise.kept is kept


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"v2": (100, 0)}, True),
        ({"v2": (100, 1)}, False),
        ({"v2": (99, 0), "v4": (1, 0)}, False),
        ({}, False),
    ],
)
def test_a_shadow_that_answers_somebody_breaks_its_promise(
    row: dict[str, tuple[int, int]], *, kept: bool
) -> None:
    books = users(*([second(START + 1, **row)] if row else []))
    assert exposure.answered_nobody(books, span=SPAN, version="v4").kept is kept


@pytest.mark.parametrize(
    ("copies", "of", "kept"),
    [(500.0, 1000.0, True), (560.0, 1000.0, True), (700.0, 1000.0, False), (0.0, 0.0, False)],
)
def test_copies_are_held_against_what_was_meant(copies: float, of: float, *, kept: bool) -> None:
    counted = replace(judged("error-ratio", "Pass"), samples=copies, stable_samples=of)
    views = (
        look(START, candidate="v4", mirror_percent=50.0),
        rejected(counted),
        look(START + 5.0, candidate="v5", mirror_percent=10.0),
    )
    assert exposure.copied_share(views, version="v4", metric="error-ratio").kept is kept
    assert not exposure.copied_share(views[:1], version="v4", metric="error-ratio").kept


@pytest.mark.parametrize(
    ("rows", "kept", "says"),
    [
        ([timed(START + 1, v2=(0.0, 0.5), v5=(0.48, 0.9))], True, "for 0.02 s"),
        ([timed(START + 1, v2=(0.0, 0.5)), timed(START + 2, v5=(0.1, 0.9))], True, "for 0.00 s"),
        ([timed(START + 1, v5=(0.5, 0.9)), timed(START + 4, v2=(0.1, 0.9))], False, "for 3.40 s"),
        ([timed(START + 1, v2=(0.0, 0.5))], False, "0 requests reached v5"),
    ],
)
def test_a_switch_is_measured_by_what_users_saw(
    rows: list[Second], says: str, *, kept: bool
) -> None:
    promise = exposure.switched_at_once(users(*rows), span=SPAN, old="v2", new="v5")
    assert promise.kept is kept
    assert says in promise.detail


def test_the_way_back_is_measured_from_the_request_on() -> None:
    rows = [timed(START + 1, v5=(0.0, 0.9)), timed(START + 2, v5=(0.0, 0.2), v2=(0.2, 0.9))]
    asked = {"asked_at": START + 1.5, "until": START + 9.0, "new": "v5"}
    promise = exposure.returned_at_once(users(*rows), **asked)
    assert promise.kept
    assert "v5 answered for 0.70 s more" in promise.detail
    late = users(*rows, timed(START + 8, v5=(0.0, 0.1)))
    assert not exposure.returned_at_once(late, **asked).kept
    failing = users(*rows, second(START + 3, v2=(5, 1)))
    assert not exposure.returned_at_once(failing, **asked).kept


def test_the_report_shows_copies_and_bakes() -> None:
    views = (
        look(START),
        look(START + 1.0, mirror_percent=50.0),
        look(START + 2.0, phase="Baking", candidate="v5"),
        look(START + 4.0, phase="Baking", candidate="v5"),
        look(START + 5.0, phase="RolledBack"),
        look(START + 6.0, phase="Baking", candidate="v6"),
    )
    assert plots.baked(views, began=START) == [(2.0, 4.0), (6.0, 6.0)]
    times, percent = plots.copied(views[:3], began=START)
    assert times == [0.0, 1.0, 2.0]
    assert [value for value in percent if value == value] == [50.0]  # noqa: PLR0124 - NaN
    recording = ActRecording(name="blue-green", began=START, views=views)
    assert "switch to v5" in [title for _, title in plots.marks(recording)]
