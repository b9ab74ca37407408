"""Many objects in one process: what an idle one keeps in memory, and what running ones cost."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from dataclasses import dataclass

from tests.sim import metrics

from bench.controller.fleet import BAD, STRANGERS, Fleet, copied, played
from bench.controller.meter import Meter
from bench.controller.requests import NAME, about_rollouts
from tidegate import model

MINUTES = 15.0  # longer than the sweep's interval
ROLLOUT_MINUTES = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What idle objects cost to take in and then per minute, and a rollout beside them per minute.

    CPU in seconds of the operator; the wait is from a verdict to the write that takes the traffic.
    """

    taken_in_cpu_seconds: float
    idle_cpu_seconds: float
    idle_requests: int
    rollout_loop_seconds: float
    rollout_counting_seconds: float
    callbacks: int
    above_ten_ms: int
    longest_seconds: float
    requests: int
    waits_cpu_seconds: tuple[float, ...]
    waits_seconds: tuple[float, ...]


SETTLED = f"{NAME}-1"


def settled(served: Fleet) -> Fleet:
    """A fleet of one that has noticed that nobody scrapes it any more, and has nothing to write."""

    async def rest(fleet: Fleet) -> None:
        fleet.start()
        await asyncio.sleep(120.0)

    copies = copied(served, NAME, times=1)
    fleet = played(rest, Meter(), copies=copies, now=served.loop.time())
    told = {one["type"]: one["reason"] for one in fleet.conditions(SETTLED)}
    assert told["EvidenceReady"] == "NotScraped", told
    assert "RevisionModified" not in told, "a copy is no edit"
    return fleet


def kept_bytes(rested: Fleet, *, few: int, many: int) -> float:
    """Bytes of Python objects per idle object: the difference between so many and so few of it."""
    kept = [_traced(rested, times) for times in (few, many)]
    return (kept[1] - kept[0]) / (many - few)


def _traced(rested: Fleet, times: int) -> int:
    copies = list(copied(rested, SETTLED, times=times))
    kept: list[int] = []
    meter = Meter(strangers=STRANGERS)

    async def rest(fleet: Fleet) -> None:
        gc.collect()
        tracemalloc.start()
        fleet.start()
        await asyncio.sleep(60.0)
        writes = [one.request for one in about_rollouts(fleet.sent) if one.request.writes]
        assert not writes, writes[0]
        fleet.sent.clear()
        meter.restart()
        metrics.forget()
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
        tracemalloc.stop()

    played(rest, meter, copies=copies, now=rested.loop.time())
    return kept[0]


def load(rested: Fleet, *, idle: int, running: int, bad: int) -> Load:
    """So many idle objects, and so many rollouts that begin at once, some of them of a bad version."""
    meter, marks = Meter(strangers=STRANGERS), []
    names = [f"runner-{number}" for number in range(running)]

    async def play(fleet: Fleet) -> None:
        fleet.start()
        await asyncio.sleep(60.0)
        marks.append(meter.total)
        first = len(fleet.sent)
        await asyncio.sleep(60.0 * MINUTES)
        marks.append(meter.total)
        marks.append(len(about_rollouts(fleet.sent[first:])))
        for name in names:
            fleet.create(name, replicas=1)
        await fleet.until_all(names, model.Phase.HEALTHY)
        await asyncio.sleep(120.0)
        meter.restart()
        fleet.counting_seconds = 0.0
        first, began = len(fleet.sent), fleet.loop.time()
        for name in names[bad:]:
            fleet.deploy(name, "v2")
        await asyncio.sleep(90.0)
        for name in names[:bad]:
            fleet.deploy(name, BAD)
        await fleet.until_all(names[:bad], model.Phase.ROLLED_BACK)
        await asyncio.sleep(60.0 * ROLLOUT_MINUTES - (fleet.loop.time() - began))
        marks.append(len(about_rollouts(fleet.sent[first:])))

    copies = copied(rested, SETTLED, times=idle)
    fleet = played(play, meter, copies=copies, now=rested.loop.time())
    writes = [one for one in about_rollouts(fleet.sent) if one.request.urgent]
    waits = list(zip(sorted(fleet.harm), writes, strict=True))
    return Load(
        taken_in_cpu_seconds=marks[0],
        idle_cpu_seconds=(marks[1] - marks[0]) / MINUTES,
        idle_requests=int(marks[2]),
        rollout_loop_seconds=meter.total / running / ROLLOUT_MINUTES,
        rollout_counting_seconds=fleet.counting_seconds / running / ROLLOUT_MINUTES,
        callbacks=len(meter.seconds),
        above_ten_ms=meter.above(0.01),
        longest_seconds=meter.longest,
        requests=int(marks[3]),
        waits_cpu_seconds=tuple(write.cpu - cpu for (_, cpu), write in waits),
        waits_seconds=tuple(write.at - at for (at, _), write in waits),
    )
