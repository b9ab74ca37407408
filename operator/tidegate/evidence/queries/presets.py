"""Metric presets by name: what a metric with `preset` reads, and which presets there are.

The rows stand in `preset_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping

from tidegate.evidence.queries import preset_rows
from tidegate.evidence.queries.preset_rows import Preset
from tidegate.evidence.terms import (
    Distribution,
    LabelMatch,
    Labels,
    Latency,
    Measure,
    Operator,
    Ratio,
    Selector,
    Template,
    Throughput,
)

ERROR_RATIO = "error-ratio"
CLIENT_ERRORS = "client-error-ratio"

PRESETS: Mapping[str, Preset] = {**preset_rows.SERVERS, **preset_rows.DATA_PLANES}
SERVERS: tuple[str, ...] = tuple(preset_rows.SERVERS)
DATA_PLANES: tuple[str, ...] = tuple(preset_rows.DATA_PLANES)

_QUANTILES: Mapping[str, float] = {"latency-p50": 0.5, "latency-p95": 0.95, "latency-p99": 0.99}
_TTFT = "ttft-p95"
ITL = "itl-p95"  # the only one that counts tokens instead of requests
USUAL: tuple[str, ...] = (ERROR_RATIO, "latency-p95")  # what a spec without metrics asks for
# What `appProtocol` of a Service may say of gRPC; HTTP/2 without TLS hardly carries anything else.
GRPC = frozenset({"grpc", "grpcs", "grpc-web", "http2", "h2c", "kubernetes.io/h2c"})
LATENCIES: tuple[str, ...] = (*_QUANTILES, _TTFT, ITL)
REQUEST_RATE = "request-rate"
POD_REQUEST_RATE = "pod-request-rate"
RATES: tuple[str, ...] = (REQUEST_RATE, POD_REQUEST_RATE)
FEATURE_DRIFT, PREDICTION_DRIFT = "feature-drift", "prediction-drift"
# What the package tidegate-probe exports, in whatever server it runs.
PROBE: Mapping[str, Template] = {
    name: Template(
        name=name,
        measure=Distribution(
            series=Selector(metric=f"tidegate_probe_{what}_observations_total"),
            dimension_label=what,
        ),
    )
    for name, what in ((FEATURE_DRIFT, "feature"), (PREDICTION_DRIFT, "output"))
}
_COHORTS = "tidegate_probe_cohort_predictions_total"


def _quality(name: str, measure: Measure) -> Template:
    """Labels of the probe: of a binary model also by the cells of its confusion matrix."""
    cells = {
        Measure.PRECISION: ("tp", "fp"),
        Measure.RECALL: ("tp", "fn"),
        Measure.F1: ("tp", "fp", "fn"),
    }.get(measure, ())
    return Template(
        name=name,
        measure=Labels(
            predictions=Selector(metric=_COHORTS),
            labelled=Selector(metric="tidegate_probe_labelled_total"),
            correct=None if cells else Selector(metric="tidegate_probe_correct_total"),
            cells={
                cell: Selector(
                    metric="tidegate_probe_outcomes_total",
                    matches=(LabelMatch(label="outcome", operator=Operator.IN, values=(cell,)),),
                )
                for cell in cells
            },
            measure=measure,
        ),
    )


# The same of labels that come later.
QUALITY: Mapping[str, Template] = {
    name: _quality(name, measure)
    for name, measure in (
        ("label-quality", Measure.ACCURACY),
        ("label-precision", Measure.PRECISION),
        ("label-recall", Measure.RECALL),
        ("label-f1", Measure.F1),
    )
}
OF_PROBE: Mapping[str, Template] = {**PROBE, **QUALITY}
METRICS: tuple[str, ...] = (
    ERROR_RATIO,
    CLIENT_ERRORS,
    *LATENCIES,
    *RATES,
    *OF_PROBE,
)

REQUESTS: Mapping[str, Selector] = {name: preset.requests for name, preset in PRESETS.items()}


def _templates(preset: Preset) -> Mapping[str, Template]:
    """A template for each metric that the preset can read, by the metric's name."""
    histograms = {name: (preset.latency, quantile) for name, quantile in _QUANTILES.items()}
    histograms |= {
        _TTFT: (preset.first_token, 0.95),
        ITL: (preset.inter_token, 0.95),
    }
    found = {
        name: Template(
            name=name,
            measure=Latency(
                histogram=histogram.series, quantile=quantile, unit_seconds=histogram.unit_seconds
            ),
            mode=preset.mode,
        )
        for name, (histogram, quantile) in histograms.items()
        if histogram is not None
    }
    for name, bad in ((ERROR_RATIO, preset.bad), (CLIENT_ERRORS, preset.refused)):
        if bad is not None:
            ratio = Ratio(bad=bad, total=preset.requests, sparse=preset.sparse)
            found[name] = Template(name=name, measure=ratio, mode=preset.mode)
    for name in (REQUEST_RATE,) if preset.proxied else RATES:
        rate = Throughput(requests=preset.requests, per_pod=name == POD_REQUEST_RATE)
        found[name] = Template(name=name, measure=rate, mode=preset.mode)
    return found


TEMPLATES: Mapping[tuple[str, str], Template] = {
    (name, metric): template
    for name, preset in PRESETS.items()
    for metric, template in _templates(preset).items()
}


def offered(
    metric: str, *, server: str, data_plane: str = "", app_protocol: str = ""
) -> Template | None:
    """How a metric is read: what the data plane sees goes before what the server says.

    What the probe counts no other can.
    """
    if metric in OF_PROBE:
        return OF_PROBE[metric]
    plane = PRESETS.get(data_plane)
    blind = plane is not None and app_protocol.lower() in GRPC and not _sees_grpc(plane, metric)
    seen = None if blind else TEMPLATES.get((data_plane, metric))
    return seen or TEMPLATES.get((server, metric))


def is_of_server(metric: str, *, data_plane: str) -> bool:
    """Whether a preset is read by what the model server itself exports."""
    return bool(metric) and metric not in OF_PROBE and (data_plane, metric) not in TEMPLATES


def _sees_grpc(plane: Preset, metric: str) -> bool:
    return plane.grpc_errors if metric in {ERROR_RATIO, CLIENT_ERRORS} else plane.grpc_times
