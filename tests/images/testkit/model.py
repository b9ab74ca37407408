"""The model of the test server: its preprocessing, its predictions, and the probe beside both."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from tidegate_probe import Monitor, Profile

from .digits import Digits, v2_response

OUTPUT = "digit"


def feature_name(at: int) -> str:
    """What a profile calls this pixel; it need not name all of them."""
    return f"pixel-{at:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A classifier that gets its inputs scaled, and a monitor that counts what it gets.

    A scale other than 1 is the fault of a version whose preprocessing is broken.
    """

    digits: Digits
    input_scale: float
    monitor: Monitor | None

    @staticmethod
    def read(
        model: Path, *, profile: Path | None, input_scale: float, registry: CollectorRegistry
    ) -> Model:
        """From the files of a classifier and of its training data; the counts go into `registry`."""
        counting = Monitor(Profile.read(profile), registry=registry) if profile else None
        return Model(digits=Digits.read(model), input_scale=input_scale, monitor=counting)

    def answer(self, request: dict[str, Any], *, version: str) -> dict[str, Any]:
        """What an inference request of one row gets, in the open inference protocol."""
        [tensor] = request["inputs"]
        pixels = [value * self.input_scale for value in tensor["data"]]
        digit = self.digits.predict(pixels)
        if self.monitor is not None:
            features = {feature_name(at): ink for at, ink in enumerate(pixels)}
            self.monitor.observe(features, {OUTPUT: str(digit)})
        return v2_response(digit, version=version)
