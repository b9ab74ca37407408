"""Every observation gets a decision: whatever status says, by whomever it was written."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from rollout_world import ADVANCE, BREACH, HOLD, START, V1, V2, V3, make_spec, serving

from tidegate import model
from tidegate.model import actions
from tidegate.rollout import decide

TIMES = st.integers(-5000, 5000).map(lambda seconds: START + timedelta(seconds=seconds))
SECONDS = st.sampled_from([0.0, 1.0, 60.0, 1e6])
WEIGHTS = st.sampled_from([0.0, 0.5, 10.0, 50.0, 100.0])
REVISIONS = st.sampled_from([V1, V2, V3])
HASHES = st.sampled_from([V1.hash, V2.hash, V3.hash, "0123456789"])
NAMES = st.sampled_from(["", "p10", "iris-1", "User", "Deadline"])

MAYBE = st.none() | TIMES
PLAN = st.lists(
    st.builds(
        model.Stage,
        name=NAMES,
        kind=st.sampled_from(list(model.StageKind)),
        control=st.sampled_from(list(model.Control)),
        state=st.sampled_from(list(model.StepState)),
        weight_percent=WEIGHTS,
        effective_weight_percent=WEIGHTS,
        hold_seconds=SECONDS,
        deadline_seconds=SECONDS,
        started_at=MAYBE,
        confirmed_at=MAYBE,
        ended_at=MAYBE,
        evidence=st.just(()),
    ),
    max_size=4,
).map(tuple)
STEPS = st.builds(
    model.ActiveStep,
    index=st.integers(-1, 4),
    name=NAMES,
    started_at=TIMES,
    confirmed_at=MAYBE,
    hold_until=MAYBE,
    deadline_at=MAYBE,
    estimate=NAMES,
)
ROLLOUTS = st.builds(
    model.Rollout,
    id=NAMES,
    revision=REVISIONS,
    attempt=st.integers(0, 9),
    started_at=TIMES,
    progress_at=TIMES,
    plan=PLAN,
    step=st.none() | STEPS,
    exposure=st.builds(model.Exposure, live_percent=WEIGHTS),
    first_traffic_at=MAYBE,
    judged_since=MAYBE,
    evidence_since=MAYBE,
    waiting_for=st.none() | st.builds(model.WaitingFor, since=TIMES),
    rollback_by=st.just("") | NAMES,
)
STATUSES = st.builds(
    model.Status,
    observed_generation=st.integers(0, 3),
    phase=st.sampled_from(list(model.Phase)),
    desired=st.none() | REVISIONS,
    stable=st.none() | st.builds(model.RevisionStatus, revision=HASHES),
    candidate=st.none() | st.builds(model.RevisionStatus, revision=HASHES),
    previous=st.none() | st.builds(model.RevisionStatus, revision=HASHES),
    rollout=st.none() | ROLLOUTS,
    last_rollout=st.none() | st.builds(model.LastRollout, revision=HASHES, finished_at=TIMES),
    rejected=st.lists(st.builds(model.RejectedRevision, revision=HASHES, at=TIMES), max_size=2).map(
        tuple
    ),
    retiring=st.lists(
        st.builds(model.Retiring, revision=HASHES, scale_down_at=TIMES), max_size=2
    ).map(tuple),
    traffic=st.builds(
        model.TrafficSync,
        generation=st.integers(0, 4),
        difference=st.none()
        | st.builds(
            model.TrafficDifference,
            state=st.sampled_from(list(model.Difference)),
            fields=NAMES,
            since=TIMES,
            written_at=TIMES,
        ),
    ),
)
PODS = st.dictionaries(
    HASHES,
    st.builds(
        model.RevisionState,
        revision=REVISIONS,
        wanted=st.integers(0, 4),
        ready=st.integers(0, 4),
        available=st.integers(0, 4),
        created_at=TIMES,
        failure=NAMES,
    ),
    max_size=3,
)
LIVE = st.sampled_from([{}, {"spec": "garbage"}, {"spec": {"ports": [], "rules": [{}]}}])
TRAFFIC = st.builds(
    model.TrafficState,
    exists=st.booleans(),
    accepted=st.booleans(),
    entry_exists=st.booleans(),
    documents=st.dictionaries(
        st.tuples(
            st.sampled_from(["Service", "HTTPRoute"]),
            st.sampled_from(["iris", "iris-candidate", "shop"]),
        ),
        LIVE,
    ),
    by_header=st.dictionaries(HASHES, st.just(((model.Header(name="x", value="1"),),)), max_size=1),
    obstacle=st.sampled_from(["", "HTTPRoute shop does not exist"]),
    owed=st.booleans(),
    weights=st.dictionaries(HASHES, WEIGHTS, max_size=3),
    rolled_back_revision=st.just("") | HASHES,
    lowered_rollout=NAMES,
    entry_revision=st.just("") | HASHES,
)
REQUESTS = st.none() | st.builds(
    model.Request,
    request=st.sampled_from([*[str(kind) for kind in model.RequestKind], "fly", ""]),
    revision=HASHES,
    requested_at=st.sampled_from(["", START.isoformat(), "yesterday"]),
)
PROBED = st.none() | st.builds(model.Probed, wrong=NAMES, unreachable=NAMES, pending=NAMES)
BASE = serving().observe()


@st.composite
def observations(draw: st.DrawFn) -> model.Observation:
    """A ModelDeployment whose status, children and requests have nothing to do with each other."""
    spec = make_spec(
        provider=draw(st.sampled_from(list(model.Provider))),
        replicas=draw(st.integers(0, 4)),
        paused=draw(st.booleans()),
        on_inconclusive=draw(st.sampled_from(list(model.OnInconclusive))),
        inconclusive_timeout_seconds=draw(st.sampled_from([None, 60.0])),
    )
    if spec.traffic.provider is model.Provider.GATEWAY_API and draw(st.booleans()):
        shop = (model.RouteRef(kind="HTTPRoute", name="shop"),)
        spec = replace(spec, traffic=replace(spec.traffic, routes=shop))
    broken = (model.Violation(path="spec.analysis", message="mend it"),)
    readable = draw(st.booleans())
    probe = draw(st.sampled_from([None, model.Probe(path="/infer")]))
    first = draw(st.sampled_from(list(model.FirstRollout)))
    return replace(
        BASE,
        meta=replace(BASE.meta, deleting=draw(st.booleans()), generation=draw(st.integers(1, 4))),
        spec=replace(spec, probe=probe, first_rollout=first) if readable else None,
        desired=draw(REVISIONS) if readable else None,
        violations=draw(st.sampled_from([(), broken])) if readable else broken,
        status=draw(STATUSES),
        request=draw(REQUESTS),
        revisions=draw(PODS),
        traffic=draw(TRAFFIC),
        analysis=draw(st.sampled_from([ADVANCE, HOLD, BREACH, model.AnalysisState()])),
        ready_url_failure=draw(NAMES),
        ready_url_warning=draw(NAMES),
        ready_url_awaited=draw(NAMES),
        probed=draw(PROBED),
    )


@settings(max_examples=300)
@given(seen=observations())
def test_every_observation_gets_a_decision(seen: model.Observation) -> None:
    decision = decide.decide(seen)
    assert decision.requeue_after_seconds > 0
    for action in decision.actions:
        if isinstance(action, actions.SetTraffic):
            assert 0 <= action.exposure.live_percent <= 100
            assert not action.lowering or action.exposure.live_percent == 0
    assert decide.decide(seen) == decision
