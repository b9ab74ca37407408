"""One self-contained HTML page about a run: plots, decisions, promises; for light and dark."""

from __future__ import annotations

import datetime as dt
import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.demo import plots, timeline
from tests.demo.recording import ActRecording, Recording
from tests.demo.users import Users
from tests.demo.view import View

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2024; --soft: #60646c; --line: #d5d8dd;
  --page: #ffffff; --v1: #2563d9; --v2: #14804a; --v3: #c62a2f; --v4: #8e4ec6;
  --v5: #00749e; --limit: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #a3a9b1; --line: #3a3f45;
  --page: #15181b; --v1: #7aa7ff; --v2: #4cc38a; --v3: #ff6369;
  --v4: #bf7af0; --v5: #4ccce6; --limit: #e5b454; } }
body { margin: 0 auto; padding: 2rem 1.5rem 4rem; max-width: 64rem; background: var(--page);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p.lead { color: var(--soft); margin: .3rem 0 0; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--soft); font-weight: 600; } td.n { white-space: nowrap; }
.kept { color: var(--v2); font-weight: 600; } .broken { color: var(--v3); font-weight: 700; }
figure { margin: 0; overflow-x: auto; } svg { max-width: 100%; height: auto; }
svg text { font-family: system-ui, sans-serif; }
"""


def write(recording: Recording, *, limits: Mapping[str, float], target: Path) -> None:
    """Write the page; the folder is made when missing."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(page(recording, limits=limits), encoding="utf-8")


def page(recording: Recording, *, limits: Mapping[str, float]) -> str:
    """The page as text. `limits` by metric name, in ratio or seconds."""
    kept = sum(promise.kept for promise in recording.promises)
    began = dt.datetime.fromtimestamp(recording.began, tz=dt.UTC)
    answered = sum(act.users.answered for act in recording.acts)
    failed = sum(act.users.failed for act in recording.acts)
    lead = (
        f"{kept} of {len(recording.promises)} promises kept · "
        f"{answered} requests, {failed} failed · "
        f"{began:%Y-%m-%d %H:%M} UTC"
    )
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>Tidegate demo</title><style>{_STYLE}</style></head><body>",
            f'<h1>Tidegate demo</h1><p class="lead">{html.escape(lead)}</p>',
            "<h2>What was promised</h2>",
            _promises(recording),
            *(_act(act, limits=limits) for act in recording.acts),
            "</body></html>",
        ]
    )


def _act(act: ActRecording, *, limits: Mapping[str, float]) -> str:
    return "\n".join(
        [
            f"<h2>{html.escape(act.name)}</h2>",
            f"<figure>{plots.figure(act, limits=limits)}</figure>",
            "<h3>What users got</h3>",
            _versions(act.users),
            "<h3>What the operator said</h3>",
            _decisions(act),
        ]
    )


def decisions(views: tuple[View, ...]) -> list[View]:
    """The looks at which something changed, without those between."""
    changed: list[View] = []
    for view in views:
        if not changed or view.story != changed[-1].story:
            changed.append(view)
    return changed


def _promises(recording: Recording) -> str:
    rows = [
        (
            html.escape(act.name),
            '<span class="kept">kept</span>' if it.kept else '<span class="broken">broken</span>',
            html.escape(it.text),
            html.escape(it.detail),
        )
        for act in recording.acts
        for it in act.promises
    ]
    return _table(("act", "", "promise", "seen"), rows)


def _versions(users: Users) -> str:
    rows = [
        (
            html.escape(version),
            str(sums.answered),
            timeline.percent(timeline.in_percent(sums.error_ratio)),
            timeline.milliseconds(sums.p95_seconds),
            timeline.percent(timeline.in_percent(sums.accuracy)),
        )
        for version, sums in users.totals().items()
    ]
    return _table(("answered by", "requests", "failed", "p95", "right answers"), rows)


def _decisions(recording: ActRecording) -> str:
    rows = [
        (
            timeline.clock(view.at - recording.began),
            html.escape(view.phase),
            html.escape(view.step or "-"),
            f"{view.intended_percent:g} %",
            f"{view.mirror_percent:g} %" if view.mirror_percent else "-",
            html.escape(view.verdict),
            html.escape(view.message or "-"),
        )
        for view in decisions(recording.views)
    ]
    return _table(("time", "phase", "step", "wanted", "copies", "verdict", "message"), rows)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{head}</th>" for head in heads)
    body = "".join(
        "<tr>"
        + "".join(f'<td class="n">{cell}</td>' for cell in row[:-1])
        + f"<td>{row[-1]}</td></tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
