"""The evidence of a rollout, read from log lines as the operator writes them."""

from __future__ import annotations

import json

import pytest
from demo_run import look
from tests.demo import weighing

from tidegate.evidence.journal import replay
from tidegate.evidence.sequential.judgement import Compare, Context, EvidenceConfig, MetricRule
from tidegate.evidence.sequential.ledger import begin
from tidegate.evidence.verdict.engine import decide
from tidegate.model import Document

CONFIG = EvidenceConfig(
    metrics=(
        MetricRule(name="errors", compare=Compare(), limit=0.05),
        MetricRule(name="shown", limit=0.5, guard=False),
    ),
    requests_from="errors",
)
ROLLOUT = "demo/digits-97ebfdf6fb-1"
VERSIONS = {"97ebfdf6fb": "v3"}


def _judged(at: float) -> Document:
    context = Context(now=at, step=0, judged_from=0.0, has_stable=True)
    judgement = decide(begin(CONFIG), context=context, config=CONFIG)
    return replay.judged(rollout=ROLLOUT, rows=0, digest="", context=context, judgement=judgement)


def _lines() -> list[str]:
    opened = replay.opened(rollout=ROLLOUT, namespace="demo", name="digits", config=CONFIG)
    return ["", "{", "[]", *(json.dumps(one) for one in (opened, _judged(20.0), _judged(10.0)))]


def _read(*parts: list[str]) -> tuple[weighing.Weighed, ...]:
    journal = weighing.Journal()
    for lines in parts:
        journal.take(lines)
    return journal.of("digits", versions=VERSIONS)


def test_judgements_are_read_in_the_order_of_time_and_other_lines_skipped() -> None:
    found = _read(_lines())

    assert [(one.at, one.version) for one in found] == [(10.0, "v3"), (20.0, "v3")]
    assert found[0].harm_limit == pytest.approx(CONFIG.log_rollback)
    assert found[0].proof_limit == pytest.approx(CONFIG.log_promote)
    assert (found[0].harm_share, found[0].proof_share) == (0.0, 0.0)


def test_a_judgement_whose_beginning_is_not_in_the_log_is_left_out() -> None:
    assert _read(_lines()[-2:]) == ()


def test_a_log_that_is_read_in_parts_that_overlap_counts_once() -> None:
    lines = _lines()
    assert _read(lines[:-1], lines[-2:]) == _read(lines)


def test_judgements_of_other_models_and_unknown_revisions_are_not_of_this_one() -> None:
    journal = weighing.Journal()
    journal.take(_lines())
    assert journal.of("digits-shadow", versions=VERSIONS) == ()
    assert journal.of("digits", versions={"1111111111": "v3"}) == ()


def test_versions_are_those_of_the_candidates_that_were_seen() -> None:
    views = (look(1.0), look(2.0, candidate="v3", candidate_revision="97ebfdf6fb"))
    assert weighing.versions_of(views) == VERSIONS


def test_the_newest_judgement_up_to_an_instant_is_that_of_the_version() -> None:
    found = _read(_lines())

    assert weighing.newest(found, version="v3", at=15.0) == found[0]
    assert weighing.newest(found, version="v3", at=5.0) is None
    assert weighing.newest(found, version="v2", at=15.0) is None
