"""Distributions: candidate against stable, feature by feature, at few looks, clumps or not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from evidence_rows import config, context
from mixes_build import LABELS, MOVED, NAME, Table, bins, drawn, row

from tidegate.evidence.counts.rows import Flag, Row
from tidegate.evidence.journal import codec, row_lines
from tidegate.evidence.sequential import ledger
from tidegate.evidence.sequential.judgement import Drift, EvidenceConfig, Judgement, MetricRule
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import distribution, engine
from tidegate.model import Outcome, Verdict

USUAL = distribution.rule_of(delta=None, margin=None, at_most=0, ignore=())
MISSING = [0.0] * 8 + [1.0, 0.0]


def settings(drift: Drift = USUAL, **more: object) -> EvidenceConfig:
    rule = MetricRule(name=NAME, drift=drift, min_samples=20, **more)  # type: ignore[arg-type]
    return config(rule)


def judged(
    found: Sequence[Row], *, using: EvidenceConfig | None = None, **more: object
) -> Judgement:
    return engine.judge(
        found,
        context=replace(context(), **more),  # type: ignore[arg-type]
        config=using or settings(),
    )


def test_what_users_send_alike_passes() -> None:
    found = judged(drawn(features=12))

    (one,) = found.findings
    assert (one.reason, one.outcome) == (Reason.NON_INFERIOR, Outcome.PASS)
    assert one.log_e == 0.0
    assert "none of 12 features above 0.1" in one.message


def test_broken_preprocessing_is_rolled_back_and_named_in_one_line() -> None:
    found = judged(drawn(shares={"f3": MISSING}, features=12))

    assert (found.verdict, found.reason) == (Verdict.ROLL_BACK, Reason.DRIFT)
    assert found.message.startswith("feature-drift: f3 PSI ")
    assert "missing 1" in found.message
    assert "-> 100.0%); 1 of 12 features above 0.1 (n=" in found.message
    assert [it.feature for it in found.findings[0].shifts][:1] == ["f3"]


def test_a_small_change_is_found_with_enough_observations() -> None:
    few = judged(drawn(shares={"f0": MOVED.tolist()}, count=3))
    many = judged(drawn(shares={"f0": MOVED.tolist()}, n_c=500, n_s=4500))

    assert few.verdict is Verdict.HOLD
    assert few.findings[0].reason is Reason.UNDECIDED
    assert many.verdict is Verdict.ROLL_BACK


def test_what_is_tolerated_is_neither_harm_nor_at_once_a_pass() -> None:
    tolerant = settings(distribution.rule_of(delta=0.3, margin=None, at_most=0, ignore=()))
    found = judged(drawn(shares={"f0": MOVED.tolist()}, n_c=500, n_s=4500), using=tolerant)

    assert found.findings[0].reason is Reason.NON_INFERIOR


@pytest.mark.parametrize(
    ("more", "verdict", "outcome"),
    [
        pytest.param({"holds": True}, Verdict.HOLD, Outcome.FAIL, id="Hold"),
        pytest.param({"guard": False}, Verdict.HOLD, Outcome.FAIL, id="Alert: no guard is left"),
    ],
)
def test_a_breach_does_what_it_is_told_to(
    more: dict[str, bool], verdict: Verdict, outcome: Outcome
) -> None:
    found = judged(drawn(shares={"f0": MISSING}), using=settings(**more))

    assert found.verdict is verdict
    assert found.findings[0].outcome is outcome


def test_harm_of_a_metric_that_holds_is_told_before_what_is_undecided() -> None:
    rules = (*settings(holds=True).metrics, MetricRule(name="errors", limit=0.01))
    found = judged(drawn(shares={"f0": MISSING}), using=config(*rules))

    assert (found.verdict, found.reason, found.metric) == (Verdict.HOLD, Reason.DRIFT, NAME)


def test_harm_stays_harm_in_later_rows_and_steps() -> None:
    broken = drawn(shares={"f0": MISSING})
    mended = drawn(count=40, first=10, step=1)

    assert judged([*broken, *mended], step=1).reason is Reason.DRIFT


@pytest.mark.parametrize("held", [{"holds": True}, {"holds_in": (0,)}], ids=["always", "there"])
def test_a_breach_that_held_is_forgotten_once_a_person_has_ended_its_step(
    held: dict[str, Any],
) -> None:
    using = settings(**held)
    broken = drawn(shares={"f0": MISSING})
    equal = drawn(count=40, first=10, step=1)

    assert judged(broken, using=using).verdict is Verdict.HOLD
    at_once = judged(broken, using=using, step=1).findings[0]
    assert (at_once.reason, at_once.shifts) == (Reason.INSUFFICIENT, ())
    assert judged([*broken, *equal], using=using, step=1).verdict is Verdict.ADVANCE


@pytest.mark.parametrize(
    ("held", "verdict"),
    [({"holds": True}, Verdict.HOLD), ({"holds_in": (0,)}, Verdict.ROLL_BACK)],
    ids=["always", "there"],
)
def test_what_is_still_there_in_the_next_step_is_found_again(
    held: dict[str, Any], verdict: Verdict
) -> None:
    broken = drawn(shares={"f0": MISSING})
    still = drawn(shares={"f0": MISSING}, count=20, first=10, step=1)

    assert judged([*broken, *still], using=settings(**held), step=1).verdict is verdict


def test_a_pass_is_one_of_its_step() -> None:
    rows = drawn()

    assert judged(rows).findings[0].reason is Reason.NON_INFERIOR
    later = judged(rows, step=1).findings[0]
    assert (later.reason, later.n_c) == (Reason.INSUFFICIENT, 0.0)


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        pytest.param([], "0 in 0 intervals", id="no row"),
        pytest.param(drawn(count=2), "200 in 2 intervals", id="two intervals"),
        pytest.param(drawn(n_c=20, count=4), "80 in 4 intervals", id="few observations"),
    ],
)
def test_before_the_first_look_nothing_is_said(rows: list[Row], seen: str) -> None:
    found = judged(rows)

    assert found.findings[0].reason is Reason.INSUFFICIENT
    assert seen in found.findings[0].message


def test_a_running_interval_counts_for_nothing() -> None:
    broken = drawn(shares={"f0": MISSING}, count=6)
    running = [replace(it, flags=(Flag.RUNNING,)) for it in broken]

    assert judged(running).findings[0].n_c == 0.0


def test_more_than_the_usual_number_of_observations_may_be_needed() -> None:
    rule = settings().metrics[0]
    found = judged(drawn(), using=config(replace(rule, min_samples=5000)))

    assert found.findings[0].reason is Reason.INSUFFICIENT
    assert "5000 observations are needed" in found.findings[0].message


def test_without_stable_there_is_nothing_to_compare_with() -> None:
    assert judged(drawn(), has_stable=False).findings[0].reason is Reason.NO_BASELINE


# --- several features ----------------------------------------------------------------------------


def test_some_features_may_move_where_the_user_says_so() -> None:
    shares = {"f0": MISSING, "f1": MISSING}
    two = settings(distribution.rule_of(delta=None, margin=None, at_most=2, ignore=()))
    one = settings(distribution.rule_of(delta=None, margin=None, at_most=1, ignore=()))
    rows = drawn(shares=shares, features=5)

    assert judged(rows, using=two).findings[0].reason is Reason.NON_INFERIOR
    assert judged(rows, using=one).verdict is Verdict.ROLL_BACK


def test_a_feature_that_is_ignored_is_not_judged() -> None:
    rule = distribution.rule_of(delta=None, margin=None, at_most=0, ignore=("f0",))
    found = judged(drawn(shares={"f0": MISSING}, features=3), using=settings(rule))

    assert found.findings[0].reason is Reason.NON_INFERIOR
    assert "of 2 features" in found.findings[0].message


def _one_sided(*, of_candidate: bool) -> list[Row]:
    def cut(it: Row) -> Row:
        counts = it.counts[NAME]
        side = "bins_s" if of_candidate else "bins_c"
        bins = {name: one for name, one in getattr(counts, side).items() if name != "f1"}
        return replace(it, counts={NAME: replace(counts, **{side: bins})})  # type: ignore[arg-type]

    return [cut(it) for it in drawn(features=3)]


@pytest.mark.parametrize(
    ("of_candidate", "reason", "whose"),
    [(True, Reason.NO_BASELINE, "stable"), (False, Reason.NO_DATA, "the candidate")],
)
def test_a_feature_of_one_side_alone_holds_and_is_named(
    *, of_candidate: bool, reason: Reason, whose: str
) -> None:
    found = judged(_one_sided(of_candidate=of_candidate))

    assert (found.verdict, found.reason) == (Verdict.HOLD, reason)
    assert f"f1: {whose} does not export it; where that is meant" in found.message


def test_a_drift_of_others_is_found_beside_features_that_cannot_be_compared() -> None:
    def cut(it: Row) -> Row:
        counts = it.counts[NAME]
        return replace(it, counts={NAME: replace(counts, bins_s={"f0": counts.bins_s["f0"]})})

    rows = [cut(it) for it in drawn(shares={"f0": MISSING}, features=4)]

    assert judged(rows).verdict is Verdict.ROLL_BACK
    equal = judged([cut(it) for it in drawn(features=4)])
    assert "f1 (and 2 more features): stable does not export it" in equal.message


# --- hostile data --------------------------------------------------------------------------------


def _fixed(candidate: Sequence[str], stable: Sequence[str], *, count: int = 6) -> list[Row]:
    return [
        row(
            number,
            candidate={"f": bins([50.0] * len(candidate), labels=candidate)},
            stable={"f": bins([400.0] * len(stable), labels=stable)},
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("candidate", "stable"),
    [
        pytest.param(("1", "2", "+Inf"), ("1", "3", "+Inf"), id="other edges"),
        pytest.param(("1", "+Inf"), ("1", "2", "+Inf"), id="fewer edges"),
        pytest.param(("a", "b", "other"), ("a", "c", "other"), id="another list"),
        pytest.param(("a", "b", "other"), ("a", "b"), id="a list and none"),
    ],
)
def test_other_bins_on_both_sides_hold_and_are_named(
    candidate: Sequence[str], stable: Sequence[str]
) -> None:
    found = judged(_fixed(candidate, stable))

    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.INCOMPATIBLE_BINS)
    assert "f: bins differ: " in found.message
    assert "fit the new profile with the bins of the old one" in found.message


def test_categories_without_a_list_may_be_new() -> None:
    found = judged(_fixed(("a", "b", "new"), ("a", "b", "c")))

    assert (found.verdict, found.reason) == (Verdict.ROLL_BACK, Reason.DRIFT)


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        pytest.param([0.0] * 10, Reason.INSUFFICIENT, id="no observations"),
        pytest.param([1000.0, *[0.0] * 9], Reason.DRIFT, id="a single value"),
    ],
)
def test_an_odd_candidate(candidate: list[float], reason: Reason) -> None:
    rows = [
        row(at, candidate={"f": bins(candidate)}, stable={"f": bins([100.0] * 10)})
        for at in range(5)
    ]

    assert judged(rows).findings[0].reason is reason


def test_a_feature_that_one_side_never_observes_is_no_pass() -> None:
    rows = [
        row(
            at,
            candidate={"f": bins([100.0] * 10), "g": bins([0.0] * 10)},
            stable={"f": bins([100.0] * 10), "g": bins([100.0] * 10)},
        )
        for at in range(5)
    ]
    found = judged(rows)

    assert (found.verdict, found.reason) == (Verdict.HOLD, Reason.NO_DATA)
    assert "g: no interval in which both sides observed something" in found.message


def test_one_value_at_a_time_is_judged_all_the_same() -> None:
    """Within an interval nothing varies, so that chance cannot be told from it."""
    rows = [
        row(
            at,
            candidate={"f": bins([100.0, 0.0] if at % 2 else [0.0, 100.0], labels=("a", "b"))},
            stable={"f": bins([900.0, 0.0] if at % 2 else [0.0, 900.0], labels=("a", "b"))},
        )
        for at in range(6)
    ]

    assert judged(rows).findings[0].reason is Reason.NON_INFERIOR


def _constant(*, of_candidate: int, of_stable: int) -> list[Row]:
    """Each side has all of its observations in one bin."""
    sides = [
        [1000.0 if at == slot else 0.0 for at in range(10)] for slot in (of_candidate, of_stable)
    ]
    candidate, stable = (bins(side) for side in sides)
    return [row(at, candidate={"f": candidate}, stable={"f": stable}) for at in range(5)]


@pytest.mark.parametrize(
    ("candidate", "stable", "reason"),
    [
        pytest.param(0, 0, Reason.NON_INFERIOR, id="never anything else"),
        pytest.param(9, 9, Reason.NON_INFERIOR, id="always a category that training lacked"),
        pytest.param(8, 8, Reason.NO_DATA, id="always missing: nothing was compared"),
        pytest.param(3, 0, Reason.DRIFT, id="another constant"),
        pytest.param(8, 0, Reason.DRIFT, id="missing in place of a constant"),
    ],
)
def test_a_constant_feature_is_judged(candidate: int, stable: int, reason: Reason) -> None:
    found = judged(_constant(of_candidate=candidate, of_stable=stable))

    assert found.findings[0].reason is reason, found.message


# --- clumps --------------------------------------------------------------------------------------


def _burst(number: int, candidate: Table, _: Table) -> None:
    if number == 3:
        candidate[0][2] += 1000.0  # one client, a thousand equal requests


def _sticky(number: int, candidate: Table, stable: Table) -> None:
    """Clients send forty equal requests per interval for five intervals, and stay with one pod."""
    rng = np.random.default_rng(number // 5)
    for pod in (*candidate, *stable):
        pod[rng.integers(10)] += 40.0


@pytest.mark.parametrize("clump", [_burst, _sticky])
@pytest.mark.parametrize("pods_c", [1, 3])
def test_clumps_are_no_drift(clump: object, pods_c: int) -> None:
    for seed in range(10):
        rows = drawn(
            clump=clump,  # type: ignore[arg-type]
            pods_c=pods_c,
            pods_s=4,
            n_c=300,
            count=20,
            seed=seed,
        )
        found = judged(rows)
        assert found.verdict is not Verdict.ROLL_BACK, found.message


def test_a_clump_proves_nothing_and_is_named() -> None:
    found = judged(drawn(clump=_burst, count=5))

    assert found.verdict is Verdict.HOLD
    assert ", clumps x" in found.message


def test_a_world_that_changes_for_both_is_no_drift() -> None:
    """Even while the candidate's share of the requests grows within the step."""
    world = [
        row(
            at,
            candidate={"f0": bins(_world(50.0 + 50 * at, at))},
            stable={"f0": bins(_world(450.0, at), _world(450.0, at))},
        )
        for at in range(12)
    ]

    assert judged(world).findings[0].reason is Reason.NON_INFERIOR


