from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from math import inf
from typing import Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from port_fakes import FixedRng, ManualClock, MemoryRecorder, settle

from tidegate.controller.workqueue import (
    BACKOFF_CAP_SECONDS,
    LEAST_LOOK_SECONDS,
    Done,
    Failed,
    Key,
    Outcome,
    Schedule,
    WorkQueue,
)

A, B, C = Key("ns", "a"), Key("ns", "b"), Key("ns", "c")


def schedule(share: float = 1.0) -> Schedule:
    return Schedule(rng=FixedRng(share))


def take_all(queue: Schedule, *, now: float) -> list[Key]:
    taken = []
    while (key := queue.take(now=now)) is not None:
        taken.append(key)
    return taken


# --- Schedule ------------------------------------------------------------------------------------


def test_keys_come_in_order_and_waiting_keys_coalesce() -> None:
    queue = schedule()
    for key in (A, B, A, C, B):
        queue.add(key)
    assert queue.depth == 3
    assert take_all(queue, now=0) == [A, B, C]


def test_urgent_keys_overtake_and_stay_urgent() -> None:
    queue = schedule()
    queue.add(A)
    queue.add(B)
    queue.add(B, priority=True)
    queue.add(B)
    assert take_all(queue, now=0) == [B, A]


def test_key_changed_while_processed_runs_once_more() -> None:
    queue = schedule()
    queue.add(A)
    assert queue.take(now=0) == A
    queue.add(A)
    queue.add(A)
    assert queue.take(now=0) is None, "the same key must not be processed twice at a time"
    queue.done(A)
    assert queue.take(now=0) == A
    queue.done(A)
    assert queue.take(now=0) is None


def test_urgency_of_a_change_while_processed_is_kept() -> None:
    queue = schedule()
    queue.add(A)
    queue.take(now=0)
    queue.add(B)
    queue.add(A, priority=True)
    queue.add(A)
    queue.done(A)
    assert take_all(queue, now=0) == [A, B]


@pytest.mark.parametrize("delays", [(5.0, 9.0), (9.0, 5.0), (5.0, 5.0)])
def test_earlier_of_two_due_times_wins(delays: tuple[float, float]) -> None:
    queue = schedule()
    for delay in delays:
        queue.add_after(A, delay_seconds=delay, now=0)
    assert queue.next_due() == 5.0
    assert queue.take(now=4.9) is None
    assert queue.take(now=5.0) == A
    queue.done(A)
    assert queue.take(now=100) is None, "the later time was dropped"


def test_a_delayed_key_keeps_the_priority_of_either_call() -> None:
    queue = schedule()
    queue.add(B)
    queue.add_after(A, delay_seconds=1, now=0, priority=True)
    queue.add_after(A, delay_seconds=5, now=0)
    assert take_all(queue, now=1) == [A, B]


def test_a_pass_that_begins_cancels_the_delayed_look() -> None:
    queue = schedule()
    queue.add_after(A, delay_seconds=10, now=0)
    queue.add(A)
    assert queue.take(now=1) == A
    assert queue.next_due() is None
    queue.add_after(A, delay_seconds=20, now=1)
    queue.done(A)
    assert queue.next_due() == 21


def test_negative_delay_means_now() -> None:
    queue = schedule()
    queue.add_after(A, delay_seconds=-5, now=3)
    assert queue.take(now=3) == A


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (1.0, [1.0, 2.0, 4.0, 8.0]),
        (0.5, [0.5, 1.0, 2.0, 4.0]),
        (0.0, [0.0, 0.0, 0.0, 0.0]),
    ],
)
def test_backoff_doubles_with_full_jitter(share: float, expected: list[float]) -> None:
    queue = schedule(share)
    assert [queue.add_rate_limited(A, now=0) for _ in expected] == expected


def test_backoff_is_capped_and_forgotten_per_key() -> None:
    queue = schedule()
    delays = [queue.add_rate_limited(A, now=0) for _ in range(2000)]
    assert max(delays) == BACKOFF_CAP_SECONDS
    assert queue.add_rate_limited(B, now=0) == 1.0
    queue.forget(A)
    assert queue.add_rate_limited(A, now=0) == 1.0


