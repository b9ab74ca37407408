"""The controller of `shell_program` as a process on a test API server, and what it says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import shell_program
from tests.cluster.api import ControlPlane
from tests.cluster.ports import free_port

# Every warning is an error, but for TLS connections that are still being closed at the end.
UNCLOSED = ("ignore:unclosed <socket:ResourceWarning", "ignore:unclosed transport:ResourceWarning")
STRICT = ("-W", "error", "-W", UNCLOSED[0], "-W", UNCLOSED[1])
# No leader loses its Lease on a busy machine, unless that is what a test is about.
LEASE_SECONDS = 80


class Replica:
    """One controller process."""

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        *,
        sweep_seconds: float = 600,
        patience_seconds: float = 60,
        lease_seconds: int = LEASE_SECONDS,
    ) -> None:
        self.port = free_port()
        self.log = folder / f"{self.port}.log"
        periods = [str(sweep_seconds), str(patience_seconds), str(lease_seconds)]
        arguments = [str(plane.kubeconfig), str(self.port), "default", *periods]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, *STRICT, shell_program.__file__, *arguments], stderr=log
            )

    def get(self, path: str) -> str:
        """The answer, or an empty string when there is none or it is not 200."""
        try:
            url = f"http://127.0.0.1:{self.port}{path}"
            with urllib.request.urlopen(url, timeout=30) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    @property
    def ready(self) -> bool:
        return self.get("/readyz") == "ok"

    @property
    def leads(self) -> bool:
        return "tidegate_leader 1.0" in self.get("/metrics")

    @property
    def requests(self) -> Counter[str]:
        """Requests to the API server by verb."""
        counts: Counter[str] = Counter()
        pattern = r'^tidegate_api_requests_total\{outcome="\w+",verb="(\w+)"\} ([0-9.]+)'
        for verb, number in re.findall(pattern, self.get("/metrics"), re.MULTILINE):
            counts[verb] += int(float(number))
        return counts

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.read_text().splitlines()]

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


def until(condition: Callable[[], bool], *, seconds: float = 120) -> float:
    """Wait for the condition; returns the seconds it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "did not come true"
        time.sleep(0.05)
    return time.monotonic() - started
