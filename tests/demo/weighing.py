"""How the evidence of a rollout grows, read from the operator's log."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.demo.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """One judgement of a version: the strongest evidence of harm and the weakest proof of none.

    Units: `at` in unix seconds, evidence as logarithms of e-values. Harm at its limit rolls back,
    proof at its limit lets a step pass.
    """

    at: float
    version: str
    harm: float
    harm_limit: float
    proof: float
    proof_limit: float

    @property
    def harm_share(self) -> float:
        """Evidence of harm as a share of what rolls back."""
        return max(0.0, self.harm) / self.harm_limit

    @property
    def proof_share(self) -> float:
        """Proof as a share of what a step needs."""
        return max(0.0, self.proof) / self.proof_limit


class Journal:
    """What the operator logged of all rollouts, taken line by line, in parts that may overlap."""

    def __init__(self) -> None:
        self._proof_limits: dict[str, float] = {}
        self._judged: dict[tuple[str, float], dict[str, Any]] = {}

    def take(self, lines: Iterable[str]) -> None:
        """Lines of the log in their order; those that are no judgements are skipped."""
        for line in lines:
            document = _document(line)
            if document.get("event") == "evidence-opened":
                alpha = document["config"]["alpha_promote"]
                self._proof_limits[document["rollout"]] = -math.log(alpha)
            elif document.get("event") == "evidence-judged":
                self._judged[document["rollout"], document["context"]["now"]] = document

    def of(self, model: str, *, versions: Mapping[str, str]) -> tuple[Weighed, ...]:
        """The judgements of a model, oldest first; `versions` by revision."""
        found: list[Weighed] = []
        for (rollout, _), document in self._judged.items():
            name, revision, _ = rollout.rsplit("/", 1)[-1].rsplit("-", 2)
            if name != model or revision not in versions or rollout not in self._proof_limits:
                continue
            limit = self._proof_limits[rollout]
            weighed = _weighed(document, version=versions[revision], proof_limit=limit)
            found += [] if weighed is None else [weighed]
        return tuple(sorted(found, key=lambda one: one.at))


def versions_of(views: Iterable[View]) -> dict[str, str]:
    """The versions of candidates by their revisions."""
    return {it.candidate_revision: it.candidate for it in views if it.candidate}


def newest(found: Iterable[Weighed], *, version: str, at: float) -> Weighed | None:
    """What was known of a version at an instant."""
    known = [one for one in found if one.version == version and one.at <= at]
    return max(known, key=lambda one: one.at, default=None)


def _document(line: str) -> dict[str, Any]:
    try:
        document = json.loads(line)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _weighed(document: dict[str, Any], *, version: str, proof_limit: float) -> Weighed | None:
    guards = [one for one in document["judgement"]["findings"] if one["guard"]]
    if not guards:
        return None
    worst = max(guards, key=lambda one: float(one["log_e"]))
    return Weighed(
        at=document["context"]["now"],
        version=version,
        harm=float(worst["log_e"]),
        harm_limit=float(worst["log_limit"]),
        proof=min(float(one["log_proof"]) for one in guards),
        proof_limit=proof_limit,
    )
