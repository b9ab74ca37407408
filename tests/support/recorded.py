"""What real servers exported before and after known traffic (tests/support/expositions)."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from evidence_build import CANDIDATE, END, START
from metric_source import pod_name
from prometheus_client.parser import text_string_to_metric_families

from tidegate.evidence.terms import Series

FOLDER = Path(__file__).parent / "expositions"
TARGET = {
    "namespace": "ml",
    "model_deployment": "iris",
    "revision": CANDIDATE,
    "pod": pod_name("iris", CANDIDATE, "a"),
    "instance": "10.0.0.1:1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a preset must make of the traffic of one server: 12 good, 3 bad, 2 slow requests.

    None: the server does not export it. `timed` is what its histogram holds of them, `slow` what
    took longer than any edge up to half a second.
    """

    total: int = 17
    bad: int | None = 3
    timed: int | None = 17
    slow: int = 2
    first_tokens: int | None = None
    inter_tokens: int | None = None


_TOKENS = 12 * 3 + 2 * 799
COUNTED = {
    "HTTP": Counted(),
    "Flask": Counted(),
    "MLServer": Counted(),
    "KServe": Counted(bad=None),
    "Triton": Counted(timed=None),
    "TFServing": Counted(timed=14),
    "BentoML": Counted(),
    "RayServe": Counted(),
    "VLLM": Counted(timed=14, first_tokens=14, inter_tokens=_TOKENS),
    "SGLang": Counted(timed=14, first_tokens=14, inter_tokens=_TOKENS),
    "TGI": Counted(total=20, timed=14, inter_tokens=14),
    "NIM": Counted(total=14, bad=None, timed=14, first_tokens=14, inter_tokens=_TOKENS),
    "Dynamo": Counted(first_tokens=14, inter_tokens=_TOKENS),
    "LiteLLM": Counted(timed=14),
    "OpenVINO": Counted(timed=14),
    "OpenVINOGraph": Counted(timed=14),
    "Envoy": Counted(),
    "Istio": Counted(),
    "LLMD": Counted(timed=14),
}


def text(server: str, moment: str) -> str:
    """The scrape `before` or `after` the traffic."""
    return (FOLDER / f"{server}.{moment}.prom").read_text()


@functools.cache
def series(server: str) -> tuple[Series, ...]:
    """Both scrapes as samples at the start and at the end of the window."""
    before, after = _values(text(server, "before")), _values(text(server, "after"))
    return tuple(
        Series(
            labels={**dict(labels), **TARGET},
            samples=tuple(
                (at, values[labels])
                for at, values in ((START, before), (END, after))
                if labels in values
            ),
        )
        for labels in after
    )


def events(series: Iterable[Series]) -> float:
    """What was counted between the scrapes; who appeared in between began at zero."""
    return sum(
        one.samples[-1][1] - (one.samples[0][1] if len(one.samples) > 1 else 0.0) for one in series
    )


def _values(exposed: str) -> dict[tuple[tuple[str, str], ...], float]:
    # With its type a counter would be renamed, as OpenMetrics has it.
    untyped = "".join(f"{line}\n" for line in exposed.splitlines() if not line.startswith("#"))
    return {
        tuple(sorted({"__name__": sample.name, **sample.labels}.items())): sample.value
        for family in text_string_to_metric_families(untyped)
        for sample in family.samples
    }
