"""Two Services behind a route of the user: one move at a time, and never a selector under weight."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.traffic.planes.two_services import Held, Move, next_move

S, C, X, Y = "stable", "candidate", "older", "other"


@dataclass
class Behind:
    """What the Services select and the percent of the second one."""

    entry: str
    second: str
    percent: float

    @property
    def held(self) -> Held:
        return Held(
            entry=self.entry,
            candidate=self.second,
            entry_weighs=self.percent < 100,
            candidate_weighs=self.percent > 0,
        )

    def shares(self) -> dict[str, float]:
        found = {self.entry: 100.0 - self.percent}
        found[self.second] = found.get(self.second, 0.0) + self.percent
        return {one: share for one, share in found.items() if share}

    def take(self, move: Move) -> None:
        for old, new, weighs in (
            (self.entry, move.entry, self.held.entry_weighs),
            (self.second, move.candidate, self.held.candidate_weighs),
        ):
            assert old in {new, ""} or not weighs, "a selector moved under weight"
        self.entry, self.second, self.percent = move.entry, move.candidate, move.percent


def walk(behind: Behind, *, stable: str = S, candidate: str = "", percent: float = 0.0) -> int:
    """How many moves it takes until nothing changes any more."""
    for count in range(10):
        move = next_move(behind.held, stable=stable, candidate=candidate, percent=percent)
        if move == Move(entry=behind.entry, candidate=behind.second, percent=behind.percent):
            return count
        behind.take(move)
    raise AssertionError("it never comes to rest")


REVISIONS = st.sampled_from([S, C, X, Y])


@given(
    entry=REVISIONS,
    second=REVISIONS,
    now=st.sampled_from([0.0, 10.0, 50.0, 100.0]),
    percent=st.sampled_from([0.0, 0.5, 50.0, 100.0]),
    candidate=st.sampled_from(["", C]),
)
def test_from_anywhere_it_comes_to_what_is_wanted(
    entry: str, second: str, now: float, percent: float, candidate: str
) -> None:
    behind = Behind(entry, second, now)
    wanted = percent if candidate else 0.0
    walk(behind, candidate=candidate, percent=wanted)
    assert (behind.entry, behind.percent) == (S, wanted)
    assert behind.second == (candidate or S)


@pytest.mark.parametrize("percent", [10.0, 100.0])
def test_a_candidate_is_selected_before_it_has_weight(percent: float) -> None:
    behind = Behind(S, S, 0.0)
    behind.take(next_move(behind.held, stable=S, candidate=C, percent=percent))
    assert (behind.second, behind.percent) == (C, 0.0)
    behind.take(next_move(behind.held, stable=S, candidate=C, percent=percent))
    assert behind.percent == percent


def test_a_promotion_ends_with_everything_at_the_entry_service_and_never_leaves_the_new_one() -> (
    None
):
    behind = Behind(S, C, 100.0)
    for _ in range(3):
        behind.take(next_move(behind.held, stable=C, candidate="", percent=0.0))
        assert behind.shares() == {C: 100.0}
    assert (behind.entry, behind.second, behind.percent) == (C, C, 0.0)


@pytest.mark.parametrize("candidate", [C, X])
def test_from_what_answers_for_stable_to_a_candidate_nobody_is_sent_to_stable(
    candidate: str,
) -> None:
    """Stable has no pods; what answers for it is the candidate itself, or another version."""
    behind = Behind(X, X, 0.0)
    for _ in range(4):
        move = next_move(behind.held, stable=S, candidate=candidate, percent=100.0)
        behind.take(move)
        assert behind.shares().keys() <= {X, candidate}
    assert (behind.entry, behind.second, behind.percent) == (S, candidate, 100.0)


def test_a_promotion_under_way_is_ended_before_the_next_one_gets_everything() -> None:
    behind = Behind(X, S, 100.0)
    seen = []
    for _ in range(4):
        behind.take(next_move(behind.held, stable=S, candidate=C, percent=100.0))
        seen.append(behind.shares())
    assert seen == [{S: 100.0}, {S: 100.0}, {S: 100.0}, {C: 100.0}]


def test_after_a_rollback_the_second_service_selects_stable() -> None:
    """So a late write of a weight gives the rejected revision nothing, nor does a sticky session."""
    behind = Behind(S, C, 50.0)
    behind.take(next_move(behind.held, stable=S, candidate="", percent=0.0))
    assert behind.shares() == {S: 100.0}
    behind.take(next_move(behind.held, stable=S, candidate="", percent=0.0))
    assert behind.second == S


def test_services_that_are_missing_are_made_as_they_are_wanted() -> None:
    held = Held(entry="", candidate="", entry_weighs=True, candidate_weighs=True)
    assert next_move(held, stable=S, candidate="", percent=0.0) == Move(
        entry=S, candidate=S, percent=0.0
    )


def test_a_route_that_is_not_in_force_moves_no_selector() -> None:
    held = Held(entry=S, candidate=S, entry_weighs=True, candidate_weighs=True)
    assert next_move(held, stable=S, candidate=C, percent=10.0) == Move(
        entry=S, candidate=S, percent=0.0
    )
