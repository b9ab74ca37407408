"""What happened in a run: a log, its hash, and counts of what was covered."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from tidegate import model, ports
from tidegate.adapters import kube_http as http


class Trace:
    """Appends lines with their virtual time; equal runs have equal hashes."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._hash = hashlib.blake2b(digest_size=12)
        self.lines: list[str] = []

    def add(self, what: str) -> None:
        line = f"{self._now():.6f} {what}"
        self.lines.append(line)
        self._hash.update(line.encode())

    def request(self, who: str, request: http.Request, status: int) -> None:
        self.add(f"{who} {request.verb} {request.path} {status}")

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


class Recorder:
    """`ports.Recorder` that writes to the trace and counts."""

    def __init__(self, trace: Trace, *, on_leading: Callable[[], None]) -> None:
        self._trace = trace
        self._on_leading = on_leading
        self.counts: Counter[str] = Counter()
        self.evidence_documents: list[model.Document] = []
        self.passes = 0

    def transition(self, transition: ports.Transition) -> None:
        self._trace.add(f"decided {transition.phase} {transition.decision}")

    def reconciled(self, *, seconds: float, outcome: str) -> None:
        assert seconds >= 0
        self.passes += 1
        self.counts[f"pass {outcome}"] += 1

    def api_request(self, *, verb: str, outcome: str) -> None:
        self.counts[f"api {verb} {outcome}"] += 1

    def metric_query(self, *, source: str, seconds: float, outcome: str) -> None:
        """The adapter counts these; the simulated source does not."""

    def rollback(self, *, reason: str) -> None:
        self.counts[f"rollback {reason}"] += 1

    def rollout_ended(self, *, result: str) -> None:
        self.counts[f"result {result}"] += 1

    def drift(self, *, kind: str) -> None:
        self.counts[f"drift {kind}"] += 1

    def queue(self, *, depth: int) -> None:
        assert depth >= 0

    def leading(self, *, leads: bool) -> None:
        self._trace.add(f"leading {leads}")
        self._on_leading()

    def evidence(self, document: model.Document) -> None:
        self.counts[str(document["event"])] += 1
        self.evidence_documents.append(document)

    def problem(self, event: str, **problem: str) -> None:
        self.counts[f"problem {event}"] += 1
        self._trace.add(f"problem {event} {problem}")
