"""Labels by cohort from raw series: totals, restarts, copies, and what cannot be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from evidence_build import CANDIDATE, IDENTITY, SCRAPE, STABLE, START, series
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.counts import labelled
from tidegate.evidence.counts.grid import Grid, WeightChange
from tidegate.evidence.counts.intervals import MetricSeries, Table, close_intervals
from tidegate.evidence.counts.labelled import Cohorting
from tidegate.evidence.counts.rows import Counts, PodLabels
from tidegate.evidence.terms import Measure, Reason, Series

HOUR = 3600.0
BEGAN = 0.0
ACCURACY = Cohorting(label="cohort", width_seconds=HOUR, measure=Measure.ACCURACY)
F1 = replace(ACCURACY, measure=Measure.F1)
GRID = Grid(
    interval_seconds=30.0,
    scrape_interval_seconds=SCRAPE,
    settle_seconds=0.0,
    cold_start_seconds=0.0,
    first_traffic_at=START,
)
EVENTS = (WeightChange(at=START, step=0, weight=0.5),)
ByRole = dict[str, tuple[Series, ...]]


def of(
    role: str,
    values: Sequence[float],
    *,
    revision: str = CANDIDATE,
    pod: str = "a",
    cohort: str = "1970-01-01T00:00Z",
    **more: str,
) -> ByRole:
    return {role: (series(revision, values, pod=pod, cohort=cohort, **more),)}


def together(*found: ByRole) -> ByRole:
    roles = sorted({role for one in found for role in one})
    return {role: tuple(it for one in found for it in one.get(role, ())) for role in roles}


def closed(
    *found: ByRole,
    cohorting: Cohorting = ACCURACY,
    now: float = START + 200,
    table: Table | None = None,
) -> Table:
    metric = MetricSeries(labels=together(*found), cohorting=cohorting, scrape_seconds=SCRAPE)
    return close_intervals(
        table or Table(),
        series={"m": metric},
        grid=GRID,
        events=EVENTS,
        identity=IDENTITY,
        now=now,
    )


def rows(*found: ByRole, **more: Cohorting) -> list[Counts]:
    return [row.counts["m"] for row in closed(*found, **more).rows if "m" in row.counts]


PREDICTED = of("predictions", [40] * 12)
LABELLED = of("labelled", [10, 10, 10, 20, 20, 20, 20, 20, 20, 20, 20, 20])
CORRECT = of("correct", [8, 8, 8, 15, 15, 15, 15, 15, 15, 15, 15, 15])


def test_each_row_tells_the_cohorts_that_have_changed_with_all_that_is_known_of_them() -> None:
    first, second, third = rows(PREDICTED, LABELLED, CORRECT)[:3]

    known = PodLabels(pod=f"iris-{CANDIDATE}-a", predictions=40, labelled=20, n=20, x=5)
    assert first.cohorts_c == {BEGAN: (known,)}
    assert (second.cohorts_c, third.cohorts_c) == ({}, {})
    assert first.cohorts_s == {}
    assert first.n_c == 0


def test_what_was_counted_before_a_restart_stays() -> None:
    again = [10, 10, 10, 20, 1, 3, 4, 4, 4, 4, 4, 4]
    found = rows(of("predictions", [40] * 12), of("labelled", again), of("correct", again))

    newest = [one.cohorts_c[BEGAN][0] for one in found if one.cohorts_c]
    assert (newest[-1].labelled, newest[-1].x) == (24, 0)


def test_two_scrapes_of_one_pod_count_once_and_two_containers_twice() -> None:
    copied = [
        of(role, [40] * 12, job=job)
        for role in ("predictions", "labelled", "correct")
        for job in "ab"
    ]
    apart = [
        of(role, [value] * 12, container=name)
        for role in ("predictions", "labelled", "correct")
        for name, value in (("a", 40), ("b", 60))
    ]

    (once,), (twice,) = rows(*copied)[0].cohorts_c[BEGAN], rows(*apart)[0].cohorts_c[BEGAN]
    assert (once.labelled, twice.labelled) == (40, 100)


def test_a_process_behind_another_at_each_scrape_is_left_out_and_named() -> None:
    falls = [50, 500, 60, 510, 70, 520, 80, 530, 90, 540, 95, 550]
    roles = [of(role, falls) for role in ("predictions", "labelled", "correct")]
    table = closed(*roles)

    assert table.rows[-1].counts["m"].cohorts_c.get(BEGAN, ()) == ()
    assert table.faults["m"].flapping == {(CANDIDATE, f"iris-{CANDIDATE}-a")}


@pytest.mark.parametrize("role", ["correct", "labelled", "predictions"])
def test_a_counter_that_is_missing_makes_nobody_wrong(role: str) -> None:
    found = {"predictions": PREDICTED, "labelled": LABELLED, "correct": CORRECT}
    del found[role]

    (pod,) = rows(*found.values())[0].cohorts_c[BEGAN]
    assert (pod.x, pod.labelled) == ((5, 20) if role == "predictions" else (0, 0))


def test_cells_of_the_confusion_matrix() -> None:
    cells = [of(name, [value] * 12) for name, value in (("tp", 6), ("fp", 1), ("fn", 3))]
    (pod,) = rows(PREDICTED, of("labelled", [20] * 12), *cells, cohorting=F1)[0].cohorts_c[BEGAN]
    (without,) = rows(PREDICTED, of("labelled", [20] * 12), cohorting=F1)[0].cohorts_c[BEGAN]

    assert (pod.labelled, pod.n, pod.x) == (20, 10, 4)
    assert (without.labelled, without.n) == (0, 0)


def test_many_pods_stand_in_groups() -> None:
    roles = [
        of(role, [40] * 12, pod=f"p{number}")
        for role in ("predictions", "labelled", "correct")
        for number in range(30)
    ]
    pods = rows(*roles)[0].cohorts_c[BEGAN]

    assert len(pods) <= 8
    assert sum(one.labelled for one in pods) == 30 * 40


def test_stable_alone_may_be_seen_first() -> None:
    later = [of(role, [5] * 12, revision=STABLE) for role in ("predictions", "labelled", "correct")]
    found = rows(*later)

    assert (found[0].cohorts_c, found[0].cohorts_s[BEGAN][0].labelled) == ({}, 5)


def test_without_any_series_there_is_no_row() -> None:
    assert rows({"predictions": (), "labelled": (), "correct": ()}) == []


@given(st.integers(1, 7))
def test_rows_do_not_depend_on_when_anybody_looked(looks: int) -> None:
    """An old cohort whose series has ended holds up nothing."""
    ended = [
        of(role, [3, 4, 5], cohort="1969-12-31T23:00Z")
        for role in ("predictions", "labelled", "correct")
    ]
    found = (PREDICTED, LABELLED, CORRECT, *ended)
    table = Table()
    for look in range(1, looks + 1):
        table = closed(*found, now=START + 200 * look / looks, table=table)

    assert table.rows == closed(*found).rows
    assert len(table.rows) >= 4
    assert table.lags == {"m": ()}


# --- what cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("2026-11-30T06:00Z", 1796018400.0),
        ("2026-11-30T06Z", 1796018400.0),
        ("2026-11-30T06:00:00+00:00", 1796018400.0),
        ("2026-11-30T07:00+01:00", 1796018400.0),
        ("2026-11-30T06:00", 1796018400.0),
        ("2026-11-30", 1795996800.0),
        ("1796018400", 1796018400.0),
        ("6", None),
        ("monday", None),
        ("", None),
    ],
)
def test_the_time_of_a_cohort(text: str, start: float | None) -> None:
    assert labelled.start_of(text) == start


@pytest.mark.parametrize(
    ("roles", "reason", "says"),
    [
        (of("labelled", [1], cohort="monday"), Reason.UNKNOWN_COHORT, "is no time"),
        (
            of("labelled", [1], cohort="1970-01-01T00:10Z"),
            Reason.UNKNOWN_COHORT,
            "set labelCohort to the length",
        ),
        (
            of("labelled", [1], cohort="1970-01-01T02:00Z"),
            Reason.UNKNOWN_COHORT,
            "labelled before it began",
        ),
        ({"labelled": (series(CANDIDATE, [1]),)}, Reason.ERROR, "have no label cohort"),
        (of("labelled", [1, -1]), Reason.ERROR, "is -1, which is no count"),
        (of("labelled", []), Reason.ERROR, "is NaN or infinite, which is no count"),
        (
            {
                "labelled": tuple(
                    series(
                        CANDIDATE,
                        [1],
                        cohort=f"{1969 - number // 300}-01-{1 + number % 28:02}T{number % 24:02}Z",
                    )
                    for number in range(4000)
                )
            },
            Reason.ERROR,
            "1000 are the most",
        ),
    ],
    ids=[
        "no time",
        "another length",
        "the future",
        "no label",
        "negative",
        "no number",
        "too many",
    ],
)
def test_what_tells_of_no_cohort_is_named(roles: ByRole, reason: Reason, says: str) -> None:
    found = labelled.unreadable(roles, cohorting=ACCURACY, metric="m")

    assert found is not None
    assert (found.reason, says in found.message) == (reason, True), found


def test_what_can_be_read_is_no_problem() -> None:
    found = together(PREDICTED, LABELLED, CORRECT)

    assert labelled.unreadable(found, cohorting=ACCURACY, metric="m") is None


def test_labels_of_clients_are_not_counted_twice_once_a_second_client_comes() -> None:
    """A scrape might have added `tenant` while there was one; the marks of that time go on."""
    one = [
        of("predictions", [40] * 24, tenant="a"),
        of("labelled", [10] * 12 + [20] * 12, tenant="a"),
        of("correct", [8] * 12 + [15] * 12, tenant="a"),
    ]
    table = closed(*one, now=START + 100)
    another = [
        of("predictions", [30] * 24, tenant="b"),
        of("labelled", [6] * 24, tenant="b"),
        of("correct", [5] * 24, tenant="b"),
    ]

    def told(found: Table) -> PodLabels:
        rows = [row.counts["m"].cohorts_c for row in found.rows if "m" in row.counts]
        (pod,) = [it[BEGAN] for it in rows if BEGAN in it][-1]
        return pod

    assert (told(table).predictions, told(table).labelled) == (40, 10)
    gone_on = told(closed(*one, *another, now=START + 330, table=table))
    assert (gone_on.predictions, gone_on.labelled, gone_on.x) == (70, 26, 6)
    assert told(closed(*one, *another, now=START + 330)) == gone_on
