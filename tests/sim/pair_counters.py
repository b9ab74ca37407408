"""A comparer of the simulated cluster: it pairs the answers to copies, and is scraped like a pod."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.sim.metrics import Series

PAIRS = "tidegate_comparer_pairs_total"


@dataclass(slots=True, kw_only=True)
class PairCounters:
    """Pairs by revision, reference, cohort and whether they agree.

    Those of two revisions count from both ends. `arriving` is the share of answers that are logged at
    all.
    """

    namespace: str
    name: str
    arriving: float = 1.0
    counts: dict[tuple[str, str, str, str], float] = field(default_factory=dict)
    series: dict[tuple[str, str], Series] = field(default_factory=dict)

    def pair(self, one: str, other: str, equal_of: tuple[float, float]) -> None:
        """Answers of two revisions to the same requests: how many agree, of how many."""
        self._count(one, other, equal_of)
        self._count(other, one, equal_of)

    def label(self, revision: str, *, cohort: str, equal_of: tuple[float, float]) -> None:
        """What people say about answers of an hour: how many are right, of how many."""
        self._count(revision, "Human", equal_of, cohort=cohort)

    def _count(
        self, revision: str, reference: str, equal_of: tuple[float, float], *, cohort: str = ""
    ) -> None:
        equal, pairs = equal_of
        for name, found in (("true", equal), ("false", pairs - equal)):
            key = revision, reference, cohort, name
            self.counts[key] = self.counts.get(key, 0.0) + found * self.arriving

    def scrape(self, at: float) -> None:
        """Turn the counters into samples."""
        for (revision, reference, cohort, equal), value in self.counts.items():
            key = PAIRS, f"{revision} {reference} {cohort} {equal}"
            if key not in self.series:
                labels = self._labels(revision, reference, equal)
                self.series[key] = Series(labels | ({"cohort": cohort} if cohort else {}))
            self.series[key].add(at, value)

    def _labels(self, revision: str, reference: str, equal: str) -> dict[str, str]:
        return {
            "namespace": self.namespace,
            "pod": "comparer-7d9f8b6c5-x2x2x",
            "instance": "10.1.0.1:8080",
            "job": "comparer",
            "model_deployment": self.name,
            "revision": revision,
            "reference": reference,
            "equal": equal,
        }
