"""The commands about evidence that need no cluster: `replay` and `evaluate`."""

from __future__ import annotations

import io
import json
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from tidegate.api import counts, documents
from tidegate.cli import outcome
from tidegate.cli.outcome import CliError
from tidegate.cli.render import fields, instant, number, table
from tidegate.evidence.counts.dispersion import PhiSource
from tidegate.evidence.journal import codec, replay
from tidegate.evidence.sequential.judgement import (
    Context,
    EvidenceConfig,
    Finding,
    Judgement,
    MetricRule,
)
from tidegate.evidence.verdict import engine, planner
from tidegate.model import Outcome, Verdict

STDIN = "-"
Say = Callable[[str], None]

EXIT_CODES = {
    Verdict.ADVANCE: outcome.DONE,
    Verdict.HOLD: outcome.HOLD,
    Verdict.ROLL_BACK: outcome.ROLL_BACK,
}


# --- replay --------------------------------------------------------------------------------------


def replay_log(name: str, *, rollout: str, say: Say) -> int:
    """Work out every judgement of an operator's log again and print it.

    Result: DONE when all are equal, NEGATIVE with the first difference.
    Errors: CliError for what cannot be read, and when there is nothing to work out.
    """
    with _opened(name) as lines:
        try:
            report = replay.replay(lines, rollout=rollout)
        except (replay.LogError, UnicodeDecodeError) as error:
            raise CliError(f"{_named(name)}: {error}") from error
    if not report.looks:
        raise CliError(_nothing(name, rollout=rollout, skipped=report.skipped))
    for rollout_id in dict.fromkeys(look.rollout for look in report.looks):
        say(f"rollout {rollout_id}")
        looks = [look for look in report.looks if look.rollout == rollout_id]
        for line in table(("TIME", "STEP", "VERDICT", "REASON", "METRICS"), map(_look, looks)):
            say(line)
        say("")
    if report.skipped:
        say(f"{report.skipped} judgements of rollouts that began before this log are left out")
    if report.difference:
        say(f"different: {report.difference}")
        return outcome.NEGATIVE
    say(f"{len(report.looks)} judgements recomputed, all equal")
    return outcome.DONE


def _nothing(name: str, *, rollout: str, skipped: int) -> str:
    wanted = f" of rollout {rollout}" if rollout else ""
    if skipped:
        return (
            f"{_named(name)}: the log begins after the rollout{'' if rollout else 's'} did, so its "
            f"{skipped} judgements{wanted} cannot be worked out: give the log from its start on"
        )
    return (
        f"{_named(name)}: no judgement{wanted} in it: give the log of the leading replica at level "
        "info, such as by `kubectl logs deploy/tidegate`"
    )


def _look(look: replay.Look) -> list[str]:
    judgement = look.judgement
    return [
        instant(datetime.fromtimestamp(look.context.now, tz=UTC)),
        str(look.context.step),
        str(judgement.verdict),
        str(judgement.reason),
        ", ".join(_weighed(one) for one in judgement.findings),
    ]


def _weighed(found: Finding) -> str:
    if not math.isfinite(found.log_limit):
        return f"{found.metric} {found.outcome}"
    return f"{found.metric} {found.log_e:z.2f}/{found.log_limit:.2f} (proof {found.log_proof:z.2f})"


# --- evaluate ------------------------------------------------------------------------------------


def evaluate(name: str, *, output: str, say: Say) -> int:
    """Judge counts from a file as the operator would, and say what is still needed.

    Result: DONE to advance, HOLD or ROLL_BACK.
    Errors: CliError for what cannot be read, with the field and the way to mend it.
    """
    given = counts.read_counts(_loaded(name))
    if isinstance(given, tuple):
        first, *others = given
        more = f" (and {len(others)} more)" if others else ""
        where = f"{first.path}: " if first.path else ""
        raise CliError(f"{_named(name)}: {where}{first.message}{more}")
    context = Context(now=given.rows[-1].t1, step=0, judged_from=0.0, has_stable=given.has_stable)
    judgement = engine.judge(given.rows, context=context, config=given.config)
    if output == "json":
        say(json.dumps(_as_document(judgement, given), indent=2))
    else:
        for line in _as_text(judgement, given):
            say(line)
    return EXIT_CODES[judgement.verdict]


