"""Timeline, table and report: text in, text out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from demo_run import START, look, second, step, users
from tests.demo import plots, report, telling, timeline
from tests.demo.promises import Promise
from tests.demo.recording import ActRecording, Change, Recording
from tests.demo.users import Sums, read_users
from tests.demo.view import Judged, View
from tests.demo.weighing import Weighed

FAILED = Judged(name="error-ratio", outcome="Fail", reason="", value=0.3, samples=37.0)


WEIGHED = Weighed(
    at=START + 1.0, version="v3", harm=4.6, harm_limit=6.0, proof=-3.0, proof_limit=3.0
)


def told(view: View, *, width: int = 160, weighed: Weighed | None = None, **versions: Sums) -> str:
    return timeline.line(
        view,
        act="canary",
        version="v3",
        began=START,
        sums=versions,
        weighed=weighed,
        width=width,
    ).plain


def test_a_line_holds_what_is_wanted_and_what_users_saw() -> None:
    view = step(START + 65.0, version="v3", weight=10, metrics=(FAILED,), message="v3 at 10")
    of_v3 = Sums(answered=6, failed=3, latencies=(0.6,) * 6)
    line = told(view, weighed=WEIGHED, v2=Sums(answered=54), v3=of_v3)
    assert line.split() == [
        *("01:05", "canary", "v3", "p10", "10", "%", "10.0", "%"),
        *("50.0", "%", "600", "ms", "6", "4.6/6.0", "-3.0/3.0", "Fail", "v3", "at", "10"),
    ]


def test_a_line_without_requests_says_so_and_invents_nothing() -> None:
    assert told(look(START)).split()[6:12] == ["-"] * 6


@pytest.mark.parametrize("width", [100, 145, 160])
def test_a_line_never_exceeds_the_terminal(width: int) -> None:
    view = step(START, version="v3", weight=10, message="long " * 60)
    sums = {"v2": Sums(answered=99_000), "v3": Sums(answered=10_000, failed=10_000)}
    assert len(told(view, width=width, weighed=WEIGHED, **sums)) <= max(width, 145)


def test_columns_stand_below_their_names() -> None:
    heading = timeline.heading().plain
    line = told(step(START, version="v3", weight=10, metrics=(FAILED,), message="because"))
    assert heading.index("reason") == line.index("because")
    assert heading.index("verdict") == line.index("Fail")
    assert heading.index("proof") + len("proof") == line.index("-  Fail") + 1


@pytest.mark.parametrize(
    ("later", "news"),
    [
        (step(START + 1.0, version="v2", weight=10), False),
        (step(START + 11.0, version="v2", weight=10), True),
        (step(START + 1.0, version="v2", weight=50), True),
        (step(START + 1.0, version="v2", weight=10, metrics=(FAILED,)), True),
        (look(START + 1.0, stable="v2"), True),
    ],
)
def test_a_line_is_printed_for_news_and_now_and_then(later: View, news: object) -> None:
    assert timeline.is_news(later, printed=step(START, version="v2", weight=10)) == news


def test_nothing_is_repeated_while_nothing_happens() -> None:
    assert not timeline.is_news(look(START + 99.0), printed=look(START))
    assert timeline.is_news(look(START), printed=None)


@pytest.mark.parametrize(
    ("view", "done"),
    [
        (look(START, phase="Pending"), 0.0),
        (step(START + 10.0, version="v2", weight=10), 0.0),
        (step(START + 25.0, version="v2", weight=10), 0.25),
        (step(START + 90.0, version="v2", weight=50), 1.0),
        (look(START), 1.0),
    ],
)
def test_the_bar_follows_steps_and_holds(view: View, done: float) -> None:
    assert telling.progress(view) == pytest.approx(done)


def test_books_are_read_with_exact_quantiles() -> None:
    rows = [
        {
            "at": START + index,
            "versions": {
                "v1": {
                    "answered": 2,
                    "failed": 1,
                    "checked": 1,
                    "firstAt": START + index + 0.25,
                    "lastAt": START + index + 0.75,
                    "correct": 1,
                    "latencies": latencies,
                }
            },
        }
        for index, latencies in enumerate(([0.1, 0.2], [0.3, 0.9]))
    ]
    failures = [{"at": START, "version": "v1", "status": 503, "error": "", "said": "no upstream"}]
    read = read_users(
        {
            "timeline": rows,
            "failures": failures,
            "sent": 4,
            "answered": 4,
            "failed": 2,
            "skipped": 0,
        }
    )
    assert read.totals()["v1"].p95_seconds == 0.9
    assert read.between(START, START + 1)["v1"].p95_seconds == 0.2
    assert (read.totals()["v1"].first_at, read.totals()["v1"].last_at) == (
        START + 0.25,
        START + 1.75,
    )
    assert read.failures[0].said == "status 503: no upstream"
    assert read.versions() == ["v1"]


ACT = ActRecording(
    name="canary",
    began=START,
    changes=[Change(at=START + 1.0, title="apply v2"), Change(at=START + 2.0, title="apply v3")],
    views=(
        look(START),
        step(START + 10.0, version="v2", weight=10, message="<b>v2</b> at 10"),
        look(START + 30.0, stable="v2"),
        step(START + 40.0, version="v3", weight=10, stable="v2"),
        look(START + 50.0, stable="v2", phase="RolledBack"),
        look(START + 55.0, stable="v2"),
        look(START + 58.0, stable="v2", phase="RolledBack"),
    ),
    users=users(*(second(START + it, v1=(9, 0), v2=(3, 1)) for it in range(20))),
    promises=[
        Promise(text="kept one", kept=True, detail="1 of 1"),
        Promise(text="broken one", kept=False, detail="0 of 1"),
    ],
)
OTHER = ActRecording(
    name="shadow",
    began=START,
    users=users(second(START, v2=(5, 0))),
    promises=[Promise(text="another one", kept=False, detail="0 of 2")],
)
RECORDING = Recording(began=START, acts=[ACT, OTHER])
LIMITS = {"error-ratio": 0.02, "latency-p95": 0.5}


def test_marks_name_what_was_done_and_what_came_of_it() -> None:
    assert [title for _, title in plots.marks(ACT)] == [
        "apply v2",
        "apply v3",
        "v2 promoted",
        "v3 rolled back",
        "stays rejected",
    ]


def test_names_of_marks_do_not_run_into_each_other() -> None:
    named = [(0.0, "apply v1"), (1.0, "apply v2"), (2.0, "apply v3"), (90.0, "late")]
    levels = [level for _, level, _ in plots.levelled(named, span_seconds=100.0)]
    assert levels == [0, 1, 2, 0]


def test_the_report_is_one_file_with_both_themes_and_escaped_text() -> None:
    page = report.page(RECORDING, limits=LIMITS)
    assert "prefers-color-scheme: dark" in page
    assert "&lt;b&gt;v2&lt;/b&gt;" in page
    assert "<b>v2</b>" not in page
    links = re.findall(r'(?:src|href)="(?!#)([^"]*)"', page)
    assert not links, "nothing is loaded from elsewhere"


def test_colours_of_the_plots_come_from_the_page() -> None:
    svg = plots.figure(ACT, limits=LIMITS)
    assert ET.fromstring(svg).tag.endswith("svg")
    assert "var(--v2)" in svg
    assert not re.search(r"#0[1-5]0[1-5]0[1-5]", svg)
    assert "limit 2" in svg
    assert "limit 500" in svg


def test_a_run_that_saw_nothing_still_gives_a_report() -> None:
    nothing = Recording(began=START, acts=[ActRecording(name="canary", began=START)])
    assert "<svg" in report.page(nothing, limits={})


def test_the_report_has_a_part_for_each_act() -> None:
    page = report.page(RECORDING, limits=LIMITS)
    assert re.findall(r"<h2>(.*?)</h2>", page) == ["What was promised", "canary", "shadow"]
    assert page.count("<svg") == len(RECORDING.acts)
    assert "1 of 3 promises kept · 245 requests, 20 failed" in page
    rows = re.findall(r'<td class="n">(canary|shadow)</td><td class="n"><span class="(.*?)"', page)
    assert rows == [("canary", "kept"), ("canary", "broken"), ("shadow", "broken")]


def test_the_summary_says_of_each_promise_whether_it_was_kept_and_in_which_act() -> None:
    table = timeline.summary(RECORDING)
    assert [column.header for column in table.columns] == ["act", "", "promise", "seen"]
    acts, marks, *_ = ([*column.cells] for column in table.columns)
    assert acts == ["canary", "", "shadow"]
    broken = "[bold red]BROKEN[/bold red]"
    assert marks == ["[green]kept[/green]", broken, broken]
