"""One rollout that turns bad in the midst of a step: when its weight was 0, and what a threshold needs."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass

from cluster_client import Client, Object, Refused, path_of
from cluster_history import weight_of
from cluster_scene import Model

from bench.reaction.runs import Run
from tidegate import ports

LIMIT = 0.05
EVIDENCE, BY_LIMIT = "evidence", "limit"
_START_SECONDS = 120.0
_LONGEST_SECONDS = 150.0
_FAILED, _ALL = 'code=~"5..",', ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A Prometheus of the scene. Units: seconds between two scrapes."""

    namespace: str
    name: str
    scrape_seconds: float

    def ask(self, client: Client, query: str) -> list[Object]:
        """The result of an instant query now."""
        path = path_of(
            ports.SERVICE,
            namespace=self.namespace,
            name=f"prometheus-{self.name}:9090",
            below="proxy/api/v1/query",
        )
        return list(json.loads(client.text(path, query=query))["data"]["result"])


def share_query(*, model: str, revision: str, scrape_seconds: float) -> str:
    """The share of failed requests of a model's revision over its last three scrapes."""
    whose = f'model_deployment="{model}",revision="{revision}"'
    window = f"[{3 * scrape_seconds:g}s]"
    failed, every = (
        f"sum(rate(http_requests_total{{{which}{whose}}}{window}))" for which in (_FAILED, _ALL)
    )
    return f"{failed} / {every}"


def analysis(judged_by: str, *, source: Source) -> Object:
    """The whole `spec.analysis` of one way to judge."""
    if judged_by == EVIDENCE:
        return {"source": source.name}
    query = share_query(
        model="${name}", revision="${revision}", scrape_seconds=source.scrape_seconds
    )
    limit = {"name": "failing", "query": query, "threshold": {"max": LIMIT}, "critical": True}
    return {"source": source.name, "metrics": [limit]}


class Threshold:
    """Asks once per scrape interval until the first value above the limit; `at` is when that came."""

    def __init__(self, url: str, *, source: Source, model: str, revision: str) -> None:
        self.at: float | None = None
        self._client = Client(url)
        self._source = source
        self._query = share_query(
            model=model, revision=revision, scrape_seconds=source.scrape_seconds
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def wait(self, seconds: float) -> float | None:
        """When it was above the limit; None if not within so many seconds."""
        self._thread.join(timeout=seconds)
        self._ended.set()
        self._thread.join(timeout=10)
        self._client.close()
        return self.at

    def _run(self) -> None:
        deadline = time.monotonic() + _START_SECONDS + _LONGEST_SECONDS
        while time.monotonic() < deadline and not self._ended.wait(self._source.scrape_seconds):
            if self._is_above():
                self.at = time.time()
                return

    def _is_above(self) -> bool:
        try:
            found = self._source.ask(self._client, self._query)
        except Refused:  # a busy moment; it asks again
            return False
        return bool(found) and float(found[0]["value"][1]) > LIMIT


def measure(
    model: Model,
    *,
    url: str,
    source: Source,
    judged_by: str,
    weight: float,
    version: str,
    healthy: float,
) -> Run:
    """Apply a version that turns bad after `healthy` seconds, and wait until its weight is 0."""
    applied_at = model.apply(version, env={"OUTAGE_AFTER_SECONDS": f"{healthy:g}"})
    started = model.wait_for_weight(weight, seconds=_START_SECONDS, since=applied_at)
    revision = str(started.rollout["revision"])
    threshold = Threshold(url, source=source, model=model.name, revision=revision)
    off_at = model.scene.history.wait_for(
        lambda: _without_traffic(model, revision=revision, since=started.at),
        seconds=healthy + _LONGEST_SECONDS,
        explain=lambda: f"version {version} keeps its traffic\n{model.tell()}",
    )
    crossed = threshold.wait(3 * source.scrape_seconds)
    pods = _bad_scrapes(model, source=source, revision=revision)
    first = min(times[0] for times in pods)
    back = model.wait_for(
        lambda look: look.current and version in look.rejected_versions,
        seconds=60,
        since=applied_at,
        what="the version is rejected",
    )
    rejected = {it["modelVersion"]: it["reason"] for it in back.status["rejectedRevisions"]}
    return Run(
        scrape_seconds=source.scrape_seconds,
        weight_percent=weight,
        judged_by=judged_by,
        reason=rejected[version],
        tidegate_seconds=off_at - first,
        threshold_seconds=None if crossed is None else crossed - first,
        bad_scrapes=max(sum(at <= off_at for at in times) for times in pods),
        load=os.getloadavg()[1],
    )


def _without_traffic(model: Model, *, revision: str, since: float) -> float | None:
    """When the route was first told with weight 0 after it had some."""
    return next(
        (
            seen.at
            for seen in model.routes()
            if seen.at > since and weight_of(seen.body, revision) == 0
        ),
        None,
    )


def _bad_scrapes(model: Model, *, source: Source, revision: str) -> list[list[float]]:
    """Unix seconds of the scrapes that show failed requests, by pod."""
    whose = f'model_deployment="{model.name}",revision="{revision}"'
    found = source.ask(model.scene.client, f"http_requests_total{{{_FAILED}{whose}}}[10m]")
    pods = [[at for at, value in one["values"] if float(value) > 0] for one in found]
    return [times for times in pods if times]
