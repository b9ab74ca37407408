from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from json_values import ANY_JSON
from status_examples import FULL_STATUS, NOON

from tidegate import model
from tidegate.api import convert, crdgen, status
from tidegate.api.shapes.schema import schema_of

TEXTS = st.text(st.characters(codec="utf-8"), max_size=50)
TIMES = st.datetimes(timezones=st.just(UTC))
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SECONDS = st.integers(0, 99_999 * 3_600_000).map(lambda milliseconds: milliseconds / 1000)

st.register_type_strategy(str, TEXTS)
st.register_type_strategy(datetime, TIMES)
st.register_type_strategy(float, NUMBERS)
st.register_type_strategy(
    model.Stage, st.builds(model.Stage, hold_seconds=SECONDS, deadline_seconds=SECONDS)
)
TESTERS_WRITTEN = [
    {
        "name": "testers",
        "headers": [
            {"name": "cookie", "value": "^a=.*$", "match": "RegularExpression"},
            {"name": "x-tester", "value": "1"},
        ],
    }
]
ISO = "2026-11-20T12:00:00Z"
HEALTH = ("status.health.message: must be a text",)
STATUSES = st.builds(
    model.Status,
    conditions=st.lists(
        st.from_type(model.Condition), max_size=16, unique_by=lambda it: it.type
    ).map(tuple),
)


@given(status=STATUSES)
def test_status_survives_writing_and_reading(status: model.Status) -> None:
    document = json.loads(json.dumps(convert.write_status(status)))
    assert convert.read_status(document) == status


@given(status=STATUSES)
def test_written_status_has_no_nulls(status: model.Status) -> None:
    assert None not in list(_leaves(convert.write_status(status)))


def _leaves(node: Any) -> Any:
    if isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _leaves(item)
    else:
        yield node


def test_example_sets_every_field_of_the_schema() -> None:
    written = convert.write_status(FULL_STATUS)
    assert _missing(crdgen.structural(schema_of(model.Status)), written, "status") == []


def _missing(schema: dict[str, Any], value: Any, path: str) -> list[str]:
    if value is None:
        return [path]
    if schema["type"] == "array":
        return _missing(schema["items"], value[0], f"{path}[0]")
    members = schema.get("properties", {})
    return [
        it for name in members for it in _missing(members[name], value.get(name), f"{path}.{name}")
    ]


def test_empty_status_is_what_nothing_says() -> None:
    assert convert.read_status(None) == model.Status()
    assert convert.read_status(convert.write_status(model.Status())) == model.Status()


@pytest.mark.parametrize(
    ("instant", "text"),
    [
        (NOON, "2026-11-20T12:00:00Z"),
        (NOON + timedelta(milliseconds=250), "2026-11-20T12:00:00.250000Z"),
        (NOON.astimezone(timezone(timedelta(hours=5))), "2026-11-20T12:00:00Z"),
    ],
)
def test_times_are_written_in_utc(instant: datetime, text: str) -> None:
    status = model.Status(retiring=(model.Retiring(revision="a", scale_down_at=instant),))
    assert convert.write_status(status)["retiring"][0]["scaleDownAt"] == text


def test_durations_and_shares_are_written_as_people_write_them() -> None:
    rollout = convert.write_status(FULL_STATUS)["rollout"]
    assert rollout["plan"][0] == {
        "name": "p12",
        "kind": "Live",
        "control": "Concurrent",
        "weight": 12.5,
        "effectiveWeight": 16.666666666666668,
        "mirror": 2.5,
        "routes": TESTERS_WRITTEN,
        "preview": True,
        "smokeTest": True,
        "isolated": True,
        "awaitsRequest": True,
        "keptPercent": 25,
        "hold": "1m30s250ms",
        "deadline": "2h",
        "minRequests": 500,
        "gates": [
            {
                "name": "risk-board",
                "minApprovals": 2,
                "approverGroups": ["ml-risk"],
                "notAuthor": True,
                "expiresAfter": "48h",
                "openedAt": "2026-11-20T12:00:00Z",
                "approvedBy": ["alice", "bob"],
                "policies": ["ClusterRolloutPolicy/production"],
            }
        ],
        "metrics": [{"name": "errors", "threshold": {"min": 0.01, "max": 0.05}}],
        "agreement": {
            "templateRef": {"kind": "MetricTemplate", "name": "pairs"},
            "reference": "Human",
            "threshold": {"min": 0.98, "max": 0.999},
            "minPairs": 5000,
        },
        "baseline": [{"name": "p95", "edge": 0.25, "total": 8000, "bad": 40, "limit": 0.025}],
        "replicas": 3,
        "replicasPercent": 12.5,
        "state": "Active",
        "startedAt": "2026-11-20T12:00:00Z",
        "confirmedAt": "2026-11-20T12:00:01.500000Z",
        "endedAt": "2026-11-20T12:03:00Z",
        "endedBy": "User",
        "evidence": rollout["plan"][0]["evidence"],
    }
    assert rollout["plan"][1]["hold"] == "0s"
    assert rollout["traffic"] == {
        "stable": 87.5,
        "candidate": 12.5,
        "mirror": 5,
        "routes": TESTERS_WRITTEN,
        "preview": True,
        "observedCandidate": 12.25,
        "observedMirror": 2.375,
    }


