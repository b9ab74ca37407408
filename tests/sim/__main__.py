"""`python -m tests.sim`: many seeds in parallel, or one seed again with its whole trace."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from tests.sim.drawn import scenario
from tests.sim.garbage import settle
from tests.sim.report import Report
from tests.sim.run import Result, play


def one(seed: int) -> Result:
    """Play a seed; of a long corpus only failures keep their trace."""
    result = play(scenario(seed), seed=seed)
    if not result.failure:
        result.lines.clear()
        result.final.clear()
    return result


def replay(seed: int, *, only: str, acts: int | None) -> int:
    """Play one seed, print everything, and say whether it can be repeated."""
    narrowed = frozenset(only.split(",")) if only else None
    results = [play(scenario(seed, only=narrowed, acts=acts), seed=seed) for _ in range(2)]
    print(scenario(seed, only=narrowed, acts=acts).words)
    print("\n".join(results[0].lines))
    same = results[0].digest == results[1].digest
    print(f"seed {seed}: {results[0].failure or 'held'}")
    print(f"trace {results[0].digest}{'' if same else f' AND {results[1].digest}: not repeatable'}")
    return 0 if same and not results[0].failure else 1


def shrink(seed: int) -> tuple[str, int]:
    """The fewest kinds of faults and acts with which this seed still fails the same way."""
    whole = play(scenario(seed), seed=seed)
    broken = whole.failure.split(":")[0]
    kinds = sorted(scenario(seed).faults)

    def fails(chosen: list[str], acts: int | None) -> bool:
        narrowed = frozenset(chosen)
        result = play(scenario(seed, only=narrowed, acts=acts), seed=seed)
        return result.failure.split(":")[0] == broken

    for kind in list(kinds):
        rest = [it for it in kinds if it != kind]
        if fails(rest, None):
            kinds = rest
    acts = next(n for n in (*range(1, 5), 99) if n == 99 or fails(kinds, n))
    return ",".join(kinds) or "none", acts


def many(seeds: range, *, jobs: int) -> int:
    """Play a range of seeds on all cores; prints progress, failures and the final table."""
    report = Report(jobs=jobs)
    started = time.monotonic()
    with _results(seeds, jobs) as results, progress_bar() as bar:
        task = bar.add_task("", total=len(seeds), rate=0.0, failed=0)
        for count, result in enumerate(results, start=1):
            report.add(result)
            if result.failure:
                print(f"seed {result.seed}: {result.failure.strip().splitlines()[-1]}", flush=True)
            rate = count / (time.monotonic() - started)
            bar.update(task, completed=count, rate=rate, failed=len(report.failures))
    print(report.table(time.monotonic() - started))
    for seed in report.failures[:3]:
        kinds, acts = shrink(seed)
        shrunk = scenario(seed, only=frozenset(kinds.split(",")), acts=acts)
        print(
            f"replay: PYTHONPATH=probe python -m tests.sim --replay {seed} --only {kinds} --acts {acts}"
        )
        print(textwrap.indent(shrunk.words, "  "))
    for name in report.missing():
        print(f"never occurred: {name}")
    return 1 if report.failures or report.missing() else 0


def progress_bar() -> Progress:
    """On standard error; the table on standard output stays clean."""
    return Progress(
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("seeds, {task.fields[rate]:.1f}/s, {task.fields[failed]} failed, left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


@contextmanager
def _results(seeds: range, jobs: int) -> Iterator[Iterable[Result]]:
    """Results as they come. The processes are forked before the bar starts its thread."""
    if jobs == 1:
        settle()
        yield map(one, seeds)
        return
    with multiprocessing.Pool(jobs, initializer=settle) as pool:
        yield pool.imap_unordered(one, seeds, chunksize=4)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim")
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--start", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--replay", type=int)
    parser.add_argument("--only", default="", help="kinds of faults, by comma; none for no faults")
    parser.add_argument("--acts", type=int)
    given = parser.parse_args()
    if given.replay is not None:
        return replay(given.replay, only=given.only, acts=given.acts)
    return many(range(given.start, given.start + given.seeds), jobs=given.jobs)


if __name__ == "__main__":
    sys.exit(main())
