"""What looks at a revision that serves say: drift when it is proven, and never by missing data."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate import model
from tidegate.evidence.counts.binned import MAX_ALL_BINS
from tidegate.evidence.terms import Problem, Reason, TrainingData
from tidegate.evidence.verdict import distribution, serving
from tidegate.evidence.verdict.serving import Look, Served, Way
from tidegate.model import Outcome

SLICE = 300.0
LABELS = ("10", "20", "30", "+Inf", "missing", "other")
USUAL = np.array([0.3, 0.3, 0.2, 0.15, 0.05, 0.0])
MOVED = np.array([0.05, 0.15, 0.2, 0.5, 0.1, 0.0])
TRAINED = dict(zip(LABELS, USUAL * 100_000, strict=True))
DOWN = Problem(reason=Reason.METRICS_UNAVAILABLE, message="no answer")

Observed = Mapping[str, Mapping[str, float]] | Problem
Shares = Callable[[int], np.ndarray]


def way(*, delta: float | None = None, features: int = 1, **more: object) -> Way:
    reference = TrainingData(counts={f"f{n}": TRAINED for n in range(features)})
    fields: dict[str, object] = {
        "reference": reference,
        "margin": None,
        "at_most": 0,
        "ignore": (),
        **more,
    }
    rule = distribution.rule_of(delta=delta, **fields)  # type: ignore[arg-type]
    alpha = serving.alpha_of(model.Monitoring(), slice_seconds=SLICE, metrics=1)
    return Way(rule=rule, alpha=alpha, slice_seconds=SLICE)


def seen(shares: np.ndarray, *, n: float = 1000.0, features: int = 1) -> Observed:
    """Exactly what the shares say, without chance."""
    bins = dict(zip(LABELS, shares * n, strict=True))
    return {f"f{number}": bins for number in range(features)}


def looks(observed: Sequence[Observed], *, using: Way | None = None) -> list[Look]:
    state, found = Served(), []
    chosen = using or way()
    for index, one in enumerate(observed):
        state, look = serving.looked(state, observed=one, at=SLICE * (index + 1), way=chosen)
        found.append(look)
    return found


def words(found: Sequence[Look]) -> list[tuple[Outcome, Reason]]:
    return [(look.outcome, look.reason) for look in found]


EARLY = (Outcome.INCONCLUSIVE, Reason.WARMUP)
SOUND = (Outcome.PASS, Reason.NO_HARM_FOUND)
DRIFT = (Outcome.FAIL, Reason.DRIFT)


def test_a_whole_window_without_drift_is_needed_to_say_that_there_is_none() -> None:
    assert words(looks([seen(USUAL)] * 14)) == [EARLY] * 11 + [SOUND] * 3


def test_drift_is_named_with_its_features_as_soon_as_it_is_proven() -> None:
    found = looks([seen(USUAL)] * 14 + [seen(MOVED)] * 12)
    first = words(found).index(DRIFT)
    assert 14 <= first < 20, words(found)
    assert words(found)[first:] == [DRIFT] * (26 - first)
    (shift,) = found[-1].shifts
    assert (shift.feature, shift.bin) == ("f0", "+Inf")
    assert shift.share == pytest.approx(0.5)
    assert shift.reference_share == pytest.approx(0.15)
    assert "f0 PSI 1.01 (+Inf 15.0% -> 50.0%); 1 of 1 features are proven" in found[-1].message


def test_skew_is_named_within_the_first_window() -> None:
    assert words(looks([seen(MOVED)] * 7)) == [EARLY] * 5 + [DRIFT] * 2


def test_what_has_ended_is_over_when_a_whole_window_has_shown_none() -> None:
    found = words(looks([seen(MOVED)] * 13 + [seen(USUAL)] * 30))
    last = len(found) - 1 - found[::-1].index(DRIFT)
    assert found[-1] == SOUND
    after = found[last + 1 :]
    assert after.count((Outcome.INCONCLUSIVE, Reason.UNDECIDED)) >= 10, after
    assert after == sorted(after, key=lambda it: it == SOUND)


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        (DOWN, Reason.METRICS_UNAVAILABLE),
        ({}, Reason.NO_DATA),
        ({"f0": dict.fromkeys(LABELS, 0.0)}, Reason.NO_DATA),
        ({"f0": {}}, Reason.NO_DATA),
    ],
)
def test_missing_data_are_no_drift_and_no_sign_of_none(missing: Observed, reason: Reason) -> None:
    found = words(looks([seen(USUAL)] * 12 + [missing] * 5 + [seen(USUAL)] * 3))
    assert found[11] == SOUND
    assert found[12:17] == [(Outcome.NO_DATA, reason)] * 5
    assert found[17:] == [SOUND] * 3


def test_after_a_window_without_any_data_it_begins_anew() -> None:
    found = words(looks([seen(USUAL)] * 12 + [DOWN] * 40 + [seen(USUAL)] * 13))
    assert found[52:] == [EARLY] * 11 + [SOUND] * 2


def test_after_half_a_day_without_data_what_was_sound_is_not_so_by_itself() -> None:
    found = words(looks([seen(USUAL)] * 14 + [DOWN] * 13 + [seen(USUAL)] * 3))
    assert SOUND not in found[14:], found[14:]


@pytest.mark.parametrize(
    ("observed", "reason", "says"),
    [
        ({"f0": {"5": 500.0, "+Inf": 500.0}}, Reason.INCOMPATIBLE_BINS, "f0: bins differ"),
        ({"f0": {"a": 0.0}, "g": {"a": 1.0}}, Reason.NO_BASELINE, "the profile lacks it"),
        ({**seen(USUAL), "new": {"a": 9.0}}, Reason.NO_BASELINE, "new: the profile lacks it"),  # type: ignore[dict-item]
    ],
)
def test_what_cannot_be_compared_is_named(observed: Observed, reason: Reason, says: str) -> None:
    found = looks([observed] * 14)[-1]
    assert (found.outcome, found.reason) == (Outcome.NO_DATA, reason), found
    assert says in found.message


def test_a_feature_that_vanished_is_named_and_others_with_it_are_counted() -> None:
    using = way(features=3)
    found = looks([seen(USUAL, features=1)] * 14, using=using)[-1]
    assert (found.outcome, found.reason) == (Outcome.NO_DATA, Reason.NO_DATA)
    assert found.message == "f1 (and 1 more features): what serves does not export it"


def test_drift_of_one_feature_is_told_although_another_is_missing() -> None:
    found = looks([seen(MOVED, features=1)] * 6, using=way(features=2))[-1]
    assert (found.outcome, found.reason) == DRIFT


def test_features_to_ignore_are_not_looked_at() -> None:
    observed = {**seen(USUAL), "f1": dict(zip(LABELS, MOVED * 1000, strict=True))}  # type: ignore[dict-item]
    using = way(features=2, ignore=("f1",))
    assert words(looks([observed] * 12, using=using))[-1] == SOUND


def test_so_many_features_may_move_as_are_tolerated() -> None:
    observed = seen(MOVED, features=2)
    assert words(looks([observed] * 12, using=way(features=2, at_most=2)))[-1] == SOUND
    assert words(looks([observed] * 12, using=way(features=2, at_most=1)))[-1] == DRIFT


def test_a_feature_that_fills_one_bin_as_in_training_is_sound_and_hides_no_other() -> None:
    flat = {label: 1000.0 * (label == "10") for label in LABELS}
    trained = {"f0": TRAINED, "flat": {label: 1e5 * (label == "10") for label in LABELS}}
    using = way(reference=TrainingData(counts=trained))
    observed = {**seen(USUAL), "flat": flat}  # type: ignore[dict-item]
    assert words(looks([observed] * 12, using=using))[-1] == SOUND
    alone = way(reference=TrainingData(counts={"flat": trained["flat"]}))
    assert words(looks([{"flat": flat}] * 12, using=alone))[-1] == SOUND


def test_before_a_feature_has_enough_observations_nothing_is_compared() -> None:
    using = way(reference=TrainingData(counts={"f0": {"10": 5e4, "+Inf": 5e4}}))
    (last,) = looks([{"f0": {"10": 1.0, "+Inf": 0.0}}], using=using)
    assert (last.reason, "no feature can be compared" in last.message) == (Reason.WARMUP, True)


def test_a_feature_that_nobody_sent_is_no_data() -> None:
    using = way(features=2)
    observed = {**seen(USUAL), "f1": dict.fromkeys(LABELS, 0.0)}  # type: ignore[dict-item]
    found = looks([observed] * 13, using=using)[-1]
    assert (found.outcome, found.message) == (Outcome.NO_DATA, "f1: nothing was observed")


def test_few_observations_decide_nothing() -> None:
    found = looks([seen(MOVED, n=7.0)] * 14)[-1]
    assert (found.outcome, found.reason) == (Outcome.INCONCLUSIVE, Reason.INSUFFICIENT), found


@pytest.mark.parametrize("reason", [Reason.NO_BASELINE, Reason.PROFILE_MISMATCH])
def test_without_a_profile_nothing_is_said_but_why(reason: Reason) -> None:
    reference = TrainingData(problem=Problem(reason=reason, message="put it there"))
    found = looks([seen(MOVED)] * 14, using=way(reference=reference))
    assert set(words(found)) == {(Outcome.NO_DATA, reason)}


def test_one_client_with_many_equal_requests_is_no_drift() -> None:
    """Each slice is full of another bin: a mean far from training, and no more than clumps."""
    one_bin = [np.eye(len(LABELS))[index % 5] for index in range(12)]
    found = looks([seen(shares) for shares in one_bin])
    assert DRIFT not in words(found), found[-1]


NOBODY = dict.fromkeys(LABELS, 0.0)


def beside_usual(*optional: Mapping[str, float]) -> list[Observed]:
    """Slices of a feature that everybody sends, and of one that is optional."""
    return [{"f0": dict(zip(LABELS, USUAL * 1000, strict=True)), "f1": one} for one in optional]


@pytest.mark.parametrize("beside", [0.0, 1.0])
@pytest.mark.parametrize("bursts", [1, 2, 5])
def test_an_optional_feature_that_one_client_sends_at_night_is_no_drift(
    bursts: int, beside: float
) -> None:
    """Its equal requests fill few slices, alone or beside a trickle of others: clumps go unseen."""
    trickle = {**NOBODY, "10": beside}
    night = {**NOBODY, "missing": 2000.0}
    slices = beside_usual(*[trickle] * 12, *[night] * bursts, *[trickle] * 11)
    found = looks(slices, using=way(features=2))
    assert DRIFT not in words(found)
    assert words(found)[11 + bursts] == (Outcome.INCONCLUSIVE, Reason.INSUFFICIENT)
    assert found[11 + bursts].message.startswith("f1 came in fewer than 6 slices of the window")


def test_an_optional_feature_that_moved_for_long_is_drift() -> None:
    """As many of its slices are empty as are not: those that are not tell enough."""
    moved = dict(zip(LABELS, MOVED * 1000, strict=True))
    found = looks(beside_usual(*[NOBODY, moved] * 12), using=way(features=2))
    assert words(found)[-1] == DRIFT
    assert found[-1].shifts[0].feature == "f1"


@given(
    st.lists(st.lists(st.integers(0, 3000), min_size=6, max_size=6), min_size=6, max_size=14),
    st.sampled_from((0.0, 0.1)),
)
@settings(max_examples=40, deadline=None)
def test_whatever_is_counted_a_look_says_something(counts: list[list[int]], delta: float) -> None:
    observed = [{"f0": dict(zip(LABELS, map(float, one), strict=True))} for one in counts]
    for look in looks(observed, using=way(delta=delta)):
        assert look.message
        assert (look.outcome is Outcome.FAIL) == (look.reason is Reason.DRIFT)


@pytest.mark.parametrize("bin_", range(6))
def test_a_feature_that_fills_one_bin_from_one_day_on_is_drift(bin_: int) -> None:
    """Such as one that is always missing: it shows no variance at all."""
    found = words(looks([seen(USUAL)] * 13 + [seen(np.eye(6)[bin_])] * 12))
    assert found[-1] == DRIFT


def of_two(*second: Mapping[str, float] | None) -> list[Observed]:
    """Slices of two features; the second one is not exported where it is None."""
    first = dict(zip(LABELS, USUAL * 1000, strict=True))
    return [{"f0": first} | ({"f1": one} if one is not None else {}) for one in second]


USUAL_BINS = dict(zip(LABELS, USUAL * 1000, strict=True))
MOVED_BINS = dict(zip(LABELS, MOVED * 1000, strict=True))
LITTLE = {label: n * 5 / 1000 for label, n in USUAL_BINS.items()}


@pytest.mark.parametrize("gone", [None, NOBODY, LITTLE])
@pytest.mark.parametrize("after", [MOVED_BINS, USUAL_BINS])
def test_a_drift_does_not_end_because_its_feature_is_not_seen(
    gone: Mapping[str, float] | None, after: Mapping[str, float]
) -> None:
    """The others are sound all the while; that proves nothing of the one that drifts."""
    slices = of_two(*[USUAL_BINS] * 12, *[MOVED_BINS] * 12, *[gone] * 26, *[after] * 11)
    found = words(looks(slices, using=way(features=2)))
    assert found[23] == DRIFT
    assert SOUND not in found[24:], found[24:]


def test_a_drift_ends_when_its_feature_was_seen_again_for_a_window() -> None:
    slices = of_two(*[USUAL_BINS] * 12, *[MOVED_BINS] * 12, *[None] * 26, *[USUAL_BINS] * 13)
    assert words(looks(slices, using=way(features=2)))[-1] == SOUND


def test_a_drift_of_a_feature_that_nobody_trains_on_any_more_ends() -> None:
    state, at = Served(), 0.0
    for one in of_two(*[USUAL_BINS] * 12, *[MOVED_BINS] * 12):
        at += SLICE
        state, look = serving.looked(state, observed=one, at=at, way=way(features=2))
    assert (look.outcome, look.reason) == DRIFT
    for one in of_two(*[MOVED_BINS] * 13):
        at += SLICE
        using = way(features=2, ignore=("f1",))
        state, look = serving.looked(state, observed=one, at=at, way=using)
    assert (look.outcome, look.reason) == SOUND


def test_labels_that_change_all_the_time_are_an_error_and_no_window_without_drift() -> None:
    def others(at: int) -> Observed:
        many = MAX_ALL_BINS // 4
        return {"f0": {f"{at}-{number}": 1.0 for number in range(many)}}

    using = way(reference=TrainingData(counts={"f0": {"a": 1e5, "b": 1e5}}))
    found = looks(
        [{"f0": {"a": 500.0, "b": 500.0}}] * 13 + [others(at) for at in range(6)], using=using
    )
    assert words(found)[12] == SOUND
    assert words(found)[-1] == (Outcome.NO_DATA, Reason.ERROR)
    assert f"more than {MAX_ALL_BINS} bins" in found[-1].message


# --- how it came ---------------------------------------------------------------------------------


def drawn(
    shares: Shares, *, slices: int, n: int = 600, features: int = 1, seed: int = 7
) -> list[Observed]:
    dice = np.random.default_rng(seed)
    return [
        {
            f"f{number}": dict(
                zip(LABELS, map(float, dice.multinomial(n, shares(at))), strict=True)
            )
            for number in range(features)
        }
        for at in range(slices)
    ]


def test_a_step_is_sudden() -> None:
    found = looks(drawn(lambda at: MOVED if at >= 24 else USUAL, slices=36))
    assert found[-1].onset == "Sudden"


def test_a_ramp_is_gradual() -> None:
    def ramp(at: int) -> np.ndarray:
        part = min(1.0, max(0.0, (at - 10) / 24))
        return (1 - part) * USUAL + part * MOVED

    found = looks(drawn(ramp, slices=36))
    assert found[-1].onset == "Gradual"


def test_too_few_slices_tell_nothing_of_how_it_came() -> None:
    assert looks(drawn(lambda _: MOVED, slices=6))[-1].onset == "Undetermined"


def test_slices_too_thin_to_be_compared_one_by_one_tell_nothing_of_how_it_came() -> None:
    using = way(reference=TrainingData(counts={"f0": {"10": 5e4, "+Inf": 5e4}}))
    found = looks([{"f0": {"10": 9.0, "+Inf": 0.0}}] * 12, using=using)[-1]
    assert ((found.outcome, found.reason), found.onset) == (DRIFT, "Undetermined")


# --- false alarms --------------------------------------------------------------------------------


@pytest.mark.no_cover
@pytest.mark.parametrize("delta", [0.1, 0.02])
def test_four_weeks_without_change_are_silent(delta: float) -> None:
    """672 looks at 3 features as if a slice were an hour: the budget is 0.04 false alarms."""
    weeks = drawn(lambda _: USUAL, slices=4 * 7 * 24, n=120, features=3)
    assert DRIFT not in words(looks(weeks, using=way(delta=delta, features=3)))


def test_the_budget_is_that_of_a_week_whatever_the_interval_and_the_number_of_metrics() -> None:
    monitoring = model.Monitoring(false_alarms=0.01)
    for seconds, metrics in ((60.0, 1), (3600.0, 4)):
        alpha = serving.alpha_of(monitoring, slice_seconds=seconds, metrics=metrics)
        assert alpha * metrics * 604_800 / seconds == pytest.approx(0.01)
