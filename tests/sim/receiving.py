"""A receiver of hooks outside of the cluster, and the way of a process to it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.sim.fields import Object

from tidegate import model, ports

if TYPE_CHECKING:
    from tests.sim.replica import Process

ALLOWED = "https://train.example.com/"


@dataclass(slots=True)
class Receiver:
    """What it took, and how it behaves: it hangs, it refuses, it kills who has just been answered."""

    taken: list[Object] = field(default_factory=list)
    tries: int = 0
    hangs: bool = False
    refuses: bool = False
    kills_after: bool = False


class Posting:
    """`ports.Hooks` of one process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    def obstacle(self, url: str, *, namespace: str) -> str:
        assert namespace
        return "" if url.startswith(ALLOWED) else "the host is not allowed"

    async def post(
        self, url: str, *, namespace: str, media_type: str, body: bytes, timeout_seconds: float
    ) -> ports.Result[None]:
        assert not self.obstacle(url, namespace=namespace)
        assert media_type == "application/cloudevents+json"
        process, receiver = self._process, self._process.run.receiver
        await process.running()
        receiver.tries += 1
        if receiver.hangs:
            await process.sleep(timeout_seconds)
            return ports.Retryable(message=f"no answer within {timeout_seconds:g} s")
        await process.sleep(0.1)
        if receiver.refuses:
            return ports.Retryable(message="answered 503 where 2xx is expected")
        receiver.taken.append(json.loads(body))
        if receiver.kills_after:
            receiver.kills_after = False
            process.die()
            await process.running()
        return ports.Ok(None)


class Telling:
    """The notifier of one process: the same receiver takes news, as CloudEvents."""

    def __init__(self, process: Process) -> None:
        self._way = Posting(process)

    def obstacle(self, to: model.Recipient, *, namespace: str) -> str:
        return self._way.obstacle(to.url, namespace=namespace)

    async def post(
        self,
        to: model.Recipient,
        *,
        namespace: str,
        media_type: str,
        body: bytes,
        timeout_seconds: float,
    ) -> ports.Result[None]:
        return await self._way.post(
            to.url,
            namespace=namespace,
            media_type=media_type,
            body=body,
            timeout_seconds=timeout_seconds,
        )
