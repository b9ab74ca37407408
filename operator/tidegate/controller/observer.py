"""One fresh look at a ModelDeployment: what the store holds of it, and what is known beside it.

The store answers almost everything, and its entries have been read already. Live are only: what lost
a race after a conflict, pods of a candidate that does not become ready (for the pods' own
reason), and the class of a Gateway before it is to mirror. Metrics and ready URLs are asked beside the pass; here only the newest answers are read.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from tidegate import model, ports
from tidegate.api.defaults import unsaid
from tidegate.controller import children as owned
from tidegate.controller import subjects, targets
from tidegate.controller.actuator import Surroundings
from tidegate.controller.approvals import Approvals
from tidegate.controller.beside import Beside
from tidegate.controller.children import Children
from tidegate.controller.config_maps import ConfigMaps
from tidegate.controller.dependencies import Ref
from tidegate.controller.gateways import Gateways
from tidegate.controller.jumps import Jumps
from tidegate.controller.live import read_live
from tidegate.controller.policies import Policies
from tidegate.controller.reading import Asked, Said, SpecReader
from tidegate.controller.store import Entry, Store
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.policy import defaults
from tidegate.policy.selectors import began_with
from tidegate.rollout import autoscaling
from tidegate.rollout.strategy.compile import in_effect
from tidegate.settings import Settings


@dataclass(frozen=True, slots=True)
class Gone:
    """The ModelDeployment does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What was seen, and the documents that it was read from."""

    observation: model.Observation
    around: Surroundings


class Observer:
    """Makes observations; the only part of the controller that reads the cluster."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: Store,
        beside: Beside,
        clock: ports.Clock,
        config_maps: ConfigMaps,
        settings: Settings,
        epoch: Callable[[], int],
    ) -> None:
        self._api = api
        self._store = store
        self._beside = beside
        self._clock = clock
        self._config_maps = config_maps
        self._reader = SpecReader(store=store, settings=settings)
        self._epoch = epoch
        self._jumps = Jumps(clock=clock)
        self._gateways = Gateways(api=api, clock=clock)
        self._policies = Policies(api=api, store=store, clock=clock)
        self._approvals = Approvals(store=store, settings=settings)
        self._operator = settings.operator

    async def look(
        self, key: Key, *, live: bool, blocked: model.Violation | None
    ) -> Look | Gone | ports.Failure:
        """Everything `decide` may know. With `live` what may have lost a race is read anew."""
        entry = await self._entry(key, live=live)
        if entry is None:
            return Gone()
        if not isinstance(entry, Entry):
            return entry
        held = await self._config_maps.held(key, self._reader.tracked(entry))
        said = entry.read_on(self._reader.said)
        policies = await self._policies.of(entry.snapshot, kept=began_with(said.status))
        children = owned.children_of(said.meta, self._store)
        stand_in = _stand_in(children.rollouts, said.status)
        values = unsaid(defaults.known(said.status, policies), entry.snapshot)
        asked = self._reader.asked(entry, frozen=stand_in, held=held, values=values)
        seen = self._object(said, asked, blocked=blocked)
        if live:
            await targets.refresh_targets(seen, self._api, self._store)
        else:
            await targets.refresh_unwatched(seen, self._api, self._store)
        if await self._look_for_lost(seen) or live:
            children = owned.children_of(said.meta, self._store)
        planes = targets.targets_of(seen, self._store)
        seen = await self._with_children(seen, children)
        seen = replace(seen, traffic=targets.traffic_of(seen, planes, previews=children.previews))
        seen = targets.without_kinds(seen, self._store)
        seen = replace(
            seen,
            policies=policies,
            defaults=values,
            approvals=self._approvals.of(key),
        )
        seen = self._beside.known(key, seen, templates=asked.templates, children=children)
        # Live reads may have taken seconds; times in status must not begin before the decision.
        now = self._clock.now()
        seen = replace(seen, now=now, clock_jump_seconds=self._jumps.since(key, now))
        around = Surroundings(
            seen=seen,
            body=entry.snapshot,
            deployments=owned.snapshots(children.deployments),
            services=owned.snapshots(children.services),
            controller_revisions=owned.snapshots(children.controller_revisions),
            targets=planes,
        )
        return Look(observation=seen, around=around)

    @property
    def reader(self) -> SpecReader:
        """The one by which the store remembers what ModelDeployments say."""
        return self._reader

    def settled(self, key: Key) -> None:
        """What was decided by the last look is written: a jump of the clock is told once."""
        self._jumps.settle(key)

    def forget(self, key: Key) -> None:
        """The object is gone: free what was kept for it."""
        self._jumps.forget(key)
        self._beside.forget(key)
        self._config_maps.forget(key)

    # --- the object ------------------------------------------------------------------------------

    async def _entry(self, key: Key, *, live: bool) -> Entry | ports.Failure | None:
        ref = Ref(ports.MODEL_DEPLOYMENT, key.namespace, key.name)
        if live:
            result = await read_live(
                self._api, self._store, ref.kind, namespace=ref.namespace, name=ref.name
            )
            if not isinstance(result, ports.Ok):
                return result
        return self._store.entry(ref)

    def _object(
        self, said: Said, asked: Asked, *, blocked: model.Violation | None
    ) -> model.Observation:
        """What the object itself says."""
        return model.Observation(
            now=self._clock.now(),
            epoch=self._epoch(),
            meta=said.meta,
            status=said.status,
            status_losses=said.status_losses,
            spec=_in_effect(asked, said.status.active_rollout),
            desired=asked.desired if asked.spec is not None else None,
            violations=tuple(one for one in asked.violations if one.blocks),
            unknown_fields=tuple(one.path for one in asked.violations if not one.blocks),
            blocked=blocked,
            request=said.request,
            operator=self._operator,
        )

    # --- children --------------------------------------------------------------------------------

    async def _look_for_lost(self, seen: model.Observation) -> bool:
        """Read live what the watch does not show of a revision with a role; False: nothing is lost.

        Somebody may have removed the label by which it is watched; only what is really gone counts.
        """
        lost = False
        for hash_ in _with_role(seen.status):
            name = objects.revision_object_name(seen.meta.name, revision=hash_)
            for kind in (ports.DEPLOYMENT, ports.SERVICE):
                if self._store.get(kind, namespace=seen.meta.namespace, name=name) is None:
                    address = {"namespace": seen.meta.namespace, "name": name}
                    await read_live(self._api, self._store, kind, **address)
                    lost = True
        return lost

    async def _with_children(
        self, seen: model.Observation, children: Children
    ) -> model.Observation:
        """With the state of every revision, and what can only be seen against it."""
        pods = await self._troubled_pods(seen, children)
        states = owned.revision_states(children, pods=pods)
        seen = replace(
            seen,
            revisions=states,
            services=frozenset(children.services),
            frozen=owned.frozen_revisions(children, meta=seen.meta, spec=seen.spec),
            frozen_rollouts=children.rollouts,
            records=children.records,
        )
        seen = autoscaling.in_effect(seen)
        more = (
            *owned.collision(seen.desired, states),
            *subjects.incomparable(seen),
            *await self._gateways.unsupported(seen),
        )
        return replace(seen, violations=(*seen.violations, *more)) if more else seen

    async def _troubled_pods(
        self, seen: model.Observation, children: Children
    ) -> Sequence[ports.Object]:
        """All pods while candidate or stable lack some: a trouble of both is nobody's fault."""
        rollout = seen.status.active_rollout
        if rollout is None:
            return []
        stable = seen.status.stable.revision if seen.status.stable is not None else ""
        if not owned.lacks_pods(children, (rollout.revision.hash, stable)):
            return []
        result = await self._api.list_objects(
            ports.POD,
            namespace=seen.meta.namespace,
            label_selector=objects.selector_text(objects.model_selector(seen.meta.name)),
        )
        return result.value if isinstance(result, ports.Ok) else []


def _in_effect(asked: Asked, rollout: model.Rollout | None) -> model.Spec | None:
    return in_effect(asked.spec, rollout, began=asked.began) if asked.spec is not None else None


def _stand_in(
    rollouts: Sequence[model.FrozenRollout], status: model.Status
) -> model.FrozenRollout | None:
    """The newest spec that was ever carried out: the last rollout's, or an earlier one's.

    An earlier one is all there is while the last is being written down.
    """
    last = status.rollout.frozen_name if status.rollout is not None else ""
    by_name = {one.name: one for one in rollouts}
    return by_name.get(last) or (rollouts[-1] if rollouts else None)


def _with_role(status: model.Status) -> list[str]:
    """Revisions whose objects must exist: stable, a candidate, and those whose pods go soon."""
    found = [entry.revision for entry in status.retiring]
    if status.stable is not None:
        found.append(status.stable.revision)
    rollout = status.active_rollout
    return [*found, rollout.revision.hash] if rollout is not None else found
