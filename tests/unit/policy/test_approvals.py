"""What a decision about a gate is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.policy.approvals import (
    BY,
    OVERRIDE,
    Asked,
    approvers,
    expires_at,
    overriding,
    rejected,
    rulings,
)

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW = START + timedelta(minutes=30)
GATE = model.Gate(
    name="board",
    min_approvals=2,
    approver_groups=("ml-risk",),
    not_author=True,
    expires_seconds=3600.0,
)
OPEN = replace(GATE, opened_at=NOW, approved_by=("bob",))
REVISION = model.Revision(hash="8b1c22e9d4", digest="", model_version="2")
NO = model.Decision.REJECT


def rollout(*gates: model.Gate, **changed: Any) -> model.Rollout:
    stage = model.Stage(
        name="p50", weight_percent=50.0, effective_weight_percent=50.0, gates=gates or (GATE,)
    )
    made = model.Rollout(
        id="iris-8b1c22e9d4-2",
        revision=REVISION,
        attempt=2,
        active=True,
        started_at=START,
        progress_at=START,
        plan=(stage,),
    )
    return replace(made, **changed)


def asked(known: model.Rollout | None = None, **changed: Any) -> Asked:
    known = known or rollout()
    closed = tuple(it for stage in known.plan for it in stage.gates if it.opened_at is None)
    return replace(Asked(rollout=known, closed=closed, author="carol"), **changed)


def decision(who: str = "alice", **changed: Any) -> model.Approval:
    made = model.Approval(
        name=f"of-{who}",
        revision=REVISION.hash,
        attempt=2,
        gate="board",
        username=who,
        groups=frozenset({"ml-risk", "all"}),
        created_at=START + timedelta(minutes=10),
    )
    return replace(made, **changed)


def ruling(one: model.Approval, matter: Asked | None = None, at: datetime = NOW) -> model.Ruling:
    return rulings([one], matter or asked(), at=at)[one.name]


LATER, EARLY = NOW + timedelta(hours=9), START - timedelta(minutes=2)
CASES: tuple[tuple[str, model.Approval, Asked, bool, str, str], ...] = (
    ("counts", decision(), asked(), True, "Counted", ""),
    ("a no", decision(decision=NO), asked(), True, "Rejects", ""),
    ("unreadable", decision(problem="spec.gate: is required"), asked(), False, "Invalid", "gate"),
    ("nothing runs", decision(), Asked(rollout=None), False, "NoRollout", "has begun"),
    ("other", decision(revision="0" * 10), asked(), False, "OtherRevision", "8b1c22e9d4"),
    ("attempt", decision(attempt=1), asked(), False, "OtherAttempt", "the last one is 2"),
    ("ended", decision(), asked(rollout(active=False)), False, "RolloutEnded", "delete it"),
    ("ends", decision(), asked(rollout(rollback_by="User")), False, "RolloutEnded", "delete it"),
    ("too early", decision(created_at=EARLY), asked(), False, "TooEarly", "decide again"),
    ("undated", decision(created_at=None), asked(), False, "TooEarly", "decide again"),
    (
        "another clock",
        decision(created_at=START - timedelta(seconds=50)),
        asked(),
        True,
        "Counted",
        "",
    ),
    ("no gate", decision(gate="council"), asked(), False, "NoSuchGate", "(its gates: board)"),
    ("open", decision(), asked(rollout(OPEN)), False, "GateOpen", "tidegate abort"),
    ("late no", decision(decision=NO), asked(rollout(OPEN)), False, "GateOpen", "abort"),
    ("used", decision("bob"), asked(rollout(OPEN)), True, "Used", "followed it"),
    ("used, over", decision("bob"), asked(rollout(OPEN, active=False)), True, "Used", ""),
    ("a no of it", decision("bob", decision=NO), asked(rollout(OPEN)), False, "GateOpen", ""),
    ("unverified", decision(), asked(problem="who?"), False, "ApproverUnverified", "who?"),
    (
        "a no of nobody",
        decision(decision=NO),
        asked(problem="who?"),
        False,
        "ApproverUnverified",
        "",
    ),
    ("stranger", decision(groups=frozenset({"all"})), asked(), False, "NotInGroup", "ml-risk"),
    ("his no", decision(groups=frozenset(), decision=NO), asked(), False, "NotInGroup", "alice"),
    ("author", decision("carol"), asked(), False, "IsAuthor", "somebody else"),
    ("author's no", decision("carol", decision=NO), asked(), True, "Rejects", ""),
    ("whose?", decision(), asked(author=""), False, "AuthorUnknown", "tidegate.dev/author"),
    ("any gate", decision("carol"), asked(rollout(model.Gate(name="board"))), True, "Counted", ""),
    ("own end", decision(expires_at=NOW), asked(), False, "Expired", "2026-11-20 12:30"),
    ("a no is for ever", decision(decision=NO, expires_at=NOW), asked(), True, "Rejects", ""),
)


@pytest.mark.parametrize(
    ("one", "matter", "counts", "reason", "says"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_what_a_decision_is_worth(
    one: model.Approval, matter: Asked, *, counts: bool, reason: str, says: str
) -> None:
    found = ruling(one, matter)
    assert (found.counts, found.reason) == (counts, reason)
    assert says in found.message
    assert counts or found.message, "who is not heard is told why"


def test_a_rejection_that_ended_the_rollout_says_so_and_no_other_does() -> None:
    one, other = decision(decision=NO), decision("bob", decision=NO)
    matter = asked(rollout(rollback_by=BY, rollback_reason=f"{rejected(one)}: drift", active=False))
    assert ruling(one, matter).reason == "Used"
    assert ruling(other, matter).reason == "RolloutEnded"


@pytest.mark.parametrize(
    ("after", "reason"), [(timedelta(minutes=69), "Counted"), (timedelta(minutes=70), "Expired")]
)
def test_an_approval_counts_as_long_as_the_gate_says(after: timedelta, reason: str) -> None:
    assert ruling(decision(), at=START + after).reason == reason


@pytest.mark.parametrize(
    ("one", "gate", "ends"),
    [
        (decision(), GATE, START + timedelta(minutes=70)),
        (decision(expires_at=NOW), GATE, NOW),
        (decision(expires_at=LATER), GATE, START + timedelta(minutes=70)),
        (decision(), model.Gate(name="board"), None),
        (decision(created_at=None), GATE, None),
    ],
)
def test_the_first_end_is_the_end(
    one: model.Approval, gate: model.Gate, ends: datetime | None
) -> None:
    assert expires_at(one, gate) == ends


def test_everybody_counts_once_for_a_gate() -> None:
    given_ = [decision(), decision(name="again"), decision("bob"), decision("carol")]
    found = rulings(given_, asked(), at=NOW)
    assert {name: it.reason for name, it in found.items()} == {
        "again": "Counted",
        "of-alice": "Duplicate",
        "of-bob": "Counted",
        "of-carol": "IsAuthor",
    }
    assert approvers(GATE, given_, asked(), at=NOW) == ("alice", "bob")


def test_a_name_of_two_gates_is_heard_by_each_on_its_own_terms() -> None:
    loose = model.Gate(name="board")
    matter = asked(rollout(GATE, loose))
    stranger = decision("mallory", groups=frozenset({"all"}))
    assert ruling(stranger, matter).reason == "Counted"
    assert approvers(loose, [stranger], matter, at=NOW) == ("mallory",)
    assert approvers(GATE, [stranger], matter, at=NOW) == ()
    no = decision("mallory", groups=frozenset({"all"}), decision=NO)
    assert approvers(loose, [no], matter, at=NOW) == ()


WHO = st.sampled_from(["alice", "bob", "carol"])
DECISIONS = st.lists(
    st.builds(
        decision,
        WHO,
        name=st.sampled_from(["a", "b", "c", "d"]),
        decision=st.sampled_from(list(model.Decision)),
        groups=st.sampled_from([frozenset({"ml-risk"}), frozenset({"all"})]),
        expires_at=st.sampled_from([None, NOW, LATER]),
        attempt=st.sampled_from([1, 2]),
    ),
    unique_by=lambda it: it.name,
    max_size=4,
)


@given(DECISIONS, st.sampled_from(["", "carol"]), st.randoms())
def test_order_changes_nothing_and_more_time_makes_nobody_heard(
    given_: list[model.Approval], author: str, dice: Any
) -> None:
    matter = asked(author=author)
    mixed = [*given_]
    dice.shuffle(mixed)
    found = rulings(given_, matter, at=NOW)
    assert rulings(mixed, matter, at=NOW) == found
    now = set(approvers(GATE, given_, matter, at=NOW))
    assert set(approvers(GATE, mixed, matter, at=LATER)) <= now
    assert author not in now
    counted = {it.username for it in given_ if found[it.name].reason == "Counted"}
    assert counted == now, "who is told that he counts is counted"


# --- a rollout that is let through its policies --------------------------------------------------


def through(who: str = "dana", **changed: Any) -> model.Approval:
    terms = {"gate": OVERRIDE, "groups": frozenset({"oncall"}), "comment": "an outage", **changed}
    return decision(who, **terms)


@pytest.mark.parametrize(
    ("one", "passes"),
    [
        (through(), True),
        (through(comment=" "), False),
        (through(groups=frozenset({"ml-risk"})), False),
        (through(decision=NO), False),
        (through(gate="board"), False),
        (through(expires_at=NOW), False),
    ],
)
def test_who_lets_a_rollout_through(one: model.Approval, *, passes: bool) -> None:
    found = overriding({"oncall", "sre"}, [one], asked(), at=NOW)
    assert (found is one) is passes
    assert overriding((), [one], asked(), at=NOW) is None


def test_the_first_by_name_lets_it_through() -> None:
    both = [through("erin"), through("dana")]
    found = overriding({"oncall"}, both, asked(), at=NOW)
    assert found is not None
    assert found.username == "dana"


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        (through(), "Duplicate"),
        (through("erin"), "Used"),
        (through(comment=""), "NoComment"),
        (through(decision=NO), "NoSuchGate"),
        (through(attempt=1), "OtherAttempt"),
    ],
)
def test_what_it_is_worth(one: model.Approval, reason: str) -> None:
    passed = model.Override(policy="RolloutPolicy/p", by="erin", at=NOW, comment="an outage")
    matter = asked(rollout(overrides=(passed,)))
    ruling = rulings([one], matter, at=NOW)[one.name]
    assert ruling.reason == reason
    assert ruling.counts is (reason == "Used")


def test_nobody_was_heard_yet() -> None:
    found = ruling(through())
    assert (found.counts, found.reason) == (False, "NotOverridden")
    assert "no policy that holds this rollout names a group of dana" in found.message


@pytest.mark.parametrize(
    ("applied", "reason"),
    [
        (("p",), "Duplicate"),
        (("p", "q"), "Duplicate"),
        (("p", "q", "r"), "NotOverridden"),  # dana may be among those that r asks
    ],
)
def test_others_were_faster(applied: tuple[str, ...], reason: str) -> None:
    passed = tuple(
        model.Override(policy=f"RolloutPolicy/{name}", by=who, at=NOW, comment="an outage")
        for name, who in (("p", "erin"), ("q", "frank"))
    )
    sources = tuple(f"RolloutPolicy/{name}@7" for name in applied)
    found = ruling(through(), asked(rollout(overrides=passed, policies=sources)))
    assert (found.counts, found.reason) == (False, reason)
    already = (
        "the rollout was let through RolloutPolicy/p by erin, RolloutPolicy/q by frank already"
    )
    assert found.message.startswith(already)
    assert ("no other policy that holds it names a group of dana" in found.message) is (
        reason == "NotOverridden"
    )