def test_whole_numbers_are_written_as_integers() -> None:
    plan = convert.write_status(FULL_STATUS)["rollout"]["plan"]
    assert json.dumps(plan[1]["weight"]) == "50"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_number_that_json_cannot_say_is_left_out(value: float) -> None:
    result = model.MetricResult(name="m", outcome=model.Outcome.ERROR, value=value, edge=value)
    (written,) = convert.write_status(model.Status(analysis=(result,)))["analysis"]
    assert not {"value", "edge"} & set(written)


def test_a_word_of_an_enum_is_written_as_a_plain_text() -> None:
    told = replace(FULL_STATUS.conditions[0], reason=model.PreflightReason.NO_SOURCE)
    written = convert.write_status(replace(FULL_STATUS, conditions=(told,)))
    assert type(written["conditions"][0]["reason"]) is str
    assert type(written["phase"]) is str


def test_long_texts_and_lists_are_cut_to_the_limits_of_the_schema() -> None:
    many = tuple(
        replace(FULL_STATUS.rejected[0], revision=str(index), reason="x" * 5000)
        for index in range(80)
    )
    status = replace(FULL_STATUS, rejected=many, message="\ud800" + "y" * 5000)
    written = convert.write_status(status)
    assert len(written["rejectedRevisions"]) == 50
    assert written["rejectedRevisions"][0]["revision"] == "0"
    assert len(written["rejectedRevisions"][0]["reason"]) == 1024
    assert written["message"] == "?" + "y" * 1023
    assert convert.write_status(convert.read_status(written)) == written


def test_the_longest_name_of_a_policy_is_kept_whole() -> None:
    """What is cut is another policy to whoever looks for it in what was written down."""
    policy = model.Policy(kind="ClusterRolloutPolicy", name="p" * 253, generation=2**63 - 1)
    named, source = policy.id, policy.source
    default = model.DefaultValue(field="analysis.warmup", value="2m", policy=named)
    violation = model.PolicyViolation(
        rule="minBake", policy=named, action=model.EnforcementAction.WARN
    )
    full = FULL_STATUS.rollout
    assert full is not None
    rollout = replace(
        full,
        policies=(source,),
        defaults=(default,),
        overrides=(model.Override(policy=named, by="dana", at=NOON, comment="an outage"),),
        plan=(replace(full.plan[0], gates=(model.Gate(name="g", policies=(named,)),)),),
    )
    state = model.PolicyState(sources=(source,), violations=(violation,), defaults=(default,))
    status = replace(FULL_STATUS, rollout=rollout, policy=state)
    assert convert.read_status(convert.write_status(status)) == status


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"phase": "Thawed", "epoch": 1}, model.Status()),
        ({"phase": "Healthy", "futureField": {"a": 1}}, model.Status(phase=model.Phase.HEALTHY)),
        ({"message": None, "phase": "Healthy"}, model.Status(phase=model.Phase.HEALTHY)),
        ({"message": 7, "phase": "Healthy"}, model.Status(phase=model.Phase.HEALTHY)),
        ({"observedGeneration": "7", "controller": {"epoch": 4}}, model.Status(epoch=4)),
        ({"conditions": "junk", "controller": {"epoch": 4}}, model.Status(epoch=4)),
        ({"desired": {"modelVersion": "1"}, "controller": {"epoch": 4}}, model.Status(epoch=4)),
        ({"rollout": {"id": "x"}, "controller": {"epoch": 4}}, model.Status(epoch=4)),
    ],
)
def test_broken_member_takes_only_itself_away(
    document: dict[str, Any], expected: model.Status
) -> None:
    assert convert.read_status(document) == expected


@pytest.mark.parametrize(
    ("change", "losses"),
    [
        ({}, ()),
        ({"futureField": 1}, ("status.futureField: unknown",)),
        ({"controller": {"epoch": 12, "name": "x"}}, ("status.controller.name: unknown",)),
        ({"health": "fine"}, ("status.health.status: must be a text", *HEALTH)),
        ({"observedGeneration": True}, ("status.observedGeneration: must be a whole number",)),
        ({"served": ["a", 7]}, ("status.served[1]: must be a text",)),
        ({"desired": {"digest": "x"}}, ("status.desired.revision: must be given",)),
        (
            {"stable": {"revision": "a", "replicas": 1.5, "color": "blue"}},
            ("status.stable.color: unknown", "status.stable.replicas: must be a whole number"),
        ),
    ],
)
def test_what_was_not_read_is_named(change: dict[str, Any], losses: tuple[str, ...]) -> None:
    _, found = status.read_with_losses(convert.write_status(FULL_STATUS) | change)
    assert found == losses


