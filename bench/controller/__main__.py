"""`make bench-controller`: what a controller costs; writes docs/controller-results.md.

Each part is a function that returns the lines of its section; ratios are those of one run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.controller.analysis import LOOKS, Size, cost

PAGE = Path(__file__).parents[2] / "docs" / "controller-results.md"
LIMIT_SECONDS = 0.05
SIZES = (
    Size(metrics=2, pods=40),
    Size(metrics=2, pods=200),
    Size(metrics=10, pods=200),
    Size(metrics=32, pods=40),
)
PODS = (1, 10, 40, 200)
Part = Callable[[], tuple[list[str], bool]]


def longest_callbacks() -> tuple[list[str], bool]:
    """CPU time of the longest callback, with counting in its thread and in the loop."""
    lines = [
        "## The longest callback of the event loop",
        "",
        f"One rollout, {LOOKS} looks from the first one on, 15 buckets; CPU time of the loop's own",
        "thread, so that other programs do not count. The right column counts in the loop, as the",
        f"operator did before. Limit: {1000 * LIMIT_SECONDS:.0f} ms.",
        "",
        "| metrics x pods | counting in its thread | counting in the loop | ratio | CPU, all looks |",
        "|---|---|---|---|---|",
    ]
    kept = True
    for size in SIZES:
        beside, inline = cost(size, in_thread=True), cost(size, in_thread=False)
        kept = kept and beside.longest_callback_seconds <= LIMIT_SECONDS
        ratio = inline.longest_callback_seconds / beside.longest_callback_seconds
        lines.append(
            f"| {size.metrics} x {size.pods} | {1000 * beside.longest_callback_seconds:.1f} ms"
            f" | {1000 * inline.longest_callback_seconds:.0f} ms | {ratio:.0f}"
            f" | {beside.cpu_seconds:.1f} s |"
        )
    return lines, kept


def memory() -> tuple[list[str], bool]:
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
        cost(Size(metrics=2, pods=pods), in_thread=True, memory=True).kept_bytes for pods in PODS
    ]
    lines += [f"| {pods} | {kept / 1024:.0f} KiB |" for pods, kept in zip(PODS, found, strict=True)]
    return lines, True


PARTS: Sequence[Part] = (longest_callbacks, memory)


def main() -> int:
    """Run all parts; 1 when a limit was not kept."""
    lines = ["# What the controller costs", "", "Written by `make bench-controller`.", ""]
    kept = True
    for part in PARTS:
        section, well = part()
        kept = kept and well
        lines += [*section, ""]
        print("\n".join(section), flush=True)
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
