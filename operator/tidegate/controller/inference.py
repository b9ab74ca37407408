"""Synthetic inferences, sent to pods of candidates beside the pass.

One pod at a time, the one that has waited longest first. The first that answers as expected speaks
for its revision as long as it is there: all pods have the same model. Source: docs/adr/0054.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from tidegate import model, ports
from tidegate.controller.background import Background
from tidegate.controller.permitted import Permitted, Pod
from tidegate.controller.polled import Polled
from tidegate.controller.ready_url import NOBODY_LISTENS, is_probed
from tidegate.controller.workqueue import Key

REST_SECONDS = 5.0  # an inference may cost a GPU seconds
TRIED = 3  # so many pods that cannot be reached say that none can


@dataclass(slots=True, kw_only=True)
class _Known(Polled):
    """What the pods of one revision have answered, by uid; `said_yes` is one of them or empty.

    `turns` is the turn in which a pod was asked last.
    """

    revision: str
    port: int
    probe: model.Probe
    permitted: Permitted
    said_yes: str = ""
    answers: dict[str, ports.ReadyAnswer] = field(default_factory=dict)
    turns: dict[str, int] = field(default_factory=dict)
    turn: int = 0


class Inference:
    """Asks for inferences and remembers the answers. Must be used from one event loop."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        probe: ports.InferenceProbe,
        clock: ports.Clock,
        background: Background,
    ) -> None:
        self._api = api
        self._probe = probe
        self._clock = clock
        self._background = background
        self._known: dict[Key, _Known] = {}

    def newest(
        self,
        key: Key,
        *,
        revision: str,
        pods: Iterable[Pod],
        port: int,
        probe: model.Probe,
        template: model.Json,
        answers_others: bool,
    ) -> model.Probed:
        """What is known of the revision by its ready pods; they are asked until one said yes.

        `template` is that of the pods; `answers_others` says that they answer other requests of the
        operator's, so that nothing stands between.
        """
        pods = sorted(pods)
        known = self._of(key, revision=revision, port=port, probe=probe)
        _keep_only(known, {pod.uid for pod in pods})
        if known.said_yes:
            return model.Probed()
        if pods and known.begins(self._clock.monotonic(), rest_seconds=REST_SECONDS):
            next_one = min(pods, key=lambda pod: known.turns.get(pod.uid, 0))
            self._background.spawn(self._ask(key, known, next_one), name="inference probe")
        return _said(pods, known, listens=is_probed(template), answers_others=answers_others)

    def forget(self, key: Key) -> None:
        """Nobody waits for these answers any more."""
        self._known.pop(key, None)

    def _of(self, key: Key, *, revision: str, port: int, probe: model.Probe) -> _Known:
        known = self._known.get(key)
        if known is None or (known.revision, known.port, known.probe) != (revision, port, probe):
            known = self._known[key] = _Known(
                revision=revision,
                port=port,
                probe=probe,
                permitted=Permitted(self._api, key, revision=revision, port=port),
            )
        return known

    async def _ask(self, key: Key, known: _Known, pod: Pod) -> None:
        before = known.answers.get(pod.uid)
        known.turn += 1
        known.turns[pod.uid] = known.turn
        try:
            if not await known.permitted.look([pod]):
                return
            answer = await self._answer(known, pod)
        finally:
            known.ends(self._clock.monotonic())
        known.answers[pod.uid] = answer
        if isinstance(answer, ports.Ready):
            known.said_yes = pod.uid
        if answer != before:
            self._background.wake(key)

    async def _answer(self, known: _Known, pod: Pod) -> ports.ReadyAnswer:
        if why := known.permitted.refusal(pod):
            return ports.NotAsked(why)
        return await self._probe.infer(address=pod.address, port=known.port, probe=known.probe)


def _said(
    pods: Sequence[Pod], known: _Known, *, listens: bool, answers_others: bool
) -> model.Probed:
    """A wrong answer counts before a pod that cannot be reached, and that only once some cannot."""
    unreachable = []
    for pod in pods:
        of_pod = f"{known.probe.text} of pod {pod.address}"
        match known.answers.get(pod.uid):
            case ports.NotReady(message=message):
                return model.Probed(wrong=f"{of_pod}: {message}")
            case ports.Unreachable(message=message, refused=True) if not listens:
                return model.Probed(wrong=f"{of_pod}: {message}, {NOBODY_LISTENS}")
            case ports.Unreachable(message=message, closed=True) if answers_others:
                # Not a mesh: it died of the inference, or a worker of it did.
                return model.Probed(wrong=f"{of_pod}: {message}, and its ready URL is answered")
            case ports.Unreachable(message=message):
                where = "cannot be reached from the operator"
                unreachable.append(
                    f"{of_pod} {where} ({message}; a mesh with mTLS, or a NetworkPolicy?)"
                )
            case ports.NotAsked(message=message):
                unreachable.append(f"{of_pod} is not asked ({message})")
            case _:
                pass
    if pods and len(unreachable) >= min(len(pods), TRIED):
        return model.Probed(unreachable=unreachable[0])
    return model.Probed(pending=f"{known.probe.text}: no pod has answered server.probe yet")


def _keep_only(known: _Known, uids: set[str]) -> None:
    """Forget pods that are gone."""
    if known.said_yes not in uids:
        known.said_yes = ""
    for gone in (known.turns.keys() | known.answers.keys()) - uids:
        known.turns.pop(gone, None)
        known.answers.pop(gone, None)
    known.permitted.keep_only(uids)
