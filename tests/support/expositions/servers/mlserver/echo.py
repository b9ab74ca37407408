"""An MLServer runtime that answers, fails or takes its time, as the request says."""

from __future__ import annotations

import asyncio

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Echo(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        mode = StringCodec.decode_input(payload.inputs[0])[0]
        if mode == "bad":
            raise RuntimeError("asked to fail")
        if mode == "slow":
            await asyncio.sleep(0.7)
        answer = StringCodec.encode_output("answer", [mode])
        return InferenceResponse(model_name=self.name, outputs=[answer])
