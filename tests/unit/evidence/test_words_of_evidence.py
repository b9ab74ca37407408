"""How evidence is printed: what rounds to nothing is 0.0, from below as well."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from evidence_rows import COMPARED, config

from tidegate import model
from tidegate.cli import evidence as cli
from tidegate.cli import views
from tidegate.evidence.sequential.distribution import Compared
from tidegate.evidence.sequential.judgement import Drift, Finding, MetricRule
from tidegate.evidence.sequential.ledger import Totals
from tidegate.evidence.terms import Reason
from tidegate.evidence.verdict import distribution, engine
from tidegate.model import Outcome

LITTLE = -0.004
FOUND = Finding(
    metric="error-ratio",
    outcome=Outcome.INCONCLUSIVE,
    reason=Reason.UNDECIDED,
    message="",
    guard=True,
    n_c=100.0,
    n_s=900.0,
    log_e=LITTLE,
    log_limit=4.6,
    log_proof=LITTLE,
)
SHIFT = model.Shift(feature="amount", psi=0.01, bin="1", share=0.1, reference_share=0.1)
DRIFT = MetricRule(name="drift", drift=Drift())


def _of_counts() -> str:
    return engine._message(FOUND, reason=Reason.UNDECIDED, rule=COMPARED, totals=Totals())


def _of_a_distribution() -> str:
    shown = Compared(features=1, shifts=(SHIFT,), log_harm=LITTLE, log_proof=LITTLE)
    return distribution._message(shown, why="", rule=DRIFT, config=config())


def _of_a_replay() -> str:
    return cli._weighed(FOUND)


def _of_a_table() -> str:
    return views._of_limit(LITTLE, limit=4.6)


@pytest.mark.parametrize("words", [_of_counts, _of_a_distribution, _of_a_replay, _of_a_table])
def test_a_little_below_nothing_is_printed_without_a_sign(words: Callable[[], str]) -> None:
    assert "0.0" in words()
    assert "-0.0" not in words()
