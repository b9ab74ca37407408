"""Who has to answer `server.probe`: a candidate that answers no user yet.

Once it does, the evidence speaks for it. What takes traffic away or gives it back never asks.
Source: api.md, 5.1 and 5.3; docs/adr/0054.
"""

from __future__ import annotations

from tidegate import model

FAILED = "ProbeFailed"


def probe_of(seen: model.Observation, rollout: model.Rollout | None) -> model.Probe | None:
    """What this rollout has to answer before its next move; None where it has to answer nothing.

    Nothing has to who has no pods, and who is promoted without being judged: on a person's word, or
    since it served a short while ago. The newest spec counts: it asks for this revision.
    """
    stage = rollout.stage if rollout is not None else None
    if rollout is None or stage is None or seen.spec is None:
        return None
    if rollout.ending or rollout.exposure.answers_users or seen.spec.replicas == 0:
        return None
    if stage.kind is model.StageKind.FIRST and not _first_is_probed(seen.spec):
        return None
    if stage.kind is model.StageKind.SWITCH and stage.control is model.Control.NONE:
        return None
    return seen.spec.probe


def _first_is_probed(spec: model.Spec) -> bool:
    return spec.first_rollout is model.FirstRollout.PROBE
