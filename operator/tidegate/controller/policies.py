"""The policies that apply to a ModelDeployment, from the store.

Labels of a namespace are read live, and seldom: Namespaces are watched only where the installation
selects some. Source: api.md, 9; docs/adr/0084.
"""

from __future__ import annotations

from dataclasses import dataclass

from tidegate import model, ports
from tidegate.api import policies
from tidegate.controller.dependencies import POLICY_KINDS
from tidegate.controller.store import Entry, Store
from tidegate.evidence.attempt import attempt, failure
from tidegate.policy.selectors import Place, placed, selected

KEPT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class _Namespace:
    """What was read of it, and when."""

    read_at: float
    place: Place


class Policies:
    """Finds the policies of one object; one per process."""

    def __init__(self, *, api: ports.KubeApi, store: Store, clock: ports.Clock) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._namespaces: dict[str, _Namespace] = {}

    async def of(
        self, body: ports.Object, *, kept: frozenset[str] = frozenset()
    ) -> tuple[model.Policy, ...]:
        """Those whose selectors fit, by kind and name, and the `kept` ones that are still there.

        One that cannot be read, or of which nobody knows whether it applies, is among them with its
        problem, and so is a kind that the operator may not list: a rollout holds rather than guesses.
        """
        metadata = body["metadata"]
        namespace, labels = str(metadata["namespace"]), metadata.get("labels") or {}
        known = (*self._of_cluster(), *self._of_namespace(namespace))
        found = selected(known, labels, kept=kept)
        asked = any(it.namespace_selector and it.id not in kept for it in found)
        place = await self._place(namespace) if asked else Place()
        return (*placed(found, place, kept=kept), *self._denied())

    def _denied(self) -> list[model.Policy]:
        """In place of all policies of a kind that cannot be known."""
        return [
            model.Policy(
                kind=kind.kind,
                name="*",
                problem=not_listed(kind, message),
            )
            for kind, message in self._store.denied.items()
            if kind in POLICY_KINDS
        ]

    def _of_namespace(self, namespace: str) -> list[model.Policy]:
        entries = self._store.entries(ports.ROLLOUT_POLICY)
        return _read([it for ref, it in entries.items() if ref.namespace == namespace])

    def _of_cluster(self) -> list[model.Policy]:
        return _read(list(self._store.entries(ports.CLUSTER_ROLLOUT_POLICY).values()))

    async def _place(self, name: str) -> Place:
        now, known = self._clock.monotonic(), self._namespaces.get(name)
        if known is not None and now - known.read_at < KEPT_SECONDS:
            return known.place
        answer = await self._api.get(ports.NAMESPACE, namespace="", name=name)
        if isinstance(answer, ports.Ok):
            labels = ((answer.value or {}).get("metadata") or {}).get("labels") or {}
            found = Place(labels=labels)
        elif known is not None and not known.place.problem:
            found = known.place
        else:
            found = Place.unknown(name, answer.message)
        self._namespaces[name] = _Namespace(now, found)
        return found


def not_listed(kind: ports.Kind, message: str) -> str:
    """Why nothing is known of a kind that the operator may not list, and what to do."""
    return (
        f"the operator may not list {kind.plural}.{kind.group} ({message}): allow its role the verbs "
        "get, list and watch for them"
    )


def _read(entries: list[Entry]) -> list[model.Policy]:
    return sorted((it.read(read) for it in entries), key=lambda it: it.name)


def read(body: ports.Object) -> model.Policy:
    """What the store remembers of a version of a policy; one that breaks the reading has a problem."""

    def broken(error: Exception) -> model.Policy:
        return policies.unreadable(body, f"it {failure(error).message}")

    return attempt(lambda: policies.read_policy(body)[0], otherwise=broken)
