"""The safety invariants as rows (reliability.md, 1; architecture.md, S1 to S11).

S12 is records; S13, S14 and S16 are house.md, H6; S15 is H4; S17 is H5.

A new strategy, data plane or policy adds rows. Each row is checked at every committed change; what
holds only at rest, or when a request is sent, stands in `judge.py` under the same names.
"""

from __future__ import annotations

from dataclasses import dataclass

from tests.sim import status_checks, testers_checks, traffic_checks, user_route
from tests.sim.oracle import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Invariant:
    """One check with the names that it stands for."""

    names: tuple[str, ...]
    says: str
    check: Check


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
    ),
    Invariant(
        names=("S1", "I1a"),
        says="the weights of a route sum to 100, or 1000, and so on",
        check=traffic_checks.weights_sum_up,
    ),
    Invariant(
        names=("S2", "S3", "S4", "S5", "S10", "I1a", "I1b", "I7"),
        says="a candidate's share rises only with intent, proof, ready endpoints and the finalizer",
        check=traffic_checks.traffic_rises_with_cause,
    ),
    Invariant(
        names=("S17",),
        says="a rollout that switches never has users on both sides",
        check=traffic_checks.users_are_never_mixed,
    ),
    Invariant(
        names=("I7",),
        says="a route is created for one revision alone",
        check=traffic_checks.creations_give_nothing,
    ),
    Invariant(
        names=("I4",),
        says="a Service sends to a port that is open in the pods it selects",
        check=traffic_checks.ports_are_open,
    ),
    Invariant(
        names=("S11",),
        says="a revision that gets mirrored requests answers no user",
        check=traffic_checks.mirrors_answer_nobody,
    ),
    Invariant(
        names=("S5", "I4"),
        says="no revision with traffic loses its pods, and stable never does",
        check=traffic_checks.pods_stay_while_they_serve,
    ),
    Invariant(
        names=("I4",),
        says="where pods make the split, shrinking leaves enough ready pods",
        check=traffic_checks.capacity_stays,
    ),
    Invariant(
        names=("I4",),
        says="pods go only a drain after their traffic",
        check=traffic_checks.pods_drain_before_they_go,
    ),
    Invariant(
        names=("S2", "S4", "S5", "S10", "S11"),
        says="copies go to the running candidate alone, with intent, ready endpoints and the finalizer",
        check=traffic_checks.mirrors_rise_with_cause,
    ),
    Invariant(
        names=("I2",),
        says="a bad revision loses its traffic within the bound",
        check=traffic_checks.bad_revisions_leave_in_time,
    ),
    Invariant(
        names=("S3", "S6", "I1b", "I6"),
        says="a step passes after its hold, on enough requests, and never for a bad revision",
        check=status_checks.steps_pass_on_evidence,
    ),
    Invariant(
        names=("S6", "I6"),
        says="only what has passed every step becomes stable",
        check=status_checks.only_proven_revisions_become_stable,
    ),
    Invariant(
        names=("S7", "S8"),
        says="generations and epochs never fall; transition times change with the status",
        check=status_checks.status_moves_forward,
    ),
    Invariant(
        names=("S4", "I2"),
        says="a rejected revision is not tried again unasked",
        check=status_checks.rejected_stay_rejected,
    ),
    Invariant(
        names=("S10", "I5"),
        says="the finalizer goes when stable has all traffic",
        check=status_checks.finalizer_goes_last,
    ),
    Invariant(
        names=("I2",),
        says="a rollout ends in status only after its traffic has left",
        check=status_checks.target_goes_first,
    ),
    Invariant(
        names=("S3",),
        says="a step is confirmed only when the target gives its weight",
        check=status_checks.weights_are_seen_before_they_count,
    ),
    Invariant(
        names=("S8", "I7"),
        says="status names the epoch of its writer",
        check=status_checks.the_epoch_is_the_writers,
    ),
    Invariant(
        names=("S13",),
        says="no write moves traffic to a side without ready pods while the other has some",
        check=traffic_checks.nobody_is_sent_to_no_pods,
    ),
    Invariant(
        names=("S14",),
        says="nobody is rejected for a trouble that both versions share",
        check=status_checks.shared_trouble_rejects_nobody,
    ),
    Invariant(
        names=("S16",),
        says="a withdrawn candidate comes back, and is not rejected for it",
        check=status_checks.withdrawn_candidates_come_back,
    ),
    Invariant(
        names=("S2", "S4", "S5", "S10"),
        says="testers reach a candidate by intent, with ready endpoints and the finalizer",
        check=testers_checks.testers_come_with_cause,
    ),
    Invariant(
        names=("I2", "S10"),
        says="a rollout ends only after its testers have left",
        check=testers_checks.testers_leave_first,
    ),
    Invariant(
        names=("S5",),
        says="no revision that answers testers loses its pods",
        check=testers_checks.pods_stay_for_testers,
    ),
    Invariant(
        names=("I5",),
        says="of a user's route only the weights of two Services change",
        check=user_route.only_weights_change,
    ),
    Invariant(
        names=("S5",),
        says="a Service behind a user's route changes its revision only without weight",
        check=user_route.selectors_move_without_weight,
    ),
    Invariant(
        names=("S2", "S3", "S4", "S5", "S10"),
        says="shares in a user's route rise with cause",
        check=user_route.shares_rise_with_cause,
    ),
    Invariant(
        names=("S5",),
        says="no revision with a share in a user's route loses its pods",
        check=user_route.pods_stay,
    ),
    Invariant(
        names=("S3", "I2"),
        says="steps and ends are seen in a user's route",
        check=user_route.steps_are_seen,
    ),
    Invariant(
        names=("I2",),
        says="a bad revision leaves a user's route in time",
        check=user_route.bad_revisions_leave,
    ),
    Invariant(
        names=("S12",),
        says="one record per ended rollout, never changed",
        check=status_checks.records_are_made_once,
    ),
)
AT_SEND = frozenset({"S15"})  # a pass has waited for the API server alone, whenever it writes
NAMES = frozenset(
    {"I1a", "I1b", "I2", "I3", "I4", "I5", "I6", "I7"} | {f"S{number}" for number in range(1, 18)}
)
