"""What people decided about the gates of a ModelDeployment, from the store (api.md, 10)."""

from __future__ import annotations

from tidegate import model, ports
from tidegate.api import approvals
from tidegate.controller.policies import not_listed
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Key
from tidegate.settings import Settings

_KIND = ports.ROLLOUT_APPROVAL
UNVERIFIED = (
    "nobody checks who an approver is: the chart's admission.approver has to be enabled with action "
    "Deny (approversVerified of the operator's settings)"
)
_ABSENT = "the cluster does not know the kind RolloutApproval: apply the CRDs of this release"


class Approvals:
    """Finds the decisions about one object; one per process."""

    def __init__(self, *, store: Store, settings: Settings) -> None:
        self._store = store
        self._verified = settings.approvers_verified

    def of(self, key: Key) -> model.Approvals:
        """All that name it, by name, and why none of them counts where that is so."""
        entries = self._store.approvals_of(key.name, namespace=key.namespace)
        return model.Approvals(
            given=tuple(it.read(read) for it in entries),
            problem=self._problem(),
        )

    def _problem(self) -> str:
        if _KIND in self._store.absent:
            return _ABSENT
        if _KIND in self._store.denied:
            return not_listed(_KIND, self._store.denied[_KIND])
        return "" if self._verified else UNVERIFIED


def read(body: ports.Object) -> model.Approval:
    """What the store remembers of an approval, which is never changed."""
    return approvals.read_approval(body)[0]
