"""What people and Prometheus see of the operator: metrics, JSON logs, health endpoints.

Source: style.md, 2.5 and 3.3; ecosystem.md, 6.1. No label of a counter names an object; gauges of
objects are made anew for every scrape, by who knows them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from datetime import UTC, datetime

from aiohttp import web
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    exposition,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tidegate import model, ports

_LOGGER = logging.getLogger("tidegate")
_PASS_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_PASS_OUTCOMES = ("done", "failed", "deadline", "error")
_RESERVED_LOG_NAMES = frozenset({"time", "level", "logger", "event"})

Check = Callable[[], str]
Gauges = Callable[[], Iterable[ports.GaugeFamily]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Telemetry:
    """`ports.Recorder`: counts in Prometheus form and writes one JSON line per event."""

    def __init__(self) -> None:
        # Without this each counter has a second series, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._passes = Histogram(
            "tidegate_reconcile_duration_seconds",
            "Duration of one look at one ModelDeployment.",
            ["outcome"],
            buckets=_PASS_BUCKETS,
            registry=self.registry,
        )
        self._depth = Gauge(
            "tidegate_workqueue_depth",
            "ModelDeployments that wait for a free worker.",
            registry=self.registry,
        )
        self._leader = Gauge(
            "tidegate_leader", "1 while this replica leads, else 0.", registry=self.registry
        )
        self._requests = self._counter(
            "tidegate_api_requests", "Requests to the API server.", "verb", "outcome"
        )
        self._queries = Histogram(
            "tidegate_metric_query_duration_seconds",
            "Duration of one query to a metric source.",
            ["source", "outcome"],
            registry=self.registry,
        )
        self._query_errors = self._counter(
            "tidegate_metric_query_errors", "Queries without a usable answer.", "source"
        )
        self._rollbacks = self._counter("tidegate_rollbacks", "Rollbacks by their cause.", "reason")
        self._drifts = self._counter(
            "tidegate_drifts",
            "Drifts and breaches of revisions that serve, by what they are.",
            "kind",
        )
        self._rollouts = self._counter("tidegate_rollouts", "Finished rollouts.", "result")
        self._transitions = self._counter(
            "tidegate_transitions",
            "Decisions written to status, by the phase they led to.",
            "phase",
        )
        self._problems = self._counter(
            "tidegate_problems", "Unexpected events, as they are named in the log.", "event"
        )
        self._create_known_series()

    def show(self, gauges: Gauges) -> None:
        """Ask for these at every scrape, in a thread of its own."""
        self.registry.register(_Asked(gauges))

    def transition(self, transition: ports.Transition) -> None:
        """A decision was written."""
        self._transitions.labels(phase=transition.phase).inc()
        _log(
            logging.INFO,
            "transition",
            namespace=transition.namespace,
            name=transition.name,
            generation=transition.generation,
            phase=transition.phase,
            step=transition.step,
            decision=transition.decision,
            **transition.fields,
        )

    def reconciled(self, *, seconds: float, outcome: str) -> None:
        """A pass ended."""
        self._passes.labels(outcome=outcome).observe(seconds)

    def api_request(self, *, verb: str, outcome: str) -> None:
        """An API request ended."""
        self._requests.labels(verb=verb, outcome=outcome).inc()

    def metric_query(self, *, source: str, seconds: float, outcome: str) -> None:
        """A metric query ended."""
        self._queries.labels(source=source, outcome=outcome).observe(seconds)
        if outcome != "Ok":
            self._query_errors.labels(source=source).inc()

    def rollback(self, *, reason: str) -> None:
        """A rollback was decided."""
        self._rollbacks.labels(reason=reason).inc()

    def rollout_ended(self, *, result: str) -> None:
        """A rollout got its result."""
        self._rollouts.labels(result=result).inc()

    def drift(self, *, kind: str) -> None:
        """A drift of a revision that serves was found."""
        self._drifts.labels(kind=kind).inc()

    def queue(self, *, depth: int) -> None:
        """Depth of the work queue."""
        self._depth.set(depth)

    def leading(self, *, leads: bool) -> None:
        """Leadership changed."""
        self._leader.set(int(leads))
        _log(logging.INFO, "leadership", leads=leads)

    def evidence(self, document: model.Document) -> None:
        """A document of `evidence.replay`, from which a verdict can be worked out again."""
        fields = {name: value for name, value in document.items() if name != "event"}
        _log(logging.INFO, str(document["event"]), **fields)

    def problem(self, event: str, **fields: str) -> None:
        """Something unexpected that a person may want to read."""
        self._problems.labels(event=event).inc()
        _log(logging.WARNING, event, **fields)

    def milestone(self, event: str, **fields: object) -> None:
        """A step of start-up or shutdown was taken."""
        _log(logging.INFO, event, **fields)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _create_known_series(self) -> None:
        """Start at 0 where the values are known, or `increase()` misses the first one."""
        for outcome in _PASS_OUTCOMES:
            self._passes.labels(outcome=outcome)
        for result in model.RolloutResult:
            self._rollouts.labels(result=result)
        for kind in model.Alarm:
            self._drifts.labels(kind=kind)
        for phase in model.Phase:
            self._transitions.labels(phase=phase)


class _Asked(Collector):
    """Gauges of somebody else."""

    def __init__(self, gauges: Gauges) -> None:
        self._gauges = gauges

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Nothing, so that nobody is asked before there is something to tell."""
        return ()

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """All families as they are now."""
        for family in self._gauges():
            made = GaugeMetricFamily(family.name, family.text, labels=family.labels)
            for labels, value in family.samples:
                made.add_metric(labels, value)
            yield made


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, logger, event, and the event's fields."""

    def format(self, record: logging.LogRecord) -> str:
        """The line of this record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        fields = getattr(record, "fields", {})
        line.update((k, v) for k, v in fields.items() if k not in _RESERVED_LOG_NAMES)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure_logging(level: str) -> None:
    """Write JSON lines to standard error; libraries only from warnings on (architecture.md, 2.4)."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    _LOGGER.setLevel(level.upper())
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").disabled = True


@contextlib.asynccontextmanager
async def http_server(
    *, port: int, registry: CollectorRegistry, live: Check, ready: Check
) -> AsyncIterator[None]:
    """Serve /livez, /readyz and /metrics on all addresses.

    A check returns an empty string, or in words what is wrong: then the answer is 503.
    """
    application = web.Application()
    application.router.add_get("/livez", _health(live))
    application.router.add_get("/readyz", _health(ready))
    application.router.add_get("/metrics", _metrics(registry))
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host=None, port=port).start()
        yield
    finally:
        await runner.cleanup()


def _health(check: Check) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        problem = check()
        return web.Response(text=problem or "ok", status=503 if problem else 200)

    return answer


def _metrics(registry: CollectorRegistry) -> Handler:
    async def answer(request: web.Request) -> web.Response:
        encode, content_type = exposition.choose_encoder(request.headers.get("Accept", ""))
        # Thousands of series take longer than a callback of the loop may.
        body = await asyncio.to_thread(encode, registry)
        return web.Response(body=body, headers={"Content-Type": content_type})

    return answer


def _log(level: int, event: str, /, **fields: object) -> None:
    _LOGGER.log(level, event, extra={"fields": fields})
