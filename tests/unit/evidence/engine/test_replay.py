import json
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from evidence_rows import COMPARED, PROOF_ALONE, config, context, counts, table
from hypothesis import given, settings
from hypothesis import strategies as st

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import PodCounts, Row
from tidegate.evidence.journal import codec, replay, row_lines
from tidegate.evidence.sequential.judgement import (
    Check,
    Compare,
    Context,
    EvidenceConfig,
    MetricRule,
)
from tidegate.evidence.terms import Problem, Reason
from tidegate.evidence.verdict import described, engine
from tidegate.model import Document, Outcome, Verdict

LIMITED = MetricRule(name="error-ratio", compare=PROOF_ALONE, limit=0.05)
CONFIG = config(LIMITED, MetricRule(name="drift", scalar=True))
CHECKS = {"drift": (Check(value=0.1, kept=True), Check(value=0.4, kept=False))}

floats = st.floats(allow_nan=False, allow_infinity=False)
names = st.text(min_size=1, max_size=8)
rules = st.builds(
    MetricRule,
    name=names,
    edges=st.lists(floats, min_size=1, max_size=3).map(tuple),
    compare=st.builds(Compare, theta0=floats),
    limit=st.none() | st.floats(0.01, 0.99),
    guard=st.booleans(),
)
configs = st.builds(
    EvidenceConfig,
    metrics=st.lists(rules, max_size=3, unique_by=lambda rule: rule.name).map(tuple),
    requests_from=names,
    split_holds=st.booleans(),
)
contexts = st.builds(
    Context,
    now=floats,
    step=st.integers(0, 32),
    judged_from=floats,
    has_stable=st.booleans(),
    problems=st.dictionaries(
        names, st.builds(Problem, reason=st.sampled_from(Reason), message=names), max_size=2
    ),
    checks=st.dictionaries(
        names,
        st.lists(st.builds(Check, value=floats, kept=st.booleans()), max_size=2).map(tuple),
        max_size=2,
    ),
    at_deadline=st.none() | st.sampled_from(Verdict),
)


def healthy() -> list[Row]:
    return table(*[counts(1000.0, 10, 9000.0, 90)] * 6)


def logged(
    rows: Sequence[Row],
    *,
    rollout: str = "ml/fraud-77aa01b2c3-1",
    judged_with: Context | None = None,
) -> list[str]:
    """The lines of an operator that looks after each row, as its log formatter writes them."""
    documents: list[Document] = [
        replay.opened(rollout=rollout, namespace="ml", name="fraud", config=CONFIG)
    ]
    look = judged_with or context(checks=CHECKS)
    for number, row in enumerate(rows, start=1):
        documents.append(replay.row(rollout=rollout, row=row))
        judgement = engine.judge(rows[:number], context=look, config=CONFIG)
        documents.append(
            replay.judged(
                rollout=rollout,
                rows=number,
                digest=row_lines.digest(rows[:number]),
                context=look,
                judgement=judgement,
            )
        )
    return [json.dumps({"time": "now", "level": "info", **document}) for document in documents]


@settings(max_examples=50)
@given(configs | contexts)
def test_what_is_written_reads_back_the_same(value: EvidenceConfig | Context) -> None:
    document = json.loads(codec.canonical(codec.write(value)))
    assert codec.read(type(value), document) == value


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 2000)] * 2, st.integers(1, 9000)), max_size=8))
def test_a_log_gives_the_same_judgements_again(seen: list[tuple[int, int, int]]) -> None:
    rows = table(*[counts(c, min(x, c), s, min(x, s)) for c, x, s in seen])
    report = replay.replay(logged(rows))
    assert (len(report.looks), report.difference, report.skipped) == (len(rows), "", 0)


def test_intervals_for_display_are_no_part_of_what_is_compared() -> None:
    rows = healthy()
    judge = engine.judge(rows, context=context(checks=CHECKS), config=CONFIG)
    plain = described.with_intervals(judge, rows=(), config=CONFIG)
    assert [finding.ratio for finding in plain.findings] != [None, None]
    report = replay.replay(logged(rows))
    assert report.looks[-1].judgement.findings[0].ratio is None


def test_other_lines_and_other_rollouts_are_passed_over() -> None:
    lines = logged(healthy())
    others = logged(healthy()[:2], rollout="other/fraud-77aa01b2c3-1")
    noise = ["Traceback (most recent call last):", '{"event": "transition"}', ""]
    mixed = [*noise, *others, *lines, *noise]
    assert len(replay.replay(mixed).looks) == 8
    assert len(replay.replay(mixed, rollout="fraud-77aa01b2c3-1").looks) == 8
    assert len(replay.replay(mixed, rollout="ml/fraud-77aa01b2c3-1").looks) == 6
    assert replay.replay(mixed, rollout="fraud").looks == ()


