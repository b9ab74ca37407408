"""Kinds of other projects that this cluster does not serve: told by name, and looked for again.

A kind may be missing from the start or be removed later; the store remembers which are. Source:
docs/adr/0047.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar

from tidegate import ports
from tidegate.controller import dependencies
from tidegate.controller.dependencies import Served
from tidegate.controller.plane_kinds import PLANE_KINDS
from tidegate.controller.store import Store

REASON: Final = "KindNotServed"
LOOK_SECONDS = 15.0
T = TypeVar("T")


class KindAppearedError(RuntimeError):
    """A kind that was not served is served now; Kopf finds it only at a restart."""


class Lookout:
    """Ends the process when a kind appears, so that the next one watches it."""

    def __init__(self, *, api: ports.KubeApi, store: Store, clock: ports.Clock) -> None:
        self._api = api
        self._store = store
        self._clock = clock

    async def run(self) -> None:
        """Look for ever. Errors: KindAppearedError when one of the absent kinds is served."""
        while True:
            await self._clock.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Ask once for each. Errors: as `run`."""
        for kind in list(self._store.absent):
            served = await self._api.serves(kind)
            if isinstance(served, ports.Ok) and served.value:
                raise KindAppearedError(f"{kind.plural}.{kind.group} is served now: restarting")


def noted(store: Store, kind: ports.Kind, result: ports.Result[T]) -> ports.Result[T]:
    """The same answer; that the kind is not served is remembered, and said with the way out."""
    return result if isinstance(result, ports.Ok) else failure(store, kind, result)


def failure(store: Store, kind: ports.Kind, found: ports.Failure) -> ports.Failure:
    """As `noted`, of what is no success."""
    if isinstance(found, ports.Fatal) and found.reason == ports.NOT_SERVED:
        store.absent.add(kind)
        return ports.Fatal(reason=REASON, message=way_out(kind))
    return found


def is_gone(kind: ports.Kind, answer: ports.Result[T]) -> bool:
    """Whether a kind that may be missing is: without our own CRDs nothing can go on."""
    gone = isinstance(answer, ports.Fatal) and answer.reason == ports.NOT_SERVED
    return gone and kind in dependencies.served(Served.PERHAPS)


def first(store: Store, kinds: Iterable[ports.Kind]) -> ports.Kind | None:
    """The first of these kinds that is known not to be served."""
    return next((kind for kind in kinds if kind in store.absent), None)


def way_out(kind: ports.Kind) -> str:
    """Which kind is missing, and how to install it."""
    missing = f"the cluster does not serve {kind.kind} ({kind.plural}.{kind.group}/{kind.version})"
    row = PLANE_KINDS.get(kind.kind)
    what = row.install if row is not None else "its CustomResourceDefinition"
    return f"{missing}: install {what}; then it goes on by itself"
