"""The Job controller of a play: a Job runs for a while, then it has succeeded or failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.sim.cluster import Change
from tests.sim.fields import Object

from tidegate import ports
from tidegate.adapters import kube_http as http

if TYPE_CHECKING:
    from tests.sim.run import Run

RUNS_SECONDS = 20.0


class Jobs:
    """Every Job that was made, and how it ends. `fail` and `hang` hold for those that begin next."""

    def __init__(self, run: Run, *, fail: bool = False, hang: bool = False) -> None:
        self._run = run
        self.fail = fail
        self.hang = hang
        self.made: list[Object] = []
        run.cluster.listeners.append(self._look)

    @property
    def live(self) -> list[Object]:
        """Those that are there."""
        return list(self._run.cluster.all(ports.JOB))

    def finish(self, job: Object, kind: str, reason: str = "") -> None:
        """Its end, as the controller writes it."""
        metadata = job["metadata"]
        if not self._run.cluster.exists(metadata["uid"]):
            return
        condition = {"type": kind, "status": "True", "reason": reason}
        path = http.path(ports.JOB, namespace=metadata["namespace"], name=metadata["name"])
        self._run.cluster.handle(
            http.Request(
                verb="status",
                method="PATCH",
                path=f"{path}/status",
                body=[{"op": "add", "path": "/status", "value": {"conditions": [condition]}}],
                content_type=http.JSON_PATCH,
                query=(("fieldManager", "world"),),
            ),
            actor="world",
        )

    def _look(self, change: Change) -> None:
        if change.kind is not ports.JOB or change.verb != "create" or change.new is None:
            return
        job = change.new
        self.made.append(job)
        seconds, kind, reason = RUNS_SECONDS, "Complete", ""
        if self.hang:
            seconds = float(job["spec"]["activeDeadlineSeconds"])
            kind, reason = "Failed", "DeadlineExceeded"
        elif self.fail:
            kind, reason = "Failed", "BackoffLimitExceeded"
        self._run.loop.call_later(seconds, lambda: self.finish(job, kind, reason))
