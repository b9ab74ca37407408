"""The test server over gRPC: whatever method is called, with whatever message, is answered or fails.

An answer names the version that gave it in its initial metadata, as the HTTP server does in a header.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import grpc

VERSION = "x-tidegate-version"


class AnyMethod(grpc.GenericRpcHandler):  # type: ignore[misc]  # grpc ships no types
    """One unary handler for all methods; `fails` says of each call whether it shall fail.

    It is told the method, and counts the call.
    """

    def __init__(self, fails: Callable[[str], bool], *, version: str) -> None:
        self._fails = fails
        self._version = version

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        """The handler of this method."""
        method = handler_call_details.method

        async def answer(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
            await context.send_initial_metadata(((VERSION, self._version),))
            if self._fails(method):
                await context.abort(grpc.StatusCode.INTERNAL, "failing as asked by FAIL_RATIO")
            return message

        return grpc.unary_unary_rpc_method_handler(answer)


@asynccontextmanager
async def serving(handler: AnyMethod, *, port: int) -> AsyncIterator[None]:
    """Serve in plain text; calls that are on their way get their answer afterwards."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((handler,))
    server.add_insecure_port(f"0.0.0.0:{port}")
    await server.start()
    try:
        yield
    finally:
        await server.stop(grace=5.0)
