"""Tells receivers what happened, beside the passes: nobody waits for any of them.

Each NotificationProvider has a courier with an outbox of its own, so one that hangs delays no other.
So many of a namespace and of all may be on their way at once, so no tenant can take all connections.
What waits is lost where the process ends, as Events are. Source: api.md, 13; docs/adr/0099.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tidegate import model, ports
from tidegate.api import notifications
from tidegate.controller.background import Background
from tidegate.controller.dependencies import Ref
from tidegate.controller.notify.news import News, news_of, wants
from tidegate.controller.notify.outbox import Outbox
from tidegate.controller.notify.payloads import render
from tidegate.controller.store import Entry, Store
from tidegate.model import actions

KIND = ports.NOTIFICATION_PROVIDER
FIRST_REST_SECONDS, LONGEST_REST_SECONDS = 2.0, 60.0
DELIVERY_FAILED = "DeliveryFailed"
AT_ONCE, AT_ONCE_OF_NAMESPACE = 64, 4


class Notifier(Protocol):
    """Receivers of news outside of the cluster's API that the administrator allows."""

    def obstacle(self, to: model.Recipient, *, namespace: str) -> str:
        """Why nothing of the namespace may be sent there, empty where it may."""
        ...

    async def post(
        self,
        to: model.Recipient,
        *,
        namespace: str,
        media_type: str,
        body: bytes,
        timeout_seconds: float,
    ) -> ports.Result[None]:
        """Post `body` once. `Ok` for 2xx; what trying again cannot help is Fatal."""
        ...


@dataclass(slots=True, kw_only=True)
class Tally:
    """What came of the messages of one provider. `failure` is empty after a success."""

    delivered: int = 0
    failed: int = 0
    dropped: int = 0
    last_success_at: datetime | None = None
    last_failure_at: datetime | None = None
    failure: str = ""


class Lanes:
    """How many messages are on their way at once, of all and of each namespace."""

    def __init__(self) -> None:
        self.all = asyncio.Semaphore(AT_ONCE)
        self._of: dict[str, asyncio.Semaphore] = {}

    def of(self, namespace: str) -> asyncio.Semaphore:
        """The lane of a namespace, which is entered before that of all."""
        return self._of.setdefault(namespace, asyncio.Semaphore(AT_ONCE_OF_NAMESPACE))


class Courier:
    """Sends the news for one provider in its order, as slowly as that one asks."""

    def __init__(
        self,
        ref: Ref,
        uid: str,
        *,
        tally: Tally,
        store: Store,
        notifier: Notifier,
        clock: ports.Clock,
        background: Background,
        lanes: Lanes,
    ) -> None:
        self.ref = ref
        self.uid = uid
        self.tally = tally
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._background = background
        self._lanes = lanes
        self._outbox = Outbox()
        self._running = False
        self._free_at = 0.0

    def take(self, news: News) -> None:
        """Have it sent; never waits."""
        if self._outbox.put(news, now=self._clock.monotonic()) is not None:
            self.tally.dropped += 1
        if len(self._outbox) and not self._running:
            self._running = True
            self._background.spawn(self._send_all(), name="notifications")

    async def _send_all(self) -> None:
        try:
            while (news := self._outbox.pop()) is not None:
                if not await self._send(news):
                    self._outbox.clear()
        finally:
            self._running = False

    async def _send(self, news: News) -> bool:
        """Try until it is delivered or given up; False once the provider is gone."""
        tried = 0
        while True:
            await self._clock.sleep(max(0.0, self._free_at - self._clock.monotonic()))
            provider = self._provider()
            if provider is None:
                return False
            answer = await self._post(provider, news)
            tried += 1
            self._count(answer, is_last=tried > provider.retries)
            if not isinstance(answer, ports.Retryable) or tried > provider.retries:
                return True
            rest_seconds = answer.after_seconds or FIRST_REST_SECONDS * 2.0 ** (tried - 1)
            await self._clock.sleep(min(rest_seconds, LONGEST_REST_SECONDS))

    async def _post(self, provider: model.NotificationProvider, news: News) -> ports.Result[None]:
        media_type, body = render(provider, news)
        namespace = self.ref.namespace
        async with self._lanes.of(namespace), self._lanes.all:
            self._free_at = self._clock.monotonic() + 60.0 / provider.per_minute
            return await self._notifier.post(
                provider.to,
                namespace=namespace,
                media_type=media_type,
                body=body,
                timeout_seconds=provider.timeout_seconds,
            )

    def _provider(self) -> model.NotificationProvider | None:
        """As it is asked for now; None once it is gone, another one of its name, or unreadable."""
        entry = self._store.entry(self.ref)
        if entry is None or entry.uid != self.uid:
            return None
        provider = entry.read(read)
        return None if provider.problem else provider

    def _count(self, answer: ports.Result[None], *, is_last: bool) -> None:
        now = self._clock.now()
        if isinstance(answer, ports.Ok):
            self.tally.delivered += 1
            self.tally.last_success_at, self.tally.failure = now, ""
            return
        self.tally.last_failure_at, self.tally.failure = now, answer.message
        if is_last or not isinstance(answer, ports.Retryable):
            self.tally.failed += 1


