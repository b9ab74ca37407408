"""The evidence card: what a person is asked to approve, as Markdown. Pure: values to lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter

from tidegate import model
from tidegate.cli import views
from tidegate.cli.render import escaped, instant, number
from tidegate.policy.selectors import id_of

_METRICS = ("Metric", "Outcome", "Value", "Limit", "Stable", "Requests", "Harm", "Proof", "Why")
_STEPS = ("Step", "State", "Weight", "Ended by", "Metrics")
_DRIFT = ("Metric", "Feature", "PSI", "Limit", "Bin", "Candidate", "Reference")


def card(seen: views.Seen, *, gate: model.Gate) -> list[str]:
    """What is known of the running rollout of `seen`, which must have one, before this gate."""
    status, rollout = seen.status, seen.status.active_rollout
    assert rollout is not None
    sections = (
        _table(("What", "Value"), filter(itemgetter(1), _facts(seen, rollout, gate))),
        _titled("Evidence", _METRICS, map(_metric, status.analysis)),
        _titled("Drift", _DRIFT, _shifts(status.analysis)),
        _titled("Steps", _STEPS, map(_step, rollout.plan)),
        _titled("Policies", ("Policy", "Says"), _policies(status)),
    )
    return [f"# {seen.meta.namespace}/{seen.meta.name}: {_change(rollout)}", "", *chain(*sections)]


def _change(rollout: model.Rollout) -> str:
    return escaped(f"{rollout.from_model_version or 'nothing'} -> {rollout.revision.model_version}")


def _facts(seen: views.Seen, rollout: model.Rollout, gate: model.Gate) -> Iterator[Sequence[str]]:
    stage, waits = rollout.stage, rollout.waiting_for
    yield "Rollout", f"{rollout.id}, since {instant(rollout.started_at)}"
    yield "Model", rollout.model_uri
    yield "Change made by", rollout.author or seen.meta.author
    yield "Gate", f"{gate.name}, {_terms(gate)}"
    yield "Users", f"{views.share_text(rollout.exposure)} % now, {_observed(rollout)}"
    yield "Step", f"{stage.name}: {views.share_text(stage.exposure)} %" if stage else ""
    yield "Waits for", f"{waits.reason}: {waits.message}" if waits else ""
    yield "Advised", _advice(rollout.recommendation)
    yield "Says", seen.status.message


def _terms(gate: model.Gate) -> str:
    if gate.opens_by_request:
        return "opened by one approval or the request promote"
    groups = f" from {' or '.join(gate.approver_groups)}" if gate.approver_groups else ""
    others = ", not by whoever made the change" if gate.not_author else ""
    return f"opened by {gate.min_approvals} approval(s){groups}{others}"


def _observed(rollout: model.Rollout) -> str:
    seen = number(rollout.observed_candidate_percent)
    return f"{seen} % observed" if seen else "not observed yet"


def _advice(advice: model.Recommendation | None) -> str:
    return f"{advice.action}: {advice.reason}" if advice is not None else ""


def _metric(it: model.MetricResult) -> Sequence[str]:
    name, outcome, value, limit, stable, samples, harm, proof, _, why = views.metric_cells(it)
    return name, outcome, value, limit, stable, samples, harm, proof, why


def _shifts(results: Iterable[model.MetricResult]) -> Iterator[Sequence[str]]:
    for result in results:
        for it in result.shifts:
            limit = number(result.threshold.max)
            shares = f"{it.share:.1%}", f"{it.reference_share:.1%}"
            yield result.name, it.feature, number(it.psi), limit, it.bin, *shares


def _step(stage: model.Stage) -> Sequence[str]:
    found = ", ".join(f"{it.name} {it.outcome}" for it in stage.evidence)
    share = views.share_text(stage.exposure)
    return stage.name, str(stage.state), share, stage.ended_by, found


def _policies(status: model.Status) -> Iterator[Sequence[str]]:
    state = status.policy or model.PolicyState()
    broken = {it.policy for it in state.violations}
    for it in state.violations:
        yield it.policy, f"{it.action}, {it.rule}: {it.message}"
    for source in state.sources:
        if id_of(source) not in broken:
            yield source, "kept"


def _titled(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = _table(heads, rows)
    return [f"## {title}", "", *lines] if lines else []


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A table in Markdown and an empty line; nothing without rows."""
    lines = [_line(row) for row in rows]
    return [_line(heads), _line(["---"] * len(heads)), *lines, ""] if lines else []


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(escaped(it).replace('|', '&#124;') for it in cells)} |"
