"""The lines that tell a rollout: one for each change, one every few seconds between, and the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text
from tests.demo.promises import Promise
from tests.demo.users import Sums, share_percent
from tests.demo.view import View
from tests.demo.weighing import Weighed

TICK_SECONDS = 5.0
_FIXED_WIDTH = 99  # of all columns before the reason
_LEAST_REASON_WIDTH = 30
_WIDTH_OF_A_LOG = 160
HALF = 0.5
_STYLES = {"Pass": "green", "Fail": "red", "Error": "yellow", "NoData": "yellow"}


def make_console() -> Console:
    """The terminal, or something wide enough where the output goes elsewhere."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=_WIDTH_OF_A_LOG)


def heading(*, version: str) -> Text:
    """The names of the columns; errors and latency are those of `version`, as users saw them.

    Harm and proof are logarithms of evidence and what is needed of them to roll back or to pass.
    """
    columns = (
        f"{'time':>5}",
        f"{'step':<12}",
        f"{'wanted':>6}",
        f"{'seen':>7}",
        f"{f'{version} errors':>9}",
        f"{'p95':>7}",
        f"{'of':>5}",
        f"{'harm':>8}",
        f"{'proof':>8}",
        f"{'verdict':<12}",
        "reason",
    )
    return Text("  ".join(columns), style="bold")


def is_news(view: View, *, printed: View | None) -> bool:
    """Whether a look deserves a line: something changed, or the last line is old."""
    if printed is None or view.story != printed.story:
        return True
    return view.rolling and view.at - printed.at >= TICK_SECONDS


def line(
    view: View,
    *,
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
    text = Text(no_wrap=True)
    text.append(f"{clock(view.at - began):>5}  ", style="dim")
    text.append(f"{view.step or view.phase:<12}  ")
    text.append(f"{view.wanted_percent(version):>4.0f} %  ", style="bold")
    text.append(f"{percent(share_percent(sums, version)):>7}  ")
    text.append(f"{percent(in_percent(book.error_ratio)):>9}  ")
    text.append(f"{milliseconds(book.p95_seconds):>7}  ")
    text.append(f"{book.answered or '-':>5}  ")
    harm = "-" if weighed is None else f"{weighed.harm:.1f}/{weighed.harm_limit:.1f}"
    proof = "-" if weighed is None else f"{weighed.proof:.1f}/{weighed.proof_limit:.1f}"
    text.append(f"{harm:>8}  ", style="red" if weighed and weighed.harm_share > HALF else "")
    text.append(f"{proof:>8}  ", style="green" if weighed and weighed.proof_share > HALF else "")
    text.append(f"{view.verdict:<12}  ", style=_STYLES.get(view.verdict, ""))
    text.append(reason(view, width=max(width - _FIXED_WIDTH, _LEAST_REASON_WIDTH)))
    return text


def summary(promises: Sequence[Promise]) -> Table:
    """Every promise with its mark and its numbers."""
    table = Table(title="What was promised", title_justify="left", title_style="bold")
    table.add_column("")
    table.add_column("promise")
    table.add_column("seen")
    for promise in promises:
        mark = "[green]kept[/green]" if promise.kept else "[bold red]BROKEN[/bold red]"
        table.add_row(mark, promise.text, promise.detail)
    return table


def evidence_line(view: View | None, *, began: float) -> Text:
    """What the operator says of the series of the version that serves."""
    text = Text(no_wrap=True)
    if view is None:
        return text
    text.append(f"{clock(view.at - began):>5}  ", style="dim")
    text.append("EvidenceReady", style="green" if view.evidence_ready else "yellow")
    return text.append(f"  {' '.join(view.evidence.split()) or '-'}")


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
