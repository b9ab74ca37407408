"""Every call of every scenario: crash before and after it, lose its reply, delay it past a leader.

Each position must keep all invariants and end in the state of the undisturbed run. The corpus has
the writes of a few plays for each mode; `make sim-crash` has every play, every mode, and for
crashes, lost replies and refusals every request, reads and the Lease too.
"""

from __future__ import annotations

import pytest
from tests.sim.crash import AT_EVERY_CALL, EVERY_MODE, Calls, Mode, enumerate_calls
from tests.sim.scenarios import BY_NAME

LEAST_CALLS = 12
IN_CORPUS = {
    Mode.CRASH_BEFORE: {"deleted"},
    Mode.CRASH_AFTER: {"promotion", "rollback", "promotion_by_pods"},
    Mode.REPLY_LOST: {"aborted"},
    Mode.REFUSED: {"rollback"},
    Mode.SLOW_LIST: {"rollback"},
    Mode.LATE: {
        "superseded_early",
        "back_early",
        "back_early_by_pods",
        "deleted_early",
        "first_replaced",
    },
}


@pytest.mark.parametrize("mode", EVERY_MODE)
@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_every_call_may_fail_in_every_way(name: str, mode: Mode, *, all_modes: bool) -> None:
    if not all_modes and name not in IN_CORPUS[mode]:
        pytest.skip("in `make sim-crash`")
    calls = Calls.ALL if all_modes and mode in AT_EVERY_CALL else Calls.WRITES
    outcomes = list(enumerate_calls(BY_NAME[name], mode, calls=calls))
    found = [finding for finding in outcomes if finding is not None]
    assert not found, f"{len(found)} of {len(outcomes)} positions, first: {found[0]}"
    assert len(outcomes) >= LEAST_CALLS
