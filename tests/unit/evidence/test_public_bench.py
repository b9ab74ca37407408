"""What `make bench-public` counts: alarms, delays and parts of streams; and that the real watch stands behind it."""

from __future__ import annotations

import numpy as np
import pytest
from bench.public import ours, page
from bench.public.runs import Bits, Entry, Run, Stream, begun, found, per_observations, run

TRAINED, BEFORE, AFTER = 300, 960, 480


def stream(*, moved: float = 0.0, seed: int = 1) -> Stream:
    """Two features, of which the second moves by so many deviations."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(TRAINED + BEFORE + AFTER, 2))
    x[TRAINED + BEFORE :, 1] += moved
    y = np.zeros(len(x), dtype=np.int64)
    return Stream(x=x, y=y, names=("still", "moves"), trained=TRAINED, change=BEFORE)


def wrong(*, before: float, after: float, seed: int = 2) -> Bits:
    shares = np.repeat([before, after], [BEFORE, AFTER])
    return np.random.default_rng(seed).random(BEFORE + AFTER) < shares


def a_run(*alarms: int, change: int | None = 100, observations: int = 1000) -> Run:
    return Run(alarms=alarms, observations=observations, change=change, seconds=0.5)


@pytest.mark.parametrize(
    ("alarms", "delay"),
    [((), None), ((99,), None), ((100,), 1), ((30, 149, 160), 50), ((30, 99), None)],
)
def test_a_delay_is_told_by_the_first_alarm_after_the_change(
    alarms: tuple[int, ...], delay: int | None
) -> None:
    assert a_run(*alarms).delay == delay


def test_what_lasts_is_one_alarm() -> None:
    states = [(9, False), (19, True), (29, True), (39, False), (49, True)]
    assert begun(states) == (19, 49)


def test_false_alarms_are_counted_over_all_runs_together() -> None:
    runs = [a_run(1, 2, change=None), a_run(change=None, observations=3000)]
    assert per_observations(runs) == 50.0


def test_a_cell_has_the_median_of_what_was_found_and_how_often() -> None:
    assert found([a_run(109), a_run(129), a_run(5)]) == "20 (2 of 3)"
    assert found([a_run(), a_run(5)]) == "missed (0 of 2)"


def test_a_part_keeps_the_training_rows_and_the_change() -> None:
    whole = stream()
    one, kept = whole.part(600)
    assert (one.trained, one.change, one.arriving) == (TRAINED, 200, 600)
    assert np.array_equal(one.x[:TRAINED], whole.x[:TRAINED])
    assert np.array_equal(one.x[TRAINED:], whole.x[TRAINED:][kept])
    assert kept == slice(BEFORE - 200, BEFORE + 400)


def test_shuffled_rows_are_the_same_and_know_of_no_change() -> None:
    whole = stream(moved=9.0)
    still = whole.shuffled(np.random.default_rng(0))
    assert still.change is None
    assert np.array_equal(np.sort(still.x[:, 1]), np.sort(whole.x[:, 1]))
    assert not np.array_equal(still.x, whole.x)


def test_a_slow_detector_sees_a_part_and_the_bits_that_belong_to_it() -> None:
    bits = wrong(before=0.0, after=1.0)
    entry = Entry(name="first", detector=lambda _, own: (int(np.argmax(own)),), rows=600)
    assert run(entry, stream(), bits).delay == 1
    assert run(entry, stream(), bits).observations == 600


def test_the_watch_by_labels_names_what_got_worse_and_nothing_else() -> None:
    detector = Entry(name="labels", detector=ours.labels(cohort=30))
    worse = run(detector, stream(), wrong(before=0.1, after=0.5))
    assert worse.delay is not None
    assert worse.delay <= 300
    assert worse.alarms[0] >= BEFORE
    assert run(detector, stream(), wrong(before=0.1, after=0.1)).alarms == ()


def test_the_watch_by_inputs_names_what_moved_and_nothing_else() -> None:
    detector = Entry(name="inputs", detector=ours.inputs(window=480))
    bits = wrong(before=0.0, after=0.0)
    moved = run(detector, stream(moved=1.5), bits)
    assert moved.delay is not None
    assert moved.delay <= 480
    assert moved.alarms[0] >= BEFORE
    assert run(detector, stream(), bits).alarms == ()
    assert ours.largest_psi(stream(moved=1.5)) > 1 > ours.largest_psi(stream())


def test_a_table_tells_false_alarms_of_shuffled_rows_alone() -> None:
    results = page.Results(streams=["SEA"], recorded=["Flights"])
    for name in ("SEA", "Flights"):
        results.add("one", name, ordered=a_run(149), shuffled=a_run(7, 8, change=None))
    assert page.known(results)[-1] == "| one | 50 (1 of 1) | 200.0 | 500.0 |"
    assert page.recorded(results)[-1] == "| one | 100.0 | 200.0 |"
