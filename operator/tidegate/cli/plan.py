"""`tidegate plan`: what a rollout would find, and how long it would take, without a cluster."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate import model, ports
from tidegate.api import convert
from tidegate.api.revision import mapping
from tidegate.cli import offline, outcome, plan_labels, plan_people, plan_picture
from tidegate.cli.outcome import CliError
from tidegate.cli.render import table
from tidegate.cli.views import share_text
from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import Phi, PhiSource
from tidegate.evidence.counts.grid import LEAST_SCRAPES
from tidegate.evidence.counts.history import COMMON, HISTORY_INTERVALS
from tidegate.evidence.counts.readings import Shape
from tidegate.evidence.counts.rows import Usual
from tidegate.evidence.sequential.judgement import EvidenceConfig, MetricRule
from tidegate.evidence.terms import Labels, Latency, Ratio, Template, Throughput
from tidegate.evidence.verdict import client_errors, forecast, outlook, rules
from tidegate.evidence.verdict.forecast import Past, StepForecast
from tidegate.evidence.verdict.outlook import about
from tidegate.evidence.verdict.rates import Arrivals
from tidegate.evidence.verdict.templates import alone, resolve_templates, unknown_limits
from tidegate.evidence.verdict.times import Clock
from tidegate.model import objects
from tidegate.rollout.strategy import compile as strategies

Say = Callable[[str], None]
# The upper limit that is measured where bad requests do not clump at all, by simulation (ADR 0028).
USUAL_DISPERSION = 2.0
# So few pods of stable tell little of how pods differ: of four there are three degrees of freedom.
FEW_PODS = 4
# What a plan can be worked out for: counts stay exact, and a year of them is a finite sum.
_RATES, _SCRAPES, _MOST_DISPERSION = (1e-6, 1e9), (0.1, 86400.0), 1e6
# Of a latency only the number of edges matters beforehand; this many a usual histogram has.
_SHAPE = Shape(edges=tuple(0.005 * 2**index for index in range(12)), decisive=6)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumed:
    """What is not in the manifest. Units: requests per second; shares of them, 0 to 1; seconds.

    `errors` fail and `slow` are above the edge of the latency; None leaves the dispersion to what
    the pods of stable could show.
    """

    rate: float
    errors: float
    slow: float
    scrape_seconds: float
    dispersion: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One ModelDeployment: its steps as they are expected, and what is to be said of them."""

    name: str
    assumed: Assumed
    steps: tuple[StepForecast, ...]
    warnings: tuple[str, ...]
    left_out: tuple[str, ...]
    asked: tuple[str, ...]
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    promotes: bool = True

    @property
    def promoted_seconds(self) -> float:
        """Until promotion, people and testers apart; infinite where a step does not pass in time."""
        known = all(it.passes_in_time and (it.metrics or not self.left_out) for it in self.steps)
        if not (self.promotes and self.steps and known):
            return math.inf
        return math.fsum(it.passes_seconds for it in self.steps)


def plan(names: Sequence[str], *, assumed: Assumed, output: str, picture: str, say: Say) -> int:
    """Say per step what is found in what time, when it passes, and what to change if not.

    Result: DONE when promotion is expected without a person but those who are to be asked, else NEGATIVE.
    Errors: CliError for what cannot be read, is no valid ModelDeployment, or makes no sense.
    """
    _check(assumed)
    bodies = _bodies(names)
    deployments = [it for it in bodies if it.get("kind") == ports.MODEL_DEPLOYMENT.kind]
    if not deployments:
        raise CliError(f"no ModelDeployment in {', '.join(names)}: nothing to plan")
    found = [planned(body, assumed=assumed, others=bodies) for body in deployments]
    if output == "json":
        say(json.dumps([_as_document(one) for one in found], indent=2))
    else:
        for one in found:
            for line in _as_text(one):
                say(line)
    if picture:
        _draw(found, path=Path(picture), say=say)
    expected = all(math.isfinite(one.promoted_seconds) for one in found)
    return outcome.DONE if expected else outcome.NEGATIVE


