"""The health endpoints as a kubelet and Prometheus see them."""

from __future__ import annotations

import asyncio

import aiohttp
from tests.cluster.ports import free_port

from tidegate.adapters import telemetry


def test_health_follows_the_checks_and_metrics_are_exposed() -> None:
    async def scenario() -> None:
        recorder, port = telemetry.Telemetry(), free_port()
        problems = {"live": "", "ready": "not synced: Deployment"}
        async with (
            telemetry.http_server(
                port=port,
                registry=recorder.registry,
                live=lambda: problems["live"],
                ready=lambda: problems["ready"],
            ),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):

            async def get(path: str) -> tuple[int, str]:
                async with session.get(path) as answer:
                    return answer.status, await answer.text()

            assert await get("/livez") == (200, "ok")
            assert await get("/readyz") == (503, "not synced: Deployment")
            problems.update(live="stuck", ready="")
            assert await get("/livez") == (503, "stuck")
            assert await get("/readyz") == (200, "ok")
            status, text = await get("/metrics")
            assert status == 200
            assert "tidegate_leader 0.0" in text
            assert "process_resident_memory_bytes" in text
            assert (await get("/debug"))[0] == 404

    asyncio.run(scenario())
