"""Plays of both modes once more, with GRPCRoutes in place of HTTPRoutes."""

from __future__ import annotations

from tests.sim import finds_existing, finds_testers

from tidegate import ports

AGAIN = finds_existing.PLAYS | finds_testers.PLAYS


PLAYS = {
    one.name: one
    for one in (
        AGAIN["existing_promotion"].routed_by(ports.GRPC_ROUTE),
        AGAIN["existing_rollback"].routed_by(ports.GRPC_ROUTE),
        AGAIN["existing_deleted"].routed_by(ports.GRPC_ROUTE),
        AGAIN["route_comes_late"].routed_by(ports.GRPC_ROUTE),
        AGAIN["testers_first"].routed_by(ports.GRPC_ROUTE),
        AGAIN["bad_for_testers"].routed_by(ports.GRPC_ROUTE),
    )
}
