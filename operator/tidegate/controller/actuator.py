"""Carries out the actions of a decision, each idempotent and guarded (architecture.md, 6).

One mechanism per kind of object: revisions are created and then patched, the entry Service is
created and then its selector patched, the managed route is applied whole. Every reply goes into
the store at once, so that no later pass decides on an older state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from tidegate import model, ports
from tidegate.api import frozen, record
from tidegate.controller import finalizer, unserved
from tidegate.controller.adoption import Adoption, has_ready_pods
from tidegate.controller.autoscalers import Autoscalers
from tidegate.controller.config_maps import ConfigMaps
from tidegate.controller.documents import NAME_CONFLICT, NEVER, name_conflict, plain
from tidegate.controller.isolations import Isolations
from tidegate.controller.live import read_live
from tidegate.controller.notes import ROLE_PATH, annotate, relabel
from tidegate.controller.plane_kinds import KINDS
from tidegate.controller.smoke_tests import SmokeTests
from tidegate.controller.status_writer import LEADERSHIP_LOST
from tidegate.controller.store import Store
from tidegate.model import actions, objects
from tidegate.revisions import note, render, state
from tidegate.traffic import changes, plane


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The live documents that the decision was made from; guards come from here.

    Deployments, Services and ControllerRevisions are those of the revisions, by revision hash.
    """

    seen: model.Observation
    body: ports.Object
    deployments: Mapping[str, ports.Object]
    services: Mapping[str, ports.Object]
    controller_revisions: Mapping[str, ports.Object]
    targets: Mapping[plane.Reference, ports.Object]

    @property
    def meta(self) -> model.ObjectMeta:
        """Identity of the ModelDeployment."""
        return self.seen.meta


