"""Detectors of river and frouros as their packages bring them: with their own defaults, or as a row says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from frouros.detectors import concept_drift, data_drift
from river import drift
from river.drift import binary

from bench.public.runs import Alarms, Bits, Detector, Entry, Numbers, Stream

WINDOW = 500  # rows that a batch detector is given at once
ALPHA = 0.01  # of a window, over all features by Bonferroni
SLOW_ROWS = 3000  # for what takes half a millisecond for each of them
USUAL_LIMIT, LARGE_LIMIT = 0.1, 0.25  # rules of thumb for the PSI

Step = Callable[[float], bool]  # takes one number, says whether that is drift
Make = Callable[[], Step]


def of_labels() -> tuple[Entry, ...]:
    """Detectors that take one bit after another: whether the answer was wrong."""
    made: dict[str, Make] = {
        "river ADWIN": partial(_river, drift.ADWIN),
        "river DDM": partial(_river, binary.DDM),
        "river EDDM": partial(_river, binary.EDDM),
        "river HDDM_A": partial(_river, binary.HDDM_A),
        "river HDDM_W": partial(_river, binary.HDDM_W),
        "river Page-Hinkley": partial(_river, drift.PageHinkley),
        "frouros CUSUM": partial(_frouros, concept_drift.CUSUM),
        "frouros ECDD-WT": partial(_frouros, concept_drift.ECDDWT),
        "frouros RDDM": partial(_frouros, concept_drift.RDDM),
    }
    entries = [Entry(name=name, detector=partial(_bits, make=one)) for name, one in made.items()]
    kswin = partial(_bits, make=partial(_river, drift.KSWIN, seed=1))
    return (*entries, Entry(name="river KSWIN", detector=kswin, rows=SLOW_ROWS))


def of_inputs() -> tuple[Entry, ...]:
    """Detectors that take rows: a stream for each feature, or a window of all of them."""
    made: dict[str, Detector] = {
        "river ADWIN, each feature": partial(_features, make=partial(_river, drift.ADWIN)),
        "river Page-Hinkley, each feature": partial(
            _features, make=partial(_river, drift.PageHinkley)
        ),
        f"frouros KS test, {ALPHA:.0%}": _ks,
        f"frouros PSI > {USUAL_LIMIT:g}": partial(_psi, limit=USUAL_LIMIT),
        f"frouros PSI > {LARGE_LIMIT:g}": partial(_psi, limit=LARGE_LIMIT),
    }
    return tuple(Entry(name=name, detector=one) for name, one in made.items())


# --- one number after another --------------------------------------------------------------------


def _bits(stream: Stream, wrong: Bits, *, make: Make) -> Alarms:
    del stream
    step = make()
    return tuple(at for at, bit in enumerate(wrong.tolist()) if step(int(bit)))


def _features(stream: Stream, wrong: Bits, *, make: Make) -> Alarms:
    """Drift of any feature is an alarm. The training rows are shown before, and what it says of them is none."""
    del wrong
    steps = [make() for _ in stream.names]
    found = []
    for row, values in enumerate(stream.scaled().tolist()):
        told = [step(value) for step, value in zip(steps, values, strict=True)]  # each sees it
        if any(told) and row >= stream.trained:
            found.append(row - stream.trained)
    return tuple(found)


def _river(kind: Any, **more: Any) -> Step:
    one = kind(**more)

    def step(value: float) -> bool:
        one.update(value)  # it begins anew by itself after a drift
        return bool(one.drift_detected)

    return step


def _frouros(kind: Any) -> Step:
    one = kind()

    def step(value: float) -> bool:
        one.update(value=value)
        is_drift = bool(one.status["drift"])
        if is_drift:
            one.reset()
        return is_drift

    return step


# --- windows -------------------------------------------------------------------------------------


def _ks(stream: Stream, wrong: Bits) -> Alarms:
    del wrong
    detectors = [_fitted(data_drift.KSTest(), one) for one in _columns(stream.x[: stream.trained])]
    alpha = ALPHA / len(stream.names)
    return _windows(
        stream,
        lambda window: any(
            detector.compare(X=column)[0].p_value <= alpha
            for detector, column in zip(detectors, _columns(window), strict=True)
        ),
    )


def _psi(stream: Stream, wrong: Bits, *, limit: float) -> Alarms:
    del wrong
    detectors = [_fitted(data_drift.PSI(), one) for one in _columns(stream.x[: stream.trained])]
    return _windows(
        stream,
        lambda window: any(
            detector.compare(X=column)[0].distance > limit
            for detector, column in zip(detectors, _columns(window), strict=True)
        ),
    )


def _fitted(detector: Any, column: Numbers) -> Any:
    detector.fit(X=column)
    return detector


def _windows(stream: Stream, is_drift: Callable[[Numbers], bool]) -> Alarms:
    """The last row of each window that drifts; windows do not overlap."""
    arriving = stream.x[stream.trained :]
    ends = range(WINDOW, len(arriving) + 1, WINDOW)
    return tuple(end - 1 for end in ends if is_drift(arriving[end - WINDOW : end]))


def _columns(rows: Numbers) -> Sequence[Numbers]:
    return list(np.ascontiguousarray(rows.T))
