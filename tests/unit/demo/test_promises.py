"""Each promise is kept by a good run and broken by the run it is about."""

from __future__ import annotations

from dataclasses import replace

import pytest
from demo_run import START, failure, look, second, step, users
from tests.demo import promises
from tests.demo.promises import Span, StepSpan
from tests.demo.users import Second, Sums, Users
from tests.demo.view import View

WHOLE = Span(start=START, end=START + 60.0)


def walked(weight: float = 10.0) -> StepSpan:
    return StepSpan(version="v2", step="p10", weight_percent=weight, span=WHOLE)


def test_a_step_lasts_from_its_confirmation_to_the_last_look_at_it() -> None:
    views = [
        look(START),
        step(START + 5.0, version="v2", weight=10, confirmed_at=None),
        step(START + 12.0, version="v2", weight=10),
        step(START + 40.0, version="v2", weight=10),
        step(START + 41.0, version="v2", weight=50, confirmed_at=START + 41.0),
        step(START + 60.0, version="v2", weight=50, confirmed_at=START + 41.0),
        step(START + 61.0, version="v2", weight=50, phase="Promoting"),
        look(START + 62.0, stable="v2"),
    ]
    steps = promises.steps_walked(views, version="v2")
    assert [(it.step, it.weight_percent, it.span.start, it.span.end) for it in steps] == [
        ("p10", 10, START + 10, START + 40),
        ("p50", 50, START + 41, START + 60),
    ]
    assert promises.all_steps_walked(steps, planned=["p10", "p50"]).kept
    assert not promises.all_steps_walked(steps[1:], planned=["p10", "p50"]).kept
    assert not promises.all_steps_walked([], planned=[]).kept


@pytest.mark.parametrize(
    ("v1", "v2", "kept"),
    [(54, 6, True), (55, 5, True), (50, 10, False), (60, 0, False), (0, 0, False)],
)
def test_the_split_is_honest_within_sampling_error(v1: int, v2: int, kept: object) -> None:
    books = users(*(second(START + it, v1=(v1, 0), v2=(v2, 0)) for it in range(60)))
    assert promises.split_is_honest(books, step=walked()).kept == kept


def test_a_single_failed_request_breaks_the_promotion() -> None:
    good = users(second(START + 1, v1=(60, 0)), second(START + 2, v2=(60, 0)))
    assert promises.nothing_failed(good, span=WHOLE, during="now").kept
    bad = users(
        *good.seconds,
        second(START + 3, unknown=(1, 1)),
        failures=(failure(START + 3.5, version="unknown"),),
    )
    broken = promises.nothing_failed(bad, span=WHOLE, during="now")
    assert not broken.kept
    assert "no healthy upstream" in broken.detail
    assert not promises.nothing_failed(users(), span=WHOLE, during="now").kept


EXPOSED = Span(start=START + 10.0, end=START + 20.0)


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        (second(START + 15, v2=(54, 0), v3=(6, 3)), True),
        (second(START + 15, v2=(54, 1), v3=(6, 3)), False),
        (second(START + 15, v3=(6, 3), unknown=(1, 1)), False),
        (second(START + 40, v3=(6, 3)), False),
    ],
)
def test_only_the_bad_version_may_fail_while_it_has_weight(row: Second, kept: object) -> None:
    judged = promises.only_the_bad_version_failed(
        users(row), span=WHOLE, version="v3", exposed=EXPOSED
    )
    assert judged.kept == kept


def test_a_version_without_weight_may_not_fail_at_all() -> None:
    books = users(second(START + 15, v3=(6, 1)))
    judged = promises.only_the_bad_version_failed(books, span=WHOLE, version="v3", exposed=None)
    assert not judged.kept


@pytest.mark.parametrize(("late", "kept"), [({}, True), ({"v3": (1, 0)}, False)])
def test_no_request_reaches_a_rejected_version(
    late: dict[str, tuple[int, int]], kept: object
) -> None:
    books = users(second(START + 20, v2=(60, 0), v3=(6, 0)), second(START + 30, v2=(60, 0), **late))
    judged = promises.traffic_ended(books, version="v3", after=START + 20.0, until=START + 60.0)
    assert judged.kept == kept