class Actuator:
    """Turns actions into requests; returns the failure that ended them, or None.

    Leadership is asked for before every write: an action of several may outlive it.
    """

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: Store,
        leading: Callable[[], bool],
        smoke_tests: SmokeTests,
        isolations: Isolations,
        config_maps: ConfigMaps,
    ) -> None:
        self._api = api
        self._store = store
        self._leading = leading
        self._smoke_tests = smoke_tests
        self._isolations = isolations
        self._config_maps = config_maps
        self._autoscalers = Autoscalers(api=api, store=store, leading=leading)
        self._adoption = Adoption(api=api, store=store, leading=leading)

    async def perform(self, action: actions.Action, around: Surroundings) -> ports.Failure | None:
        """Carry out one action; a failure leaves the rest of the decision to the next pass."""
        match action:
            case actions.CreateRevision():
                return await self._create_revision(action, around)
            case actions.CorrectRevision():
                return await self._correct_revision(action, around)
            case actions.Scale() | actions.SetAutoscaler():
                return await self._size(action, around)
            case actions.SetRole():
                return await self._set_role(action, around)
            case actions.NoteTemplate():
                return await self._note_template(action, around)
            case actions.SetTraffic():
                return await self._set_traffic(action, around)
            case actions.DeleteRevision():
                return await self._delete_revision(action, around)
            case actions.AddFinalizer():
                return await self._patch_finalizer(finalizer.added, around)
            case actions.RemoveFinalizer():
                return await self._patch_finalizer(finalizer.removed, around)
            case _:
                return await self._write_down(action, around)

    async def _write_down(
        self,
        action: (
            actions.FreezeRollout
            | actions.CreateSmokeTest
            | actions.CreateIsolation
            | actions.DeleteIsolation
            | actions.Bookkeeping
        ),
        around: Surroundings,
    ) -> ports.Failure | None:
        """What is created or deleted whole, and never changed."""
        match action:
            case actions.FreezeRollout(rollout=rollout):
                body = frozen.write_rollout(around.meta, rollout, spec=around.body["spec"])
                return await self._create(ports.CONTROLLER_REVISION, body, around)
            case actions.CreateRecord(last=last, rollout=known):
                body = record.write_record(around.meta, last=last, rollout=known)
                return await self._create(ports.ROLLOUT_RECORD, body, around)
            case actions.DeleteRecord(name=name):
                return await self._delete_known(ports.ROLLOUT_RECORD, name, around)
            case actions.DeletePreview(name=name):
                return await self._delete_known(ports.SERVICE, name, around)
            case actions.CreateSmokeTest(name=name):
                return await self._smoke_tests.create(name, around.seen)
            case actions.DeleteSmokeTest(name=name):
                return await self._smoke_tests.delete(name, around.meta)
            case actions.CreateIsolation(revision=revision):
                return await self._isolations.create(revision, around.seen)
            case actions.DeleteIsolation(revision=hash_):
                return await self._isolations.delete(hash_, around.meta)
            case actions.DeleteFrozenRollout(name=name):
                return await self._delete_known(ports.CONTROLLER_REVISION, name, around)
            case _:
                assert_never(action)

    # --- revisions -------------------------------------------------------------------------------

    async def _create_revision(
        self, action: actions.CreateRevision, around: Surroundings
    ) -> ports.Failure | None:
        """The ControllerRevision comes first: what runs can always be made again, and found to delete."""
        spec = around.seen.spec
        assert spec is not None
        made = await self._freeze(action.revision, around)
        if not isinstance(made, model.FrozenRevision):
            return made
        deployment = around.deployments.get(action.revision.hash)
        if deployment is None:
            if (failure := await self._config_maps.copy(made, around.seen)) is not None:
                return failure
            rendered = render.render_deployment(
                around.meta,
                made,
                replicas=action.replicas,
                role=action.role,
                progress_deadline_seconds=spec.progress_deadline_seconds,
                autoscaled=action.autoscaled,
            )
            result = await self._created(ports.DEPLOYMENT, rendered, around)
            if not isinstance(result, ports.Ok):
                return _blame_template(result)
            deployment = result.value
        if action.revision.hash not in around.services:
            notes = note.of_template(deployment, template_hash=state.template_hash(deployment))
            service = render.render_service(around.meta, made, entry=spec.service, notes=notes)
            return await self._create(ports.SERVICE, service, around)
        return None

    async def _freeze(
        self, revision: model.Revision, around: Surroundings
    ) -> model.FrozenRevision | ports.Failure:
        """The revision as it was frozen first; written down where that is not done yet."""
        known = around.seen.frozen.get(revision.hash)
        if known is None:
            assert around.seen.spec is not None
            known = render.freeze(around.meta, around.seen.spec, revision)
        elif known.kept and revision.hash in around.deployments:
            return known
        name, namespace = _name(around, revision.hash), around.meta.namespace
        kind = ports.CONTROLLER_REVISION
        result: ports.Result[ports.Object] | ports.Result[ports.Object | None]
        if known.kept:  # the store has it without the template
            result = await self._api.get(kind, namespace=namespace, name=name)
        else:
            result = await self._created(kind, frozen.write_revision(around.meta, known), around)
        if not isinstance(result, ports.Ok):
            return result
        found = frozen.read_revision(result.value) if result.value is not None else None
        return found if found is not None else ports.Conflict(message=f"{name} is gone")

    async def _correct_revision(
        self, action: actions.CorrectRevision, around: Surroundings
    ) -> ports.Failure | None:
        """Its data cannot be changed, so another one takes its place.

        Whoever is interrupted in between leaves a revision without one, which is adopted as it runs.
        """
        kind, name = ports.CONTROLLER_REVISION, _name(around, action.revision)
        result = await self._api.get(kind, namespace=around.meta.namespace, name=name)
        if not isinstance(result, ports.Ok):
            return result
        known = frozen.read_revision(result.value) if result.value is not None else None
        if result.value is None or known is None:
            return ports.Conflict(message=f"{name} is gone")
        failure = await self._delete(kind, result.value["metadata"], around)
        if failure is not None:
            return failure
        made = frozen.write_revision(around.meta, replace(known, server=action.server))
        return await self._create(kind, made, around)

    async def _create(
        self, kind: ports.Kind, document: model.Document, around: Surroundings
    ) -> ports.Failure | None:
        result = await self._created(kind, document, around)
        return None if isinstance(result, ports.Ok) else result

    async def _created(
        self, kind: ports.Kind, document: model.Document, around: Surroundings
    ) -> ports.Result[ports.Object]:
        """The object as created; one of that name that is already ours counts as created."""
        if not self._leading():
            return LEADERSHIP_LOST
        body = plain(document)
        namespace = around.meta.namespace
        result = await self._api.create(kind, namespace=namespace, body=body)
        if isinstance(result, ports.Conflict):
            name = body["metadata"]["name"]
            existing = await self._api.get(kind, namespace=namespace, name=name)
            if isinstance(existing, ports.Ok) and existing.value is not None:
                if not objects.is_controlled_by(existing.value, uid=around.meta.uid):
                    return name_conflict(kind, name)
                result = ports.Ok(existing.value)
        if isinstance(result, ports.Ok):
            self._store.put_own_reply(kind, result.value)
        return unserved.noted(self._store, kind, result)

    async def _size(
        self, action: actions.Scale | actions.SetAutoscaler, around: Surroundings
    ) -> ports.Failure | None:
        if isinstance(action, actions.SetAutoscaler):
            return await self._autoscalers.set(action, around.meta)
        name, deployment = _name(around, action.revision), around.deployments[action.revision]
        operations: list[ports.Object] = [
            {"op": "test", "path": "/spec/replicas", "value": action.seen_replicas},
            {"op": "replace", "path": "/spec/replicas", "value": action.replicas},
            # By this note our own number is told from one that somebody else wrote.
            *annotate(
                deployment,
                objects.ANNOTATION_REPLICAS,
                note.of_replicas(action.replicas, autoscaled=action.autoscaled),
            ),
        ]
        # A late write must not take the pods of a revision that is tried again: its role differs.
        if role := objects.label(deployment, objects.LABEL_ROLE):
            operations.insert(0, {"op": "test", "path": ROLE_PATH, "value": role})
        return await self._patch_child(ports.DEPLOYMENT, name, operations, around)

    async def _set_role(
        self, action: actions.SetRole, around: Surroundings
    ) -> ports.Failure | None:
        name = _name(around, action.revision)
        # Services of older releases have a role, too, which nobody asks any more. The Deployment's
        # is what the next pass sees, so it follows last.
        for kind, bodies, role in (
            (ports.SERVICE, around.services, ""),
            (ports.DEPLOYMENT, around.deployments, str(action.role)),
        ):
            body = bodies.get(action.revision)
            if body is None:
                continue
            operations = relabel(body, role)
            if operations and (failure := await self._patch_child(kind, name, operations, around)):
                return failure
        return None

    async def _note_template(
        self, action: actions.NoteTemplate, around: Surroundings
    ) -> ports.Failure | None:
        deployment = around.deployments[action.revision]
        operations: list[ports.Object] = [
            # What was seen is noted, or nothing.
            {"op": "test", "path": "/spec/template", "value": deployment["spec"]["template"]},
            *annotate(deployment, objects.ANNOTATION_TEMPLATE_HASH, action.template_hash),
        ]
        name = _name(around, action.revision)
        return await self._patch_child(ports.DEPLOYMENT, name, operations, around)

    async def _patch_child(
        self, kind: ports.Kind, name: str, operations: list[ports.Object], around: Surroundings
    ) -> ports.Failure | None:
        failure = await self._patch(kind, name, operations, around)
        return await self._learned(kind, name, failure, around)

    async def _learned(
        self, kind: ports.Kind, name: str, failure: ports.Failure | None, around: Surroundings
    ) -> ports.Failure | None:
        """The same; where the store was wrong about the object, the next pass knows better."""
        if isinstance(failure, ports.Conflict):
            namespace = around.meta.namespace
            await read_live(self._api, self._store, kind, namespace=namespace, name=name)
        return failure

    async def _delete_revision(
        self, action: actions.DeleteRevision, around: Surroundings
    ) -> ports.Failure | None:
        # What makes the rest goes last: until then the revision is seen, and tried again.
        for kind, bodies in (
            (ports.SERVICE, around.services),
            (ports.DEPLOYMENT, around.deployments),
            (ports.CONTROLLER_REVISION, around.controller_revisions),
        ):
            if kind is ports.CONTROLLER_REVISION:
                made = around.seen.frozen.get(action.revision)
                if (refused := await self._config_maps.delete(made, around.meta)) is not None:
                    return refused
            body = bodies.get(action.revision)
            if body is None:
                continue
            # With the version, since the revision may be tried again before a late write arrives.
            metadata = body["metadata"]
            version = metadata["resourceVersion"]
            failure = await self._delete(kind, metadata, around, version=version)
            if failure is not None:
                return await self._learned(kind, metadata["name"], failure, around)
        return None

    async def _delete_known(
        self, kind: ports.Kind, name: str, around: Surroundings
    ) -> ports.Failure | None:
        body = self._store.get(kind, namespace=around.meta.namespace, name=name)
        if body is None:
            return None
        return await self._delete(kind, body["metadata"], around)

    # --- traffic ---------------------------------------------------------------------------------

    async def _set_traffic(
        self, action: actions.SetTraffic, around: Surroundings
    ) -> ports.Failure | None:
        """Bring every object of the data plane to the wanted split, the one with weights first.

        Whatever takes traffic away is tried, also after another object was refused.
        """
        if around.seen.spec is None:
            return None
        refused: ports.Failure | None = None
        for document in _documents(changes.target_of(action, around.seen), around):
            failure = await self._bring(document, around, urgent=action.lowering)
            if failure is None:
                continue
            if not (action.lowering and isinstance(failure, ports.Fatal)):
                return failure
            refused = refused or failure
        return refused

    async def _bring(
        self, wanted: plane.WantedDocument, around: Surroundings, *, urgent: bool
    ) -> ports.Failure | None:
        reference = wanted.reference
        kind = KINDS[reference.kind]
        seen = around.targets.get(reference)
        ours = seen is not None and objects.is_controlled_by(seen, uid=around.meta.uid)
        if wanted.mechanism is plane.Mechanism.CREATE_THEN_PATCH and not ours:
            return await self._create_or_take_over(wanted, around, lowering=urgent)
        if seen is not None and reference.owned and not ours:
            return name_conflict(kind, reference.name)
        if seen is not None and plane.is_current(seen, wanted):
            return None
        if wanted.mechanism is plane.Mechanism.APPLY:
            body = plain(wanted.body)
            body["metadata"]["resourceVersion"] = NEVER
            if seen is not None:
                body["metadata"]["resourceVersion"] = seen["metadata"]["resourceVersion"]
                # A version alone would create the object anew once it is gone.
                body["metadata"]["uid"] = seen["metadata"]["uid"]
            if not self._leading():
                return LEADERSHIP_LOST
            result = await self._api.apply(
                kind, namespace=around.meta.namespace, body=body, force=urgent, urgent=urgent
            )
            return self._took(kind, result)
        if seen is None:
            return await self._create(kind, wanted.body, around)
        operations = [plain(operation) for operation in plane.patch_operations(seen, wanted)]
        return await self._patch(kind, reference.name, operations, around, urgent=urgent)

    async def _create_or_take_over(
        self, wanted: plane.WantedDocument, around: Surroundings, *, lowering: bool
    ) -> ports.Failure | None:
        failure = await self._create(KINDS[wanted.reference.kind], wanted.body, around)
        if not isinstance(failure, ports.Fatal) or failure.reason != NAME_CONFLICT:
            return failure
        waits = not lowering and not has_ready_pods(wanted, around.seen)
        return await self._adoption.take_over(wanted, around.meta, waits=waits)

    # --- finalizer -------------------------------------------------------------------------------

    async def _patch_finalizer(
        self, patch: Callable[[ports.Object], list[ports.Object]], around: Surroundings
    ) -> ports.Failure | None:
        operations = patch(self._newest(around))
        if not operations:
            return None
        return await self._patch(ports.MODEL_DEPLOYMENT, around.meta.name, operations, around)

    def _newest(self, around: Surroundings) -> ports.Object:
        """The ModelDeployment after our own status write of this pass."""
        meta = around.meta
        newest = self._store.get(ports.MODEL_DEPLOYMENT, namespace=meta.namespace, name=meta.name)
        return newest if newest is not None else around.body

    # --- requests --------------------------------------------------------------------------------

    async def _patch(
        self,
        kind: ports.Kind,
        name: str,
        operations: list[ports.Object],
        around: Surroundings,
        *,
        urgent: bool = False,
    ) -> ports.Failure | None:
        if not self._leading():
            return LEADERSHIP_LOST
        result = await self._api.json_patch(
            kind,
            namespace=around.meta.namespace,
            name=name,
            operations=operations,
            urgent=urgent,
        )
        return self._took(kind, result)

    async def _delete(
        self,
        kind: ports.Kind,
        metadata: ports.Object,
        around: Surroundings,
        *,
        version: str = "",
    ) -> ports.Failure | None:
        if not self._leading():
            return LEADERSHIP_LOST
        result = await self._api.delete(
            kind,
            namespace=around.meta.namespace,
            name=metadata["name"],
            uid=metadata["uid"],
            version=version,
        )
        if not isinstance(result, ports.Ok):
            return result
        self._store.remove_own(kind, metadata)
        return None

    def _took(self, kind: ports.Kind, result: ports.Result[ports.Object]) -> ports.Failure | None:
        if isinstance(result, ports.Ok):
            self._store.put_own_reply(kind, result.value)
            return None
        return unserved.failure(self._store, kind, result)


def _documents(target: plane.Target, around: Surroundings) -> tuple[plane.WantedDocument, ...]:
    """What to write; what carries the weights is created without any for the candidate.

    No version guards a creation against a leader that was deposed while its request was under way.
    The next pass raises the weight, guarded.
    """
    chosen = plane.plane_of(target.spec.traffic)
    documents = chosen.documents(target)
    if all(around.targets.get(one.reference) for one in documents if one.carries_weights):
        return documents
    return chosen.documents(replace(target, exposure=model.NO_TRAFFIC))


def _name(around: Surroundings, revision: str) -> str:
    return objects.revision_object_name(around.meta.name, revision=revision)


def _blame_template(failure: ports.Failure) -> ports.Failure:
    """A Deployment that the API server refuses as a whole is the template's fault."""
    if isinstance(failure, ports.Fatal) and failure.reason in {"Invalid", "BadRequest"}:
        return ports.Fatal(reason="InvalidTemplate", message=failure.message)
    return failure
