"""Every write of every scenario: crash before and after it, lose its reply, delay it past a leader.

Each position must keep all invariants and end in the state of the undisturbed run.
"""

from __future__ import annotations

import pytest
from tests.sim.crash import EVERY_MODE, Mode, enumerate_writes
from tests.sim.scenarios import FIXED

LEAST_WRITES = 12


@pytest.mark.parametrize("mode", EVERY_MODE)
@pytest.mark.parametrize("name", [scenario.name for scenario in FIXED])
def test_every_write_may_fail_in_every_way(name: str, mode: Mode) -> None:
    scenario = next(it for it in FIXED if it.name == name)
    outcomes = list(enumerate_writes(scenario, mode))
    found = [finding for finding in outcomes if finding is not None]
    assert not found, f"{len(found)} of {len(outcomes)} positions, first: {found[0]}"
    assert len(outcomes) >= LEAST_WRITES
