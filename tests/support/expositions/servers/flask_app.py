"""A Flask service with prometheus-flask-exporter; it answers, fails or takes its time."""

from __future__ import annotations

import time

from flask import Flask, request  # type: ignore[import-not-found]  # in a venv of its own
from prometheus_flask_exporter import PrometheusMetrics  # type: ignore[import-not-found]  # the same

app = Flask("echo")
PrometheusMetrics(app)


@app.post("/predict")  # type: ignore[untyped-decorator]  # the same
def predict() -> tuple[str, int]:
    mode = str(request.get_json()["mode"])
    if mode == "slow":
        time.sleep(0.7)
    return mode, 500 if mode == "bad" else 200


@app.get("/healthz")  # type: ignore[untyped-decorator]  # the same
def healthz() -> str:
    return "ok"


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=24400)
