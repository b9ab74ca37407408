"""A FastAPI service with its usual instrumentation; it answers, fails or takes its time."""

from __future__ import annotations

import time
from typing import Annotated, Any

import uvicorn  # type: ignore[import-not-found]  # in a venv of its own
from fastapi import Body, FastAPI, HTTPException  # type: ignore[import-not-found]  # the same
from prometheus_fastapi_instrumentator import (  # type: ignore[import-not-found]  # the same
    Instrumentator,
)

app = FastAPI()
Instrumentator().instrument(app).expose(app)


@app.post("/predict")  # type: ignore[untyped-decorator]  # the same
def predict(given: Annotated[dict[str, Any], Body()]) -> dict[str, str]:
    mode = str(given["mode"])
    if mode == "bad":
        raise HTTPException(status_code=500)
    if mode == "slow":
        time.sleep(0.7)
    return {"answer": mode}


@app.get("/healthz")  # type: ignore[untyped-decorator]  # the same
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=24300)
