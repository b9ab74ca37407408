"""Preprocessing beside a runtime of MLServer: it shrinks images to the cells that models are fed."""

from __future__ import annotations

from typing import Any

from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

from .cells import inks

NAME = "cells"


def prepared(runtime: type[Any]) -> type[Any]:
    """A runtime that is fed cells where users send pixels.

    The rows of cells that it loses stand in model-settings.json under `parameters.extra.lost_rows`.
    """

    class Prepared(runtime):  # type: ignore[misc]  # a class that is only known at run time
        """The same runtime."""

        async def load(self) -> bool:
            extra: dict[str, Any] = self.settings.parameters.extra or {}
            self._lost_rows = tuple(extra.get("lost_rows", ()))
            return bool(await super().load())

        async def predict(self, payload: InferenceRequest) -> InferenceResponse:
            [image] = payload.inputs
            cells = inks(NumpyCodec.decode_input(image), lost_rows=self._lost_rows)
            fed = NumpyCodec.encode_input(NAME, cells)
            answer: InferenceResponse = await super().predict(
                payload.model_copy(update={"inputs": [fed]})
            )
            return answer

    return Prepared
