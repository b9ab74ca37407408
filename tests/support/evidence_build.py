"""Short ways to write down evidence in tests. Instants are unix seconds around 1000."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tidegate import model
from tidegate.evidence.terms import Identity, LabelMatch, Operator, Series, Window

CANDIDATE = "c0ffee0001"
STABLE = "5ab1e00001"
IDENTITY = Identity(namespace="ml", name="iris", candidate=CANDIDATE, stable=STABLE)
START, END, SCRAPE = 1000.0, 1060.0, 15.0
BAD = (LabelMatch(label="status_code", operator=Operator.MATCHES, values=("5..",)),)
WINDOW = Window(start=START, end=END, scrape_interval_seconds=SCRAPE)


def series(
    revision: str,
    values: Iterable[float],
    *,
    first: float = START - SCRAPE,
    pod: str = "a",
    **labels: str,
) -> Series:
    """A series of a pod with a sample per scrape from `first` on."""
    samples = tuple((first + SCRAPE * index, value) for index, value in enumerate(values))
    names = {"revision": revision, "pod": f"iris-{revision}-{pod}", "instance": f"10.0.0.{pod}:1"}
    return Series(labels={**names, **labels}, samples=samples)


def grows(*, by: float, scrapes: int = 6, start: float = 0.0) -> list[float]:
    """Values of a counter that grows evenly; six scrapes reach from before the window to its end."""
    return [start + by * index for index in range(scrapes)]


def metric(name: str = "error-ratio", **more: object) -> model.Metric:
    fields: dict[str, object] = {
        "name": name,
        "threshold": model.Threshold(max=0.01),
        "preset": "error-ratio",
    }
    return model.Metric(**{**fields, **more})  # type: ignore[arg-type]


def analysis(*metrics: model.Metric, **more: object) -> model.Analysis:
    fields: dict[str, object] = {
        "source": "default",
        "interval_seconds": 5.0,
        "warmup_seconds": 60.0,
        "settle_seconds": 30.0,
        "min_requests": 100,
        "breach_failures": 3,
        "breach_out_of": 5,
        "error_limit": 5,
        "no_data_timeout_seconds": 600.0,
        "on_inconclusive": model.OnInconclusive.PAUSE,
        "metrics": metrics or (metric(),),
    }
    return model.Analysis(**{**fields, **more})  # type: ignore[arg-type]


def spec(analysis_: model.Analysis, *, preset: str = "MLServer") -> model.Spec:
    return model.Spec(
        model=model.Model(name="iris", version="1"),
        server=model.Server(preset=preset, port=8080, metrics_port=8082, metrics_path="/metrics"),
        replicas=2,
        template={},
        service=model.EntryService(name="iris", port=80, target_port=8080),
        traffic=model.Traffic(provider=model.Provider.REPLICA_RATIO),
        steps=(
            model.Step(
                name="p10",
                weight_percent=10,
                hold_seconds=60,
                deadline_seconds=600,
                min_requests=100,
            ),
        ),
        scaling=model.Scaling(),
        scale_down_delay_seconds=30,
        analysis=analysis_,
        rollback=model.Rollback(),
        progress_deadline_seconds=600,
        revision_history_limit=3,
    )


def raw(all_series: Sequence[Series]) -> list[dict[str, object]]:
    """Series as Prometheus writes them in a matrix."""
    return [
        {
            "metric": dict(one.labels),
            "values": [[at, f"{value:g}"] for at, value in one.samples],
        }
        for one in all_series
    ]
