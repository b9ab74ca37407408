"""Pods that are sent a synthetic inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidegate import model, ports

if TYPE_CHECKING:
    from tests.sim.replica import Process

WRONG_PATH = "/v1/no-such-model"  # every server answers it with 404


class Inferring:
    """`ports.InferenceProbe`: a ready pod answers as its version does."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def infer(self, *, address: str, port: int, probe: model.Probe) -> ports.ReadyAnswer:
        assert port
        run = self._process.run
        await self._process.sleep(run.nemesis.inference_seconds)
        run.world.inferred.append(address)
        version = run.world.version_at(address)
        if run.world.is_shielded or not version:
            return ports.Unreachable("no connection in time")
        if probe.path == WRONG_PATH:
            return ports.NotReady("answered 404 where 2xx is expected")
        if run.world.truth(version).misanswers:
            return ports.NotReady("in the answer /score is above 1")
        return ports.Ready()
