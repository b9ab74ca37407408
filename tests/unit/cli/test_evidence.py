"""`tidegate replay` and `tidegate evaluate` as a person or a pipeline starts them."""

from __future__ import annotations

import copy
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from evidence_rows import COMPARED, config, context, counts, table

from tidegate.adapters.telemetry import JsonFormatter, Telemetry
from tidegate.api import counts as counts_api
from tidegate.cli import evidence, outcome
from tidegate.cli import main as program
from tidegate.cli.outcome import CliError
from tidegate.evidence.counts.dispersion import PhiSource
from tidegate.evidence.journal import replay, row_lines
from tidegate.evidence.verdict import engine

EXAMPLE = Path(__file__).parents[3] / "examples" / "evaluate-counts.json"
ROLLOUT = "ml/fraud-77aa01b2c3-1"


def log_of(caplog: pytest.LogCaptureFixture, *, bad: int, looks: int = 4) -> list[str]:
    """What an operator logs of a rollout, as lines of its own formatter."""
    rows = table(*[counts(1000.0, bad, 9000.0, 90)] * looks)
    caplog.clear()
    with caplog.at_level("INFO", logger="tidegate"):
        recorder = Telemetry()
        recorder.evidence(
            replay.opened(rollout=ROLLOUT, namespace="ml", name="fraud", config=config(COMPARED))
        )
        for number, row in enumerate(rows, start=1):
            recorder.evidence(replay.row(rollout=ROLLOUT, row=row))
            judgement = engine.judge(rows[:number], context=context(), config=config(COMPARED))
            recorder.evidence(
                replay.judged(
                    rollout=ROLLOUT,
                    rows=number,
                    digest=row_lines.digest(rows[:number]),
                    context=context(),
                    judgement=judgement,
                )
            )
    return [JsonFormatter().format(made) for made in caplog.records]


