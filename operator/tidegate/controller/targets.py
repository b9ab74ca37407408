"""The objects of the data plane, and what they say of the traffic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tidegate import model, ports
from tidegate.controller import unserved
from tidegate.controller.live import read_live
from tidegate.controller.plane_kinds import KINDS
from tidegate.controller.store import Store
from tidegate.model import objects
from tidegate.traffic.plane import Reference, plane_of


def targets_of(seen: model.Observation, store: Store) -> dict[Reference, ports.Object]:
    """The live objects of the data plane, as the store has them."""
    return _in_store(seen, store, _references(seen, store))


async def refresh_targets(seen: model.Observation, api: ports.KubeApi, store: Store) -> None:
    """Read the traffic objects live after a conflict; the store may lag behind the winner."""
    for reference in _references(seen, store):
        await read_live(
            api,
            store,
            KINDS[reference.kind],
            namespace=seen.meta.namespace,
            name=reference.name,
        )


async def refresh_unwatched(seen: model.Observation, api: ports.KubeApi, store: Store) -> None:
    """Read the user's objects live that no watch shows, since they do not carry the label for it.

    They never get it from us: whoever keeps them in Git would find them changed for ever.
    """
    for reference in _references(seen, store):
        kind, address = KINDS[reference.kind], (seen.meta.namespace, reference.name)
        if reference.owned:
            continue
        body = store.get(kind, namespace=address[0], name=address[1])
        if body is None or objects.label(body, objects.LABEL_WATCH) != "true":
            await read_live(api, store, kind, namespace=address[0], name=address[1])


def traffic_of(
    seen: model.Observation,
    targets: Mapping[Reference, ports.Object],
    *,
    previews: Iterable[str],
) -> model.TrafficState:
    """What they say of it; without a spec in effect nobody knows which objects count."""
    if seen.spec is None:
        return seen.traffic
    state_ = plane_of(seen.spec.traffic).read(
        targets,
        meta=seen.meta,
        spec=seen.spec,
        ready_pods={hash_: one.ready for hash_, one in seen.revisions.items()},
    )
    documents = {(one.kind, one.name): body for one, body in targets.items()}
    named = {one.name for one in _named(seen)}
    old = tuple(one for one in previews if one not in named)
    return replace(state_, documents=documents, old_previews=old)


def without_kinds(seen: model.Observation, store: Store) -> model.Observation:
    """Where a kind is missing nothing can be written, and nobody is to blame among the revisions."""
    missing = unserved.first(store, (KINDS[one.kind] for one in _named(seen)))
    if missing is None:
        return seen
    why = unserved.way_out(missing)
    traffic = replace(
        seen.traffic,
        accepted=False,
        obstacle=why,
        pending_reason=unserved.REASON,
        pending_message=why,
    )
    return replace(seen, traffic=traffic)


def _references(seen: model.Observation, store: Store) -> tuple[Reference, ...]:
    """The objects that spec names, and those that are noted in them because they owe something."""
    if seen.spec is None:
        return ()
    named = _named(seen)
    plane, found = plane_of(seen.spec.traffic), _in_store(seen, store, named)
    return (*named, *plane.noted(found, spec=seen.spec))


def _named(seen: model.Observation) -> tuple[Reference, ...]:
    if seen.spec is None:
        return ()
    return plane_of(seen.spec.traffic).references(meta=seen.meta, spec=seen.spec)


def _in_store(
    seen: model.Observation, store: Store, references: Iterable[Reference]
) -> dict[Reference, ports.Object]:
    found = {}
    for reference in references:
        body = store.get(KINDS[reference.kind], namespace=seen.meta.namespace, name=reference.name)
        if body is not None:
            found[reference] = body
    return found
