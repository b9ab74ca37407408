"""One fresh look at a ModelDeployment: store, live reads where needed, and what is known beside it.

The store answers almost everything. Live are only: what lost a race after a conflict, and pods of a
candidate that does not become ready (for the pods' own reason). Metrics and ready URLs are asked
beside the pass; here only the newest answers are read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate import model, ports
from tidegate.api import convert, frozen, record, revision, status
from tidegate.controller import preflight as preflights
from tidegate.controller import ready_url, subjects
from tidegate.controller.actuator import KINDS, Surroundings
from tidegate.controller.analysis.judge import Analyst
from tidegate.controller.identities import Identities, found_modes, with_modes
from tidegate.controller.live import read_live
from tidegate.controller.preflight import Preflight
from tidegate.controller.readiness import Pod, Readiness
from tidegate.controller.reading import SpecReader
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.evidence.terms import Template
from tidegate.model import objects
from tidegate.revisions import render, state
from tidegate.rollout import phases
from tidegate.settings import Settings
from tidegate.traffic.plane import Reference, plane_of


@dataclass(frozen=True, slots=True)
class Gone:
    """The ModelDeployment does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen, and the documents that it was read from."""

    observation: model.Observation
    around: Surroundings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Children:
    """Owned documents by revision hash; besides, what rollouts froze and all EndpointSlices."""

    deployments: Mapping[str, ports.Object]
    services: Mapping[str, ports.Object]
    controller_revisions: Mapping[str, ports.Object]
    slices: Sequence[ports.Object]


class Observer:
    """Makes observations; the only part of the controller that reads the cluster."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: Store,
        analyst: Analyst,
        identities: Identities,
        preflight: Preflight,
        readiness: Readiness,
        clock: ports.Clock,
        settings: Settings,
        epoch: Callable[[], int],
    ) -> None:
        self._api = api
        self._store = store
        self._analyst = analyst
        self._identities = identities
        self._preflight = preflight
        self._readiness = readiness
        self._clock = clock
        self._reader = SpecReader(store=store, settings=settings)
        self._epoch = epoch
        self._operator = settings.operator
        self._uids: dict[Key, str] = {}

    async def look(
        self, key: Key, *, live: bool, blocked: model.Violation | None
    ) -> Look | Gone | ports.Failure:
        """Everything `decide` may know. With `live` what may have lost a race is read anew."""
        body = await self._body(key, live=live)
        if body is None:
            return Gone()
        if not isinstance(body, dict):
            return body
        seen, found = self._read(body, blocked=blocked)
        self._uids[key] = seen.meta.uid
        if live:
            await self._refresh_targets(seen)
        await self._look_for_lost(seen)
        children = self._children(seen.meta)
        targets = self._targets(seen)
        seen = await self._with_children(seen, children)
        traffic, records = self._traffic(seen, targets), self._records(seen.meta)
        failure, warning, awaited = self._ready_url(key, seen, children)
        seen = replace(
            seen,
            traffic=traffic,
            records=records,
            ready_url_failure=failure,
            ready_url_warning=warning,
            ready_url_awaited=awaited,
            identity=self._identity(key, seen, found),
            analysis=self._analysis(key, seen, with_modes(found, seen.status.identity)),
            preflight=self._preflight_of(key, seen, found, children),
            # Live reads may have taken seconds; times in status must not begin before the decision.
            now=self._clock.now(),
        )
        around = Surroundings(
            seen=seen,
            body=body,
            deployments=children.deployments,
            services=children.services,
            controller_revisions=children.controller_revisions,
            targets=targets,
        )
        return Look(observation=seen, around=around)

    def forget(self, key: Key) -> None:
        """The object is gone: free what was kept for it."""
        self._identities.forget(key)
        self._readiness.forget(key)
        uid = self._uids.pop(key, None)
        self._preflight.forget(key)
        if uid is not None:
            self._analyst.forget(uid)

    # --- the object ------------------------------------------------------------------------------

    async def _body(self, key: Key, *, live: bool) -> ports.Object | ports.Failure | None:
        kind, address = ports.MODEL_DEPLOYMENT, {"namespace": key.namespace, "name": key.name}
        if not live:
            return self._store.get(kind, **address)
        result = await read_live(self._api, self._store, kind, **address)
        return result.value if isinstance(result, ports.Ok) else result

    def _read(
        self, body: ports.Object, *, blocked: model.Violation | None
    ) -> tuple[model.Observation, Mapping[str, Template]]:
        """What the object itself says, and the templates of its metrics."""
        meta = convert.read_meta(body)
        status_, losses = status.read_with_losses(body.get("status"))
        rollouts = self._frozen_rollouts(meta)
        asked = self._reader.read(body, frozen=_stand_in(rollouts, status_))
        seen = model.Observation(
            now=self._clock.now(),
            epoch=self._epoch(),
            meta=meta,
            status=status_,
            status_losses=losses,
            spec=asked.spec,
            desired=revision.revision_of(body) if asked.spec is not None else None,
            violations=tuple(one for one in asked.violations if one.blocks),
            unknown_fields=tuple(one.path for one in asked.violations if not one.blocks),
            blocked=blocked,
            request=convert.read_request(body["metadata"].get("annotations")),
            frozen_rollouts=rollouts,
            operator=self._operator,
        )
        return seen, asked.templates

    def _frozen_rollouts(self, meta: model.ObjectMeta) -> tuple[model.FrozenRollout, ...]:
        bodies = self._store.owned(
            ports.CONTROLLER_REVISION, namespace=meta.namespace, owner_uid=meta.uid
        )
        return tuple(one for one in map(frozen.read_rollout, bodies) if one is not None)

    # --- children --------------------------------------------------------------------------------

    def _children(self, meta: model.ObjectMeta) -> _Children:
        return _Children(
            deployments=self._by_revision(ports.DEPLOYMENT, meta),
            services=self._by_revision(ports.SERVICE, meta),
            controller_revisions=self._by_revision(ports.CONTROLLER_REVISION, meta),
            slices=self._store.labelled(
                ports.ENDPOINT_SLICE, namespace=meta.namespace, model_deployment=meta.name
            ),
        )

    async def _look_for_lost(self, seen: model.Observation) -> None:
        """Read live what the watch does not show of a revision with a role.

        Somebody may have removed the label by which it is watched; only what is really gone counts.
        """
        for hash_ in _with_role(seen.status):
            name = objects.revision_object_name(seen.meta.name, revision=hash_)
            for kind in (ports.DEPLOYMENT, ports.SERVICE):
                if self._store.get(kind, namespace=seen.meta.namespace, name=name) is None:
                    address = {"namespace": seen.meta.namespace, "name": name}
                    await read_live(self._api, self._store, kind, **address)

    def _by_revision(self, kind: ports.Kind, meta: model.ObjectMeta) -> dict[str, ports.Object]:
        found = {}
        for body in self._store.owned(kind, namespace=meta.namespace, owner_uid=meta.uid):
            hash_ = objects.label(body, objects.LABEL_REVISION)
            name = objects.revision_object_name(meta.name, revision=hash_)
            if hash_ and body["metadata"]["name"] == name:
                found[hash_] = body
        return found

    def _records(self, meta: model.ObjectMeta) -> tuple[model.KeptRecord, ...]:
        bodies = self._store.owned(
            ports.ROLLOUT_RECORD, namespace=meta.namespace, owner_uid=meta.uid
        )
        return tuple(kept for kept in map(record.read_kept, bodies) if kept is not None)

    async def _with_children(
        self, seen: model.Observation, children: _Children
    ) -> model.Observation:
        """The state of every revision, with the pods' own reasons where pods are missing."""
        pods = await self._troubled_pods(seen, children)
        states = {}
        for hash_, deployment in children.deployments.items():
            found = state.revision_state(
                deployment,
                service=children.services.get(hash_),
                endpoint_slices=children.slices,
                pods=pods,
            )
            if found is not None:
                states[hash_] = found
        seen = replace(seen, revisions=states, frozen=_frozen(seen, children))
        more = (*_collision(seen, states), *subjects.incomparable(seen))
        return replace(seen, violations=(*seen.violations, *more))

    async def _troubled_pods(
        self, seen: model.Observation, children: _Children
    ) -> Sequence[ports.Object]:
        """All pods while candidate or stable lack some: a trouble of both is nobody's fault."""
        rollout = _active(seen.status)
        if rollout is None:
            return []
        stable = seen.status.stable.revision if seen.status.stable is not None else ""
        found = (children.deployments.get(hash_) for hash_ in (rollout.revision.hash, stable))
        if all(body is None or _all_ready(body) for body in found):
            return []
        wanted = objects.model_selector(seen.meta.name)
        result = await self._api.list_objects(
            ports.POD,
            namespace=seen.meta.namespace,
            label_selector=",".join(f"{key}={value}" for key, value in wanted.items()),
        )
        return result.value if isinstance(result, ports.Ok) else []

    # --- traffic ---------------------------------------------------------------------------------

    def _targets(self, seen: model.Observation) -> dict[Reference, ports.Object]:
        """The live objects of the data plane, as in the store."""
        found = {}
        for reference in _references(seen):
            body = self._store.get(
                KINDS[reference.kind], namespace=seen.meta.namespace, name=reference.name
            )
            if body is not None:
                found[reference] = body
        return found

    async def _refresh_targets(self, seen: model.Observation) -> None:
        """Read the traffic objects live after a conflict; the store may lag behind the winner."""
        for reference in _references(seen):
            await read_live(
                self._api,
                self._store,
                KINDS[reference.kind],
                namespace=seen.meta.namespace,
                name=reference.name,
            )

    def _traffic(
        self, seen: model.Observation, targets: Mapping[Reference, ports.Object]
    ) -> model.TrafficState:
        if seen.spec is None:
            return seen.traffic
        state_ = plane_of(seen.spec.traffic).read(
            targets,
            meta=seen.meta,
            spec=seen.spec,
            ready_pods={hash_: one.ready for hash_, one in seen.revisions.items()},
        )
        return replace(state_, documents={one.kind: body for one, body in targets.items()})

    # --- the world -------------------------------------------------------------------------------

    def _ready_url(
        self, key: Key, seen: model.Observation, children: _Children
    ) -> tuple[str, str, str]:
        """The server's own word on a candidate without traffic.

        Why it is not ready by that, why there is none, and whose answer is still to come.
        """
        rollout = _active(seen.status)
        made = seen.frozen.get(rollout.revision.hash) if rollout is not None else None
        asked = made is not None and bool(made.server.ready_path)
        if not asked or made is None or rollout is None or not _before_traffic(rollout):
            self._readiness.forget(key)
            return "", "", ""
        service = objects.revision_object_name(seen.meta.name, revision=rollout.revision.hash)
        path = made.server.ready_path
        unready = self._readiness.unready(
            key,
            revision=rollout.revision.hash,
            pods=_ready_pods(children.slices, service=service),
            port=made.server.port,
            path=path,
        )
        template = objects.at(children.deployments.get(rollout.revision.hash), "spec", "template")
        answers = {pod.address: answer for pod, answer in unready}
        failure, warning = ready_url.findings(answers, path=path, template=template)
        return failure, warning, ready_url.awaited(answers, path=path)

    def _identity(
        self, key: Key, seen: model.Observation, found: Mapping[str, Template]
    ) -> tuple[model.SourceIdentity, ...]:
        """How the sources of the metrics tell the revision that serves from others."""
        stable = _serving(seen)
        if stable is None:
            self._identities.forget(key)
            return ()
        newest = self._identities.newest(
            key,
            revision=stable.revision,
            asked=(one.source for one in found.values()),
            kept=seen.status.identity,
            rollout=seen.status.rollout.id if seen.status.rollout is not None else "",
        )
        return found_modes(newest)

    def _analysis(
        self, key: Key, seen: model.Observation, found: Mapping[str, Template]
    ) -> model.AnalysisState:
        """The verdict on the weights that were confirmed; before them, what the steps can find."""
        rollout, spec = _active(seen.status), seen.spec
        if rollout is None or spec is None or _unjudged(rollout):
            self._analyst.forget(seen.meta.uid)
            return model.AnalysisState()
        subject = subjects.subject_of(key, seen, rollout=rollout, spec=spec, found=found)
        judged = rollout.exposure.is_visited and subject.events
        if _before_traffic(rollout) or judged:
            return self._analyst.judged(subject)
        self._analyst.rest(seen.meta.uid)
        return model.AnalysisState()

    def _preflight_of(
        self,
        key: Key,
        seen: model.Observation,
        found: Mapping[str, Template],
        children: _Children,
    ) -> tuple[model.Preflight, ...] | None:
        """What the looks beside the passes found of the revision that serves, if it has pods."""
        stable, spec = _serving(seen), seen.spec
        if spec is None or stable is None:
            self._preflight.forget(key)
            return None
        service = objects.revision_object_name(seen.meta.name, revision=stable.revision)
        server, read = subjects.read_of_stable(seen, spec=spec, found=found)
        subject = preflights.Subject(
            namespace=seen.meta.namespace,
            name=seen.meta.name,
            uid=seen.meta.uid,
            revision=stable.revision,
            metrics=tuple(one for one in spec.analysis.metrics if one.name in read),
            templates=with_modes(read, seen.status.identity),
            server=server,
            data_plane=spec.analysis.data_plane,
            source=spec.analysis.source,
            addresses=tuple(
                sorted(pod.address for pod in _ready_pods(children.slices, service=service))
            ),
            urgent=_active(seen.status) is not None,
        )
        return self._preflight.newest(key, subject)


