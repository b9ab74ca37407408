"""What waits for its other side: bounded, counted, and never paired with the wrong one."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparer.events import HUMAN
from comparer.pairing import OVERHEAD_BYTES, Found, Limits, Pair, Pairing, Reason, Unpaired

LIMITS = Limits(requests=3, size_bytes=10_000, age_seconds=60.0)


class Feed:
    """A pairing and what it has said."""

    def __init__(self, limits: Limits = LIMITS, *, reference: str = "") -> None:
        self.pairing = Pairing(limits, reference=reference)
        self.said: list[Found] = []
        self.now = 100.0

    def add(self, side: str, request_id: str, body: bytes = b"1") -> tuple[Found, ...]:
        found = self.pairing.add(
            model="iris", side=side, request_id=request_id, body=body, at=self.now
        )
        self.said += found
        return found

    @property
    def unpaired(self) -> list[tuple[str, Reason]]:
        return [(it.side, it.reason) for it in self.said if isinstance(it, Unpaired)]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return [(it.first, it.second) for it in self.said if isinstance(it, Pair)]


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("b", "a")])
def test_two_answers_to_one_request_are_a_pair_whoever_comes_first(one: str, other: str) -> None:
    feed = Feed()
    assert feed.add(one, "r1", b"x") == ()
    assert feed.add(other, "r1", b"y") == (
        Pair(model="iris", first=one, second=other, first_body=b"x", second_body=b"y", since=100.0),
    )


def test_other_requests_and_other_models_are_no_pair() -> None:
    feed = Feed()
    feed.add("a", "r1")
    feed.add("b", "r2")
    found = feed.pairing.add(model="other", side="b", request_id="r1", body=b"1", at=feed.now)
    assert found == ()
    assert feed.said == []


def test_what_is_too_old_is_let_go_and_told() -> None:
    feed = Feed()
    feed.add("a", "r1")
    feed.now += 60.0
    assert list(feed.pairing.expired(feed.now)) == []
    feed.now += 0.1
    feed.add("b", "r1")
    assert feed.unpaired == [("a", Reason.EXPIRED)]
    assert feed.pairs == []


def test_the_oldest_go_where_there_are_too_many() -> None:
    feed = Feed()
    for number in range(5):
        feed.add("a", f"r{number}")
    assert feed.unpaired == [("a", Reason.EVICTED)] * 2
    feed.add("b", "r0")
    feed.add("b", "r4")
    assert feed.pairs == [("a", "b")]


def test_bodies_count_against_the_memory() -> None:
    feed = Feed()
    feed.add("a", "r1", b"x" * 8_000)
    feed.add("a", "r2", b"x" * 8_000)
    assert feed.unpaired == [("a", Reason.EVICTED)]
    assert feed.pairing.size_bytes <= LIMITS.size_bytes


def test_an_answer_that_is_larger_than_all_room_is_evicted_itself() -> None:
    feed = Feed()
    feed.add("a", "r1", b"x" * 20_000)
    assert feed.unpaired == [("a", Reason.EVICTED)]
    assert (feed.pairing.waiting, feed.pairing.size_bytes) == (0, 0)


def test_an_id_that_comes_twice_names_no_request() -> None:
    """The first answer of the other side could be to either."""
    feed = Feed()
    feed.add("a", "same", b"1")
    feed.add("a", "same", b"2")
    feed.add("b", "same", b"2")
    assert feed.pairs == []
    assert feed.unpaired == [("a", Reason.DUPLICATE)] * 2 + [("b", Reason.DUPLICATE)]


def test_a_second_answer_after_the_pair_changes_nothing() -> None:
    feed = Feed()
    feed.add("a", "r1")
    feed.add("b", "r1")
    feed.add("a", "r1")
    feed.add("c", "r1")
    assert feed.pairs == [("a", "b")]
    assert feed.unpaired == [("a", Reason.DUPLICATE), ("c", Reason.DUPLICATE)]


def test_an_id_may_be_used_again_once_it_is_old() -> None:
    feed = Feed()
    feed.add("a", "r1")
    feed.add("b", "r1")
    feed.now += 61.0
    feed.add("a", "r1")
    feed.add("b", "r1")
    assert len(feed.pairs) == 2
    assert feed.unpaired == []


def test_a_pair_frees_its_bodies() -> None:
    feed = Feed()
    feed.add("a", "r1", b"x" * 1000)
    feed.add("b", "r1", b"x" * 1000)
    assert feed.pairing.size_bytes == OVERHEAD_BYTES + len("iris") + len("r1")


@pytest.mark.parametrize("order", [("a", "b", HUMAN), (HUMAN, "a", "b"), ("a", HUMAN, "b")])
def test_what_a_person_says_is_paired_with_every_answer(order: tuple[str, ...]) -> None:
    feed = Feed(reference=HUMAN)
    for side in order:
        feed.add(side, "r1")
    assert {frozenset(it) for it in feed.pairs} == {
        frozenset({"a", HUMAN}),
        frozenset({"b", HUMAN}),
    }
    assert len(feed.pairs) == 2
    feed.add(HUMAN, "r1")
    feed.add("a", "r1")
    assert len(feed.pairs) == 2
    assert feed.unpaired == [(HUMAN, Reason.DUPLICATE), ("a", Reason.DUPLICATE)]


def test_answers_are_not_compared_with_each_other_where_people_are_the_reference() -> None:
    feed = Feed(reference=HUMAN)
    feed.add("a", "r1")
    feed.add("b", "r1")
    assert feed.pairs == []
    feed.now += 61.0
    assert sorted(it.side for it in feed.pairing.expired(feed.now)) == ["a", "b"]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", HUMAN]),
        st.sampled_from(["r1", "r2", "r3", "r4", "r5"]),
        st.integers(0, 3000),
        st.floats(0.0, 40.0),
    ),
    max_size=60,
)


@given(events=EVENTS, reference=st.sampled_from(["", HUMAN]))
def test_every_answer_is_accounted_for_and_room_is_bounded(
    events: list[tuple[str, str, int, float]], reference: str
) -> None:
    """Taken in is what is paired, told as unpaired, or waits; nothing twice."""
    feed = Feed(Limits(requests=3, size_bytes=5_000, age_seconds=60.0), reference=reference)
    taken: Counter[str] = Counter()
    for side, request_id, size, after in events:
        feed.now += after
        feed.add(side, request_id, b"x" * size)
        taken[side] += 1
        assert feed.pairing.waiting <= 3
        assert 0 <= feed.pairing.size_bytes <= 5_000
    feed.said += feed.pairing.expired(feed.now + 61.0)
    assert (feed.pairing.waiting, feed.pairing.size_bytes) == (0, 0)
    told = Counter(side for side, _ in feed.unpaired)
    if not reference:
        told += Counter(side for pair in feed.pairs for side in pair)
        assert told == taken
        return
    assert all(HUMAN in pair for pair in feed.pairs)
    for side in ("a", "b"):
        told[side] += sum(side in pair for pair in feed.pairs)
        assert told[side] == taken[side]
