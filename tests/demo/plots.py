"""The plots of the report as one SVG whose colours are variables of the page."""

from __future__ import annotations

import io
import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tests.demo.recording import ActRecording
from tests.demo.users import Sums, Users, share_percent
from tests.demo.view import View

# Written by matplotlib, then replaced: the page knows whether it is light or dark.
_INK, _SOFT, _LINE, _LIMIT = "#010101", "#020202", "#030303", "#040404"
_VERSIONS = {f"v{it}": f"#05050{it}" for it in range(1, 6)}
_VARIABLES = {
    _INK: "var(--ink)",
    _SOFT: "var(--soft)",
    _LINE: "var(--line)",
    _LIMIT: "var(--limit)",
    **{colour: f"var(--{name})" for name, colour in _VERSIONS.items()},
}
_LINES = {"v1": (0, (1, 1)), "v5": (0, (4, 1))}
_BIN_SECONDS = 3
_LETTER = 0.0115  # width of a letter as a share of the plot
_BAKING = "Baking"
_MOST_SHARE = 1.5  # what lies above has decided long before
_LEAST_REQUESTS = 5  # a ratio of fewer says nothing


def figure(recording: ActRecording, *, limits: Mapping[str, float]) -> str:
    """The SVG element. `limits` by metric name, in ratio or seconds."""
    with mpl.rc_context(
        {
            "svg.fonttype": "none",
            "font.size": 10,
            "text.color": _INK,
            "axes.labelcolor": _INK,
            "axes.edgecolor": _LINE,
            "xtick.color": _SOFT,
            "ytick.color": _SOFT,
            "grid.color": _LINE,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "legend.labelcolor": _INK,
        }
    ):
        drawing = Figure(figsize=(10.5, 10.4), layout="constrained")
        plots = drawing.subplots(4, 1, sharex=True, height_ratios=(1.25, 1, 1, 1))
        share, errors, latency, evidence = plots
        _share(share, recording)
        _errors(errors, recording, limit=limits.get("error-ratio"))
        _latency(latency, recording, limit=limits.get("latency-p95"))
        _evidence(evidence, recording)
        evidence.set_xlabel("seconds since the beginning")
        for axes in plots:
            axes.grid(visible=True, axis="y", linewidth=0.6)
            axes.margins(x=0.01)
        _marks(tuple(plots), recording)
        drawing.legend(*share.get_legend_handles_labels(), loc="outside lower center", ncols=8)
        buffer = io.StringIO()
        drawing.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return paint(buffer.getvalue())


def paint(svg: str) -> str:
    """The bare SVG element with the page's variables for colours."""
    element = svg[svg.index("<svg") :]
    pattern = re.compile("|".join(_VARIABLES))
    return pattern.sub(lambda match: _VARIABLES[match.group()], element)


def binned(
    users: Users, *, began: float, value: Callable[[Mapping[str, Sums], str], float | None]
) -> dict[str, tuple[list[float], list[float]]]:
    """By version: middles of bins in seconds since `began`, and the values that exist there."""
    series: dict[str, tuple[list[float], list[float]]] = {}
    if not users.seconds:
        return series
    first, last = users.seconds[0].at, users.seconds[-1].at
    for start in range(first, last + 1, _BIN_SECONDS):
        sums = users.between(start, start + _BIN_SECONDS)
        for version in users.versions():
            found = value(sums, version)
            if found is not None:
                times, values = series.setdefault(version, ([], []))
                times.append(start + _BIN_SECONDS / 2 - began)
                values.append(found)
    return series


def intended(views: tuple[View, ...], *, began: float) -> tuple[list[float], list[float]]:
    """Times in seconds since `began`, and the candidate's weight in percent from then on."""
    return [view.at - began for view in views], [view.intended_percent for view in views]


def copied(views: tuple[View, ...], *, began: float) -> tuple[list[float], list[float]]:
    """As `intended`, of the copies that are meant for the candidate; NaN where there are none."""
    percent = [view.mirror_percent or math.nan for view in views]
    return [view.at - began for view in views], percent


def baked(views: tuple[View, ...], *, began: float) -> list[tuple[float, float]]:
    """When bakes began and ended, in seconds since `began`."""
    runs = itertools.groupby(views, key=lambda view: view.phase == _BAKING)
    spans = [[view.at - began for view in run] for baking, run in runs if baking]
    return [(times[0], times[-1]) for times in spans]


def _share(axes: Axes, recording: ActRecording) -> None:
    axes.step(
        *intended(recording.views, began=recording.began),
        where="post",
        color=_INK,
        linewidth=1.4,
        linestyle="dashed",
        label="wanted for the candidate",
    )
    axes.plot(
        *copied(recording.views, began=recording.began),
        color=_LIMIT,
        linewidth=3.0,
        label="copied to the candidate",
    )
    for start, end in baked(recording.views, began=recording.began):
        axes.axvspan(start, end, color=_LINE, alpha=0.6, linewidth=0, label="bake")

    def share(sums: Mapping[str, Sums], version: str) -> float | None:
        return share_percent(sums, version) or None  # no line for who gets nothing

    _versions(axes, binned(recording.users, began=recording.began, value=share))
    axes.set_ylabel("share of requests, %")
    axes.set_ylim(-4, 104)


