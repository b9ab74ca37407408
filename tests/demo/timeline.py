"""The lines that tell rollouts: one for each change, one every few seconds between, and the sums."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tests.demo.recording import Recording
from tests.demo.users import Sums, share_percent
from tests.demo.view import View
from tests.demo.weighing import Weighed

TICK_SECONDS = 10.0
_FIXED_WIDTH = 111  # of all columns before the reason
_LEAST_REASON_WIDTH = 30
_WIDTH_OF_A_LOG = 160
HALF = 0.5
_ACT_WIDTH = 10
_ACTS = {"canary": "cyan", "shadow": "magenta", "blue-green": "blue"}
_STYLES = {"Pass": "green", "Fail": "red", "Error": "yellow", "NoData": "yellow"}


def make_console() -> Console:
    """The terminal, or something wide enough where the output goes elsewhere."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_WIDTH_OF_A_LOG)


def heading() -> Text:
    """The names of the columns; errors and latency are those of the step's version, as users saw them.

    Harm and proof are logarithms of evidence and what is needed of them to roll back or to pass.
    """
    columns = (
        f"{'time':>5}",
        f"{'act':<{_ACT_WIDTH}}",
        f"{'step':<14}",
        f"{'wanted':>6}",
        f"{'seen':>7}",
        f"{'errors':>7}",
        f"{'p95':>7}",
        f"{'of':>5}",
        f"{'harm':>8}",
        f"{'proof':>8}",
        f"{'verdict':<12}",
        "reason",
    )
    return Text("  ".join(columns), style="bold")


def begin(act: str, *, at: float) -> Text:
    """What every line begins with. Units: seconds since the beginning."""
    text = Text(no_wrap=True)
    text.append(f"{clock(at):>5}  ", style="dim")
    return text.append(f"{act:<{_ACT_WIDTH}}  ", style=_ACTS.get(act, ""))


def note(words: str, *, act: str, at: float) -> Text:
    """A line about something that was done. Units: seconds since the beginning."""
    return begin(act, at=at).append(words, style="bold")


def is_news(view: View, *, printed: View | None) -> bool:
    """Whether a look deserves a line: something changed, or the last line is old."""
    if printed is None or view.story != printed.story:
        return True
    return view.rolling and view.at - printed.at >= TICK_SECONDS


def line(
    view: View,
    *,
    act: str,
    version: str,
    began: float,
    sums: Mapping[str, Sums],
    weighed: Weighed | None,
    width: int,
) -> Text:
    """One line: what the operator wants for a version and says, beside what its users saw.

    Units: began in unix seconds, width in characters.
    """
    book = sums.get(version, Sums())
    text = begin(act, at=view.at - began)
    text.append(f"{f'{version} {view.step or view.phase}':<14}  ")
    text.append(f"{view.wanted_percent(version):>4.0f} %  ", style="bold")
    text.append(f"{percent(share_percent(sums, version)):>7}  ")
    text.append(f"{percent(in_percent(book.error_ratio)):>7}  ")
    text.append(f"{milliseconds(book.p95_seconds):>7}  ")
    text.append(f"{book.answered or '-':>5}  ")
    harm = "-" if weighed is None else f"{weighed.harm:.1f}/{weighed.harm_limit:.1f}"
    proof = "-" if weighed is None else f"{weighed.proof:.1f}/{weighed.proof_limit:.1f}"
    text.append(f"{harm:>8}  ", style="red" if weighed and weighed.harm_share > HALF else "")
    text.append(f"{proof:>8}  ", style="green" if weighed and weighed.proof_share > HALF else "")
    text.append(f"{view.verdict:<12}  ", style=_STYLES.get(view.verdict, ""))
    text.append(reason(view, width=max(width - _FIXED_WIDTH, _LEAST_REASON_WIDTH)))
    return text


def summary(recording: Recording) -> Table:
    """Every promise with its act, its mark and its numbers."""
    table = Table(title="What was promised", title_justify="left", title_style="bold")
    for name in ("act", "", "promise", "seen"):
        table.add_column(name)
    for act in recording.acts:
        for number, promise in enumerate(act.promises):
            mark = "[green]kept[/green]" if promise.kept else "[bold red]BROKEN[/bold red]"
            table.add_row(act.name if number == 0 else "", mark, promise.text, promise.detail)
        table.add_section()
    return table


def evidence_line(view: View, *, act: str, began: float) -> Text:
    """What the operator says of the series of the version that serves."""
    text = begin(act, at=view.at - began)
    text.append("EvidenceReady", style="green" if view.evidence_ready else "yellow")
    return text.append(f"  {' '.join(view.evidence.split()) or '-'}")


def in_full(view: View, *, act: str) -> Table:
    """All of the operator's words, below a line that had no room for them."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(width=5)
    grid.add_column(width=_ACT_WIDTH, style=_ACTS.get(act, ""))
    grid.add_column()
    grid.add_row("", act, Text(words(view)))
    return grid


def reason(view: View, *, width: int) -> str:
    """The operator's words, cut to the width."""
    whole = words(view)
    return whole if len(whole) <= width else f"{whole[: width - 1]}…"


def is_cut(view: View, *, width: int) -> bool:
    """Whether a line of this width has no room for all of the operator's words."""
    return len(words(view)) > width - _FIXED_WIDTH


def words(view: View) -> str:
    """The operator's words in full; `-` where there are none."""
    return " ".join(view.message.split()) or "-"


def clock(seconds: float) -> str:
    """Minutes and seconds since the beginning."""
    whole = max(int(seconds), 0)
    return f"{whole // 60:02d}:{whole % 60:02d}"


def percent(value: float | None) -> str:
    """A share for people; `-` where there is none."""
    return "-" if value is None else f"{value:.1f} %"


def milliseconds(seconds: float | None) -> str:
    """A latency for people; `-` where there is none."""
    return "-" if seconds is None else f"{1000 * seconds:.0f} ms"


def in_percent(ratio: float | None) -> float | None:
    """A ratio from 0 to 1 in percent."""
    return None if ratio is None else 100 * ratio
