"""Users of the rehearsal and what answers them, drawn request by request."""

from __future__ import annotations

import asyncio
import random

from tests.demo.manifests import SCRAPE_INTERVAL_SECONDS
from tests.images.mlserver.faults import FAULTS
from tests.images.testkit.tally import UNKNOWN, Answered, Tally
from tests.sim.cluster import Cluster
from tests.sim.truth import Truth
from tests.sim.world import START, Pod, World

REQUESTS_PER_TICK = 10
TICK_SECONDS = 0.1  # as many requests per second as the demo's users send
FAST_SECONDS = (0.06, 0.09)
TRUTHS = {
    "v3": Truth(
        error_ratio=float(FAULTS["fail_ratio"]),
        slow_ratio=float(FAULTS["slow_ratio"]),
    )
}


class UsersWorld(World):
    """A world whose users come one by one, so that shares and errors scatter as they do in life."""

    def __init__(self, cluster: Cluster, *, dice: random.Random) -> None:
        super().__init__(cluster, truths=TRUTHS, scrape_seconds=SCRAPE_INTERVAL_SECONDS)
        self.requests_per_second = 0.0  # nobody comes but those of `send_requests`
        self.tally = Tally(started_at=START)
        self._dice = dice

    async def send_requests(self) -> None:
        """Send at a fixed rate until cancelled."""
        while True:
            for number in range(REQUESTS_PER_TICK):
                self._one_request(at=START + self._loop.time() + number / 1000)
            await asyncio.sleep(TICK_SECONDS)

    def _one_request(self, *, at: float) -> None:
        self.tally.sent += 1
        selectors, weights = zip(*self.shares(), strict=True)
        [selector] = self._dice.choices(selectors, weights)
        pods = [pod for pod in self.selected(selector) if pod.ready]
        if pods:
            answered = self._answer(self._dice.choice(pods), at=at)
        else:
            said = "no healthy upstream"
            answered = Answered(
                sent_at=at, latency_seconds=0.0, status=503, version=UNKNOWN, said=said
            )
        self.tally.enter(answered)

    def _answer(self, pod: Pod, *, at: float) -> Answered:
        truth = self.truth(pod.version)
        slow = self._dice.random() < truth.slow_ratio
        failed = self._dice.random() < truth.error_ratio
        pod.counters.serve(1, error_ratio=float(failed), slow_ratio=float(slow))
        return Answered(
            sent_at=at,
            latency_seconds=self._dice.uniform(*FAST_SECONDS) + slow * FAULTS["slow_seconds"],
            status=500 if failed else 200,
            version=pod.version,
            said="the feature lookup did not answer" if failed else "",
        )
