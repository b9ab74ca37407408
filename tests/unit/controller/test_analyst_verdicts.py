"""What the analyst finds, with the real engine behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from analyst_bench import COMPARE, START, WARM, Bench, Pod, flow, metric, run, two_sources

from tidegate import model
from tidegate.evidence.journal import replay
from tidegate.evidence.terms import LabelMatch, Operator, Ratio, Selector, Template
from tidegate.model import Verdict

NO_LIMIT = model.NO_THRESHOLD

_ALL = Selector(metric="rest_server_requests_total")


def _own(bad: Selector, *, candidate: Pod) -> Bench:
    """A template of the user's, with a candidate that fails."""
    template = Template(name="own", measure=Ratio(bad=bad, total=_ALL), source="default")
    reference = model.TemplateRef(kind="MetricTemplate", name="own")
    judged = metric("own", preset="", template=reference)
    return Bench(judged, templates={"own": template}, candidate=candidate)


def _proven() -> model.Metric:
    return metric(compare=model.Compare(detect_ratio=1.01, tolerance_absolute=1e-4))


def _label(label: str, pattern: str) -> Selector:
    match = LabelMatch(label=label, operator=Operator.MATCHES, values=(pattern,))
    return replace(_ALL, matches=(match,))


VERDICTS: dict[str, tuple[Callable[[], Bench], Verdict, str]] = {
    "errors that stable does not have": (
        lambda: Bench(candidate=flow(0.08)),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "three times the errors, below the limit": (
        lambda: Bench(candidate=flow(0.03), stable_error_share=0.01),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "equal": (
        lambda: Bench(candidate=flow(0.01), stable_error_share=0.01),
        Verdict.ADVANCE,
        "NonInferior",
    ),
    "equal, and nobody errs": (Bench, Verdict.ADVANCE, "NonInferior"),
    "both are bad": (
        lambda: Bench(candidate=flow(0.3), stable_error_share=0.3),
        Verdict.HOLD,
        "SharedIncident",
    ),
    "wrong share": (
        lambda: Bench(candidate=flow(0.01, per_second=250), stable_error_share=0.01),
        Verdict.HOLD,
        "TrafficSplit",
    ),
    "slow tail": (
        lambda: Bench(metric("latency-p99", threshold=NO_LIMIT), candidate=flow(0, slow_share=0.1)),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "equal latency": (
        lambda: Bench(metric("latency-p50", threshold=NO_LIMIT)),
        Verdict.ADVANCE,
        "NonInferior",
    ),
    "all fail, in the words of a template": (
        lambda: _own(_label("status_code", "5.."), candidate=flow(1.0)),
        Verdict.ROLL_BACK,
        "Regression",
    ),
    "only a dry run": (lambda: Bench(metric(dry_run=True)), Verdict.HOLD, "NoMetrics"),
    "a bad dry run": (
        lambda: Bench(metric(dry_run=True), candidate=flow(0.5)),
        Verdict.HOLD,
        "NoMetrics",
    ),
}


# A candidate that fails every request, asked for in a way that could never see it.
UNSEEN: dict[str, tuple[Callable[[], Bench], str]] = {
    "all fail, and the label of the outcome is called otherwise": (
        lambda: _own(_label("code", "5.."), candidate=flow(1.0)),
        "Error",
    ),
    "the same where only Prometheus can pick": (
        lambda: _own(_label("code", r"5\d\d"), candidate=flow(1.0)),
        "Error",
    ),
    "all fail, and the counter of failures does not exist": (
        lambda: _own(Selector(metric="rest_server_failed_total"), candidate=flow(1.0)),
        "NoData",
    ),
}


@pytest.mark.parametrize("case", UNSEEN)
def test_what_could_not_be_seen_is_never_taken_for_good(case: str) -> None:
    make, reason = UNSEEN[case]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600)

        assert {it.verdict for it in states} == {Verdict.HOLD}
        assert states[-1].reason == reason, states[-1].message
        assert bench.rows() == []

    run(scenario, make())


@pytest.mark.parametrize("case", VERDICTS)
def test_the_verdict_after_ten_minutes(case: str) -> None:
    make, verdict, reason = VERDICTS[case]

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600)

        assert (states[-1].verdict, states[-1].reason) == (verdict, reason), states[-1].message
        other = {Verdict.ADVANCE, Verdict.ROLL_BACK} - {verdict}
        assert not other & {it.verdict for it in states}
        assert states[-1].digest

    run(scenario, make())


def test_a_wrong_share_is_only_reported_where_it_is_asked_for() -> None:
    async def scenario(bench: Bench) -> None:
        traffic = replace(bench.request.spec.traffic, share_check=model.ShareCheck.REPORT)
        bench.edit(spec=replace(bench.request.spec, traffic=traffic))
        states = await bench.states(seconds=600)

        assert states[-1].verdict is Verdict.ADVANCE
        assert states[-1].observed_candidate_percent == pytest.approx(35.7, abs=0.1)

    run(scenario, Bench(candidate=flow(0.01, per_second=250), stable_error_share=0.01))


def test_an_equal_candidate_advances_only_after_requests_intervals_and_proof() -> None:
    """Here harm that is tolerated is looked for, which nothing finds: a proof it must be."""

    async def scenario(bench: Bench) -> None:
        reasons = [it.reason for it in await bench.states(seconds=600)]
        rows = bench.rows()

        assert reasons[-1] == "NonInferior"
        assert list(dict.fromkeys(reasons)) == [
            "Warmup",
            "Insufficient",
            "Undecided",
            "NonInferior",
        ]
        assert [row["t1"] - row["t0"] for row in rows] == [30.0] * len(rows)
        assert rows[0]["t0"] == WARM
        # Three rows of 150 requests have closed; before, requests or intervals were too few.
        assert START + 5 * (reasons.index("Undecided") + 1) == WARM + 3 * 30 + 20

    run(scenario, Bench(_proven(), candidate=flow(0.01), stable_error_share=0.01))


def test_without_stable_only_limits_count() -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(stable="")
        bench.tsdb.pods = [bench.candidate]
        states = await bench.states(seconds=600)

        assert states[-1].verdict is Verdict.ROLL_BACK
        assert states[-1].reason == "SloBreach"
        assert states[-1].observed_candidate_percent == 100.0

    run(scenario, Bench(metric(compare=None), candidate=flow(0.3)))


@pytest.mark.parametrize(("compare", "verdict"), [(None, "Advance"), (COMPARE, "Hold")])
def test_a_good_first_candidate_keeps_limits_and_cannot_be_compared(
    compare: model.Compare | None, verdict: str
) -> None:
    async def scenario(bench: Bench) -> None:
        bench.edit(stable="")
        bench.tsdb.pods = [bench.candidate]
        state = (await bench.states(seconds=900, every=15))[-1]

        assert state.verdict == verdict, state.message
        assert state.reason == ("NonInferior" if compare is None else "NoBaseline")
        assert state.only_proof_is_missing is (compare is not None)

    few = metric(compare=compare and replace(compare, tolerance_absolute=0.0001))
    run(scenario, Bench(few, candidate=flow(0.0)))


def test_only_proof_is_missing_says_that_time_alone_may_be_enough() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300)

        missing = {it.reason: it.only_proof_is_missing for it in states}
        assert missing == {"Warmup": False, "Insufficient": False, "Undecided": True}

    run(scenario, Bench(_proven(), candidate=flow(0.012), stable_error_share=0.01))


