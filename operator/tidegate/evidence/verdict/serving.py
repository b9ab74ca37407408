"""What one look at a revision that serves says of one metric: a distribution against its training.

The last window is judged anew at each look, by the same test as a rollout; only clumps are told by what
neighbouring slices differ by, since a world that changes in the midst of a window is what is looked for.
The budget of false alarms
is that of a week: each look of each metric has its share of it, and the features share that by Holm's
method. So how often one looks costs a logarithm, and drift is told as soon as it is proven.

Only a feature whose PSI is above what is tolerated can be proven to be, so that nothing else is tested:
a look at a model that has not drifted costs no test at all.
Source: evidence.md, 10; Holm 1979; ADR 0080.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from tidegate import model
from tidegate.evidence import combine
from tidegate.evidence.counts.binned import MAX_ALL_BINS
from tidegate.evidence.counts.rows import Bins
from tidegate.evidence.drift import mixes
from tidegate.evidence.drift.mixes import ByBin, Mix
from tidegate.evidence.drift.slices import Slices
from tidegate.evidence.sequential.distribution import FIRST_LOOK, KEPT_SHIFTS
from tidegate.evidence.sequential.judgement import Drift
from tidegate.evidence.terms import Problem, Reason, TrainingData
from tidegate.evidence.verdict.distribution import moved_text
from tidegate.model import Outcome, Shift

WEEK_SECONDS = 604_800.0
KEPT_WINDOWS = 3  # what tells sudden from gradual is older than what is judged
LEAST_SLICES = 6  # fewer tell little of clumps
LEAST_OF_EVEN = (
    0.25  # a slice with less of a feature than this part of its even share tells nothing of them
)
_POD = "all"  # a slice is the sum of all pods
_DECIMALS = 9
_TOO_MANY_BINS = Problem(
    reason=Reason.ERROR,
    message=(
        f"more than {MAX_ALL_BINS} bins within a window: count rare categories as other, or name"
        " features whose values change all the time in drift.ignore"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicing:
    """How often a metric is looked at. `alpha` is the chance of a false alarm at one look; seconds per slice."""

    alpha: float
    slice_seconds: float

    @property
    def window_seconds(self) -> float:
        """So much is judged."""
        return model.SLICES * self.slice_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Way(Slicing):
    """How a distribution is watched."""

    rule: Drift


def alpha_of(monitoring: model.Monitoring, *, slice_seconds: float, metrics: int) -> float:
    """The share of one look at one of so many metrics in the false alarms of a week."""
    return monitoring.false_alarms * slice_seconds / WEEK_SECONDS / metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What is known of one metric. Nothing was beyond what is tolerated since `sound_from`, if that is one.

    Features that are `unsettled` were beyond it, and have not been observed often enough since.
    """

    slices: Slices = field(default_factory=Slices)
    sound_from: float | None = None
    unsettled: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look says; how a drift came stands in `onset`, for now. `value` is that of a threshold."""

    outcome: Outcome
    reason: Reason
    message: str
    shifts: tuple[Shift, ...] = ()
    onset: str = ""
    value: float | None = None


def looked(
    known: Served, *, observed: Mapping[str, ByBin] | Problem, at: float, way: Way
) -> tuple[Served, Look]:
    """The state and the finding after what the last slice has observed; `at` in unix seconds.

    A slice without data changes nothing that is known: it is no drift, and no sign of none.
    """
    reference = way.rule.reference
    assert reference is not None, way
    if isinstance(observed, Problem):
        return known, unseen(observed)
    if reference.problem is not None:
        return known, unseen(reference.problem)
    own = {name: bins for name, bins in observed.items() if name not in way.rule.ignore}
    if _most(own) <= 0:
        return known, unseen(Problem(reason=Reason.NO_DATA, message="nothing was observed"))
    kept_after = at - KEPT_WINDOWS * way.window_seconds
    slices = known.slices.added(own, at=at, after=kept_after)
    judged = slices.since(at - way.window_seconds)
    if len(judged.ends) <= len(known.slices.since(at - way.window_seconds).ends):
        return replace(known, slices=slices, sound_from=None), unseen(_TOO_MANY_BINS)
    compared = _compared(judged, reference=reference, rule=way.rule)
    unsettled = _unsettled(known, compared=compared)
    after = Served(
        slices=slices,
        sound_from=sound_from(known.sound_from, ends=judged.ends, at=at - way.slice_seconds)
        if _is_sound(compared, unsettled=unsettled, rule=way.rule)
        else None,
        unsettled=unsettled,
    )
    drifted = _proven(compared, judged=judged, way=way)
    if drifted:
        onset = _onset(slices, feature=drifted[0], reference=reference)
        return after, _drift(compared, drifted=drifted, onset=onset, way=way)
    return after, _no_drift(compared, known=after, judged=judged, way=way)


def _unsettled(known: Served, *, compared: _Compared) -> frozenset[str]:
    beyond = {one.feature for one in compared.shifts[: compared.beyond]}
    return (known.unsettled & compared.wanted - compared.often) | (beyond & compared.often)


def _is_sound(compared: _Compared, *, unsettled: AbstractSet[str], rule: Drift) -> bool:
    """No more is beyond than is tolerated; what cannot be seen may be."""
    beyond = {one.feature for one in compared.shifts[: compared.beyond]}
    return len(beyond | unsettled) <= rule.at_most and _worst(compared.problems) is None


def sound_from(known: float | None, *, ends: Sequence[float], at: float) -> float:
    """Since when all looks are sound; a window without any data begins anew."""
    return at if known is None or len(ends) == 1 else known


@dataclass(frozen=True, slots=True, kw_only=True)
class _Compared:
    """All features of a window, at `n` observations: the furthest ones, and why some cannot be told.

    Those `beyond` what is tolerated are all among the `shifts`; of these the `clumped` ones came in
    too few slices to be proven. Of the features that are `wanted` those that were observed `often`
    enough to be judged can settle something.
    """

    n: float
    features: int
    wanted: AbstractSet[str]
    often: AbstractSet[str]
    beyond: int
    shifts: tuple[Shift, ...]
    problems: Mapping[str, Problem]
    clumped: tuple[str, ...]


def _compared(judged: Slices, *, reference: TrainingData, rule: Drift) -> _Compared:
    current = {
        feature: bins for feature, bins in judged.by_feature().items() if feature not in rule.ignore
    }
    wanted = reference.counts.keys() - set(rule.ignore)
    lacks = Problem(reason=Reason.NO_DATA, message="what serves does not export it")
    new = Problem(reason=Reason.NO_BASELINE, message="the profile lacks it")
    problems = dict.fromkeys(wanted - current.keys(), lacks)
    problems |= dict.fromkeys(current.keys() - wanted, new)
    distances: dict[str, float] = {}
    for feature in sorted(wanted & current.keys()):
        psi = _distance(reference.counts[feature], current=current[feature])
        if isinstance(psi, Problem):
            problems[feature] = psi
        else:
            distances[feature] = psi
    names = sorted(distances, key=lambda name: (-distances[name], name))
    beyond = sum(psi > rule.delta for psi in distances.values())
    shown = names[: max(beyond, KEPT_SHIFTS)]
    clumped = (name for name in names[:beyond] if telling(judged, feature=name) < LEAST_SLICES)
    return _Compared(
        n=_most(current),
        features=len(names),
        wanted=wanted,
        often={name for name in names if math.fsum(current[name].values()) >= FIRST_LOOK},
        beyond=beyond,
        shifts=tuple(
            _shift(it, distances[it], reference.counts[it], current=current[it]) for it in shown
        ),
        problems=problems,
        clumped=tuple(clumped),
    )


def telling(judged: Slices, *, feature: str) -> int:
    """How many slices tell something of the clumps of a feature.

    One client that sends a thousand equal requests within a slice or two varies from nothing, whatever
    others send beside it now and then.
    """
    totals = [math.fsum(bins.values()) for bins in judged.each(feature)]
    least = LEAST_OF_EVEN * math.fsum(totals) / len(totals)
    return sum(total >= least for total in totals)


def _distance(reference: ByBin, *, current: ByBin) -> float | Problem:
    from tidegate.evidence.drift import moves  # noqa: PLC0415  (SciPy, of which few need to wait)

    n = math.fsum(current.values())
    if n <= 0:
        return Problem(reason=Reason.NO_DATA, message="nothing was observed")
    return moves.distance(mixes.of_reference(reference, n_c=n), current=current)


def _shift(feature: str, psi: float, reference: ByBin, *, current: ByBin) -> Shift:
    from tidegate.evidence.drift import moves  # noqa: PLC0415  (SciPy, of which few need to wait)

    label, share, reference_share = moves.moved_most(reference, current=current)
    return Shift(
        feature=feature,
        psi=round(psi, _DECIMALS),
        bin=label,
        share=share,
        reference_share=reference_share,
    )


def _proven(compared: _Compared, *, judged: Slices, way: Way) -> tuple[str, ...]:
    """Features that are proven to be beyond what is tolerated, the furthest first; none too early."""
    from tidegate.evidence.drift import moves  # noqa: PLC0415  (SciPy, of which few need to wait)

    if compared.n < FIRST_LOOK or len(judged.ends) < LEAST_SLICES:
        return ()
    reference = way.rule.reference
    assert reference is not None, way
    p_values = [1.0] * compared.features
    for index, shift in enumerate(compared.shifts[: compared.beyond]):
        if shift.feature in compared.clumped:
            continue
        mix = mixes.beside(
            mix_of(judged.each(shift.feature)), reference=reference.counts[shift.feature]
        )
        found = moves.moved(
            mix,
            delta=way.rule.delta,
            margin=way.rule.margin,
            deff=moves.effect_of_neighbours(mix),
        )
        assert isinstance(found, moves.Moved), shift  # its distance was found a moment ago
        p_values[index] = found.p_above
    fallen = combine.holm(p_values, alpha=way.alpha).rejected
    names = [one.feature for one, falls in zip(compared.shifts, fallen, strict=False) if falls]
    return tuple(names) if len(names) > way.rule.at_most else ()


def mix_of(slices: Sequence[ByBin]) -> Mix:
    """The bins of one feature, slice by slice, as those of an arm."""
    mix = Mix()
    for bins in slices:
        labels = sorted(bins)
        table = Bins.of(labels=labels, counts=[[bins[label] for label in labels]])
        mix = mixes.observed(mix, candidate=table, pods=[_POD])
    return mix


def _drift(compared: _Compared, *, drifted: tuple[str, ...], onset: str, way: Way) -> Look:
    named = [one for one in compared.shifts if one.feature in drifted]
    words = ", ".join(map(moved_text, named[:KEPT_SHIFTS]))
    of_all = f"{len(named)} of {compared.features} features are proven to be above"
    return Look(
        outcome=Outcome.FAIL,
        reason=Reason.DRIFT,
        message=f"{words}; {of_all} {way.rule.delta:g} (n={compared.n:.0f})",
        shifts=tuple(named[:KEPT_SHIFTS]),
        onset=onset,
    )


def _no_drift(compared: _Compared, *, known: Served, judged: Slices, way: Way) -> Look:
    problem = _worst(compared.problems)
    if problem is not None:
        return unseen(problem)
    text = _largest(compared, delta=way.rule.delta)
    now = judged.ends[-1]
    watched_seconds = now - known.slices.ends[0] + way.slice_seconds
    if len(judged.ends) < LEAST_SLICES or watched_seconds < way.window_seconds:
        return early(watched_seconds, window_seconds=way.window_seconds, text=text)
    if compared.n < FIRST_LOOK:
        return undecided(Reason.INSUFFICIENT, f"{FIRST_LOOK:.0f} observations are needed; {text}")
    if compared.clumped:
        few = f"{compared.clumped[0]} came in fewer than {LEAST_SLICES} slices of the window"
        return undecided(Reason.INSUFFICIENT, f"{few}; {text}")
    if known.sound_from is None or now - known.sound_from < way.window_seconds:
        return undecided(Reason.UNDECIDED, text)
    shifts = compared.shifts[:KEPT_SHIFTS]
    return Look(outcome=Outcome.PASS, reason=Reason.NO_HARM_FOUND, message=text, shifts=shifts)


def early(watched_seconds: float, *, window_seconds: float, text: str) -> Look:
    """No whole window has been seen yet."""
    minutes = f"{watched_seconds / 60:.0f} of {window_seconds / 60:.0f} minutes"
    return undecided(Reason.WARMUP, f"watched for {minutes}; {text}")


def undecided(reason: Reason, message: str) -> Look:
    """What was seen proves nothing."""
    return Look(outcome=Outcome.INCONCLUSIVE, reason=reason, message=message)


def _largest(compared: _Compared, *, delta: float) -> str:
    if not compared.shifts:
        return "no feature can be compared yet"
    first = compared.shifts[0]
    of_all = f"{compared.beyond} of {compared.features} features above {delta:g}"
    return f"largest PSI {first.psi:.3g} of {first.feature}, {of_all} (n={compared.n:.0f})"


def _worst(problems: Mapping[str, Problem]) -> Problem | None:
    """The first of those that hide something; a feature with few observations hides nothing yet."""
    told = {name: one for name, one in problems.items() if one.reason is not Reason.INSUFFICIENT}
    if not told:
        return None
    name = min(told, key=lambda it: (told[it].reason, it))
    more = f" (and {len(told) - 1} more features)" if len(told) > 1 else ""
    return replace(told[name], message=f"{name}{more}: {told[name].message}")


def _onset(slices: Slices, *, feature: str, reference: TrainingData) -> str:
    """Whether the drift came as a step or as a ramp, as far as the kept slices tell."""
    from tidegate.evidence.drift import charts  # noqa: PLC0415  (SciPy, of which few need to wait)

    found = (_distance(reference.counts[feature], current=bins) for bins in slices.each(feature))
    roots = [math.sqrt(psi) for psi in found if not isinstance(psi, Problem)]
    if len(roots) < LEAST_SLICES:
        return charts.Onset.UNDETERMINED.value
    label = charts.label_change(roots, n_ref=max(1, len(roots) // 4))
    onset = charts.Onset.UNDETERMINED if isinstance(label, Problem) else label.onset
    return onset.value


def unseen(problem: Problem) -> Look:
    """Nothing was seen: that is neither a finding nor a sign of none."""
    return Look(outcome=Outcome.NO_DATA, reason=problem.reason, message=problem.message)


def _most(features: Mapping[str, ByBin]) -> float:
    return max((math.fsum(bins.values()) for bins in features.values()), default=0.0)
