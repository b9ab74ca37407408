"""`status.traffic`: whether Service and route are as the spec asks."""

from __future__ import annotations

from tidegate import model
from tidegate.api import status_types as doc


def write_sync(it: model.TrafficSync) -> doc.TrafficSync:
    """The document."""
    return doc.TrafficSync(
        observed_generation=it.generation,
        difference=_difference(it.difference) if it.difference else None,
    )


def _difference(it: model.TrafficDifference) -> doc.TrafficDifference:
    return doc.TrafficDifference(
        state=it.state, fields=it.fields, since=it.since, written_at=it.written_at
    )


def read_sync(it: doc.TrafficSync) -> model.TrafficSync:
    """What the document says."""
    return model.TrafficSync(
        generation=it.observed_generation,
        difference=_model_difference(it.difference) if it.difference else None,
    )


def _model_difference(it: doc.TrafficDifference) -> model.TrafficDifference:
    return model.TrafficDifference(
        state=it.state, fields=it.fields, since=it.since, written_at=it.written_at
    )