def _stand_in(
    rollouts: Sequence[model.FrozenRollout], status_: model.Status
) -> model.FrozenRollout | None:
    """The newest spec that was ever carried out: the last rollout's, or an earlier one's.

    An earlier one is all there is while the last is being written down.
    """
    last = status_.rollout.id if status_.rollout is not None else ""
    by_name = {one.name: one for one in rollouts}
    return by_name.get(last) or (rollouts[-1] if rollouts else None)


def _serving(seen: model.Observation) -> model.RevisionStatus | None:
    """Stable, while it has ready pods whose series can be looked for."""
    stable = seen.status.stable
    pods = seen.revisions.get(stable.revision) if stable is not None else None
    return stable if pods is not None and pods.ready and not seen.meta.deleting else None


def _active(status_: model.Status) -> model.Rollout | None:
    rollout = status_.rollout
    return rollout if rollout is not None and rollout.active else None


def _before_traffic(rollout: model.Rollout) -> bool:
    return phases.phase_of(rollout) in phases.BEFORE_TRAFFIC


def _unjudged(rollout: model.Rollout) -> bool:
    """The first revision, and what is promoted without analysis."""
    return rollout.stage is not None and rollout.stage.control is model.Control.NONE


def _with_role(status_: model.Status) -> list[str]:
    """Revisions whose objects must exist: stable, a candidate, and those whose pods go soon."""
    found = [entry.revision for entry in status_.retiring]
    if status_.stable is not None:
        found.append(status_.stable.revision)
    rollout = _active(status_)
    return [*found, rollout.revision.hash] if rollout is not None else found


