"""`ports.KubeApi` on `kubernetes.aio`: dict bodies in, one of four outcomes out.

Every request takes the same way: `param_serialize` (credentials, user agent), `call_api` (which
raises on no status), `kube_http.outcome`. Retries belong to the queue, so the client's own
are off. Source: architecture.md, 1 and 5 (the guard-rails have one contract test each).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from kubernetes.aio import client as aio
from kubernetes.aio import config as aio_config
from kubernetes.aio.client import rest

import tidegate
from tidegate import ports
from tidegate.adapters import kube_http as http

FIELD_MANAGER = "tidegate"
# Of data that must not change the API server compares the bytes, and keeps those of JSON as they were
# sent. Out of YAML it makes its own, so that others can patch labels and owners later: the garbage
# collector, when an owner is deleted without its dependents.
_KEPT_AS_SENT = frozenset({ports.CONTROLLER_REVISION})
TIMEOUT_SECONDS = 10.0
URGENT_TIMEOUT_SECONDS = 2.0
_SHARED_SLOTS = 24
_RESERVED_SLOTS = 8
_CHUNK = 500
_MOST_CHUNKS = 2000
_SERVICE_ACCOUNT_TOKEN = "/var/run/secrets/kubernetes.io/serviceaccount/token"  # noqa: S105


class Kube:
    """The API server. Use `connect`; close after use."""

    def __init__(
        self, session: _Session, *, recorder: ports.ApiRecorder, field_manager: str = FIELD_MANAGER
    ) -> None:
        self._session = session
        self._recorder = recorder
        self._field_manager = ("fieldManager", field_manager)
        self._shared = asyncio.Semaphore(_SHARED_SLOTS)
        self._reserved = asyncio.Semaphore(_RESERVED_SLOTS)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def serves(self, kind: ports.Kind) -> ports.Result[bool]:
        """Whether the API server knows this kind at this version (discovery, no rights needed)."""
        found = _perhaps(
            await self._send(http.Request(verb="serves", method="GET", path=http.root(kind)))
        )
        if not isinstance(found, ports.Ok):
            return found
        resources = (found.value or {}).get("resources") or []
        return ports.Ok(any(item.get("name") == kind.plural for item in resources))

    async def served_schemas(
        self, *, group: str, version: str
    ) -> ports.Result[dict[str, ports.Object]]:
        """The OpenAPI schemas of whole objects, by kind (no rights needed); empty: none published."""
        path = f"/openapi/v3/apis/{group}/{version}"
        found = _perhaps(
            await self._send(http.Request(verb="served_schemas", method="GET", path=path))
        )
        if not isinstance(found, ports.Ok):
            return found
        return ports.Ok(http.schemas(found.value or {}, group=group, version=version))

    async def server_time(self) -> ports.Result[datetime]:
        """The API server's clock, to the second; no rights needed."""
        request = http.Request(verb="server_time", method="GET", path="/version")
        reply = await self._session.exchange(request)
        if not isinstance(reply, http.Reply):
            return reply
        if reply.date is None:
            return ports.Retryable(message="the answer has no Date")
        return ports.Ok(reply.date)

    async def get(
        self, kind: ports.Kind, *, namespace: str, name: str
    ) -> ports.Result[ports.Object | None]:
        """Read one object; `Ok(None)` when it does not exist."""
        return await self._send(
            http.Request(
                verb="get", method="GET", path=http.path(kind, namespace=namespace, name=name)
            )
        )

    async def list_objects(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        """Read all matching objects; an empty namespace means all namespaces."""
        listed = await self._list(
            http.Request(
                verb="list",
                method="GET",
                path=http.path(kind, namespace=namespace),
                query=(("labelSelector", label_selector),),
            )
        )
        if isinstance(listed, ports.Ok):
            for item in listed.value:  # the server leaves these out of the items of a list
                item.setdefault("apiVersion", kind.api_version)
                item.setdefault("kind", kind.kind)
        return listed

    async def list_metadata(
        self, kind: ports.Kind, *, namespace: str, label_selector: str
    ) -> ports.Result[list[ports.Object]]:
        """Like `list_objects`, but only `metadata` of each (PartialObjectMetadata, in chunks)."""
        return await self._list(
            http.Request(
                verb="list_metadata",
                method="GET",
                path=http.path(kind, namespace=namespace),
                query=(("labelSelector", label_selector),),
                accept=http.METADATA_LIST,
            )
        )

    async def create(
        self, kind: ports.Kind, *, namespace: str, body: ports.Object, dry_run: bool = False
    ) -> ports.Result[ports.Object]:
        """Create; an existing object of that name is `Conflict`."""
        return await self._write(
            http.Request(
                verb="create",
                method="POST",
                path=http.path(kind, namespace=namespace),
                query=(self._field_manager, *([("dryRun", "All")] if dry_run else [])),
                body=body,
                content_type=http.YAML if kind in _KEPT_AS_SENT else http.JSON,
            )
        )

    async def apply(
        self,
        kind: ports.Kind,
        *,
        namespace: str,
        body: ports.Object,
        force: bool = False,
        urgent: bool = False,
    ) -> ports.Result[ports.Object]:
        """Server-side apply of the whole document as field manager `tidegate`."""
        return await self._write(
            http.Request(
                verb="apply",
                method="PATCH",
                path=http.path(kind, namespace=namespace, name=body["metadata"]["name"]),
                query=(self._field_manager, ("force", str(force).lower())),
                body=body,
                content_type=http.APPLY,
                urgent=urgent,
            )
        )

    async def apply_status(
        self, kind: ports.Kind, *, namespace: str, body: ports.Object
    ) -> ports.Result[ports.Object]:
        """Forced server-side apply on `/status`; `body` must carry `metadata.resourceVersion`."""
        assert body["metadata"]["resourceVersion"], "an unguarded status write would break fencing"
        path = http.path(kind, namespace=namespace, name=body["metadata"]["name"])
        return await self._write(
            http.Request(
                verb="apply_status",
                method="PATCH",
                path=f"{path}/status",
                query=(self._field_manager, ("force", "true")),
                body=body,
                content_type=http.APPLY,
            )
        )

    async def json_patch(
        self,
        kind: ports.Kind,
        *,
        namespace: str,
        name: str,
        operations: Sequence[ports.Object],
        urgent: bool = False,
    ) -> ports.Result[ports.Object]:
        """JSON Patch; a failed `test` operation is `Conflict`."""
        return await self._write(
            http.Request(
                verb="json_patch",
                method="PATCH",
                path=http.path(kind, namespace=namespace, name=name),
                query=(self._field_manager,),
                body=list(operations),  # anything but a list would go out as a merge patch
                content_type=http.JSON_PATCH,
                urgent=urgent,
            )
        )

    async def delete(
        self, kind: ports.Kind, *, namespace: str, name: str, uid: str, version: str = ""
    ) -> ports.Result[None]:
        """Delete in the background if uid and version still match; an absent object is `Ok`."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid} | ({"resourceVersion": version} if version else {}),
        }
        path = http.path(kind, namespace=namespace, name=name)
        deleted = _perhaps(
            await self._send(http.Request(verb="delete", method="DELETE", path=path, body=options))
        )
        return ports.Ok(None) if isinstance(deleted, ports.Ok) else deleted

    async def create_event(self, *, namespace: str, body: ports.Object) -> ports.Result[None]:
        """Best effort; the caller never depends on it."""
        path = http.path(ports.EVENT, namespace=namespace)
        created = await self._write(
            http.Request(verb="create_event", method="POST", path=path, body=body)
        )
        return ports.Ok(None) if isinstance(created, ports.Ok) else created

    async def repeat_event(
        self, *, namespace: str, name: str, series: ports.Object
    ) -> ports.Result[None]:
        """Say how often an Event came; its other fields cannot be changed."""
        patched = await self._write(
            http.Request(
                verb="repeat_event",
                method="PATCH",
                path=http.path(ports.EVENT, namespace=namespace, name=name),
                query=(self._field_manager,),
                body=[{"op": "add", "path": "/series", "value": series}],
                content_type=http.JSON_PATCH,
            )
        )
        return ports.Ok(None) if isinstance(patched, ports.Ok) else patched

    async def get_lease(self, *, namespace: str, name: str) -> ports.Result[ports.Object | None]:
        """Read the election record; urgent, since leadership hangs on it."""
        path = http.path(ports.LEASE, namespace=namespace, name=name)
        return await self._send(
            http.Request(verb="get_lease", method="GET", path=path, urgent=True)
        )

    async def put_lease(
        self, *, namespace: str, name: str, body: ports.Object
    ) -> ports.Result[ports.Object]:
        """Create (no resourceVersion) or replace (with it) the election record."""
        replaces = "resourceVersion" in body["metadata"]
        return await self._write(
            http.Request(
                verb="put_lease",
                method="PUT" if replaces else "POST",
                path=http.path(ports.LEASE, namespace=namespace, name=name if replaces else ""),
                query=(self._field_manager,),
                body=body,
                urgent=True,
            )
        )

    async def _list(self, request: http.Request) -> ports.Result[list[ports.Object]]:
        items: list[ports.Object] = []
        token = ""
        for _ in range(_MOST_CHUNKS):
            page = (("limit", str(_CHUNK)), *([("continue", token)] if token else []))
            listed = await self._send(replace(request, query=(*request.query, *page)))
            if not isinstance(listed, ports.Ok):
                return listed
            if listed.value is None:
                return ports.Fatal(reason=ports.NOT_SERVED, message=f"{request.path} is not served")
            items.extend(listed.value.get("items") or [])
            token = (listed.value.get("metadata") or {}).get("continue") or ""
            if not token:
                return ports.Ok(items)
        return ports.Fatal(reason="TooManyObjects", message=f"{request.path} does not end")

    async def _write(self, request: http.Request) -> ports.Result[ports.Object]:
        result = await self._send(request)
        if not isinstance(result, ports.Ok):
            return result
        if result.value is None:
            return ports.Conflict(message="the object or its namespace is gone")
        return ports.Ok(result.value)

    async def _send(self, request: http.Request) -> ports.Result[ports.Object | None]:
        """The reply as an outcome; `Ok(None)` is an object that does not exist."""
        shared_is_full = self._shared.locked()
        async with self._reserved if request.urgent and shared_is_full else self._shared:
            result = await self._attempt(request)
        absent = isinstance(result, ports.Ok) and result.value is None
        label = "NotFound" if absent else type(result).__name__
        self._recorder.api_request(verb=request.verb, outcome=label)
        return result

    async def _attempt(self, request: http.Request) -> ports.Result[ports.Object | None]:
        login = self._session.login_count
        reply = await self._session.exchange(request)
        if isinstance(reply, http.Reply) and reply.status == 401:
            failed = await self._session.log_in_again(after=login)
            if failed is not None:
                return failed
            reply = await self._session.exchange(request)
        return http.outcome(request, reply) if isinstance(reply, http.Reply) else reply


def _perhaps(
    result: ports.Result[ports.Object | None],
) -> ports.Result[ports.Object | None]:
    """What does not even have a kind is absent, too: for whoever asks no more than that."""
    unserved = isinstance(result, ports.Fatal) and result.reason == ports.NOT_SERVED
    return ports.Ok(None) if unserved else result


class _Session:
    """The client with its credentials, which it can renew."""

    def __init__(self, *, kubeconfig: str, context: str) -> None:
        self._kubeconfig = kubeconfig
        self._context = context
        self._lock = asyncio.Lock()
        self._client: aio.ApiClient | None = None
        self._previous: aio.ApiClient | None = None
        self.login_count = 0

    async def log_in(self) -> None:
        """Read the credentials anew.

        Errors: whatever the client library raises on unusable credentials.
        """
        configuration = aio.Configuration()
        if self._kubeconfig or not in_cluster():
            await aio_config.load_kube_config(  # type: ignore[no-untyped-call]
                config_file=self._kubeconfig or None,
                context=self._context or None,
                client_configuration=configuration,
                persist_config=False,
            )
        else:
            aio_config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
        client = aio.ApiClient(configuration)
        client.user_agent = f"tidegate/{tidegate.__version__}"
        await self._close(self._previous)
        # Requests under way still use the client before; they end within their timeout.
        self._previous, self._client = self._client, client
        self.login_count += 1

    async def log_in_again(self, *, after: int) -> ports.Failure | None:
        """Renew the credentials unless another request has done so since login number `after`."""
        async with self._lock:
            if self.login_count != after:
                return None
            try:
                await self.log_in()
            except (aio_config.ConfigException, OSError, ValueError) as error:
                return ports.Fatal(reason="Unauthorized", message=f"cannot log in: {error}")
        return None

    async def exchange(self, request: http.Request) -> http.Reply | ports.Retryable:
        """Send the request once; the whole exchange is bounded by one timeout."""
        timeout_seconds = URGENT_TIMEOUT_SECONDS if request.urgent else TIMEOUT_SECONDS
        client = self._client
        assert client is not None, "log_in comes first"
        try:
            method, url, headers, body, _ = await client.param_serialize(
                method=request.method,
                resource_path=request.path,
                query_params=list(request.query),
                header_params={"Accept": request.accept, "Content-Type": request.content_type},
                body=http.body_of(request),
                auth_settings=["BearerToken"],
            )
            response = await client.call_api(
                method, url, headers, body, _request_timeout=timeout_seconds
            )
            data = await response.read()  # type: ignore[no-untyped-call]
            return http.parse(response.status, response.headers, data)
        except TimeoutError:
            message = f"no answer within {timeout_seconds:g} s"
        except (rest.aiohttp.ClientError, OSError) as error:  # type: ignore[attr-defined]
            # The client library lets the errors of its HTTP library through.
            message = f"connection failed: {type(error).__name__}: {error}"
        return ports.Retryable(message=message, maybe_applied=request.writes)

    async def close(self) -> None:
        """Close all connections."""
        await self._close(self._previous)
        await self._close(self._client)
        self._previous = self._client = None

    async def _close(self, client: aio.ApiClient | None) -> None:
        if client is not None:
            await client.close()  # type: ignore[no-untyped-call]


async def connect(
    *,
    recorder: ports.ApiRecorder,
    kubeconfig: str = "",
    context: str = "",
    field_manager: str = FIELD_MANAGER,
) -> Kube:
    """Log in with this kubeconfig, else as the pod's service account, else with the default one.

    Errors: LoginError in one sentence when there are no usable credentials.
    """
    session = _Session(kubeconfig=kubeconfig, context=context)
    try:
        await session.log_in()
    except (aio_config.ConfigException, OSError, ValueError) as error:
        raise LoginError(f"no usable credentials for a Kubernetes API server: {error}") from error
    return Kube(session, recorder=recorder, field_manager=field_manager)


class LoginError(RuntimeError):
    """There are no usable credentials."""


def in_cluster() -> bool:
    """Whether this process runs in a pod with a service account."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and os.path.isfile(_SERVICE_ACCOUNT_TOKEN)  # noqa: PTH113
