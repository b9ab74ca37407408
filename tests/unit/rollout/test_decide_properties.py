"""Whatever people, pods, metrics and time do, in any order: what must never happen does not."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from rollout_world import ADVANCE, BREACH, HOLD, START, V1, V2, V3, make_spec, serving

from tidegate.rollout import model

MOST_PASSES_TO_REST = 12
REVISIONS = {it.hash: it for it in (V1, V2, V3)}
NO_DATA = model.AnalysisState(
    judged=True, reason="NoData", message="no requests", without_data_since=START
)
LOST = model.AnalysisState(judged=True, reason="MetricsUnavailable", consecutive_errors=9)


class Rollouts(RuleBasedStateMachine):
    """Random histories of one ModelDeployment that starts out serving V1."""

    def __init__(self) -> None:
        super().__init__()
        self.world = serving()
        self.told = len(self.world.weights_seen)
        self.rejected: set[str] = set()
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

    @rule(seconds=st.sampled_from([0.0, 0.5, 5.0, 61.0, 700.0, -3600.0]), times=st.integers(1, 12))
    def pass_time(self, seconds: float, times: int) -> None:
        for _ in range(times):
            self.world.tick(seconds)
            self.watch()

    @rule()
    def time_stands_still(self) -> None:
        """Without any change a few passes reach a state in which nothing is written."""
        for _ in range(MOST_PASSES_TO_REST):
            before = (len(self.world.writes), self.world.status_writes)
            self.world.tick(0.0)
            self.watch()
            if (len(self.world.writes), self.world.status_writes) == before:
                return
        raise AssertionError(f"writes without end: {self.world.status.message}")

    def watch(self) -> None:
        """Judge every write of weights since the last look."""
        for weights in self.world.weights_seen[self.told :]:
            for hash_, share in weights.items():
                stable = self.world.status.stable
                if share > 0 and (stable is None or stable.revision != hash_):
                    assert share in {10.0, 50.0, 100.0}
                    assert hash_ not in self.rejected, "weight for a rejected revision"
        self.told = len(self.world.weights_seen)
        self.rejected = {r.revision for r in self.world.status.rejected}

    @invariant()
    def observed_generation_never_runs_ahead(self) -> None:
        assert self.world.status.observed_generation <= self.world.generation

    @invariant()
    def phase_and_conditions_agree(self) -> None:
        ready = self.world.condition("Ready").status == "True"
        assert not ready or self.world.status.phase is model.Phase.HEALTHY

    @invariant()
    def stable_keeps_its_pods(self) -> None:
        stable = self.world.status.stable
        assert stable is not None
        assert self.world.revisions[stable.revision].wanted > 0

    def teardown(self) -> None:
        """Once people stop and faults end, the rollout comes to rest and then writes nothing."""
        world = self.world
        world.spec = replace(world.spec or self.valid or make_spec(), paused=False)
        world.violations, world.broken, world.accept = (), frozenset(), True
        world.traffic = replace(world.traffic, accepted=True)
        world.analysis = ADVANCE
        rollout = world.status.rollout
        if rollout is not None and rollout.active:
            world.ask("resume", rollout.revision)
            world.tick()
            world.ask("promote", rollout.revision)
        for _ in range(400):
            world.tick(5.0)
        at_rest = {model.Phase.HEALTHY, model.Phase.ROLLED_BACK}
        assert world.status.phase in at_rest, world.status.message
        writes, status_writes = len(world.writes), world.status_writes
        for _ in range(20):
            world.tick(5.0)
        assert (len(world.writes), world.status_writes) == (writes, status_writes)
        assert world.finalizers == ()


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