@pytest.mark.parametrize(
    ("exposed", "kept"), [(EXPOSED, True), (Span(start=0.0, end=90.0), False), (None, False)]
)
def test_a_bad_version_has_weight_for_a_short_time(exposed: Span | None, kept: object) -> None:
    assert promises.rolled_back_in_time(exposed, limit_seconds=60.0).kept == kept


def test_weight_counts_from_the_first_to_the_last_look_with_it() -> None:
    views = [
        look(START),
        step(START + 10.0, version="v3", weight=10),
        step(START + 20.0, version="v3", weight=10),
        step(START + 21.0, version="v3", weight=10, intended_percent=0.0),
    ]
    assert promises.time_with_weight(views, version="v3") == EXPOSED
    assert promises.time_with_weight(views, version="v2") is None


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        (look(1.0, stable="v2"), True),
        (look(1.0, stable="v1"), False),
        (look(1.0, stable="v2", phase="Promoting"), False),
        (None, False),
    ],
)
def test_promoted_means_healthy_with_the_version(seen: View | None, kept: object) -> None:
    assert promises.promoted(seen, version="v2", seconds=1.0).kept == kept


@pytest.mark.parametrize(
    ("seen", "kept"),
    [
        (look(1.0, phase="RolledBack", stable="v2", rejected=("v3",)), True),
        (look(1.0, phase="RolledBack", stable="v2"), False),
        (look(1.0, phase="RolledBack", stable="v3", rejected=("v3",)), False),
        (None, False),
    ],
)
def test_rolled_back_means_rejected_and_the_old_version_serves(
    seen: View | None, kept: object
) -> None:
    assert promises.rolled_back(seen, version="v3", stable="v2").kept == kept


def test_the_first_version_is_served_directly() -> None:
    assert promises.served_directly(look(1.0), version="v1", seconds=7.0).kept
    waiting = look(1.0, phase="Initializing")
    assert not promises.served_directly(waiting, version="v1", seconds=120.0).kept
    assert not promises.served_directly(look(1.0), version="v2", seconds=7.0).kept


def test_evidence_is_in_reach_before_there_is_a_candidate() -> None:
    ready = replace(look(1.0), evidence_ready=True, evidence="SeriesFound: error-ratio: found")
    late = replace(
        step(1.0, version="v2", weight=10), evidence_ready=True, evidence="SeriesFound: found"
    )
    assert promises.evidence_in_reach(ready, seconds=9.0).kept
    assert promises.evidence_in_reach(ready, seconds=9.0).detail.startswith("SeriesFound after 9 s")
    assert not promises.evidence_in_reach(replace(ready, evidence_ready=False), seconds=60.0).kept
    assert not promises.evidence_in_reach(late, seconds=9.0).kept
    assert not promises.evidence_in_reach(None, seconds=60.0).kept


REJECTED = look(START + 5.0, phase="RolledBack", stable="v2")


@pytest.mark.parametrize(
    ("views", "pods", "books", "kept"),
    [
        ([REJECTED], [], users(second(START + 5, v2=(60, 0))), True),
        ([REJECTED], ["digits-97ebfdf6fb-x"], users(), False),
        ([REJECTED], [], users(second(START + 5, v3=(1, 0))), False),
        ([step(START + 4.0, version="v3", weight=10), REJECTED], [], users(), False),
        ([look(START + 5.0)], [], users(), False),
        ([], [], users(), False),
    ],
)
def test_a_rejected_version_starts_nothing(
    views: list[View], pods: list[str], books: Users, kept: object
) -> None:
    judged = promises.stays_rejected(views, span=WHOLE, version="v3", new_pods=pods, users=books)
    assert judged.kept == kept


def test_better_means_more_right_answers() -> None:
    def answers(**right: int) -> Users:
        books = {it: Sums(answered=100, checked=100, correct=n) for it, n in right.items()}
        return Users(seconds=(Second(at=START, versions=books),))

    assert promises.better_answers(answers(v1=83, v2=98), old="v1", new="v2").kept
    assert not promises.better_answers(answers(v1=83, v2=83), old="v1", new="v2").kept
    assert not promises.better_answers(answers(v1=83), old="v1", new="v2").kept


def test_skipped_requests_spoil_the_count() -> None:
    assert promises.every_request_counted(users(second(START, v1=(60, 0)))).kept
    assert not promises.every_request_counted(users(second(START, v1=(60, 0)), skipped=1)).kept
    assert not promises.every_request_counted(users()).kept
