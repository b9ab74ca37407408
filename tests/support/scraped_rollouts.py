"""What Prometheus would have scraped of the operator during rollouts, for tests that ask a Prometheus."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

SCRAPE_SECONDS = 15.0


@dataclass(slots=True)
class Scraped:
    """Lines of an exposition, by the instant of the scrape."""

    scrapes: dict[float, list[str]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """From the first scrape to the last."""
        return max(self.scrapes) - min(self.scrapes)

    def document(self, *, ending_at: float) -> str:
        """OpenMetrics, as if the last scrape were then; instants in values are moved along."""
        later = ending_at - max(self.scrapes)
        lines = [
            f"{_moved(line, later)} {at + later:.3f}"
            for at, scrape in self.scrapes.items()
            for line in scrape
        ]
        return "\n".join([*lines, "# EOF", ""])


def scraped() -> Scraped:
    """The rollouts of `tests.sim.scraped`, played in a process of their own."""
    command = [sys.executable, "-m", "tests.sim.scraped"]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return Scraped(scrapes={float(at): lines for at, lines in found.items()})


def _moved(line: str, later: float) -> str:
    name, _, value = line.rpartition(" ")
    if "_timestamp_seconds{" not in name:
        return line
    return f"{name} {float(value) + later}"
