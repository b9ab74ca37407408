"""Whether a revision is itself: stable against what it usually shows, a candidate against an outage.

Rows in which stable is not itself prove nothing, as whatever befalls both arms makes them look
alike. An outage of the candidate alone is found on the last scrapes, with no other baseline than
what is usual, and with every burst counted as one event.
Source: ADR 0024.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.counts.rows import Counts, PodCounts, Row, Stream
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.sequential.relative import CAREFUL

FACTOR = 3.0  # times what is usual is not usual any more
LEAST_FACTOR = 2.0  # of failed requests, where three times as many would be most
LEAST_UNUSUAL = 0.02  # a rate of bad events that is no incident, however rare they are
LEAST_OUTAGE = 0.01
UNKNOWN_UNUSUAL, UNKNOWN_OUTAGE = 0.1, 0.05  # without a history, of failed requests
OUTAGE_SHARE = 0.5  # an outage is when most requests fail
LEAST_BURST = 10.0
TOTAL_SHARE, LEAST_REQUESTS = 0.9, 20.0
LOG_STRANGE = math.log(20.0)
_LOG_MOST = LOG_STRANGE + 3.0  # so that an incident is over soon after it ended
LEAST_EVENTS = 3.0
_MOST_UNUSUAL = 1 - 1e-6  # above this rate nothing is left that could be unusual
_ROWS = 3  # so many unusual rows in a row are an incident, too


class Doubt(enum.Enum):
    """How far a row is to be trusted that stable is in trouble, or is just before or after it.

    Arms are scraped at different moments: at either end of an incident one of them shows more of it.
    """

    NONE = "None"
    NEAR = "Near"
    BEGINS_OR_ENDS = "BeginsOrEnds"
    INCIDENT = "Incident"

    @property
    def proves(self) -> bool:
        """Stable was itself in the row."""
        return self in {Doubt.NONE, Doubt.NEAR}

    @property
    def divisor(self) -> float:
        """What evidence of harm is divided by, besides the dispersion."""
        return {Doubt.NONE: 1.0, Doubt.INCIDENT: CAREFUL}.get(self, math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Self:
    """How strange stable is: a sum of log evidence that begins again at 0, and unusual rows."""

    log_strange: float = 0.0
    rows: int = 0

    @property
    def strange(self) -> bool:
        """True while stable is in an incident."""
        return self.log_strange >= LOG_STRANGE or self.rows >= _ROWS


def unusual_rate(rule: MetricRule) -> float | None:
    """The rate of bad events above which stable is not itself; always above what is usual.

    None where nothing is known of it, or where all events were bad as it is.
    """
    return _rate(rule, least=LEAST_UNUSUAL, unknown=UNKNOWN_UNUSUAL)


def outage_rate(rule: MetricRule) -> float | None:
    """The rate that an outage is tested against; None where all requests may well be bad."""
    return _rate(rule, least=LEAST_OUTAGE, unknown=UNKNOWN_OUTAGE) if rule.errors else None


def _rate(rule: MetricRule, *, least: float, unknown: float) -> float | None:
    if rule.usual is None:
        return unknown if rule.errors else None
    usual = rule.usual.rate
    rate = max(least, FACTOR * usual)
    if rate <= OUTAGE_SHARE:
        return rate
    # Where so much is usual, what is half-way from there to everything is beyond it.
    rate = (1 + usual) / 2
    if rule.errors:  # of which nobody fails most, unless nearly as many were bad before
        rate = max(OUTAGE_SHARE, min(LEAST_FACTOR * usual, rate))
    return rate if rate <= _MOST_UNUSUAL else None


def is_unusual(n: float, *, x: float, rule: MetricRule) -> bool:
    """So many bad events of stable are more than it ever usually shows."""
    limit = unusual_rate(rule)
    return limit is not None and x >= LEAST_EVENTS and x > limit * n


def doubt(row: Row, *, before: bool, config: EvidenceConfig) -> Doubt:
    """Whether a row may speak for harm, by what the guards show of stable in it and around it."""
    within = after = False
    for rule in config.metrics:
        counts = row.counts.get(rule.name)
        if counts is None or not rule.counts_bad or not rule.guard:
            continue
        stream, later = counts.stream(rule.decisive), counts.after_s
        within = within or is_unusual(stream.n_s, x=stream.x_s, rule=rule)
        after = after or (
            later is not None and is_unusual(later.n, x=later.x[rule.decisive], rule=rule)
        )
    if before and within and after:
        return Doubt.INCIDENT
    if within:
        return Doubt.BEGINS_OR_ENDS
    return Doubt.NEAR if before or after else Doubt.NONE


def watched(known: Self, *, stream: Stream, rule: MetricRule) -> Self:
    """What is known of stable after one more row.

    A CUSUM of the log likelihood ratio between the unusual rate and its square root.
    """
    limit = unusual_rate(rule)
    if limit is None or stream.n_s <= 0:
        return known
    gain = _log_ratio(stream.n_s, x=stream.x_s, p0=limit, p1=math.sqrt(limit))
    log_strange = max(0.0, known.log_strange) + gain / stream.phi.value
    return Self(
        log_strange=min(_LOG_MOST, max(0.0, log_strange)),
        rows=known.rows + 1 if is_unusual(stream.n_s, x=stream.x_s, rule=rule) else 0,
    )


def outage_log_e(counts: Counts, *, rule: MetricRule, sustained: bool) -> float:
    """Evidence that most requests of the candidate fail and stable's do not; 0 where they do not.

    The Chernoff bound of the binomial tail at the usual rate, with a burst of requests as one. An
    almost total failure that is `sustained` is no burst. It must not rest on one pod of several.
    Beside a stable of which most requests fail, too, more of them must than ever do there.
    """
    p0, stream = outage_rate(rule), counts.stream(rule.decisive)
    if p0 is None or stream.n_c <= 0 or stream.x_c < max(OUTAGE_SHARE, p0) * stream.n_c:
        return 0.0
    usual = rule.usual.rate if rule.usual is not None else 0.0
    beside = max(OUTAGE_SHARE, usual + p0) / 2
    if not _without_worst(counts.pods_c, share=beside, rule=rule):
        return 0.0
    if is_unusual(stream.n_s, x=stream.x_s, rule=rule):
        return 0.0
    share = stream.x_c / stream.n_c
    total = sustained and share >= TOTAL_SHARE and stream.n_c >= LEAST_REQUESTS
    clump = LEAST_BURST if total else max(LEAST_BURST, stream.phi.value)
    return max(0.0, _log_ratio(stream.n_c, x=stream.x_c, p0=p0, p1=share)) / clump


def _without_worst(pods: Sequence[PodCounts], *, share: float, rule: MetricRule) -> bool:
    """Such a share of requests fails on the pods besides the worst one, too, if there are any."""
    if len(pods) < 2:
        return True
    worst = max(pods, key=lambda it: it.x[rule.decisive])
    n = math.fsum(it.n for it in pods) - worst.n
    x = math.fsum(it.x[rule.decisive] for it in pods) - worst.x[rule.decisive]
    return n <= 0 or x >= share * n


def _log_ratio(n: float, *, x: float, p0: float, p1: float) -> float:
    good = (n - x) * (math.log1p(-p1) - math.log1p(-p0)) if n > x else 0.0
    return x * math.log(p1 / p0) + good
