"""A read past the store, for objects about which the store was wrong."""

from __future__ import annotations

from tidegate import ports
from tidegate.controller import unserved
from tidegate.controller.store import Store


async def read_live(
    api: ports.KubeApi, store: Store, kind: ports.Kind, *, namespace: str, name: str
) -> ports.Result[ports.Object | None]:
    """What the API server says now; the store learns it, too, and so does the next pass.

    A hung watch would otherwise keep an object that is gone, and every write to it would fail.
    """
    known = store.get(kind, namespace=namespace, name=name)
    result = unserved.noted(store, kind, await api.get(kind, namespace=namespace, name=name))
    if isinstance(result, ports.Ok) and result.value is not None:
        store.put_own_reply(kind, result.value)
    elif known is not None and (isinstance(result, ports.Ok) or kind in store.absent):
        store.remove(kind, known)
    return result
