"""Rules R1 to R9 of features.md, 3.2, with its vectors and properties."""

from dataclasses import dataclass
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.traffic.plane import NO_PODS, CapacityRequest, PodCount, Wanted
from tidegate.traffic.sizing import by_pods
from tidegate.traffic.sizing.limits import Limits, limits


def scaling_of(replicas: int, *, surge: int, unavailable: int) -> model.Scaling:
    """Percentages that give exactly these numbers of pods."""
    return model.Scaling(
        max_surge_percent=100 * surge / replicas if replicas else 0,
        max_unavailable_percent=100 * unavailable / replicas if replicas else 0,
    )


@pytest.mark.parametrize(
    ("replicas", "surge_percent", "unavailable_percent", "surge_pods", "unavailable_pods"),
    [
        (4, 25, 0, 1, 0),
        (10, 25, 25, 3, 2),  # surge up, unavailable down
        (1, 25, 0, 1, 0),
        (10, 0, 0, 0, 1),  # both 0 would stand still for ever
        (3, 0, 25, 0, 1),
        (10, 100, 100, 10, 10),
        (1000, 0.1, 0.1, 1, 1),  # exact decimals: no pod too many
        (0, 25, 0, 0, 1),
    ],
)
def test_percentages_become_pods(
    replicas: int,
    surge_percent: float,
    unavailable_percent: float,
    surge_pods: int,
    unavailable_pods: int,
) -> None:
    scaling = model.Scaling(
        max_surge_percent=surge_percent, max_unavailable_percent=unavailable_percent
    )
    expected = Limits(
        surge_pods=surge_pods, unavailable_pods=unavailable_pods, lent_pods=unavailable_pods
    )
    assert limits(replicas, scaling=scaling) == expected


SPLITS = [
    *[((2, weight, 0), (1, 1)) for weight in (1, 49, 50, 51, 99)],
    *[((1, weight, 1), (1, 1)) for weight in (1, 50, 99)],
    *[((3, weight, 0), (1, 2)) for weight in (10, 33, 49)],
    ((1, 1, 0), (0, 1)),
    ((1, 49, 0), (0, 1)),
    ((1, 50, 0), (1, 0)),
    ((2, 1, 1), (1, 2)),
    ((2, 50, 1), (1, 1)),
    ((3, 50, 0), (2, 1)),
    ((3, 10, 1), (1, 3)),
    ((3, 33, 1), (1, 2)),
    ((3, 50, 1), (2, 2)),
    ((10, 1, 0), (1, 9)),
    ((10, 14, 0), (1, 9)),
    ((10, 99, 0), (9, 1)),
    ((10, 1, 1), (1, 10)),
    ((10, 20, 1), (2, 8)),
    ((10, 24, 1), (3, 8)),
    ((10, 25, 1), (3, 8)),
    ((10, 0, 1), (0, 10)),
    ((10, 100, 1), (10, 0)),
    ((0, 50, 1), (0, 0)),
]


@pytest.mark.parametrize(("asked", "candidate_and_stable"), SPLITS)
def test_the_nearest_ratio_of_whole_pods_wins(
    asked: tuple[int, float, int], candidate_and_stable: tuple[int, int]
) -> None:
    replicas, weight_percent, surge_pods = asked
    split = by_pods.split_pods(replicas, weight_percent=weight_percent, surge_pods=surge_pods)
    assert (split.candidate, split.stable) == candidate_and_stable


@given(
    replicas=st.integers(2, 500),
    units=st.integers(1, 999_999),
    surge_pods=st.integers(0, 3),
)
def test_no_other_split_of_the_options_is_nearer(
    replicas: int, units: int, surge_pods: int
) -> None:
    weight = units / 10_000
    split = by_pods.split_pods(replicas, weight_percent=weight, surge_pods=surge_pods)
    total = split.stable + split.candidate
    assert split.stable > 0
    assert split.candidate > 0
    assert replicas <= total <= replicas + min(surge_pods, 1)
    exact_share = Fraction(units, 1_000_000)
    distance = abs(Fraction(split.candidate, total) - exact_share)
    for other in (split.candidate - 1, split.candidate + 1):
        if 0 < other < total:
            assert distance <= abs(Fraction(other, total) - exact_share)


def counted(text: str) -> PodCount:
    """`10/8`: ten wanted, eight available."""
    wanted, available = text.split("/")
    return PodCount(wanted=int(wanted), available=int(available))


