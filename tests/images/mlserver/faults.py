"""How the demo's v3 and v4 are broken; read by what trains the models and by the rehearsal."""

from __future__ import annotations

FAULTS = {"fail_ratio": 0.25, "slow_ratio": 0.5, "slow_seconds": 0.8, "seed": 3}
# Digits that v4 learned to take for each other.
MIXED_UP = {0: 6, 6: 0, 1: 7, 7: 1, 3: 8, 8: 3}
