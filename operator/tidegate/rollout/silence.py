"""No data from a candidate that has traffic, while stable shows some: its traffic is taken back.

Nobody is blamed, since nothing is proven: the stage is taken again after `noDataTimeout`, then after
twice and four times as long, and then only when a person asks for it. While a gate keeps the next one
waiting, the one before is taken again. Source: ADR 0034.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from tidegate import model
from tidegate.rollout import capacity, gates
from tidegate.rollout.turn import Turn

MOST_TIMES = 4  # from then on a person decides


def found(turn: Turn) -> str:
    """Why the traffic is to be taken back; empty where there is no reason to."""
    rollout, stage = turn.rollout, _standing(turn)
    judged = stage is not None and stage.needs_proof and stage.control is model.Control.CONCURRENT
    if not (judged and rollout.exposure.is_visited):
        return ""
    if rollout.exposure.counted_share == 0:
        return ""  # testers may stay away
    return turn.seen.analysis.silent if capacity.ready(turn, turn.stable) > 0 else ""


def _standing(turn: Turn) -> model.Stage | None:
    """The stage whose weight is in force: the active one, or that before it while people are asked."""
    rollout = turn.rollout
    if rollout.step is not None and rollout.step.confirmed_at is not None:
        return rollout.stage
    asked = rollout.stage is not None and rollout.stage.control is model.Control.CONCURRENT
    return rollout.judged_stage if asked and gates.closed(turn) is not None else None


def remember(turn: Turn) -> Turn:
    """Once more."""
    known = turn.rollout.silence
    times = known.times + 1 if known is not None else 1
    silence = model.Silence(times=times, since=turn.now)
    return turn.with_rollout(replace(turn.rollout, silence=silence))


def forget(turn: Turn) -> Turn:
    """A person wants the stage to be taken again at once."""
    return turn.with_rollout(replace(turn.rollout, silence=None))


def lasts(turn: Turn) -> str:
    """Why a withdrawn candidate does not get its traffic yet; empty where it may."""
    rollout, stage = turn.rollout, turn.rollout.stage
    proves = stage is not None and stage.needs_proof
    if rollout.silence is None or not (proves and rollout.withdrawn):
        return ""
    text = "NoData: it showed no finished request while stable did"
    if rollout.silence.times >= MOST_TIMES:
        return f"{text}, {rollout.silence.times} times; see to its scrape and answers, then promote"
    again_at = _again_at(turn, rollout.silence)
    if turn.now >= again_at:
        return ""
    return f"{text}; the stage is taken again at {again_at:%H:%M:%S} UTC, or by promote"


def needs_a_person(rollout: model.Rollout) -> bool:
    """It was withdrawn too often to be taken again by itself."""
    known = rollout.silence
    return known is not None and rollout.withdrawn and known.times >= MOST_TIMES


def look(turn: Turn) -> Turn:
    """With a look when the stage is to be taken again."""
    silence = turn.rollout.silence
    return turn if silence is None else turn.look_at(_again_at(turn, silence))


def _again_at(turn: Turn, silence: model.Silence) -> datetime:
    seconds = turn.spec.analysis.no_data_timeout_seconds * 2 ** (silence.times - 1)
    return silence.since + timedelta(seconds=seconds)
