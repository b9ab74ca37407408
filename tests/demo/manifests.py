"""What the demo applies, from the files under examples/demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "demo"
SCRAPE_INTERVAL_SECONDS = 1


def model_deployment(version: str, *, gateway: tuple[str, str]) -> dict[str, Any]:
    """The example with another version and the cluster's Gateway (namespace, name)."""
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "digits.yaml").read_text())
    document["spec"]["model"] = {"version": version, "uri": f"/models/{version}"}
    namespace, name = gateway
    document["spec"]["traffic"]["gatewayAPI"]["parentRefs"] = [
        {"name": name, "namespace": namespace}
    ]
    return document


def limits() -> dict[str, float]:
    """The thresholds of the example by metric name; ratio or seconds."""
    document = model_deployment("v1", gateway=("", ""))
    metrics = document["spec"]["analysis"]["metrics"]
    return {metric["name"]: float(metric["threshold"]["max"]) for metric in metrics}
