"""From `spec.analysis` to the words of `model`, with every number that it leaves to the profile."""

from __future__ import annotations

from tidegate import model
from tidegate.api import analysis_types, drifts
from tidegate.api.durations import seconds_of
from tidegate.api.profiles import PROFILES, Numbers
from tidegate.api.revision import analysis_key
from tidegate.evidence.counts import warming
from tidegate.evidence.queries import presets
from tidegate.evidence.verdict import client_errors

_LEAST_WINDOW_SECONDS = 60.0
_INTERVAL_SECONDS, _QUERY_INTERVAL_SECONDS = 5.0, 30.0
_MIN_SAMPLES = 20
_COHORT = "1h"  # as tidegate-probe counts unless it is told otherwise


def missing_metrics(
    given: analysis_types.Analysis, *, server: model.Server, service: model.EntryService
) -> tuple[str, ...]:
    """Usual metrics that nobody exports; what the spec names itself is an error elsewhere."""
    if "metrics" in given.model_fields_set:
        return ()
    return tuple(
        name
        for name in presets.USUAL
        if presets.offered(
            name,
            server=server.preset,
            data_plane=given.data_plane or "",
            app_protocol=service.app_protocol,
        )
        is None
    )


def analysis(
    given: analysis_types.Analysis, *, scrape_seconds: float, missing: tuple[str, ...]
) -> model.Analysis:
    """How a rollout is judged; `missing` are usual metrics to leave out, by name."""
    numbers = PROFILES[given.profile]
    # A free query may be dear, so it is asked less often, unless something waits for the next scrape.
    can_wait = [bool(metric.query) and not metric.critical for metric in given.metrics]
    patient = bool(can_wait) and all(can_wait)
    default_interval = _QUERY_INTERVAL_SECONDS if patient else _INTERVAL_SECONDS
    default_window = max(_LEAST_WINDOW_SECONDS, 4 * scrape_seconds)
    window = seconds_of(given.window) if given.window else default_window
    return model.Analysis(
        source=given.source,
        interval_seconds=seconds_of(given.interval) if given.interval else default_interval,
        warmup_seconds=seconds_of(given.warmup) if given.warmup else warming.LEAST_SECONDS,
        warmup_learned=given.warmup is None,
        settle_seconds=seconds_of(given.settle),
        min_requests=given.min_requests,
        breach_failures=given.breach_after.failures,
        breach_out_of=given.breach_after.out_of,
        error_limit=given.error_limit,
        no_data_timeout_seconds=seconds_of(given.no_data_timeout),
        on_inconclusive=given.on_inconclusive,
        inconclusive_timeout_seconds=_seconds(given.inconclusive_timeout),
        false_rollback=given_or(given.risk.false_rollback, numbers.false_rollback),
        false_promotion=given_or(given.risk.false_promotion, numbers.false_promotion),
        data_plane=given.data_plane or "",
        key=analysis_key(given.model_dump(mode="json", by_alias=True, exclude_defaults=True)),
        metrics=tuple(
            _metric(
                it,
                window_seconds=window,
                min_requests=given.min_requests,
                numbers=numbers,
                drift=drifts.read(it, baseline=given.baseline),
            )
            for it in given.metrics
            if it.name not in missing
        ),
        left_out=missing,
    )


def _metric(
    given: analysis_types.Metric,
    *,
    window_seconds: float,
    min_requests: int,
    numbers: Numbers,
    drift: model.Drift | None,
) -> model.Metric:
    return model.Metric(
        name=given.name,
        threshold=threshold(given.threshold),
        preset=given.preset or "",
        template=template_ref(given.template_ref),
        query=given.query or "",
        variables=tuple(sorted(given.variables.items())),
        window_seconds=seconds_of(given.window) if given.window else window_seconds,
        min_samples=given.min_samples or min(_MIN_SAMPLES, min_requests),
        compare=_compare(given, numbers=numbers),
        critical=given.critical,
        dry_run=given.dry_run,
        drift=drift,
        labels=_labels(given),
        on_breach=given.on_breach or drifts.on_breach(given.preset, drift=drift),
        on_breach_is_written=given.on_breach is not None,
    )


def _labels(given: analysis_types.Metric) -> model.Labels | None:
    if given.label_delay is None:
        return None
    cohort = given.label_cohort or _COHORT
    return model.Labels(
        delay_seconds=seconds_of(given.label_delay), cohort_seconds=seconds_of(cohort)
    )


def threshold(given: analysis_types.Threshold | None) -> model.Threshold:
    """The limits that were given, or none."""
    return model.Threshold(min=given.min, max=given.max) if given else model.NO_THRESHOLD


def _compare(given: analysis_types.Metric, *, numbers: Numbers) -> model.Compare | None:
    """What was asked for; presets are compared with stable unless they are told otherwise."""
    compare = given.compare
    if compare is None and given.preset == presets.CLIENT_ERRORS:
        return client_errors.COMPARE
    if compare is None and (not given.preset or given.preset in presets.PROBE):
        return None
    if drifts.only_says_to_what(given):
        return None
    return compared(compare or analysis_types.Compare(), numbers=numbers)


def compared(compare: analysis_types.Compare, *, numbers: Numbers) -> model.Compare:
    """The comparison with every number that it leaves to the profile."""
    return model.Compare(
        tolerance=numbers.tolerance if compare.tolerance is None else compare.tolerance,
        margin=given_or(compare.margin, numbers.margin),
        tolerance_absolute=given_or(compare.tolerance_absolute, numbers.tolerance_absolute),
        detect_ratio=given_or(compare.detect.ratio, numbers.detect_ratio),
        detect_absolute=given_or(compare.detect.absolute, numbers.detect_absolute),
        detect_slow=given_or(compare.detect.absolute, numbers.detect_slow),
    )


def _seconds(given: str | None) -> float | None:
    """The duration that was given; none has no default."""
    return seconds_of(given) if given else None


def given_or(value: float | None, default: float) -> float:
    """The number that was given, else the default; 0 is a number."""
    return default if value is None else value


def template_ref(given: analysis_types.TemplateRef | None) -> model.TemplateRef | None:
    """The template that was named, if one was."""
    return model.TemplateRef(kind=given.kind, name=given.name) if given else None
