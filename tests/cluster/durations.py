"""How long each part took here, kept beside the caches: the next estimate is made from it."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Iterable
from pathlib import Path

from tests.cluster import paths

_writing = threading.Lock()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Took:
    """Seconds of wall clock, and of processor time (user and system, children included)."""

    wall: float
    cpu: float


def load() -> dict[str, float]:
    """Seconds of wall clock by part; empty when nothing readable was recorded."""
    return {name: took.wall for name, took in _load().items()}


def begin(name: str) -> bool:
    """Note that a part begins; whether an earlier, interrupted run has made some of it already."""
    mark = _mark(name)
    resumed = mark.exists()
    mark.parent.mkdir(exist_ok=True)
    mark.touch()
    return resumed


def end(name: str, took: Took, *, resumed: bool) -> None:
    """Remember what a part took, unless this was only the rest of it."""
    _mark(name).unlink(missing_ok=True)
    if not resumed:
        record(name, took)


def record(name: str, took: Took) -> None:
    """Remember what a part took."""
    with _writing:
        known = _load()
        known[name] = took
        document = {part: dataclasses.asdict(value) for part, value in known.items()}
        partial = _file().with_suffix(".partial")
        partial.write_text(json.dumps(document, indent=1, sort_keys=True))
        partial.replace(_file())


def table() -> str:
    """What was recorded, as a Markdown table."""
    known = _load()
    lines = ["| Part | Wall clock, s | Processor, s |", "|---|---|---|"]
    lines += [f"| {name} | {took.wall:.0f} | {took.cpu:.0f} |" for name, took in known.items()]
    return "\n".join(lines)


def remaining(lanes: Iterable[Iterable[tuple[float, float]]], *, pace: float) -> float:
    """Seconds until the slowest lane is through.

    A lane is its open parts as (expected, elapsed) seconds; pace is how much slower than expected
    this run was so far. A part that takes longer than expected counts as about to end.
    """
    sums = (
        sum(max(expected * pace - elapsed, 0.0) for expected, elapsed in lane) for lane in lanes
    )
    return max(sums, default=0.0)


def _load() -> dict[str, Took]:
    try:
        document = json.loads(_file().read_text())
        return {
            name: Took(wall=float(value["wall"]), cpu=float(value["cpu"]))
            for name, value in document.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _mark(name: str) -> Path:
    return paths.cache_dir() / "begun" / name


def _file() -> Path:
    return paths.cache_dir().parent / "durations.json"
