"""Whatever people, pods, metrics and time do, in any order: what must never happen does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from policy_examples import policy
from rollout_world import ADVANCE, BREACH, HOLD, START, V1, V2, V3, World, make_spec, serving

from tidegate import model
from tidegate.api import policies, status
from tidegate.model import actions
from tidegate.rollout import decide
from tidegate.rollout.policies import bound

MOST_PASSES_TO_REST = 12
MOST_PASSES_TO_END = 400
QUIET_SECONDS = 700.0  # longer than any deadline or delay of the spec
WEIGHTS = ((10.0, 50.0), (50.0,), (100.0,), (1.0, 25.0, 75.0))
STRICT = model.Gate(name="board", min_approvals=2, not_author=True, expires_seconds=600.0)
NO_DATA = model.AnalysisState(
    judged=True, reason="NoData", message="no requests", without_data_since=START
)
LOST = model.AnalysisState(judged=True, reason="MetricsUnavailable", consecutive_errors=9)

ALWAYS = {"name": "always", "from": "1970-01-01T00:00:00Z", "to": "2970-01-01T00:00:00Z"}
SPECS: tuple[dict[str, Any], ...] = (
    {"stopPolicy": "Hold"},
    {"freezeWindows": [ALWAYS]},
    {"freezeWindows": [ALWAYS | {"inFlight": "Continue"}]},
    {"freezeWindows": [{"name": "now", "from": START.isoformat(), "to": "2026-11-20T12:10:00Z"}]},
    {"constraints": {"minBake": "1h", "maxStepIncrease": 30, "minReplicas": 3}},
    {"constraints": {"allowedStrategies": ["Shadow"]}, "enforcementAction": "Warn"},
    {"constraints": {"allowedStrategies": ["Shadow"]}},
    {"constraints": {"allowedStrategies": ["BlueGreen"]}},
    {"stopPolicy": "Perhaps"},
)
EXEMPT = {"name": "e", "namespace": "ml", "until": "2026-11-20T12:10:00Z", "reason": "for a while"}
CLUSTER_SPECS: tuple[dict[str, Any], ...] = (
    {"stopPolicy": "Hold", "exemptions": [EXEMPT | {"rules": ["stopPolicy"]}]},
    {"freezeWindows": [ALWAYS], "exemptions": [EXEMPT | {"rules": ["freezeWindows"]}]},
)
POLICIES = tuple(
    policies.read_policy(policy(spec, name=f"p{at}", cluster=at >= len(SPECS)))[0]
    for at, spec in enumerate((*SPECS, *CLUSTER_SPECS))
)


class Rollouts(RuleBasedStateMachine):
    """Random histories of one ModelDeployment that starts out serving V1."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()  # until `begin`
        self.told = 0
        self.shares: dict[str, float] = {}
        self.rejected: set[str] = set()
        self.valid = self.world.spec

    @initialize(
        weights=st.sampled_from(WEIGHTS),
        on_inconclusive=st.sampled_from(list(model.OnInconclusive)),
        provider=st.sampled_from(list(model.Provider)),
    )
    def begin(
        self,
        weights: tuple[float, ...],
        on_inconclusive: model.OnInconclusive,
        provider: model.Provider,
    ) -> None:
        self.world = serving(weights=weights, on_inconclusive=on_inconclusive, provider=provider)
        self.valid = self.world.spec

    @rule(wanted=st.sampled_from([V1, V2, V3]))
    def deploy(self, wanted: model.Revision) -> None:
        if self.world.spec is not None:
            self.world.deploy(wanted)

    @rule(state=st.sampled_from([ADVANCE, HOLD, BREACH, NO_DATA, LOST]))
    def judge(self, state: model.AnalysisState) -> None:
        self.world.analysis = state

    @rule(
        kind=st.sampled_from([*[str(k) for k in model.RequestKind], "fly", ""]),
        wanted=st.sampled_from([V1, V2, V3]),
    )
    def ask(self, kind: str, wanted: model.Revision) -> None:
        self.world.ask(kind, wanted)

    @rule(broken=st.sets(st.sampled_from([V2.hash, V3.hash])))
    def break_pods(self, broken: set[str]) -> None:
        self.world.broken = frozenset(broken)

    @rule(accept=st.booleans())
    def gateway(self, *, accept: bool) -> None:
        self.world.accept = accept
        if accept:
            self.world.traffic = replace(self.world.traffic, accepted=True)

    @rule(paused=st.booleans(), replicas=st.integers(min_value=1, max_value=6))
    def edit(self, *, paused: bool, replicas: int) -> None:
        if self.world.spec is not None:
            self.world.spec = replace(self.world.spec, paused=paused, replicas=replicas)
            self.world.generation += 1

    @rule(
        weights=st.sampled_from(WEIGHTS),
        on_inconclusive=st.sampled_from(list(model.OnInconclusive)),
        min_requests=st.sampled_from([10, 5000]),
    )
    def edit_strategy(
        self, weights: tuple[float, ...], on_inconclusive: model.OnInconclusive, min_requests: int
    ) -> None:
        """Other steps and another way to judge them, at any moment."""
        if self.world.spec is not None:
            wanted = make_spec(
                weights=weights, on_inconclusive=on_inconclusive, min_requests=min_requests
            )
            self.world.spec = replace(self.world.spec, steps=wanted.steps, analysis=wanted.analysis)
            self.world.generation += 1

    @rule(
        level=st.sampled_from([model.AutomationLevel.FULL, *model.AutomationLevel]),
        gate=st.sampled_from([None, model.Gate(name="board"), STRICT]),
        replicas=st.sampled_from([0, 2]),
    )
    def edit_steering(
        self, level: model.AutomationLevel, gate: model.Gate | None, replicas: int
    ) -> None:
        """Another level of automation, and a gate and a size for the last step."""
        spec = self.world.spec
        if spec is not None:
            routed = spec.traffic.provider is model.Provider.GATEWAY_API
            last = replace(spec.steps[-1], gate=gate, replicas=replicas if routed else 0)
            automation = model.Automation(level=level)
            self.world.spec = replace(spec, steps=(*spec.steps[:-1], last), automation=automation)
            self.world.generation += 1

    @rule(
        by=st.lists(st.sampled_from(["alice", "bob", "carol"]), max_size=3),
        no=st.booleans(),
        author=st.sampled_from(["", "carol"]),
        problem=st.sampled_from(["", "", "nobody checks who it is"]),
    )
    def decide_about_the_gate(self, by: list[str], no: bool, author: str, problem: str) -> None:  # noqa: FBT001
        """People approve or reject what is being rolled out, take it back, or are nobody."""
        rollout = self.world.status.rollout
        self.world.author = author
        self.world.approvals = (
            model.Approvals(problem=problem)
            if rollout is None
            else model.Approvals(
                given=tuple(
                    model.Approval(
                        name=f"{who}-{at}",
                        revision=rollout.revision.hash,
                        attempt=rollout.attempt,
                        gate="board",
                        decision=model.Decision.REJECT if no and not at else model.Decision.APPROVE,
                        username=who,
                        created_at=self.world.now,
                    )
                    for at, who in enumerate(by)
                ),
                problem=problem,
            )
        )

    @rule(kept=st.booleans(), share=st.sampled_from([0.0, 50.0, 100.0]))
    def others_edit_the_target(self, *, kept: bool, share: float) -> None:
        """Somebody deletes the object with the weights, or sets weights of his own."""
        rollout = self.world.status.rollout
        stable = self.world.status.stable
        assert stable is not None
        if not kept:
            self.world.traffic = model.TrafficState(exists=False)
        elif rollout is not None and rollout.revision.hash != stable.revision:
            weights = {stable.revision: 100.0 - share, rollout.revision.hash: share}
            self.world.traffic = replace(self.world.traffic, weights=weights)
            self.shares = weights  # it is given back from there

    @rule()
    def spoil_spec(self) -> None:
        if self.world.spec is not None:
            self.valid, self.world.spec = self.world.spec, None
            self.world.violations = (model.Violation(path="spec", message="mend it"),)
            self.world.generation += 1

    @rule()
    def mend_spec(self) -> None:
        if self.world.spec is None:
            self.world.spec, self.world.violations = self.valid, ()
            self.world.generation += 1
            self.pass_once(0.0)  # only with a spec it is seen that the clock went back meanwhile

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 61.0, 700.0, -3600.0]), times=st.integers(1, 12))
    def pass_time(self, seconds: float, times: int) -> None:
        for _ in range(times):
            self.pass_once(seconds)

    @rule(looks=st.integers(1, 40))
    def walk(self, looks: int) -> None:
        """Nothing stands in the way for a while."""
        self.world.analysis = ADVANCE
        self.pass_time(5.0, looks)

    @rule()
    def time_stands_still(self) -> None:
        """Without any change a few passes reach a state in which nothing is written."""
        for _ in range(MOST_PASSES_TO_REST):
            before = (len(self.world.writes), self.world.status_writes)
            self.pass_once(0.0)
            if (len(self.world.writes), self.world.status_writes) == before:
                return
        raise AssertionError(f"writes without end: {self.world.status.message}")

    # --- the judge -------------------------------------------------------------------------------

    def pass_once(self, seconds: float) -> None:
        """One pass; every change of status and every weight is judged."""
        before = self.world.status
        self.world.tick(seconds)
        self.judge_steps(before.rollout, self.world.status.rollout, served=before.served)
        self.judge_gates(self.world.status.active_rollout)
        self.judge_ends(before, self.world.status)
        self.rejected = {r.revision for r in self.world.status.rejected}
        self.judge_weights()

    def judge_steps(
        self,
        before: model.Rollout | None,
        after: model.Rollout | None,
        *,
        served: Sequence[str],
    ) -> None:
        """No step passes without evidence, but for a person or the spec that asks for it.

        What has served goes back in one step, and nothing of that is judged.
        """
        if before is None or after is None or before.id != after.id:
            return
        if before.repinned != after.repinned:
            return  # the plan was another one; no step passes in the pass that adopts it
        skipped = all(it.state is model.StepState.SKIPPED for it in after.plan if it.needs_proof)
        if skipped and after.revision.hash in served:
            return
        for old, new in zip(before.plan, after.plan, strict=True):
            if old.state is new.state or new.state is not model.StepState.PASSED:
                continue
            handled = self.world.status.last_handled_request
            asked = handled is not None and handled.request == model.RequestKind.PROMOTE
            spec = self.world.spec
            by_spec = spec and spec.analysis.on_inconclusive is model.OnInconclusive.PROMOTE
            proven = self.world.analysis.verdict is model.Verdict.ADVANCE
            assert asked or by_spec or proven, f"{new.name} passed on {self.world.analysis.reason}"

    def judge_gates(self, after: model.Rollout | None) -> None:
        """No weight behind a gate that nobody opened."""
        if after is None or after.ending or after.step is None:
            return
        for stage in after.plan[: after.step.index + 1]:
            reached = stage.confirmed_at is not None
            assert not reached or all(gate.opened_at for gate in stage.gates), stage.name

    def judge_ends(self, before: model.Status, after: model.Status) -> None:
        """What has ended stays ended."""
        old, new = before.rollout, after.rollout
        if old is not None and new is not None and old.id == new.id and not old.active:
            assert not new.active, f"{new.id} is active again"

    def judge_weights(self) -> None:
        """A weight is one of the plan, or a part of the way up to one, or part of the way back."""
        rollout = self.world.status.rollout
        legal = {100.0} | {s.exposure.live_percent for s in (rollout.plan if rollout else ())}
        for weights in self.world.weights_seen[self.told :]:
            for hash_, share in weights.items():
                stable = self.world.status.stable
                if share > 0 and (stable is None or stable.revision != hash_):
                    self.judge_share(share, legal=legal, before=self.shares.get(hash_, 0.0))
                    assert hash_ not in self.rejected, "weight for a rejected revision"
            self.shares = dict(weights)
        self.told = len(self.world.weights_seen)

    def judge_share(self, share: float, *, legal: set[float], before: float) -> None:
        """With few pods to spare a weight is reached in parts; back, it goes as stable can take it."""
        rollout = self.world.status.rollout
        gives_back = rollout is not None and rollout.ending
        if gives_back:
            assert share <= before, f"{share} while {before} is being given back"
        elif share not in legal:
            assert before < share < max(legal), f"{share} is no weight of {legal}"

    @invariant()
    def status_can_be_written_and_read(self) -> None:
        document = status.write_status(self.world.status)
        assert status.read_status(json.loads(json.dumps(document))) == self.world.status

    @invariant()
    def observed_generation_never_runs_ahead(self) -> None:
        assert self.world.status.observed_generation <= self.world.generation

    @invariant()
    def phase_and_conditions_agree(self) -> None:
        ready = self.world.condition("Ready").status == "True"
        assert not ready or self.world.status.phase is model.Phase.HEALTHY

    @invariant()
    def a_weight_that_was_seen_is_judged(self) -> None:
        """Its evidence begins with a confirmation that lies behind us, wherever the clock went."""
        rollout = self.world.status.rollout
        if self.world.spec is None or rollout is None or not rollout.active:
            return
        if rollout.step is not None and rollout.step.confirmed_at is not None:
            seen = rollout.plan[rollout.step.index].confirmed_at
            assert rollout.evidence_since is not None
            assert seen is not None
            assert rollout.evidence_since <= seen <= self.world.now

    @invariant()
    def stable_keeps_its_pods(self) -> None:
        stable = self.world.status.stable
        assert stable is not None
        assert self.world.revisions[stable.revision].wanted > 0

    def teardown(self) -> None:
        """Once people stop and faults end, the rollout comes to rest and then writes nothing."""
        world = self.world
        spec = world.spec or self.valid or make_spec()
        world.spec = replace(spec, paused=False, automation=model.FULL_AUTOMATION)
        world.violations, world.broken, world.accept = (), frozenset(), True
        world.traffic = replace(world.traffic, accepted=True)
        world.analysis = ADVANCE
        rollout = world.status.rollout
        if rollout is not None and rollout.active:
            world.ask("resume", rollout.revision)
            world.tick()
            world.ask("promote", rollout.revision)
        at_rest = {model.Phase.HEALTHY, model.Phase.ROLLED_BACK}
        quiet_seconds, before = 0.0, (0, 0)
        for _ in range(MOST_PASSES_TO_END + round(QUIET_SECONDS / 5.0)):
            if world.status.phase is model.Phase.AWAITING_APPROVAL:
                assert world.status.rollout is not None
                world.ask("promote", world.status.rollout.revision)
                self.decide_about_the_gate(["alice", "bob"], no=False, author="carol", problem="")
            world.tick(5.0)
            written = len(world.writes), world.status_writes
            quiet_seconds = quiet_seconds + 5.0 if written == before else 0.0
            before = written
            if quiet_seconds >= QUIET_SECONDS and world.status.phase in at_rest:
                break
        assert world.status.phase in at_rest, world.status.message
        assert quiet_seconds >= QUIET_SECONDS
        assert world.finalizers == ()


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=60, stateful_step_count=30)


