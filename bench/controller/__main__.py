"""`make bench-controller`: what a controller costs; writes docs/controller-results.md.

Each part is a function that returns the lines of its section; ratios are those of one run.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.controller import drift, many, requests
from bench.controller.analysis import LOOKS, Size, cost
from bench.controller.drift import Inputs
from tidegate import model, ports

PAGE = Path(__file__).parents[2] / "docs" / "controller-results.md"
LIMIT_SECONDS = 0.05
GOAL_IDLE_KIB, GOAL_WRITES, GOAL_REQUESTS = 40, 22, 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How much is measured. `few` and `many` idle objects give the slope of the memory."""

    sizes: tuple[Size, ...]
    inputs: tuple[Inputs, ...]
    pods: tuple[int, ...]
    idle: int
    running: int
    bad: int
    few: int
    many: int


WHOLE = Scale(
    sizes=(
        *(Size(metrics=2, pods=pods) for pods in (1, 10, 40, 200)),
        Size(metrics=10, pods=200),
        Size(metrics=32, pods=40),
    ),
    inputs=tuple(
        Inputs(features=features, pods=pods, first=48, rows=96)
        for features, pods in ((10, 4), (50, 4), (50, 10))
    ),
    pods=(1, 10, 40, 200),
    idle=1000,
    running=200,
    bad=10,
    few=20,
    many=220,
)
QUICK = Scale(
    sizes=tuple(Size(metrics=2, pods=pods) for pods in (1, 10, 40)),
    inputs=(Inputs(features=10, pods=4, first=48, rows=96),),
    pods=(1, 10, 40),
    idle=100,
    running=10,
    bad=3,
    few=10,
    many=40,
)
PLANES = (model.Provider.GATEWAY_API, model.Provider.REPLICA_RATIO)
WRITTEN = (
    ports.MODEL_DEPLOYMENT,
    ports.HTTP_ROUTE,
    ports.SERVICE,
    ports.DEPLOYMENT,
    ports.CONTROLLER_REVISION,
    ports.ROLLOUT_RECORD,
)
Part = Callable[[Scale], list[str]]


def longest_callbacks(scale: Scale) -> list[str]:
    """CPU time of the longest callback, with counting in its thread and in the loop."""
    lines = [
        "## The longest callback of the event loop",
        "",
        f"One rollout that is analysed, {LOOKS} looks from the first one on, 15 buckets; CPU time of the",
        "loop's own thread, so that other programs do not count. The column beside it counts in the loop,",
        f"as the operator did before. Limit: {1000 * LIMIT_SECONDS:.0f} ms.",
        "",
        "| metrics x pods | longest | above 10 ms | counting in the loop | ratio | CPU, all looks |",
        "|---|---|---|---|---|---|",
    ]
    for size in scale.sizes:
        beside, inline = cost(size, in_thread=True), cost(size, in_thread=False)
        ratio = inline.longest_callback_seconds / beside.longest_callback_seconds
        lines.append(
            f"| {size.metrics} x {size.pods} | {1000 * beside.longest_callback_seconds:.1f} ms"
            f" | {beside.above_ten_ms} of {beside.callbacks}"
            f" | {1000 * inline.longest_callback_seconds:.0f} ms | {ratio:.0f}"
            f" | {beside.cpu_seconds:.1f} s |"
        )
    return lines


def memory_of_a_rollout(scale: Scale) -> list[str]:
    """What a rollout keeps between looks."""
    lines = [
        "## Memory of one rollout between looks",
        "",
        "2 metrics, 15 buckets; Python objects by tracemalloc, all of the analyst included.",
        "",
        "| pods | kept |",
        "|---|---|",
    ]
    found = [
        cost(Size(metrics=2, pods=pods), in_thread=True, memory=True).kept_bytes
        for pods in scale.pods
    ]
    return [
        *lines,
        *(
            f"| {pods} | {kept / 1024:.0f} KiB |"
            for pods, kept in zip(scale.pods, found, strict=True)
        ),
    ]


