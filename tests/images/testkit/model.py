"""The model of the test server: its preprocessing, its predictions, and the probe beside both."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from tidegate_probe import Monitor, Profile

from .digits import TRUTH, Digits, v2_response

OUTPUT = "digit"
COHORT_SECONDS = 60


def feature_name(at: int) -> str:
    """What a profile calls this pixel; it need not name all of them."""
    return f"pixel-{at:02}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A classifier that gets its inputs scaled, and a monitor that counts what it gets.

    A scale other than 1 is the fault of a version whose preprocessing is broken. The truth about
    an answer becomes known `label_delay_seconds` after it.
    """

    digits: Digits
    input_scale: float
    monitor: Monitor | None
    label_delay_seconds: float
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @staticmethod
    def read(
        model: Path,
        *,
        profile: Path | None,
        input_scale: float,
        label_delay_seconds: float,
        registry: CollectorRegistry,
    ) -> Model:
        """From the files of a classifier and of its training data; the counts go into `registry`."""
        counting = None
        if profile:
            known = Profile.read(profile)
            counting = Monitor(known, registry=registry, cohort_seconds=COHORT_SECONDS)
        return Model(
            digits=Digits.read(model),
            input_scale=input_scale,
            monitor=counting,
            label_delay_seconds=label_delay_seconds,
        )

    def answer(self, request: dict[str, Any], *, version: str) -> dict[str, Any]:
        """What an inference request of one row gets, in the open inference protocol.

        In a running loop: who says the truth has it counted later.
        """
        [tensor] = request["inputs"]
        pixels = [value * self.input_scale for value in tensor["data"]]
        digit = self.digits.predict(pixels)
        if self.monitor is not None:
            features = {feature_name(at): ink for at, ink in enumerate(pixels)}
            number = str(next(self._numbers))
            self.monitor.observe(features, {OUTPUT: str(digit)}, prediction_id=number)
            if (truth := request.get("parameters", {}).get(TRUTH)) is not None:
                loop = asyncio.get_running_loop()
                loop.call_later(self.label_delay_seconds, self.monitor.label, number, str(truth))
        return v2_response(digit, version=version)
