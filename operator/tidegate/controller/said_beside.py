"""Statuses that the operator writes on objects of people beside the pass: policies and approvals.

Nothing depends on them: a write that fails is tried again at the next look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from tidegate import model, ports
from tidegate.api import convert
from tidegate.controller.dependencies import Ref
from tidegate.controller.reading import Said
from tidegate.controller.store import Entry, Store

Told = tuple[str, str, str]  # status, reason and message of a condition

LOOK_SECONDS = 5.0
LONGEST_MESSAGE = 1024


class SaidBeside:
    """Writes the status of objects beside the passes while this process leads; a failure is reported once.

    No object of anybody may end the process, which all tenants share, nor stop the others.
    """

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: Store,
        clock: ports.Clock,
        recorder: ports.Recorder,
        leading: Callable[[], bool],
    ) -> None:
        self._api = api
        self._store = store
        self._clock = clock
        self._recorder = recorder
        self._leading = leading
        self._failures: dict[Ref, str] = {}

    async def look_for_ever(self, look: Callable[[], Awaitable[None]]) -> None:
        """Look every few seconds; a look that fails is reported."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            if self._leading():
                try:
                    await look()
                except Exception as error:  # noqa: BLE001
                    self._recorder.problem("statuses_failed", error=repr(error))

    async def write_each(
        self,
        entries: Iterable[tuple[Ref, Entry]],
        said: Callable[[Ref, Entry], ports.Object | None],
        *,
        problem: str,
    ) -> None:
        """Write what is said of each; None where that stands there already.

        Errors: none; `problem` is what a status that was not written is reported as.
        """
        for ref, entry in entries:
            try:
                status = said(ref, entry)
                unwritten = None if status is None else await self._write(ref, entry, status)
            except Exception as error:  # noqa: BLE001
                unwritten = repr(error)
            if unwritten is not None:
                self._tell(ref, unwritten, problem=problem)

    async def _write(self, ref: Ref, entry: Entry, status: ports.Object) -> str | None:
        """Replace the status of this version of the object; what was answered in place of doing it."""
        metadata = entry.snapshot["metadata"]
        body = {
            "apiVersion": ref.kind.api_version,
            "kind": ref.kind.kind,
            "metadata": {
                key: metadata[key]
                for key in ("name", "namespace", "uid", "resourceVersion")
                if key in metadata
            },
            "status": status,
        }
        answer = await self._api.apply_status(ref.kind, namespace=ref.namespace, body=body)
        if isinstance(answer, ports.Ok):
            self._failures.pop(ref, None)
            self._store.put_own_reply(ref.kind, answer.value)
            return None
        return None if isinstance(answer, ports.Conflict) else answer.message

    def _tell(self, ref: Ref, message: str, *, problem: str) -> None:
        """Report what keeps the status of one object from being written, once."""
        if self._failures.get(ref) != message:
            self._failures[ref] = message
            self._recorder.problem(problem, name=f"{ref.kind.kind}/{ref.name}", error=message)


def said_of(entry: Entry) -> tuple[model.ObjectMeta, model.Status]:
    """What a ModelDeployment says, as a pass has read it: at rest it is packed, and stays so."""
    said = entry.newest_reading
    if isinstance(said, Said):
        return said.meta, said.status
    body = entry.snapshot
    return convert.read_meta(body), convert.read_status(body.get("status"))


def condition(
    name: str, told: Told, *, generation: int, old: tuple[model.Condition, ...], at: datetime
) -> model.Condition:
    """The condition of that name, with the instant since when it is as it is."""
    status, reason, message = told
    known = next((it for it in old if it.type == name), None)
    kept = known is not None and known.status == status
    return model.Condition(
        type=name,
        status=status,
        reason=reason,
        message=message[:LONGEST_MESSAGE],
        last_transition_at=known.last_transition_at if kept and known is not None else at,
        observed_generation=generation,
    )
