"""Before a process takes part: whether the cluster's CRDs have what this release writes and reads.

With older ones every status would be refused, and users' new fields dropped in silence. CRDs may be
on their way, as during an upgrade, so they get a minute.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate import ports
from tidegate.api import crdgen, served
from tidegate.controller import dependencies
from tidegate.controller.dependencies import Served

# Nothing is kept waiting by kinds that a cluster may do without: records and policies.
_NEEDED = frozenset(kind.kind for kind in dependencies.served(Served.BY_OUR_CRDS))
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 2.0


class OutdatedKindsError(RuntimeError):
    """The CRDs are older than this release; the message names the fields and the fix."""


class KindsCheck:
    """Looks at the served schemas until they suit."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        clock: ports.Clock,
        recorder: ports.Recorder,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._api = api
        self._clock = clock
        self._recorder = recorder
        self._patience_seconds = patience_seconds
        self.problem = "the cluster's CRDs were not looked at yet"

    async def run(self) -> None:
        """Return once the schemas suit, or where they cannot be read: that is told and stops nobody.

        Errors: OutdatedKindsError when they still lack something when patience ends.
        """
        ends = self._clock.monotonic() + self._patience_seconds
        while True:
            answer = await self._api.served_schemas(group=crdgen.GROUP, version=crdgen.VERSION)
            known = answer.value if isinstance(answer, ports.Ok) else {}
            lacking = _lacking(known)
            if not lacking and known.keys() >= _NEEDED:
                break
            self._say(f"{lacking}; {served.FIX}" if lacking else _unread(answer))
            over = self._clock.monotonic() >= ends
            if lacking and over:
                raise OutdatedKindsError(self.problem)
            if over or isinstance(answer, ports.Fatal):
                break
            await self._clock.sleep(LOOK_SECONDS)
        self.problem = ""

    def _say(self, problem: str) -> None:
        """Tell what is new; `problem` stays for whoever asks."""
        if problem != self.problem:
            self.problem = problem
            self._recorder.problem("kinds_do_not_suit", error=problem)


def _lacking(known: Mapping[str, ports.Object]) -> str:
    """What the published kinds lack, each with its fields; a kind may still be on its way."""
    found = {
        wanted.resource: served.lacking(wanted, known[wanted.kind])
        for wanted in crdgen.DEFINITIONS
        if wanted.kind in known
    }
    return "; ".join(
        f"the cluster's {kind.plural}.{kind.group} are older than this operator and lack"
        f" {served.named(missing)}"
        for kind, missing in found.items()
        if missing
    )


def _unread(answer: ports.Result[dict[str, ports.Object]]) -> str:
    why = "not all are published" if isinstance(answer, ports.Ok) else answer.message
    return f"the schemas of the cluster's CRDs could not be read: {why}"
