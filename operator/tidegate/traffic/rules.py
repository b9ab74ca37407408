"""Rules of a route as JSON: which of them look at headers, and the patch of weights in them."""

from __future__ import annotations

from tidegate import model
from tidegate.model import objects


def is_one(rule: model.Json) -> bool:
    """Whether only requests with certain headers go this way."""
    found = objects.items(objects.at(rule, "matches"))
    return bool(found) and all(objects.items(objects.at(one, "headers")) for one in found)


def apart(rules: model.Json) -> tuple[list[model.Json], list[model.Json]]:
    """The rules that look at headers, and the others, each in their order."""
    found = objects.items(rules)
    return [it for it in found if is_one(it)], [it for it in found if not is_one(it)]


def weight_operations(live: model.Document, wanted: model.Document) -> tuple[model.Document, ...]:
    """JSON Patch of the weights that differ; each is guarded by the name and weight that were seen."""
    changed: list[model.Document] = []
    pairs_ = zip(_rules(live), _rules(wanted), strict=True)
    for rule, (there, asked) in enumerate(pairs_):
        for at, (have, want) in enumerate(zip(_backends(there), _backends(asked), strict=True)):
            if have != want:
                path = f"/spec/rules/{rule}/backendRefs/{at}"
                changed += _operations(path, have=have, want=want)
    if not changed:
        return ()
    guards = (("uid", "uid"), ("resourceVersion", "resourceVersion"))
    tests: list[model.Document] = [
        {"op": "test", "path": f"/metadata/{path}", "value": objects.at(live, "metadata", name)}
        for path, name in guards
    ]
    return (*tests, *changed)


def _operations(path: str, *, have: model.Json, want: model.Json) -> list[model.Document]:
    name = {"op": "test", "path": f"{path}/name", "value": objects.at(have, "name")}
    weight = {"op": "add", "path": f"{path}/weight", "value": objects.at(want, "weight")}
    return [name, weight]


def _rules(route: model.Document) -> list[model.Json]:
    return list(objects.items(objects.at(route, "spec", "rules")))


def _backends(rule: model.Json) -> list[model.Json]:
    return list(objects.items(objects.at(rule, "backendRefs")))
