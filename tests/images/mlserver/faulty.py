"""An MLServer runtime that breaks a fixed share of its answers: the bad version of the demo."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Any

from mlserver.errors import MLServerError
from mlserver.types import InferenceRequest, InferenceResponse
from mlserver_sklearn import SKLearnModel  # type: ignore[import-not-found]

INTERNAL_SERVER_ERROR = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Which share of the requests fails, which share waits, and how long.

    Units: ratios from 0 to 1, slow_seconds in seconds.
    """

    fail_ratio: float = 0.0
    slow_ratio: float = 0.0
    slow_seconds: float = 0.0
    seed: int = 0


class FaultyModel(SKLearnModel):  # type: ignore[misc]  # MLServer ships no types
    """A scikit-learn model whose feature lookup is slow at times and fails at times.

    The faults stand in model-settings.json under `parameters.extra`, or in the variable
    MLSERVER_MODEL_EXTRA when the file leaves them out.
    """

    async def load(self) -> bool:
        """Load the model and draw the same faults after every start."""
        extra: dict[str, Any] = self.settings.parameters.extra or {}
        self._faults = Faults(**extra)
        self._random = random.Random(self._faults.seed)
        return bool(await super().load())

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answer like the real model, late or not at all for the configured shares."""
        if self._random.random() < self._faults.slow_ratio:
            await asyncio.sleep(self._faults.slow_seconds)
        if self._random.random() < self._faults.fail_ratio:
            message = f"[{self.version}] the feature lookup did not answer"
            raise MLServerError(message, INTERNAL_SERVER_ERROR)
        return await super().predict(payload)
