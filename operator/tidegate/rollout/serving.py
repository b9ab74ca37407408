"""The watch for the revision that serves: what was found is kept, told, and ends only by evidence.

A look finds a drift or a breach, or a whole window without any; anything else changes neither. So neither
missing data nor a restart of the operator ends one that lasts, and none begins one. In a rollout the
watch rests: the candidate is judged then, and users are about to be served by another revision.
Source: ADR 0080; ADR 0037 for limits, 0046 for labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.evidence.terms import Reason
from tidegate.model import Outcome
from tidegate.rollout import retraining, returning
from tidegate.rollout.turn import Turn

ENDED = {True: "DriftEnded", False: "BreachEnded"}  # by whether it was a drift
SOUND = {
    model.Alarm.DATA: "NoDriftFound",
    model.Alarm.CONCEPT: "NoDriftFound",
    model.Alarm.BREACH: "WithinThresholds",
}
_SPEAKS_OF = {
    model.Alarm.DATA: model.Against.TRAINING,
    model.Alarm.CONCEPT: model.Against.LABELS,
    model.Alarm.BREACH: model.Against.THRESHOLD,
}
ONSET_WINDOWS = 2  # for so long after it was found the word for how a drift came may still change
_WITHOUT_DATA = frozenset({Outcome.NO_DATA, Outcome.ERROR})


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """What a condition says of the revision that serves; `holds` is None where nobody can tell."""

    type: str
    holds: bool | None
    reason: str
    message: str = ""


def keep(turn: Turn) -> Turn:
    """Take in what the newest look found of the revision that serves, and tell what is new."""
    if turn.seen.spec is None:
        return turn
    if turn.spec.monitoring is None or not turn.stable:
        return turn.with_status(replace(turn.status, monitoring=None))
    known = turn.status.monitoring
    if known is None or known.revision != turn.stable:
        known = model.Watch(revision=turn.stable, hook=known.hook if known is not None else None)
    turn, known = _named(turn, known)
    old = {one.name: one for one in known.metrics}
    newest = turn.seen.watched
    if newest:
        rows = tuple(_merged(turn, one, old.get(one.name)) for one in newest)
        for row in rows:
            turn = _tell(turn, row, old.get(row.name))
        known = replace(known, metrics=rows)
    turn, known = retraining.keep(turn, known)
    turn, known = returning.keep(turn, known)
    return turn.with_status(replace(turn.status, monitoring=known))


def _named(turn: Turn, known: model.Watch) -> tuple[Turn, model.Watch]:
    """Only metrics that the spec still holds against the same; one that is invalid ends nothing."""
    if turn.seen.violations:
        return turn, known
    named = {one.name: model.against_of(one) for one in turn.spec.analysis.metrics}
    kept = tuple(row for row in known.metrics if named.get(row.name) is row.against)
    for row in known.metrics:
        if row.fails and row not in kept:
            why = "the spec does not ask for it any more"
            turn = turn.say(ENDED[row.is_drift], f"{row.name} of revision {turn.stable}: {why}")
    return turn, replace(known, metrics=kept)


def _merged(
    turn: Turn, newest: model.WatchedMetric, old: model.WatchedMetric | None
) -> model.WatchedMetric:
    if old is None or old.against is not newest.against:
        old = replace(newest, outcome=Outcome.INCONCLUSIVE, onset="")
    is_anew = _is_counted_otherwise(newest.baseline, old.baseline)
    newest = replace(newest, baseline=newest.baseline or old.baseline)
    if newest.reason == Reason.WARMUP and _is_of_a_window(old) and not is_anew:
        # A watch that began anew knows less than what stands there.
        return replace(old, baseline=newest.baseline)
    match newest.outcome:
        case Outcome.FAIL:
            since = old.failing_since or turn.now
            return replace(
                newest,
                failing_since=since,
                sound_since=old.sound_since,
                onset=_onset(turn, newest, old),
            )
        case Outcome.PASS:
            return replace(newest, sound_since=old.sound_since or turn.now)
        case _:
            return replace(
                newest,
                failing_since=old.failing_since,
                sound_since=old.sound_since,
                onset=old.onset,
                shifts=old.shifts if old.fails else newest.shifts,
            )


def _is_counted_otherwise(
    newest: model.QualityBaseline | None, old: model.QualityBaseline | None
) -> bool:
    return newest is not None and old is not None and newest.counted_as != old.counted_as


def _onset(turn: Turn, newest: model.WatchedMetric, old: model.WatchedMetric) -> str:
    """How the drift came; what was never otherwise has not come."""
    if old.sound_since is None:
        return ""
    if old.failing_since is None or not old.onset:
        return newest.onset
    assert turn.spec.monitoring is not None
    age = (turn.now - old.failing_since).total_seconds()
    is_young = age < ONSET_WINDOWS * turn.spec.monitoring.window_seconds
    return newest.onset if is_young else old.onset


def _tell(turn: Turn, row: model.WatchedMetric, old: model.WatchedMetric | None) -> Turn:
    """Say once when a drift or a breach is found, and once when it has ended."""
    drifted = old is not None and old.fails
    if row.fails and not drifted:
        came = f", {row.onset} for now" if row.onset else ""
        return turn.warn(
            row.alarm,
            f"{row.name} of revision {turn.stable} against {row.against}{came}: {row.message}",
        )
    if drifted and not row.fails:
        return turn.say(ENDED[row.is_drift], f"{row.name} of revision {turn.stable}: {row.message}")
    return turn


def begun(new: model.Watch | None, old: model.Watch | None) -> Iterator[model.Alarm]:
    """What each drift or breach is that was found between the two."""
    known = {one.name for one in old.metrics if one.fails} if old is not None else set()
    for one in new.metrics if new is not None else ():
        if one.fails and one.name not in known:
            yield one.alarm


def aspects(turn: Turn) -> Iterator[Aspect]:
    """What conditions say; nothing where nobody asked for a watch."""
    known = turn.status.monitoring
    if known is None:
        return
    yield _condition(turn, known, model.Alarm.DATA)
    for alarm in (model.Alarm.CONCEPT, model.Alarm.BREACH):
        if _asked(turn, alarm) or _rows(known, alarm):
            yield _condition(turn, known, alarm)
    skewed = _failing(known, model.Alarm.SKEW)
    if skewed:
        yield _found(model.Alarm.SKEW, skewed)
    if (why := retraining.problem(turn, known)) is not None:
        yield Aspect(type=retraining.FAILED, holds=True, reason=why[0], message=why[1])
    if (obstacle := returning.problem(turn, known)) is not None:
        yield Aspect(
            type=returning.failed(turn, known),
            holds=True,
            reason=obstacle.reason,
            message=obstacle.message,
        )


def _condition(turn: Turn, known: model.Watch, alarm: model.Alarm) -> Aspect:
    failing = _failing(known, alarm)
    if failing:
        return _found(alarm, failing)
    if turn.active_rollout is not None:
        return Aspect(type=alarm, holds=None, reason="RolloutInProgress")
    rows = _rows(known, alarm)
    if not rows:
        return _nothing_yet(turn, alarm)
    blind = [one for one in rows if _is_blind(one)]
    early = [one for one in rows if one.sound_since is None]
    for some in (blind, early):
        if some:
            return Aspect(type=alarm, holds=None, reason=some[0].reason, message=_names(some))
    return Aspect(type=alarm, holds=False, reason=SOUND[alarm])


def _rows(known: model.Watch, alarm: model.Alarm) -> list[model.WatchedMetric]:
    """The metrics that such a condition speaks of."""
    return [one for one in known.metrics if one.against is _SPEAKS_OF[alarm]]


def _asked(turn: Turn, alarm: model.Alarm) -> bool:
    """The spec has a metric that such a condition would speak of; also one that cannot be read."""
    spec = turn.seen.spec
    if spec is None:
        return True
    return any(model.against_of(one) is _SPEAKS_OF[alarm] for one in spec.analysis.metrics)


def _is_of_a_window(row: model.WatchedMetric) -> bool:
    """What it says was judged by a whole window."""
    return row.outcome in {Outcome.PASS, Outcome.FAIL} or row.reason == Reason.INSUFFICIENT


def _is_blind(row: model.WatchedMetric) -> bool:
    """The last look saw nothing, or in a whole window too little to see a drift."""
    return row.outcome in _WITHOUT_DATA or row.reason == Reason.INSUFFICIENT


def _nothing_yet(turn: Turn, alarm: model.Alarm) -> Aspect:
    if _asked(turn, alarm):
        return Aspect(type=alarm, holds=None, reason="NotLookedYet")
    message = (
        "no metric of spec.analysis is a distribution with training data: add preset feature-drift with"
        " compare.to TrainingReference, and analysis.baseline.reference"
    )
    return Aspect(type=alarm, holds=None, reason="NothingWatched", message=message)


def _failing(known: model.Watch, alarm: model.Alarm) -> list[model.WatchedMetric]:
    return [one for one in known.metrics if one.fails and one.alarm is alarm]


def _found(alarm: model.Alarm, rows: Sequence[model.WatchedMetric]) -> Aspect:
    """Which metrics, and since when; their numbers move, and stand in status."""
    found = "; ".join(
        f"{one.name} against {one.against} since {one.failing_since:%Y-%m-%dT%H:%M:%SZ}"
        for one in rows
    )
    of_features = rows[0].against is model.Against.TRAINING
    more = "the features stand" if of_features else "the numbers stand"
    reason = Reason.DRIFT.value if rows[0].is_drift else "Breached"
    return Aspect(
        type=alarm, holds=True, reason=reason, message=f"{found}; {more} in status.monitoring"
    )


def _names(rows: Sequence[model.WatchedMetric]) -> str:
    return f"{', '.join(one.name for one in rows)}: see status.monitoring"


def without_movement(new: model.Watch | None, old: model.Watch | None) -> model.Watch | None:
    """`old` where only numbers differ."""
    return old if _course(new) == _course(old) else new


def without_course(new: model.Watch | None, old: model.Watch | None) -> model.Watch | None:
    """`old` where no drift has begun or ended."""
    return old if _episodes(new) == _episodes(old) else new


def _course(watch: model.Watch | None) -> object:
    if watch is None:
        return None
    rows = [
        (replace(one, message="", value=None, shifts=()), _features(one)) for one in watch.metrics
    ]
    return watch.revision, watch.hook, watch.rollback, rows


def _features(row: model.WatchedMetric) -> frozenset[str]:
    """Which features have drifted; which ones are nearest to it is a matter of chance."""
    return frozenset(it.feature for it in row.shifts) if row.fails else frozenset()


def _episodes(watch: model.Watch | None) -> object:
    if watch is None:
        return None
    rows = [(one.name, one.against, one.failing_since, one.sound_since) for one in watch.metrics]
    return watch.revision, watch.hook, watch.rollback, rows