# replicas, weight, surge, unavailable | stable, candidate, older | stable, candidate wanted next
PASSES = [
    ((10, 20, 2, 0), "10/10", "0/0", "0/0", (10, 2)),
    ((10, 20, 2, 0), "10/10", "2/2", "0/0", (8, 2)),
    ((10, 30, 2, 0), "10/10", "0/0", "0/0", (10, 2)),
    ((10, 20, 0, 2), "10/10", "0/0", "0/0", (8, 0)),
    ((10, 50, 2, 1), "10/10", "0/0", "0/0", (9, 2)),
    ((10, 0, 1, 1), "10/10", "1/1", "0/0", (10, 0)),
    ((10, 100, 1, 1), "1/1", "10/10", "0/0", (0, 10)),
    ((1, 20, 1, 0), "1/1", "0/0", "0/0", (1, 1)),
    ((10, 30, 1, 0), "1/1", "0/0", "3/3", (7, 1)),
    ((10, 100, 1, 0), "10/2", "10/8", "0/0", (2, 9)),
    ((10, 5, 0, 1), "10/10", "0/0", "0/0", (9, 0)),
    ((10, 5, 0, 1), "9/9", "0/0", "0/0", (9, 1)),
    ((4, 100, 1, 0), "4/1", "0/0", "0/0", (4, 1)),
    ((4, 0, 1, 0), "0/0", "4/4", "0/0", (1, 4)),
    ((4, 0, 1, 0), "1/1", "4/4", "0/0", (1, 3)),
    ((10, 100, 3, 0), "7/8", "6/3", "0/0", (7, 6)),
    ((4, 100, 4, 4), "4/4", "0/0", "0/0", (0, 4)),  # promote full
]


@pytest.mark.parametrize(("limits", "stable", "candidate", "older", "wanted"), PASSES)
def test_one_pass_while_the_entry_service_selects_both(
    limits: tuple[int, float, int, int],
    stable: str,
    candidate: str,
    older: str,
    wanted: tuple[int, int],
) -> None:
    replicas, weight, surge, unavailable = limits
    request = CapacityRequest(
        replicas=replicas,
        scaling=scaling_of(replicas, surge=surge, unavailable=unavailable),
        target_percent=weight,
        live_percent=50.0,
        stable=counted(stable),
        candidate=counted(candidate),
        others=counted(older),
    )
    result = by_pods.next_pods(request)
    assert (result.stable, result.candidate) == wanted


def ten(  # replicas; surge 2, unavailable 0
    weight_percent: float, *, live_percent: float, pods_seen: tuple[str, str, str]
) -> CapacityRequest:
    stable, candidate, older = pods_seen
    return CapacityRequest(
        replicas=10,
        scaling=scaling_of(10, surge=2, unavailable=0),
        target_percent=weight_percent,
        live_percent=live_percent,
        stable=counted(stable),
        candidate=counted(candidate),
        others=counted(older),
    )


def test_candidate_pods_that_serve_nobody_never_let_stable_shrink() -> None:
    seen = ("10/10", "2/2", "0/0")
    silent = by_pods.next_pods(ten(20, live_percent=0, pods_seen=seen))
    assert silent == Wanted(stable=10, candidate=2)
    serving = by_pods.next_pods(ten(20, live_percent=20, pods_seen=seen))
    assert serving == Wanted(stable=8, candidate=2)


def test_candidate_pods_that_serve_nobody_make_room_for_stable_at_once() -> None:
    result = by_pods.next_pods(ten(0, live_percent=0, pods_seen=("2/2", "8/8", "0/0")))
    assert result == Wanted(stable=4, candidate=0)


def test_stable_pods_that_serve_nobody_go_once_the_candidate_has_everything() -> None:
    result = by_pods.next_pods(ten(100, live_percent=100, pods_seen=("2/2", "10/10", "0/0")))
    assert result == Wanted(stable=0, candidate=10)


def test_older_revisions_go_first_as_far_as_serving_pods_allow() -> None:
    result = by_pods.next_pods(ten(30, live_percent=20, pods_seen=("4/4", "0/0", "9/8")))
    assert result == Wanted(stable=4, candidate=0, others=6)  # the unready one went too


def test_older_revisions_that_serve_nobody_go_at_once() -> None:
    result = by_pods.next_pods(ten(20, live_percent=0, pods_seen=("10/10", "0/0", "1/1")))
    assert result == Wanted(stable=10, candidate=1, others=0)


def test_pods_that_are_being_removed_do_not_let_older_ones_go() -> None:
    result = by_pods.next_pods(ten(20, live_percent=20, pods_seen=("8/8", "1/4", "1/1")))
    assert result.others == 1  # 12 are available, but only 10 of them stay


def test_broken_pods_of_the_shrinking_side_never_block_the_pass() -> None:
    result = by_pods.next_pods(ten(100, live_percent=20, pods_seen=("4/0", "8/8", "0/0")))
    assert result.stable == 2  # two of the broken ones may go, ten pods are asked for


def test_fewer_replicas_shrink_both_sides_down_to_the_limit() -> None:
    request = CapacityRequest(
        replicas=4,
        scaling=scaling_of(4, surge=1, unavailable=0),
        target_percent=20.0,
        live_percent=20.0,
        stable=counted("8/8"),
        candidate=counted("2/2"),
    )
    assert by_pods.next_pods(request) == Wanted(stable=4, candidate=1)


# --- properties ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    request: CapacityRequest
    limits: Limits


