"""How soon harm is found that begins after a long healthy wait, on the intervals of the real grid."""

from __future__ import annotations

import pytest
from evidence_rows import INDEPENDENT, UNMEASURED
from late_onset import HOUR, minutes_to_find

from tidegate.evidence.counts.dispersion import Phi

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover


# With rows of half an hour, as they grew to before: 9, 233 and 25 minutes after three days.
@pytest.mark.parametrize(
    ("theta", "phi", "limit"),
    [(3.0, INDEPENDENT, 14.0), (5.0, UNMEASURED, 50.0), (100.0, UNMEASURED, 10.0)],
    ids=["x3, measured", "x5, one pod", "half fail, one pod"],
)
@pytest.mark.parametrize("wait", [72 * HOUR], ids=["3 days"])
def test_harm_after_a_long_wait_is_found_within_minutes(
    wait: float, theta: float, phi: Phi, limit: float
) -> None:
    found = minutes_to_find(wait=wait, theta=theta, phi=phi)
    assert found <= limit
