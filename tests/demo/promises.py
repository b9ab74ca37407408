"""What Tidegate promises, checked against what was recorded. Nothing here looks at a cluster."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.demo.users import Sums, Users, share_percent
from tests.demo.view import View

# A fair split leaves this band once in fifteen thousand steps.
_STANDARD_ERRORS = 4.0
# A change of weight needs a moment to reach every worker of the proxy.
_SETTLE_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """One promise, whether it was kept, and the numbers behind the judgement."""

    text: str
    kept: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time in unix seconds."""

    start: float
    end: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSpan:
    """A step while its weight was confirmed. Units: weight in percent."""

    version: str
    step: str
    weight_percent: float
    span: Span


def steps_walked(views: Iterable[View], *, version: str) -> list[StepSpan]:
    """The steps of a version's rollout, from the confirmation to the last look before the next."""
    walked: dict[str, StepSpan] = {}
    for view in views:
        if view.candidate != version or not view.step or view.confirmed_at is None:
            continue
        if view.phase != "Progressing":
            continue
        walked[view.step] = StepSpan(
            version=version,
            step=view.step,
            weight_percent=view.intended_percent,
            span=Span(start=view.confirmed_at, end=view.at),
        )
    return list(walked.values())


def time_with_weight(views: Iterable[View], *, version: str) -> Span | None:
    """From the first to the last look at which the version was meant to get traffic."""
    at = [view.at for view in views if view.candidate == version and view.intended_percent > 0]
    return Span(start=min(at), end=max(at)) if at else None


def split_is_honest(users: Users, *, step: StepSpan) -> Promise:
    """The observed share lies within sampling error of the weight (binomial)."""
    sums = users.between(step.span.start + _SETTLE_SECONDS, step.span.end - _SETTLE_SECONDS)
    requests = sum(book.answered for book in sums.values())
    seen = share_percent(sums, step.version)
    text = f"Step {step.step}: observed share within sampling error of {step.weight_percent:g} %"
    if seen is None:
        return Promise(text=text, kept=False, detail="no requests were counted")
    wanted = step.weight_percent / 100
    band = 100 * _STANDARD_ERRORS * math.sqrt(wanted * (1 - wanted) / requests)
    detail = f"{seen:.1f} % of {requests} requests, allowed ±{band:.1f}"
    return Promise(text=text, kept=abs(seen - step.weight_percent) <= band, detail=detail)


def all_steps_walked(walked: Sequence[StepSpan], *, planned: Sequence[str]) -> Promise:
    """No step was skipped."""
    names = [step.step for step in walked]
    return Promise(
        text="Every planned step was walked, in order",
        kept=bool(planned) and names == list(planned),
        detail=" → ".join(names) or "none",
    )


def served_directly(view: View | None, *, version: str, seconds: float) -> Promise:
    """The first version has nothing to be compared with."""
    kept = view is not None and view.phase == "Healthy" and view.stable == version
    detail = f"after {seconds:.0f} s" if kept else _state(view)
    return Promise(text=f"{version} is served as soon as it is ready", kept=kept, detail=detail)


def evidence_in_reach(view: View | None, *, seconds: float) -> Promise:
    """Before there is a candidate, it is known that one could be judged."""
    kept = view is not None and view.evidence_ready and not view.candidate
    said = view.evidence.split(":", 1)[0] if view is not None and view.evidence else "nothing"
    return Promise(
        text="EvidenceReady before the first canary",
        kept=kept,
        detail=f"{said} after {seconds:.0f} s of requests",
    )


def promoted(view: View | None, *, version: str, seconds: float) -> Promise:
    """The version is stable now, by its evidence."""
    kept = view is not None and (view.phase, view.stable) == ("Healthy", version)
    detail = f"after {seconds:.0f} s" if kept else _state(view)
    return Promise(text=f"{version} is promoted", kept=kept, detail=detail)


def rolled_back(view: View | None, *, version: str, stable: str) -> Promise:
    """The version was rejected without anybody's help."""
    kept = (
        view is not None
        and view.phase == "RolledBack"
        and view.stable == stable
        and version in view.rejected
    )
    return Promise(
        text=f"{version} is rolled back by itself, {stable} serves", kept=kept, detail=_state(view)
    )


