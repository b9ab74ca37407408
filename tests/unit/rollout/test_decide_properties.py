"""Whatever people, pods, metrics and time do, in any order: what must never happen does not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from functools import cache
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from rollout_world import ADVANCE, BREACH, HOLD, START, V1, V2, V3, World, make_spec, serving

from tidegate import model
from tidegate.api import status

MOST_PASSES_TO_REST = 12
MOST_PASSES_TO_END = 400
QUIET_SECONDS = 700.0  # longer than any deadline or delay of the spec
WEIGHTS = ((10.0, 50.0), (50.0,), (100.0,), (1.0, 25.0, 75.0))
NO_DATA = model.AnalysisState(
    judged=True, reason="NoData", message="no requests", without_data_since=START
)
LOST = model.AnalysisState(judged=True, reason="MetricsUnavailable", consecutive_errors=9)


@cache
def prepared(**options: Any) -> World:
    """Where a history begins; each works on a copy."""
    return serving(**options)


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
        self.world = deepcopy(
            prepared(weights=weights, on_inconclusive=on_inconclusive, provider=provider)
        )
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
        gate=st.sampled_from(["", "board"]),
        replicas=st.sampled_from([0, 2]),
    )
    def edit_steering(self, level: model.AutomationLevel, gate: str, replicas: int) -> None:
        """Another level of automation, and a gate and a size for the last step."""
        spec = self.world.spec
        if spec is not None:
            routed = spec.traffic.provider is model.Provider.GATEWAY_API
            last = replace(spec.steps[-1], gate=gate, replicas=replicas if routed else 0)
            automation = model.Automation(level=level)
            self.world.spec = replace(spec, steps=(*spec.steps[:-1], last), automation=automation)
            self.world.generation += 1

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