def test_a_rollout_that_is_opened_again_begins_again() -> None:
    report = replay.replay([*logged(healthy()), *logged(healthy())])
    assert (len(report.looks), report.difference) == (12, "")


def test_judgements_without_their_beginning_are_counted() -> None:
    report = replay.replay(logged(healthy())[3:])
    assert (report.looks, report.skipped) == ((), 5)


def as_the_release_before_wrote(lines: list[str], rows: Sequence[Row]) -> list[str]:
    """The same log with one object for each pod, and its digests over such lines."""
    documents, written = [json.loads(line) for line in lines], list[str]()
    for document in documents:
        if document["event"] == replay.ROW:
            counted = rows[len(written)].counts
            for name, one in document["row"]["counts"].items():
                one["podsS"] = [{"n": pod.n, "x": list(pod.x)} for pod in counted[name].pods_s]
            written.append(codec.canonical(document["row"]))
        elif document["event"] == replay.JUDGED:
            document["digest"] = row_lines.digest_of(written)
    return [json.dumps(document) for document in documents]


def test_a_log_of_the_release_before_gives_the_same_judgements_again() -> None:
    pods = (PodCounts(n=4000.0, x=(40.0,)), PodCounts(n=5000.0, x=(50.0,)))
    rows = [
        replace(row, counts={name: replace(it, pods_s=pods) for name, it in row.counts.items()})
        for row in healthy()
    ]
    old = as_the_release_before_wrote(logged(rows), rows)
    report = replay.replay(old)
    assert (len(report.looks), report.difference) == (6, "")
    changed = replay.replay(edited(old, 3, '"n": 5000.0', '"n": 5001.0'))
    assert "lines are missing or were changed" in changed.difference


def edited(lines: list[str], number: int, old: str, new: str) -> list[str]:
    assert old in lines[number]
    return [*lines[:number], lines[number].replace(old, new, 1), *lines[number + 1 :]]


def test_the_first_difference_is_named() -> None:
    lines = logged(healthy())
    changed = edited(lines, 4, '"outcome": "Inconclusive"', '"outcome": "Pass"')
    report = replay.replay(changed)
    assert len(report.looks) == 2
    assert report.difference == (
        'line 5: judgement.findings[0].outcome is "Pass" in the log and "Inconclusive" now'
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: edited(lines, 3, '"xC": [10]', '"xC": [11]'),
        lambda lines: lines[:3] + lines[4:],
    ],
)
def test_rows_that_are_not_those_of_the_judgement_are_found(change: object) -> None:
    assert callable(change)
    report = replay.replay(change(logged(healthy())))
    assert "lines are missing or were changed" in report.difference


@pytest.mark.parametrize(
    ("number", "old", "new", "problem"),
    [
        (0, '"config"', '"configuration"', "it has no config"),
        (0, '"min_intervals": 3', '"min_intervals": "few"', "min_intervals: 'few' is no int"),
        (0, '"decisive": 0', '"decisive": 9', "config: no valid MetricRule"),
        (0, '"min_intervals"', '"horizon"', "config: EvidenceConfig has no field horizon"),
        (1, '"t0": 0.0', '"t0": "now"', "is no row of an interval table"),
        (2, '"now": 1000000.0', '"now": NaN', "NaN is no number of JSON"),
        (2, '"problems": {}', '"problems": []', "context: problems: [] is no object"),
        (2, '{"time"', '[pod/tidegate] {"time"', "it is no JSON"),
        (1, '"t0": 0.0', '"t0": 1' + "0" * 400, "OverflowError"),
        (1, '"row": {', '"deep": ' + "[" * 100_000 + "]" * 100_000 + ', "row": {', "no JSON"),
        (1, '"xC": [10]', '"xC": []', "cannot be replayed"),
    ],
)
def test_a_broken_line_is_named_with_what_to_do(
    number: int, old: str, new: str, problem: str
) -> None:
    with pytest.raises(replay.LogError) as caught:
        replay.replay(edited(logged(healthy()), number, old, new))
    assert str(caught.value).startswith(f"line {number + 1} cannot be replayed: ")
    assert problem in str(caught.value)
    assert "give the operator's log as it was written" in str(caught.value)


def test_numbers_beyond_json_are_written_as_text() -> None:
    limit = codec.write(engine.judge([], context=context(), config=CONFIG))
    text = codec.canonical(limit)
    assert '"log_limit":"inf"' in text
    assert codec.read(Phi, {"value": "inf", "df": 1, "source": "Given"}).value == math.inf
    assert Outcome.INCONCLUSIVE in text
    assert COMPARED.limit is None
