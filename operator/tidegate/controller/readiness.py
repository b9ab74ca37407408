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
from tidegate.controller.background import Background
from tidegate.controller.permitted import Permitted, Pod
from tidegate.controller.polled import Polled
from tidegate.controller.workqueue import Key

AT_ONCE = 8
ROUND_SECONDS = 3.0
REST_SECONDS = 1.0
NOT_YET = ports.Awaited()


@dataclass(slots=True, kw_only=True)
class _Known(Polled):
    """What the pods of one revision have said, by uid.

    `turns` is the round in which a pod was asked last.
    """

    revision: str
    port: int
    path: str
    permitted: Permitted
    said_yes: set[str] = field(default_factory=set)
    answers: dict[str, ports.ReadyAnswer] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    rounds: int = 0


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
            permitted = Permitted(self._api, key, revision=revision, port=port)
            known = self._known[key] = _Known(
                revision=revision, port=port, path=path, permitted=permitted
            )
        pods = sorted(pods)
        _keep_only(known, {pod.uid for pod in pods})
        left = [pod for pod in pods if pod.uid not in known.said_yes]
        if left and known.begins(self._clock.monotonic(), rest_seconds=REST_SECONDS):
            self._background.spawn(self._ask(key, known, left), name="ready URLs")
        return tuple((pod, known.answers.get(pod.uid, NOT_YET)) for pod in left)

    def has_answered(self, key: Key) -> bool:
        """Whether any of these pods has answered a request of the operator's at all."""
        known = self._known.get(key)
        answers = known.answers.values() if known is not None else ()
        return any(isinstance(answer, ports.Ready | ports.NotReady) for answer in answers)

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
                waiting.extend(await _allowed(known, order))
                await asyncio.gather(*(ask() for _ in range(AT_ONCE)))
        except TimeoutError:
            pass  # the others come in the next round
        finally:
            known.ends(self._clock.monotonic())
        if known.answers != before:
            self._background.wake(key)


async def _allowed(known: _Known, pods: Sequence[Pod]) -> list[Pod]:
    """Those that may be asked."""
    if not await known.permitted.look(pods):
        return []
    for pod in pods:
        if why := known.permitted.refusal(pod):
            known.answers[pod.uid] = ports.NotAsked(why)
    return [pod for pod in pods if not known.permitted.refusal(pod)]


def _keep_only(known: _Known, uids: set[str]) -> None:
    """Forget pods that are gone."""
    known.said_yes &= uids
    for gone in (known.turns.keys() | known.answers.keys()) - uids:
        known.turns.pop(gone, None)
        known.answers.pop(gone, None)
    known.permitted.keep_only(uids)
