"""Places among the rollouts that policies allow at once: who waits for one, and who has got his.

Only what has not begun waits. Whoever has a place keeps it until its result stands, paused or not;
whoever waits for people or for a window has none and keeps nobody back.
Source: api.md, 9.1; docs/adr/0093.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from tidegate import model
from tidegate.policy import queue
from tidegate.rollout import waiting
from tidegate.rollout.turn import Turn

QUOTA = model.Waiting.CONCURRENCY_QUOTA
EXACT_PLACES = (
    20  # further back only tens are told: a status of each for every step of the queue is a storm
)


def held(turn: Turn) -> tuple[model.Waiting, str] | None:
    """What keeps a rollout that has no place yet from beginning, with words."""
    entrant = _newcomer(turn)
    if entrant is None or not any(it.holds for it in entrant.limits):
        return None
    if pause := waiting.asked_to_pause(turn):
        return pause  # whoever waits for a person is not in the queue
    full = queue.full_for(entrant, turn.seen.queue)
    return None if full is None else (QUOTA, _text(full))


def admit(turn: Turn) -> Turn:
    """Note that it has its place, where policies limit how many do. Nothing may hold it."""
    entrant = _newcomer(turn)
    if entrant is None or not entrant.limits:
        return turn
    turn = waiting.stop_waiting(turn, only=frozenset({QUOTA}))
    return turn.with_rollout(replace(turn.rollout, admitted_at=turn.now))


def violations(turn: Turn) -> Iterator[model.PolicyViolation]:
    """The limits that are told only, and that it goes beyond."""
    entrant = _entrant(turn)
    for limit in queue.exceeded(entrant, turn.seen.queue) if entrant is not None else ():
        yield model.PolicyViolation(
            rule=queue.RULE,
            policy=limit.policy,
            action=limit.action,
            message=f"{_allowed(limit)} are under way besides it",
        )


def has_place(rollout: model.Rollout) -> bool:
    """It counts as under way for policies."""
    return rollout.admitted_at is not None or rollout.begun


def is_queued(rollout: model.Rollout) -> bool:
    """It waits for a place, or has yet to find out whether it has to."""
    waits = rollout.waiting_for
    stands = waits is not None and waits.reason in waiting.PAUSES
    return not (rollout.ending or has_place(rollout) or stands)


def _newcomer(turn: Turn) -> model.Entrant | None:
    """The rollout, while it has no place and needs one."""
    rollout = turn.active_rollout
    return None if rollout is None or has_place(rollout) else _entrant(turn)


def _entrant(turn: Turn) -> model.Entrant | None:
    """The rollout, where there is one that has or is to have pods."""
    rollout, meta = turn.active_rollout, turn.seen.meta
    if rollout is None or rollout.ending or turn.spec.replicas == 0:
        return None
    limits = (it for one in turn.policies for it in queue.limits_of(one, meta.namespace))
    return model.Entrant(
        namespace=meta.namespace,
        name=meta.name,
        started_at=rollout.started_at,
        limits=tuple(limits),
    )


def _text(full: queue.Full) -> str:
    return f"place {_place(full.ahead)} in the queue: {_allowed(full.limit)} are under way"


def _place(ahead: int) -> str:
    if ahead < EXACT_PLACES:
        return str(ahead + 1)
    return f"beyond {ahead // EXACT_PLACES * EXACT_PLACES}"


def _allowed(limit: model.Limit) -> str:
    where = f" of namespace {limit.namespace}" if limit.namespace else ""
    return f"the {limit.most} rollout(s){where} that {limit.policy} allows at once ({queue.RULE}.{limit.member})"
