"""What strategies a seed asks for beside the steps of a canary."""

from __future__ import annotations

import random
from typing import Any

ERRORS = {"name": "errors", "preset": "error-ratio", "threshold": {"max": 0.05}}


def bake(dice: random.Random, spec: dict[str, Any]) -> None:
    """Sometimes what was promoted is watched for a while, with few or all pods of stable kept."""
    if dice.random() < 0.1:
        lasts, kept = dice.choice(("5s", "20s", "1m")), dice.choice((25, 50, 100))
        spec["strategy"] = {"postPromotion": {"bake": lasts, "keepPreviousPercent": kept}}


def blue_green(dice: random.Random, spec: dict[str, Any]) -> None:
    """Sometimes users are switched, after a preview that has to prove its limits."""
    if dice.random() < 0.12 and spec["provider"] != "Existing":
        metrics = spec["analysis"]["metrics"]
        if any("threshold" not in it or it.get("dryRun") for it in metrics):
            spec["analysis"]["metrics"] = [ERRORS]
        proof = {"duration": dice.choice(("0s", "5s", "20s")), "minRequests": 5_000}
        asked = {
            "preview": {"replicasPercent": dice.choice((25, 100, 100))},
            "prePromotion": {**proof, "deadline": "75s"},
            "autoPromote": dice.random() < 0.7,
        }
        strategy = {"type": "BlueGreen", "blueGreen": asked}
        kept = {k: it for k, it in spec.get("strategy", {}).items() if k != "canary"}
        spec["strategy"] = {**kept, **strategy}
