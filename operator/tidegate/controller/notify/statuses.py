"""What the operator says on NotificationProviders: whether each can be used, and what came of it.

One look at all of them every few seconds; a status is written where it differs from the one that
stands there. No rollout depends on it.
"""

from __future__ import annotations

from datetime import datetime

from tidegate import model, ports
from tidegate.api import notifications
from tidegate.controller.dependencies import Ref
from tidegate.controller.notify import spelling, template
from tidegate.controller.notify.courier import (
    DELIVERY_FAILED,
    KIND,
    Notifications,
    Notifier,
    Tally,
    read,
)
from tidegate.controller.ownership import is_served
from tidegate.controller.said_beside import SaidBeside, Told, condition
from tidegate.controller.store import Entry, Store
from tidegate.settings import Settings


class ProviderStatuses:
    """Keeps the status of every NotificationProvider up to date while this process leads."""

    def __init__(
        self,
        *,
        said: SaidBeside,
        store: Store,
        clock: ports.Clock,
        settings: Settings,
        notifier: Notifier,
        told: Notifications,
    ) -> None:
        self._said = said
        self._store = store
        self._clock = clock
        self._settings = settings
        self._notifier = notifier
        self._told = told

    async def run(self) -> None:
        """Look for ever."""
        await self._said.look_for_ever(self.look)

    async def look(self) -> None:
        """Write what has changed of each. Errors: none; a failed write is reported once."""
        now = self._clock.now()
        self._told.forget_gone()

        def news(ref: Ref, entry: Entry) -> ports.Object | None:
            provider = entry.read(read)
            obstacle = self._notifier.obstacle(provider.to, namespace=ref.namespace)
            old = notifications.read_status(entry.snapshot.get("status"))
            tally = self._told.tally(ref, entry)
            new = status_of(provider, tally, old, obstacle=obstacle, at=now)
            return None if new == old else notifications.write_status(new)

        await self._said.write_each(self._served(), news, problem="provider_status_unwritten")

    def _served(self) -> list[tuple[Ref, Entry]]:
        """Those of the namespaces of this operator: another one knows other receivers and counts."""
        return [
            (ref, entry)
            for ref, entry in self._store.entries(KIND).items()
            if is_served(ref.namespace, store=self._store, settings=self._settings)
        ]


def status_of(
    provider: model.NotificationProvider,
    tally: Tally,
    old: model.NotificationStatus,
    *,
    obstacle: str,
    at: datetime,
) -> model.NotificationStatus:
    """What there is to say of a provider; equal to `old` where nothing has changed."""
    told = {
        "Accepted": _accepted(provider, obstacle=obstacle),
        "Ready": _ready(provider, tally, obstacle=obstacle),
    }
    return model.NotificationStatus(
        observed_generation=provider.generation,
        delivered=tally.delivered,
        failed=tally.failed,
        dropped=tally.dropped,
        last_success_at=_to_the_second(tally.last_success_at),
        last_failure_at=_to_the_second(tally.last_failure_at),
        conditions=tuple(
            condition(name, one, generation=provider.generation, old=old.conditions, at=at)
            for name, one in told.items()
        ),
    )


def _accepted(provider: model.NotificationProvider, *, obstacle: str) -> Told:
    if found := _unusable(provider, obstacle=obstacle):
        return found
    if misspelt := spelling.misspelt(provider.events):
        return "False", "UnknownEvent", f"in spec.events {misspelt}"
    broken = template.problem(provider.template)
    if broken:
        return (
            "False",
            "TemplateInvalid",
            f"the usual text is sent, since in spec.template {broken}",
        )
    return "True", "Accepted", ""


def _ready(provider: model.NotificationProvider, tally: Tally, *, obstacle: str) -> Told:
    if found := _unusable(provider, obstacle=obstacle):
        return found
    if tally.failure:
        return "False", DELIVERY_FAILED, tally.failure
    if tally.last_success_at is None:
        return "Unknown", "NothingSent", "nothing has been sent yet"
    return "True", "Delivered", ""


def _unusable(provider: model.NotificationProvider, *, obstacle: str) -> Told | None:
    if provider.problem:
        return "False", "Invalid", provider.problem
    return ("False", "ReceiverNotAllowed", obstacle) if obstacle else None


def _to_the_second(instant: datetime | None) -> datetime | None:
    """As it stands in the cluster."""
    return instant.replace(microsecond=0) if instant is not None else None
