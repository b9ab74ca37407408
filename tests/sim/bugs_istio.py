"""Bugs of the VirtualService: what stands in its rules, and in which order."""

from __future__ import annotations

from tests.sim.bug import Bug

ISTIO = (
    Bug(
        name="a VirtualService without weights",
        file="traffic/planes/istio.py",
        old='    return {**_to(service), "weight": weight}\n',
        new="    return _to(service)\n",
        plays=("promotion VirtualService",),
    ),
    Bug(
        name="a mirror of a VirtualService without its percent",
        file="traffic/planes/istio.py",
        old='    return {"mirror": to, "mirrorPercentage": {"value": percent}}\n',
        new='    return {"mirror": to}\n',
        plays=("shadow_then_canary VirtualService",),
    ),
    Bug(
        name="settings of the VirtualService are not looked after",
        file="traffic/planes/istio.py",
        old="        **whole,\n        _BY_HEADER",
        new="        _BY_HEADER",
        plays=("from_the_mesh_to_a_gateway",),
    ),
    Bug(
        name="what nobody confirms is told as accepted",
        file="rollout/conditions.py",
        old="    if traffic.accepted and traffic.unconfirmed:\n",
        new="    if traffic.accepted and False:\n",
        plays=("says_what_nobody_confirms",),
    ),
)
