"""Which operator serves a ModelDeployment, where two of them watch it.

Status names the operator that works on the object by its Lease. Another one leaves it alone as long
as that Lease is renewed and does not say that the object's namespace is not served; it says so by a
condition. So two installations that overlap never write in turns, and one that is gone is followed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from tidegate import model, ports
from tidegate.controller import leader
from tidegate.controller.status_writer import apply_status
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.model import objects
from tidegate.rollout.conditions import OTHER_OPERATOR, OTHER_OPERATOR_SECONDS
from tidegate.settings import Settings

LOOK_SECONDS = 5.0
# Long before the owner takes the condition away for old age, and rarely enough to be no quarrel.
RENEW_SECONDS = OTHER_OPERATOR_SECONDS * 0.8


def is_served(namespace: str, *, store: Store, settings: Settings) -> bool:
    """Whether the namespace has the labels that the administrator asks for, if any."""
    if not settings.namespace_selector:
        return True
    return store.get(ports.NAMESPACE, namespace="", name=namespace) is not None


class Ownership:
    """Whether this operator serves an object. Must be used from one event loop."""

    def __init__(
        self, *, api: ports.KubeApi, store: Store, clock: ports.Clock, settings: Settings
    ) -> None:
        self.own = settings.operator
        self._api = api
        self._store = store
        self._clock = clock
        self._settings = settings
        self._leases: dict[str, leader.Election] = {}
        self._read_at: dict[str, float] = {}

    def serves(self, key: Key) -> bool:
        """The namespace has the labels that the administrator asks for, if any."""
        return is_served(key.namespace, store=self._store, settings=self._settings)

    async def served_by_another(self, key: Key) -> str:
        """The other live operator that serves this object; empty where it is ours to work on."""
        owner = _owner(self._body(key))
        if owner in {"", self.own} or "/" not in owner:
            return ""
        return owner if await self._lives(owner, namespace=key.namespace) else ""

    async def tell(self, key: Key, owner: str) -> None:
        """Write the condition, once in a while; the rest of the status stays as it is."""
        body = self._body(key)
        if body is None or self._told_lately(body):
            return
        message = (
            f"operator {owner} serves this object, so operator {self.own} leaves it alone: let their "
            "namespaces (Helm values namespaces, namespaceSelector) not overlap"
        )
        condition = {
            "type": OTHER_OPERATOR,
            "status": "True",
            "reason": "ServedByAnother",
            "message": message,
            "lastTransitionTime": self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            "observedGeneration": objects.generation(body),
        }
        status = body["status"]
        others = [one for one in status.get("conditions") or [] if one["type"] != OTHER_OPERATOR]
        await self._write(body, {**status, "conditions": [*others, condition]})

    async def let_go(self, key: Key) -> None:
        """Take our name from an object that we serve no more, so that another operator may."""
        body = self._body(key)
        if body is None or _owner(body) != self.own:
            return
        controller = {k: v for k, v in body["status"]["controller"].items() if k != "operator"}
        await self._write(body, {**body["status"], "controller": controller})

    def _body(self, key: Key) -> ports.Object | None:
        return self._store.get(ports.MODEL_DEPLOYMENT, namespace=key.namespace, name=key.name)

    def _told_lately(self, body: ports.Object) -> bool:
        found = objects.condition(objects.at(body, "status", "conditions"), OTHER_OPERATOR)
        written = objects.text(found.get("lastTransitionTime"))
        age = self._clock.now() - datetime.fromisoformat(written) if written else None
        return age is not None and age < timedelta(seconds=RENEW_SECONDS)

    async def _lives(self, owner: str, *, namespace: str) -> bool:
        """Its Lease is renewed, by our clock. What cannot be read counts as alive."""
        election = self._leases.setdefault(
            owner, leader.Election(identity="", settings=self._settings.leader_election)
        )
        now = self._clock.monotonic()
        if now - self._read_at.get(owner, -LOOK_SECONDS) >= LOOK_SECONDS:
            in_namespace, _, name = owner.partition("/")
            lease = await self._api.get_lease(namespace=in_namespace, name=name)
            if not isinstance(lease, ports.Ok):
                return True
            self._read_at[owner] = now
            election.observe(lease.value, now=now)
        return not election.may_write(now=now) and election.serves(namespace)

    async def _write(self, body: ports.Object, status: ports.Object) -> None:
        """Best effort: whoever loses against the owner tries again at its next look."""
        await apply_status(self._api, self._store, body["metadata"], status)


def _owner(body: model.Document | None) -> str:
    return objects.text(objects.at(body, "status", "controller", "operator")) if body else ""
