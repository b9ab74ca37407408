"""A Ray Serve deployment that answers, fails or takes its time, as the request says."""

from __future__ import annotations

import asyncio
import signal
import threading
from typing import Any

import ray  # type: ignore[import-not-found]  # in a venv of its own
from ray import serve


@serve.deployment(num_replicas=2)
class Echo:
    async def __call__(self, request: Any) -> str:
        mode = str((await request.json())["mode"])
        if mode == "bad":
            raise RuntimeError("asked to fail")
        if mode == "slow":
            await asyncio.sleep(0.7)
        return mode


if __name__ == "__main__":
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    ray.init(address="local", num_cpus=4, include_dashboard=False, _metrics_export_port=23902)
    serve.start(http_options={"host": "127.0.0.1", "port": 23900})
    serve.run(Echo.bind())
    stopped.wait(timeout=900)
    serve.shutdown()
    ray.shutdown()
