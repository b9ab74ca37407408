"""Plays of both modes once more, with GRPCRoutes in place of HTTPRoutes."""

from __future__ import annotations

from dataclasses import replace

from tests.sim import finds_existing, finds_testers
from tests.sim.run import Scenario

from tidegate import ports

AGAIN = finds_existing.PLAYS | finds_testers.PLAYS


def _again(name: str) -> Scenario:
    return replace(AGAIN[name], name=f"{name} GRPCRoute", route_kind=ports.GRPC_ROUTE)


PLAYS = {
    one.name: one
    for one in (
        _again("existing_promotion"),
        _again("existing_rollback"),
        _again("existing_deleted"),
        _again("route_comes_late"),
        _again("testers_first"),
        _again("bad_for_testers"),
    )
}
