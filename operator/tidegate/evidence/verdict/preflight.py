"""Whether a metric could be judged, from what its source says of the revision that serves.

A ladder of questions: the next is asked only while the one before found nothing. What the last one
found names the missing part. Nothing is asked here, and nothing is judged.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.evidence.counts import samples, scrapes
from tidegate.evidence.queries import identity as identities
from tidegate.evidence.queries.diagnosis import Ask, Question
from tidegate.evidence.queries.promql import Free
from tidegate.evidence.terms import Problem, Reason, Series
from tidegate.model import PreflightReason

RANGE_SCRAPES = 20  # enough to measure an interval that is several times as long as we believe
DIFFERS_FACTOR = 1.5
_MIN_SAMPLES = 3

Answer = tuple[Series, ...] | Problem
NUMBER: Answer = (Series(labels={}, samples=()),)  # of a free query that returned one
Answers = Mapping[Ask, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one metric. `traffic`: its numbers show that requests are answered."""

    row: model.Preflight
    traffic: bool = False


def next_ask(question: Question, answers: Answers) -> Ask | None:
    """The next question, None when the answers tell enough."""
    if any(isinstance(one, Problem) for one in answers.values()):
        return None
    if isinstance(question.wanted, Free):
        return None if Ask.IDENTITY in answers else Ask.IDENTITY
    for ask in _ladder(question, answers):
        if ask not in answers:
            return ask
        if answers[ask] and ask is not Ask.UP:
            return None
    return None


def _ladder(question: Question, answers: Answers) -> Sequence[Ask]:
    # A server's own label could pass for one of ours while it is not known which ones are ours.
    first = [Ask.IDENTITY] if question.known else []
    if not question.of_pods:
        return [*first, Ask.ANYWHERE]
    # Pods that nobody scrapes have no metric either; then only other labels can explain it.
    return [*first, Ask.PODS, Ask.UP, Ask.METRIC if answers.get(Ask.UP) else Ask.ANYWHERE]


def finding(question: Question, answers: Answers, *, scrape_seconds: float) -> Finding:
    """What the answers say together; `scrape_seconds` is what the settings say of the source."""
    problem = next((one for one in answers.values() if isinstance(one, Problem)), None)
    if problem is not None:
        return _troubled(question, problem)
    found = {ask: one for ask, one in answers.items() if not isinstance(one, Problem)}
    if series := found.get(Ask.IDENTITY):
        return _present(question, series, scrape_seconds=scrape_seconds)
    if isinstance(question.wanted, Free):
        return _row(question, PreflightReason.NO_TRAFFIC, f"{_asked(question)} returned nothing")
    if not question.of_pods:
        return _of_plane(question, elsewhere=bool(found.get(Ask.ANYWHERE)))
    if series := found.get(Ask.PODS):
        return _unlabelled(question, series)
    return _without_series(question, found)


def no_source(question: Question, *, known: Sequence[str]) -> model.Preflight:
    """The row of a metric whose source is not in the settings."""
    names = ", ".join(sorted(known)) or "none"
    message = (
        f"metric source {question.source!r} is not in the operator's settings (known: {names}):"
        " name one of these in spec.analysis, or ask the administrator for it"
    )
    return _row(question, PreflightReason.NO_SOURCE, message).row


def rows(findings: Sequence[Finding], *, traffic: bool = False) -> tuple[model.Preflight, ...]:
    """All metrics together: where requests are seen, silence is no lack of traffic."""
    busy = traffic or any(one.traffic for one in findings)
    return tuple(_missing(one.row) if busy else one.row for one in findings)


def has_traffic(series: Sequence[Series]) -> bool:
    """A counter moved within the answer."""
    return any(len({value for _, value in one.samples}) > 1 for one in series)


# --- one metric ----------------------------------------------------------------------------------


def _troubled(question: Question, problem: Problem) -> Finding:
    silent = problem.reason is Reason.NO_DATA
    reason = PreflightReason.NO_TRAFFIC if silent else PreflightReason.SOURCE_UNREACHABLE
    return _row(question, reason, f"{problem.message}; asked {_asked(question)}")


def _present(question: Question, series: Sequence[Series], *, scrape_seconds: float) -> Finding:
    traffic = question.counts_requests and has_traffic(series)
    if twice := _scraped_twice(series):
        message = f"{twice}, so each request would count twice; asked {_asked(question)}"
        return _row(question, PreflightReason.SCRAPED_TWICE, message, traffic=traffic)
    seconds = _spacing(series)
    if seconds is not None and not _agree(seconds, scrape_seconds):
        message = (
            f"{question.name} is scraped every {seconds:.0f} s, the settings of metric source"
            f" {question.source} say {scrape_seconds:g} s: set its scrapeIntervalSeconds"
        )
        found = _row(question, PreflightReason.SCRAPE_INTERVAL_DIFFERS, message, traffic=traffic)
        # More samples than expected do no harm; fewer look like gaps.
        return replace(found, row=replace(found.row, ready=seconds < scrape_seconds))
    message = f"{question.source} has {question.selector}"
    return _row(question, PreflightReason.SERIES_FOUND, message, traffic=traffic)


