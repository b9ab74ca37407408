"""A KServe model that answers, fails or takes its time, as the request says."""

from __future__ import annotations

import asyncio
from typing import Any

from kserve import Model, ModelServer  # type: ignore[import-not-found]  # in a venv of its own


class Echo(Model):  # type: ignore[misc]
    def load(self) -> bool:
        self.ready = True
        return self.ready

    async def predict(self, payload: Any, *_: Any, **__: Any) -> dict[str, Any]:
        mode = str(payload["instances"][0])
        if mode == "bad":
            raise RuntimeError("asked to fail")
        if mode == "slow":
            await asyncio.sleep(0.7)
        return {"predictions": [mode]}


if __name__ == "__main__":
    echo = Echo("echo")
    echo.load()
    ModelServer().start([echo])
