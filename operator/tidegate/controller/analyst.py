"""Looks at the metrics of running rollouts and keeps an interval table of each in memory.

Everything can be read again: after a restart one range query per metric gives the same rows and so
the same verdict. Only the checks of plain values start from nothing, which delays a verdict and
never forges one. The verdict itself is `evidence.engine`.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass

from tidegate import model
from tidegate.controller import casebook, gathering
from tidegate.controller.casebook import Case, Setting
from tidegate.controller.desk import Desk
from tidegate.controller.gathering import Asked, Gatherer
from tidegate.evidence.counts.grid import LATE_SECONDS, WeightChange
from tidegate.evidence.counts.history import Past
from tidegate.evidence.sequential.judgement import Context
from tidegate.evidence.terms import Identity, Problem, Reason, Template
from tidegate.evidence.verdict.rules import is_counted
from tidegate.ports import Clock, MetricSource, Recorder
from tidegate.settings import MetricSourceSettings

HISTORY_INTERVALS = 60
CHUNK_SCRAPES = 240  # an hour at 15 s; keeps a raw answer well below the adapter's limit
MAX_CHUNKS = 24  # per look and metric; the rest of a long rollout is counted at the next look
MAX_CASES = 10_000
_UNKNOWN_SOURCE = MetricSourceSettings(name="", url="")


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisRequest:
    """The rollout to be judged. `stable` is empty when nothing serves beside the candidate.

    `templates` holds one entry per metric of the spec, as `evidence.templates` resolves them;
    `one_pod` says that the candidate starts with a single pod.
    """

    namespace: str
    name: str
    uid: str
    rollout: model.Rollout
    stable: str
    spec: model.Spec
    templates: Mapping[str, Template]
    one_pod: bool = False

    def __post_init__(self) -> None:
        missing = {metric.name for metric in self.spec.analysis.metrics} - self.templates.keys()
        assert not missing, missing

    @property
    def identity(self) -> Identity:
        """Whose series are read."""
        return Identity(
            namespace=self.namespace,
            name=self.name,
            candidate=self.rollout.revision.hash,
            stable=self.stable,
        )

    @property
    def events(self) -> tuple[WeightChange, ...]:
        """The weights whose evidence counts, as they were confirmed."""
        since = self.rollout.evidence_since
        return tuple(
            WeightChange(
                at=step.confirmed_at.timestamp(),
                step=index,
                weight=step.effective_weight_percent / 100,
            )
            for index, step in enumerate(self.rollout.plan)
            if step.confirmed_at is not None and since is not None and step.confirmed_at >= since
        )

    @property
    def data_from(self) -> float:
        """Unix seconds from which on the last weight is judged: settled and warm."""
        first_traffic = self.rollout.first_traffic_at
        settled = self.events[-1].at + self.spec.analysis.settle_seconds
        if first_traffic is None:
            return settled
        return max(settled, first_traffic.timestamp() + self.spec.analysis.warmup_seconds)


class Analyst:
    """Judges running rollouts, one look per interval."""

    def __init__(
        self,
        *,
        source: MetricSource,
        clock: Clock,
        sources: Mapping[str, MetricSourceSettings],
        recorder: Recorder,
    ) -> None:
        self._gatherer = Gatherer(Desk(source=source, clock=clock, sources=sources))
        self._clock = clock
        self._sources = sources
        self._recorder = recorder
        self._cases: dict[str, Case] = {}

    async def outlook(self, request: AnalysisRequest) -> model.AnalysisState:
        """What the planned steps can find out; asks for stable's history once."""
        case = self._case(request)
        async with case.lock:
            await self._learn_past(request, case)
            return model.AnalysisState(estimates=case.estimates)

    async def state(self, request: AnalysisRequest) -> model.AnalysisState:
        """The judgement of a rollout with a confirmed weight, as of its last look.

        Queries only when a look is due, and one look at a time.
        """
        case = self._case(request)
        async with case.lock:
            tick = self._tick(request)
            if case.looked_at is not None and tick < case.looked_at:
                # The clock was ahead: intervals were closed that had not been lived through.
                case.begin_evidence(request.rollout)
            if tick != case.looked_at and tick >= self._judged_from(request):
                case.looked_at = tick
                await self._look(request, case, at=tick)
            return case.judge(self._context(request, case))

    def forget(self, uid: str) -> None:
        """Drop what is known of a ModelDeployment whose rollout ended or that is gone."""
        self._cases.pop(uid, None)

    # --- time ------------------------------------------------------------------------------------

    def _now(self) -> float:
        return self._clock.now().timestamp()

    def _tick(self, request: AnalysisRequest) -> float:
        """The instant of the present look, a multiple of the interval.

        Rollouts with equal intervals ask for equal instants, and so share their queries.
        """
        interval = request.spec.analysis.interval_seconds
        return math.floor(self._now() / interval) * interval

    def _judged_from(self, request: AnalysisRequest) -> float:
        """One scrape after the data begin to count; before that there is nothing to see."""
        return request.data_from + max(self._scrapes(request).values())

    def _scrapes(self, request: AnalysisRequest) -> Mapping[str, float]:
        """How often each source that is asked scrapes, in seconds."""
        names = {template.source for template in request.templates.values()}
        return {
            name: self._sources.get(name, _UNKNOWN_SOURCE).scrape_interval_seconds
            for name in sorted(names | {request.spec.analysis.source})
        }

    # --- cases -----------------------------------------------------------------------------------

    def _case(self, request: AnalysisRequest) -> Case:
        """The rollout's case; a new one when the way of judging has changed."""
        setting = casebook.setting_of(
            namespace=request.namespace,
            name=request.name,
            rollout=request.rollout,
            spec=request.spec,
            templates=request.templates,
            one_pod=request.one_pod,
            identity=request.identity,
            scrapes=self._scrapes(request),
        )
        case = self._cases.pop(request.uid, None)
        if case is None or case.setting != setting:
            case = Case(setting, recorder=self._recorder)
        if case.since != request.rollout.evidence_since:
            case.begin_evidence(request.rollout)
        self._cases[request.uid] = case  # as the newest
        while len(self._cases) > MAX_CASES:
            del self._cases[next(iter(self._cases))]
        return case

    def _context(self, request: AnalysisRequest, case: Case) -> Context:
        step = request.events[-1].step
        return case.context(
            now=self._now(),
            step=step,
            judged_from=self._judged_from(request),
            min_requests=request.rollout.plan[step].min_requests,
        )

    # --- asking ----------------------------------------------------------------------------------

    async def _learn_past(self, request: AnalysisRequest, case: Case) -> dict[str, Problem]:
        """Ask for stable before the rollout; by metric, why it is not known yet.

        While its source is down this is tried again: no verdict may depend on one bad moment.
        """
        metrics = case.without_past
        if not metrics:
            return {}
        found = await asyncio.gather(
            *(self._past(metric, request=request, case=case) for metric in metrics)
        )
        answers = dict(zip((metric.name for metric in metrics), found, strict=True))
        problems = {name: one for name, one in answers.items() if isinstance(one, Problem)}
        case.learn({name: one for name, one in answers.items() if not isinstance(one, Problem)})
        return problems

    async def _past(
        self, metric: model.Metric, *, request: AnalysisRequest, case: Case
    ) -> Past | Problem | None:
        """Stable's history of one metric; None when it has none that can be read."""
        setting, grid = case.setting, case.grid
        scrape_seconds = setting.scrape_of(metric)
        end = request.rollout.started_at.timestamp()
        start = end - min(HISTORY_INTERVALS * grid.length_seconds, CHUNK_SCRAPES * scrape_seconds)
        found = await self._gatherer.pieces(_asked(metric, setting), since=start, at=end)
        if isinstance(found, Problem):
            return found if found.reason is Reason.METRICS_UNAVAILABLE else None
        return Past(
            metric=metric.name,
            series=found.series(metric, scrape_seconds=scrape_seconds),
            identity=request.identity,
            grid=grid,
            start=start,
            end=end,
        )

    async def _look(self, request: AnalysisRequest, case: Case, *, at: float) -> None:
        """Ask everything at one instant, then remember what it showed."""
        problems = await self._learn_past(request, case)
        metrics = [one for one in case.setting.metrics if one.name not in problems]
        found = await asyncio.gather(
            *(self._look_at(metric, request=request, case=case, at=at) for metric in metrics)
        )
        problems |= {
            metric.name: problem
            for metric, problem in zip(metrics, found, strict=True)
            if problem is not None
        }
        case.note(problems, at=at)
        case.settle_rows(self._context(request, case))

    async def _look_at(
        self, metric: model.Metric, *, request: AnalysisRequest, case: Case, at: float
    ) -> Problem | None:
        """Count or check one metric; what is wrong with its data, if anything is."""
        asked = _asked(metric, case.setting)
        if is_counted(case.setting.templates[metric.name]):
            return await self._count(metric, asked, request=request, case=case, at=at)
        value = await self._gatherer.number(asked, identity=request.identity, at=at)
        if isinstance(value, Problem):
            return value
        case.check(metric, value=value, at=at)
        return None

    async def _count(
        self, metric: model.Metric, asked: Asked, *, request: AnalysisRequest, case: Case, at: float
    ) -> Problem | None:
        """Count a metric up to now, in pieces where much time has passed, as after a restart."""
        setting, events = case.setting, request.events
        for _ in range(MAX_CHUNKS):
            since = min(at, case.counted_until(metric.name, events=events))
            piece_end = min(at, since + CHUNK_SCRAPES * setting.scrape_of(metric))
            pieces = await self._gatherer.pieces(asked, since=since, at=piece_end)
            if isinstance(pieces, Problem):
                return pieces
            # What came long ago is final; only the last piece has to wait for late samples.
            now = min(at, piece_end + setting.scrape_seconds + LATE_SECONDS)
            problem = case.count(metric, pieces=pieces, events=events, now=now)
            if piece_end == at:
                step = events[-1].step
                return problem or case.state_of_data(metric, pieces=pieces, step=step, at=at)
        message = "the requests of a long rollout are still being counted"
        return Problem(reason=Reason.INSUFFICIENT, message=message)


def _asked(metric: model.Metric, setting: Setting) -> Asked:
    return gathering.asked_by(
        metric, template=setting.templates[metric.name], identity=setting.identity
    )
