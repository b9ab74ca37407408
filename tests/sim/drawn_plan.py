"""What a seed says of people: the spec, what they do to it, and how long they wait in between."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from tests.sim import drawn_strategies
from tests.sim.drawn_policies import draw_policies
from tests.sim.drawn_steering import draw_steering
from tests.sim.drawn_watch import draw_watch
from tests.sim.edits import EDITS
from tests.sim.truth import Truth

from tidegate import model

VERSIONS = {
    "good": Truth(),
    "slowly": Truth(startup_seconds=25.0),
    "bad": Truth(error_ratio=0.5),
    "worse": Truth(error_ratio=0.3),
    "crashing": Truth(starts=False, crashes=True),
    "stuck": Truth(starts=False),
}
SLUGGISH = Truth(slow_ratio=0.6)  # only where latency is judged
ERRORS = drawn_strategies.ERRORS
ERRORS_COMPARED = {"name": "errors", "preset": "error-ratio"}
LATENCY = {"name": "latency", "preset": "latency-p95", "threshold": {"max": 0.25}}
UNDECIDABLE = (  # a person has to decide: a limit above all buckets, and nothing that may decide
    [ERRORS, LATENCY | {"threshold": {"max": 30.0}}],
    [ERRORS | {"dryRun": True}],
)
STYLES = (model.IdentityMode.LABEL, model.IdentityMode.POD_LABEL, model.IdentityMode.POD)
STEPS: tuple[tuple[tuple[float, int], ...], ...] = (
    ((10, 10), (50, 10)),
    ((50, 5),),
    ((1, 0), (25, 5), (75, 5)),
    ((100, 5),),
    ((5, 15), (5.5, 0)),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """What the seed says about people."""

    spec: dict[str, Any]
    acts: tuple[tuple[float, str, str], ...]
    first: str = "good"  # what the first version is like


def draw(seed: int, dice: random.Random) -> Plan:
    """A spec and a list of (seconds to wait before, act, argument).

    Each family of acts has dice of its own, so that its acts move no others.
    """
    rare, revisions = random.Random(f"{seed}/rare"), random.Random(f"{seed}/revisions")
    spec: dict[str, Any] = {
        "provider": dice.choice(("GatewayAPI", "GatewayAPI", "ReplicaRatio")),
        "replicas": dice.choice((1, 2, 2, 3, 4)),
        "steps": dice.choice(STEPS),
        "revisionHistoryLimit": dice.choice((0, 1, 2)),
        "analysis": {"onInconclusive": dice.choice(("Pause", "Pause", "Rollback"))},
    }
    acts = [(dice.uniform(0.0, 10.0), "deploy", dice.choice(list(VERSIONS)))]
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        act, argument = dice.choice(ACTS)
        acts.append((dice.choice((0.3, 5.0, 20.0, 40.0)) * dice.random(), act, argument))
    if rare.random() < 0.25:
        act, argument = rare.choice(RARE_ACTS)
        acts.insert(rare.randint(1, len(acts)), (10.0 * rare.random(), act, argument))
    first = rare.choice(("stuck", "crashing", "slowly")) if rare.random() < 0.04 else "good"
    spec["analysis"]["metrics"] = metrics = _metrics(rare, acts, first)
    if LATENCY in metrics:
        acts.insert(rare.randint(0, len(acts)), (20.0 * rare.random(), *LATENCY_ACT))
    if revisions.random() < 0.25:
        act, argument = revisions.choice(REVISION_ACTS)
        at = revisions.randint(1, len(acts))
        acts.insert(at, (20.0 * revisions.random(), act, argument))
    if spec["provider"] == "GatewayAPI" and random.Random(f"{seed}/plane").random() < 0.15:
        spec["provider"] = "Existing"  # the route belongs to people
    _draw_sizes(random.Random(f"{seed}/sizes"), spec, acts)
    _draw_edits(random.Random(f"{seed}/edits"), spec, acts)
    drawn_strategies.bake(random.Random(f"{seed}/baking"), spec)
    draw_steering(random.Random(f"{seed}/steering"), spec, acts)
    drawn_strategies.blue_green(random.Random(f"{seed}/switching"), spec)
    draw_policies(random.Random(f"{seed}/rules"), acts)
    draw_watch(random.Random(f"{seed}/watch"), spec, acts)
    return Plan(spec, tuple(acts), first)


def _draw_sizes(
    dice: random.Random, spec: dict[str, Any], acts: list[tuple[float, str, str]]
) -> None:
    """Rarely many pods, a small surge, or none at all for a while."""
    if dice.random() < 0.02:
        spec["replicas"] = dice.choice((8, 20, 50))
    if dice.random() < 0.1:
        spec["scaling"] = {"maxSurgePercent": dice.choice((10, 25, 50))}
    if dice.random() < 0.06:
        acts.insert(dice.randint(1, len(acts)), (20.0 * dice.random(), *PARK_ACT))


def _draw_edits(
    dice: random.Random, spec: dict[str, Any], acts: list[tuple[float, str, str]]
) -> None:
    """Fields of the spec that somebody changes, some for good."""
    fitting = [
        name for name, edit in EDITS.items() if not edit.plane or spec["provider"] == "GatewayAPI"
    ]
    while dice.random() < 0.3:
        wait = dice.choice((0.5, 5.0, 20.0)) * dice.random()
        acts.insert(dice.randint(1, len(acts)), (wait, "edit", dice.choice(fitting)))


def _metrics(
    rare: random.Random, acts: list[tuple[float, str, str]], first: str
) -> list[dict[str, Any]]:
    """Mostly a limit of errors; sometimes only the comparison with stable, or latency, too.

    Where people may promote a bad version, what is a little less bad would be an improvement; and
    where the first version never serves, a bad one may be the first that does.
    """
    waved_through = any(argument.startswith("promote") for _, _, argument in acts)
    waved_through = waved_through or first in {"stuck", "crashing"}
    compared = [ERRORS] if waved_through else [ERRORS_COMPARED]
    choices = ([ERRORS], compared, [ERRORS, LATENCY], *UNDECIDABLE)
    return rare.choices(choices, weights=(0.66, 0.14, 0.14, 0.03, 0.03))[0]


ACTS = (
    ("deploy", "good"),
    ("deploy", "bad"),
    ("deploy", "good"),
    ("back", ""),
    ("bounce", ""),
    ("ask", "abort"),
    ("ask", "retry"),
    ("ask", "promote"),
    ("ask", "promote-full"),
    ("ask", "pause"),
    ("ask", "resume"),
    ("ask", "nonsense"),
    ("pause", ""),
    ("unpause", ""),
    ("replicas", "1"),
    ("replicas", "3"),
    ("steps", ""),
    ("judging", ""),
    ("invalid", ""),
    ("delete", ""),
    ("recreate", ""),
    ("edit_route", ""),
    ("delete_route", ""),
    ("delete_entry", ""),
    ("scale_stable", ""),
    ("delete_deployment", ""),
    ("newer_version", ""),
)

RARE_ACTS = (
    ("delete_lease", ""),
    ("steal_lease", ""),
    ("edit_entry", ""),
    ("foreign_route", ""),
    ("delete_service", ""),
    ("delete_stable", ""),
)
LATENCY_ACT = ("deploy", "sluggish")
PARK_ACT = ("park", "")
REVISION_ACTS = (
    ("other_port", "9000"),
    ("other_port", "7000"),
    ("unreadable", "analysis"),
    ("unreadable", "strategy"),
    ("unreadable", "workload"),
    ("unreadable", "server"),
    ("unknown_field", ""),
    ("change_in_place", ""),
    ("empty_status", ""),
    ("delete_frozen", ""),
)
