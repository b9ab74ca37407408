"""A status in which every field is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tidegate import model

TESTERS = model.HeaderRoute(
    name="testers",
    headers=(
        model.Header(name="cookie", value="^a=.*$", match=model.HeaderMatch.REGULAR_EXPRESSION),
        model.Header(name="x-tester", value="1"),
    ),
)
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
A, B, C = "6d9f7c01ab", "8b1c22e9d4", "77aa01b2c3"


def _role(revision: str) -> model.RevisionStatus:
    return model.RevisionStatus(
        revision=revision, model_version="1.4.0", replicas=6, ready_replicas=5, since=NOON
    )


_BAKED = model.DefaultValue(
    field="strategy.postPromotion.bake", value="1h", policy="ClusterRolloutPolicy/production"
)
_LET_THROUGH = model.Override(
    policy="ClusterRolloutPolicy/year-end",
    by="dana",
    at=NOON,
    comment="mends the outage of this morning",
)
_FIRST_LABELS = model.QualityBaseline(
    cohorts=24,
    total=19200.0,
    bad=1459.0,
    dispersion=1.2,
    until=NOON - timedelta(days=29),
    counted_as="Accuracy, labelDelay 7200s, labelCohort 3600s, queries 1b4e28ba2f",
)
_RESULT = model.MetricResult(
    name="latency-p95",
    outcome=model.Outcome.FAIL,
    reason="Breached",
    message="0.6 > 0.5",
    value=0.6,
    value_bounds=model.Bounds(lower=0.5, upper=1.0),
    baseline_value=0.4,
    threshold=model.Threshold(min=0.001, max=0.5),
    edge=0.5,
    ratio=1.7,
    ratio_bounds=model.Bounds(lower=1.1, upper=2.6),
    evidence=6.25,
    evidence_limit=5.3,
    proof=-4.5,
    proof_limit=3.0,
    detect=0.005,
    detect_ratio=5.2,
    power=0.93,
    dispersion=1.4,
    dispersion_source="Measured",
    intervals=12,
    candidate=model.ArmCounts(total=8123.0, bad=12.0),
    baseline=model.ArmCounts(total=73010.5, bad=70.0),
    shifts=(
        model.Shift(feature="amount", psi=0.83, bin="missing", share=0.41, reference_share=0.001),
    ),
    failures=2,
    dry_run=True,
    on_breach=model.OnBreach.ALERT,
    critical=True,
    evaluated_at=NOON,
)

FULL_STATUS = model.Status(
    observed_generation=7,
    phase=model.Phase.PAUSED,
    message="serving 1.4.0; 1.5.0 at weight 12.5 waits for evidence",
    health_status="Suspended",
    health_message="Inconclusive",
    desired=model.Revision(hash=B, digest=B + "0" * 54, model_version="1.5.0"),
    stable=_role(A),
    candidate=_role(B),
    previous=_role(C),
    replicas=18,
    selector="tidegate.dev/model-deployment=fraud",
    autoscaled_replicas=9,
    shadows_isolated=True,
    rollout=model.Rollout(
        id=f"fraud-{B}-1",
        revision=model.Revision(hash=B, digest=B + "0" * 54, model_version="1.5.0"),
        attempt=2,
        active=True,
        started_at=NOON,
        progress_at=NOON + timedelta(minutes=1, microseconds=250),
        plan=(
            model.Stage(
                name="p12",
                weight_percent=12.5,
                effective_weight_percent=16.666666666666668,
                mirror_percent=2.5,
                routes=(TESTERS,),
                preview=True,
                smoke_test=True,
                isolated=True,
                awaits_request=True,
                kept_percent=25.0,
                hold_seconds=90.25,
                deadline_seconds=7200.0,
                min_requests=500,
                gates=(
                    model.Gate(
                        name="risk-board",
                        min_approvals=2,
                        approver_groups=("ml-risk",),
                        not_author=True,
                        expires_seconds=172800.0,
                        opened_at=NOON,
                        approved_by=("alice", "bob"),
                        policies=("ClusterRolloutPolicy/production",),
                    ),
                ),
                limits=(
                    model.StepLimit(name="errors", threshold=model.Threshold(min=0.01, max=0.05)),
                ),
                agreement=model.Agreement(
                    template=model.TemplateRef(kind="MetricTemplate", name="pairs"),
                    reference=model.Reference.HUMAN,
                    threshold=model.Threshold(min=0.98, max=0.999),
                    min_pairs=5000,
                ),
                baseline=(
                    model.Baseline(name="p95", edge=0.25, total=8000.0, bad=40.0, limit=0.025),
                ),
                replicas=3,
                replicas_percent=12.5,
                state=model.StepState.ACTIVE,
                started_at=NOON,
                confirmed_at=NOON + timedelta(seconds=1.5),
                ended_at=NOON + timedelta(minutes=3),
                ended_by="User",
                evidence=(_RESULT,),
            ),
            model.Stage(
                name="p50",
                weight_percent=50.0,
                control=model.Control.NONE,
                effective_weight_percent=50.0,
                hold_seconds=0.0,
                deadline_seconds=3600.0,
                min_requests=500,
            ),
        ),
        step=model.ActiveStep(
            index=0,
            name="p12",
            started_at=NOON,
            confirmed_at=NOON + timedelta(seconds=1.5),
            hold_until=NOON + timedelta(seconds=91.75),
            deadline_at=NOON + timedelta(hours=2),
            estimate="detects a doubling of errors in about 40 min",
            covered_since=NOON + timedelta(seconds=2.5),
        ),
        exposure=model.Exposure(
            live_percent=12.5,
            mirror_percent=5.0,
            routes=(TESTERS,),
            preview=True,
        ),
        observed_candidate_percent=12.25,
        observed_mirror_percent=2.375,
        first_traffic_at=NOON,
        judged_since=NOON + timedelta(seconds=2),
        evidence_since=NOON + timedelta(seconds=1.5),
        evidence_digest="9f" * 32,
        inconclusive_since=NOON + timedelta(seconds=30),
        waiting_for=model.WaitingFor(
            reason=model.Waiting.INCONCLUSIVE, since=NOON, message="too few requests"
        ),
        silence=model.Silence(times=2, since=NOON),
        smoke_test=model.SmokeTest(
            job=f"fraud-{B}-smoke-0a1b2c3d",
            state=model.SmokeTestState.FAILED,
            message="BackoffLimitExceeded",
        ),
        analysis_key="0f3a",
        repinned=2,
        recommendation=model.Recommendation(
            action=model.Advice.PROMOTE, reason="every metric that decides is proven", at=NOON
        ),
        rollback_reason="error-ratio 0.08 > 0.01 (n=5210)",
        rollback_by="Analysis",
        author="carol",
        model_name="fraud",
        model_uri="s3://models/fraud/1.5.0",
        from_revision=A,
        policies=("ClusterRolloutPolicy/production@2",),
        defaults=(_BAKED,),
        overrides=(_LET_THROUGH,),
        admitted_at=NOON,
        from_model_version="1.4.0",
        cause="DataDrift: skew against Training: amount PSI 0.83",
    ),
    analysis=(_RESULT,),
    last_handled_request=model.HandledRequest(
        request="resume",
        revision=B,
        requested_at="2026-11-20T11:58:00Z",
        handled_at=NOON,
        outcome="Accepted",
        reason="as asked",
    ),
    last_rollout=model.LastRollout(
        id=f"fraud-{A}-1",
        result=model.RolloutResult.PROMOTED,
        finished_at=NOON - timedelta(days=40),
        reason="all steps passed",
        by="Analysis",
        revision=A,
        attempt=3,
        record=f"fraud-{A}-3",
    ),
    policy=model.PolicyState(
        sources=("ClusterRolloutPolicy/production@3",),
        violations=(
            model.PolicyViolation(
                rule="minHold",
                policy="ClusterRolloutPolicy/production",
                action=model.EnforcementAction.WARN,
                message="the hold of step p10 is shorter than 15m: raise it",
            ),
        ),
        defaults=(_BAKED,),
    ),
    rejected=(
        model.RejectedRevision(
            revision=C,
            model_version="1.3.9",
            reason="error-ratio 0.08 > 0.01 (n=5210)",
            at=NOON - timedelta(days=30),
            by="Analysis",
            attempt=3,
        ),
    ),
    rejected_earlier=("0123456789",),
    monitoring=model.Watch(
        revision=A,
        metrics=(
            model.WatchedMetric(
                name="skew",
                against=model.Against.TRAINING,
                outcome=model.Outcome.FAIL,
                reason="Drift",
                message="amount PSI 0.83 (missing 0.1% -> 41.0%); 1 of 12 features above 0.1",
                failing_since=NOON,
                sound_since=NOON - timedelta(days=30),
                value=0.83,
                threshold=model.Threshold(min=0.0, max=0.1),
                onset="Sudden",
                shifts=_RESULT.shifts,
                baseline=_FIRST_LABELS,
            ),
            model.WatchedMetric(
                name="errors",
                against=model.Against.THRESHOLD,
                outcome=model.Outcome.FAIL,
                reason="SloBreach",
                message="0.083 is above 0.05; beyond it in 5 of the last 5 looks (n=48210)",
                failing_since=NOON,
                value=0.083,
                threshold=model.Threshold(max=0.05),
            ),
            model.WatchedMetric(
                name="quality",
                against=model.Against.LABELS,
                outcome=model.Outcome.FAIL,
                reason="Drift",
                message="accuracy 81.2% of 9600 labels against 92.4% of 19200 in its first 24 cohorts",
                failing_since=NOON,
                value=0.812,
                baseline=_FIRST_LABELS,
            ),
        ),
        hook=model.HookCall(
            id="fraud-6d9f7c01ab-20261120T120000Z",
            state=model.HookState.FAILED,
            at=NOON,
            message="answered 503 where 2xx is expected",
            ended_at=NOON + timedelta(hours=1),
            delivered_at=NOON - timedelta(days=3),
        ),
        rollback=model.DriftRollback(revision=C, at=NOON),
    ),
    identity=(model.SourceIdentity(source="default", mode=model.IdentityMode.POD_LABEL),),
    served=(C,),
    retiring=(model.Retiring(revision=C, scale_down_at=NOON + timedelta(seconds=30)),),
    failover=model.Failover(
        revision=B,
        since=NOON,
        moved_at=NOON + timedelta(seconds=3),
        percent_before=12.5,
        stable_ready_since=NOON + timedelta(seconds=9),
    ),
    traffic=model.TrafficSync(
        generation=6,
        difference=model.TrafficDifference(
            state=model.Difference.APPLYING,
            fields="HTTPRoute fraud: spec.hostnames",
            since=NOON,
            written_at=NOON + timedelta(seconds=3),
        ),
    ),
    epoch=12,
    operator="tidegate-system/tidegate-controller",
    evidence=(
        model.Preflight(
            metric="error-ratio",
            source="prometheus",
            reason=model.PreflightReason.LABELS_MISSING,
            ready=False,
            message="prometheus has it of the pods, but not under the labels that name them",
            dry_run=True,
        ),
    ),
    conditions=(
        model.Condition(
            type="Ready",
            status="False",
            reason="Paused",
            message="waits for a person",
            last_transition_at=NOON,
            observed_generation=7,
        ),
        model.Condition(
            type="Stalled",
            status="Unknown",
            reason="Idle",
            message="",
            last_transition_at=NOON,
            observed_generation=7,
        ),
    ),
)
