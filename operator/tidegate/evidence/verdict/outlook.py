"""What the steps of a rollout can find out at the traffic that stable has, said beforehand.

Source: evidence.md, 12; ADR 0028. Numbers come from stable's history; nothing here decides.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

from tidegate import model
from tidegate.evidence.counts.dispersion import Spread
from tidegate.evidence.counts.intervals import Table
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.verdict import forecast
from tidegate.evidence.verdict.forecast import Ahead, MetricForecast, Past, StepForecast
from tidegate.evidence.verdict.rates import Arrivals, RateForecast
from tidegate.evidence.verdict.times import Clock

# Tried as a way out, the first that does is named. Above 50 % a lighter stable, not the candidate,
# limits what can be seen.
_FACTORS = (2, 3, 4, 6, 8, 12, 24, 48)
_WEIGHTS = (5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0)
_DETECTS = (0.05, 0.1, 0.2, 0.3, 0.5)


def past_of(table: Table, *, rule: MetricRule) -> Past | None:
    """Stable's history of a metric; None without requests in it."""
    counted = [(row, row.counts[rule.name]) for row in table.rows if rule.name in row.counts]
    # Before its first request stable says nothing about the traffic that is to come.
    rows = list(itertools.dropwhile(lambda one: one[1].n_s <= 0, counted))
    seconds = math.fsum(row.t1 - row.t0 for row, _ in rows)
    requests = math.fsum(counts.n_s for _, counts in rows)
    if requests <= 0:
        return None
    bad = math.fsum(counts.x_s[rule.decisive] for _, counts in rows)
    spreads = table.spreads.get(rule.name, (Spread(),) * rule.streams)
    return Past(
        bad_rate=bad / requests,
        requests_per_second=requests / seconds,
        phi=spreads[rule.decisive].phi(),
    )


def estimates(
    plan: Sequence[model.Stage],
    *,
    pasts: Mapping[str, Past],
    config: EvidenceConfig,
    interval_seconds: float,
    scrape_seconds: float,
    gaps: Mapping[str, str] = MappingProxyType({}),
    arrivals: Arrivals | None = None,
    pods: Sequence[int] = (),
) -> tuple[model.Estimate, ...]:
    """One estimate per stage: what it finds, when it passes, and what to change if not.

    `gaps` say by metric what of stable's history could not be read; `arrivals` is None where it shows no
    requests. `pods` are the candidate's, by stage. A stage that time ends or limits judge has none.
    """
    clock = Clock(interval_seconds=interval_seconds, scrape_seconds=scrape_seconds)
    compared = [
        rule
        for rule in config.metrics
        if rule.guard and rule.compare is not None and rule.late is None
    ]
    late = [rule for rule in config.metrics if rule.guard and rule.late is not None]
    planned = [stage for stage, it in enumerate(plan) if forecast.is_planned(it)]
    unknown = [
        _without_history(rule.name, unread=rule.name in gaps)
        for rule in compared
        if rule.name not in pasts
    ]
    unknown += [
        _without_history(rule.name, unread=rule.name in gaps)
        for rule in config.metrics
        if rule.pace is not None and rule.guard and arrivals is None
    ]
    steps = forecast.forecast(
        plan, pasts=pasts, config=config, clock=clock, arrivals=arrivals, pods=pods
    )
    whole = whole_text(steps) if steps and steps[0].compares and not unknown else ""
    found: list[model.Estimate] = []
    for index, step in enumerate(steps):
        texts = [*map(metric_text, step.metrics), *map(rate_text, step.rates), *unknown]
        texts += [labels_text(rule, step=planned[index]) for rule in late]
        texts += [f"{name}: {gap}" for name, gap in sorted(gaps.items())]
        if step.compares and not unknown:
            texts.append(step_text(step))
        if index == 0 and whole:
            texts.append(whole)
        found.append(
            model.Estimate(
                text="; ".join(texts) or "nothing is compared with stable",
                warning="; ".join(
                    text
                    for text in (
                        "" if unknown else warning(step),
                        *(labels_warning(it, step=planned[index], stage=step.step) for it in late),
                    )
                    if text
                ),
            )
        )
    by_stage = iter(found)
    return tuple(
        next(by_stage) if forecast.is_planned(it) else model.Estimate(text="") for it in plan
    )


def _without_history(name: str, *, unread: bool) -> str:
    why = "there is no history of stable" if unread else "stable had no requests"
    return f"{name}: {why} to plan with"


# --- in words ------------------------------------------------------------------------------------


def metric_text(found: MetricForecast) -> str:
    """Such as `error-ratio (0.40% at 12 requests/s): finds 0.80% in about 3h, 2.00% in 20m`."""
    past = found.past
    seen = f"{past.bad_rate:.2%} at {past.requests_per_second:.3g} requests/s"
    finds = ", ".join(f"{one.rate:.2%} in {about(one.seconds)}" for one in found.finds)
    return f"{found.name} ({seen}): finds {finds}, passes after {about(found.passes_seconds)}"


def rate_text(found: RateForecast) -> str:
    """Such as `request-rate (12 requests/s at all traffic are due): finds 6.4 in about 40s, passes after 2m`."""
    due = f"{found.name} ({found.due:.3g} {found.unit} are due)"
    if found.found <= 0:
        return f"{due}: nothing can be judged"
    passes = about(found.passes_seconds)
    return f"{due}: finds {found.found:.3g} in {about(found.found_seconds)}, passes after {passes}"


