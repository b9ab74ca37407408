"""Plays of what a rollout can be asked for: bake, strategies, steering, testers, routes of people."""

from __future__ import annotations

from tests.sim import (
    approving,
    approving_for_policies,
    breaching,
    comparing,
    drift_returning,
    drifting,
    finds_bake,
    finds_blue_green,
    finds_breaker,
    finds_config_maps,
    finds_contour,
    finds_copies,
    finds_existing,
    finds_grpc,
    finds_istio,
    finds_met,
    finds_nginx,
    finds_pinned,
    finds_policies,
    finds_pools,
    finds_preview_routes,
    finds_queue,
    finds_steering,
    finds_testers,
    finds_traefik,
    finds_undelivered,
    finds_unserved,
    handing_over,
    isolating,
    labelling,
    neighbours,
    notifying,
    policy_terms,
    probing,
    recording,
    refusing,
    restoring,
    retraining,
    shadowing,
    silence,
    smoking,
    stalling,
    trained,
    watching,
    watching_labels,
    ways_back,
    writing,
)

PLAYS = (
    finds_bake.PLAYS
    | finds_steering.PLAYS
    | finds_existing.PLAYS
    | finds_testers.PLAYS
    | finds_blue_green.PLAYS
    | finds_preview_routes.PLAYS
    | finds_met.PLAYS
    | finds_pinned.PLAYS
    | finds_copies.PLAYS
    | finds_policies.PLAYS
    | policy_terms.PLAYS
    | finds_pools.PLAYS
    | finds_breaker.PLAYS
    | refusing.PLAYS
    | finds_queue.PLAYS
    | finds_undelivered.PLAYS
    | finds_unserved.PLAYS
    | finds_grpc.PLAYS
    | probing.PLAYS
    | finds_contour.PLAYS
    | finds_istio.PLAYS
    | finds_traefik.PLAYS
    | finds_nginx.PLAYS
    | finds_config_maps.PLAYS
    | drifting.PLAYS
    | drift_returning.PLAYS
    | labelling.PLAYS
    | comparing.PLAYS
    | recording.PLAYS
    | restoring.PLAYS
    | shadowing.PLAYS
    | isolating.PLAYS
    | neighbours.PLAYS
    | silence.PLAYS
    | smoking.PLAYS
    | stalling.PLAYS
    | trained.PLAYS
    | watching.PLAYS
    | watching_labels.PLAYS
    | breaching.PLAYS
    | ways_back.PLAYS
    | writing.PLAYS
    | handing_over.PLAYS
    | retraining.PLAYS
    | notifying.PLAYS
    | approving.PLAYS
    | approving_for_policies.PLAYS
)
