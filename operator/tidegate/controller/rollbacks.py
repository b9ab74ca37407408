"""Which ModelDeployments were rolled back lately, and the policies that count them.

It is read from the status of all of them, so another process knows the same.
Source: docs/adr/0049.
"""

from __future__ import annotations

from tidegate import model, ports
from tidegate.controller.dependencies import Ref
from tidegate.controller.policies import read
from tidegate.controller.said_beside import said_of
from tidegate.controller.store import Entry, Store
from tidegate.policy import breaker
from tidegate.policy.selectors import id_of


class Rollbacks:
    """Everybody's newest rollbacks. One per process; must be used from one event loop."""

    def __init__(self, *, store: Store) -> None:
        self._store = store
        self._standing: dict[str, tuple[Entry, model.RolledBack | None]] = {}  # by uid
        self._made: tuple[int, tuple[model.RolledBack, ...]] = (-1, ())

    def known(self) -> tuple[model.RolledBack, ...]:
        """One per ModelDeployment whose newest rollout was rolled back; none where no policy counts."""
        if self._made[0] != self._store.sequence:
            self._made = self._store.sequence, self._known()
        return self._made[1]

    def _known(self) -> tuple[model.RolledBack, ...]:
        policies = self._store.entries(ports.CLUSTER_ROLLOUT_POLICY).values()
        if not breaker.counted(it.read(read) for it in policies):
            self._standing = {}
            return ()
        before, self._standing = self._standing, {}
        for ref, entry in self._store.entries(ports.MODEL_DEPLOYMENT).items():
            known = before.get(entry.uid)
            if known is None or known[0] is not entry:
                known = entry, _rollback(ref, entry)
            self._standing[entry.uid] = known
        return tuple(it for _, it in self._standing.values() if it is not None)


def _rollback(ref: Ref, entry: Entry) -> model.RolledBack | None:
    _, status = said_of(entry)
    last = status.last_rollout
    if last is None or last.result is not model.RolloutResult.ROLLED_BACK:
        return None
    sources = status.policy.sources if status.policy is not None else ()
    return model.RolledBack(
        namespace=ref.namespace,
        name=ref.name,
        at=last.finished_at,
        policies=frozenset(id_of(it) for it in sources),
    )
