"""A rollout in the only stage of its plan, as a pass sees it that may make things for it."""

from __future__ import annotations

import port_fakes
from traffic_examples import CANDIDATE, META

from tidegate import model
from tidegate.model import Document

REVISION = model.Revision(hash=CANDIDATE, digest="d", model_version="2")


def rollout_in(stage: model.Stage) -> model.Rollout:
    """The first attempt, at its start."""
    return model.Rollout(
        id=f"{META.name}-{CANDIDATE}-1",
        revision=REVISION,
        attempt=1,
        active=True,
        started_at=port_fakes.EPOCH,
        progress_at=port_fakes.EPOCH,
        plan=(stage,),
        step=model.ActiveStep(index=0, name=stage.name, started_at=port_fakes.EPOCH),
    )


def seen_in(rollout: model.Rollout | None, *, frozen: model.FrozenRollout) -> model.Observation:
    """What is seen of it, with a spec that is written down."""
    return model.Observation(
        now=port_fakes.EPOCH,
        epoch=1,
        meta=META,
        status=model.Status(rollout=rollout),
        frozen_rollouts=(frozen,),
    )


def frozen_of(rollout: model.Rollout, spec: Document) -> model.FrozenRollout:
    """The spec that it goes by."""
    return model.FrozenRollout(
        name=rollout.id, revision=CANDIDATE, attempt=1, from_revision="", spec=spec
    )
