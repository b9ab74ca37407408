"""How late samples arrive, as looks have seen it: a source may be behind for good and yet go on."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.evidence.counts.counters import is_count
from tidegate.evidence.terms import Series

_KEPT = 8  # arrivals of one metric and revision, of which the earliest counts


@dataclass(frozen=True, slots=True)
class _Arrival:
    """The newest sample of a revision, and when a look saw it first. Units: unix seconds."""

    sample: float
    seen: float


class Arrivals:
    """The newest samples of metrics by revision. Must be asked at every look."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], deque[_Arrival]] = {}

    def quiet_seconds(
        self, metric: str, *, series: Sequence[Series], at: float, patience_seconds: float
    ) -> Mapping[str, float]:
        """By revision for how long nothing new has come.

        What is found by the first look, or is older than any row waits, is as old as it says.
        """
        newest: dict[str, float] = {}
        for one in series:
            revision = one.labels.get("revision", "")
            at_last = next((it[0] for it in reversed(one.samples) if is_count(it[1])), 0.0)
            newest[revision] = max(at_last, newest.get(revision, 0.0))
        found: dict[str, float] = {}
        for revision, sample in newest.items():
            if not sample:
                continue
            quiet = self._quiet(metric, revision, sample=sample, at=at)
            found[revision] = quiet if at - sample <= patience_seconds else at - sample
        return found

    def late_seconds(self, metric: str) -> float:
        """How long samples of a metric take to arrive, at the least."""
        late = (
            min(it.seen - it.sample for it in known)
            for (name, _), known in self._known.items()
            if name == metric and len(known) > 1
        )
        return max(late, default=0.0)

    def _quiet(self, metric: str, revision: str, *, sample: float, at: float) -> float:
        known = self._known.get((metric, revision))
        if known is None:
            # Nobody saw it come, so its own age is all there is.
            self._known[metric, revision] = deque([_Arrival(sample, sample)], maxlen=_KEPT)
            return at - sample
        if sample > known[-1].sample:
            if known[-1].seen == known[-1].sample:
                known.pop()
            known.append(_Arrival(sample, at))
        return at - known[-1].seen