def planned(
    body: Mapping[str, Any], *, assumed: Assumed, others: list[Mapping[str, Any]]
) -> Planned:
    """The forecast of one ModelDeployment; `others` may hold its metric templates."""
    spec, refused = convert.read_spec(body)
    subject = str(mapping(body.get("metadata")).get("name") or "(no name)")
    blocking = [it for it in refused if it.blocks]
    blocking += unknown_limits(spec) if spec is not None else ()
    if spec is None or blocking:
        first = blocking[0]
        raise CliError(f"{subject}: {first.path}: {first.message}")
    here = _namespace(body)
    near = [it for it in others if not here or _namespace(it) in {"", here}]
    templates, left_out = _templates(spec, others=sorted(near, key=_namespace))
    whole = strategies.plan_of(spec)
    steps = plan_people.by_requests(whole)
    config = _config(spec, templates=templates, steps=steps, assumed=assumed)
    clock = Clock(
        interval_seconds=max(
            spec.analysis.interval_seconds, LEAST_SCRAPES * assumed.scrape_seconds
        ),
        scrape_seconds=assumed.scrape_seconds,
    )
    pasts = {
        rule.name: _past(rule, assumed=assumed, pods=spec.replicas, clock=clock)
        for rule in config.metrics
        if rule.compare is not None
        and rule.late is None
        and rule.name in {it.name for it in spec.analysis.metrics}
    }
    found = forecast.forecast(
        steps,
        pasts=pasts,
        config=config,
        clock=clock,
        arrivals=_arrivals(assumed, pods=spec.replicas),
        pods=[strategies.candidate_pods(step, spec=spec) for step in steps],
    )
    warnings = [outlook.warning(one) for one in found]
    late = plan_labels.of_steps(config, steps=steps)
    return Planned(
        name=subject,
        assumed=assumed,
        steps=found,
        warnings=tuple(
            f"step {one.step.name}: {text}"
            for one, text in zip(found, warnings, strict=True)
            if text
        )
        + late.warnings,
        labels=late.texts,
        left_out=(*plan_people.not_by_requests(whole), *left_out),
        asked=plan_people.asked(spec, whole),
        notes=_notes(
            spec,
            compares=any(one.compares for one in found),
            promotes=plan_people.ends_in_promotion(whole),
        ),
        promotes=plan_people.ends_in_promotion(whole),
    )


def _notes(spec: model.Spec, *, compares: bool, promotes: bool) -> tuple[str, ...]:
    """Where a promise of the settings does not reach (ADR 0025), and where a proof leads nowhere."""
    few = (
        f"the chance of {spec.analysis.false_rollback:.2g} of rolling back an equal version is not "
        f"promised where {spec.replicas} pods differ lastingly, or where a few clients keep their "
        "connections: so few pods do not tell that from a worse version"
    )
    stops = "nothing is promoted, since strategy.shadow.then is Stop"
    unsure = compares and spec.replicas <= FEW_PODS
    return ((few,) if unsure else ()) + (() if promotes else (stops,))


def _check(assumed: Assumed) -> None:
    for name, value, (least, most), unit in (
        ("--rate", assumed.rate, _RATES, "requests per second"),
        ("--scrape", assumed.scrape_seconds, _SCRAPES, "seconds"),
    ):
        if not value > 0:  # NaN is not, either
            raise CliError(f"{name} must be above 0")
        if not least <= value <= most:
            raise CliError(f"{name} must be from {least:g} to {most:g} {unit}")
    for name, value in (("--errors", assumed.errors), ("--slow", assumed.slow)):
        if not 0 <= value < 1:
            raise CliError(f"{name} is a share of all requests from 0 to below 1, such as 0.004")
    if assumed.dispersion is not None:
        if not assumed.dispersion >= 1:
            raise CliError("--dispersion must be at least 1, where nothing clumps")
        if assumed.dispersion > _MOST_DISPERSION:
            raise CliError(f"--dispersion must be at most {_MOST_DISPERSION:g}")


def _config(
    spec: model.Spec,
    *,
    templates: Mapping[str, Template],
    steps: tuple[model.Stage, ...],
    assumed: Assumed,
) -> EvidenceConfig:
    """The rules of a rollout before which stable has shown what is assumed."""
    analysis, templates = client_errors.beside(spec.analysis, templates)
    return rules.config_of(
        analysis,
        templates=templates,
        shapes={name: _shape(it, assumed=assumed) for name, it in templates.items()},
        usual={
            name: Usual(rate=_bad_rate(it, assumed=assumed))
            for name, it in templates.items()
            if isinstance(it.measure, Latency | Ratio)
        },
        traffic=spec.traffic,
        one_pod=strategies.candidate_pods(steps[0], spec=spec) <= 1,
        holds_seconds=[step.hold_seconds for step in steps],
    )