def saved(folder: Path, lines: list[str]) -> str:
    path = folder / "log"
    path.write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_a_replay_shows_each_look_and_that_all_are_equal(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved(tmp_path, log_of(caplog, bad=30))
    assert program.main(["replay", "-f", file]) == outcome.DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"rollout {ROLLOUT}"
    assert lines[1].split() == ["TIME", "STEP", "VERDICT", "REASON", "METRICS"]
    assert "RollBack" in lines[5]
    assert "error-ratio " in lines[5]
    assert lines[-1] == "4 judgements recomputed, all equal"


def test_a_changed_row_is_a_difference(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lines = [line.replace('"xC": [30]', '"xC": [3]', 1) for line in log_of(caplog, bad=30)]
    said: list[str] = []
    code = evidence.replay_log(saved(tmp_path, lines), rollout="", say=said.append)
    assert code == outcome.NEGATIVE
    assert said[-1].startswith("different: line 3: it was based on 1 rows")


def test_standard_input_may_be_cut_at_its_start(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = log_of(caplog, bad=10)
    text = "\n".join([*lines[4:], *lines]).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
    said: list[str] = []
    assert evidence.replay_log("-", rollout=ROLLOUT, say=said.append) == outcome.DONE
    assert "judgements of rollouts that began before this log are left out" in said[-2]


@pytest.mark.parametrize(
    ("change", "rollout", "said"),
    [
        (lambda lines: lines, "other-1", "no judgement of rollout other-1 in it"),
        (lambda _: ['{"event": "transition"}'], "", "no judgement in it: give the log of"),
        (lambda lines: lines[1:], "", "the log begins after the rollouts did"),
        (lambda lines: [lines[0][:-4]], "", "line 1 cannot be replayed: it is no JSON"),
    ],
)
def test_what_cannot_be_replayed_is_said_with_the_way_out(
    change: Callable[[list[str]], list[str]],
    rollout: str,
    said: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    file = saved(tmp_path, change(log_of(caplog, bad=10)))
    with pytest.raises(CliError) as caught:
        evidence.replay_log(file, rollout=rollout, say=lambda _: None)
    assert said in str(caught.value)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(CliError, match="cannot read /absent: No such file"):
        evidence.replay_log("/absent", rollout="", say=lambda _: None)


# --- evaluate ------------------------------------------------------------------------------------


def example() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    return found


def evaluated(document: object, folder: Path, *, output: str = "table") -> tuple[int, list[str]]:
    file = folder / "counts.json"
    file.write_text(json.dumps(document), encoding="utf-8")
    said: list[str] = []
    return evidence.evaluate(str(file), output=output, say=said.append), said


def with_bad(bad: int) -> dict[str, Any]:
    document = example()
    for row in document["metrics"][0]["rows"]:
        row["candidate"]["bad"] = bad
    return document


def test_the_example_advances(capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["evaluate", "-f", str(EXAMPLE)]) == outcome.DONE
    shown = capsys.readouterr().out
    assert shown.startswith("Verdict:  Advance\n")
    assert "1.4 (given)" in shown
    assert "Still needed" not in shown


@pytest.mark.parametrize(
    ("bad", "code", "verdict"),
    [(100, outcome.DONE, "Advance"), (400, outcome.ROLL_BACK, "RollBack")],
)
def test_the_verdict_is_the_exit_code(bad: int, code: int, verdict: str, tmp_path: Path) -> None:
    assert evaluated(with_bad(bad), tmp_path)[0] == code
    found, said = evaluated(with_bad(bad), tmp_path, output="json")
    assert found == code
    assert json.loads(said[0])["verdict"] == verdict


def test_too_little_holds_and_says_what_is_needed(tmp_path: Path) -> None:
    document = example()
    for row in document["metrics"][0]["rows"]:
        row["candidate"] = {"total": 300, "bad": 3}
        row["stable"] = {"total": 2700, "bad": 27}
    document["metrics"][0]["compare"]["detect"] = {"ratio": 1.2}
    code, said = evaluated(document, tmp_path)
    assert code == outcome.HOLD
    assert "Still needed" in said
    assert "more candidate requests" in said[-1]


def test_pods_measure_how_requests_clump(tmp_path: Path) -> None:
    document = with_bad(100)
    metric = document["metrics"][0]
    del metric["dispersion"]
    pods = [{"total": 30000, "bad": 300 + change} for change in (-9, 2, 7)]
    metric["rows"] = [dict(metric["rows"][0], pods=pods) for _ in range(20)]
    given = counts_api.read_counts(document)
    assert isinstance(given, counts_api.Given)
    sources = [row.counts["error-ratio"].phi[0].source for row in given.rows]
    assert sources[0] is PhiSource.UNMEASURED
    assert sources[-1] is PhiSource.MEASURED
    assert evaluated(document, tmp_path)[0] == outcome.DONE


def test_without_stable_a_comparison_holds_and_says_why(tmp_path: Path) -> None:
    document = example()
    for row in document["metrics"][0]["rows"]:
        del row["stable"]
    code, said = evaluated(document, tmp_path)
    assert code == outcome.HOLD
    assert said[-1].endswith("counts of stable at the same time")


def test_a_limit_alone_needs_no_stable(tmp_path: Path) -> None:
    document = example()
    del document["metrics"][0]["compare"]
    for row in document["metrics"][0]["rows"]:
        del row["stable"]
        del row["weight"]
    assert evaluated(document, tmp_path)[0] == outcome.DONE


def broken(**changes: object) -> dict[str, Any]:
    document = copy.deepcopy(example())
    document["metrics"][0].update(changes)
    return {name: value for name, value in document.items() if value is not None}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "must be an object"),
        ({}, "metrics: is required: add it"),
        (broken(rows=[]), "metrics[0].rows: needs at least 1 item(s)"),
        (broken(limit=1.5), "metrics[0].limit: must be below 1.0 (given: 1.5)"),
        (broken(bound=0.5), "metrics[0].bound: is not known"),
        (broken(limit=None, compare=None), "a metric needs limit or compare"),
        (
            broken(rows=[{"candidate": {"total": 1, "bad": 2}}]),
            "metrics[0].rows[0].candidate.bad: bad must not be above total",
        ),
        (
            {"metrics": [*example()["metrics"], broken(name="b", rows=[])["metrics"][0]]},
            "metrics[1].rows: needs at least 1 item(s)",
        ),
    ],
)
def test_wrong_counts_are_named_by_field(document: object, said: str, tmp_path: Path) -> None:
    with pytest.raises(CliError) as caught:
        evaluated(document, tmp_path)
    assert said in str(caught.value)


def test_metrics_with_unlike_rows_are_refused(tmp_path: Path) -> None:
    document = example()
    other = copy.deepcopy(document["metrics"][0]) | {"name": "slow-ratio"}
    document["metrics"].append(other | {"rows": other["rows"][:2]})
    with pytest.raises(CliError, match="every metric needs the same number of rows"):
        evaluated(document, tmp_path)


def test_what_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "counts.json"
    file.write_text("{metrics", encoding="utf-8")
    with pytest.raises(CliError, match="is no valid JSON"):
        evidence.evaluate(str(file), output="table", say=lambda _: None)
