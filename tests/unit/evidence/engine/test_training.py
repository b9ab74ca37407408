"""Distributions against training data: stable is no excuse, and nothing missing is a pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from evidence_rows import config, context
from mixes_build import EQUAL, LABELS, MOVED, NAME, Clump, bins, drawn, row

from tidegate.evidence.counts.rows import Bins, Row
from tidegate.evidence.drift import mixes
from tidegate.evidence.journal import codec
from tidegate.evidence.sequential.judgement import EvidenceConfig, Judgement, MetricRule
from tidegate.evidence.terms import Problem, Reason, TrainingData
from tidegate.evidence.verdict import distribution, engine
from tidegate.model import Outcome, Verdict

AS_USUAL = dict.fromkeys(LABELS, 1000.0)
MISSING = Problem(reason=Reason.NO_BASELINE, message="ConfigMap training does not exist")
OTHER_MODEL = Problem(reason=Reason.PROFILE_MISMATCH, message="the profile is of v1")


def trained(
    counts: Mapping[str, Mapping[str, float]] | None = None,
    *,
    problem: Problem | None = None,
    ignore: tuple[str, ...] = (),
) -> EvidenceConfig:
    drift = distribution.rule_of(
        delta=None,
        margin=None,
        at_most=0,
        ignore=ignore,
        reference=TrainingData(
            counts={"f0": AS_USUAL} if counts is None else counts, problem=problem
        ),
    )
    return config(MetricRule(name=NAME, drift=drift, min_samples=20))


def judged(found: Sequence[Row], using: EvidenceConfig, **more: object) -> Judgement:
    return engine.judge(
        found,
        context=replace(context(), **more),  # type: ignore[arg-type]
        config=using,
    )


def alone(found: Sequence[Row]) -> list[Row]:
    """The same intervals where nobody serves beside the candidate."""
    return [row(at, candidate=it.counts[NAME].bins_c, stable={}) for at, it in enumerate(found)]


def skewed(seed: int = 7, **more: object) -> list[Row]:
    return drawn(shares={"f0": MOVED.tolist()}, n_c=500, n_s=4500, seed=seed, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("has_stable", [True, False])
def test_what_is_as_in_training_passes_with_or_without_stable(*, has_stable: bool) -> None:
    found = drawn()
    judgement = judged(found if has_stable else alone(found), trained(), has_stable=has_stable)

    (one,) = judgement.findings
    assert (one.reason, one.outcome) == (Reason.NON_INFERIOR, Outcome.PASS), one.message
    assert "of training" in one.message
    assert (one.n_c, one.n_s) == (1000, 10_000)


@pytest.mark.parametrize("has_stable", [True, False])
def test_skew_is_harm_with_or_without_stable(*, has_stable: bool) -> None:
    found = skewed()
    judgement = judged(found if has_stable else alone(found), trained(), has_stable=has_stable)

    assert (judgement.verdict, judgement.reason) == (Verdict.ROLL_BACK, Reason.DRIFT)
    assert "f0 PSI" in judgement.message


def test_stable_that_sees_the_same_is_no_excuse() -> None:
    moved = dict(zip(LABELS, (MOVED * 10_000).tolist(), strict=True))
    judgement = judged(drawn(n_c=500, n_s=4500), trained({"f0": moved}))

    assert judgement.reason is Reason.DRIFT


@pytest.mark.parametrize("problem", [MISSING, OTHER_MODEL])
@pytest.mark.parametrize("has_stable", [True, False])
def test_nothing_to_be_held_against_holds_whatever_is_seen(
    problem: Problem, *, has_stable: bool
) -> None:
    for found in (drawn(), skewed(), []):
        judgement = judged(found, trained(problem=problem), has_stable=has_stable)

        (one,) = judgement.findings
        assert (judgement.verdict, one.reason) == (Verdict.HOLD, problem.reason)
        assert problem.message in one.message


def test_no_deadline_excuses_a_missing_profile() -> None:
    late = {"at_deadline": Verdict.ADVANCE}
    missing = judged(drawn(), trained(problem=MISSING), **late)
    new = judged(drawn(features=2), trained(), **late)
    few = {"f0": dict.fromkeys(LABELS, 10.0)}
    unproven = judged(drawn(), trained(few), **late)

    assert (missing.verdict, missing.only_proof_is_missing) == (Verdict.HOLD, False)
    assert (new.verdict, new.reason) == (Verdict.HOLD, Reason.NO_BASELINE)
    assert (unproven.verdict, unproven.reason) == (Verdict.ADVANCE, Reason.INCONCLUSIVE)


@pytest.mark.parametrize(
    ("counts", "reason", "says"),
    [
        ({"f0": AS_USUAL, "f1": AS_USUAL}, Reason.NO_DATA, "the candidate does not export it"),
        ({}, Reason.NO_BASELINE, "the profile lacks it"),
        ({"f0": {**AS_USUAL, "75": 0.0}}, Reason.INCOMPATIBLE_BINS, "75"),
    ],
)
def test_features_that_cannot_be_compared_hold(
    counts: Mapping[str, Mapping[str, float]], reason: Reason, says: str
) -> None:
    judgement = judged(drawn(), trained(counts))

    assert (judgement.verdict, judgement.reason) == (Verdict.HOLD, reason)
    assert says in judgement.message


def test_intervals_that_are_each_full_of_one_client_are_no_drift() -> None:
    """Each shows no variance of its own: that they are not alike is what tells that they clump."""
    full = [[1000.0 if at == label else 0.0 for label in range(len(LABELS))] for at in range(10)]
    rows = [row(at, candidate={"f0": bins(one)}, stable={}) for at, one in enumerate(full[:4])]
    judgement = judged(rows, trained(), has_stable=False)

    (one,) = judgement.findings
    assert (judgement.verdict, one.outcome) == (Verdict.HOLD, Outcome.INCONCLUSIVE), one.message
    assert "clumps x" in one.message


def test_features_to_ignore_need_no_profile() -> None:
    judgement = judged(drawn(features=2), trained(ignore=("f1",)))

    assert judgement.findings[0].reason is Reason.NON_INFERIOR, judgement.message


def test_a_feature_that_nobody_has_sent_yet_has_no_data() -> None:
    found = drawn(features=2)
    empty = dict.fromkeys(LABELS, 0.0)
    rows = [
        row(
            at,
            candidate={
                **it.counts[NAME].bins_c,
                "f1": Bins.of(labels=tuple(empty), counts=(tuple(empty.values()),)),
            },
            stable={},
        )
        for at, it in enumerate(found)
    ]
    judgement = judged(rows, trained({"f0": AS_USUAL, "f1": AS_USUAL}))

    assert (judgement.verdict, judgement.reason) == (Verdict.HOLD, Reason.NO_DATA)


@pytest.mark.parametrize("rows", [1e4, 1e6, 1e9])
def test_a_client_of_equal_requests_is_no_skew_however_large_the_profile(rows: float) -> None:
    """One client sends 200 equal requests in each third interval, beside 100 of others."""

    def clump(number: int, mine: list[list[float]], _theirs: list[list[float]]) -> None:
        if number % 3 == 0:
            mine[0][0] += 200

    large = {"f0": dict.fromkeys(LABELS, rows)}
    for seed in range(5):
        judgement = judged(clumped(clump, seed), trained(large))
        assert judgement.verdict is not Verdict.ROLL_BACK, judgement.message


def clumped(clump: Clump, seed: int) -> list[Row]:
    return drawn(count=12, clump=clump, seed=seed)


def test_a_profile_counts_ten_times_the_candidate_at_most() -> None:
    mix = mixes.observed(
        mixes.Mix(), candidate=drawn(n_c=100)[0].counts[NAME].bins_c["f0"], pods=["c0"]
    )
    small = mixes.beside(mix, reference=dict.fromkeys(LABELS, 20.0)).both[0]
    large = mixes.beside(mix, reference=dict.fromkeys(LABELS, 1e6)).both[0]

    assert sum(small.values()) == pytest.approx(200)
    assert sum(large.values()) == pytest.approx(1000)
    assert large["10"] == pytest.approx(100)


def test_equal_candidates_are_rarely_harm() -> None:
    """At delta 0.1 no run of fifty without a change, and at the margin no pass that is not one."""
    for seed in range(50):
        judgement = judged(drawn(seed=seed, n_c=100), trained())
        assert judgement.verdict is not Verdict.ROLL_BACK, seed


def test_the_log_can_be_replayed() -> None:
    using = trained(problem=None)

    assert codec.read(EvidenceConfig, codec.write(using)) == using
    assert codec.read(EvidenceConfig, codec.write(trained(problem=MISSING))) == trained(
        problem=MISSING
    )
    assert EQUAL.sum() == pytest.approx(1.0)
