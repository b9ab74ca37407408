"""Which rollouts may begin where policies limit how many run at once.

Places are given by age. Whoever waits for a limit that is reached keeps nobody back whom other
limits have room for, so that a full namespace does not stop all others. Source: api.md, 9.1 and 9.3;
docs/adr/0093.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tidegate import model

RULE = "maxConcurrentRollouts"
_Taken = Counter[model.Limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class Full:
    """A limit that is reached, and how many older rollouts wait for it as well."""

    limit: model.Limit
    ahead: int


def limits_of(policy: model.Policy, namespace: str) -> Iterator[model.Limit]:
    """The limits of a policy that count a rollout of this namespace, if the policy applies to it."""
    if policy.problem:
        return
    own = policy.constraints
    # A policy of a namespace selects nothing outside of it.
    whole = namespace if policy.namespaced else ""
    for member, most, counted_in in (
        ("perNamespace", own.max_rollouts_per_namespace, namespace),
        ("perCluster", own.max_rollouts_per_cluster, whole),
    ):
        if most is not None:
            yield model.Limit(
                policy=policy.id,
                member=member,
                namespace=counted_in,
                most=most,
                action=policy.action_of(RULE),
            )


def full_for(entrant: model.Entrant, queue: model.Queue) -> Full | None:
    """The limit for which a rollout has to wait; None where there is a place for it."""
    older = [it for it in _others(queue.waiting, entrant) if it.place < entrant.place]
    taken = _taken(_others(queue.running, entrant))
    limit = _reached(entrant, taken)
    if limit is None:
        for other in older:
            _enter(other, taken)
        limit = _reached(entrant, taken)
    if limit is None:
        return None
    return Full(limit=limit, ahead=sum(limit in it.limits for it in older))


def exceeded(entrant: model.Entrant, queue: model.Queue) -> list[model.Limit]:
    """The limits that are told only, and that it would go beyond."""
    taken = _taken(_others(queue.running, entrant))
    return [it for it in entrant.limits if not it.holds and taken[it] >= it.most]


def next_ones(queue: model.Queue) -> list[model.Entrant]:
    """Those of the queue that there are places for now, the oldest first."""
    taken = _taken(queue.running)
    return [it for it in queue.waiting if _enter(it, taken)]


def _others(entrants: Iterable[model.Entrant], but: model.Entrant) -> Iterator[model.Entrant]:
    return (it for it in entrants if not it.is_of(but))


def _taken(running: Iterable[model.Entrant]) -> _Taken:
    return Counter(limit for it in running for limit in it.limits)


def _enter(entrant: model.Entrant, taken: _Taken) -> bool:
    """Take its places, if all of its limits have one."""
    if _reached(entrant, taken) is not None:
        return False
    taken.update(entrant.limits)
    return True


def _reached(entrant: model.Entrant, taken: _Taken) -> model.Limit | None:
    return next((it for it in entrant.limits if it.holds and taken[it] >= it.most), None)
