"""One query to a metric source: for a namespace, within the source's deadline, its failure in words."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

from tidegate.evidence.terms import Problem, Reason
from tidegate.ports import MetricSource, RawAnswer, Result, Retryable
from tidegate.settings import MetricSourceSettings


class Asking:
    """Metric sources by their names. Whoever asks sees to it that the source is open to them."""

    def __init__(
        self, *, source: MetricSource, sources: Mapping[str, MetricSourceSettings]
    ) -> None:
        self._source = source
        self._sources = sources

    async def query(
        self, name: str, *, promql: str, at: datetime, namespace: str
    ) -> Result[RawAnswer]:
        """The answer at an instant; it may take for ever. Who asks is told where the source wants it."""
        return await self._source.query(
            name,
            promql=promql,
            at=at.astimezone(UTC),
            **self._sources[name].asked_for(namespace),
        )

    async def in_time(
        self, name: str, *, promql: str, at: datetime, namespace: str
    ) -> Result[RawAnswer]:
        """The same within the deadline of the source."""
        try:
            async with asyncio.timeout(self._sources[name].deadline_seconds):
                return await self.query(name, promql=promql, at=at, namespace=namespace)
        except TimeoutError:
            return Retryable(message=late_text(name))


def late_text(source: str) -> str:
    """The source is too slow, as people read it."""
    return f"metric source {source} did not answer in time"


def late(source: str) -> Problem:
    """The same for whoever waited."""
    return Problem(reason=Reason.METRICS_UNAVAILABLE, message=late_text(source))


def failed(source: str, message: str) -> Problem:
    """The source could not answer."""
    return Problem(reason=Reason.METRICS_UNAVAILABLE, message=f"{source}: {message}")
