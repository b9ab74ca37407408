"""Users of the rehearsal and what answers them, drawn request by request."""

from __future__ import annotations

import asyncio
import itertools
import random
from functools import lru_cache

import numpy as np
from tests.demo.manifests import SCRAPE_INTERVAL_SECONDS, SHADOW, Model
from tests.demo.watching import NAMESPACE
from tests.images.mlserver.cells import FEATURES, inks
from tests.images.mlserver.faults import FAULTS, LOST_ROWS, MIXED_UP
from tests.images.mlserver.rows import held_out_rows
from tests.images.testkit.tally import UNKNOWN, Answered, Tally
from tests.sim.cluster import Cluster
from tests.sim.gateway import Plane
from tests.sim.pair_counters import PairCounters
from tests.sim.pod import Pod
from tests.sim.truth import Mix, Truth
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
    "v6": Truth(agreement=0.4),  # about what the demo's is right in, by its training
}
LOSES = {"v6": LOST_ROWS}
EDGES = (0.0, 4.0, 8.0, 12.0, 16.0)  # of ink, in place of a profile
BINS = (*(f"{edge:g}" for edge in EDGES), "+Inf", "missing", "other")


class UsersWorld(World):
    """A world whose users come one by one, so that shares and errors scatter as they do in life."""

    def __init__(self, cluster: Cluster, *, dice: random.Random) -> None:
        super().__init__(cluster, truths=TRUTHS, scrape_seconds=SCRAPE_INTERVAL_SECONDS)
        self.requests_per_second = 0.0  # nobody comes but those of `send_requests`
        self.mix = {feature: dict.fromkeys(BINS, 0.0) for feature in FEATURES}  # all are there
        self.tallies: dict[str, Tally] = {}
        self._images = itertools.cycle(range(len(_seen())))
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
            image = next(self._images)
            tally.enter(self._answer(pod, image=image, at=at))
            self._copied(pod, image=image, plane=plane)
            return
        said = "no healthy upstream"
        tally.enter(
            Answered(sent_at=at, latency_seconds=0.0, status=503, version=UNKNOWN, said=said)
        )

    def _copied(self, answered: Pod, *, image: int, plane: Plane) -> None:
        """Some requests are copied; the comparer hears of both answers."""
        for service, percent in plane.mirrors.items():
            pods = self._ready_pods_of(service)
            if pods and self._dice.random() < percent / 100:
                self._copy_to(self._dice.choice(pods), image=image, answered=answered)

    def _copy_to(self, shadow: Pod, *, image: int, answered: Pod) -> None:
        truth = self.truth(shadow.version)
        self._count(shadow, image=image)
        same = float(self._dice.random() < truth.agreement)
        self._comparer.pair(answered.revision, shadow.revision, (same, 1.0))

    def _ready_pods_of(self, service: str) -> list[Pod]:
        found = self._cluster.get(ports.SERVICE, NAMESPACE, service)
        pods = self.selected(found["spec"]["selector"]) if found else []
        return [pod for pod in pods if pod.ready]

    def _answer(self, pod: Pod, *, image: int, at: float) -> Answered:
        failed, slow = self._count(pod, image=image)
        return Answered(
            sent_at=at,
            latency_seconds=self._dice.uniform(*FAST_SECONDS) + slow * FAULTS["slow_seconds"],
            status=500 if failed else 200,
            version=pod.version,
            said="the feature lookup did not answer" if failed else "",
        )

    def _count(self, pod: Pod, *, image: int) -> tuple[bool, bool]:
        """One request more in the pod's own counters; whether it failed, and whether it was slow."""
        truth = self.truth(pod.version)
        slow = self._dice.random() < truth.slow_ratio
        failed = self._dice.random() < truth.error_ratio
        pod.counters.serve(1, error_ratio=float(failed), slow_ratio=float(slow))
        pod.counters.observe(1, _seen(LOSES.get(pod.version, ()))[image])
        return failed, slow


@lru_cache
def _seen(lost_rows: tuple[int, ...] = ()) -> tuple[Mix, ...]:
    """What a version is fed of each image that no model has seen: the bin of each feature."""
    fed = inks(held_out_rows().pixels, lost_rows=lost_rows)
    bins = [[BINS[at] for at in row] for row in np.searchsorted(EDGES, fed)]
    return tuple(
        {feature: {name: 1.0} for feature, name in zip(FEATURES, row, strict=True)} for row in bins
    )
