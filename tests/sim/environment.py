"""What a simulated process of the operator lives in: API server, world, faults, time and chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from tests.sim.cluster import Change, Cluster
from tests.sim.fields import Object
from tests.sim.nemesis import Calm
from tests.sim.receiving import Receiver
from tests.sim.simloop import SimLoop
from tests.sim.trace import Recorder, Trace
from tests.sim.world import START, World

from tidegate import ports
from tidegate.adapters import kube_http as http
from tidegate.settings import Settings

if TYPE_CHECKING:
    from tests.sim.replica import Process

T = TypeVar("T")


class Environment:
    """Everything but the processes themselves; lives inside its loop."""

    def __init__(
        self,
        *,
        seed: int,
        loop: SimLoop,
        settings: Settings,
        make_world: Callable[[Cluster], World],
        make_nemesis: Callable[[random.Random], Calm] = Calm,
    ) -> None:
        self.loop = loop
        self.settings = settings
        self.dice = random.Random(f"{seed}/operator")
        self.trace = Trace(loop.time)
        self.recorder = Recorder(self.trace, on_leading=self._on_leading)
        self.cluster = Cluster(now=self.wall)
        self.log: list[Change] = []
        self.cluster.listeners.append(self._log)
        self.world = make_world(self.cluster)
        self.receiver = Receiver()
        self.nemesis = make_nemesis(random.Random(f"{seed}/nemesis"))

    def wall(self) -> datetime:
        """The wall clock of everybody but the operator."""
        return datetime.fromtimestamp(START + self.loop.time(), tz=UTC)

    def on_send(self, process: Process, request: http.Request) -> None:
        """A process that runs sends a request."""

    def on_pass_waited(self, process: Process, request: http.Request, seconds: float) -> None:
        """A pass is about to send a request; so long it has waited for something else."""

    def counted(self, work: Callable[[], T]) -> T:
        """Work that has a thread of its own in a real process."""
        return work()

    def snapshot(self, behind: int) -> tuple[list[tuple[ports.Kind, Object]], list[Change]]:
        """The cluster as it was some changes ago, and what has happened since."""
        found = {
            (kind.plural, body["metadata"].get("namespace", ""), body["metadata"]["name"]): (
                kind,
                body,
            )
            for kind in self.cluster.kinds.values()
            for body in self.cluster.all(kind)
        }
        missed = self.log[max(0, len(self.log) - behind) :] if behind else []
        for change in reversed(missed):
            metadata = change.body["metadata"]
            key = (change.kind.plural, metadata.get("namespace", ""), metadata["name"])
            if change.old is None:
                found.pop(key, None)
            else:
                found[key] = (change.kind, change.old)
        return [found[key] for key in sorted(found)], missed

    def refresh_pods(self) -> None:
        """Pods exist for the API only when somebody lists them."""
        self.cluster.put_pods(self.world.trouble())

    def _on_leading(self) -> None:
        """Leadership began or ended somewhere."""

    def _log(self, change: Change) -> None:
        self.log.append(change)
