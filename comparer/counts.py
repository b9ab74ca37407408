"""What was paired and what was not, as counters of bounded number.

Every pair counts from both ends: under `revision` each of its revisions, with the other, or `Human`, as
`reference`. Whoever reads one revision against another need not know which of them is stable here.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from comparer.answers import Difference, Kind
from comparer.events import HUMAN, Why
from comparer.pairing import Reason

EDGES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
MAX_PAIRS_OF_NAMES = 1000  # that names alone cannot fill the memory; the least recently seen goes
V = TypeVar("V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Whose answers are counted, and against whose.

    `cohort` is the hour of the predictions that people have labelled, as labels come late.
    """

    model: str
    revision: str
    reference: str
    cohort: str = ""


@dataclass(slots=True)
class Paired:
    """Pairs of one revision with one reference. Shapes: buckets (edges + 1,), not cumulated."""

    equal: int = 0
    kinds: Counter[Kind] = field(default_factory=Counter)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(EDGES) + 1))
    score_sum: float = 0.0

    @property
    def different(self) -> int:
        """Pairs that disagree."""
        return self.kinds.total()

    def add(self, found: Difference) -> None:
        """Count one more pair."""
        if found.kind is None:
            self.equal += 1
        else:
            self.kinds[found.kind] += 1
        if found.score is not None:
            self.buckets[bisect_left(EDGES, found.score)] += 1
            self.score_sum += found.score


class Recent(Generic[V]):
    """A mapping that forgets the key that was not used for the longest time."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[object, V] = OrderedDict()

    def get(self, key: object, *, new: V) -> V:
        """The value of a key, `new` where it has none; the key is the last to go."""
        value = self._values.setdefault(key, new)
        self._values.move_to_end(key)
        if len(self._values) > self._most:
            self._values.popitem(last=False)
        return value

    def items(self) -> Iterator[tuple[object, V]]:
        """What is known, the longest unused first."""
        return iter(self._values.items())


class Counts:
    """All counters."""

    def __init__(self, *, most: int = MAX_PAIRS_OF_NAMES) -> None:
        self._paired: Recent[Paired] = Recent(most)
        self._unpaired: Recent[Counter[Reason]] = Recent(most)
        self.refused: Counter[Why] = Counter()

    def pair(
        self, *, model: str, first: str, second: str, found: Difference, cohort: str = ""
    ) -> None:
        """Count a pair from both ends; a person is a reference and nobody's candidate."""
        for revision, reference in ((first, second), (second, first)):
            if revision != HUMAN:
                ends = Ends(model=model, revision=revision, reference=reference, cohort=cohort)
                self._paired.get(ends, new=Paired()).add(found)

    def unpaired(self, *, model: str, side: str, reason: Reason) -> None:
        """Count an answer without a partner."""
        self._unpaired.get((model, side), new=Counter())[reason] += 1

    def paired(self) -> Iterator[tuple[Ends, Paired]]:
        """The pairs by their ends."""
        for ends, paired in self._paired.items():
            assert isinstance(ends, Ends), ends
            yield ends, paired

    def left_over(self) -> Iterator[tuple[str, str, Counter[Reason]]]:
        """Model, side and reasons of the answers without a partner."""
        for key, reasons in self._unpaired.items():
            assert isinstance(key, tuple), key
            model, side = key
            yield model, side, reasons
