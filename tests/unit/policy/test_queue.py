"""Who may begin where policies limit how many rollouts run at once: by age, and never more than that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_examples import policy

from tidegate import model
from tidegate.api import policies
from tidegate.policy import queue

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
_A = model.EnforcementAction


def limit(most: int = 1, *, policy: str = "p", namespace: str = "", **more: object) -> model.Limit:
    return model.Limit(policy=policy, member="m", namespace=namespace, most=most, **more)  # type: ignore[arg-type]


def entrant(name: str, minute: int, *limits: model.Limit, namespace: str = "ml") -> model.Entrant:
    begun = NOON + timedelta(minutes=minute)
    return model.Entrant(namespace=namespace, name=name, started_at=begun, limits=limits)


ONE, TWO = limit(1), limit(2)
A, B, C = (entrant(name, minute, ONE) for minute, name in enumerate("abc"))


@pytest.mark.parametrize(
    ("running", "waiting", "of", "ahead"),
    [
        ((), (), A, None),
        ((), (A,), A, None),
        ((B,), (A,), A, 0),
        ((), (A, B), B, 1),  # the older one takes the place in its next pass
        ((A,), (B, C), C, 1),
        ((A,), (B, C), B, 0),
        ((A,), (), A, None),  # its own place is not in its way
        ((A,), (B,), replace(C, limits=()), None),  # nobody counts it
        ((), (replace(C, started_at=A.started_at), B), A, None),  # of one age the name decides
        ((), (A, B), replace(A, started_at=C.started_at), 1),  # it began anew, and is last
    ],
)
def test_a_place(
    running: tuple[model.Entrant, ...],
    waiting: tuple[model.Entrant, ...],
    of: model.Entrant,
    ahead: int | None,
) -> None:
    found = queue.full_for(of, model.Queue(running=running, waiting=waiting))
    assert (found.ahead if found is not None else None) == ahead


def test_a_full_namespace_keeps_no_other_back() -> None:
    """The oldest waits for its own namespace; the place of the cluster goes to the next one."""
    cluster = limit(2)
    ml, lab = (limit(1, policy="own", namespace=it) for it in ("ml", "lab"))
    first = entrant("first", 0, ml, cluster)
    waits = entrant("waits", 1, ml, cluster)
    other = entrant("other", 2, lab, cluster, namespace="lab")
    at = model.Queue(running=(first,), waiting=(waits, other))
    assert queue.next_ones(at) == [other]
    assert queue.full_for(other, at) is None
    found = queue.full_for(waits, at)
    assert found is not None
    assert (found.limit, found.ahead) == (ml, 0)


def test_a_limit_that_is_only_told_holds_nobody() -> None:
    told = limit(1, action=_A.WARN)
    of = entrant("b", 1, told)
    at = model.Queue(running=(entrant("a", 0, told),), waiting=(of,))
    assert queue.full_for(of, at) is None
    assert queue.exceeded(of, at) == [told]
    assert queue.exceeded(of, model.EMPTY_QUEUE) == []
    assert queue.exceeded(entrant("b", 1, ONE), model.Queue(running=(A,))) == []


def test_limits_of_one_policy_in_a_namespace() -> None:
    spec = {"constraints": {"maxConcurrentRollouts": {"perNamespace": 2, "perCluster": 10}}}
    for cluster, everywhere in ((True, ""), (False, "ml")):
        read, _ = policies.read_policy(policy(spec, cluster=cluster))
        found = [(it.member, it.namespace, it.most, it.holds) for it in queue.limits_of(read, "ml")]
        assert found == [("perNamespace", "ml", 2, True), ("perCluster", everywhere, 10, True)]


def test_what_is_tried_out_has_its_own_action_and_what_cannot_be_read_none() -> None:
    spec = {"constraints": {"maxConcurrentRollouts": {"perCluster": 1}}}
    actions = [{"rule": "maxConcurrentRollouts", "action": "Audit"}]
    read, _ = policies.read_policy(policy(spec | {"ruleActions": actions}))
    assert [it.action for it in queue.limits_of(read, "ml")] == [_A.AUDIT]
    assert list(queue.limits_of(replace(read, problem="no such zone"), "ml")) == []


# --- whatever the order --------------------------------------------------------------------------

LIMITS = st.lists(
    st.builds(
        limit,
        st.integers(1, 3),
        policy=st.just("p"),
        namespace=st.sampled_from(["", "ml", "lab"]),
    ),
    unique_by=lambda it: it.namespace,
    max_size=3,
)


@st.composite
def queues(draw: st.DrawFn) -> model.Queue:
    """Each limit has one number, whoever it counts."""
    known = draw(LIMITS)
    made = [
        entrant(f"m{number}", draw(st.integers(0, 5)), *draw(st.sets(st.sampled_from(known))))
        if known
        else entrant(f"m{number}", number)
        for number in range(draw(st.integers(0, 8)))
    ]
    cut = draw(st.integers(0, len(made)))
    waiting = sorted(made[cut:], key=lambda it: it.place)
    return model.Queue(running=tuple(made[:cut]), waiting=tuple(waiting))


def taken(entrants: list[model.Entrant], of: model.Limit) -> int:
    return sum(of in it.limits for it in entrants)


@given(at=queues())
def test_all_who_may_begin_together_go_beyond_nothing(at: model.Queue) -> None:
    chosen = [it for it in at.waiting if queue.full_for(it, at) is None]
    assert chosen == queue.next_ones(at)
    for one in chosen:
        for its in one.limits:
            assert taken([*at.running, *chosen], its) <= max(its.most, taken([*at.running], its))


@given(at=queues())
def test_whoever_waits_has_a_full_limit_and_the_oldest_is_served_first(at: model.Queue) -> None:
    begun = queue.next_ones(at)
    for one in at.waiting:
        found = queue.full_for(one, at)
        if found is None:
            continue
        older = [it for it in begun if it.place < one.place]
        assert taken([*at.running, *older], found.limit) >= found.limit.most
        assert found.ahead <= len([it for it in at.waiting if it.place < one.place])
