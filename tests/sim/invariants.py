"""The safety invariants as rows (reliability.md, 1; architecture.md, S1 to S11).

S12 is records; S13, S14 and S16 are house.md, H6; S15 is H4; S17 is H5; S18 is ADR 0058, S19 ADR 0074,
S20 and S21 are ADR 0104.

A new strategy, data plane or policy adds rows. Each row is checked at every committed change; what
holds only at rest, or when a request is sent, stands in `judge.py` under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from tests.sim import (
    handover_checks,
    policy_checks,
    pool_checks,
    status_checks,
    testers_checks,
    traffic_checks,
    user_route,
)
from tests.sim.cluster import ROUTES
from tests.sim.oracle import Check
from tests.sim.people import MD

from tidegate import ports


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One check with the names that it stands for, and the kinds that it looks at; none means all."""

    names: tuple[str, ...]
    says: str
    check: Check
    kinds: frozenset[ports.Kind] = frozenset()


STATUS, PODS = frozenset({MD}), frozenset({ports.DEPLOYMENT})
SPLITS = ROUTES | {ports.SERVICE}

INVARIANTS: tuple[Invariant, ...] = (
    Invariant(
        names=("I4", "I5"),
        says="only our kinds and our objects, in the owner's namespace, are written",
        check=traffic_checks.stays_in_its_own,
    ),
    Invariant(
        names=("S9", "I3"),
        says="writes within a minute are bounded",
        check=traffic_checks.does_not_storm,
    ),
    Invariant(
        names=("I4",),
        says="the pod template of a revision never changes",
        check=traffic_checks.templates_never_change,
        kinds=PODS,
    ),
    Invariant(
        names=("S1", "I1a"),
        says="the weights of a route sum to 100, or 1000, and so on",
        check=traffic_checks.weights_sum_up,
        kinds=ROUTES,
    ),
    Invariant(
        names=("S2", "S3", "S4", "S5", "S10", "I1a", "I1b", "I7"),
        says="a candidate's share rises only with intent, proof, ready endpoints and the finalizer",
        check=traffic_checks.traffic_rises_with_cause,
        kinds=SPLITS,
    ),
    Invariant(
        names=("S17",),
        says="a rollout that switches never has users on both sides",
        check=traffic_checks.users_are_never_mixed,
        kinds=SPLITS,
    ),
    Invariant(
        names=("I7",),
        says="a route is created for one revision alone",
        check=traffic_checks.creations_give_nothing,
        kinds=ROUTES,
    ),
    Invariant(
        names=("S19",),
        says="a Service is known to the proxies before it gets requests, and until it gets none",
        check=handover_checks.backends_are_known,
        kinds=ROUTES,
    ),
    Invariant(
        names=("S19",),
        says="so is a rule that sends testers elsewhere",
        check=handover_checks.rules_keep_their_place,
        kinds=ROUTES,
    ),
    Invariant(
        names=("I4",),
        says="a Service sends to a port that is open in the pods it selects",
        check=traffic_checks.ports_are_open,
        kinds=frozenset({ports.SERVICE, ports.DEPLOYMENT}),
    ),
    Invariant(
        names=("S11",),
        says="a revision that gets mirrored requests answers no user, unless its step asks for both",
        check=traffic_checks.mirrors_answer_nobody,
        kinds=ROUTES,
    ),
    Invariant(
        names=("S5", "I4"),
        says="no revision with traffic loses its pods, and stable never does",
        check=traffic_checks.pods_stay_while_they_serve,
        kinds=PODS,
    ),
    Invariant(
        names=("I4",),
        says="where pods make the split, shrinking leaves enough ready pods",
        check=traffic_checks.capacity_stays,
        kinds=PODS,
    ),
    Invariant(
        names=("S18",),
        says="who lends pods asks for no more than fit",
        check=pool_checks.a_full_pool_gets_no_more_pods,
        kinds=PODS,
    ),
    Invariant(
        names=("I4",),
        says="pods go only a drain after their traffic",
        check=traffic_checks.pods_drain_before_they_go,
        kinds=PODS,
    ),
    Invariant(
        names=("S2", "S4", "S5", "S10", "S11"),
        says="copies go to the running candidate alone, with intent, ready endpoints and the finalizer",
        check=traffic_checks.mirrors_rise_with_cause,
        kinds=ROUTES,
    ),
    Invariant(
        names=("I2",),
        says="a bad revision loses its traffic within the bound",
        check=traffic_checks.bad_revisions_leave_in_time,
        kinds=ROUTES,
    ),
    Invariant(
        names=("S3", "S6", "I1b", "I6"),
        says="a step passes after its hold, on enough requests, and never for a bad revision",
        check=status_checks.steps_pass_on_evidence,
        kinds=STATUS,
    ),
    Invariant(
        names=("S6", "I6"),
        says="only what has passed every step becomes stable",
        check=status_checks.only_proven_revisions_become_stable,
        kinds=STATUS,
    ),
    Invariant(
        names=("S7", "S8"),
        says="generations and epochs never fall; transition times change with the status",
        check=status_checks.status_moves_forward,
        kinds=STATUS,
    ),
    Invariant(
        names=("S4", "I2"),
        says="a rejected revision is not tried again unasked",
        check=status_checks.rejected_stay_rejected,
        kinds=STATUS,
    ),
    Invariant(
        names=("S10", "I5"),
        says="the finalizer goes when stable has all traffic",
        check=status_checks.finalizer_goes_last,
        kinds=STATUS,
    ),
    Invariant(
        names=("I2",),
        says="a rollout ends in status only after its traffic has left",
        check=status_checks.target_goes_first,
        kinds=STATUS,
    ),
    Invariant(
        names=("S3",),
        says="a step is confirmed only when the target gives its weight",
        check=status_checks.weights_are_seen_before_they_count,
        kinds=STATUS,
    ),
    Invariant(
        names=("S8", "I7"),
        says="status names the epoch of its writer",
        check=status_checks.the_epoch_is_the_writers,
        kinds=STATUS,
    ),
    Invariant(
        names=("S13",),
        says="no write moves traffic to a side without ready pods while the other has some",
        check=traffic_checks.nobody_is_sent_to_no_pods,
        kinds=SPLITS,
    ),
    Invariant(
        names=("S14",),
        says="nobody is rejected for a trouble that both versions share",
        check=status_checks.shared_trouble_rejects_nobody,
        kinds=STATUS,
    ),
    Invariant(
        names=("S16",),
        says="a withdrawn candidate comes back, and is not rejected for it",
        check=status_checks.withdrawn_candidates_come_back,
        kinds=STATUS,
    ),
    Invariant(
        names=("S2", "S4", "S5", "S10"),
        says="testers reach a candidate by intent, with ready endpoints and the finalizer",
        check=testers_checks.testers_come_with_cause,
        kinds=ROUTES,
    ),
    Invariant(
        names=("I2", "S10"),
        says="a rollout ends only after its testers have left",
        check=testers_checks.testers_leave_first,
        kinds=STATUS,
    ),
    Invariant(
        names=("S5",),
        says="no revision that answers testers loses its pods",
        check=testers_checks.pods_stay_for_testers,
        kinds=PODS,
    ),
    Invariant(
        names=("I5",),
        says="of a user's route only the weights of two Services change",
        check=user_route.only_weights_change,
        kinds=ROUTES,
    ),
    Invariant(
        names=("S5",),
        says="a Service behind a user's route changes its revision only without weight",
        check=user_route.selectors_move_without_weight,
        kinds=frozenset({ports.SERVICE}),
    ),
    Invariant(
        names=("S2", "S3", "S4", "S5", "S10"),
        says="shares in a user's route rise with cause",
        check=user_route.shares_rise_with_cause,
        kinds=SPLITS,
    ),
    Invariant(
        names=("S5",),
        says="no revision with a share in a user's route loses its pods",
        check=user_route.pods_stay,
        kinds=PODS,
    ),
    Invariant(
        names=("S3", "I2"),
        says="steps and ends are seen in a user's route",
        check=user_route.steps_are_seen,
        kinds=STATUS,
    ),
    Invariant(
        names=("I2",),
        says="a bad revision leaves a user's route in time",
        check=user_route.bad_revisions_leave,
        kinds=SPLITS,
    ),
    Invariant(
        names=("S20",),
        says="users get no more of a candidate while a policy in force forbids it",
        check=policy_checks.nothing_begins_against_a_policy,
        kinds=STATUS,
    ),
    Invariant(
        names=("S20",),
        says="where one rollout may run at once, none begins beside another",
        check=policy_checks.nobody_jumps_the_queue,
        kinds=STATUS,
    ),
    Invariant(
        names=("S20",),
        says="the watch takes away only what it was asked to, and for real errors",
        check=policy_checks.a_watch_takes_away_what_it_was_asked_to,
        kinds=STATUS,
    ),
    Invariant(
        names=("S21",),
        says="what goes back waits for no policy, gate, window, place or circuit breaker",
        check=policy_checks.nothing_back_waits_for_a_policy,
        kinds=STATUS,
    ),
    Invariant(
        names=("S12",),
        says="one record per ended rollout, never changed",
        check=status_checks.records_are_made_once,
        kinds=frozenset({ports.ROLLOUT_RECORD}),
    ),
)
AT_SEND = frozenset({"S15"})  # a pass has waited for the API server alone, whenever it writes
NAMES = frozenset(
    {"I1a", "I1b", "I2", "I3", "I4", "I5", "I6", "I7"} | {f"S{number}" for number in range(1, 22)}
)


@cache
def checks_of(kind: ports.Kind) -> tuple[Check, ...]:
    """What looks at a change of an object of this kind, in the order of the rows."""
    return tuple(it.check for it in INVARIANTS if kind in it.kinds or not it.kinds)