def test_evidence_of_earlier_steps_counts_and_their_requests_do_not() -> None:
    async def scenario(bench: Bench) -> None:
        (*_, before) = await bench.states(seconds=600)
        bench.next_step(20.0)
        (*_, after) = await bench.states(seconds=120)

        assert before.verdict is Verdict.ADVANCE
        assert after.requests < before.requests
        assert after.results[0].candidate.total >= before.results[0].candidate.total
        assert {row["step"] for row in bench.rows()} == {0, 1}

    run(scenario)


@pytest.mark.parametrize(
    ("error_share", "reason", "within"), [(0.9, "Outage", 35), (0.4, "SloBreach", 95)]
)
def test_harm_does_not_wait_for_its_interval_to_close(
    error_share: float, reason: str, within: float
) -> None:
    """The row of the verdict is the last one, though its interval goes on: 60 to 90 s."""

    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300)
        first = [it.verdict for it in states].index(Verdict.ROLL_BACK)
        seconds = 5 * (first + 1)

        assert seconds <= within
        assert states[first].reason == reason
        assert bench.rows()[-1]["t1"] == START + seconds
        assert {it.digest for it in states[first:]} == {states[first].digest}
        report = replay.replay(bench.log())
        assert report.difference == ""
        assert report.looks[-1].judgement.verdict is Verdict.ROLL_BACK

    limited = metric(compare=None)
    run(scenario, Bench(limited, candidate=flow(error_share), stable_error_share=0.01))


def test_the_logged_evidence_replays_to_the_same_judgements() -> None:
    async def scenario(bench: Bench) -> None:
        await bench.states(seconds=400)
        bench.tsdb.down.add("other")
        await bench.states(seconds=100)
        bench.tsdb.down.clear()
        await bench.states(seconds=100)
        found = replay.replay(bench.log())

        assert found.difference == ""
        assert found.skipped == 0
        assert len(found.looks) >= len(bench.rows())

    run(scenario, two_sources())
