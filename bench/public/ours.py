"""Tidegate's own detectors: the watcher of the operator before a metric source that counts the rows.

Nothing of the watch is left out or rewritten: the probe makes the profile and counts by its bins, and
the watcher asks by PromQL and reads the answers. Only time and transport are the test's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import port_fakes
import watch_bench
from watch_bench import Bench, served

from bench.public.runs import Alarms, Bits, Detector, Numbers, Stream, begun
from tidegate import model
from tidegate.controller.watch.watcher import LATE_SECONDS
from tidegate.evidence.drift import moves, profiles
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Labels, Problem
from tidegate.model import Outcome
from tidegate_probe.fitting import counted
from tidegate_probe.profile import Profile

COHORT = 3600.0  # seconds, as by default
KEPT = 20  # cohorts that an exporter still has
VERSION = "v1"
PRESET = "label-quality"
READ = presets.QUALITY[PRESET]

Row = tuple[Mapping[str, str], float]


def of_labels() -> Mapping[str, Detector]:
    """The watch by labels, for quiet and for busier services."""
    return {f"**Tidegate**, {n} in a cohort": labels(cohort=n) for n in (100, 200)}


def of_inputs() -> Mapping[str, Detector]:
    """The watch by inputs, for quiet and for busier services, and a finer one."""
    return {
        "**Tidegate**, 1,200 in a window": inputs(window=1200),
        "**Tidegate**, 2,400 in a window": inputs(window=2400),
        "**Tidegate**, 2,400, `delta: 0.02`": inputs(window=2400, delta=0.02),
    }


def largest_psi(stream: Stream) -> float:
    """The PSI of the feature that moves most, all rows after the change against those that trained."""
    assert stream.change is not None, stream
    profile = _profile(stream)
    reference = profiles.parsed(profile.to_json()).features
    found: dict[str, dict[str, float]] = {}
    later = stream.x[stream.trained + stream.change :]
    for labels_of, rate in _rates(profile, later, names=stream.names):
        found.setdefault(labels_of["feature"], {})[labels_of["bin"]] = rate * watch_bench.SLICE
    distances = [moves.distance(reference[name], current=bins) for name, bins in found.items()]
    return max(one for one in distances if not isinstance(one, Problem))


def inputs(*, window: int, delta: float | None = None) -> Detector:
    """Preset `feature-drift` against the training rows; `window` observations come in a window."""
    return partial(_inputs, per_look=window // model.SLICES, delta=delta)


def labels(*, cohort: int) -> Detector:
    """Preset `label-quality` against the first cohorts, each of `cohort` observations, labelled at once."""
    return partial(_labels, per_look=cohort)


# --- inputs --------------------------------------------------------------------------------------


def _inputs(stream: Stream, wrong: Bits, *, per_look: int, delta: float | None) -> Alarms:
    del wrong
    profile = _profile(stream)
    # As the operator reads it: from the document, which it checks.
    read = profiles.parsed(profile.to_json())
    references = {"skew": profiles.reference_of(read, version=VERSION, outputs=False)}
    metric = watch_bench.metric()
    assert metric.drift is not None, metric
    metric = replace(metric, drift=replace(metric.drift, delta=delta))
    bench = Bench(served(metrics=(metric,), references=references))
    arriving = stream.x[stream.trained :]

    def sums(_: str) -> list[Row]:
        end = _looks(bench, seconds=watch_bench.SLICE) * per_look
        rows = arriving[max(0, end - per_look) : end]
        return list(_rates(profile, rows, names=stream.names))

    bench.source.sums = sums
    return _watched(bench, seconds=watch_bench.SLICE, per_look=per_look, rows=len(arriving))


def _profile(stream: Stream) -> Profile:
    training = stream.x[: stream.trained]
    return Profile.fit(training, names=stream.names, model="public", model_version=VERSION)


def _rates(profile: Profile, rows: Numbers, *, names: tuple[str, ...]) -> Iterator[Row]:
    """What `rate` says of a slice: observations per second of each feature and bin."""
    for column, name in enumerate(names):
        bins = profile.features[name].bins
        for label, count in zip(bins.labels, counted(bins, rows[:, column].tolist()), strict=True):
            yield {"feature": name, "bin": label}, count / watch_bench.SLICE


# --- labels --------------------------------------------------------------------------------------


def _labels(stream: Stream, wrong: Bits, *, per_look: int) -> Alarms:
    del stream
    metric = model.Metric(
        name="quality",
        preset=PRESET,
        compare=model.Compare(),
        labels=model.Labels(delay_seconds=0.0, cohort_seconds=COHORT),
    )
    template = replace(READ, source="default", mode=model.IdentityMode.LABEL)
    bench = Bench(
        served(
            metrics=(metric,),
            templates={"quality": template},
            references={},
            monitoring=model.Monitoring(window_seconds=model.SLICES * COHORT),
        )
    )
    bench.source.sums = partial(_counters, bench, wrong, per_cohort=per_look)
    return _watched(bench, seconds=COHORT, per_look=per_look, rows=len(wrong))


def _counters(bench: Bench, wrong: Bits, promql: str, *, per_cohort: int) -> list[Row]:
    """The counters of the last cohorts as they stand; all labels of a cohort are in."""
    measure = READ.measure
    assert isinstance(measure, Labels), measure
    assert measure.correct is not None, measure
    looks = _looks(bench, seconds=COHORT)
    rows: list[Row] = []
    for number in range(max(0, looks - KEPT), looks):
        own = wrong[number * per_cohort : (number + 1) * per_cohort]
        count = len(own) - int(own.sum()) if measure.correct.metric in promql else len(own)
        begin = port_fakes.EPOCH.timestamp() + number * COHORT
        text = f"{datetime.fromtimestamp(begin, tz=UTC):%Y-%m-%dT%H:%MZ}"
        rows.append(({measure.cohort_label: text}, float(count)))
    return rows


# --- time ----------------------------------------------------------------------------------------


def _looks(bench: Bench, *, seconds: float) -> int:
    """How many looks are over at the end of the slice that is asked for."""
    return int(bench.clock.monotonic() // seconds)


def _watched(bench: Bench, *, seconds: float, per_look: int, rows: int) -> Alarms:
    """Where drift begins: the last row that the look has seen."""
    found: list[tuple[int, bool]] = []

    async def scenario() -> None:
        for one in bench.watched:
            bench.watcher.newest(one)
        # A look asks a little after its slice has ended.
        await bench.clock.advance(2 * LATE_SECONDS)
        for look in range(1, rows // per_look + 1):
            await bench.clock.advance(seconds)
            await bench.background.idle()
            (row,) = bench.watcher.newest(bench.watched[0])
            found.append((look * per_look - 1, row.outcome is Outcome.FAIL))

    asyncio.run(scenario())
    return begun(found)
