"""The rule of a route that sends requests of testers to the candidate: by header, before any weight.

It stands behind the rule with the weights and matches the same paths; of two rules that match, Gateway
API prefers the one with more headers. What is read back is told by its shape, since names of rules are
not supported everywhere: a rule all of whose matches look at headers. Before it opens and after it has
closed it matches nobody: a Gateway that makes backends anew for each rule then has them in time.
Source: ecosystem.md, 1.4 ("Header canary").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate import model
from tidegate.model import objects

Headers = tuple[model.Header, ...]
_CLOSED = model.Header(name="x-tidegate-closed", value="matches-nobody")
NOBODY = (model.HeaderRoute(name="nobody", headers=(_CLOSED,)),)


def matches(
    paths: Sequence[model.Document], routes: Iterable[model.HeaderRoute]
) -> list[model.Json]:
    """Each path with the headers of each route; at most 64, the limit of a rule."""
    return [{**path, "headers": _headers(route.headers)} for route in routes for path in paths]


def _headers(given: Headers) -> list[model.Json]:
    return [{"type": str(one.match), "name": one.name, "value": one.value} for one in given]


def is_closed(rule: model.Json) -> bool:
    """Whether this is the rule that matches nobody; whoever has such a header gets stable."""
    found = objects.items(objects.at(rule, "matches"))
    return bool(found) and all(_of(one) == (_CLOSED,) for one in found)


def read(rules: Iterable[model.Json]) -> dict[str, tuple[Headers, ...]]:
    """By which headers each Service is reached, by its name; one at weight 0 is not."""
    found: dict[str, dict[Headers, None]] = {}
    for rule in rules:
        if is_closed(rule):
            continue
        sent = {_of(one): None for one in objects.items(objects.at(rule, "matches"))}
        for backend in objects.items(objects.at(rule, "backendRefs")):
            if objects.whole(objects.at(backend, "weight"), default=1) > 0:
                found.setdefault(objects.text(objects.at(backend, "name")), {}).update(sent)
    return {name: tuple(sent) for name, sent in found.items()}


def _of(match: model.Json) -> Headers:
    return tuple(
        model.Header(
            name=objects.text(objects.at(one, "name")),
            value=objects.text(objects.at(one, "value")),
            match=_compared(objects.text(objects.at(one, "type"))),
        )
        for one in objects.items(objects.at(match, "headers"))
    )


def _compared(kind: str) -> model.HeaderMatch:
    """As Gateway API has it where nothing is said."""
    expression = model.HeaderMatch.REGULAR_EXPRESSION
    return expression if kind == expression else model.HeaderMatch.EXACT
