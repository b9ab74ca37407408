"""What the preflight says of a ModelDeployment as a whole: the worst of its metrics."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate import model
from tidegate.model import PreflightReason
from tidegate.rollout.turn import Turn

# From harmless to hopeless; the worst is what people read first.
_ORDER = tuple(PreflightReason)
# With these no candidate could be judged. Without traffic nobody can tell, and no share of nothing
# does harm.
HOLDING = frozenset(
    {
        PreflightReason.METRIC_MISSING,
        PreflightReason.LABELS_MISSING,
        PreflightReason.SCRAPED_TWICE,
        PreflightReason.NOT_SCRAPED,
        PreflightReason.SOURCE_UNREACHABLE,
        PreflightReason.NO_SOURCE,
    }
)


# Looks are bounded, but nobody can promise that there is one; a rollout must not hang on that.
FIRST_LOOK_SECONDS = 300.0


def awaits_first_look(turn: Turn) -> bool:
    """Nobody has looked yet, and soon somebody will: stable has pods that can be looked for."""
    serving = turn.state_of(turn.stable)
    if turn.seen.preflight is not None or turn.status.evidence:
        return False
    if not turn.spec.analysis.metrics or serving is None or not serving.ready:
        return False
    return (turn.now - turn.rollout.started_at).total_seconds() < FIRST_LOOK_SECONDS


def rows(turn: Turn) -> tuple[model.Preflight, ...]:
    """The newest look, after a restart the last one that was written."""
    newest = turn.seen.preflight
    return turn.status.evidence if newest is None else newest


def worst(found: Sequence[model.Preflight]) -> model.Preflight | None:
    """The metric that is furthest from being judged; one in dry run never stands for all."""
    acting = [one for one in found if not one.dry_run]
    return max(acting, key=lambda one: _ORDER.index(one.reason), default=None)


def obstacle(found: Sequence[model.Preflight]) -> model.Preflight | None:
    """Why a candidate must not get a weight; None when it may."""
    row = worst(found)
    return row if row is not None and row.reason in HOLDING else None


def text(row: model.Preflight) -> str:
    """One metric in words."""
    return f"{row.reason}: {row.metric}: {row.message}"
