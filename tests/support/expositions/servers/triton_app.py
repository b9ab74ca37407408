"""Triton with a model that answers, fails or takes its time, as the request says."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from pytriton.decorators import batch  # type: ignore[import-not-found]  # in a venv of its own
from pytriton.model_config import ModelConfig, Tensor  # type: ignore[import-not-found]
from pytriton.triton import Triton, TritonConfig  # type: ignore[import-not-found]

ANSWER, FAIL, WAIT = 0, 1, 2


@batch  # type: ignore[misc]
def echo(mode: Any) -> dict[str, Any]:
    asked = int(mode.flat[0])
    if asked == FAIL:
        raise RuntimeError("asked to fail")
    if asked == WAIT:
        time.sleep(0.7)
    return {"answer": mode}


def tensor(name: str) -> Tensor:
    return Tensor(name=name, dtype=np.int32, shape=(1,))


if __name__ == "__main__":
    with Triton(
        config=TritonConfig(http_port=23100, grpc_port=23101, metrics_port=23102)
    ) as triton:
        triton.bind(
            model_name="echo",
            infer_func=echo,
            inputs=[tensor("mode")],
            outputs=[tensor("answer")],
            config=ModelConfig(max_batch_size=1),
        )
        triton.serve()
