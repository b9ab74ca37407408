"""The page of reactions says what its runs say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bench.reaction import runs
from bench.reaction.runs import Run


def run(
    seconds: float, threshold: float | None, *, scrape: float = 5.0, judged_by: str = "evidence"
) -> Run:
    return Run(
        scrape_seconds=scrape,
        weight_percent=50.0,
        judged_by=judged_by,
        reason="all fail",
        tidegate_seconds=seconds,
        threshold_seconds=threshold,
        bad_scrapes=2,
    )


def page(*found: Run) -> str:
    return runs.page(found, healthy=40.0, rate=25.0, limit=0.05)


def test_a_cell_is_a_row_of_medians_and_their_ratio() -> None:
    text = page(run(6.0, 2.0), run(10.0, 4.0), run(7.0, 3.0), run(1.0, 1.0, judged_by="limit"))

    assert "from 4 rollouts" in text
    assert "| 5 s | 50 % | evidence | 3 | 7.0 s | 10.0 s | 2 | 3.0 s | 2.3 | - |" in text
    assert "| 5 s | 50 % | limit | 1 | 1.0 s | 1.0 s | 2 | 1.0 s | 1.0 | - |" in text


def test_a_threshold_that_was_never_crossed_gives_no_ratio() -> None:
    assert "| 9.0 s | 9.0 s | 2 | - | - | - |" in page(run(9.0, None))


def test_how_busy_the_machine_was_is_said() -> None:
    busy = [replace(run(9.0, None), load=load) for load in (3.0, 5.0, 16.0)]
    assert page(*busy).rstrip().endswith("| - | - | 5 |")


def test_parts_are_kept_and_put_together(tmp_path: Path) -> None:
    runs.save(tmp_path / "scrape-1.json", [run(1.0, 1.0, scrape=1.0)])
    runs.save(tmp_path / "scrape-5.json", [run(6.0, None)])

    assert runs.load(tmp_path) == [run(1.0, 1.0, scrape=1.0), run(6.0, None)]
