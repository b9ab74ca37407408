"""What the Gateways of a ModelDeployment can do; asked for before a rollout that needs it.

Only plans with a mirror ask: weights are what every implementation has. What cannot be read says
nothing: the Gateway may be somebody else's, and the route's own status tells later.
"""

from __future__ import annotations

from tidegate import model, ports
from tidegate.model import objects
from tidegate.rollout.strategy.compile import field_of, plan_of
from tidegate.traffic import features

KEPT_SECONDS = 60.0

Ask = tuple[str, str]


class Gateways:
    """Classes of Gateways with what they list, each asked for once a minute at most."""

    def __init__(self, *, api: ports.KubeApi, clock: ports.Clock) -> None:
        self._api = api
        self._clock = clock
        self._known: dict[Ask, tuple[float, str, frozenset[str]]] = {}

    async def unsupported(self, seen: model.Observation) -> tuple[model.Violation, ...]:
        """What they cannot do of what spec asks for, until its mirror has been written."""
        if not _is_before_mirror(seen) or seen.spec is None or seen.spec.traffic.gateway is None:
            return ()
        plan = [stage for stage in plan_of(seen.spec) if stage.mirror_percent > 0]
        if not plan:
            return ()
        found: list[model.Violation] = []
        for parent in seen.spec.traffic.gateway.parents:
            class_, listed = await self._class_of(
                parent.namespace or seen.meta.namespace, parent.name
            )
            of = f"GatewayClass {class_} of Gateway {parent.name}"
            found += features.refused(plan, listed, of=of, path_of=field_of)
        return tuple(dict.fromkeys(found))

    async def _class_of(self, namespace: str, name: str) -> tuple[str, frozenset[str]]:
        """Name and features of a Gateway's class; no features where nobody knows."""
        now, known = self._clock.monotonic(), self._known.get((namespace, name))
        if known is not None and now - known[0] < KEPT_SECONDS:
            return known[1:]
        gateway = await self._read(ports.GATEWAY, namespace, name)
        class_ = objects.text(objects.at(gateway, "spec", "gatewayClassName"))
        body = await self._read(ports.GATEWAY_CLASS, "", class_) if class_ else {}
        self._known[namespace, name] = (now, class_, features.supported(body))
        return self._known[namespace, name][1:]

    async def _read(self, kind: ports.Kind, namespace: str, name: str) -> ports.Object:
        read = await self._api.get(kind, namespace=namespace, name=name)
        return read.value or {} if isinstance(read, ports.Ok) else {}


def _is_before_mirror(seen: model.Observation) -> bool:
    """Something may start that is not written yet; what serves is asked nothing."""
    rollout, stable = seen.status.active_rollout, seen.status.stable
    if seen.meta.deleting or (rollout is not None and rollout.begun):
        return False
    return seen.desired is not None and (stable is None or seen.desired.hash != stable.revision)
