"""What a column holds, found in one pass and in bounded memory.

Numbers: a uniform sample for the quantiles (reservoir sampling, algorithm L of K.-H. Li, 1994), and
the outermost values exactly. Texts: how often each occurs; where there are too many, those seen
least are forgotten, which cannot hide a category that a profile would keep for long.

A column of no more than `SAMPLE` numbers and `MOST_TEXTS` texts is kept whole, so its bins are those
that `Profile.fit` finds.
"""

from __future__ import annotations

import heapq
import math
import random
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from tidegate_probe.bins import Bins, CategoryBins
from tidegate_probe.fitting import FEWEST, bins_between, most_frequent
from tidegate_probe.sources import Spelling, Value

SAMPLE = 50_000  # numbers of a column: a decile lies within 0.7 % of the rows (three errors)
MOST_TEXTS = 10_000  # of a column


class Sample:
    """Numbers of one column; the same numbers give the same sample."""

    def __init__(self, size: int = SAMPLE) -> None:
        self._size = size
        self._chance = random.Random(1)  # noqa: S311  # a sample, no secret
        self._kept = array("d")
        self._seen = 0
        self._next = size  # position of the next number that is kept
        self._weight = 1.0
        self._smallest: list[float] = []
        self._largest: list[float] = []

    def add(self, numbers: Sequence[float]) -> None:
        """Take finite numbers into account."""
        if not numbers:
            return
        if len(self._smallest) < FEWEST or min(numbers) < self._smallest[-1]:
            self._smallest = heapq.nsmallest(FEWEST, [*self._smallest, *numbers])
        if len(self._largest) < FEWEST or max(numbers) > self._largest[-1]:
            self._largest = heapq.nlargest(FEWEST, [*self._largest, *numbers])
        room = max(0, self._size - self._seen)
        self._kept.extend(numbers[:room])
        if room and self._seen + len(numbers) >= self._size:
            self._skip()
        end = self._seen + len(numbers)
        while self._next < end:
            at = int(self._chance.random() * self._size)
            self._kept[at] = numbers[self._next - self._seen]
            self._skip()
        self._seen = end

    def bins(self, size: int) -> Bins:
        """Bins of about equal counts."""
        return bins_between(
            sorted(self._kept), smallest=self._smallest, largest=self._largest[::-1], size=size
        )

    def _skip(self) -> None:
        """Draw how many numbers go by before the next is kept."""
        self._weight *= math.exp(math.log(1 - self._chance.random()) / self._size)
        skipped = math.log(1 - self._chance.random()) / math.log1p(-self._weight)
        self._next += int(skipped) + 1


@dataclass(slots=True)
class Survey:
    """What one column holds; `first_text` comes with its row, counted from 1."""

    rows: int = 0
    numbers: int = 0
    texts: int = 0
    first_text: tuple[int, str] | None = None
    too_many: bool = False  # texts, so that some are forgotten
    sample: Sample = field(default_factory=Sample)
    seen: Counter[str] = field(default_factory=Counter)

    def add(self, values: Sequence[Value]) -> None:
        """Take some rows into account."""
        texts = [value for value in values if isinstance(value, str)]
        numbers = finite(values)
        if texts and self.first_text is None:
            at = next(at for at, value in enumerate(values, start=1) if isinstance(value, str))
            self.first_text = (self.rows + at, texts[0])
        self.sample.add(numbers)
        self.seen.update(texts)
        if len(self.seen) > MOST_TEXTS:
            self.too_many = True
            self.seen = Counter(dict(self.seen.most_common(MOST_TEXTS // 2)))
        self.rows += len(values)
        self.numbers += len(numbers)
        self.texts += len(texts)

    def categories(self, spelled: Spelling) -> CategoryBins:
        """The most frequent texts."""
        return most_frequent(self._spelled(spelled))

    def covered(self, bins: CategoryBins, spelled: Spelling) -> float:
        """The share of the texts that have a bin of their own."""
        counts = self._spelled(spelled)
        return sum(counts[name] for name in bins.categories) / max(1, self.texts)

    def _spelled(self, spelled: Spelling) -> Counter[str]:
        counts: Counter[str] = Counter()
        for text, rows in self.seen.items():
            counts[spelled(text)] += rows
        return counts


def finite(values: Sequence[Value]) -> list[float]:
    """The finite numbers among some values, in their order."""
    return [one for one in values if isinstance(one, float) and -math.inf < one < math.inf]
