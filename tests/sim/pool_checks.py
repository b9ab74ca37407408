"""Checks of pools that have no room for more pods, at every committed change."""

from __future__ import annotations

import math

from tests.sim import facts
from tests.sim.cluster import Change
from tests.sim.nemesis import Calm
from tests.sim.oracle import Memory, by_operator, require

from tidegate import ports


def a_full_pool_gets_no_more_pods(memory: Memory, change: Change) -> None:
    """S18: who lends pods never asks for more in sum than replicas and the surge that was given."""
    if change.kind is not ports.DEPLOYMENT or not by_operator(change):
        return
    body = memory.body
    if body is None:
        return
    policy, scaling = facts.surge_policy(body), facts.scaling(body)
    if policy == "Surge" or type(memory.run.nemesis) is not Calm or change.new is None:
        return
    before = change.old["spec"]["replicas"] if change.old is not None else 0
    if change.new["spec"]["replicas"] <= before:
        return
    replicas = facts.replicas(body)
    most = replicas + math.ceil(replicas * float(scaling.get("maxSurgePercent", 0)) / 100)
    most = max(most, 2) if policy == "Borrow" and replicas == 1 else most
    asked = sum(it["spec"]["replicas"] for it in memory.run.cluster.all(ports.DEPLOYMENT))
    require(asked <= most, "S18", f"{asked} pods are asked for where {most} fit")
