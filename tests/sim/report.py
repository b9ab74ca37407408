"""The table at the end of many runs: how much, how fast, what was covered, what failed."""

from __future__ import annotations

from collections import Counter

from tests.sim.drawn_plan import ACTS, LATENCY_ACT, PARK_ACT, RARE_ACTS, REVISION_ACTS
from tests.sim.drawn_policies import POLICY_ACTS
from tests.sim.drawn_steering import STEERING_ACTS
from tests.sim.drawn_watch import WEAR_ACT
from tests.sim.edits import EDITS
from tests.sim.run import Result
from tests.sim.storm import KINDS

FEW_SEEDS = 10_000  # fewer need not reach everything: the rarest comes four times in 2,500
TRANSITIONS = (
    "None -> Initializing",
    "Initializing -> Healthy",
    "Initializing -> RollingBack",
    "Initializing -> Failed",
    "Healthy -> Pending",
    "Pending -> Progressing",
    "Pending -> RolledBack",
    "Pending -> RollingBack",
    "Pending -> Paused",
    "Pending -> Healthy",
    "Progressing -> Paused",
    "Progressing -> Pending",
    "Progressing -> Promoting",
    "Progressing -> RollingBack",
    "Progressing -> Terminating",
    "Paused -> Progressing",
    "Paused -> RollingBack",
    "Promoting -> Healthy",
    "Promoting -> Baking",
    "Baking -> Healthy",
    "Promoting -> RollingBack",
    "RollingBack -> RolledBack",
    "RollingBack -> Failed",
    "RollingBack -> Healthy",
    "RollingBack -> Pending",
    "RolledBack -> Healthy",
    "RolledBack -> Pending",
    "Healthy -> Invalid",
    "Invalid -> Healthy",
)
ACTIONS = (
    "CreateRevision",
    "Scale",
    "SetRole",
    "SetTraffic",
    "SetTraffic lowering",
    "DeleteRevision",
    "AddFinalizer",
    "RemoveFinalizer",
    "Event",
)
VERDICTS = (
    "NotRunning",
    "Warmup",
    "AllPassing",
    "Breached",
    "NoData",
    "Insufficient",
    "Undecided",
    "MetricsUnavailable",
    "Error",
    "Stale",
    "TrafficSplit",
    "SharedIncident",
    "NoBaseline",
    "NoMetrics",
    "Saturated",
)
EDIT_ACTS = tuple(("edit", name) for name in EDITS)
DRAWN_ACTS = (
    *ACTS,
    *RARE_ACTS,
    *REVISION_ACTS,
    *STEERING_ACTS,
    *POLICY_ACTS,
    LATENCY_ACT,
    PARK_ACT,
    WEAR_ACT,
)
REQUIRED = (
    *(f"fault {kind}" for kind in KINDS),
    *(f"act {act} {argument}".strip() for act, argument in DRAWN_ACTS),
    *(f"phase {transition}" for transition in TRANSITIONS),
    *(f"action {action}" for action in ACTIONS),
    *(f"verdict {verdict}" for verdict in VERDICTS),
)


class Report:
    """Adds results up."""

    def __init__(self, *, jobs: int) -> None:
        self._jobs = jobs
        self.covered: Counter[str] = Counter()
        self.failures: list[int] = []
        self._seeds = 0
        self._virtual = 0.0
        self._slowest = (0.0, -1)
        self._passes = 0

    def add(self, result: Result) -> None:
        self._seeds += 1
        self._virtual += result.virtual_seconds
        self._passes += result.passes
        self._slowest = max(self._slowest, (result.real_seconds, result.seed))
        self.covered += result.covered
        if result.failure:
            self.failures.append(result.seed)

    def missing(self) -> list[str]:
        """What must have occurred in a run of many seeds, and did not."""
        if self._seeds < FEW_SEEDS:
            return []
        return [name for name in REQUIRED if not self.covered[name]]

    def table(self, seconds: float) -> str:
        """Everything as text."""
        rate = self._seeds / seconds
        slowest, seed = self._slowest
        rows = [
            f"seeds            {self._seeds} ({len(self.failures)} failed)",
            f"virtual hours    {self._virtual / 3600:.1f}",
            f"passes           {self._passes}",
            f"seeds per second {rate:.1f} with {self._jobs} processes",
            f"slowest seed     {seed} ({slowest:.2f} s)",
        ]
        for title in ("fault", "act", "phase", "action", "verdict", "result", "end", "problem"):
            rows.append(f"{title}:")
            found = sorted(it for it in self.covered.items() if it[0].startswith(f"{title} "))
            rows += [f"  {count:8d}  {name.removeprefix(title).strip()}" for name, count in found]
        return "\n".join(rows)