def labels_text(rule: MetricRule, *, step: int) -> str:
    """Whether labels can judge a step, and from when on: a whole cohort, and then what its labels take."""
    assert rule.late is not None, rule
    asked = rule.late
    if step in asked.unasked:
        return (
            f"{rule.name}: labels count {about(asked.delay_seconds)} after a prediction, which is longer than"
            " this step holds, so it does not wait for them"
        )
    first = 2 * asked.cohort_seconds + asked.delay_seconds
    return (
        f"{rule.name}: the first labels count after at most {about(first)}, and what they take to prove is not"
        " in these times"
    )


def labels_warning(rule: MetricRule, *, step: int, stage: model.Stage) -> str:
    """Why labels let no version pass before the deadline; empty if they may."""
    assert rule.late is not None, rule
    asked = rule.late
    first = 2 * asked.cohort_seconds + asked.delay_seconds
    if step in asked.unasked or first < stage.deadline_seconds:
        return ""
    return (
        f"{rule.name}: its first labels may count after {about(first)}, later than the deadline of"
        f" {about(stage.deadline_seconds)}: raise it, or let the exporter count by shorter cohorts"
    )


def step_text(found: StepForecast) -> str:
    """When the step passes, and when an outage is found, where errors or latency would show it."""
    passes = (
        f"a healthy version passes after about {about(found.passes_seconds)} "
        f"(deadline {about(found.step.deadline_seconds)})"
    )
    if not found.metrics:
        return passes
    return f"{passes}, an outage is found in about {about(found.outage_seconds)}"


def whole_text(steps: Sequence[StepForecast]) -> str:
    """When promotion can be expected; empty where a step does not pass in time."""
    if not all(one.passes_in_time for one in steps):
        return promotion_text(math.inf)
    return promotion_text(math.fsum(one.passes_seconds for one in steps))


def promotion_text(seconds: float) -> str:
    """When promotion can be expected; infinite is never."""
    if math.isinf(seconds):
        return "no promotion without a person is expected"
    return f"promotion in about {about(seconds)}"


def warning(found: StepForecast) -> str:
    """Why a step does not pass before its deadline and what to change; empty if it does."""
    texts = [_of_metrics(found), *(f"{it.name}: {it.warning}" for it in found.rates if it.warning)]
    return "; ".join(text for text in texts if text)


def _of_metrics(found: StepForecast) -> str:
    if all(one.passes_seconds <= found.step.deadline_seconds for one in found.metrics):
        return ""
    slowest = max(found.metrics, key=lambda one: one.passes_seconds)
    for ahead in found.ahead:
        if ahead.breaks_limit:
            return (
                f"{ahead.rule.name} lets no version like stable pass: stable is above threshold itself"
                f" ({ahead.past.bad_rate:.2%} bad, {ahead.rule.limit:.2%} allowed)"
            )
    ways = "; ".join(_ways(found)) or "no deadline, weight or detect would do"
    return (
        f"{slowest.name} lets no healthy version pass before the deadline of "
        f"{about(found.step.deadline_seconds)}: {ways}"
    )


def _ways(found: StepForecast) -> Iterator[str]:
    """What would let the step pass in time; each is tried, so that it is true."""
    deadlines = (found.step.deadline_seconds * factor for factor in _FACTORS)
    for deadline in deadlines:
        if _would_pass(found, partial(_stepped, deadline_seconds=deadline)):
            yield f"set its deadline to {about(deadline)}"
            break
    yield from _shares(found)
    for detect in _DETECTS:
        if _would_pass(found, partial(_looking_for, detect=detect)):
            yield f"or set compare.detect.absolute to {detect:g}"
            break


def _shares(found: StepForecast) -> Iterator[str]:
    """A larger share, of users or of copies, whichever the step has."""
    exposure = found.step.exposure
    mirrored = exposure.mirror_percent > 0
    shares = (*_WEIGHTS, 100.0) if mirrored else _WEIGHTS
    now = exposure.mirror_percent if mirrored else exposure.live_percent
    most = 100.0 - exposure.live_percent if mirrored else 100.0  # both together are all requests
    for share in (it for it in shares if now < it <= most):
        changed = (
            partial(_stepped, mirror_percent=share)
            if mirrored
            else partial(_stepped, effective_weight_percent=share)
        )
        if _would_pass(found, changed):
            yield f"or give it {'mirrorPercent' if mirrored else 'weight'} {share:g}"
            break


def _would_pass(found: StepForecast, changed: Callable[[Ahead], Ahead]) -> bool:
    return all(changed(one).passes_in_time() for one in found.ahead)


def _stepped(ahead: Ahead, **changes: float) -> Ahead:
    return replace(ahead, step=replace(ahead.step, **changes))  # type: ignore[arg-type]


def _looking_for(ahead: Ahead, *, detect: float) -> Ahead:
    compare = ahead.rule.compare
    assert compare is not None, ahead
    wider = replace(compare, detect_absolute=max(detect, compare.detect_absolute))
    return replace(ahead, rule=replace(ahead.rule, compare=wider))


def about(seconds: float) -> str:
    """A duration as people say it: `40s`, `5m`, `2h 10m`, `3d`, or `a very long time`."""
    if not math.isfinite(seconds) or seconds > 365 * 86400:
        return "a very long time"
    if seconds < 90:
        return f"{seconds:.0f}s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes}m"
    hours, rest = divmod(minutes, 60)
    if hours < 48:
        return f"{hours}h {rest}m" if rest else f"{hours}h"
    return f"{hours / 24:.0f}d"