def _references(seen: model.Observation) -> tuple[Reference, ...]:
    if seen.spec is None:
        return ()
    return plane_of(seen.spec.traffic).references(meta=seen.meta, spec=seen.spec)


def _frozen(seen: model.Observation, children: _Children) -> Mapping[str, model.FrozenRevision]:
    """What makes and reads each revision: as frozen, else as it runs."""
    read = map(frozen.read_revision, children.controller_revisions.values())
    known = {one.revision.hash: one for one in read if one is not None}
    if seen.spec is not None:
        for hash_ in children.deployments.keys() - known.keys():
            known[hash_] = render.adopt(
                seen.meta,
                children.deployments[hash_],
                service=children.services.get(hash_),
                server=seen.spec.server,
            )
    return known


def _collision(
    seen: model.Observation, states: Mapping[str, model.RevisionState]
) -> tuple[model.Violation, ...]:
    """Another template already has the ten digits that the spec's revision is named by."""
    wanted = seen.desired
    known = states.get(wanted.hash) if wanted is not None else None
    if wanted is None or known is None or known.revision.digest in {"", wanted.digest}:
        return ()
    message = (
        f"revision {wanted.hash} already names another template; change the template in any way, "
        "such as by an annotation"
    )
    return (
        model.Violation(path="spec.workload.template", message=message, reason="RevisionCollision"),
    )


def _all_ready(deployment: ports.Object) -> bool:
    wanted = objects.whole(objects.at(deployment, "spec", "replicas"), default=1)
    return objects.whole(objects.at(deployment, "status", "readyReplicas")) >= wanted


def _ready_pods(slices: Iterable[ports.Object], *, service: str) -> set[Pod]:
    """The ready endpoints of a Service, each once."""
    return {
        Pod(address=address, uid=_uid(endpoint) or address)
        for body in slices
        if objects.label(body, objects.LABEL_SERVICE_NAME) == service
        for endpoint in body.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or []
    }


def _uid(endpoint: ports.Object) -> str:
    return str(objects.at(endpoint, "targetRef", "uid") or "")