def test_backoff_obeys_the_servers_least_delay() -> None:
    assert schedule().add_rate_limited(A, now=0, after_seconds=30) == 30


@pytest.mark.parametrize(
    ("next_look", "after", "longest"),
    [(60.0, None, 60.0), (0.1, None, LEAST_LOOK_SECONDS), (1.0, 30.0, 30.0), (inf, None, 300.0)],
)
def test_backoff_ends_at_the_next_look(
    next_look: float, after: float | None, longest: float
) -> None:
    queue = schedule()
    delays = [
        queue.add_rate_limited(A, now=0, after_seconds=after, next_look_seconds=next_look)
        for _ in range(20)
    ]
    assert max(delays) == longest


def test_busy_keys_do_not_grow_the_heap() -> None:
    queue = schedule()
    for now in range(10_000):
        queue.add_after(A, delay_seconds=10_000, now=now)
        queue.add(A)
        assert queue.take(now=now) == A
        queue.done(A)
    assert len(queue._heap) < 200


Step = tuple[str, int, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(["add", "urgent", "after", "limited", "take", "done", "wait"]),
        st.integers(0, 4),
        st.floats(0, 20),
    ),
    max_size=120,
)


@given(steps)
def test_no_key_is_lost_or_processed_twice(script: list[Step]) -> None:
    queue = schedule()
    now = 0.0
    owed: set[Key] = set()
    processing: list[Key] = []
    for action, number, amount in script:
        key = Key("ns", str(number))
        match action:
            case "add" | "urgent":
                queue.add(key, priority=action == "urgent")
                owed.add(key)
            case "after":
                queue.add_after(key, delay_seconds=amount, now=now)
                owed.add(key)
            case "limited":
                queue.add_rate_limited(key, now=now)
                owed.add(key)
            case "take":
                taken = queue.take(now=now)
                if taken is not None:
                    assert taken not in processing
                    assert taken in owed
                    processing.append(taken)
                    owed.discard(taken)
            case "done" if processing:
                queue.done(processing.pop(0))
            case "wait":
                now += amount
    for key in processing:
        queue.done(key)
    assert set(take_all(queue, now=now + 1000)) == owed
    assert queue.next_due() is None


# --- WorkQueue -----------------------------------------------------------------------------------


class Shell:
    """A running WorkQueue on a clock that is set by hand."""

    def __init__(
        self, process: Callable[[Key], Awaitable[Outcome]], *, workers: int = 2, deadline: float = 9
    ) -> None:
        self.clock = ManualClock()
        self.recorder = MemoryRecorder()
        self.queue = WorkQueue(
            process,
            clock=self.clock,
            rng=FixedRng(),
            recorder=self.recorder,
            workers=workers,
            deadline_seconds=deadline,
        )

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.queue.run())
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


class Passes:
    """A process that notes its keys and answers as told; `hold` keeps passes from ending."""

    def __init__(self, *answers: Outcome | Exception) -> None:
        self.begun: list[Key] = []
        self.ended: list[Key] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self._answers = list(answers)

    async def __call__(self, key: Key) -> Outcome:
        self.begun.append(key)
        await self.hold.wait()
        self.ended.append(key)
        answer = self._answers.pop(0) if self._answers else Done()
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_closed_gate_collects_keys_and_open_gate_works_them_off() -> None:
    async def scenario() -> None:
        passes = Passes()
        async with Shell(passes) as shell:
            shell.queue.add(A)
            shell.queue.add_after(B, delay_seconds=5)
            await shell.clock.advance(10)
            assert passes.begun == []
            shell.queue.open()
            await settle()
            assert sorted(passes.ended) == [A, B]

    asyncio.run(scenario())


