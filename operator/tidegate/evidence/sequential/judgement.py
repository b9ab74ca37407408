"""What the engine is told and what it answers, as frozen data.

Units: instants in unix seconds, rates and shares from 0 to 1, evidence as natural logarithms.
Source: evidence.md, 1 and 13.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Usual
from tidegate.evidence.sequential.confidence import Interval
from tidegate.evidence.terms import Measure, Problem, Reason, TrainingData
from tidegate.model import Outcome, Shift, Verdict

OPEN = Interval(lower=None, upper=None)
_WITHOUT_PROOF = frozenset({Reason.UNDECIDED, Reason.NO_BASELINE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Held against stable: `theta0` is tolerated, `theta0_promote` and `excess_promote` pass.

    `detect_ratio` times stable's rate, or `detect_absolute` more, is harm that would have to be
    found before a step may pass without a proof.

    Units: rate ratios; excess_promote is a rate of the candidate that passes, as where neither side
    has errors, unless it is clearly beyond theta0_promote in the step; detect_absolute is added to
    stable's rate.
    """

    theta0: float = 1.1
    theta0_promote: float = 1.25
    excess_promote: float = 0.005
    detect_ratio: float = 5.0
    detect_absolute: float = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many requests per second the candidate must finish.

    `least` is a limit in requests/s, of all traffic or `per_pod` of each of its pods. Held against
    stable, less than `tolerated` of what is due is harm, and `promoted` of it must be proven.

    Units: `tolerated` and `promoted` are shares below 1 of what is due by weight; None is no limit.
    """

    least: float | None = None
    tolerated: float | None = None
    promoted: float | None = None
    per_pod: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """How far the mixes of a distribution may move.

    It is harm when more than `at_most` features are further from stable than `delta`, and it passes
    when all but so many are nearer than `margin`. Features to `ignore` are not looked at. With a
    `reference` the candidate is held against that, and stable is not needed.

    Units: PSI.
    """

    delta: float = 0.1
    margin: float = 0.25
    at_most: int = 0
    ignore: tuple[str, ...] = ()
    reference: TrainingData | None = None

    def __post_init__(self) -> None:
        assert 0 <= self.delta < self.margin, self


@dataclass(frozen=True, slots=True, kw_only=True)
class Late:
    """What is counted by labels that come later, and when a cohort of predictions counts.

    That is once its youngest prediction is `delay_seconds` old and `min_share` of the labels are in that
    usually come. In the steps `unasked` labels cannot come in time, so that these pass without them.
    """

    delay_seconds: float
    cohort_seconds: float = 3600.0
    min_share: float = 0.8
    measure: Measure = Measure.ACCURACY
    unasked: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        assert self.delay_seconds >= 0, self
        assert self.cohort_seconds > 0, self
        assert 0 < self.min_share <= 1, self


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRule:
    """How one metric is judged; it counts bad events out of n, or `scalar` says it does not.

    `edges` (seconds) make it a latency with one stream per edge; `decisive` is the stream whose
    limit and proof count. `limit` is the tolerated rate of bad events of that stream; `recorded` says that
    it comes from what stable showed before. A metric
    that is no `guard` is computed and shown, and changes nothing. `common` says that bad events
    are the rule (more than half in stable's history), so that good ones are counted. Below
    `min_samples` candidate requests nothing is proven. One failing check of a `critical` scalar is
    enough. `usual` is what stable showed before the rollout, None where nothing is known. `errors`
    says that bad events are failed requests, of which nobody fails most unless there is an outage.
    With `pace` no events are bad: it is how many there are that counts; with `drift` it is their mix.
    Of `pairs` the events are pairs of answers. A `complement` is a share of good events to people.
    Harm of a metric that `holds` keeps the step from passing, and rolls nothing back; so does that
    of the steps in `holds_in`. What is `late` is told by labels: then its events are those, and its
    intervals cohorts of predictions.
    """

    name: str
    edges: tuple[float, ...] = ()
    decisive: int = 0
    compare: Compare | None = None
    limit: float | None = None
    recorded: bool = False
    guard: bool = True
    common: bool = False
    scalar: bool = False
    critical: bool = False
    min_samples: float = 0
    usual: Usual | None = None
    errors: bool = False
    pace: Pace | None = None
    pairs: bool = False
    complement: bool = False
    drift: Drift | None = None
    holds: bool = False
    holds_in: tuple[int, ...] = ()
    late: Late | None = None

    def __post_init__(self) -> None:
        assert self.limit is None or 0 < self.limit < 1, self
        assert 0 <= self.decisive < self.streams, self
        assert self.scalar or self.tests > 0, self

    @property
    def streams(self) -> int:
        """Number of streams of bad events."""
        return len(self.edges) or 1

    def holds_at(self, step: int) -> bool:
        """Whether harm keeps this step from passing, and rolls nothing back."""
        return self.holds or step in self.holds_in

    @property
    def events(self) -> str:
        """What is counted, for people."""
        if self.late is not None:
            return "labels"
        return "pairs" if self.pairs else "requests"

    @property
    def tests(self) -> int:
        """Shares of the error budget that the metric takes."""
        judged = (self.compare, self.limit, self.pace, self.drift)
        return sum(one is not None for one in judged)

    @property
    def counts_bad(self) -> bool:
        """Whether some events of a row are bad; else they are only counted, or told apart, or labelled later."""
        others = (self.pace, self.drift, self.late)
        return not self.scalar and all(one is None for one in others)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """Settings of the engine for one rollout, fixed when it starts (evidence.md, 1).

    `requests_from` names the metric whose n counts the requests, for the split and the minimums,
    and is empty where nothing counts them;
    without `split_holds` a wrong share is only reported;
    `expected_requests` of the candidate in a step tune the displayed interval of its rate.
    """

    metrics: tuple[MetricRule, ...]
    requests_from: str
    expected_requests: float = 1000.0
    alpha_rollback: float = 0.01
    alpha_promote: float = 0.05
    alpha_side: float = 0.001
    min_candidate_requests: float = 100
    min_intervals: int = 3
    min_candidate_events: float = 5
    split_tolerance: float = 0.25
    split_holds: bool = True
    breach_failures: int = 3
    breach_out_of: int = 5

    def __post_init__(self) -> None:
        names = [rule.name for rule in self.metrics]
        assert len(set(names)) == len(names), names

    @property
    def log_rollback(self) -> float:
        """Evidence at which a guard rolls back: all guard tests share the budget evenly."""
        tests = sum(rule.tests for rule in self.metrics if rule.guard)
        return math.log(max(1, tests) / self.alpha_rollback)

    @property
    def log_promote(self) -> float:
        """Evidence that is a proof. Needs no correction, as every limit must be proven."""
        return -math.log(self.alpha_promote)

    @property
    def log_side(self) -> float:
        """Evidence at which a test that can only hold does so."""
        return -math.log(self.alpha_side)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One valid look at a scalar metric."""

    value: float
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a look knows besides the rows.

    `problems` are those of the current look, by metric; `checks` are the valid looks at scalar
    metrics, oldest first. `at_deadline` is what the policy does without proof, None before then;
    `late` says that the last quarter of the step's time has begun.
    `min_requests` are those that the step asks for, None leaves them to the config.
    """

    now: float
    step: int
    judged_from: float
    has_stable: bool
    problems: Mapping[str, Problem] = field(default_factory=dict)
    checks: Mapping[str, tuple[Check, ...]] = field(default_factory=dict)
    at_deadline: Verdict | None = None
    min_requests: float | None = None
    late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One metric: what was seen and what it proves.

    `log_e` and `log_limit` belong to the rollback test that is nearest to its limit, `log_proof` is
    the weakest of the proofs that promotion needs. Rates are those of the decisive stream, or of
    the edge (seconds) that the evidence points at. `power` is the chance to have found a candidate
    with the rate `detect` of bad requests by now. `speed_c` and `speed_s` are requests per second of a
    throughput, that of stable as it would be in the candidate's place. `shifts` are the features of a
    distribution that moved most, the worst first. Harm that `holds` rolls nothing back. `unheld`: what
    it was to be held against is missing, which no deadline excuses. `unasked`: it cannot be proven in
    this step, so that the step does not wait for it.
    """

    metric: str
    outcome: Outcome
    reason: Reason
    message: str
    guard: bool
    edge: float | None = None
    n_c: float = 0.0
    x_c: float = 0.0
    n_s: float = 0.0
    x_s: float = 0.0
    ratio: float | None = None
    ratio_interval: Interval = OPEN
    rate_interval: Interval = OPEN
    log_e: float = 0.0
    log_limit: float = math.inf
    log_proof: float = 0.0
    detect: float | None = None
    power: float = 0.0
    phi: Phi | None = None
    speed_c: float | None = None
    speed_s: float | None = None
    shifts: tuple[Shift, ...] = ()
    holds: bool = False
    unheld: bool = False
    unasked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All metrics together. `metric` names the one that decided, if a single one did.

    `others` are further reasons to hold, in rule order; `closed_until` is the end of the last row.
    """

    verdict: Verdict
    reason: Reason
    message: str
    metric: str = ""
    findings: tuple[Finding, ...] = ()
    others: tuple[Reason, ...] = ()
    log_split: float = 0.0
    step_requests: float = 0.0
    step_intervals: int = 0
    closed_until: float | None = None

    @property
    def only_proof_is_missing(self) -> bool:
        """Nothing is wrong but that there is no proof yet: then a deadline may decide."""
        return self.reason in _WITHOUT_PROOF and not any(
            one.unheld and one.guard for one in self.findings
        )