def _scraped_twice(series: Sequence[Series]) -> str:
    jobs: dict[str, set[str]] = {}
    for one in scrapes.entries_of(it for it in series if it.labels.get("pod")):
        job = dict(one.lane.added).get("job", "")
        jobs.setdefault(one.lane.counter.pod, set()).add(job)
    for pod, names in sorted(jobs.items()):
        if len(names) > 1:
            return f"pod {pod} is scraped by jobs {', '.join(sorted(names))}"
    target = samples.scraped_twice(series)
    return f"{target} is scraped more than once" if target else ""


def _spacing(series: Sequence[Series]) -> float | None:
    """Usual seconds between two scrapes; None where there are too few."""
    gaps = [
        later - earlier
        for one in series
        if len(one.samples) >= _MIN_SAMPLES
        for (earlier, _), (later, _) in zip(one.samples, one.samples[1:], strict=False)
    ]
    return statistics.median(gaps) if gaps else None


def _agree(seconds: float, expected: float) -> bool:
    return expected / DIFFERS_FACTOR <= seconds <= expected * DIFFERS_FACTOR


def _of_plane(question: Question, *, elsewhere: bool) -> Finding:
    """A data plane names only what had a request, so that silence alone proves nothing."""
    part = (
        "of this revision: labels model_deployment and revision are missing"
        if elsewhere
        else "at all: the data plane is not scraped"
    )
    message = (
        f"{question.source} has no {question.name} {part}, or no request was answered yet;"
        f" asked {_asked(question)}"
    )
    return _row(question, PreflightReason.NO_TRAFFIC, message)


def _unlabelled(question: Question, series: Sequence[Series]) -> Finding:
    message = (
        f"{question.source} has {question.name} of the pods, but not under the labels that name"
        f" their revision; asked {_asked(question)}"
    )
    traffic = question.counts_requests and has_traffic(series)
    return _row(question, PreflightReason.LABELS_MISSING, message, traffic=traffic)


def _without_series(question: Question, found: Mapping[Ask, tuple[Series, ...]]) -> Finding:
    owner = question.owner
    pods = f"pods {owner.object_name}-* in namespace {owner.namespace}"
    targets = found.get(Ask.UP, ())
    named = [one for one in targets if _names(one, owner)]
    if not targets:
        other = (
            f"; it has {question.name} in this namespace, of others or without label pod"
            if found.get(Ask.ANYWHERE)
            else ""
        )
        message = f"{question.source} scrapes no {pods} (no series up){other}"
        return _row(question, PreflightReason.NOT_SCRAPED, f"{message}; asked {_asked(question)}")
    if not named:
        labels = ", ".join(sorted({label for one in targets for label in one.labels}))
        message = (
            f"{question.source} scrapes the {pods} under labels that do not name them ({labels}):"
            f" add namespace and pod by relabeling; asked {_asked(question)}"
        )
        return _row(question, PreflightReason.LABELS_MISSING, message)
    if all(one.samples[-1][1] == 0 for one in named if one.samples):
        message = f"{question.source} cannot scrape {pods} (up is 0): check metrics port and path"
        return _row(question, PreflightReason.NOT_SCRAPED, f"{message}; asked {_asked(question)}")
    known = "no series that fits" if found.get(Ask.METRIC) else "no series"
    message = (
        f"{question.source} scrapes the {pods} and has {known} of {question.name}:"
        f" no request was answered yet, or the server does not count it; asked {_asked(question)}"
    )
    return _row(question, PreflightReason.NO_TRAFFIC, message)


def _names(target: Series, owner: identities.Owner) -> bool:
    return any(identities.owner_of(target.labels, mode=mode) == owner for mode in identities.MODES)


def _missing(row: model.Preflight) -> model.Preflight:
    if row.reason is not PreflightReason.NO_TRAFFIC:
        return row
    message = f"requests are answered, but {row.message}"
    return replace(row, reason=PreflightReason.METRIC_MISSING, ready=False, message=message)


_READY: Mapping[PreflightReason, bool | None] = {
    PreflightReason.SERIES_FOUND: True,
    PreflightReason.NO_TRAFFIC: None,
    PreflightReason.SOURCE_UNREACHABLE: None,
}


def _row(
    question: Question, reason: PreflightReason, message: str, *, traffic: bool = False
) -> Finding:
    row = model.Preflight(
        metric=question.metric,
        source=question.source,
        reason=reason,
        ready=_READY.get(reason, False),
        message=message,
        dry_run=question.dry_run,
    )
    return Finding(row=row, traffic=traffic)


def _asked(question: Question) -> str:
    return f"{question.source} for {question.selector}"
