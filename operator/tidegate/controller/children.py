"""The objects that belong to a ModelDeployment, and what they say of its revisions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate import model, ports
from tidegate.api import frozen, record
from tidegate.controller.store import Entry, Store
from tidegate.model import objects
from tidegate.revisions import autoscaler, render, state


@dataclass(frozen=True, slots=True, kw_only=True)
class Children:
    """Owned objects as the store has them.

    Deployments, Services, ControllerRevisions and autoscalers (ours, and those of others) are those of
    the revisions, by revision hash;
    `rollouts` and `records` are all that can be read, by name, and `previews` names the preview
    Services.
    """

    deployments: Mapping[str, Entry]
    services: Mapping[str, Entry]
    controller_revisions: Mapping[str, Entry]
    autoscalers: Mapping[str, Entry]
    foreign_autoscalers: Mapping[str, Entry]
    rollouts: tuple[model.FrozenRollout, ...]
    records: tuple[model.KeptRecord, ...]
    endpoint_slices: Sequence[ports.Object]
    previews: tuple[str, ...] = ()


def children_of(meta: model.ObjectMeta, store: Store) -> Children:
    """What belongs to it: by owner, and EndpointSlices, which their Service owns, by label."""
    services = _owned(ports.SERVICE, meta, store)
    frozen_ = _owned(ports.CONTROLLER_REVISION, meta, store)
    read = [entry.read(_frozen) for entry in frozen_]
    records = [entry.read(_kept) for entry in _owned(ports.ROLLOUT_RECORD, meta, store)]
    slices = store.labelled(
        ports.ENDPOINT_SLICE, namespace=meta.namespace, model_deployment=meta.name
    )
    deployments = dict(_of_revisions(_owned(ports.DEPLOYMENT, meta, store), meta))
    return Children(
        deployments=deployments,
        services=dict(_of_revisions(services, meta)),
        controller_revisions=dict(_of_revisions(frozen_, meta)),
        autoscalers=dict(_of_revisions(_owned(ports.AUTOSCALER, meta, store), meta)),
        foreign_autoscalers=dict(_foreign_autoscalers(deployments, meta, store)),
        rollouts=tuple(one for one in read if isinstance(one, model.FrozenRollout)),
        records=tuple(one for one in records if one is not None),
        endpoint_slices=[entry.snapshot for entry in slices],
        previews=tuple(
            sorted(
                objects.object_name(one.snapshot)
                for one in services
                if objects.label(one.snapshot, objects.LABEL_COMPONENT) == objects.PREVIEW_COMPONENT
            )
        ),
    )


def snapshots(entries: Mapping[str, Entry]) -> dict[str, ports.Object]:
    """The documents alone."""
    return {hash_: entry.snapshot for hash_, entry in entries.items()}


def revision_states(
    children: Children, *, pods: Sequence[ports.Object]
) -> dict[str, model.RevisionState]:
    """The state of every revision, with the pods' own reasons where `pods` are given."""
    states = {}
    for hash_, entry in children.deployments.items():
        service = children.services.get(hash_)
        found = state.revision_state(
            entry.snapshot,
            service=service.snapshot if service is not None else None,
            endpoint_slices=children.endpoint_slices,
            pods=pods,
            template_hash=entry.read(state.template_hash),
        )
        if found is not None:
            states[hash_] = _with_autoscalers(found, children)
    return states


def frozen_revisions(
    children: Children, *, meta: model.ObjectMeta, spec: model.Spec | None
) -> Mapping[str, model.FrozenRevision]:
    """What makes and reads each revision: as frozen, else as it runs."""
    read = (entry.read(_frozen) for entry in children.controller_revisions.values())
    known = {one.revision.hash: one for one in read if isinstance(one, model.FrozenRevision)}
    if spec is not None:
        for hash_ in children.deployments.keys() - known.keys():
            service = children.services.get(hash_)
            known[hash_] = render.adopt(
                meta,
                children.deployments[hash_].snapshot,
                service=service.snapshot if service is not None else None,
                server=spec.server,
            )
    return known


def lacks_pods(children: Children, revisions: Sequence[str]) -> bool:
    """Some of these revisions have fewer ready pods than they want."""
    found = (children.deployments.get(hash_) for hash_ in revisions)
    return any(entry is not None and not _all_ready(entry.snapshot) for entry in found)


def collision(
    desired: model.Revision | None, states: Mapping[str, model.RevisionState]
) -> tuple[model.Violation, ...]:
    """Another template already has the ten digits that the spec's revision is named by."""
    known = states.get(desired.hash) if desired is not None else None
    if desired is None or known is None or known.revision.digest in {"", desired.digest}:
        return ()
    message = (
        f"revision {desired.hash} already names another template; change the template in any way, "
        "such as by an annotation"
    )
    return (
        model.Violation(path="spec.workload.template", message=message, reason="RevisionCollision"),
    )


def _all_ready(deployment: ports.Object) -> bool:
    wanted = objects.whole(objects.at(deployment, "spec", "replicas"), default=1)
    return objects.whole(objects.at(deployment, "status", "readyReplicas")) >= wanted


def _owned(kind: ports.Kind, meta: model.ObjectMeta, store: Store) -> list[Entry]:
    return store.owned(kind, namespace=meta.namespace, owner_uid=meta.uid)


def _of_revisions(entries: Sequence[Entry], meta: model.ObjectMeta) -> Iterator[tuple[str, Entry]]:
    """By the hash of the revision whose name they bear."""
    for entry in entries:
        hash_ = objects.label(entry.snapshot, objects.LABEL_REVISION)
        name = objects.revision_object_name(meta.name, revision=hash_)
        if hash_ and entry.snapshot["metadata"]["name"] == name:
            yield hash_, entry


def _foreign_autoscalers(
    deployments: Mapping[str, Entry], meta: model.ObjectMeta, store: Store
) -> Iterator[tuple[str, Entry]]:
    """The first of each revision that somebody else has put on its Deployment."""
    for hash_, entry in deployments.items():
        name = entry.snapshot["metadata"]["name"]
        for found in store.autoscalers_of(name, namespace=meta.namespace):
            if not objects.is_controlled_by(found.snapshot, uid=meta.uid):
                yield hash_, found
                break


def _with_autoscalers(state_: model.RevisionState, children: Children) -> model.RevisionState:
    """The same with its autoscaler, and with the one that somebody else has put on it."""
    own = children.autoscalers.get(state_.revision.hash)
    foreign = children.foreign_autoscalers.get(state_.revision.hash)
    if own is not None:
        state_ = replace(state_, autoscaler=own.read(autoscaler.read))
    if foreign is not None:
        state_ = replace(state_, foreign_autoscaler=foreign.read(autoscaler.described))
    return state_


def _frozen(body: ports.Object) -> model.FrozenRevision | model.FrozenRollout | None:
    """What a ControllerRevision says, of whichever of its two uses it is."""
    return frozen.read_revision(body) or frozen.read_rollout(body)


def _kept(body: ports.Object) -> model.KeptRecord | None:
    return record.read_kept(body)