def _namespace(body: Mapping[str, Any]) -> str:
    """Empty where the file leaves it to whoever applies it."""
    return objects.text(mapping(body.get("metadata")).get("namespace"))


def _templates(
    spec: model.Spec, *, others: list[Mapping[str, Any]]
) -> tuple[Mapping[str, Template], tuple[str, ...]]:
    """The template of each metric that can be planned, and why the others are left out."""
    known: dict[tuple[str, str], Template] = {}
    for body in others:
        template, _ = convert.read_template(body)
        if template is not None:
            known[str(body.get("kind")), template.name] = template
    found: dict[str, Template] = {}
    left_out: list[str] = []
    for metric in spec.analysis.metrics:
        resolved = resolve_templates(
            alone(spec, metric),
            find=lambda it: known.get((it.kind, it.name)),
            sources={spec.analysis.source: True},
        )
        if not isinstance(resolved, Mapping):
            left_out.append(f"{metric.name}: {resolved[0].message}")
        elif isinstance(resolved[metric.name].measure, Throughput | Labels):
            pass  # what is planned of them needs no history of bad requests
        elif metric.compare is None or not rules.is_counted(resolved[metric.name]):
            left_out.append(f"{metric.name}: it is not compared with stable, so nothing is planned")
        found |= resolved if isinstance(resolved, Mapping) else {}
    return found, tuple(left_out)


def _shape(template: Template, *, assumed: Assumed) -> Shape:
    if isinstance(template.measure, Latency):
        return _SHAPE
    return Shape(common=_bad_rate(template, assumed=assumed) > COMMON)


def _bad_rate(template: Template, *, assumed: Assumed) -> float:
    return assumed.slow if isinstance(template.measure, Latency) else assumed.errors


def _past(rule: MetricRule, *, assumed: Assumed, pods: int, clock: Clock) -> Past:
    bad = assumed.slow if rule.edges else assumed.errors
    return Past(
        bad_rate=bad,
        requests_per_second=assumed.rate,
        phi=_phi(bad * assumed.rate, assumed=assumed, pods=pods, clock=clock),
    )


def _arrivals(assumed: Assumed, *, pods: int) -> Arrivals:
    """Requests that spread evenly over pods that are alike, unless it is said how they do."""
    given = assumed.dispersion or 1.0
    return Arrivals(requests_per_second=assumed.rate, pods=pods, single=given, longer=given)


def _phi(bad_per_second: float, *, assumed: Assumed, pods: int, clock: Clock) -> Phi:
    """What the history will say of the dispersion: measured only with pods and events enough."""
    if assumed.dispersion is not None:
        return dispersion.given(assumed.dispersion)
    loud = HISTORY_INTERVALS * -math.expm1(-bad_per_second * clock.interval_seconds)
    df = math.floor(loud * max(0, pods - 1))
    if df < dispersion.MIN_DF:
        return Phi(value=dispersion.ASSUMED, df=df, source=PhiSource.UNMEASURED)
    return Phi(value=USUAL_DISPERSION, df=df, source=PhiSource.MEASURED)


# --- in words ------------------------------------------------------------------------------------


def _as_text(found: Planned) -> list[str]:
    one = found.assumed
    lines = [
        (
            f"{found.name}: {one.rate:g} requests/s, {one.errors:.2%} fail, {one.slow:.2%} are "
            f"slow; scraped every {about(one.scrape_seconds)}"
        ),
        "",
    ]
    if any(step.metrics for step in found.steps):
        heads = ("STEP", "WEIGHT", "METRIC", "A CANDIDATE IS FOUND WITH", "PASSES AFTER", "BY")
        rows = [row for step in found.steps for row in _rows(step)]
        lines += table(heads, rows)
        lines += ["", *_steps(found), ""]
    if any(step.rates for step in found.steps):
        lines += [*_throughputs(found), ""]
    if any(step.compares for step in found.steps):
        lines.append(f"Healthy version: {outlook.promotion_text(found.promoted_seconds)}")
    else:
        lines.append("nothing is compared with stable, so that nothing can be planned")
    lines += [f"Labels: {text}" for text in found.labels]
    lines += [f"Waits for people: {text}" for text in found.asked]
    lines += [f"Warning: {text}" for text in found.warnings]
    lines += [f"Not planned: {text}" for text in found.left_out]
    lines += [f"Note: {text}" for text in found.notes]
    return [*lines, ""]


