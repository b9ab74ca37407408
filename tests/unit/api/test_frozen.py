"""ControllerRevisions: what is frozen is read back, and stands in for a spec that is broken."""

from __future__ import annotations

import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from api_examples import FULL, SMALLEST, place
from hypothesis import given
from json_values import ANY_JSON

from tidegate import model
from tidegate.api import convert, effective, frozen, revision
from tidegate.model import objects
from tidegate.revisions import render

META = convert.read_meta({**FULL, "metadata": {**FULL["metadata"], "uid": "uid-1"}})


START = datetime(2026, 11, 20, tzinfo=UTC)


def spec_of(body: dict[str, Any]) -> model.Spec:
    spec, violations = convert.read_spec(body)
    assert spec is not None, violations
    return spec


def frozen_of(body: dict[str, Any]) -> model.FrozenRevision:
    return render.freeze(META, spec_of(body), revision.revision_of(body))


def rollout_of(body: dict[str, Any], *, attempt: int = 2) -> model.FrozenRollout:
    wanted = revision.revision_of(body)
    rollout = model.Rollout(
        id=f"{META.name}-{wanted.hash}-{attempt}",
        revision=wanted,
        attempt=attempt,
        active=True,
        started_at=START,
        progress_at=START,
        plan=(),
        from_revision="0123456789",
    )
    stored = json.loads(json.dumps(frozen.write_rollout(META, rollout, spec=body["spec"])))
    found = frozen.read_rollout(stored)
    assert found is not None
    return found


@pytest.mark.parametrize("body", [SMALLEST, FULL], ids=["smallest", "full"])
def test_a_revision_is_read_back(body: dict[str, Any]) -> None:
    made = frozen_of(body)
    stored = json.loads(json.dumps(frozen.write_revision(META, made)))
    found = frozen.read_revision(stored)
    assert found == model.FrozenRevision(
        revision=made.revision,
        model=made.model,
        server=made.server,
        port=made.port,
        template=json.loads(json.dumps(made.template)),
    )
    assert objects.is_controlled_by(stored, uid=META.uid)
    assert stored["metadata"]["name"] == f"{META.name}-{made.revision.hash}"
    assert frozen.read_rollout(stored) is None


def test_without_its_template_it_still_says_how_it_is_reached_and_read() -> None:
    stored = frozen.write_revision(META, frozen_of(FULL))
    slim = frozen.read_revision({**stored, "data": frozen.slim_data(stored["data"])})
    assert slim is not None
    assert slim.template == {}
    assert (slim.port, slim.server) == (frozen_of(FULL).port, spec_of(FULL).server)


def test_a_rollout_is_read_back_without_its_template() -> None:
    found = rollout_of(FULL)
    assert (found.attempt, found.from_revision) == (2, "0123456789")
    assert found.name == f"{META.name}-{revision.revision_of(FULL).hash}-2"
    assert "template" not in found.spec["workload"]
    assert found.spec["analysis"] == revision.canonical(FULL["spec"]["analysis"])


@given(data=ANY_JSON)
def test_whatever_stands_in_its_data_reads_as_nothing_or_something(data: object) -> None:
    for component in (frozen.REVISION, frozen.ROLLOUT):
        labels = {"app.kubernetes.io/component": component}
        body = {"metadata": {"name": "x", "labels": labels}, "data": data}
        frozen.read_revision(body)
        frozen.read_rollout(body)


# --- standing in for what is broken ----------------------------------------------------------------

BROKEN: list[tuple[str, object, str]] = [
    ("spec.analysis.minRequests", "many", "analysis"),
    ("spec.analysis", 5, "analysis"),
    ("spec.strategy.canary.steps", [], "strategy"),
    ("spec.traffic.provider", "Pigeon", "traffic"),
    ("spec.server.preset", "TorchServe", "server"),
    ("spec.progressDeadline", "soon", "progressDeadline"),
    ("spec.rollback", [], "rollback"),
]


@pytest.mark.parametrize(("path", "value", "part"), BROKEN)
def test_only_the_broken_part_is_as_it_was_frozen(path: str, value: object, part: str) -> None:
    edited = place(place(copy.deepcopy(FULL), "spec.revisionHistoryLimit", 3), path, value)
    _, violations = convert.read_spec(edited)
    parts = effective.parts_of(violations)
    assert parts == {part}
    mended = effective.mended(edited, frozen=rollout_of(FULL), parts=parts)
    expected = place(copy.deepcopy(FULL), "spec.revisionHistoryLimit", 3)
    assert spec_of(mended) == spec_of(expected)


def test_the_number_of_pods_is_no_part_of_what_is_broken() -> None:
    edited = place(copy.deepcopy(FULL), "spec.workload.template", "none")
    edited = place(edited, "spec.workload.replicas", 11)
    _, violations = convert.read_spec(edited)
    parts = effective.parts_of(violations)
    spec = spec_of(effective.mended(edited, frozen=rollout_of(FULL), parts=parts))
    assert spec.replicas == 11


@given(spec=ANY_JSON)
def test_what_was_frozen_is_read_whatever_the_newest_spec_is(spec: object) -> None:
    body = {**FULL, "spec": spec}
    assert spec_of(effective.as_frozen(body, frozen=rollout_of(FULL))).steps == spec_of(FULL).steps


# --- keys of the way of judging --------------------------------------------------------------------


def test_golden_keys() -> None:
    """They stand in status: a release that changes one judges all running rollouts anew."""
    assert spec_of(SMALLEST).analysis.key == "1-44136fa355"
    assert spec_of(FULL).analysis.key == "1-66b8a596d4"


@pytest.mark.parametrize(
    ("path", "value", "same"),
    [
        ("spec.analysis.minRequests", 500.0, True),
        ("spec.analysis.futureField", None, True),
        ("spec.analysis.source", "default", True),
        ("spec.analysis.minRequests", 501, False),
        ("spec.analysis.metrics[0].threshold.max", 0.03, False),
        ("spec.strategy.scaleDownDelay", "7s", True),
    ],
)
def test_a_key_changes_with_what_the_user_wrote_and_nothing_else(
    path: str, value: object, *, same: bool
) -> None:
    edited = spec_of(place(copy.deepcopy(FULL), path, value)).analysis.key
    assert (edited == spec_of(FULL).analysis.key) == same
