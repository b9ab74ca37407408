"""Who makes room for a candidate: pods that are added, lent, or swapped in place."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rollout_world import make_spec

from tidegate import model
from tidegate.model import SurgePolicy
from tidegate.rollout.strategy.compile import fitted
from tidegate.traffic.interface import CapacityRequest, PodCount, Sizing, Wanted
from tidegate.traffic.sizing.by_pods import ByPods, split_pods
from tidegate.traffic.sizing.by_weight import ByWeight
from tidegate.traffic.sizing.limits import Limits, limits, spare_pods

BORROW = model.Scaling(surge_policy=SurgePolicy.BORROW, max_surge_percent=0.0)
RECREATE = model.Scaling(
    surge_policy=SurgePolicy.RECREATE, max_surge_percent=0.0, max_unavailable_percent=100.0
)


def scaling_of(
    policy: SurgePolicy, *, surge: float = 0.0, unavailable: float = 0.0
) -> model.Scaling:
    return model.Scaling(
        surge_policy=policy, max_surge_percent=surge, max_unavailable_percent=unavailable
    )


@pytest.mark.parametrize(
    ("replicas", "scaling", "expected", "spare"),
    [
        (4, BORROW, Limits(surge_pods=0, unavailable_pods=1, lent_pods=1), 1),
        (
            4,
            scaling_of(SurgePolicy.BORROW, surge=25),
            Limits(surge_pods=1, unavailable_pods=0, lent_pods=0),
            1,
        ),
        (
            8,
            scaling_of(SurgePolicy.BORROW, surge=25, unavailable=25),
            Limits(surge_pods=2, unavailable_pods=2, lent_pods=2),
            4,
        ),
        # A single pod cannot be lent: it is doubled, or swapped.
        (1, BORROW, Limits(surge_pods=1, unavailable_pods=0, lent_pods=0), 1),
        (1, RECREATE, Limits(surge_pods=0, unavailable_pods=1, lent_pods=1), 0),
        # Pods that make room are no excuse for moving everything to too few.
        (4, RECREATE, Limits(surge_pods=0, unavailable_pods=1, lent_pods=4), 3),
        (
            8,
            scaling_of(SurgePolicy.RECREATE, unavailable=25),
            Limits(surge_pods=0, unavailable_pods=1, lent_pods=2),
            2,
        ),
        (4, model.Scaling(), Limits(surge_pods=4, unavailable_pods=0, lent_pods=0), 4),
    ],
)
def test_percentages_become_pods_that_are_added_lent_or_missing(
    replicas: int, scaling: model.Scaling, expected: Limits, spare: int
) -> None:
    assert limits(replicas, scaling=scaling) == expected
    assert spare_pods(replicas, scaling=scaling) == spare


def asked(
    sizing: Sizing,
    scaling: model.Scaling,
    *,
    replicas: int,
    target: float,
    live: float,
    pods: tuple[int, int],
    older: int = 0,
) -> Wanted:
    stable, candidate = (PodCount(wanted=it, available=it) for it in pods)
    request = CapacityRequest(
        replicas=replicas,
        scaling=scaling,
        target_percent=target,
        live_percent=live,
        least_percent=live,
        stable=stable,
        candidate=candidate,
        others=PodCount(wanted=older, available=older),
    )
    return sizing.capacity(request)


S25 = scaling_of(SurgePolicy.BORROW, surge=25)
WITH_BOTH = scaling_of(SurgePolicy.BORROW, surge=25, unavailable=25)
# scaling, replicas, target, live, (stable, candidate) now | wanted next
PASSES = [
    # Borrow without surge: one pod at a time.
    (BORROW, 4, 50, 0, (4, 0), (3, 1)),
    (BORROW, 4, 50, 0, (3, 1), (3, 1)),
    (BORROW, 4, 50, 25, (3, 1), (2, 1)),
    (BORROW, 4, 50, 25, (2, 1), (2, 2)),
    # With a surge stable keeps its share, and gives up the rest before more is added.
    (S25, 4, 50, 0, (4, 0), (4, 1)),
    (S25, 4, 50, 25, (4, 1), (3, 1)),
    (S25, 4, 50, 25, (3, 1), (3, 2)),
    (S25, 4, 50, 50, (3, 2), (2, 2)),
    # Lent first, added then.
    (WITH_BOTH, 8, 50, 0, (8, 0), (6, 1)),
    (WITH_BOTH, 8, 50, 0, (6, 1), (6, 4)),
    # A single pod is doubled.
    (BORROW, 1, 10, 0, (1, 0), (1, 1)),
    # In place: the whole step at once, but for the last pod.
    (RECREATE, 4, 50, 0, (4, 0), (2, 1)),
    (RECREATE, 4, 50, 0, (2, 1), (2, 2)),
    (RECREATE, 4, 100, 50, (2, 2), (1, 2)),
    (RECREATE, 4, 100, 50, (1, 2), (1, 3)),
    (RECREATE, 2, 90, 0, (2, 0), (1, 1)),
    # No more than may be missing.
    (scaling_of(SurgePolicy.RECREATE, unavailable=25), 8, 50, 0, (8, 0), (6, 1)),
    (scaling_of(SurgePolicy.RECREATE, unavailable=25), 8, 50, 0, (6, 1), (6, 2)),
    # The only pod, there and back.
    (RECREATE, 1, 100, 0, (1, 0), (0, 1)),
    (RECREATE, 1, 0, 100, (0, 1), (1, 0)),
    # A share that was made for more pods keeps one on each side.
    (RECREATE, 1, 10, 10, (1, 1), (1, 1)),
    # The way back.
    (BORROW, 4, 0, 50, (2, 2), (3, 1)),
    (RECREATE, 4, 0, 50, (2, 2), (3, 1)),
    (BORROW, 4, 0, 0, (3, 1), (4, 0)),
]


@pytest.mark.parametrize(("scaling", "replicas", "target", "live", "pods", "wanted"), PASSES)
def test_one_pass_where_a_route_makes_the_share(
    scaling: model.Scaling,
    replicas: int,
    target: float,
    live: float,
    *,
    pods: tuple[int, int],
    wanted: tuple[int, int],
) -> None:
    found = asked(ByWeight(), scaling, replicas=replicas, target=target, live=live, pods=pods)
    assert (found.stable, found.candidate) == wanted


@pytest.mark.parametrize(
    ("scaling", "replicas", "target", "pods", "wanted"),
    [
        (BORROW, 4, 50, (4, 0), (3, 0)),
        (BORROW, 4, 50, (3, 0), (3, 1)),
        (S25, 4, 50, (4, 0), (4, 1)),  # nothing can be lent: one is added
        (S25, 4, 50, (4, 1), (3, 1)),
        (WITH_BOTH, 8, 50, (8, 0), (6, 0)),  # two are lent before any is added
        (WITH_BOTH, 8, 50, (6, 0), (6, 4)),
        (model.Scaling(max_surge_percent=25, max_unavailable_percent=25), 8, 50, (8, 0), (6, 2)),
        (RECREATE, 4, 50, (4, 0), (2, 0)),
        (RECREATE, 4, 50, (2, 0), (2, 2)),
    ],
)
def test_one_pass_where_pods_make_the_share(
    scaling: model.Scaling,
    replicas: int,
    target: float,
    pods: tuple[int, int],
    wanted: tuple[int, int],
) -> None:
    found = asked(ByPods(), scaling, replicas=replicas, target=target, live=50, pods=pods)
    assert (found.stable, found.candidate) == wanted


def test_pods_of_older_revisions_take_room_where_none_is_added() -> None:
    seen = asked(ByWeight(), RECREATE, replicas=4, target=50, live=0, pods=(2, 0), older=2)
    assert (seen.stable, seen.candidate) == (2, 0)
    free = asked(ByWeight(), model.Scaling(), replicas=4, target=50, live=0, pods=(4, 0), older=2)
    assert (free.stable, free.candidate) == (4, 2)


def test_in_place_no_size_of_its_own_takes_the_last_pod_of_a_share() -> None:
    scaling = model.Scaling(
        surge_policy=SurgePolicy.RECREATE,
        max_surge_percent=0.0,
        max_unavailable_percent=100.0,
        candidate_pods=4,
    )
    needed = ByWeight().candidate_needed
    assert needed(10, replicas=4, scaling=scaling) == 3
    assert needed(100, replicas=4, scaling=RECREATE) == 3
    assert needed(100, replicas=1, scaling=RECREATE) == 1


@pytest.mark.parametrize("provider", list(model.Provider))
def test_of_a_single_pod_that_is_swapped_there_is_nothing_to_share(
    provider: model.Provider,
) -> None:
    def share(replicas: int, scaling: model.Scaling, weight: float) -> float:
        spec = make_spec(provider=provider, replicas=replicas, scaling=scaling, weights=(weight,))
        stage = model.Stage(
            name="p",
            kind=model.StageKind.LIVE,
            weight_percent=weight,
            effective_weight_percent=weight,
        )
        return fitted(stage, spec=spec).effective_weight_percent

    assert share(1, RECREATE, 60.0) == 0.0
    assert share(1, RECREATE, 100.0) == 100.0
    assert share(2, RECREATE, 50.0) == 50.0
    assert share(1, BORROW, 50.0) == 50.0


# --- whole ways ----------------------------------------------------------------------------------

POLICIES = st.sampled_from([SurgePolicy.BORROW, SurgePolicy.RECREATE])


@given(
    replicas=st.integers(2, 12),
    policy=POLICIES,
    surge=st.sampled_from([0.0, 10.0, 25.0]),
    unavailable=st.sampled_from([0.0, 25.0, 100.0]),
    weights=st.lists(st.integers(1, 99), min_size=0, max_size=3, unique=True).map(sorted),
)
def test_by_weight_every_way_up_stays_within_its_limits_and_ends(
    replicas: int, policy: SurgePolicy, surge: float, unavailable: float, weights: list[int]
) -> None:
    added = 0.0 if policy is SurgePolicy.RECREATE else surge
    scaling = scaling_of(policy, surge=added, unavailable=unavailable)
    allowed, sizing = limits(replicas, scaling=scaling), ByWeight()
    stable, candidate, live = replicas, 0, 0.0
    for target in (*map(float, weights), 100.0):
        for _ in range(4 * replicas + 4):
            now = (stable, candidate)
            found = asked(sizing, scaling, replicas=replicas, target=target, live=live, pods=now)
            stable, candidate = found.stable, found.candidate
            assert stable + candidate <= replicas + allowed.surge_pods
            share = math.ceil(replicas * (100 - live) / 100 - 1e-3)
            assert stable >= max(share - allowed.lent_pods, min(share, 1))
            part = sizing.part_of(target, replicas=replicas, scaling=scaling, candidate=candidate)
            if candidate >= sizing.candidate_needed(part, replicas=replicas, scaling=scaling):
                live = max(live, part)
        assert live == target


@given(
    replicas=st.integers(2, 12),
    policy=POLICIES,
    surge=st.sampled_from([0.0, 10.0, 25.0]),
    unavailable=st.sampled_from([0.0, 25.0, 100.0]),
    weight=st.sampled_from([0, 5, 30, 50, 95, 100]),
    before=st.sampled_from([0, 30, 50, 100]),
)
def test_by_pods_every_way_stays_within_its_limits_and_ends(
    replicas: int,
    policy: SurgePolicy,
    surge: float,
    unavailable: float,
    *,
    weight: float,
    before: float,
) -> None:
    added = 0.0 if policy is SurgePolicy.RECREATE else surge
    scaling = scaling_of(policy, surge=added, unavailable=unavailable)
    allowed = limits(replicas, scaling=scaling)
    first = split_pods(replicas, weight_percent=before, surge_pods=0)
    pods = (first.stable, first.candidate)
    for _ in range(4 * replicas + 4):
        found = asked(ByPods(), scaling, replicas=replicas, target=weight, live=50, pods=pods)
        pods = (found.stable, found.candidate)
        assert sum(pods) <= replicas + allowed.surge_pods
        assert sum(pods) >= replicas - allowed.lent_pods
    goal = split_pods(replicas, weight_percent=weight, surge_pods=allowed.surge_pods)
    assert pods == (goal.stable, goal.candidate)
