"""One pod of the simulated world."""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim.metrics import PodCounters


@dataclass(slots=True, kw_only=True)
class Pod:
    """One pod of a Deployment."""

    name: str
    namespace: str
    revision: str
    version: str
    labels: dict[str, str]
    counters: PodCounters
    created_at: float = 0.0  # seconds of the run
    ready: bool = False
    gone: bool = False

    @property
    def address(self) -> str:
        return self.counters.labels["instance"].split(":")[0]
