"""A route that belongs to the user: the two numbers of ours in it, and nothing else.

A rule counts when it names both Services. Between these two the sum of the weights stays as it is,
unless it cannot give the share; then it is raised, which is possible only where no third backend of
the rule has a weight, and the old sum is remembered so that the route is as before in the end.
Source: api.md, 5.2 ("Existing mode"); ecosystem.md, 1.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import splits

_DEFAULT_WEIGHT = 1  # of a backendRef that does not say
Sums = Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A rule that names both Services: where each stands in it, and its weight.

    `alone`: no other backend of the rule has a weight, so the sum of these two says nothing.
    """

    rule: int
    stable: int
    candidate: int
    stable_weight: int
    candidate_weight: int
    alone: bool

    @property
    def sum(self) -> int:
        """Of both weights."""
        return self.stable_weight + self.candidate_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Names of the two Services."""

    stable: str
    candidate: str


def pairs(route: model.Document, services: Services) -> tuple[Pair, ...]:
    """The rules that name both Services."""
    rules = objects.items(objects.at(route, "spec", "rules"))
    found = (_pair(rule, index, services) for index, rule in enumerate(rules))
    return tuple(pair for pair in found if pair is not None)


def _pair(rule: model.Json, index: int, services: Services) -> Pair | None:
    backends = objects.items(objects.at(rule, "backendRefs"))
    names = [_service(backend) for backend in backends]
    if services.stable not in names or services.candidate not in names:
        return None
    weights = [objects.whole(objects.at(it, "weight"), default=_DEFAULT_WEIGHT) for it in backends]
    stable, candidate = names.index(services.stable), names.index(services.candidate)
    others = (weight for at, weight in enumerate(weights) if at not in {stable, candidate})
    return Pair(
        rule=index,
        stable=stable,
        candidate=candidate,
        stable_weight=weights[stable],
        candidate_weight=weights[candidate],
        alone=not any(others),
    )


def _service(backend: model.Json) -> str:
    """The name of a Service of the route's own namespace; empty for anything else."""
    kind, group = objects.at(backend, "kind"), objects.at(backend, "group")
    foreign = objects.text(objects.at(backend, "namespace"))
    if kind not in {None, "Service"} or group not in {None, ""} or foreign:
        return ""
    return objects.text(objects.at(backend, "name"))


def candidate_percent(found: tuple[Pair, ...]) -> float | None:
    """The share of the candidate's Service, over all rules alike; None where both have no weight."""
    shares = [100.0 * it.candidate_weight / it.sum for it in found if it.sum > 0]
    return round(sum(shares) / len(shares), splits.DECIMALS) if shares else None


def with_percent(
    route: model.Document, found: tuple[Pair, ...], percent: float, *, sums: Sums
) -> model.Document:
    """The same route with this share for the candidate's Service, in every rule that has both."""
    rules = list(objects.items(objects.at(route, "spec", "rules")))
    for pair in found:
        if pair.sum > 0:
            rules[pair.rule] = _weighted(rules[pair.rule], pair, _split(pair, percent, sums=sums))
    return {**route, "spec": {**objects.mapping(route.get("spec")), "rules": rules}}


def remembered(found: tuple[Pair, ...], percent: float, *, sums: Sums) -> dict[str, int]:
    """The sums to remember: of rules that have another one now, or are to get it."""
    return {
        str(pair.rule): _usual(pair, sums)
        for pair in found
        if pair.sum > 0
        and not _usual(pair, sums) == pair.sum == sum(_split(pair, percent, sums=sums))
    }


def _usual(pair: Pair, sums: Sums) -> int:
    """The sum that the owner of the route gave the two."""
    return sums.get(str(pair.rule), pair.sum)


def _split(pair: Pair, percent: float, *, sums: Sums) -> tuple[int, int]:
    """Weights of stable and candidate: in the usual sum where that is possible."""
    usual = _usual(pair, sums)
    candidate = usual * splits.exact(percent) / 100
    if candidate.denominator == 1:
        return usual - int(candidate), int(candidate)
    if not pair.alone:
        return usual - _between(candidate, usual), _between(candidate, usual)
    raised = splits.plane_weights(model.Exposure(live_percent=percent))
    return raised.stable, raised.candidate


def _between(wanted: Fraction, total: int) -> int:
    """The nearest whole number, and neither nothing nor all unless that is all there is."""
    return min(max(round(wanted), min(1, total)), max(total - 1, 0))


def _weighted(rule: model.Json, pair: Pair, weights: tuple[int, int]) -> model.Json:
    backends = list(objects.items(objects.at(rule, "backendRefs")))
    for at, weight in zip((pair.stable, pair.candidate), weights, strict=True):
        backends[at] = {**objects.mapping(backends[at]), "weight": weight}
    return {**objects.mapping(rule), "backendRefs": backends}


def cannot_give(pair: Pair, percents: Iterator[float], *, sums: Sums) -> float | None:
    """The first share that this rule cannot give, since a third backend keeps the sum as it is."""
    if pair.alone:
        return None
    usual = _usual(pair, sums)
    inexact = (it for it in percents if (usual * splits.exact(it) / 100).denominator != 1)
    return next(inexact, None)
