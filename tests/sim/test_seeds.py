"""A corpus of drawn plays: every invariant, the liveness bound, repeatability, and coverage."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.sim.bugs import BUGS, Bug
from tests.sim.drawn import ACTS, RARE_ACTS, scenario
from tests.sim.finds import PLAYS
from tests.sim.invariants import INVARIANTS, NAMES
from tests.sim.run import Result, play
from tests.sim.storm import KINDS

import tidegate

PARTS = 8
SEEDS_PER_PART = 25

# Seeds that found a bug once and hold since the fix: seed to one line of why. A seed loses its
# meaning when plays are drawn in another way, so each find is a play (finds.py) or a deliberate bug, too.
REGRESSIONS = {
    79: "after the clock went back the evidence began in the future: nothing was judged",
    20503: "an abort whose status write was lost was taken for an old mark, and traffic rose",
    22364: "a clock that goes back in the same pass in which a rollback is adopted",
    22606: "a pause beyond the progress deadline was looked at ten times a second",
    23224: "a clock that went back dated a step anew while its rollout rolled back",
}


def played(seed: int) -> Result:
    result = play(scenario(seed), seed=seed)
    again = f"python -m tests.sim --replay {seed}"
    assert not result.failure, f"{result.failure}\n{again}"
    return result


@pytest.mark.parametrize("part", range(PARTS))
def test_every_invariant_holds_for_every_seed(part: int) -> None:
    for seed in range(part * SEEDS_PER_PART, (part + 1) * SEEDS_PER_PART):
        played(seed)


@pytest.mark.parametrize("seed", sorted(REGRESSIONS))
def test_mended_bugs_stay_mended(seed: int) -> None:
    played(seed)


@pytest.mark.parametrize("seed", [3, 8, 21])
def test_a_seed_decides_everything(seed: int) -> None:
    assert played(seed).digest == played(seed).digest


@pytest.mark.parametrize("name", sorted(PLAYS))
def test_fixed_plays_end_well_and_can_be_repeated(name: str) -> None:
    chosen = PLAYS[name]
    first, second = play(chosen, seed=1), play(chosen, seed=1)
    assert not first.failure
    assert first.digest == second.digest


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name)
def test_every_deliberate_bug_still_fits_the_code(bug: Bug) -> None:
    package = Path(tidegate.__file__).parent
    for name, old, _, times in bug.patches:
        assert (package / name).read_text().count(old) == times, name
    assert set(bug.plays) <= PLAYS.keys()


def test_every_invariant_has_a_row() -> None:
    rows = {name for invariant in INVARIANTS for name in invariant.names}
    assert rows == NAMES


def test_the_dice_reach_every_fault_and_every_act() -> None:
    """What the long run demands by name is drawn often enough in the corpus."""
    drawn: Counter[str] = Counter()
    for seed in range(PARTS * SEEDS_PER_PART):
        chosen = scenario(seed)
        drawn.update(chosen.acts)
        drawn.update(chosen.faults)
    missing = {act for act, _ in (*ACTS, *RARE_ACTS)} | set(KINDS)
    assert not missing - drawn.keys()
