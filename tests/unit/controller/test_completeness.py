"""The real analyst where a pod of the candidate is ready and nobody scrapes it."""

from __future__ import annotations

from dataclasses import replace

import evidence_build as build
import pytest
from analyst_bench import START, Bench, Pod, metric, run
from metric_source import pod_name

from tidegate import model
from tidegate.evidence.counts.completeness import PodAddresses, ReadyPods

Verdict = model.Verdict
REPORT, HOLD = model.ShareCheck.REPORT, model.ShareCheck.HOLD


def pods(revision: str, names: str) -> PodAddresses:
    return {pod_name("iris", revision, name): (f"{revision}-{name}",) for name in names}


def bench_of(
    *,
    candidate: str,
    stable: str,
    share: model.ShareCheck = REPORT,
    serves: Pod | None = None,
) -> Bench:
    """These pods are ready; of them the candidate's `a` and stable's `a` and `b` are scraped."""
    bench = Bench(metric(compare=None), candidate=serves)
    spec = bench.request.spec
    ready = ReadyPods(candidate=pods(build.CANDIDATE, candidate), stable=pods(build.STABLE, stable))
    traffic = replace(spec.traffic, share_check=share)
    bench.edit(ready=ready, spec=replace(spec, traffic=traffic))
    return bench


@pytest.mark.parametrize("share", [REPORT, HOLD])
def test_a_pod_that_nobody_scrapes_holds_and_is_named(share: model.ShareCheck) -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=600, every=15)

        assert {one.verdict for one in states} == {Verdict.HOLD}
        assert states[-1].reason == "Incomplete"
        assert pod_name("iris", build.CANDIDATE, "b") in states[-1].message
        assert not states[-1].only_proof_is_missing

        bench.edit(ready=ReadyPods(candidate=pods(build.CANDIDATE, "a")))
        states = await bench.states(seconds=60, every=15)
        assert states[-1].verdict is Verdict.ADVANCE, states[-1].message

    run(scenario, bench_of(candidate="ab", stable="ab", share=share))


def test_as_many_pods_of_stable_hold_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300, every=15)
        assert states[-1].verdict is Verdict.ADVANCE, states[-1].message

    run(scenario, bench_of(candidate="ab", stable="abc"))


def test_a_pod_that_is_scraped_later_ends_the_wait() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=200, every=15)
        assert states[-1].reason == "Incomplete"

        born = bench.clock.now().timestamp()
        bench.tsdb.pods.append(Pod(revision=build.CANDIDATE, name="b", born_at=born))
        states = await bench.states(seconds=200, every=15)
        assert states[-1].verdict is Verdict.ADVANCE, states[-1].message

    run(scenario, bench_of(candidate="ab", stable="ab"))


def test_a_pod_that_is_scraped_no_more_holds() -> None:
    async def scenario(bench: Bench) -> None:
        born = START - 300
        bench.tsdb.pods.append(
            Pod(revision=build.CANDIDATE, name="b", born_at=born, dies_at=START + 60)
        )
        states = await bench.states(seconds=240, every=15)
        assert states[-1].reason == "Incomplete"

    run(scenario, bench_of(candidate="ab", stable="ab"))


def test_harm_in_the_pods_that_are_seen_is_not_silenced() -> None:
    async def scenario(bench: Bench) -> None:
        states = await bench.states(seconds=300, every=15)
        assert any(one.verdict is Verdict.ROLL_BACK for one in states), states[-1].message

    bad = Pod(revision=build.CANDIDATE, error_share=0.5, born_at=START - 300, bad_from=START - 300)
    run(scenario, bench_of(candidate="ab", stable="ab", serves=bad))
