"""What each profile does where pods are unlike, and what the numbers beside the default would do.

Chosen worlds, not worst ones: pods of a service differ by some percent and wander, a burst of errors
comes now and then (ADR 0051). Everything is seeded; each rollout ends by itself or pauses.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from default_rollouts import Cell, End, walk

from tidegate.model import Profile

SEED = 20_261_130
BASE = 0.005
WORLDS = ((10.0, 4), (100.0, 4), (100.0, 10))
EQUAL, TENFOLD, FIVE_POINTS, SLOWER = "equal", "x10 errors", "5 points more", "half slower"
CANDIDATES: Mapping[str, Mapping[str, Any]] = {
    EQUAL: {},
    "x3 errors": {"candidate_base": 3 * BASE},
    TENFOLD: {"candidate_base": 10 * BASE},
    FIVE_POINTS: {"candidate_base": BASE + 0.05},
    SLOWER: {"slower": 1.5},
}
# One number at a time beside Balanced: what is dearer, what is less sharp.
NEIGHBOURS: Mapping[str, Mapping[str, Any]] = {
    "as it is": {},
    "tolerance 0.1": {"tolerance": 0.1},
    "tolerance 0.5": {"tolerance": 0.5},
    "margin 0.5": {"margin": 0.5},
    "toleranceAbsolute 0.01": {"toleranceAbsolute": 0.01},
    "detect.ratio 3": {"detect": {"ratio": 3}},
    "detect.ratio 10": {"detect": {"ratio": 10}},
    "detect.absolute 0.02": {"detect": {"absolute": 0.02}},
    "detect.absolute 0.1": {"detect": {"absolute": 0.1}},
}


def world(qps: float, pods: int) -> Cell:
    """A service as they are: nothing is quite alike."""
    return Cell(
        name=f"{qps:g}/s, {pods} pods",
        qps=qps,
        pods=pods,
        base=BASE,
        lasting=0.1,
        wander=0.2,
        speeds=0.03,
        rare=0.5,
    )


def markdown(*, runs: int) -> list[str]:
    """Both tables, each under a heading of the second level."""
    return [
        "## The profiles where pods are unlike",
        "",
        (
            f"Pods differ lastingly by 10 % in errors and 3 % in speed, wander by 20 %, and a burst of"
            f" some 20 errors comes every two hours; {BASE:.1%} of requests fail. {runs} rollouts per"
            f" cell, unattended, with a Gateway, seed {SEED}. Promoted / rolled back, and the median"
            " minutes of what is the right end; the rest paused."
        ),
        "",
        *_profiles(runs=runs),
        "",
        "## One number beside the default",
        "",
        (
            "The same worlds at 100 requests/s and 4 pods: what another number instead of that of"
            " `Balanced` would buy, and cost."
        ),
        "",
        *_neighbours(runs=runs),
    ]


def _profiles(*, runs: int) -> list[str]:
    lines = _head("profile", "world", *CANDIDATES)
    for profile in Profile:
        for one in (world(*it) for it in WORLDS):
            changed = dataclasses.replace(one, analysis=(("profile", profile.value),))
            lines.append(_line(profile.value, one.name, *_texts(changed, runs=runs)))
    return lines


def _neighbours(*, runs: int) -> list[str]:
    lines = _head("", *CANDIDATES)
    for name, compare in NEIGHBOURS.items():
        changed = dataclasses.replace(world(100.0, 4), analysis=_with(compare))
        lines.append(_line(name, *_texts(changed, runs=runs)))
    return lines


def _with(compare: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """The default metrics with this comparison of both."""
    metrics = [
        {"name": preset, "preset": preset, "compare": dict(compare)}
        for preset in ("error-ratio", "latency-p95")
    ]
    return (("metrics", metrics),)


def _texts(cell: Cell, *, runs: int) -> list[str]:
    return [
        _text(ends(dataclasses.replace(cell, **changes), runs=runs), right=_right(name))
        for name, changes in CANDIDATES.items()
    ]


def _right(candidate: str) -> str:
    return "promoted" if candidate == EQUAL else "rolled back"


def ends(cell: Cell, *, runs: int) -> list[End]:
    """How so many rollouts of a cell end."""
    return [walk(cell, np.random.default_rng((SEED, number))) for number in range(runs)]


def _text(found: Sequence[End], *, right: str) -> str:
    promoted, back = (
        sum(one.how == how for one in found) / len(found) for how in ("promoted", "rolled back")
    )
    minutes = [one.seconds / 60 for one in found if one.how == right]
    time = f", {statistics.median(minutes):.0f} min" if minutes else ""
    return f"{promoted:.0%} / {back:.0%}{time}"


def _head(*titles: str) -> list[str]:
    return [_line(*titles), "|---" * len(titles) + "|"]


def _line(*texts: str) -> str:
    return "| " + " | ".join(texts) + " |"
