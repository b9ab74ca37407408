"""Gauges of ModelDeployments: what status says, in bounded series."""

from __future__ import annotations

import dataclasses
import typing
from typing import Any

import pytest
from api_examples import FULL, SMALLEST, place
from port_fakes import FixedRng, ManualClock, MemoryRecorder
from prometheus_client import generate_latest
from status_examples import FULL_STATUS, NOON

from tidegate import model, ports
from tidegate.adapters.telemetry import Telemetry
from tidegate.api import status
from tidegate.controller import engine, gauges, workqueue
from tidegate.controller.reading import SpecReader
from tidegate.controller.store import Entry, Store
from tidegate.settings import Settings

READER = SpecReader(store=Store(), settings=Settings())
Samples = dict[tuple[str, ...], float]


def entry(said: model.Status, body: dict[str, Any] = FULL, *, name: str = "fraud") -> Entry:
    """As the store has it once a pass has read it."""
    snapshot = place(body, "metadata.name", name)
    snapshot["metadata"] |= {"uid": name, "resourceVersion": "1", "generation": 1}
    snapshot["status"] = status.write_status(said)
    made = Entry(at_hand=snapshot, uid=name, resource_version="1", sequence=1, index_keys=())
    made.read_on(READER.said)
    return made


def seen(*entries: Entry, at_most: int = 100) -> dict[str, Samples]:
    """Samples by name of the family, then by their labels beside those of the object."""
    return {
        family.name: {tuple(str(it) for it in labels): value for labels, value in family.samples}
        for family in gauges.families(entries, at_most=at_most)
    }


def of(found: dict[str, Samples], family: str) -> Samples:
    """Those of `default/fraud`, without saying so."""
    prefix = ("default", "fraud")
    return {key[2:]: it for key, it in found[family].items() if key[:2] == prefix}


def test_a_running_rollout_is_told_with_its_evidence() -> None:
    rollout = FULL_STATUS.rollout
    assert rollout is not None
    assert rollout.step is not None
    assert rollout.waiting_for is not None
    result = dataclasses.replace(
        FULL_STATUS.analysis[0],
        name="p95",
        outcome=model.Outcome.FAIL,
        value=0.6,
        baseline_value=0.4,
        value_bounds=model.Bounds(lower=0.5),
        threshold=model.Threshold(max=0.5),
        candidate=model.ArmCounts(total=120.0, bad=3.0),
        baseline=model.ArmCounts(total=880.0),
        evidence=1.5,
        evidence_limit=4.6,
        proof=None,
        proof_limit=2.9,
        shifts=(model.Shift(feature="amount", psi=0.31), model.Shift(feature="age", psi=0.1)),
    )
    found = seen(entry(dataclasses.replace(FULL_STATUS, analysis=(result,))))
    assert of(found, "tidegate_info") == {(FULL_STATUS.phase, "Canary"): 1}
    shares = of(found, "tidegate_candidate_share_percent")
    assert shares["wanted",] == rollout.exposure.live_percent
    assert shares["observed",] == rollout.observed_candidate_percent
    assert of(found, "tidegate_step") == {(rollout.step.name,): rollout.step.index + 1}
    since = of(found, "tidegate_waiting_since_timestamp_seconds")
    assert since == {(rollout.waiting_for.reason,): rollout.waiting_for.since.timestamp()}
    started = of(found, "tidegate_rollout_started_timestamp_seconds")
    assert started == {(): rollout.started_at.timestamp()}
    assert of(found, "tidegate_analysis_outcome") == {("p95", "Fail"): 1}
    values = of(found, "tidegate_analysis_value")
    assert values == {("p95", "candidate"): 0.6, ("p95", "stable"): 0.4}
    assert of(found, "tidegate_analysis_bound") == {("p95", "lower"): 0.5}
    assert of(found, "tidegate_analysis_limit") == {("p95", "max"): 0.5}
    requests = of(found, "tidegate_analysis_requests")
    assert requests == {("p95", "candidate"): 120, ("p95", "stable"): 880}
    assert of(found, "tidegate_analysis_evidence") == {("p95", "harm"): 1.5}
    limits = of(found, "tidegate_analysis_evidence_limit")
    assert limits == {("p95", "harm"): 4.6, ("p95", "proof"): 2.9}
    assert of(found, "tidegate_drift_psi") == {("p95", "amount"): 0.31, ("p95", "age"): 0.1}


def test_what_the_watch_has_found_is_told_with_value_and_limits() -> None:
    found = seen(entry(FULL_STATUS))
    assert of(found, "tidegate_watched_outcome") == {
        ("skew", "Fail"): 1,
        ("errors", "Fail"): 1,
        ("quality", "Fail"): 1,
    }
    values = of(found, "tidegate_watched_value")
    assert values == {("skew",): 0.83, ("errors",): 0.083, ("quality",): 0.812}
    limits = of(found, "tidegate_watched_limit")
    assert limits == {("skew", "min"): 0.0, ("skew", "max"): 0.1, ("errors", "max"): 0.05}


def test_pods_and_conditions_are_told_at_rest_too() -> None:
    one = model.RevisionStatus(
        revision="a" * 10, model_version="1", replicas=4, ready_replicas=3, since=NOON
    )
    condition = model.Condition(
        type="Stalled",
        status="True",
        reason="NameConflict",
        message="long words",
        last_transition_at=NOON,
        observed_generation=1,
    )
    at_rest = model.Status(phase=model.Phase.HEALTHY, stable=one, conditions=(condition,))
    found = seen(entry(at_rest, SMALLEST, name="fraud"))
    assert of(found, "tidegate_replicas") == {("stable",): 4}
    assert of(found, "tidegate_ready_replicas") == {("stable",): 3}
    assert of(found, "tidegate_condition") == {("Stalled", "True", "NameConflict"): 1}
    assert of(found, "tidegate_info") == {("Healthy", "Canary"): 1}


