"""The memory of a step: which looks count, and how long nothing usable was seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tidegate.evidence.model import Measurement, Reason, StepEvidence, Track

_ERRORS = frozenset({Reason.ERROR, Reason.METRICS_UNAVAILABLE})


def record(
    evidence: StepEvidence,
    *,
    measurements: Mapping[str, Measurement],
    required: frozenset[str],
    keep: int,
    at: float,
) -> StepEvidence:
    """Evidence with one more look at every metric; tracks of other metrics are dropped.

    Only a usable look with a sample newer than the one before enters the history, so that looking
    more often than the source scrapes proves nothing. Errors and missing data are counted for the
    `required` metrics; the others never act.
    """
    tracks = {
        name: _tracked(evidence.tracks.get(name), measurement=measurement, keep=keep)
        for name, measurement in measurements.items()
    }
    problems = [
        track.latest.candidate.problem.reason
        for name, track in tracks.items()
        if name in required and track.latest.candidate.problem is not None
    ]
    errors = evidence.consecutive_errors + 1 if _ERRORS.intersection(problems) else 0
    since = evidence.without_data_since
    return replace(
        evidence,
        tracks=tracks,
        consecutive_errors=errors,
        without_data_since=(at if since is None else since) if problems else None,
    )


def _tracked(track: Track | None, *, measurement: Measurement, keep: int) -> Track:
    history = () if track is None else track.history
    if _brings_news(measurement, history=history):
        history = (*history, measurement)[-keep:]
    return Track(latest=measurement, history=history)


def _brings_news(measurement: Measurement, *, history: tuple[Measurement, ...]) -> bool:
    arm = measurement.candidate
    if arm.problem is not None or arm.newest is None:
        return False
    last = history[-1].candidate.newest if history else None
    return last is None or arm.newest > last
