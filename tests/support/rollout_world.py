"""A tiny world for the pure state machine: it does what decisions ask and shows the result.

Pods become ready when told to, the data plane accepts what is written, time moves by `tick`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from functools import cache, wraps
from typing import ParamSpec

from tidegate import model
from tidegate.model import actions, objects
from tidegate.rollout import autoscaling, decide, duties
from tidegate.rollout.strategy.compile import in_effect
from tidegate.traffic.plane import common_port

P = ParamSpec("P")
START = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def revision(version: str) -> model.Revision:
    digest = (version.replace(".", "") * 20).ljust(64, "0")[:64]
    return model.Revision(hash=digest[:10], digest=digest, model_version=version)


V1, V2, V3 = revision("1.0"), revision("2.0"), revision("3.0")


def make_spec(
    *,
    version: str = "1.0",
    provider: model.Provider = model.Provider.GATEWAY_API,
    replicas: int = 4,
    weights: tuple[float, ...] = (10.0, 50.0),
    paused: bool = False,
    on_inconclusive: model.OnInconclusive = model.OnInconclusive.PAUSE,
    progress_deadline_seconds: float = 300.0,
    scaling: model.Scaling | None = None,
    min_requests: int = 10,
    revision_history_limit: int = 2,
    rollout_history_limit: int = 5,
    routes: tuple[model.HeaderRoute, ...] = (),
    inconclusive_timeout_seconds: float | None = None,
) -> model.Spec:
    steps = tuple(
        model.Step(
            name=f"p{weight:g}",
            weight_percent=weight,
            hold_seconds=60.0,
            deadline_seconds=600.0,
            min_requests=min_requests,
            routes=routes,
        )
        for weight in weights
    )
    metric = model.Metric(
        name="error-ratio", preset="error-ratio", threshold=model.Threshold(max=0.01)
    )
    return model.Spec(
        model=model.Model(name="iris", version=version),
        server=model.Server(preset="HTTP", port=8080, metrics_port=8080, metrics_path="/metrics"),
        replicas=replicas,
        template={"spec": {"containers": [{"name": "server", "image": "x"}]}},
        service=model.EntryService(name="iris", port=80, target_port=8080),
        traffic=model.Traffic(
            provider=provider,
            gateway=model.GatewayRoute(parents=(model.ParentRef(name="gw"),)),
            contour=model.ContourProxy(fqdn="iris.example.com"),
            istio=model.VirtualService(),
            nginx=model.VirtualServer(host="iris.example.com"),
        ),
        steps=steps,
        scaling=scaling or model.Scaling(),
        scale_down_delay_seconds=30.0,
        analysis=model.Analysis(
            source="default",
            interval_seconds=5.0,
            warmup_seconds=0.0,
            settle_seconds=0.0,
            min_requests=min_requests,
            breach_failures=3,
            breach_out_of=5,
            error_limit=5,
            no_data_timeout_seconds=600.0,
            on_inconclusive=on_inconclusive,
            inconclusive_timeout_seconds=inconclusive_timeout_seconds,
            metrics=(metric,),
            key="1-first",
        ),
        rollback=model.Rollback(),
        progress_deadline_seconds=progress_deadline_seconds,
        revision_history_limit=revision_history_limit,
        rollout_history_limit=rollout_history_limit,
        paused=paused,
    )


ADVANCE = model.AnalysisState(judged=True, verdict=model.Verdict.ADVANCE, reason="Passed")
HOLD = model.AnalysisState(judged=True, verdict=model.Verdict.HOLD, reason="Insufficient")
BREACH = model.AnalysisState(
    judged=True,
    verdict=model.Verdict.ROLL_BACK,
    reason="Breach",
    message="error-ratio 0.08 > 0.01 (n=5210)",
)


@dataclass
class World:
    """Mutable cluster of one ModelDeployment, driven by decisions."""

    spec: model.Spec | None = field(default_factory=make_spec)
    desired: model.Revision = V1
    now: datetime = START
    generation: int = 1
    status: model.Status = field(default_factory=model.Status)
    revisions: dict[str, model.RevisionState] = field(default_factory=dict)
    traffic: model.TrafficState = field(default_factory=lambda: model.TrafficState(exists=False))
    finalizers: tuple[str, ...] = ()
    deleting: bool = False
    analysis: model.AnalysisState = ADVANCE
    preflight: tuple[model.Preflight, ...] | None = ()
    request: model.Request | None = None
    violations: tuple[model.Violation, ...] = ()
    blocked: model.Violation | None = None
    ready_url_failure: str = ""
    ready_url_warning: str = ""
    ready_url_awaited: str = ""
    probed: model.Probed | None = None
    room: model.Room | None = None
    watched: tuple[model.WatchedMetric, ...] | None = None
    policies: tuple[model.Policy, ...] = ()
    queue: model.Queue = model.EMPTY_QUEUE
    rollbacks: tuple[model.RolledBack, ...] = ()
    approvals: model.Approvals = model.NO_APPROVALS
    author: str = ""
    hook: model.SeenHook = field(default_factory=model.SeenHook)
    smoke_test: model.SeenJob | None = None
    isolation: model.Isolation | None = None
    jobs: list[str] = field(default_factory=list)  # made and deleted, in order
    accept: bool = True
    broken: frozenset[str] = frozenset()
    held: dict[str, int] = field(default_factory=dict)  # ready pods that stay so many
    writes: list[str] = field(default_factory=list)
    events: list[actions.Event] = field(default_factory=list)
    rejections: list[str] = field(default_factory=list)
    weights_seen: list[dict[str, float]] = field(default_factory=list)
    status_writes: int = 0
    records: dict[str, actions.CreateRecord] = field(default_factory=dict)
    keeps_records: bool = True
    frozen: dict[str, model.FrozenRevision] = field(default_factory=dict)
    frozen_rollouts: dict[str, model.FrozenRollout] = field(default_factory=dict)

    def copy(self) -> World:
        """Another world that goes on from here: what the collections hold never changes."""
        made = copy(self)
        for it in fields(self):
            value = getattr(self, it.name)
            if isinstance(value, list | dict):
                setattr(made, it.name, copy(value))
        return made

    # --- people ----------------------------------------------------------------------------------

    def deploy(self, wanted: model.Revision) -> None:
        assert self.spec is not None
        self.desired = wanted
        self.spec = replace(self.spec, model=replace(self.spec.model, version=wanted.model_version))
        self.generation += 1

    def ask(
        self, kind: str, wanted: model.Revision, *, at: datetime | None = None, step: str = ""
    ) -> None:
        self.request = model.Request(
            request=kind,
            revision=wanted.hash,
            requested_at=(at or self.now).isoformat(),
            step=step,
        )

    # --- running ---------------------------------------------------------------------------------

    def observe(self) -> model.Observation:
        return autoscaling.in_effect(self._seen())

    def _seen(self) -> model.Observation:
        spec = in_effect(self.spec, self.status.active_rollout) if self.spec is not None else None
        return model.Observation(
            now=self.now,
            epoch=1,
            meta=model.ObjectMeta(
                namespace="ml",
                name="iris",
                uid="uid-1",
                generation=self.generation,
                resource_version="1",
                deleting=self.deleting,
                finalizers=self.finalizers,
                author=self.author,
            ),
            status=self.status,
            spec=spec,
            desired=self.desired if self.spec is not None else None,
            violations=self.violations,
            blocked=self.blocked,
            request=self.request,
            revisions=dict(self.revisions),
            services=frozenset(it for it, one in self.revisions.items() if one.has_service),
            frozen=dict(self.frozen),
            frozen_rollouts=tuple(self.frozen_rollouts.values()),
            records=tuple(map(_kept, self.records.values())),
            traffic=self.traffic,
            analysis=self.analysis,
            preflight=self.preflight,
            ready_url_failure=self.ready_url_failure,
            ready_url_warning=self.ready_url_warning,
            ready_url_awaited=self.ready_url_awaited,
            probed=self.probed,
            room=self.room,
            watched=self.watched,
            policies=self.policies,
            queue=self.queue,
            rollbacks=self.rollbacks,
            approvals=self.approvals,
            hook=self.hook,
            smoke_test=self.smoke_test,
            isolation=self.isolation,
        )

    def step(self) -> actions.Decision:
        """One pass: decide, lower, write status, do the rest, then let pods become ready."""
        decision = decide.decide(self.observe())
        for action in actions.lowering(decision.actions):
            self._do(action)
        if decision.status != self.status:
            self.status_writes += 1
            self.status = decision.status
        for action in actions.after_status(decision.actions):
            self._do(action)
        for action in actions.bookkeeping(decision.actions) if self.keeps_records else ():
            self._keep(action)
        self.events.extend(decision.events)
        self.rejections.extend(decision.rejections)
        self._pods_become_ready()
        return decision

    def _keep(self, action: actions.Bookkeeping) -> None:
        if isinstance(action, actions.CreateRecord):
            assert action.last.record not in self.records, "a record is made once"
            self.records[action.last.record] = action
        elif isinstance(action, actions.DeleteRecord):
            del self.records[action.name]
        elif isinstance(action, actions.DeleteSmokeTest):
            self.jobs.append(f"-{action.name}")
        elif isinstance(action, actions.DeletePreview):
            left = tuple(it for it in self.traffic.old_previews if it != action.name)
            self.traffic = replace(self.traffic, old_previews=left)
        else:
            del self.frozen_rollouts[action.name]

    def tick(self, seconds: float = 1.0) -> actions.Decision:
        self.now += timedelta(seconds=seconds)
        return self.step()

    def run_until(self, phase: model.Phase, *, limit: int = 500, seconds: float = 5.0) -> None:
        for _ in range(limit):
            if self.status.phase is phase and self.status.observed_generation == self.generation:
                return
            self.tick(seconds)
        message = f"never {phase}: {self.status.phase} {self.status.message}"
        raise AssertionError(message)

    def run_while(self, condition: Callable[[], bool], *, limit: int = 500) -> None:
        for _ in range(limit):
            if not condition():
                return
            self.tick(5.0)
        raise AssertionError(f"still true: {self.status.phase} {self.status.message}")

    def settle(self) -> None:
        """Let everything that is due happen."""
        for _ in range(40):
            self.tick(5.0)

    # --- reading ---------------------------------------------------------------------------------

    def reasons(self) -> list[str]:
        return [event.reason for event in self.events]

    def pods(self) -> dict[str, int]:
        return {hash_: state.wanted for hash_, state in self.revisions.items() if state.wanted}

    def condition(self, kind: str) -> model.Condition:
        return next(c for c in self.status.conditions if c.type == kind)

    # --- effects ---------------------------------------------------------------------------------

    def _do(self, action: actions.Action) -> None:
        self.writes.append(type(action).__name__)
        match action:
            case actions.FreezeRollout() | actions.CorrectRevision():
                self._freeze(action)
            case actions.CreateRevision():
                self.frozen.setdefault(action.revision.hash, self.freeze(action.revision))
                self.revisions[action.revision.hash] = model.RevisionState(
                    revision=action.revision,
                    wanted=action.replicas,
                    ready=0,
                    available=0,
                    role=action.role,
                    created_at=self.now,
                    has_service=True,
                    template_hash=action.revision.digest,
                    made_with=action.revision.digest,
                    asked=action.replicas,
                    autoscaled=action.autoscaled,
                )
            case actions.Scale() | actions.SetAutoscaler():
                self._size(action)
            case actions.SetRole() | actions.NoteTemplate():
                self._note(action)
            case actions.SetTraffic():
                self._shift(action)
            case actions.DeleteRevision():
                self.revisions.pop(action.revision, None)
                self.frozen.pop(action.revision, None)
            case actions.CreateSmokeTest():
                self.jobs.append(action.name)
            case actions.AddFinalizer() | actions.RemoveFinalizer():
                self._hold(action)
            case actions.CreateIsolation() | actions.DeleteIsolation():
                self._isolate(action)

    def _isolate(self, action: actions.CreateIsolation | actions.DeleteIsolation) -> None:
        assert self.isolation is not None, "nobody has looked yet"
        if self.isolation.refused:
            return
        kept = self.isolation.revisions
        if isinstance(action, actions.CreateIsolation):
            kept |= {action.revision.hash}
        else:
            kept -= {action.revision}
        self.isolation = replace(self.isolation, revisions=kept)

    def _hold(self, action: actions.AddFinalizer | actions.RemoveFinalizer) -> None:
        others = tuple(f for f in self.finalizers if f != duties.FINALIZER)
        held = isinstance(action, actions.AddFinalizer)
        self.finalizers = (*others, duties.FINALIZER) if held else others

    def _note(self, action: actions.SetRole | actions.NoteTemplate) -> None:
        state = self.revisions[action.revision]
        if isinstance(action, actions.SetRole):
            state = replace(state, role=action.role)
        else:
            state = replace(state, made_with=action.template_hash, noted=True)
        self.revisions[action.revision] = state

    def _size(self, action: actions.Scale | actions.SetAutoscaler) -> None:
        state = self.revisions[action.revision]
        if isinstance(action, actions.SetAutoscaler):
            state = replace(state, autoscaler=action.limits)
        else:
            assert state.wanted == action.seen_replicas
            number = action.replicas
            state = replace(state, wanted=number, asked=number, autoscaled=action.autoscaled)
        self.revisions[action.revision] = state

    def _freeze(self, action: actions.FreezeRollout | actions.CorrectRevision) -> None:
        if isinstance(action, actions.CorrectRevision):
            known = self.frozen[action.revision]
            self.frozen[action.revision] = replace(known, server=action.server)
            return
        rollout = action.rollout
        self.frozen_rollouts[rollout.frozen_name] = model.FrozenRollout(
            name=rollout.frozen_name,
            revision=rollout.revision.hash,
            attempt=rollout.attempt,
            from_revision=rollout.from_revision,
            spec={"progressDeadline": "1m"},
        )

    def freeze(self, wanted: model.Revision) -> model.FrozenRevision:
        """What the present spec makes of a revision."""
        assert self.spec is not None
        port = self.spec.service.target_port
        return model.FrozenRevision(
            revision=wanted,
            model=self.spec.model,
            server=self.spec.server,
            port=model.PodPort(number=port, name=objects.PORT_NAME),
        )

    def _shift(self, action: actions.SetTraffic) -> None:
        weights = {action.stable: action.exposure.stable_percent}
        if action.candidate:
            weights[action.candidate] = action.exposure.live_percent
        mirrors = {}
        if action.exposure.mirror_percent > 0:
            mirrors = {action.candidate: action.exposure.mirror_percent}
            assert self.revisions[action.candidate].ready, "copies for nobody"
        assert abs(sum(weights.values()) - 100) < 1e-9
        for hash_, share in weights.items():
            ready = self.revisions[hash_].ready if hash_ in self.revisions else 0
            no_pods_wanted = self.spec is not None and self.spec.replicas == 0
            if share > 0 and hash_ != action.stable and not no_pods_wanted:
                assert ready > 0, f"traffic to {hash_} without a ready pod"
        routes = action.exposure.routes
        if routes:
            assert self.revisions[action.candidate].ready > 0, "testers without a ready pod"
        self.weights_seen.append(weights)
        self.traffic = model.TrafficState(
            exists=True,
            weights=weights,
            by_header={action.candidate: tuple(it.headers for it in routes)} if routes else {},
            mirrors=mirrors,
            accepted=self.accept,
            pending_reason="" if self.accept else "Pending",
            rolled_back_revision=action.marker,
            lowered_rollout=action.fence or self.traffic.lowered_rollout,
            entry_exists=True,
            entry_revision=action.stable,
            preview_revision=self._preview_revision(action),
            entry_port=self._entry_port(action),
        )

    def _preview_revision(self, action: actions.SetTraffic) -> str:
        if self.spec is None or self.spec.blue_green is None:
            return ""
        newest = action.exposure.preview or action.exposure.live_percent == 100
        return action.candidate if newest else action.stable

    def _entry_port(self, action: actions.SetTraffic) -> str | int:
        port = common_port([self.frozen[action.stable].port])
        assert port is not None
        return port

    def _pods_become_ready(self) -> None:
        for hash_, state in self.revisions.items():
            ready = 0 if hash_ in self.broken else self.held.get(hash_, state.wanted)
            failure = "server: CrashLoopBackOff" if hash_ in self.broken else ""
            self.revisions[hash_] = replace(
                state, ready=ready, available=ready, failure=failure, crash=failure
            )


def made_once(make: Callable[P, World]) -> Callable[P, World]:
    """Make the same world once; each caller gets a copy. Most tests begin after a hundred passes."""
    made = cache(make)

    @wraps(make)
    def copied(*args: P.args, **options: P.kwargs) -> World:
        return made(*args, **options).copy()  # type: ignore[arg-type]  # who cannot be hashed fails

    return copied


@made_once
def serving(version: model.Revision = V1, **options: object) -> World:
    """A world in which `version` serves and nothing is going on."""
    world = World(spec=make_spec(version=version.model_version, **options), desired=version)  # type: ignore[arg-type]
    world.run_until(model.Phase.HEALTHY)
    world.settle()
    world.events.clear()
    world.writes.clear()
    world.weights_seen.clear()
    world.status_writes = 0
    return world


def _kept(made: actions.CreateRecord) -> model.KeptRecord:
    return model.KeptRecord(
        name=made.last.record,
        revision=made.last.revision,
        attempt=made.last.attempt,
        finished_at=made.last.finished_at,
        result=made.last.result,
        by=made.last.by,
        reason=made.last.reason,
        model_version=made.rollout.revision.model_version if made.rollout else "",
        reached=made.rollout is not None
        and any(
            it.confirmed_at is not None and it.kind is not model.StageKind.FIRST
            for it in made.rollout.plan
        ),
    )


def waits(world: World) -> model.Waiting | None:
    """What the rollout waits for."""
    rollout = world.status.active_rollout
    found = rollout.waiting_for if rollout is not None else None
    return found.reason if found is not None else None
