"""Whether the candidate answers: servers count what they finish, so a hanging one shows too little.

Both arms get requests by the weight, so stable's finished requests say how many the candidate
should have finished. How far shares may be off for other reasons, such as few long connections, is
seen on stable's own pods: evidence is divided by the dispersion of their requests.
Source: evidence.md, 6; ADR 0022.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.rows import Counts
from tidegate.evidence.sequential import eprocess
from tidegate.evidence.sequential.eprocess import Process
from tidegate.evidence.sequential.relative import CAREFUL

FAR_TOO_FEW = 0.5  # of its share of all requests: harm
TOO_FEW = 0.9  # of those that are due: nothing is proven by the ones that were finished
POINTS = 19
_MIN_DF = 2  # pods of stable beyond the first, over all rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Both tests between two rows. `due` are the requests that the candidate should have finished.

    Units: requests of the current step. `pods` of the candidate were counted in this step.
    """

    far: Process = field(default_factory=lambda: eprocess.begin(POINTS))
    short: Process = field(default_factory=lambda: eprocess.invest(POINTS))
    spread: Spread = field(default_factory=Spread)
    rows: int = 0
    pods: frozenset[str] = frozenset()
    finished: float = 0.0
    due: float = 0.0


def next_step(known: Answers) -> Answers:
    """At another weight; what spoke for harm still does."""
    return Answers(far=known.far, spread=known.spread, rows=known.rows)


def share_of(counts: Counts, *, weight: float, by_pods: bool) -> float:
    """The share that the candidate gets: by weight, or less where pods decide and it has fewer.

    An autoscaler of one version changes the shares of both where each pod gets as much.
    """
    pods_c, pods_s = len(counts.pods_c), len(counts.pods_s)
    if not by_pods or not pods_c or not pods_s:
        return weight
    return min(weight, pods_c / (pods_c + pods_s))


def advance(known: Answers, *, counts: Counts, weight: float) -> Answers:
    """The tests after a row of both arms. With a weight of 0 or 1 it says nothing.

    A pod of the candidate that was counted before and is not now may be one that is not scraped: it
    takes its part of the weight with it. Where no pod is left nothing is said. The dispersion is what
    was known before the row.
    """
    n_c, n_s = counts.answered
    if not (0 < weight < 1 and n_c + n_s > 0):
        return known
    now = frozenset(pod.pod for pod in counts.pods_c)
    pods = known.pods | now
    part = _part_of(now, pods=pods, cold=counts.cold_c)
    if part <= 0:
        return known
    phi = dispersion_of(known.spread, pods=len(counts.pods_s))
    due = weight / (1 - weight)
    stake = eprocess.restart_weight(known.rows + 1)
    return Answers(
        far=eprocess.advance(
            known.far,
            log_factors=log_factors_below(n_c, n_s=n_s, least=FAR_TOO_FEW * weight * part),
            phi=phi,
            stake=stake,
        ),
        short=eprocess.advance(
            known.short,
            log_factors=log_factors_below(n_c, n_s=n_s, least=TOO_FEW * due / (1 + TOO_FEW * due)),
            phi=phi,
        ),
        spread=dispersion.widen_shares(
            known.spread, requests={pod.pod: pod.n for pod in counts.pods_s}
        ),
        rows=known.rows + 1,
        pods=pods,
        finished=known.finished + n_c,
        due=known.due + due * n_s,
    )


def _part_of(now: frozenset[str], *, pods: frozenset[str], cold: float) -> float:
    """The part of the candidate's weight that the pods of a row answer for, 0 to 1.

    Pods that are not warm are counted together and without names: alone they have taken the place of
    all others.
    """
    if not pods or (cold > 0 and not now):
        return 1.0
    return len(now) / len(pods)


def far_log_e(known: Answers) -> float:
    """Evidence that the candidate finishes less than half of its share."""
    return eprocess.log_value(known.far)


def short_log_e(known: Answers) -> float:
    """Evidence that it finishes less than nine tenths of what is due in this step."""
    return eprocess.log_value(known.short)


def dispersion_of(spread: Spread, *, pods: int) -> float:
    """What evidence is divided by, infinite while several pods of stable are about to tell.

    Connections last, so that few pods tell little however many rows there are.
    """
    phi = spread.phi(min_df=_MIN_DF, assumed=CAREFUL)
    if not phi.trusted:
        return phi.value if pods < 2 else math.inf
    return _of_connections(phi.value, pods=len(spread.whole))


def expected_dispersion(single: float, *, longer: float, pods: int, intervals: int) -> float:
    """What `dispersion_of` comes to after so many intervals of pods that differ as they did before.

    Units: `single` is the dispersion within an interval and `longer` what lasts beyond; both are 1
    where nothing but chance makes a difference.
    """
    if pods < 2:
        return CAREFUL
    df = (pods - 1) * intervals
    if df < _MIN_DF:
        return math.inf
    median = (
        max(1.0, single) * (1 - 2 / (9 * df)) ** 3
    )  # of chi squared (Wilson and Hilferty, 1931)
    upper = max(1.0, dispersion.upper_limit(median, df=df))
    return _of_connections(max(upper, longer), pods=pods)


def _of_connections(phi: float, *, pods: int) -> float:
    """Its excess at the upper limit for so many pods: connections last for many intervals."""
    return 1 + (phi - 1) * dispersion.upper_limit(1.0, df=pods - 1)


def log_factors_below(n_c: float, *, n_s: float, least: float) -> tuple[float, ...]:
    """Growth of each bet on a share below the least one; at most 1 in the mean at and above it."""
    shares = (least * (1 - 0.05 * k) for k in range(1, POINTS + 1))
    return tuple(
        n_c * math.log(share / least) + n_s * (math.log1p(-share) - math.log1p(-least))
        for share in shares
    )
