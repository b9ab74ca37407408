"""How the demo's v3 is broken; read by what trains the models and by the rehearsal."""

from __future__ import annotations

FAULTS = {"fail_ratio": 0.25, "slow_ratio": 0.5, "slow_seconds": 0.8, "seed": 3}
