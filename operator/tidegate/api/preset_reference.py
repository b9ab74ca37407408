"""The reference page of the metric presets, from the data they are made of."""

from __future__ import annotations

from collections.abc import Sequence

from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.preset_rows import Preset
from tidegate.evidence.queries.promql import Wanted
from tidegate.evidence.terms import Distribution, Identity, Labels, Selector, Template

_NOBODY = Identity(namespace="", name="", candidate="")
_HEAD = """# Metric presets

Which series a metric with `preset` reads, and where each kind of server listens. The operator adds labels that name the revision to every selector,
those that the metric source has; which ones these are stands in [Let Prometheus tell revisions apart](../how-to/prometheus.md). "No" says that the server
exports nothing trustworthy: a metric that asks for it is refused with reason `UnsupportedByProvider`, and a spec without `analysis.metrics` leaves it out and
says so in the Event `NotJudged` before the first step.

"Recorded" says that the test data come from the real server, "documented" that they are written from its source or its manual, because it could not be started.
A condition for bad requests on a label that the series of a revision do not have is an error (`series have no label ...`), never "no bad requests".

Generated from `tidegate.evidence.queries.preset_rows`: change that and run `make generate`.
"""
_CLIENT_ERRORS = """`error-ratio` brings `client-error-ratio` with it: the share of requests that the server blames on the client (4xx) is compared with stable, from the
same answer. It has no limit, because callers decide how many there are; without a comparison with stable there is none. A candidate is rolled back for more than
twice stable's share, and passes once more than twice, or more than 5 points, is ruled out. A metric called `client-error-ratio` in the spec replaces this: with
`preset: client-error-ratio` and its own `compare` or `dryRun`. "No" means that the server does not tell client errors apart; where it counts them as failures, the
row says so below.
"""
_RATES = """`request-rate` and `pod-request-rate` count all requests of the table above that are finished, well or badly, per second: as many as it would be
with all traffic (those of the candidate over its weight), and those of each of its pods. Both have a lower limit (`threshold.min`, requests/s) and are compared with what
stable finishes, by the weight. A limit is judged only while so many requests are due. `pod-request-rate` is refused for a proxy, whose pods are not those of the model (Envoy, LLMD).
"""


_DRIFT = """Counters by feature and bin of the package tidegate-probe, whatever server it runs in. What the candidate observes is held against what stable observes at the
same time, feature by feature ([how to](../how-to/drift.md)).
"""


_QUALITY = """Predictions and their labels of the package tidegate-probe, by when the prediction was made. They need `labelDelay`, and the candidate is held against
stable's predictions of the same time ([how to](../how-to/labels.md)).
"""


def page() -> str:
    """Markdown; equal presets give equal bytes."""
    return "\n".join(
        [
            _HEAD,
            "## Servers: `spec.server.preset`\n",
            _table(
                ("Server", "Port", "Metrics", "Ready path", "Tested with"),
                [_listening(name, presets.PRESETS[name]) for name in presets.SERVERS],
            ),
            "## Data planes: `spec.analysis.dataPlane`\n",
            "A data plane is read instead of the server for `error-ratio` and latencies:",
            f"{', '.join(map(_plane, presets.DATA_PLANES))}.\n",
            "## `error-ratio` and `client-error-ratio`\n",
            _CLIENT_ERRORS,
            _table(
                ("Preset", "All requests", "Of these, bad", "Client errors"),
                [_ratio(name, preset) for name, preset in presets.PRESETS.items()],
            ),
            "## Latencies\n",
            f"{', '.join(map(_code, presets.LATENCIES))}\n",
            _table(
                ("Preset", "Metrics", "Histogram", "Unit in seconds"),
                [row for name, preset in presets.PRESETS.items() for row in _timed(name, preset)],
            ),
            "## Request rates\n",
            _RATES,
            "## Distributions\n",
            _DRIFT,
            _table(
                ("Preset", "Series", "Feature", "Bin"),
                [_distribution(name, it) for name, it in presets.PROBE.items()],
            ),
            "## Labels\n",
            _QUALITY,
            _table(
                ("Preset", "Measure", "Series"),
                [_quality(name, it) for name, it in presets.QUALITY.items()],
            ),
            "## What to know\n",
            *(
                f"- {name}: {remark}"
                for name, preset in presets.PRESETS.items()
                for remark in preset.remarks
            ),
            "",
        ]
    )


def _listening(name: str, preset: Preset) -> tuple[str, ...]:
    metrics = f"{preset.metrics_port or preset.port}`{preset.metrics_path}`"
    ready = _code(preset.ready_path) or "not asked"
    return name, str(preset.port), metrics, ready, _tested(preset)


def _plane(name: str) -> str:
    return f"`{name}` ({_tested(presets.PRESETS[name])})"


def _tested(preset: Preset) -> str:
    return "recorded" if preset.recorded else "documented"


def _ratio(name: str, preset: Preset) -> tuple[str, ...]:
    return name, _selector(preset.requests), _part(preset.bad), _part(preset.refused)


def _part(bad: Selector | None) -> str:
    """Some of the requests; with other names of a label, whichever the series carry."""
    if bad is None:
        return "no"
    names = [name for match in bad.matches for name in match.also]
    spelled = f", or the same of {' or '.join(map(_code, names))}" if names else ""
    return _selector(bad) + spelled


def _timed(name: str, preset: Preset) -> Sequence[tuple[str, ...]]:
    kinds = (
        ("`latency-*`", preset.latency),
        ("`ttft-p95`", preset.first_token),
        ("`itl-p95`", preset.inter_token),
    )
    found = [
        (name, kind, _selector(it.series), f"{it.unit_seconds:g}")
        for kind, it in kinds
        if it is not None
    ]
    return found or [(name, "`latency-*`", "no", "")]


def _distribution(name: str, template: Template) -> tuple[str, ...]:
    assert isinstance(template.measure, Distribution), name
    labels = (template.measure.dimension_label, template.measure.bin_label)
    return _code(name), _selector(template.measure.series), *map(_code, labels)


def _quality(name: str, template: Template) -> tuple[str, ...]:
    assert isinstance(template.measure, Labels), name
    series = ", ".join(map(_selector, template.measure.roles.values()))
    return _code(name), template.measure.measure.value, series


def _selector(series: Selector) -> str:
    wanted = promql.raw(series, source="", values={}, identity=_NOBODY)
    assert isinstance(wanted, Wanted), wanted
    matchers = f"{{{', '.join(wanted.matchers)}}}" if wanted.matchers else ""
    return " + ".join(_code(f"{metric}{matchers}") for metric in wanted.group.metrics)


def _code(text: str) -> str:
    """As code in a table, where a bar would end the cell."""
    return f"`{text}`".replace("|", "\\|") if text else ""


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
