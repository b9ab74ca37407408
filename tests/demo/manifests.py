"""What the demo applies, from the files under examples/demo."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples" / "demo"
SCRAPE_INTERVAL_SECONDS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A ModelDeployment of the demo; each act has its own, with users of its own.

    `strategy` is a file of the examples that stands in place of the canary of digits.yaml.
    """

    name: str
    requests_per_second: float
    strategy: str = ""

    @property
    def host(self) -> str:
        """What its users ask the Gateway for."""
        return f"{self.name}.example.com"


CANARY = Model(name="digits", requests_per_second=100.0)
SHADOW = Model(name="digits-shadow", requests_per_second=50.0, strategy="shadow.yaml")
BLUE_GREEN = Model(name="digits-blue-green", requests_per_second=50.0, strategy="blue-green.yaml")
MODELS = (CANARY, SHADOW, BLUE_GREEN)


def model_deployment(model: Model, *, version: str, gateway: tuple[str, str]) -> dict[str, Any]:
    """The example with another version and the cluster's Gateway (namespace, name)."""
    document: dict[str, Any] = yaml.safe_load((EXAMPLES / "digits.yaml").read_text())
    spec = document["spec"]
    document["metadata"]["name"] = model.name
    if model.strategy:
        spec["strategy"] = yaml.safe_load((EXAMPLES / model.strategy).read_text())
    spec["model"] = {"version": version, "uri": f"/models/{version}"}
    namespace, name = gateway
    route = {"parentRefs": [{"name": name, "namespace": namespace}], "hostnames": [model.host]}
    spec["traffic"]["gatewayAPI"] |= route
    [server] = spec["workload"]["template"]["spec"]["containers"]
    logged_as = next(it for it in server["env"] if it["name"] == "MODEL_DEPLOYMENT")
    logged_as["value"] = model.name
    return document


def limits() -> dict[str, float]:
    """The thresholds of the example by metric name; ratio or seconds."""
    document = model_deployment(CANARY, version="v1", gateway=("", ""))
    metrics = document["spec"]["analysis"]["metrics"]
    return {metric["name"]: float(metric["threshold"]["max"]) for metric in metrics}
