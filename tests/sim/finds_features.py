"""Plays of what a rollout can be asked for: bake, strategies, steering, testers, routes of people."""

from __future__ import annotations

from tests.sim import (
    finds_bake,
    finds_blue_green,
    finds_existing,
    finds_grpc,
    finds_met,
    finds_steering,
    finds_testers,
    finds_unserved,
)

PLAYS = (
    finds_bake.PLAYS
    | finds_steering.PLAYS
    | finds_existing.PLAYS
    | finds_testers.PLAYS
    | finds_blue_green.PLAYS
    | finds_met.PLAYS
    | finds_unserved.PLAYS
    | finds_grpc.PLAYS
)
