"""Whole rollouts with the defaults end by themselves, and end right (issue 13, findings 4 and 5).

A few runs of each cell of finding 4; `python -m bench.evidence` runs many.
"""

from __future__ import annotations

import numpy as np
import pytest
from evidence_walk import Ended, Service, setup, spec_of, walk

from tidegate import model

# The same lines thousands of times: the tables cover them, and a tracer doubles the time.
pytestmark = pytest.mark.no_cover

RUNS = 3
HOURS = 3600.0
MINUTES = 60.0


def walked(service: Service, *, runs: int = RUNS, **spec: object) -> list[Ended]:
    given = setup(spec_of(**spec))  # type: ignore[arg-type]
    return [walk(given, service, rng=np.random.default_rng([13, number])) for number in range(runs)]


@pytest.mark.parametrize(
    ("per_second", "bad", "within"),
    [
        (1.0, 0.0, 4 * HOURS),
        (1.0, 0.01, 9 * HOURS),  # beyond the deadline; proof ends the pause by itself
        (10.0, 0.0, 90 * MINUTES),
        (10.0, 0.01, 90 * MINUTES),
        (100.0, 0.0, 45 * MINUTES),
        (100.0, 0.01, 45 * MINUTES),
    ],
)
def test_a_healthy_release_is_promoted_without_a_person(
    per_second: float, bad: float, within: float
) -> None:
    for ended in walked(Service(per_second=per_second, bad=bad)):
        assert ended.how == "promoted", ended
        assert ended.seconds <= within


@pytest.mark.parametrize("provider", model.Provider)
def test_so_it_is_with_every_provider(provider: model.Provider) -> None:
    for ended in walked(Service(per_second=10.0), provider=provider.value):
        assert ended.how == "promoted", ended


@pytest.mark.parametrize("per_second", [1.0, 10.0, 100.0])
@pytest.mark.parametrize(("bad", "candidate_bad"), [(0.0, 0.05), (0.001, 0.01), (0.01, 0.1)])
def test_ten_times_the_errors_or_five_points_more_are_never_promoted(
    per_second: float, bad: float, candidate_bad: float
) -> None:
    service = Service(per_second=per_second, bad=bad, candidate_bad=candidate_bad)
    assert [one.how for one in walked(service) if one.how == "promoted"] == []


def test_a_clump_of_errors_that_a_broken_version_makes_is_found_as_well() -> None:
    service = Service(per_second=10.0, candidate_bad=0.05, clump=3)
    assert {one.how for one in walked(service)} == {"rolled back"}


def test_a_service_that_nothing_can_be_said_of_waits() -> None:
    (ended,) = walked(Service(per_second=0.1), runs=1)
    assert (ended.how, ended.step) == ("paused", 0)


def test_no_harm_found_is_named_where_there_is_no_proof() -> None:
    (ended,) = walked(Service(per_second=10.0), runs=1)
    assert ended.reasons == ("NoHarmFound",) * 3