def memory_of_drift(scale: Scale) -> list[str]:
    """What a rollout with drift gates keeps, and whether it grows."""
    lines = [
        "## Memory of one rollout with drift gates",
        "",
        f"One error ratio, and features with {len(drift.BINS)} bins; a row each {drift.ROW_SECONDS:.0f} s. Python objects by tracemalloc, without",
        "SciPy, which is there once; after 96 rows, and what came with each of the last 48, which is the row of",
        "the error ratio. Bins are what those of a row take until it is recorded; they stayed as long as every",
        "row was kept. The counts here are even and so pack well.",
        "",
        "| features, pods | kept | more with each row | bins of a row | CPU of a look, traced |",
        "|---|---|---|---|---|",
    ]
    for inputs in scale.inputs:
        found = drift.kept(inputs)
        rows = inputs.rows - inputs.first
        more = max(0, found.last_bytes - found.first_bytes) / rows
        lines.append(
            f"| {inputs.features}, {inputs.pods} | {found.last_bytes / 2**20:.1f} MiB"
            f" | {more / 1024:.1f} KiB | {found.bins_bytes / rows / 1024:.1f} KiB"
            f" | {1000 * found.cpu_seconds / rows:.0f} ms |"
        )
    return lines


def whole_rollouts(scale: Scale) -> list[str]:
    """A promotion of five steps and a rollback, by the number of pods."""
    lines = [
        "## One rollout by the whole controller",
        "",
        "Five steps of a minute each, 2 metrics, scraped every 15 s; GatewayAPI. CPU time of the operator:",
        "its loop with passes, watches and API calls, without the network and the decoding of JSON, and the",
        "thread that counts. The last column is the time of the loop from the verdict to the write that",
        "takes the traffic.",
        "",
        "| pods | promotion: loop | counting | longest callback | rollback: loop | counting | to the write |",
        "|---|---|---|---|---|---|---|",
    ]
    for pods in scale.pods:
        both = requests.both(model.Provider.GATEWAY_API, replicas=pods)
        lines.append(
            f"| {pods} | {both.promotion.loop_seconds:.1f} s | {both.promotion.counting_seconds:.1f} s"
            f" | {1000 * both.promotion.longest_seconds:.0f} ms"
            f" | {both.rollback.rollout.loop_seconds:.1f} s"
            f" | {both.rollback.rollout.counting_seconds:.1f} s"
            f" | {1000 * both.rollback.verdict_to_write_cpu_seconds:.1f} ms |"
        )
    return lines


def api_requests(_: Scale) -> list[str]:
    """How often the API server is asked by one promotion and one rollback."""
    found = [requests.both(provider, replicas=10) for provider in PLANES]
    names = [provider.value for provider in PLANES]
    lines = [
        "## API requests",
        "",
        "10 replicas; from the edit of the spec until the old pods are gone. Without Leases and without",
        f"the sweep that all objects share. Goals: at most {GOAL_WRITES} writes of a promotion without",
        "Events; of a rollback no request before the write that takes the traffic, and at most",
        f"{GOAL_REQUESTS} in the {requests.AFTER_SECONDS:.0f} s after it.",
        "",
        f"| | {' | '.join(names)} |",
        "|---|---|---|",
    ]
    promotions = [one.promotion for one in found]
    rollbacks = [one.rollback for one in found]
    rows: list[tuple[str, list[int]]] = [
        ("promotion: writes without Events", [len(one.writes) for one in promotions]),
        *((f"- {it.plural}", [one.writes_to(it.plural) for one in promotions]) for it in WRITTEN),
        ("promotion: Events", [one.events for one in promotions]),
        ("promotion: reads", [_reads(one) for one in promotions]),
        ("rollback: requests before weight 0", [one.before for one in rollbacks]),
        ("rollback: requests in the minute after it", [len(one.after) for one in rollbacks]),
        ("- of which Events", [_events(one) for one in rollbacks]),
    ]
    lines += [f"| {what} | {' | '.join(map(str, numbers))} |" for what, numbers in rows]
    writes = max(len(one.writes) for one in promotions)
    after = max(len(one.after) for one in rollbacks)
    return [
        *lines,
        "",
        (
            f"Goal of {GOAL_WRITES} writes: {_kept(writes <= GOAL_WRITES)}. Goal of {GOAL_REQUESTS} requests"
            f" after a rollback: {_kept(after <= GOAL_REQUESTS)}."
        ),
        "What is above the goal has to be durable: each step is written as an intent before its route, and",
        "again when that is confirmed, which starts its clock; where it needs more pods, also when these are",
        "asked for. docs/adr/0039 says of each write what it is for, and what the floor consists of.",
    ]


def _reads(rollout: requests.Rollout) -> int:
    return len(rollout.sent) - len(rollout.writes) - rollout.events


