"""What pods say of their model at the server's ready URL, asked beside the pass.

A pass reads what is known and never waits. Whoever said yes is not asked again: from then on its
container's own readiness counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tidegate import ports
from tidegate.controller import probe_guard
from tidegate.controller.background import Background
from tidegate.controller.workqueue import Key
from tidegate.model import objects

AT_ONCE = 8
ROUND_SECONDS = 3.0
REST_SECONDS = 1.0
NOT_YET = ports.Awaited()


@dataclass(frozen=True, slots=True, order=True)
class Pod:
    """A pod that its container's readiness calls ready."""

    address: str
    uid: str


@dataclass(slots=True, kw_only=True)
class _Known:
    """What the pods of one revision have said, by uid.

    `turns` is the round in which a pod was asked last; `asked_at` is a monotonic instant. `refused`
    says of each pod that was looked at why it must not be asked, empty for most.
    """

    revision: str
    port: int
    path: str
    refused: dict[Pod, str] = field(default_factory=dict)
    said_yes: set[str] = field(default_factory=set)
    answers: dict[str, ports.ReadyAnswer] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    rounds: int = 0
    asking: bool = False
    asked_at: float = -REST_SECONDS


class Readiness:
    """Asks ready URLs, a few at a time. Must be used from one event loop."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        probe: ports.ReadyProbe,
        clock: ports.Clock,
        background: Background,
    ) -> None:
        self._api = api
        self._probe = probe
        self._clock = clock
        self._background = background
        self._known: dict[Key, _Known] = {}

    def unready(
        self, key: Key, *, revision: str, pods: Iterable[Pod], port: int, path: str
    ) -> tuple[tuple[Pod, ports.ReadyAnswer], ...]:
        """The pods that have not said yes, with what they said last; they are asked again."""
        known = self._known.get(key)
        asked = (revision, port, path)
        if known is None or (known.revision, known.port, known.path) != asked:
            known = self._known[key] = _Known(revision=revision, port=port, path=path)
        pods = sorted(pods)
        _keep_only(known, {pod.uid for pod in pods})
        left = [pod for pod in pods if pod.uid not in known.said_yes]
        rested = self._clock.monotonic() - known.asked_at >= REST_SECONDS
        if left and rested and not known.asking:
            known.asking = True
            self._background.spawn(self._ask(key, known, left), name="ready URLs")
        return tuple((pod, known.answers.get(pod.uid, NOT_YET)) for pod in left)

    def forget(self, key: Key) -> None:
        """Nobody waits for these pods any more."""
        self._known.pop(key, None)

    async def _ask(self, key: Key, known: _Known, pods: Sequence[Pod]) -> None:
        """One round. Who waits longest is asked first: who never answers holds up nobody."""
        before = dict(known.answers)
        known.rounds += 1
        order = sorted(pods, key=lambda pod: known.turns.get(pod.uid, 0))
        waiting: deque[Pod] = deque()

        async def ask() -> None:
            while waiting:
                pod = waiting.popleft()
                known.turns[pod.uid] = known.rounds
                answer = await self._probe.check(
                    address=pod.address, port=known.port, path=known.path
                )
                known.answers[pod.uid] = answer
                if isinstance(answer, ports.Ready):
                    known.said_yes.add(pod.uid)

        try:
            async with asyncio.timeout(ROUND_SECONDS):
                waiting.extend(await self._permitted(key, known, order))
                await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        except TimeoutError:
            pass  # the others come in the next round
        finally:
            known.asking, known.asked_at = False, self._clock.monotonic()
        if known.answers != before:
            self._background.wake(key)

    async def _permitted(self, key: Key, known: _Known, pods: Sequence[Pod]) -> list[Pod]:
        """Those that may be asked. Each pod is looked at once; its address never changes."""
        if any(pod not in known.refused for pod in pods):
            wanted = objects.revision_selector(key.name, revision=known.revision)
            result = await self._api.list_objects(
                ports.POD,
                namespace=key.namespace,
                label_selector=objects.selector_text(wanted),
            )
            if not isinstance(result, ports.Ok):
                return []
            for pod in pods:
                known.refused[pod] = probe_guard.refusal(
                    pod.address, uid=pod.uid, port=known.port, pods=result.value
                )
        for pod in pods:
            if why := known.refused[pod]:
                known.answers[pod.uid] = ports.NotAsked(why)
        return [pod for pod in pods if not known.refused[pod]]


def _keep_only(known: _Known, uids: set[str]) -> None:
    """Forget pods that are gone."""
    known.said_yes &= uids
    for gone in (known.turns.keys() | known.answers.keys()) - uids:
        known.turns.pop(gone, None)
        known.answers.pop(gone, None)
    known.refused = {pod: why for pod, why in known.refused.items() if pod.uid in uids}
