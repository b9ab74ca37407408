"""Users who speak gRPC: one unary call for each request, over one channel as clients keep them."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from .grpc_server import VERSION
from .tally import UNKNOWN, Answered

METHOD = "/inference.GRPCInferenceService/ModelInfer"
OK = 200  # what the books call a success


class Caller:
    """Calls the same method again and again."""

    def __init__(self, channel: grpc.aio.Channel, *, timeout_seconds: float) -> None:
        self._call = channel.unary_unary(METHOD)
        self._timeout_seconds = timeout_seconds

    async def ask(self) -> Answered:
        """One call, whatever becomes of it."""
        sent_at, began = time.time(), time.perf_counter()
        call = self._call(b"digits", timeout=self._timeout_seconds, wait_for_ready=False)
        status, error, said, version = OK, "", "", UNKNOWN
        try:
            version = dict(await call.initial_metadata()).get(VERSION, UNKNOWN)
            await call
        except grpc.aio.AioRpcError as failed:
            status, error = failed.code().value[0], failed.code().name
            said = failed.details() or ""
        return Answered(
            sent_at=sent_at,
            latency_seconds=time.perf_counter() - began,
            status=status,
            version=version,
            error=error,
            said=said,
        )


@asynccontextmanager
async def calling(url: str, *, host: str, timeout_seconds: float) -> AsyncIterator[Caller]:
    """A channel to where a URL points, that names the host as its authority."""
    parts = urllib.parse.urlsplit(url)
    target = f"{parts.hostname}:{parts.port or 80}"
    options = (("grpc.default_authority", host),) if host else ()
    async with grpc.aio.insecure_channel(target, options=options) as channel:
        yield Caller(channel, timeout_seconds=timeout_seconds)
