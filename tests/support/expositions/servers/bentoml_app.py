"""A BentoML service that answers, fails or takes its time, as the request says."""

from __future__ import annotations

import time

import bentoml  # type: ignore[import-not-found]  # in a venv of its own


@bentoml.service
class Echo:
    @bentoml.api
    def predict(self, mode: str) -> str:
        if mode == "bad":
            raise RuntimeError("asked to fail")
        if mode == "slow":
            time.sleep(0.7)
        return mode
