"""Many rollouts rolled back at once have a cause that they share: nobody else goes forward meanwhile.

A policy counts ModelDeployments, so one bad version that is tried again and again is one. Nothing here
is asked on the way back. Source: api.md, 9.1; docs/adr/0049.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tidegate import model

RULE = "circuitBreaker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """The breaker of a policy holds until an instant, after so many rollbacks."""

    policy: model.Policy
    rollbacks: int
    until: datetime


def tripped(
    policies: Iterable[model.Policy], rollbacks: Sequence[model.RolledBack], at: datetime
) -> Iterator[Tripped]:
    """The breakers that hold at this instant, whatever their policies do about it. Errors: none."""
    for policy in policies:
        if policy.breaker is not None and not policy.problem:
            yield from _tripped(policy, policy.breaker, rollbacks, at)


def counted(policies: Iterable[model.Policy]) -> bool:
    """Some policy asks how many were rolled back."""
    return any(it.breaker is not None for it in policies)


def _tripped(
    policy: model.Policy,
    breaker: model.CircuitBreaker,
    rollbacks: Sequence[model.RolledBack],
    at: datetime,
) -> Iterator[Tripped]:
    within = timedelta(seconds=breaker.within_seconds)
    # One that lies ahead of all clocks is not believed: it would hold everybody until then.
    newest = sorted(
        (it.at for it in rollbacks if policy.id in it.policies and abs(at - it.at) < within),
        reverse=True,
    )
    if len(newest) >= breaker.rollbacks:
        until = newest[breaker.rollbacks - 1] + within
        yield Tripped(policy=policy, rollbacks=len(newest), until=until)
