"""How the evidence of a rollout grows, read from the operator's log."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


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


def read(lines: Iterable[str], *, versions: dict[str, str]) -> list[Weighed]:
    """The judgements in a log, oldest first; `versions` by revision. Other lines are skipped."""
    found: list[Weighed] = []
    proof_limits: dict[str, float] = {}
    for line in lines:
        document = _document(line)
        event = document.get("event")
        if event == "evidence-opened":
            proof_limits[document["rollout"]] = -math.log(document["config"]["alpha_promote"])
        if event == "evidence-judged" and document["rollout"] in proof_limits:
            revision = document["rollout"].rsplit("-", 2)[-2]
            limit = proof_limits[document["rollout"]]
            weighed = _weighed(document, version=versions.get(revision, ""), proof_limit=limit)
            found += [] if weighed is None else [weighed]
    return sorted(found, key=lambda one: one.at)


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