def _world(total: float, at: int) -> list[float]:
    """What one pod observes while the first bin becomes more common."""
    share = 0.05 + 0.03 * at
    return [total * share, *[total * (1 - share) / 9] * 9]


def test_an_equal_candidate_is_hardly_ever_rolled_back() -> None:
    """At delta 0, where nothing is tolerated, and looked at after every row."""
    strict = settings(distribution.rule_of(delta=0.0, margin=None, at_most=0, ignore=()))
    alarms = sum(
        judged(drawn(features=5, count=30, seed=seed), using=strict).verdict is Verdict.ROLL_BACK
        for seed in range(30)
    )

    assert alarms <= 1  # 1 % are promised


# --- the same bits -------------------------------------------------------------------------------


def test_rows_survive_the_log() -> None:
    rows = drawn(features=2, pods_s=3, shares={"f0": MISSING})
    read = row_lines.read([json.loads(codec.canonical(row_lines.document(it))) for it in rows])

    assert read == tuple(rows)
    assert judged(read) == judged(rows)


def test_a_state_that_is_kept_is_the_same_as_one_worked_out_anew() -> None:
    rows, using = drawn(count=70), settings()
    state = ledger.begin(using)
    for it in rows:
        state = ledger.record(state, row=it, config=using)

    assert state == ledger.record_all(rows, config=using)
    assert len(state.drifts[NAME].mixes["f0"].segments) <= 33


def test_the_config_survives_the_log() -> None:
    using = settings(distribution.rule_of(delta=0.2, margin=None, at_most=2, ignore=("a", "b")))

    assert codec.read(EvidenceConfig, json.loads(codec.canonical(codec.write(using)))) == using


def test_labels_are_those_of_the_probe() -> None:
    assert {"missing", "other", "+Inf"} <= set(LABELS)
