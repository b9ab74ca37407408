"""What a run is, and what its alarms are worth: nothing here knows a data set or a detector."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Alarms = tuple[int, ...]  # indices of observations after which an alarm was raised, ascending
Numbers = npt.NDArray[np.float64]
Bits = npt.NDArray[np.bool_]
PER = 100_000  # observations, for false alarms


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stream:
    """Rows in their order: the first `trained` ones train, the others arrive one by one.

    Shapes: x (rows, features), y (rows,), names (features,). Before row `change` nothing has changed,
    counted from the first that arrives; None where nobody knows, or where nothing changes.
    """

    x: Numbers
    y: npt.NDArray[np.int64]
    names: tuple[str, ...]
    trained: int
    change: int | None

    def __post_init__(self) -> None:
        assert self.x.shape == (len(self.y), len(self.names)), self.x.shape
        assert 0 < self.trained < len(self.y), self.trained

    @property
    def arriving(self) -> int:
        """How many rows arrive."""
        return len(self.y) - self.trained

    def part(self, rows: int) -> tuple[Stream, slice]:
        """So many of the rows that arrive, a third of them before the change, and which ones these are."""
        first = 0 if self.change is None else max(0, self.change - rows // 3)
        kept = slice(first, first + rows)
        both = [np.arange(self.trained), self.trained + np.arange(self.arriving)[kept]]
        order = np.concatenate(both)
        change = None if self.change is None else self.change - first
        return replace(self, x=self.x[order], y=self.y[order], change=change), kept

    def scaled(self) -> Numbers:
        """All rows, each feature with mean 0 and deviation 1 in those that train."""
        training = self.x[: self.trained]
        deviation = training.std(axis=0)
        return np.asarray(
            (self.x - training.mean(axis=0)) / np.where(deviation > 0, deviation, 1.0)
        )

    def shuffled(self, rng: np.random.Generator) -> Stream:
        """The same rows, those that train among them, in an order that tells nothing."""
        order = rng.permutation(len(self.y))
        return replace(self, x=self.x[order], y=self.y[order], change=None)


Detector = Callable[
    [Stream, Bits], Alarms
]  # the rows, and which answers to those that arrive are wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The alarms of one detector on one stream, and what they cost.

    `change` and `observations` are of the rows that arrive. Units: CPU seconds.
    """

    alarms: Alarms
    observations: int
    change: int | None
    seconds: float

    @property
    def delay(self) -> int | None:
        """Observations from the change to the first alarm after it; None where there is none."""
        assert self.change is not None, self
        return next((one - self.change + 1 for one in self.alarms if one >= self.change), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A detector under the name of its row; a slow one is shown only some `rows` of each stream."""

    name: str
    detector: Detector
    rows: int | None = None


def run(entry: Entry, stream: Stream, wrong: Bits) -> Run:
    """One detector over one stream."""
    assert len(wrong) == stream.arriving, len(wrong)
    if entry.rows is not None:
        stream, kept = stream.part(entry.rows)
        wrong = wrong[kept]
    began = time.process_time()
    alarms = entry.detector(stream, wrong)
    return Run(
        alarms=alarms,
        observations=stream.arriving,
        change=stream.change,
        seconds=time.process_time() - began,
    )


def begun(states: Iterable[tuple[int, bool]]) -> Alarms:
    """Where a state that lasts begins: the index of each look that finds it and whose last one had not."""
    found, before = [], False
    for index, is_on in states:
        if is_on and not before:
            found.append(index)
        before = is_on
    return tuple(found)


def per_observations(runs: Sequence[Run]) -> float:
    """Alarms in `PER` observations."""
    return PER * sum(len(one.alarms) for one in runs) / sum(one.observations for one in runs)


def microseconds(runs: Sequence[Run]) -> float:
    """CPU time for each observation."""
    return 1e6 * sum(one.seconds for one in runs) / sum(one.observations for one in runs)


def found(runs: Sequence[Run]) -> str:
    """Such as `420 (5 of 5)`: the median delay where it was found, and how often."""
    delays = [one.delay for one in runs]
    known = [one for one in delays if one is not None]
    often = f"{len(known)} of {len(runs)}"
    return f"{statistics.median(known):,.0f} ({often})" if known else f"missed ({often})"


def table(head: str, columns: Sequence[str], rows: Mapping[str, Sequence[str]]) -> list[str]:
    """Lines of Markdown. Shapes: each row has as many cells as there are columns."""
    lines = [_line(head, *columns), "|---" * (len(columns) + 1) + "|"]
    return [*lines, *(_line(name, *cells) for name, cells in rows.items())]


def _line(*texts: str) -> str:
    return "| " + " | ".join(texts) + " |"