@pytest.mark.parametrize(
    ("path", "value", "loss"),
    [
        ("plan", "junk", "status.rollout.plan: must be a list"),
        ("plan", [{"name": "p"}], "status.rollout.plan[0].weight: must be given"),
        ("traffic", {"stable": 100}, "status.rollout.traffic.candidate: must be given"),
        ("traffic", 7, "status.rollout.traffic: must be an object"),
        ("active", "yes", "status.rollout.active: must be true or false"),
        ("step", {"index": 0}, "status.rollout.step.name: must be given"),
        ("startedAt", "soon", "status.rollout.startedAt: must be a time such as " + ISO),
    ],
)
def test_a_rollout_without_what_decides_is_none(path: str, value: object, loss: str) -> None:
    written = convert.write_status(FULL_STATUS)
    written["rollout"] |= {path: value}
    found, losses = status.read_with_losses(written)
    assert found == replace(FULL_STATUS, rollout=None)
    assert losses == (loss,)


@pytest.mark.parametrize(
    ("path", "value", "field", "default", "loss"),
    [
        ("rollbackBy", 7, "rollback_by", "", "rollbackBy: must be a text"),
        ("evidenceDigest", {}, "evidence_digest", "", "evidenceDigest: must be a text"),
        ("judgedSince", "x", "judged_since", None, "judgedSince: must be a time such as " + ISO),
    ],
)
def test_a_rollout_without_what_only_tells_stays_one(
    path: str, value: object, field: str, default: object, loss: str
) -> None:
    written = convert.write_status(FULL_STATUS)
    written["rollout"] |= {path: value}
    found, losses = status.read_with_losses(written)
    assert FULL_STATUS.rollout is not None
    assert found.rollout == replace(FULL_STATUS.rollout, **{field: default})  # type: ignore[arg-type]
    assert losses == (f"status.rollout.{loss}",)


def test_a_status_of_an_older_release_is_read_without_loss() -> None:
    written = convert.write_status(FULL_STATUS)
    for name in ("digest", "attempt", "modelVersion", "plan", "step", "traffic"):
        del written["rollout"][name]
    found, losses = status.read_with_losses(written)
    assert losses == ()
    assert found.rollout is not None
    assert (found.rollout.attempt, found.rollout.plan) == (1, ())


def test_a_broken_judgement_of_a_step_takes_only_itself_away() -> None:
    written = convert.write_status(FULL_STATUS)
    (judged,) = written["rollout"]["plan"][0]["evidence"]
    written["rollout"]["plan"][0]["evidence"] = [judged | {"outcome": "Splendid"}, judged]
    found, losses = status.read_with_losses(written)
    assert found == FULL_STATUS
    words = "Pass, Fail, Inconclusive, NoData, Error"
    assert losses == (f"status.rollout.plan[0].evidence[0].outcome: must be one of {words}",)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"revision": "b", "scaleDownAt": "soon"},
        {"revision": "b", "scaleDownAt": "0001-01-01T00:00:00+14:00"},
        {"revision": "b", "scaleDownAt": "2026-11-20T12:00:00"},
        7,
    ],
)
def test_broken_item_takes_only_itself_away(broken: object) -> None:
    written = convert.write_status(FULL_STATUS)
    written["retiring"].insert(0, broken)
    assert convert.read_status(written) == FULL_STATUS


def test_repeated_condition_is_left_out() -> None:
    written = convert.write_status(FULL_STATUS)
    written["conditions"].insert(0, 7)
    written["conditions"].append(written["conditions"][1] | {"status": "True"})
    assert convert.read_status(written) == FULL_STATUS


MEMBERS = sorted(convert.write_status(FULL_STATUS))
ROLLOUT_MEMBERS = sorted(convert.write_status(FULL_STATUS)["rollout"])


@given(member=st.sampled_from(MEMBERS), value=ANY_JSON)
def test_any_json_in_a_member_gives_a_status(member: str, value: object) -> None:
    convert.read_status(convert.write_status(FULL_STATUS) | {member: value})


@given(member=st.sampled_from(ROLLOUT_MEMBERS), value=ANY_JSON)
def test_any_json_in_the_rollout_leaves_the_rest(member: str, value: object) -> None:
    written = convert.write_status(FULL_STATUS)
    written["rollout"] |= {member: value}
    status = convert.read_status(written)
    assert replace(status, rollout=FULL_STATUS.rollout) == FULL_STATUS


@given(document=ANY_JSON)
def test_any_json_at_all_gives_a_status(document: object) -> None:
    assert isinstance(convert.read_status(document), model.Status)
