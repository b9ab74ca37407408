"""Bugs of what is written: news that nobody waits for, and notes that go along."""

from __future__ import annotations

from tests.sim.bug import Bug


def _by_both(*scripts: str) -> tuple[str, ...]:
    return tuple(f"{it} {plane}" for it in scripts for plane in ("GatewayAPI", "ReplicaRatio"))


WRITING = (
    Bug(
        name="each row of evidence is a write",
        file="controller/pace.py",
        old="Worth.EVIDENCE: 120.0}",
        new="Worth.EVIDENCE: 1.0}",
        plays=_by_both("promoted_by_few_writes"),
    ),
    Bug(
        name="a short step tells its evidence while it lasts",
        file="controller/pace.py",
        old="Worth.EVIDENCE: 1.0}",
        new="Worth.EVIDENCE: 0.5}",
        plays=_by_both("promoted_by_few_writes"),
    ),
    Bug(
        name="the first evidence of a rollout comes with the end of its step",
        file="controller/pace.py",
        old="SHARE_OF_FIRST_ROWS: Final = 0.5",
        new="SHARE_OF_FIRST_ROWS: Final = 2.0",
        plays=_by_both("promoted_by_few_writes"),
    ),
    Bug(
        name="who leaves is forgotten by the write that promotes",
        file="rollout/duties.py",
        old="            if entry not in turn.seen.status.retiring:",
        new="            if False:",
        plays=("promoted_by_few_writes GatewayAPI",),
    ),
    Bug(
        name="a stage without a hold tells each word at once",
        file="controller/status_writer.py",
        old="rollout.stage.hold_seconds or math.inf",
        new="rollout.stage.hold_seconds",
        plays=_by_both("promoted_by_few_writes"),
    ),
    Bug(
        name="nobody notes what a Deployment was made with",
        file="revisions/note.py",
        old='return made_with if uid and uid == objects.uid(deployment) else ""',
        new="return objects.text(deployment) and made_with",
        plays=_by_both("promoted_by_few_writes"),
    ),
    Bug(
        name="a Service speaks of a Deployment that is gone",
        file="revisions/note.py",
        old='return made_with if uid and uid == objects.uid(deployment) else ""',
        new="return made_with if uid else own",
        plays=_by_both("changed_when_made_again"),
    ),
)
