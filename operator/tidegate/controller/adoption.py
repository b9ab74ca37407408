"""Takes over a Service that people use already, where its owner asks for it (api.md, 14.2).

Clients keep name, address and port. One write points it at the revision that serves; it comes only
when that one can carry the load, and whatever else stands in the Service stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tidegate import model, ports
from tidegate.controller.documents import NAME_CONFLICT, plain
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.store import Store
from tidegate.model import objects
from tidegate.traffic import plane

KIND = ports.SERVICE
_WITH_ADDRESS = frozenset({"", "ClusterIP", "NodePort", "LoadBalancer"})
READY_LOOK_SECONDS = 5.0


class Adoption:
    """Entry Services that were there before their ModelDeployment."""

    def __init__(self, *, api: ports.KubeApi, store: Store, leading: Callable[[], bool]) -> None:
        self._api = api
        self._store = store
        self._leading = leading

    async def take_over(
        self, wanted: plane.WantedDocument, meta: model.ObjectMeta, *, waits: bool
    ) -> ports.Failure | None:
        """Make the Service of this name ours; one that nobody offers is a conflict of names.

        `waits` leaves it where it points for now: its clients have pods there.
        """
        name = wanted.reference.name
        found = await self._api.get(KIND, namespace=meta.namespace, name=name)
        if not isinstance(found, ports.Ok):
            return found
        live = found.value
        if live is None:
            return ports.Conflict(message=f"Service {name} is gone")
        if not objects.is_offered(live, name=meta.name):
            return ports.Fatal(
                reason=NAME_CONFLICT, message=plane.service_conflict(name, meta=meta)
            )
        if why := unlike(live, wanted):
            return ports.Fatal(reason=NAME_CONFLICT, message=f"Service {name} {why}")
        if waits:
            text = f"Service {name} is taken over as soon as a pod is ready"
            return ports.Retryable(message=text, after_seconds=READY_LOOK_SECONDS)
        if not self._leading():
            return LEADERSHIP_LOST
        result = await self._api.json_patch(
            KIND,
            namespace=meta.namespace,
            name=name,
            operations=[plain(it) for it in operations(live, wanted, meta)],
        )
        if not isinstance(result, ports.Ok):
            return result
        self._store.put_own_reply(KIND, result.value)
        return None


def has_ready_pods(wanted: plane.WantedDocument, seen: model.Observation) -> bool:
    """Whether the Service would have a pod behind it: of its revision, or of any where it names none."""
    selected = objects.text(objects.at(wanted.body, "spec", "selector", objects.LABEL_REVISION))
    states = seen.revisions.items()
    return any(state.ready > 0 for hash_, state in states if selected in {"", hash_})


def unlike(live: ports.Object, wanted: plane.WantedDocument) -> str:
    """Why clients of the Service would lose something, and what to do; empty where they do not."""
    port = _port(wanted)["port"]
    address = objects.at(live, "spec", "clusterIP") != "None"
    if not address or objects.text(objects.at(live, "spec", "type")) not in _WITH_ADDRESS:
        return "is headless or external and cannot be taken over: set service.name to a new name"
    have = [objects.mapping(it) for it in objects.items(objects.at(live, "spec", "ports"))]
    same = [it for it in have if it.get("port") == port and it.get("name") in {None, "", "http"}]
    if len(have) == len(same) == 1:
        return ""
    listed = ", ".join(f"{it.get('port')} {it.get('name') or ''}".strip() for it in have)
    return (
        f"has the ports {listed} and cannot be taken over: it must have exactly the port of "
        f"spec.service.port ({port}), without a name or named http; else set service.name to a new name"
    )


def operations(
    live: ports.Object, wanted: plane.WantedDocument, meta: model.ObjectMeta
) -> list[model.Document]:
    """One guarded patch: selector, port and owner change together, or nothing does."""
    metadata, version = live["metadata"], objects.resource_version(live)
    labels = {**objects.model_selector(meta.name), objects.LABEL_WATCH: "true"}
    node_port = objects.at(objects.items(objects.at(live, "spec", "ports"))[0], "nodePort")
    [port] = map(objects.mapping, plane.ports_of(live, wanted))
    port = {**port, **({"nodePort": node_port} if node_port else {})}
    owners = [*(metadata.get("ownerReferences") or ()), objects.owner_reference(meta)]
    return [
        {"op": "test", "path": "/metadata/resourceVersion", "value": version},
        _add("/metadata/labels", {**(metadata.get("labels") or {}), **labels}),
        _add("/metadata/ownerReferences", owners),
        _add("/spec/selector", objects.at(wanted.body, "spec", "selector")),
        _add("/spec/ports", [port]),
    ]


def _add(path: str, value: Any) -> model.Document:
    return {"op": "add", "path": path, "value": value}


def _port(wanted: plane.WantedDocument) -> Mapping[str, Any]:
    return objects.mapping(objects.items(objects.at(wanted.body, "spec", "ports"))[0])