def _as_text(judgement: Judgement, given: counts.Given) -> Iterator[str]:
    yield from fields(
        [
            ("Verdict", str(judgement.verdict)),
            ("Reason", f"{judgement.reason}: {judgement.message}"),
            ("Also", ", ".join(judgement.others)),
        ]
    )
    yield ""
    heads = ("METRIC", "OUTCOME", "CANDIDATE", "STABLE", "RATIO", "EVIDENCE", "PROOF", "DISPERSION")
    yield from table(heads, [_metric(one, given.config) for one in judgement.findings])
    needs = [(one.metric, _need(one, given)) for one in judgement.findings]
    if any(text for _, text in needs):
        yield ""
        yield "Still needed"
        yield from fields(needs)


def _metric(found: Finding, config: EvidenceConfig) -> list[str]:
    low, high = found.ratio_interval.lower, found.ratio_interval.upper
    ratio = f"{number(found.ratio)} ({number(low) or '0'} to {number(high) or 'open'})"
    phi = found.phi
    return [
        found.metric,
        f"{found.outcome} ({found.reason})",
        _counted(found.x_c, n=found.n_c),
        _counted(found.x_s, n=found.n_s),
        ratio if found.ratio is not None else "",
        f"{found.log_e:z.2f} of {found.log_limit:.2f}",
        f"{found.log_proof:z.2f} of {config.log_promote:.2f}",
        f"{number(phi.value)} ({_source(phi.source)})" if phi else "",
    ]


def _counted(x: float, *, n: float) -> str:
    return f"{number(x)} of {number(n)} ({x / n:.3%})" if n > 0 else ""


def _source(source: PhiSource) -> str:
    if source is PhiSource.UNMEASURED:
        return "assumed: rows name too few pods to measure it"
    return source.value.lower()


def _need(found: Finding, given: counts.Given) -> str:
    """What would decide it if the candidate were as good as stable; empty when it is decided."""
    if found.outcome in {Outcome.PASS, Outcome.FAIL}:
        return ""
    if found.phi is None or found.n_c <= 0:
        return "requests of the candidate"
    rule = next(rule for rule in given.config.metrics if rule.name == found.metric)
    if rule.compare is None:
        return f"proof {given.config.log_promote - found.log_proof:.2f} more"
    if found.n_s <= 0:
        return "counts of stable at the same time"
    wanted = _requests_to_prove(found, rule=rule, config=given.config)
    if wanted > found.n_c:
        return (
            f"about {wanted - found.n_c:.0f} more candidate requests, {wanted:.0f} in all, "
            "if it is as good as stable"
        )
    return "more intervals, or a candidate nearer to stable: an equal one would be proven by now"


def _requests_to_prove(found: Finding, *, rule: MetricRule, config: EvidenceConfig) -> float:
    """Candidate requests that prove an equal candidate half of the time, by ratio or by excess."""
    assert rule.compare is not None
    assert found.phi is not None
    weight = found.n_c / (found.n_c + found.n_s)
    at_one_per_second = planner.proof_seconds(
        found.x_s / found.n_s,
        theta0=rule.compare.theta0_promote,
        weight=weight,
        qps=1.0,
        alpha=config.alpha_promote,
        phi=found.phi.value,
    )
    none_bad = config.log_promote * found.phi.value / -math.log1p(-rule.compare.excess_promote)
    return math.ceil(min(weight * at_one_per_second, none_bad if found.x_s == 0 else math.inf))


def _as_document(judgement: Judgement, given: counts.Given) -> dict[str, Any]:
    needs = {one.metric: _need(one, given) for one in judgement.findings}
    return {
        **codec.write(judgement),
        "log_promote": given.config.log_promote,
        "still_needed": {name: text for name, text in needs.items() if text},
    }


# --- files ---------------------------------------------------------------------------------------


def _named(name: str) -> str:
    return "stdin" if name == STDIN else name


@contextmanager
def _opened(name: str) -> Iterator[TextIO]:
    if name == STDIN:
        yield io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
        return
    try:
        with Path(name).open(encoding="utf-8") as file:
            yield file
    except OSError as error:
        reason = error.strerror or str(error)
        raise CliError(f"cannot read {name}: {reason}; check the path") from error


def _loaded(name: str) -> Any:
    with _opened(name) as file:
        try:
            return documents.load(file.read())
        except (documents.DocumentError, UnicodeDecodeError) as error:
            raise CliError(
                f"{_named(name)} is no valid JSON: {error}; examples/evaluate-counts.json shows one"
            ) from error
