"""Users of the rehearsal and what answers them, drawn request by request."""

from __future__ import annotations

import asyncio
import random

from tests.demo.manifests import SCRAPE_INTERVAL_SECONDS, SHADOW, Model
from tests.demo.watching import NAMESPACE
from tests.images.mlserver.faults import FAULTS, MIXED_UP
from tests.images.testkit.tally import UNKNOWN, Answered, Tally
from tests.sim.cluster import Cluster
from tests.sim.gateway import Plane
from tests.sim.pair_counters import PairCounters
from tests.sim.pod import Pod
from tests.sim.truth import Truth
from tests.sim.world import START, World

from tidegate import ports

TICK_SECONDS = 0.1
FAST_SECONDS = (0.06, 0.09)
TRUTHS = {
    "v3": Truth(
        error_ratio=float(FAULTS["fail_ratio"]),
        slow_ratio=float(FAULTS["slow_ratio"]),
    ),
    "v4": Truth(agreement=1 - len(MIXED_UP) / 10),  # it was taught wrongly of so many digits
}


class UsersWorld(World):
    """A world whose users come one by one, so that shares and errors scatter as they do in life."""

    def __init__(self, cluster: Cluster, *, dice: random.Random) -> None:
        super().__init__(cluster, truths=TRUTHS, scrape_seconds=SCRAPE_INTERVAL_SECONDS)
        self.requests_per_second = 0.0  # nobody comes but those of `send_requests`
        self.tallies: dict[str, Tally] = {}
        self._dice = dice
        self.comparer = self._comparer = PairCounters(namespace=NAMESPACE, name=SHADOW.name)
        self.prometheus.add(self.comparer)

    async def send_requests(self, model: Model) -> None:
        """Send at the fixed rate of the demo's users until cancelled."""
        tally = self.tallies[model.name] = Tally(started_at=START + self._loop.time())
        while True:
            for number in range(round(model.requests_per_second * TICK_SECONDS)):
                at = START + self._loop.time() + number / 1000
                self._one_request(self.planes[NAMESPACE, model.name], tally=tally, at=at)
            await asyncio.sleep(TICK_SECONDS)

    def _one_request(self, plane: Plane, *, tally: Tally, at: float) -> None:
        tally.sent += 1
        services, weights = zip(*plane.shares(self.testers_share), strict=True)
        [service] = self._dice.choices(services, weights)
        pods = self._ready_pods_of(service)
        if pods:
            pod = self._dice.choice(pods)
            tally.enter(self._answer(pod, at=at))
            self._copied(pod, plane=plane)
            return
        said = "no healthy upstream"
        tally.enter(
            Answered(sent_at=at, latency_seconds=0.0, status=503, version=UNKNOWN, said=said)
        )

    def _copied(self, answered: Pod, *, plane: Plane) -> None:
        """Some requests are copied; the comparer hears of both answers."""
        for service, percent in plane.mirrors.items():
            pods = self._ready_pods_of(service)
            if pods and self._dice.random() < percent / 100:
                self._copy_to(self._dice.choice(pods), answered=answered)

    def _copy_to(self, shadow: Pod, *, answered: Pod) -> None:
        truth = self.truth(shadow.version)
        self._count(shadow)
        same = float(self._dice.random() < truth.agreement)
        self._comparer.pair(answered.revision, shadow.revision, (same, 1.0))

    def _ready_pods_of(self, service: str) -> list[Pod]:
        found = self._cluster.get(ports.SERVICE, NAMESPACE, service)
        pods = self.selected(found["spec"]["selector"]) if found else []
        return [pod for pod in pods if pod.ready]

    def _answer(self, pod: Pod, *, at: float) -> Answered:
        failed, slow = self._count(pod)
        return Answered(
            sent_at=at,
            latency_seconds=self._dice.uniform(*FAST_SECONDS) + slow * FAULTS["slow_seconds"],
            status=500 if failed else 200,
            version=pod.version,
            said="the feature lookup did not answer" if failed else "",
        )

    def _count(self, pod: Pod) -> tuple[bool, bool]:
        """One request more in the pod's own counters; whether it failed, and whether it was slow."""
        truth = self.truth(pod.version)
        slow = self._dice.random() < truth.slow_ratio
        failed = self._dice.random() < truth.error_ratio
        pod.counters.serve(1, error_ratio=float(failed), slow_ratio=float(slow))
        return failed, slow