def test_what_was_judged_is_no_news_once_the_rollout_has_ended() -> None:
    assert FULL_STATUS.rollout is not None
    ended = dataclasses.replace(
        FULL_STATUS, rollout=dataclasses.replace(FULL_STATUS.rollout, active=False)
    )
    found = seen(entry(ended))
    of_a_rollout = {
        name
        for name in found
        if "analysis" in name or name in {"tidegate_step", "tidegate_drift_psi"}
    }
    assert len(of_a_rollout) > 7
    assert not [name for name in of_a_rollout if found[name]]
    assert not found["tidegate_waiting_since_timestamp_seconds"]


def test_all_are_counted_and_so_many_have_series_as_the_settings_allow() -> None:
    blue = {"type": "BlueGreen", "blueGreen": {}}
    entries = [
        entry(model.Status(phase=model.Phase.HEALTHY), SMALLEST, name=f"m-{at}") for at in range(4)
    ]
    other = place(SMALLEST, "spec.strategy", blue)
    entries.append(entry(model.Status(phase=model.Phase.PAUSED), other, name="a"))
    found = seen(*entries, at_most=3)
    counted = found["tidegate_modeldeployments"]
    assert counted == {("Healthy", "Canary"): 4, ("Paused", "BlueGreen"): 1}
    assert found["tidegate_modeldeployments_without_series"] == {(): 2}
    assert {key[1] for key in found["tidegate_info"]} == {"a", "m-0", "m-1"}
    assert not seen(*entries, at_most=0)["tidegate_info"]


def test_what_nobody_has_read_yet_is_left_out() -> None:
    unread = Entry(at_hand={}, uid="u", resource_version="1", sequence=1, index_keys=())
    assert not seen(unread)["tidegate_modeldeployments"]


def test_they_are_exposed_as_they_are_at_each_scrape() -> None:
    shown: list[Entry] = []
    telemetry = Telemetry()
    telemetry.show(lambda: gauges.families(shown, at_most=10))

    def exposed() -> str:
        return generate_latest(telemetry.registry).decode()

    assert "tidegate_info{" not in exposed()
    shown.append(entry(FULL_STATUS))
    line = 'tidegate_info{model_deployment="fraud",model_namespace="default",phase='
    assert line in exposed()
    shown.clear()
    assert line not in exposed()


def test_every_family_says_what_it_is_and_none_names_a_revision() -> None:
    for family in gauges.families([entry(FULL_STATUS)], at_most=10):
        assert family.name.startswith("tidegate_")
        assert family.text.endswith(".")
        assert not {"revision", "namespace", "pod"} & set(family.labels)
        assert len({labels for labels, _ in family.samples}) == len(family.samples)


def test_only_the_replica_that_leads_shows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else every series would be there twice, and one of them late."""
    parts = engine.machine(
        Settings(objects_with_metrics=10),
        api=typing.cast("ports.KubeApi", None),
        clock=ManualClock(),
        rng=FixedRng(),
        recorder=MemoryRecorder(),
        probe=typing.cast("ports.ReadyProbe", None),
        inference=typing.cast("ports.InferenceProbe", None),
        hooks=typing.cast("ports.Hooks", None),
        notifier=typing.cast("engine.Notifier", None),
        pod_name="one",
    )
    made = engine.Engine(
        parts,
        process=typing.cast("workqueue.Process", None),
        watched=(),
        absent=(),
        make_feeder=lambda _: typing.cast("engine.Feeder", None),
        milestone=lambda _: None,
    )
    known = entry(FULL_STATUS)
    parts.store.put_own_reply(ports.MODEL_DEPLOYMENT, known.snapshot)
    [stored] = parts.store.model_deployment_entries()
    stored.read_on(READER.said)
    assert not made.gauges()
    monkeypatch.setattr(type(parts.elector), "leading", lambda _: True)
    [info] = [it for it in made.gauges() if it.name == "tidegate_info"]
    assert len(info.samples) == 1


def broken(rule: str, policy: str, action: model.EnforcementAction) -> model.PolicyViolation:
    return model.PolicyViolation(rule=rule, policy=policy, action=action, message="raise it")


def test_rules_that_are_not_kept_are_counted_by_object_and_by_what_they_do() -> None:
    """Two policies that ask for the same are one broken rule of one object; names are no labels."""
    enforce, audit = model.EnforcementAction.ENFORCE, model.EnforcementAction.AUDIT
    one = model.PolicyState(
        violations=(
            broken("minBake", "RolloutPolicy/a", enforce),
            broken("minBake", "RolloutPolicy/b", enforce),
            broken("minBake", "RolloutPolicy/c", audit),
        )
    )
    other = model.PolicyState(violations=(broken("minBake", "RolloutPolicy/a", enforce),))
    entries = [
        entry(model.Status(policy=state), name=name)
        for name, state in (("a", one), ("b", other), ("c", None))
    ]
    found = seen(*entries, at_most=0)["tidegate_modeldeployments_violating"]
    assert found == {("minBake", "Enforce"): 2, ("minBake", "Audit"): 1}