def _events(rollback: requests.Rollback) -> int:
    return sum(one.about == ports.EVENT.plural for one in rollback.after)


def idle_and_running(scale: Scale) -> list[str]:
    """A fleet of objects, most of them at rest."""
    rested = many.settled(requests.both(model.Provider.GATEWAY_API, replicas=2).fleet)
    kept = many.kept_bytes(rested, few=scale.few, many=scale.many) / 1024
    load = many.load(rested, idle=scale.idle, running=scale.running, bad=scale.bad)
    waits = [1000 * seconds for seconds in load.waits_cpu_seconds]
    asked = load.requests / scale.running / many.ROLLOUT_MINUTES
    return [
        "## Many objects",
        "",
        "Each idle object has three revisions, two of them without pods, and three records; 19 objects",
        f"in all. Memory: Python objects by tracemalloc, the slope from {scale.few} to {scale.many} of them, without what",
        f"Kopf keeps. {scale.running} rollouts begin at once beside {scale.idle} idle objects, {scale.bad} of them of a bad version;",
        f"measured for {many.ROLLOUT_MINUTES:.0f} minutes of virtual time.",
        "",
        "| what | measured | goal |",
        "|---|---|---|",
        f"| memory per idle object | {kept:.0f} KiB | {GOAL_IDLE_KIB} KiB: {_kept(kept <= GOAL_IDLE_KIB)} |",
        f"| CPU to take in {scale.idle} idle objects | {load.taken_in_cpu_seconds:.1f} s | |",
        f"| CPU per minute of {scale.idle} idle objects | {1000 * load.idle_cpu_seconds:.0f} ms | |",
        (
            f"| API requests of {scale.idle} idle objects in {many.MINUTES:.0f} minutes | {load.idle_requests}"
            f" | 0: {_kept(load.idle_requests == 0)} |"
        ),
        f"| CPU of a rollout per minute, loop | {1000 * load.rollout_loop_seconds:.0f} ms | |",
        f"| the same, counting | {1000 * load.rollout_counting_seconds:.0f} ms | |",
        f"| API requests of a rollout per minute | {asked:.1f} | |",
        (
            f"| longest callback | {1000 * load.longest_seconds:.0f} ms"
            f" | {1000 * LIMIT_SECONDS:.0f} ms: {_kept(load.longest_seconds <= LIMIT_SECONDS)} |"
        ),
        f"| callbacks above 10 ms | {load.above_ten_ms} of {load.callbacks} | |",
        f"| CPU from a verdict to its write, median of {len(waits)} | {statistics.median(waits):.1f} ms | |",
        f"| the same, longest | {max(waits):.1f} ms | |",
        f"| virtual time from a verdict to its write, longest | {max(load.waits_seconds):.3f} s | |",
    ]


def _kept(holds: bool) -> str:  # noqa: FBT001  (the one thing it is asked)
    return "kept" if holds else "**missed**"


def _machine(seconds: float, load: tuple[float, float, float]) -> str:
    began, ended = load[0], os.getloadavg()[0]
    state = "quiet" if max(began - 1.0, ended - 1.0) < 1.0 else "busy with other programs, too"
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {seconds / 60:.0f} minutes; load"
        f" {began:.1f} at the beginning and {ended:.1f} at the end: the machine was {state}."
    )


PARTS: Sequence[Part] = (
    longest_callbacks,
    memory_of_a_rollout,
    memory_of_drift,
    whole_rollouts,
    api_requests,
    idle_and_running,
)


def main() -> int:
    """Run all parts and write the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="a tenth of it, which the page says")
    quick = parser.parse_args().quick
    scale = QUICK if quick else WHOLE
    began, load = time.monotonic(), os.getloadavg()
    sections: list[str] = []
    for part in PARTS:
        section = part(scale)
        sections += [*section, ""]
        print("\n".join(section), flush=True)
    head = [
        "# What the controller costs",
        "",
        "Written by `make bench-controller`; do not edit. API server, pods, Gateway and Prometheus are",
        "those of the simulation, in virtual time, and do not count. Times are CPU times and depend on the",
        "machine; numbers of requests do not.",
        "",
        *(["This was a quick run: fewer objects and sizes than usual.", ""] if quick else []),
        _machine(time.monotonic() - began, load),
        "",
    ]
    PAGE.write_text("\n".join([*head, *sections[:-1], ""]), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
