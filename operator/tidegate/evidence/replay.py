"""What the log says of the evidence of a rollout, and the same judgements worked out again from it.

Three kinds of documents tell all: how a rollout is judged (`opened`), each closed interval (`row`)
and each look (`judged`). The rollout is named so that no other one in the same log has its name,
such as `namespace/id`. Opening a rollout again, as after a restart, begins it from the start.
Source: evidence.md, 14.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tidegate.evidence import codec, records
from tidegate.evidence.intervals import Row
from tidegate.evidence.judgement import OPEN, Context, EvidenceConfig, Judgement
from tidegate.rollout.model import Document

OPENED = "evidence-opened"
ROW = "evidence-row"
JUDGED = "evidence-judged"


def opened(*, rollout: str, namespace: str, name: str, config: EvidenceConfig) -> Document:
    """How the rollout of this ModelDeployment is judged from its first row on."""
    return {
        "event": OPENED,
        "rollout": rollout,
        "namespace": namespace,
        "name": name,
        "config": codec.write(config),
    }


def row(*, rollout: str, row: Row) -> Document:
    """One more closed interval."""
    return {"event": ROW, "rollout": rollout, "row": records.document(row)}


def judged(
    *, rollout: str, rows: Sequence[Row], context: Context, judgement: Judgement
) -> Document:
    """One look: all rows it was based on, what else it knew, and what it found."""
    return {
        "event": JUDGED,
        "rollout": rollout,
        "rows": len(rows),
        "digest": records.digest(rows),
        "context": codec.write(context),
        "judgement": codec.write(_decided(judgement)),
    }


def _decided(judgement: Judgement) -> Judgement:
    """Without what is for display: it decides nothing and is not rounded for other machines."""
    findings = tuple(
        replace(one, ratio=None, ratio_interval=OPEN, rate_interval=OPEN, phi=None)
        for one in judgement.findings
    )
    return replace(judgement, findings=findings)
