"""What the status of a ModelDeployment says, as one frozen look."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Last judgement of one metric; what was counted of the candidate, and of stable beside it."""

    name: str
    outcome: str
    reason: str
    value: float | None
    samples: float
    stable_samples: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One look at a ModelDeployment.

    `mirror_percent` of the requests are meant to be copied to the candidate.
    Units: `at` and `confirmed_at` in unix seconds, shares in percent.
    """

    at: float
    current: bool
    phase: str
    message: str
    stable: str
    candidate: str
    candidate_revision: str
    step: str
    steps: tuple[str, ...]
    intended_percent: float
    confirmed_at: float | None
    hold_until: float | None
    metrics: tuple[Judged, ...]
    last_result: str
    rejected: tuple[str, ...]
    evidence_ready: bool = False
    evidence: str = ""
    mirror_percent: float = 0.0

    @property
    def rolling(self) -> bool:
        """Whether a candidate is on its way in or out."""
        return self.phase not in {"Healthy", "RolledBack", "Failed", "Invalid"}

    def wanted_percent(self, version: str) -> float:
        """The share of users' requests that this version is meant to get."""
        if version == self.stable:
            return 100.0 - self.intended_percent
        return self.intended_percent if version == self.candidate else 0.0

    @property
    def verdict(self) -> str:
        """All outcomes in one word: the worst one; `-` while nothing is judged."""
        if not self.step and self.phase not in {"RollingBack", "RolledBack"}:
            return "-"
        outcomes = {metric.outcome for metric in self.metrics}
        ranked = ("Fail", "Error", "NoData", "Inconclusive", "Pass")
        return next((word for word in ranked if word in outcomes), "-")

    @property
    def story(self) -> tuple[object, ...]:
        """What makes a look worth a line of its own."""
        return (self.phase, self.step, self.intended_percent, self.mirror_percent, self.verdict)


def read_view(document: dict[str, Any], *, at: float) -> View:
    """A look at a ModelDeployment as the API server returned it; an empty status is fine."""
    status = document.get("status", {})
    rollout = status.get("rollout", {})
    step = rollout.get("step", {}) if rollout.get("active") else {}
    generation = document["metadata"].get("generation", 0)
    conditions = {it["type"]: it for it in status.get("conditions", ())}
    evidence = conditions.get("EvidenceReady", {})
    traffic = rollout.get("traffic", {})
    return View(
        at=at,
        current=status.get("observedGeneration", 0) == generation,
        phase=status.get("phase", "Pending"),
        message=status.get("message", ""),
        stable=status.get("stable", {}).get("modelVersion", ""),
        candidate=status.get("candidate", {}).get("modelVersion", ""),
        candidate_revision=status.get("candidate", {}).get("revision", ""),
        step=step.get("name", ""),
        steps=tuple(
            planned["name"]
            for planned in rollout.get("plan", ())
            if planned.get("kind", "Live") == "Live"
        ),
        intended_percent=traffic.get("candidate", 0.0),
        confirmed_at=read_time(step.get("confirmedAt")),
        hold_until=read_time(step.get("holdUntil")),
        metrics=tuple(_judged(metric) for metric in status.get("analysis", ())),
        last_result=status.get("lastRollout", {}).get("result", ""),
        rejected=tuple(entry["modelVersion"] for entry in status.get("rejectedRevisions", ())),
        evidence_ready=evidence.get("status") == "True",
        evidence=f"{evidence.get('reason', '')}: {evidence.get('message', '')}".strip(": "),
        mirror_percent=traffic.get("mirror", 0.0),
    )


def read_time(text: str | None) -> float | None:
    """Unix seconds of an RFC 3339 time; None when there is none."""
    return dt.datetime.fromisoformat(text).timestamp() if text else None


def _judged(metric: dict[str, Any]) -> Judged:
    return Judged(
        name=metric["name"],
        outcome=metric["outcome"],
        reason=metric.get("message") or metric.get("reason", ""),
        value=metric.get("value"),
        samples=metric.get("candidate", {}).get("total", 0.0),
        stable_samples=metric.get("baseline", {}).get("total", 0.0),
    )
