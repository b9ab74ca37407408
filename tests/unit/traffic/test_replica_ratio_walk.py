"""Whole rollouts through ReplicaRatio: pods, selector and share together.

A rollout asks for pods, waits for the candidate, writes the documents and reads them back, as the
state machine does. Pods become ready after a number of rounds that hypothesis chooses.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

from hypothesis import given, settings
from hypothesis import strategies as st
from traffic_examples import CANDIDATE, META, PORT, SPEC, STABLE, found, stored

from tidegate import model
from tidegate.traffic.plane import (
    NO_PODS,
    CapacityRequest,
    PodCount,
    Target,
    WantedDocument,
    plane_of,
)
from tidegate.traffic.sizing.limits import limits

PLANE = plane_of(model.Traffic(provider=model.Provider.REPLICA_RATIO))
ROUNDS = 300
unhurried = settings(deadline=None)  # a whole rollout per example, on a machine that may be busy


@dataclass
class Fleet:
    """Pods of one revision as the rounds that each still needs to get ready."""

    rounds_left: list[int] = field(default_factory=list)

    @property
    def ready(self) -> int:
        return self.rounds_left.count(0)

    def scale(self, replicas: int, *, rounds: int) -> None:
        """Unready pods go first, as a ReplicaSet does it."""
        self.rounds_left.sort()
        self.rounds_left = self.rounds_left[:replicas]
        self.rounds_left += [rounds] * (replicas - len(self.rounds_left))

    def pass_round(self) -> None:
        self.rounds_left = [max(rounds - 1, 0) for rounds in self.rounds_left]

    def count(self) -> PodCount:
        return PodCount(wanted=len(self.rounds_left), available=self.ready)


class Cluster:
    """One ModelDeployment under ReplicaRatio, stable at full size and serving."""

    def __init__(self, spec: model.Spec, *, rounds_to_ready: int) -> None:
        self.spec = spec
        self.rounds_to_ready = rounds_to_ready
        self.fleets = {STABLE: Fleet([0] * spec.replicas), CANDIDATE: Fleet()}
        self.entry = self._wanted_entry(0.0, entry_revision=STABLE)

    def ready_pods(self) -> dict[str, int]:
        return {revision: fleet.ready for revision, fleet in self.fleets.items()}

    def traffic(self) -> model.TrafficState:
        live = found((self.entry, stored(self.entry)))
        return PLANE.read(live, meta=META, spec=self.spec, ready_pods=self.ready_pods())

    def share(self) -> float:
        return self.traffic().weights.get(CANDIDATE, 0.0)

    def serving(self) -> int:
        """Ready pods behind the entry Service."""
        selected = self.traffic().entry_revision
        ready = self.ready_pods()
        return ready[selected] if selected else sum(ready.values())

    def walk(self, weight_percent: float) -> Iterator[None]:
        """Go to a weight, one round at a time, until it is reached."""
        share = PLANE.sizing.effective_weight(
            weight_percent, replicas=self.spec.replicas, scaling=self.spec.scaling
        )
        needed = PLANE.sizing.candidate_needed(
            weight_percent, replicas=self.spec.replicas, scaling=self.spec.scaling
        )
        for _ in range(ROUNDS):
            self.resize(share)
            yield
            if self.fleets[CANDIDATE].ready >= needed:
                self.set_weight(share)
            yield
            if self.share() == share and self._pods_settled(share):
                return
            for fleet in self.fleets.values():
                fleet.pass_round()
        raise AssertionError(f"never reached {share}: {self.share()} {self.ready_pods()}")

    def resize(self, weight_percent: float) -> None:
        wanted = PLANE.sizing.capacity(
            CapacityRequest(
                replicas=self.spec.replicas,
                scaling=self.spec.scaling,
                target_percent=weight_percent,
                live_percent=self.share(),
                stable=self.fleets[STABLE].count(),
                candidate=self.fleets[CANDIDATE].count(),
                others=NO_PODS,
            )
        )
        self.fleets[STABLE].scale(wanted.stable, rounds=self.rounds_to_ready)
        self.fleets[CANDIDATE].scale(wanted.candidate, rounds=self.rounds_to_ready)

    def set_weight(self, weight_percent: float) -> None:
        entry_revision = self.traffic().entry_revision
        self.entry = self._wanted_entry(weight_percent, entry_revision=entry_revision)

    def _pods_settled(self, share: float) -> bool:
        return PLANE.sizing.weight_reached(
            share,
            replicas=self.spec.replicas,
            scaling=self.spec.scaling,
            stable_ready=self.fleets[STABLE].ready,
            candidate_ready=self.fleets[CANDIDATE].ready,
        )

    def _wanted_entry(self, weight_percent: float, *, entry_revision: str) -> WantedDocument:
        (entry,) = PLANE.documents(
            Target(
                meta=META,
                spec=self.spec,
                stable=STABLE,
                candidate=CANDIDATE,
                exposure=model.Exposure(live_percent=weight_percent),
                marker="",
                ports={STABLE: PORT, CANDIDATE: PORT},
                ready_pods=self.ready_pods(),
                entry_revision=entry_revision,
            )
        )
        return entry


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    surge_percent = draw(st.sampled_from([0, 10, 25, 100]))
    spec = replace(
        SPEC,
        # A single pod without surge can only be replaced by stopping it first.
        replicas=draw(st.integers(2 if surge_percent == 0 else 1, 12)),
        scaling=model.Scaling(
            max_surge_percent=surge_percent,
            max_unavailable_percent=draw(st.sampled_from([0, 10, 25])),
        ),
    )
    return Cluster(spec, rounds_to_ready=draw(st.integers(0, 4)))


rising = st.lists(st.integers(1, 100), min_size=0, max_size=4, unique=True).map(sorted)


@unhurried
@given(clusters(), rising)
def test_a_promotion_never_lacks_pods_and_never_gives_more_than_the_step(
    cluster: Cluster, weights: list[int]
) -> None:
    allowed = limits(cluster.spec.replicas, scaling=cluster.spec.scaling)
    floor = cluster.spec.replicas - allowed.unavailable_pods
    for weight in [*weights, 100]:
        limit = PLANE.sizing.effective_weight(
            weight, replicas=cluster.spec.replicas, scaling=cluster.spec.scaling
        )
        for _ in cluster.walk(weight):
            assert cluster.serving() >= max(floor, 1)
            assert cluster.share() <= limit
            total = sum(len(fleet.rounds_left) for fleet in cluster.fleets.values())
            assert total <= cluster.spec.replicas + allowed.surge_pods
    assert cluster.share() == 100.0


@unhurried
@given(clusters(), rising, st.integers(0, 60))
def test_a_rollback_at_any_moment_always_leaves_somebody_to_answer(
    cluster: Cluster, weights: list[int], rounds_until_breach: int
) -> None:
    rounds = chain.from_iterable(cluster.walk(weight) for weight in [*weights, 100])
    for _ in islice(rounds, rounds_until_breach):
        pass
    for _ in range(60):  # enough for the largest fleet to come back pod by pod
        cluster.set_weight(0.0)
        assert cluster.serving() >= 1
        cluster.resize(0.0)
        assert cluster.serving() >= 1
        for fleet in cluster.fleets.values():
            fleet.pass_round()
    assert cluster.share() == 0.0
    assert cluster.traffic().entry_revision == STABLE
    assert cluster.ready_pods() == {STABLE: cluster.spec.replicas, CANDIDATE: 0}