def _errors(axes: Axes, recording: ActRecording, *, limit: float | None) -> None:
    def ratio(sums: Mapping[str, Sums], version: str) -> float | None:
        book = sums.get(version, Sums())
        return 100 * book.failed / book.answered if book.answered >= _LEAST_REQUESTS else None

    _versions(axes, binned(recording.users, began=recording.began, value=ratio))
    _limit(axes, None if limit is None else 100 * limit)
    axes.set_ylabel("failed requests, %")
    axes.set_ylim(bottom=-1)


def _latency(axes: Axes, recording: ActRecording, *, limit: float | None) -> None:
    def milliseconds(sums: Mapping[str, Sums], version: str) -> float | None:
        book = sums.get(version, Sums())
        seconds = book.p95_seconds if book.answered >= _LEAST_REQUESTS else None
        return None if seconds is None else 1000 * seconds

    _versions(axes, binned(recording.users, began=recording.began, value=milliseconds))
    _limit(axes, None if limit is None else 1000 * limit)
    axes.set_ylabel("p95 latency, ms")
    axes.set_ylim(bottom=0)


def _evidence(axes: Axes, recording: ActRecording) -> None:
    """Evidence of harm and proof of none, each as a share of what it takes to decide."""
    for version in sorted({one.version for one in recording.weighed}):
        known = [one for one in recording.weighed if one.version == version]
        times = [one.at - recording.began for one in known]
        colour = _VERSIONS.get(version, _SOFT)
        harm = [100 * min(one.harm_share, _MOST_SHARE) for one in known]
        proof = [100 * min(one.proof_share, _MOST_SHARE) for one in known]
        axes.plot(times, harm, color=colour, linewidth=1.8, marker="o", markersize=2.4)
        axes.plot(times, proof, color=colour, linewidth=1.8, linestyle="dashed")
        for values, name in ((harm, "harm"), (proof, "proof")):
            if max(values) <= 0:
                continue  # a line on the floor says enough, and there are several
            axes.annotate(
                f"{version} {name}",
                xy=(times[-1], values[-1]),
                xytext=(5, 0),
                textcoords="offset points",
                fontsize=9,
                va="center",
                color=colour,
            )
    _limit(axes, 100.0)
    axes.set_ylabel("evidence, % of what decides")
    axes.set_ylim(-8, 100 * _MOST_SHARE + 12)


def _versions(axes: Axes, series: Mapping[str, tuple[list[float], list[float]]]) -> None:
    for version, (times, values) in series.items():
        colour = _VERSIONS.get(version, _SOFT)
        style = _LINES.get(version, "solid")
        axes.plot(
            times,
            values,
            color=colour,
            linestyle=style,
            linewidth=1.8,
            marker="o",
            markersize=2.4,
            label=version,
        )


def _limit(axes: Axes, value: float | None) -> None:
    if value is None:
        return
    axes.axhline(value, color=_LIMIT, linewidth=1.2, linestyle="dashed")
    axes.annotate(
        f"limit {value:g}",
        xy=(1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(6, 0),
        textcoords="offset points",
        va="center",
        color=_LIMIT,
    )


def _marks(plots: tuple[Axes, ...], recording: ActRecording) -> None:
    """A vertical line for each thing that was done or decided, named above the first plot."""
    last = max((view.at for view in recording.views), default=recording.began) - recording.began
    for at, level, title in levelled(marks(recording), span_seconds=max(last, 1.0)):
        for axes in plots:
            axes.axvline(at, color=_SOFT, linewidth=0.8, linestyle="dotted")
        plots[0].annotate(
            title,
            xy=(at, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 + 13 * level),
            textcoords="offset points",
            fontsize=9,
            color=_INK,
            annotation_clip=False,
        )


def levelled(
    named: Sequence[tuple[float, str]], *, span_seconds: float
) -> list[tuple[float, int, str]]:
    """Names that would run into each other go to different levels, the lowest free one first."""
    ends: list[float] = []
    placed: list[tuple[float, int, str]] = []
    for at, title in named:
        level = next((it for it, end in enumerate(ends) if end <= at), len(ends))
        ends[level : level + 1] = [at + (len(title) + 1) * _LETTER * span_seconds]
        placed.append((at, level, title))
    return placed


def marks(recording: ActRecording) -> list[tuple[float, str]]:
    """Seconds since the beginning and a name: what was applied, and what came of it."""
    found = [(change.at - recording.began, change.title) for change in recording.changes]
    for before, view in itertools.pairwise(recording.views):
        if title := _outcome(before, view):
            found.append((view.at - recording.began, title))
    return sorted(found)


def _outcome(before: View, view: View) -> str:
    away = {"RollingBack", "RolledBack"}
    if view.phase in away and before.phase not in away:
        # Without a step there was no rollout: the version had been rejected before.
        return f"{before.candidate} rolled back" if before.step else "stays rejected"
    if view.phase == _BAKING and before.phase != _BAKING:
        return f"switch to {view.candidate}"
    promoted = before.stable and view.stable != before.stable
    return f"{view.stable} promoted" if promoted else ""
