"""Pods that are ready and show no counts: nobody knows what they do to their requests.

Source: evidence.md, 2.2; ADR 0034.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tidegate.evidence.counts.reader import GONE_SCRAPES
from tidegate.evidence.terms import Identity, Problem, Reason, Series

_NAMED = 3  # pods in a message

PodAddresses = Mapping[str, tuple[str, ...]]  # by name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyPods:
    """The pods that are ready, by arm; empty where nobody has looked."""

    candidate: PodAddresses = field(default_factory=dict)
    stable: PodAddresses = field(default_factory=dict)


def incomplete(
    series: Sequence[Series],
    *,
    identity: Identity,
    ready: ReadyPods,
    spacing_seconds: float,
    asked: str,
) -> Problem | None:
    """More pods of the candidate than of stable are ready and show no counts; None where not so.

    A pod shows counts while its newest sample is no more than a few scrapes behind the newest of
    all; it is known by its name, or by the address that was scraped. Where series bear neither of
    any ready pod, as those of a proxy do, nobody can tell. `asked` says in words what the source
    was asked for.
    """
    shown = _shown(series, identity=identity, spacing_seconds=spacing_seconds)
    candidate = _uncounted(ready.candidate, shown=shown)
    stable = _uncounted(ready.stable, shown=shown)
    none = len(candidate) + len(stable) == len(ready.candidate) + len(ready.stable)
    if none or len(candidate) <= len(stable):
        return None
    message = (
        f"ready pods that show no counts: {_listed(candidate)} of the candidate,"
        f" {_listed(stable)} of stable; they are not scraped, or got no request; asked {asked}"
    )
    return Problem(reason=Reason.INCOMPLETE, message=message)


def _shown(
    series: Sequence[Series], *, identity: Identity, spacing_seconds: float
) -> frozenset[str]:
    """Names and addresses of what has been scraped lately."""
    arms = {identity.candidate, identity.stable}
    known = [one for one in series if one.samples and one.labels.get("revision") in arms]
    newest = max((one.samples[-1][0] for one in known), default=-math.inf)
    gone_before = newest - GONE_SCRAPES * spacing_seconds
    fresh = [one.labels for one in known if one.samples[-1][0] >= gone_before]
    names = {labels.get("pod", "") for labels in fresh}
    hosts = {_host(labels.get("instance", "")) for labels in fresh}
    return frozenset(names | hosts)


def _host(instance: str) -> str:
    """Without its port; an address of IPv6 stands in brackets before it."""
    return instance.rpartition(":")[0].strip("[]")


def _uncounted(ready: PodAddresses, *, shown: frozenset[str]) -> list[str]:
    return sorted(name for name, at in ready.items() if shown.isdisjoint((name, *at)))


def _listed(pods: Sequence[str]) -> str:
    if not pods:
        return "none"
    more = f" and {len(pods) - _NAMED} more" if len(pods) > _NAMED else ""
    return f"{len(pods)} ({', '.join(pods[:_NAMED])}{more})"
