"""One rollout by the whole controller: requests, CPU time, and the time from a verdict to its write."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from bench.controller.fleet import BAD, STRANGERS, Fleet, Sent, played
from bench.controller.meter import Meter
from tidegate import model, ports

NAME = "mallard"  # a word that stands nowhere else in a document
AFTER_SECONDS = 60.0
_READS = frozenset({"get", "list", "list_metadata", "serves"})
_BESIDE = frozenset({ports.LEASE.plural, ports.EVENT.plural})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One promotion or rollback. Leases are left out; CPU seconds of the loop and of counting."""

    sent: tuple[Sent, ...]
    loop_seconds: float
    counting_seconds: float
    longest_seconds: float
    callbacks: int

    @property
    def writes(self) -> list[Sent]:
        """What changes the cluster, Events apart."""
        return [one for one in self.sent if is_write(one)]

    def writes_to(self, plural: str) -> int:
        """How many of them change this kind or its status."""
        return sum(one.about.split("/")[0] == plural for one in self.writes)

    @property
    def events(self) -> int:
        """Events that were told."""
        return sum(one.about == ports.EVENT.plural for one in self.sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """From the verdict on. `before` is what was sent until the write that takes the traffic."""

    rollout: Rollout
    before: int
    verdict_to_write_cpu_seconds: float
    verdict_to_write_seconds: float
    after: tuple[Sent, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """A promotion and then a rollback of one object, and how it stands afterwards."""

    promotion: Rollout
    rollback: Rollback
    fleet: Fleet


def is_write(one: Sent) -> bool:
    """Whether it changes something else than a Lease or an Event."""
    return one.request.verb not in _READS and one.about not in _BESIDE


def about_rollouts(sent: Iterable[Sent]) -> tuple[Sent, ...]:
    """Without Leases, and without the sweep, which all objects share."""
    return tuple(
        one
        for one in sent
        if one.about != ports.LEASE.plural and one.request.verb != "list_metadata"
    )


def both(provider: model.Provider, *, replicas: int) -> Both:
    """Play a promotion of five steps and a rollback from the first one."""
    meter = Meter(strangers=STRANGERS)
    found: list[Rollout] = []

    async def play(fleet: Fleet) -> None:
        fleet.create(NAME, provider=provider.value, replicas=replicas)
        fleet.start()
        await fleet.until_all([NAME], model.Phase.HEALTHY)
        for version, phase in (("v2", model.Phase.HEALTHY), (BAD, model.Phase.ROLLED_BACK)):
            await asyncio.sleep(2 * AFTER_SECONDS)
            found.append(await _rollout(fleet, version, phase))

    fleet = played(play, meter)
    promotion, rollback = found
    return Both(promotion=promotion, rollback=_rollback(fleet, rollback), fleet=fleet)


async def _rollout(fleet: Fleet, version: str, phase: model.Phase) -> Rollout:
    first, meter = len(fleet.sent), fleet.meter
    meter.restart()
    fleet.counting_seconds = 0.0
    fleet.deploy(NAME, version)
    await fleet.until_all([NAME], phase)
    await asyncio.sleep(AFTER_SECONDS + 5.0)
    return Rollout(
        sent=about_rollouts(fleet.sent[first:]),
        loop_seconds=meter.total,
        counting_seconds=fleet.counting_seconds,
        longest_seconds=meter.longest,
        callbacks=len(meter.seconds),
    )


def _rollback(fleet: Fleet, rollout: Rollout) -> Rollback:
    """What was sent from the verdict until a minute after the write that takes the traffic."""
    verdict, cpu = fleet.harm[0]
    since = [one for one in rollout.sent if one.at >= verdict]
    taken = next(at for at, one in enumerate(since) if one.request.urgent)
    write = since[taken]
    return Rollback(
        rollout=rollout,
        before=taken,
        verdict_to_write_cpu_seconds=write.cpu - cpu,
        verdict_to_write_seconds=write.at - verdict,
        after=tuple(one for one in since[taken + 1 :] if one.at <= write.at + AFTER_SECONDS),
    )