def test_delayed_key_runs_at_its_time_and_an_earlier_one_is_not_missed() -> None:
    async def scenario() -> None:
        passes = Passes()
        async with Shell(passes) as shell:
            shell.queue.open()
            shell.queue.add_after(A, delay_seconds=60)
            await settle()
            shell.queue.add_after(B, delay_seconds=10)
            await shell.clock.advance(10)
            assert passes.ended == [B]
            await shell.clock.advance(50)
            assert passes.ended == [B, A]

    asyncio.run(scenario())


def test_one_pass_per_key_and_as_many_keys_as_workers() -> None:
    async def scenario() -> None:
        passes = Passes()
        passes.hold.clear()
        async with Shell(passes, workers=2) as shell:
            shell.queue.open()
            for key in (A, A, B, C):
                shell.queue.add(key)
            await settle()
            assert passes.begun == [A, B]
            shell.queue.add(A)
            await settle()
            assert passes.begun == [A, B], "the workers are busy"
            assert shell.recorder.depth == 2
            passes.hold.set()
            await settle()
            assert sorted(passes.begun) == [A, A, B, C]

    asyncio.run(scenario())


def test_requeue_after_brings_the_key_back() -> None:
    async def scenario() -> None:
        passes = Passes(Done(requeue_after_seconds=30), Done())
        async with Shell(passes) as shell:
            shell.queue.open()
            shell.queue.add(A)
            await shell.clock.advance(29)
            assert passes.ended == [A]
            await shell.clock.advance(1)
            assert passes.ended == [A, A]
            await shell.clock.advance(10_000)
            assert passes.ended == [A, A]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("failure", "label"),
    [(Failed(), "failed"), (RuntimeError("boom"), "error"), (TimeoutError("inner"), "error")],
)
def test_failures_back_off_and_never_end_a_worker(failure: Outcome | Exception, label: str) -> None:
    async def scenario() -> None:
        passes = Passes(failure, failure, Done(), failure)
        async with Shell(passes, workers=1) as shell:
            shell.queue.open()
            shell.queue.add(A)
            await shell.clock.advance(1)
            assert len(passes.ended) == 2
            await shell.clock.advance(2)
            assert len(passes.ended) == 3
            shell.queue.add(A)
            await shell.clock.advance(1)
            assert len(passes.ended) == 5, "success resets the back-off"
            assert shell.recorder.outcomes == [label, label, "done", label, "done"]

    asyncio.run(scenario())


def test_least_delay_of_a_failure_is_kept() -> None:
    async def scenario() -> None:
        passes = Passes(Failed(after_seconds=20))
        async with Shell(passes) as shell:
            shell.queue.open()
            shell.queue.add(A)
            await shell.clock.advance(19)
            assert len(passes.ended) == 1
            await shell.clock.advance(1)
            assert len(passes.ended) == 2

    asyncio.run(scenario())


def test_pass_beyond_its_deadline_counts_as_failed() -> None:
    async def scenario() -> None:
        passes = Passes()
        passes.hold.clear()
        async with Shell(passes, deadline=0.0) as shell:
            shell.queue.open()
            shell.queue.add(A)
            await settle()
            assert shell.recorder.outcomes == ["deadline"]
            assert shell.recorder.problems[0][0] == "reconcile_failed"
            passes.hold.set()
            await shell.clock.advance(1)
            assert passes.begun == [A, A]

    asyncio.run(scenario())


def test_drain_waits_for_begun_passes_and_starts_no_other() -> None:
    async def scenario() -> None:
        passes = Passes()
        passes.hold.clear()
        async with Shell(passes, workers=1) as shell:
            shell.queue.open()
            shell.queue.add(A)
            shell.queue.add(B)
            await settle()
            drained = asyncio.create_task(shell.queue.drain(timeout_seconds=60))
            await settle()
            assert not drained.done()
            passes.hold.set()
            assert await drained
            assert passes.ended == [A]

    asyncio.run(scenario())


def test_drain_gives_up_when_its_time_is_over() -> None:
    async def scenario() -> None:
        passes = Passes()
        passes.hold.clear()
        async with Shell(passes) as shell:
            shell.queue.open()
            shell.queue.add(A)
            await settle()
            assert not await shell.queue.drain(timeout_seconds=0)

    asyncio.run(scenario())
