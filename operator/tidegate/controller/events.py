"""Kubernetes Events of decisions, told beside the passes as `events.k8s.io/v1` objects.

What a pass has to tell goes into a bounded queue, so that an API server that is slow to take Events
delays no decision. The same news within `SERIES_SECONDS` is one Event that counts (its `series`).
Each ModelDeployment may tell `BURST` Events at once and one more every `REFILL_SECONDS`; what is
beyond that, or beyond the queue, is dropped and counted. Nothing depends on an Event.
Source: style.md, 2.5; the limits of client-go's event correlator.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from tidegate import model, ports
from tidegate.controller.background import Background
from tidegate.model import actions

CONTROLLER = "tidegate.dev/controller"
LONGEST_NOTE = 1024  # bytes; an Event with a longer one is refused
LONGEST_QUEUE = 512
REMEMBERED = 2048
SERIES_SECONDS = 600.0
BURST = 50
REFILL_SECONDS = 20.0
PAUSE_SECONDS = 0.05  # 20 Events per second and operator
RETRIES = 3
RETRY_SECONDS = 2.0

News = tuple[str, str, str]


@dataclass(slots=True, kw_only=True)
class _Told:
    """One piece of news: the Event that tells it, and how often it came.

    `began` is a monotonic instant, `written` how often it is told in the cluster.
    """

    body: ports.Object
    began: float
    count: int = 1
    written: int = 0


@dataclass(slots=True, kw_only=True)
class _Allowance:
    """How many Events an object may still tell, as of a monotonic instant."""

    left: float
    at: float


class Events:
    """Tells Events in their order, one at a time. Must be used from one event loop."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        clock: ports.Clock,
        background: Background,
        recorder: ports.Recorder,
        instance: str,
    ) -> None:
        self._api = api
        self._clock = clock
        self._background = background
        self._recorder = recorder
        self._instance = instance
        self._told: OrderedDict[News, _Told] = OrderedDict()
        self._waiting: OrderedDict[News, _Told] = OrderedDict()
        self._allowances: OrderedDict[str, _Allowance] = OrderedDict()
        self._telling = False

    def tell(self, event: actions.Event, *, meta: model.ObjectMeta) -> None:
        """Take a piece of news; never waits."""
        news, now = (meta.uid, event.reason, event.message), self._clock.monotonic()
        if not self._may_tell(meta.uid, now):
            self._drop(event, meta, why="this object tells too many")
            return
        told = self._told.get(news)
        if told is None or now - told.began >= SERIES_SECONDS:
            if len(self._waiting) >= LONGEST_QUEUE:
                self._drop(event, meta, why="too many wait for the API server")
                return
            body = render(event, meta=meta, now=self._clock.now(), instance=self._instance)
            told = self._told[news] = _Told(body=body, began=now)
            self._told.move_to_end(news)
            _trim(self._told)
        else:
            told.count += 1
        self._waiting.setdefault(news, told)
        if not self._telling:
            self._telling = True
            self._background.spawn(self._tell_all(), name="events")

    def _may_tell(self, uid: str, now: float) -> bool:
        known = self._allowances.setdefault(uid, _Allowance(left=BURST, at=now))
        known.left = min(BURST, known.left + (now - known.at) / REFILL_SECONDS)
        known.at = now
        self._allowances.move_to_end(uid)
        _trim(self._allowances)
        if known.left < 1:
            return False
        known.left -= 1
        return True

    def _drop(self, event: actions.Event, meta: model.ObjectMeta, *, why: str) -> None:
        self._recorder.problem(
            "event_dropped",
            namespace=meta.namespace,
            name=meta.name,
            reason=event.reason,
            message=event.message,
            why=why,
        )

    async def _tell_all(self) -> None:
        try:
            while self._waiting:
                news, told = self._waiting.popitem(last=False)
                if await self._write(told) and told.count > told.written:
                    self._waiting.setdefault(news, told)
                await self._clock.sleep(PAUSE_SECONDS)
        finally:
            self._telling = False

    async def _write(self, told: _Told) -> bool:
        """Try a few times; False for what is refused for good, or for too long, and left out."""
        failure = await self._send(told)
        for _ in range(RETRIES):
            if not isinstance(failure, ports.Retryable):
                break
            await self._clock.sleep(failure.after_seconds or RETRY_SECONDS)
            failure = await self._send(told)
        if failure is not None:
            self._recorder.problem(
                "event_refused", reason=told.body["reason"], message=failure.message
            )
        return failure is None

    async def _send(self, told: _Told) -> ports.Failure | None:
        namespace, count = told.body["metadata"]["namespace"], told.count
        if told.written:
            series = {"count": count, "lastObservedTime": _stamp(self._clock.now())}
            name = told.body["metadata"]["name"]
            result = await self._api.repeat_event(namespace=namespace, name=name, series=series)
            if isinstance(result, ports.Conflict):
                told.began = -SERIES_SECONDS  # it was deleted, so the next one is an Event again
        else:
            count = 1
            result = await self._api.create_event(namespace=namespace, body=told.body)
        if isinstance(result, ports.Conflict):  # an earlier try arrived after all, or it is deleted
            result = ports.Ok(None)
        if not isinstance(result, ports.Ok):
            return result
        told.written = count
        return None


def render(
    event: actions.Event, *, meta: model.ObjectMeta, now: datetime, instance: str
) -> ports.Object:
    """The Event as an API object; its name derives from what it says, never from chance."""
    stamp = _stamp(now)
    told = f"{meta.uid} {event.reason} {event.message} {stamp}"
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    return {
        "apiVersion": ports.EVENT.api_version,
        "kind": ports.EVENT.kind,
        "metadata": {"name": f"{meta.name}.{digest}", "namespace": meta.namespace},
        "eventTime": stamp,
        "reportingController": CONTROLLER,
        "reportingInstance": instance[:128],
        "action": event.reason,
        "reason": event.reason,
        "type": str(event.type),
        "note": event.message.encode()[:LONGEST_NOTE].decode(errors="ignore"),
        "regarding": {
            "apiVersion": ports.MODEL_DEPLOYMENT.api_version,
            "kind": ports.MODEL_DEPLOYMENT.kind,
            "namespace": meta.namespace,
            "name": meta.name,
            "uid": meta.uid,
        },
    }


def _stamp(now: datetime) -> str:
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _trim(remembered: OrderedDict[News, _Told] | OrderedDict[str, _Allowance]) -> None:
    """Forget what was touched least recently."""
    while len(remembered) > REMEMBERED:
        remembered.popitem(last=False)
