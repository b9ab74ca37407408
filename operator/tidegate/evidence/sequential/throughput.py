"""Whether the candidate finishes requests as fast as it must: by a limit, and beside stable.

Both arms get requests by the weight, so what stable finishes says how many are due. A limit in
requests per second can only be judged while so many are due: then it is a share of them, by what
stable has finished in earlier rows of the step, so that no row chooses its own hypothesis. Each bet
is on the candidate's share of all finished requests, and evidence is divided by the dispersion of
requests over stable's pods (clients keep connections open).
Source: evidence.md, 6; ADR 0035.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.rows import Counts, Flag, Row
from tidegate.evidence.sequential import answers, eprocess
from tidegate.evidence.sequential.eprocess import Process
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule, Pace

_FASTEST = 1.1  # of what is due; nobody finishes much more than arrives


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Both tests of one throughput after a row; proofs are those of the current step.

    `finished` are the candidate's requests of the step and `due` those by stable's, over `units`:
    seconds times the weight, or times pods. `slow` and `short` latch that it finishes too few beside
    stable, or for the limit.
    """

    harm: Process = field(default_factory=lambda: eprocess.begin(answers.POINTS))
    proof: Process = field(default_factory=lambda: eprocess.invest(answers.POINTS))
    spread: Spread = field(default_factory=Spread)
    rows: int = 0
    finished: float = 0.0
    due: float = 0.0
    units: float = 0.0
    slow: bool = False
    short: bool = False

    @property
    def per_second(self) -> float | None:
        """What the candidate finishes, in requests/s of all traffic or of each of its pods."""
        return self.finished / self.units if self.units > 0 else None

    @property
    def due_per_second(self) -> float | None:
        """What stable would finish in its place."""
        return self.due / self.units if self.units > 0 else None


def next_step(known: Speed) -> Speed:
    """At another weight; what spoke for harm still does."""
    return replace(known, proof=Speed().proof, finished=0.0, due=0.0, units=0.0)


def recorded(
    known: Mapping[str, Speed], *, row: Row, config: EvidenceConfig, proves: bool
) -> Mapping[str, Speed]:
    """All throughputs after one more row.

    A row that is not over ends in the midst of scrapes; one in which stable is not itself `proves`
    nothing.
    """
    found = dict(known)
    if Flag.RUNNING in row.flags or not proves:
        return found
    for rule in config.metrics:
        counts = row.counts.get(rule.name)
        if rule.pace is None or counts is None or not counts.complete:
            continue
        weight = answers.share_of(counts, weight=row.weight, by_pods=not config.split_holds)
        units = _units(counts, weight=weight, pace=rule.pace) * (row.t1 - row.t0)
        if 0 < weight < 1 and units > 0 and sum(counts.answered) > 0:
            before = found.get(rule.name, Speed())
            after = _advanced(before, counts=counts, weight=weight, units=units, rule=rule)
            found[rule.name] = _latched(after, before=before, rule=rule, config=config)
    return found


def is_due(known: Speed, *, pace: Pace) -> bool:
    """So many requests arrive that the limit can be judged; without a limit always."""
    if pace.least is None:
        return True
    due = known.due_per_second
    return due is not None and due > pace.least


def harm_e(known: Speed) -> float:
    """Evidence that too few requests are finished."""
    return eprocess.log_value(known.harm)


def proof_e(known: Speed) -> float:
    """Evidence in this step that enough are."""
    return eprocess.log_value(known.proof)


def _units(counts: Counts, *, weight: float, pace: Pace) -> float:
    if not pace.per_pod:
        return weight
    # Requests of pods that are not warm are counted together, so nobody knows how many pods it are.
    return 0.0 if counts.cold_c else float(len(counts.pods_c))


def least_parts(pace: Pace, *, due: float | None) -> tuple[float | None, float | None]:
    """Of what is due: below the first it is harm, above the second it is proven; None says nothing.

    Units: due in requests/s, as the limit; None is not known yet.
    """
    limit = None if pace.least is None or not due else pace.least / due
    if pace.least is not None and (limit is None or limit >= 1):
        return pace.tolerated, None
    return _larger(pace.tolerated, limit), _larger(pace.promoted, limit)


def _larger(first: float | None, second: float | None) -> float | None:
    return max((one for one in (first, second) if one is not None), default=None)


def _advanced(
    known: Speed, *, counts: Counts, weight: float, units: float, rule: MetricRule
) -> Speed:
    assert rule.pace is not None, rule
    n_c, n_s = counts.answered
    odds = weight / (1 - weight)
    phi = answers.dispersion_of(known.spread, pods=len(counts.pods_s))
    harm, proven = least_parts(rule.pace, due=known.due_per_second)
    below = above = None
    if harm is not None:
        below = log_factors_below(n_c, n_s=n_s, part=harm, odds=odds)
    if proven is not None:
        above = log_factors_above(n_c, n_s=n_s, part=proven, odds=odds)
    stake = eprocess.restart_weight(known.rows + 1)
    return replace(
        known,
        harm=eprocess.advance(known.harm, log_factors=below, phi=phi, stake=stake),
        proof=eprocess.advance(known.proof, log_factors=above, phi=phi),
        spread=dispersion.widen_shares(
            known.spread, requests={pod.pod: pod.n for pod in counts.pods_s}
        ),
        rows=known.rows + 1,
        finished=known.finished + n_c,
        due=known.due + odds * n_s,
        units=known.units + units,
    )


def log_factors_below(n_c: float, *, n_s: float, part: float, odds: float) -> tuple[float, ...]:
    """Growth of each bet on less than this part of what is due; at most 1 in the mean at or above."""
    return answers.log_factors_below(n_c, n_s=n_s, least=part * odds / (1 + part * odds))


def log_factors_above(n_c: float, *, n_s: float, part: float, odds: float) -> tuple[float, ...]:
    """Growth of each bet on more than this part of what is due; at most 1 in the mean at or below."""
    least = part * odds / (1 + part * odds)
    parts = (part + (_FASTEST - part) * (k + 1) / answers.POINTS for k in range(answers.POINTS))
    shares = (one * odds / (1 + one * odds) for one in parts)
    return tuple(
        n_c * math.log(share / least) + n_s * (math.log1p(-share) - math.log1p(-least))
        for share in shares
    )


def _latched(after: Speed, *, before: Speed, rule: MetricRule, config: EvidenceConfig) -> Speed:
    """What is proven stays proven."""
    assert rule.pace is not None, rule
    proven = round(harm_e(after), 9) >= config.log_rollback
    if after.slow or after.short or not proven or after.due < config.min_candidate_requests:
        return after
    tested, _ = least_parts(rule.pace, due=before.due_per_second)
    by_limit = tested is not None and tested != rule.pace.tolerated
    return replace(after, short=by_limit, slow=not by_limit)
