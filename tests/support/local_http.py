"""A web server on loopback, for tests of what speaks to one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def serving(
    handler: Handler, *, address: str = "127.0.0.1", method: str = "*"
) -> AsyncIterator[int]:
    """Answer requests of this method on every path for the time of the block; the port."""
    application = web.Application()
    application.router.add_route(method, "/{path:.*}", handler)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, 0).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