@st.composite
def pod_counts(draw: st.DrawFn, *, most: int) -> PodCount:
    wanted = draw(st.integers(0, most))
    return PodCount(wanted=wanted, available=draw(st.integers(0, wanted + 1)))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    replicas = draw(st.integers(0, 30))
    scaling = model.Scaling(
        max_surge_percent=draw(st.sampled_from([0, 10, 25, 33.3, 100])),
        max_unavailable_percent=draw(st.sampled_from([0, 10, 25, 50, 100])),
    )
    request = CapacityRequest(
        replicas=replicas,
        scaling=scaling,
        target_percent=draw(st.sampled_from([0, 0.5, 1, 10, 25, 33.3333, 50, 99, 100])),
        live_percent=draw(st.sampled_from([0.0, 7.5, 50.0, 100.0])),
        stable=draw(pod_counts(most=40)),
        candidate=draw(pod_counts(most=40)),
        others=draw(st.one_of(st.just(NO_PODS), pod_counts(most=10))),
    )
    return Case(request=request, limits=limits(replicas, scaling=scaling))


def serving(request: CapacityRequest, *, wanted: Wanted | None = None) -> int:
    """Pods that answer users once `wanted` is carried out, unready ones leaving first."""
    stable = request.stable.wanted if wanted is None else wanted.stable
    candidate = request.candidate.wanted if wanted is None else wanted.candidate
    others = request.others.wanted if wanted is None else wanted.others
    total = 0
    if request.live_percent < 100:
        total += min(request.stable.available, request.stable.wanted, stable)
    if request.live_percent > 0:
        total += min(request.candidate.available, request.candidate.wanted, candidate)
    if 0 < request.live_percent < 100:
        total += min(request.others.available, request.others.wanted, others)
    return total


@given(cases())
def test_a_pass_never_asks_for_more_than_replicas_and_surge(case: Case) -> None:
    request, result = case.request, by_pods.next_pods(case.request)
    before = request.stable.wanted + request.candidate.wanted + request.others.wanted
    after = result.stable + result.candidate + result.others
    ceiling = request.replicas + case.limits.surge_pods
    if request.others.wanted == 0:
        assert after <= ceiling
    assert after <= max(before, ceiling)
    assert min(result.stable, result.candidate, result.others) >= 0


@given(cases())
def test_a_pass_never_lowers_serving_pods_below_replicas_less_unavailable(case: Case) -> None:
    floor = max(case.request.replicas - case.limits.unavailable_pods, 0)
    after = serving(case.request, wanted=by_pods.next_pods(case.request))
    assert after >= min(floor, serving(case.request))


@given(
    replicas=st.integers(1, 30),
    surge_percent=st.sampled_from([0, 10, 25, 100]),
    unavailable_percent=st.sampled_from([0, 10, 25, 100]),
    weight_percent=st.sampled_from([0, 1, 10, 33.3, 50, 75, 99, 100]),
    start=st.tuples(st.integers(0, 30), st.integers(0, 30), st.integers(0, 5)),
)
def test_repeated_passes_reach_the_split_and_stop(
    replicas: int,
    surge_percent: float,
    unavailable_percent: float,
    weight_percent: float,
    start: tuple[int, int, int],
) -> None:
    scaling = model.Scaling(
        max_surge_percent=surge_percent, max_unavailable_percent=unavailable_percent
    )
    surge_pods = limits(replicas, scaling=scaling).surge_pods
    goal = by_pods.split_pods(replicas, weight_percent=weight_percent, surge_pods=surge_pods)
    wanted = Wanted(stable=start[0], candidate=start[1], others=start[2])
    for _ in range(200):
        now = CapacityRequest(
            replicas=replicas,
            scaling=scaling,
            target_percent=weight_percent,
            live_percent=50.0,
            stable=PodCount(wanted=wanted.stable, available=wanted.stable),
            candidate=PodCount(wanted=wanted.candidate, available=wanted.candidate),
            others=PodCount(wanted=wanted.others, available=wanted.others),
        )
        following = by_pods.next_pods(now)
        if following == wanted:
            break
        wanted = following
    assert wanted == Wanted(stable=goal.stable, candidate=goal.candidate, others=0)


@given(
    replicas=st.integers(2, 30),
    surge_percent=st.sampled_from([0, 10, 25, 100]),
    unavailable_percent=st.sampled_from([0, 10, 25, 50]),
    weight_percent=st.sampled_from([1, 10, 50, 99, 100]),
)
def test_before_the_first_weight_the_candidate_always_gets_a_pod(
    replicas: int, surge_percent: float, unavailable_percent: float, weight_percent: float
) -> None:
    scaling = model.Scaling(
        max_surge_percent=surge_percent, max_unavailable_percent=unavailable_percent
    )
    wanted = Wanted(stable=replicas, candidate=0)
    for _ in range(50):
        now = CapacityRequest(
            replicas=replicas,
            scaling=scaling,
            target_percent=weight_percent,
            live_percent=0.0,
            stable=PodCount(wanted=wanted.stable, available=wanted.stable),
            candidate=PodCount(wanted=wanted.candidate, available=wanted.candidate),
        )
        wanted = by_pods.next_pods(now)
    assert wanted.candidate >= 1
    assert wanted.stable >= 1
