"""Hunts for a deliberate bug: `python -m tests.sim.hunt NAME` in a patched copy of the package.

Prints one line: what caught it and after how many runs. Fixed plays come first, then one crash
per write, then seeds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace

from tests.sim.bug import Bug
from tests.sim.bugs import BUGS
from tests.sim.crash import EVERY_MODE, Mode, disturbed
from tests.sim.drawn import scenario
from tests.sim.finds import PLAYS
from tests.sim.nemesis import Calm
from tests.sim.run import Result, Scenario, play

MOST_SEEDS = 90
MOST_WRITES = 60


def hunt(bug: Bug) -> str:
    """Who caught the bug, as columns of the table; empty when nobody did."""
    for runs, (found, result) in enumerate(attempts(bug), start=1):
        if result.failure:
            return f"{found} | {runs} | {result.failure.strip().splitlines()[-1][:90]}"
    return ""


def attempts(bug: Bug) -> Iterator[tuple[str, Result]]:
    """Runs in the order of their promise."""
    chosen = [PLAYS[name] for name in bug.plays]
    for one in chosen:
        yield f"play {one.name}", play(one, seed=1)
    # A play that brings its own weather cannot be disturbed in another way.
    calm = [one for one in chosen if one.make_nemesis is Calm]
    for mode in bug.modes:
        for one in calm:
            yield from _one_by_one(one, mode)
    for seed in range(MOST_SEEDS):
        yield f"seed {seed}", play(scenario(seed), seed=seed)
    for mode in [it for it in EVERY_MODE if it not in bug.modes]:
        for one in calm:
            yield from _one_by_one(one, mode)


def _one_by_one(chosen: Scenario, mode: Mode) -> Iterator[tuple[str, Result]]:
    reference: Result | None = None
    for position in range(MOST_WRITES):
        result = play(disturbed(chosen, mode, position=position), seed=1)
        if reference is None:
            reference = result
        elif not any(f"{mode} at write" in line for line in result.lines):
            return
        elif not result.failure and result.final != reference.final:
            result = replace(result, failure="another end state than undisturbed")
        yield f"{chosen.name}, write {position}: {mode}", result


def main() -> int:
    bug = next(it for it in BUGS if it.name == sys.argv[1])
    print(hunt(bug))
    return 0


if __name__ == "__main__":
    sys.exit(main())