def _throughputs(found: Planned) -> list[str]:
    rows = [
        [
            step.step.name,
            one.name,
            f"{one.due:.3g} {one.unit}",
            f"{one.found:.3g} in {about(one.found_seconds)}" if one.found > 0 else "nothing",
            about(one.passes_seconds),
        ]
        for step in found.steps
        for one in step.rates
    ]
    return table(("STEP", "METRIC", "DUE", "A CANDIDATE IS FOUND WITH", "PASSES AFTER"), rows)


def _rows(step: StepForecast) -> list[list[str]]:
    return [
        [
            step.step.name if index == 0 else " ",
            f"{share_text(step.step.exposure)} %" if index == 0 else " ",
            one.name,
            ", ".join(f"{it.rate:.2%} in {about(it.seconds)}" for it in one.finds),
            about(one.passes_seconds),
            one.passes_by.value,
        ]
        for index, one in enumerate(step.metrics)
    ]


def _steps(found: Planned) -> list[str]:
    heads = ("STEP", "HOLD", "PASSES AFTER", "DEADLINE", "OUTAGE FOUND IN")
    rows = [
        [
            one.step.name,
            about(one.step.hold_seconds),
            about(one.passes_seconds),
            about(one.step.deadline_seconds),
            about(one.outage_seconds),
        ]
        for one in found.steps
    ]
    return table(heads, rows)


def _as_document(found: Planned) -> dict[str, Any]:
    return {
        "name": found.name,
        "promoted_seconds": _finite(found.promoted_seconds),
        "steps": [
            {
                "name": one.step.name,
                "weight_percent": one.step.effective_weight_percent,
                "mirror_percent": one.step.mirror_percent,
                "hold_seconds": one.step.hold_seconds,
                "deadline_seconds": one.step.deadline_seconds,
                "passes_seconds": _finite(one.passes_seconds),
                "outage_seconds": _finite(one.outage_seconds),
                "metrics": [
                    {
                        "name": it.name,
                        "passes_seconds": _finite(it.passes_seconds),
                        "passes_by": it.passes_by.value,
                        "finds": [
                            {"rate": at.rate, "seconds": _finite(at.seconds)} for at in it.finds
                        ],
                    }
                    for it in one.metrics
                ],
                "request_rates": [
                    {
                        "name": it.name,
                        "due": it.due,
                        "found": it.found,
                        "found_seconds": _finite(it.found_seconds),
                        "passes_seconds": _finite(it.passes_seconds),
                    }
                    for it in one.rates
                ],
            }
            for one in found.steps
        ],
        "waits_for_people": list(found.asked),
        "warnings": list(found.warnings),
        "not_planned": list(found.left_out),
        "labels": list(found.labels),
        "notes": list(found.notes),
    }


def _finite(seconds: float) -> float | None:
    return round(seconds, 1) if math.isfinite(seconds) else None


# --- files ---------------------------------------------------------------------------------------


def _bodies(names: Sequence[str]) -> list[Mapping[str, Any]]:
    """All objects of all files, in their order; standard input can be read once only."""
    found: list[Mapping[str, Any]] = []
    for file, text in offline.texts(names):
        objects = offline.objects_of(text)
        if isinstance(objects, str):
            raise CliError(f"{file} {objects}")
        found += [mapping(it) for it in objects]
    return found


def _draw(found: list[Planned], *, path: Path, say: Say) -> None:
    if path.suffix not in {".svg", ".html"}:
        raise CliError(f"--picture {path}: give a name that ends in .svg or .html")
    drawn = [plan_picture.svg(one.name, steps=one.steps) for one in found]
    text = drawn[0] if path.suffix == ".svg" else plan_picture.html(drawn)
    if path.suffix == ".svg" and len(drawn) > 1:
        raise CliError(f"--picture {path}: {len(drawn)} ModelDeployments fit into .html only")
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        reason = error.strerror or str(error)
        raise CliError(f"cannot write {path}: {reason}; name another file") from error
    say(f"picture: {path}")