class Notifications:
    """Whom to tell what. Must be used from one event loop."""

    def __init__(
        self,
        *,
        store: Store,
        notifier: Notifier,
        clock: ports.Clock,
        background: Background,
        recorder: ports.Recorder,
    ) -> None:
        self._store = store
        self._notifier = notifier
        self._clock = clock
        self._background = background
        self._recorder = recorder
        self._lanes = Lanes()
        self._couriers: dict[Ref, Courier] = {}

    def tell(self, event: actions.Event, *, meta: model.ObjectMeta, status: model.Status) -> None:
        """Take an Event of a decision that stands; never waits, and no provider can break it."""
        try:
            self._hand_out(event, meta, status)
        except Exception as error:  # noqa: BLE001  (a pass must not end by who is told of it)
            self._recorder.problem(
                "notification_failed", namespace=meta.namespace, error=repr(error)
            )

    def tally(self, ref: Ref, entry: Entry) -> Tally:
        """What came of the messages of this provider so far."""
        return self._courier(ref, entry).tally

    def forget_gone(self) -> None:
        """Drop the couriers of providers that are gone."""
        known = self._store.entries(KIND)
        self._couriers = {ref: it for ref, it in self._couriers.items() if ref in known}

    def _hand_out(self, event: actions.Event, meta: model.ObjectMeta, status: model.Status) -> None:
        found = list(self._providers(meta.namespace))
        if not found:
            return
        labels = self._labels(meta)
        news = news_of(event, meta=meta, status=status, at=self._clock.now())
        for ref, entry in found:
            if wants(entry.read(read), news, labels=labels):
                self._courier(ref, entry).take(news)

    def _providers(self, namespace: str) -> Iterator[tuple[Ref, Entry]]:
        for ref, entry in self._store.entries(KIND).items():
            if ref.namespace == namespace:
                yield ref, entry

    def _labels(self, meta: model.ObjectMeta) -> dict[str, str]:
        body = self._store.get(ports.MODEL_DEPLOYMENT, namespace=meta.namespace, name=meta.name)
        return (body or {"metadata": {}})["metadata"].get("labels") or {}

    def _courier(self, ref: Ref, entry: Entry) -> Courier:
        known = self._couriers.get(ref)
        if known is None or known.uid != entry.uid:
            known = self._couriers[ref] = Courier(
                ref,
                entry.uid,
                tally=_told_before(entry),
                store=self._store,
                notifier=self._notifier,
                clock=self._clock,
                background=self._background,
                lanes=self._lanes,
            )
        return known


def _told_before(entry: Entry) -> Tally:
    """What stands in status, as another process left it."""
    status = notifications.read_status(entry.snapshot.get("status"))
    ready = next((it for it in status.conditions if it.type == "Ready"), None)
    failed = ready is not None and ready.reason == DELIVERY_FAILED
    return Tally(
        delivered=status.delivered,
        failed=status.failed,
        dropped=status.dropped,
        last_success_at=status.last_success_at,
        last_failure_at=status.last_failure_at,
        failure=ready.message if ready is not None and failed else "",
    )


def read(body: ports.Object) -> model.NotificationProvider:
    """What the store remembers of a version of a provider."""
    return notifications.read_provider(body)[0]
