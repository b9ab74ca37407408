"""The mirror of an HTTPRoute: copies of requests, whose answers nobody gets.

Source: Gateway API, HTTPRequestMirrorFilter (`percent` and `fraction` since v1.2); ecosystem.md, 1.4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction

from tidegate import model
from tidegate.model import objects
from tidegate.traffic import splits

TYPE = "RequestMirror"
_ALL = 100.0
_LEAST_DENOMINATOR = 100  # what a fraction without one has


def filter_of(backend: model.Document, *, percent: float) -> model.Document:
    """The filter that copies so many percent of the requests to a backend.

    All of them by the plain filter, which more implementations know than a percentage; whole
    percents as such; anything else as a fraction, to four decimals of a percent.
    """
    assert 0 < percent <= _ALL, percent
    share: model.Document = {}
    if percent < _ALL:
        share = {"percent": int(percent)} if percent == int(percent) else _fraction(percent)
    return {"type": TYPE, "requestMirror": {"backendRef": backend, **share}}


def _fraction(percent: float) -> model.Document:
    """Of 1000, 10000, 100000 or 1000000, whichever is the smallest that is exact."""
    exact = Fraction(round(splits.exact(percent) * 10**splits.DECIMALS), 10**splits.DECIMALS)
    denominator = _LEAST_DENOMINATOR
    while (exact * denominator / 100).denominator != 1:
        denominator *= 10
    numerator = int(exact * denominator / 100)
    return {"fraction": {"numerator": numerator, "denominator": denominator}}


def percents(live: model.Document, *, name: str) -> dict[str, float]:
    """Percent of the requests that are copied, by revision; a foreign backend keeps its own name.

    Where rules differ it is the largest: what nobody mirrors to has no entry.
    """
    found: dict[str, float] = {}
    for filter_ in _of(objects.items(objects.at(live, "spec", "rules"))):
        service = objects.text(objects.at(filter_, "requestMirror", "backendRef", "name"))
        revision = objects.revision_of_object(service, name=name)
        percent = _percent(objects.at(filter_, "requestMirror"))
        if percent > 0:
            found[revision] = max(found.get(revision, 0.0), percent)
    return found


def _percent(mirror: model.Json) -> float:
    """Without a share all requests are copied."""
    fraction = objects.at(mirror, "fraction")
    if fraction is not None:
        numerator = objects.whole(objects.at(fraction, "numerator"))
        denominator = objects.whole(objects.at(fraction, "denominator"), default=_LEAST_DENOMINATOR)
        return round(100 * numerator / max(denominator, 1), splits.DECIMALS)
    return float(objects.whole(objects.at(mirror, "percent"), default=int(_ALL)))


def apart(rules: Iterable[model.Json]) -> tuple[list[model.Json], list[model.Json]]:
    """The mirrors of some rules, and these rules with every filter but mirrors."""
    found = [objects.mapping(rule) for rule in rules]
    return list(_of(found)), [_without(rule) for rule in found]


def _without(rule: model.Document) -> model.Document:
    filters = [it for it in objects.items(rule.get("filters")) if not _is_mirror(it)]
    rest = {key: value for key, value in rule.items() if key != "filters"}
    return {**rest, "filters": filters} if filters else rest


def _of(rules: Iterable[model.Json]) -> Iterator[model.Json]:
    for rule in rules:
        yield from (it for it in objects.items(objects.at(rule, "filters")) if _is_mirror(it))


def _is_mirror(filter_: model.Json) -> bool:
    return objects.at(filter_, "type") == TYPE
