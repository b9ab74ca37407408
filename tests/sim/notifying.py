"""Plays of NotificationProviders: who is told, and that nothing waits for whoever does not listen."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from tests.sim import facts
from tests.sim.cluster_side import PROVIDERS, serve
from tests.sim.fields import Object
from tests.sim.people import NAMESPACE
from tests.sim.receiving import ALLOWED
from tests.sim.run import Run, Scenario
from tests.sim.scenarios import BAD, walk_to

from tidegate import ports

KIND = ports.NOTIFICATION_PROVIDER
HANGS_SECONDS = 30.0


def _create(run: Run, name: str = "risk", **spec: Any) -> None:
    asked = {"type": "CloudEvents", "url": f"{ALLOWED}news", "maxPerMinute": 600, **spec}
    metadata = {"name": name, "namespace": NAMESPACE}
    head = {"apiVersion": KIND.api_version, "kind": KIND.kind, "metadata": metadata}
    run.people.create_of(KIND, head | {"spec": asked})


def _said(run: Run, name: str = "risk") -> Object:
    return facts.status(run.cluster.get(KIND, NAMESPACE, name))


def _is_ready(run: Run, name: str = "risk") -> str:
    found = {it["type"]: it for it in _said(run, name).get("conditions", [])}
    return str(found.get("Ready", {}).get("status", ""))


def _heard(run: Run) -> list[str]:
    return [it["data"]["event"] for it in run.receiver.taken]


async def _rolls_back(run: Run, provider: str) -> None:
    """A harmful version beside one that serves."""
    stable = await serve(run, provider=provider, replicas=4)
    run.world.truths["v2"] = BAD
    run.people.deploy("v2")
    await walk_to(run, 0)
    assert await run.until(lambda: run.phase() == "RolledBack", limit=90.0), run.phase()
    assert facts.stable(run.body) == stable


async def hangs(run: Run, provider: str) -> None:
    """A receiver that takes connections and answers nobody: told on the provider, waited for by none."""
    run.receiver.hangs = True
    _create(run, timeout="30s", retries=10)
    await _rolls_back(run, provider)
    assert run.receiver.tries
    assert not run.receiver.taken
    limit = 2 * HANGS_SECONDS
    assert await run.until(lambda: _is_ready(run) == "False", limit=limit), _said(run)
    run.receiver.hangs = False
    heard = await run.until(lambda: "RolledBack" in _heard(run), limit=300.0)
    assert heard, (_heard(run), _said(run))
    assert await run.until(lambda: _is_ready(run) == "True", limit=30.0), _said(run)


async def told_once(run: Run, provider: str) -> None:
    """What is asked for is told once, and one that cannot be used keeps it from nobody."""
    _create(run, events=["RolledBack"])
    _create(run, "elsewhere", url="https://elsewhere.example.com/")
    await _rolls_back(run, provider)
    assert await run.until(lambda: _heard(run) == ["RolledBack"], limit=30.0), _heard(run)
    assert await run.until(lambda: _said(run).get("delivered") == 1, limit=30.0), _said(run)
    assert _is_ready(run, "elsewhere") == "False"
    await asyncio.sleep(120.0)
    assert _heard(run) == ["RolledBack"]


PLAYS = {
    f"{name}_{provider.lower()}": Scenario(
        name=f"{name}_{provider.lower()}", script=partial(act, provider=provider)
    )
    for name, act in {"news_hangs": hangs, "news_once": told_once}.items()
    for provider in PROVIDERS
}