# --- with policies ----------------------------------------------------------------------------------


def traffic(decision: actions.Decision) -> list[actions.Action]:
    return [it for it in decision.actions if isinstance(it, actions.SetTraffic)]


def goes_back(before: model.Rollout | None, after: model.Rollout | None) -> bool:
    """The rollout that was running is ending, or has less than it had."""
    if before is None or not before.active or after is None or after.id != before.id:
        return False
    less = after.exposure.load_percent < before.exposure.load_percent
    return after.ending or not after.active or less


def moments(seen: model.Observation) -> list[model.Observation]:
    """This one, and its neighbours in which a candidate with requests has to go."""
    rollout = seen.status.active_rollout
    if rollout is None or not rollout.exposure.is_visited:
        return [seen] if seen.policies else []
    request = model.Request(
        request="abort", revision=rollout.revision.hash, requested_at=seen.now.isoformat()
    )
    return [
        seen,
        replace(seen, analysis=BREACH),
        replace(seen, request=request),
        replace(seen, meta=replace(seen.meta, deleting=True)),
    ]


class Governed(Rollouts):
    """The same histories with policies that come, change and go at any moment."""

    @rule(chosen=st.sets(st.sampled_from(range(len(POLICIES))), max_size=2))
    def govern(self, chosen: set[int]) -> None:
        self.world.policies = tuple(POLICIES[it] for it in sorted(chosen))

    @invariant()
    def no_policy_stands_in_the_way_back(self) -> None:
        """As things are, and as they would be if it did harm now, or were taken away now."""
        seen = self.world.observe()
        ruled = seen.policies or POLICIES[:1]
        for moment in moments(seen):
            bound = decide.decide(replace(moment, policies=ruled))
            free = decide.decide(replace(moment, policies=()))
            before, after = seen.status.rollout, free.status.rollout
            if goes_back(before, after) or moment.meta.deleting:
                assert traffic(bound) == traffic(free)
                assert bound.rejections == free.rejections
                assert bound.status.rollout == after

    @invariant()
    def nothing_goes_forward_against_a_policy(self) -> None:
        seen = self.world.observe()
        stopped = any(it.stopped for it in bound(seen).policies)
        before = seen.status.rollout
        after = decide.decide(seen).status.rollout
        if not stopped or seen.spec is None or before is None or after is None:
            return
        returns = before.revision.hash in seen.status.served
        fails_over = seen.status.failover is not None
        if before.active and before.id == after.id and not (returns or fails_over):
            assert after.exposure.live_percent <= before.exposure.live_percent
            assert after.exposure.mirror_percent <= before.exposure.mirror_percent

    def teardown(self) -> None:
        """Once the policies are gone, too, it comes to rest as ever."""
        self.world.policies = ()
        super().teardown()


TestGoverned = Governed.TestCase
TestGoverned.settings = settings(max_examples=40, stateful_step_count=25)