def rolled_back_in_time(exposed: Span | None, *, limit_seconds: float) -> Promise:
    """A bad version has weight for a short time only."""
    text = f"The bad version has weight for less than {limit_seconds:.0f} s"
    if exposed is None:
        return Promise(text=text, kept=False, detail="it never had weight")
    seconds = exposed.end - exposed.start
    return Promise(text=text, kept=seconds < limit_seconds, detail=f"{seconds:.0f} s")


def nothing_failed(users: Users, *, span: Span, during: str) -> Promise:
    """Not one user request failed, whatever the reason."""
    sums = total(users.between(span.start, span.end))
    causes = [it.said for it in users.failures if span.start <= it.at <= span.end]
    return Promise(
        text=f"No user request fails {during}",
        kept=sums.answered > 0 and sums.failed == 0,
        detail="; ".join([f"{sums.failed} of {sums.answered} failed", *causes[:2]]),
    )


def only_the_bad_version_failed(
    users: Users, *, span: Span, version: str, exposed: Span | None
) -> Promise:
    """Users of other versions never noticed; those of the bad one only while it had weight."""
    sums = users.between(span.start, span.end)
    everyone = total(sums)
    failed = sums.get(version, Sums()).failed
    outside = everyone.failed - failed + _failed_outside(users, version=version, exposed=exposed)
    share = 100 * failed / everyone.answered if everyone.answered else 0.0
    return Promise(
        text=f"Requests fail only in {version}, and only while it has weight",
        kept=everyone.answered > 0 and outside == 0,
        detail=f"{failed} of {everyone.answered} ({share:.1f} %) failed in {version}, "
        f"{outside} elsewhere",
    )


def traffic_ended(users: Users, *, version: str, after: float, until: float) -> Promise:
    """A rejected version gets no request any more."""
    sums = users.between(after + 2 * _SETTLE_SECONDS, until)
    late = sums.get(version, Sums()).answered
    return Promise(
        text=f"After the rollback no request reaches {version}",
        kept=total(sums).answered > 0 and late == 0,
        detail=f"{late} of {total(sums).answered}",
    )


def better_answers(users: Users, *, old: str, new: str) -> Promise:
    """The promotion was worth it: more right answers on rows no model has seen."""
    totals = users.totals()
    before = totals.get(old, Sums()).accuracy
    after = totals.get(new, Sums()).accuracy
    kept = before is not None and after is not None and after > before
    detail = f"{_accuracy(before)} before, {_accuracy(after)} now"
    return Promise(text=f"{new} answers better than {old}", kept=kept, detail=detail)


def stays_rejected(
    views: Sequence[View], *, span: Span, version: str, new_pods: Sequence[str], users: Users
) -> Promise:
    """Asking again for a rejected version starts no pod and moves no traffic."""
    seen = [view for view in views if span.start <= view.at <= span.end]
    weight = max((view.intended_percent for view in seen), default=0.0)
    requests = users.between(span.start, span.end).get(version, Sums()).answered
    ended_rejected = bool(seen) and seen[-1].phase == "RolledBack"
    return Promise(
        text=f"{version} applied again: nothing happens until a retry is asked for",
        kept=ended_rejected and weight == 0 and not new_pods and requests == 0,
        detail=f"{_state(seen[-1] if seen else None)}, {len(new_pods)} new pods, {requests} requests",
    )


def every_request_counted(users: Users) -> Promise:
    """The books add up: what was sent was answered, and nothing was left out."""
    open_requests = users.sent - users.answered
    return Promise(
        text="Every request was sent on time and counted",
        kept=users.answered > 0 and users.skipped == 0,
        detail=f"{users.answered} answered, {open_requests} under way, {users.skipped} skipped",
    )


def total(sums: dict[str, Sums]) -> Sums:
    """All versions together."""
    return sum(sums.values(), start=Sums())


def _failed_outside(users: Users, *, version: str, exposed: Span | None) -> int:
    """Failures of the version in seconds that are not near the time it had weight."""
    if exposed is None:
        return sum(second.versions.get(version, Sums()).failed for second in users.seconds)
    margin = 2 * _SETTLE_SECONDS
    return sum(
        second.versions.get(version, Sums()).failed
        for second in users.seconds
        if not exposed.start - margin <= second.at <= exposed.end + margin
    )


def _accuracy(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} % right"


def _state(view: View | None) -> str:
    return "never seen" if view is None else f"phase {view.phase}, stable {view.stable or '-'}"
