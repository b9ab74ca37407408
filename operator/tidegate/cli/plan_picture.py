"""The plan of a rollout as a picture: the candidate's weight over time, and what is found when.

Self-contained SVG, and HTML that shows it; no script, no font and no style from elsewhere.
"""

from __future__ import annotations

import html as markup
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tidegate.cli.views import share_text
from tidegate.evidence.verdict.forecast import StepForecast
from tidegate.evidence.verdict.outlook import about

WIDTH, TOP, ROW, LEFT, RIGHT, AXIS = 960, 76, 46, 150, 190, 56
_FIRST = 10.0  # seconds at the left end
_TICKS = (10, 30, 60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400)
_GOOD, _BAD, _MARK, _TEXT, _PALE = "#2e7d5b", "#b3502f", "#35507a", "#222", "#dfe5ea"


def svg(name: str, *, steps: Sequence[StepForecast]) -> str:
    """One row per step on a logarithmic axis of time: hold, pass, deadline, and what is found."""
    rows = [(step, line) for step in steps for line in _lines(step)]
    height = TOP + ROW * max(1, len(rows)) + AXIS
    most = max((one.step.deadline_seconds for one in steps), default=_FIRST) * 4
    scale = _Scale(most=max(most, 10 * _FIRST))
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'width="{WIDTH}" height="{height}" font-family="sans-serif" font-size="12" '
            f'role="img" aria-label="{_quoted(f"Plan of {name}")}">'
        ),
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(16, 24, f"What a rollout of {name} finds, and when it goes on", size=16),
        *_legend(),
        *_axis(scale, bottom=height - AXIS),
    ]
    for index, (step, line) in enumerate(rows):
        y = TOP + ROW * index
        parts.append(_text(16, y + 18, f"{step.step.name} ({share_text(step.step.exposure)} %)"))
        parts.append(_text(16, y + 34, line.name, colour="#666"))
        parts += _row(step, metric_seconds=line.passes_seconds, y=y, scale=scale)
        for label, seconds in line.finds:
            parts += _found(label, seconds=seconds, y=y, scale=scale)
    return "\n".join([*parts, "</svg>"]) + "\n"


def html(pictures: Sequence[str]) -> str:
    """The pictures in one page that needs nothing else."""
    body = "\n".join(pictures)
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'>"
        "<title>Plan of a rollout</title></head><body>\n"
        f"{body}</body></html>\n"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """What is drawn of a metric or a request rate in a step. Units: seconds."""

    name: str
    passes_seconds: float
    finds: tuple[tuple[str, float], ...]


def _lines(step: StepForecast) -> Iterator[_Line]:
    for metric in step.metrics:
        finds = tuple((f"{it.rate:.2%}", it.seconds) for it in metric.finds)
        yield _Line(name=metric.name, passes_seconds=metric.passes_seconds, finds=finds)
    for rate in step.rates:
        found = ((f"{rate.found:.3g}/s", rate.found_seconds),) if rate.found > 0 else ()
        yield _Line(name=rate.name, passes_seconds=rate.passes_seconds, finds=found)


class _Scale:
    """Seconds to a horizontal place, logarithmic; what never comes lies at the right edge."""

    def __init__(self, *, most: float) -> None:
        self.most = most

    def x(self, seconds: float) -> float:
        """Pixels from the left."""
        share = math.log(min(max(seconds, _FIRST), self.most) / _FIRST) / math.log(
            self.most / _FIRST
        )
        return LEFT + share * (WIDTH - LEFT - RIGHT)


def _legend() -> Iterator[str]:
    for index, (colour, label) in enumerate(
        (
            (_PALE, "hold"),
            (_GOOD, "a healthy version passes"),
            (_BAD, "deadline"),
            (_MARK, "a version that fails so much is rolled back"),
        )
    ):
        x = 16 + (0, 70, 250, 340)[index]
        yield f'<rect x="{x}" y="38" width="12" height="12" fill="{colour}"/>'
        yield _text(x + 18, 49, label)


def _axis(scale: _Scale, *, bottom: float) -> Iterator[str]:
    for tick in _TICKS:
        if tick > scale.most:
            break
        x = scale.x(tick)
        yield f'<line x1="{x:.1f}" y1="{TOP - 8}" x2="{x:.1f}" y2="{bottom}" stroke="#eee"/>'
        yield _text(x, bottom + 18, about(tick), anchor="middle", colour="#666")
    yield _text(
        LEFT,
        bottom + 38,
        "time since the step began, logarithmic; an outage is marked with x",
        colour="#666",
    )


def _row(step: StepForecast, *, metric_seconds: float, y: float, scale: _Scale) -> Iterator[str]:
    start, hold = scale.x(0), scale.x(step.step.hold_seconds)
    yield f'<rect x="{start:.1f}" y="{y + 6}" width="{hold - start:.1f}" height="10" fill="{_PALE}"/>'
    passes = scale.x(max(metric_seconds, step.step.hold_seconds))
    in_time = metric_seconds <= step.step.deadline_seconds
    colour = _GOOD if in_time else _BAD
    yield f'<circle cx="{passes:.1f}" cy="{y + 11}" r="6" fill="{colour}"/>'
    label = f"passes after {about(max(metric_seconds, step.step.hold_seconds))}"
    yield _text(WIDTH - RIGHT + 14, y + 15, label, colour=colour)
    deadline = scale.x(step.step.deadline_seconds)
    yield (
        f'<line x1="{deadline:.1f}" y1="{y + 2}" x2="{deadline:.1f}" y2="{y + 20}" '
        f'stroke="{_BAD}" stroke-width="2"/>'
    )
    if not step.metrics:  # what finds an outage counts failures or slow answers
        return
    yield _text(scale.x(step.outage_seconds), y + 15, "x", anchor="middle", colour=_MARK)
    yield _text(WIDTH - RIGHT + 14, y + 32, f"outage: {about(step.outage_seconds)}", colour="#666")


def _found(label: str, *, seconds: float, y: float, scale: _Scale) -> Iterator[str]:
    x = scale.x(seconds)
    yield f'<path d="M {x:.1f} {y + 22} l 4 6 l -8 0 z" fill="{_MARK}"/>'
    yield _text(x, y + 39, label, anchor="middle", colour=_MARK, size=10)


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = _TEXT, size: int = 12
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" '
        f'font-size="{size}">{markup.escape(text)}</text>'
    )


def _quoted(text: str) -> str:
    return markup.escape(text, quote=True)
