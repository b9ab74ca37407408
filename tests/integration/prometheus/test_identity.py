"""The usual ways to scrape pods, by a real Prometheus: what it makes of a pod, and what we find.

Discovery itself needs a cluster (tests/e2e/test_scrape_ways.py); here its results are written down
as static targets, and everything from relabeling on is real. Each way has a namespace of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import beside
import pod_monitor
import port_fakes
import pytest
import yaml
from metric_source import pod_name
from pod_monitor import Object

from tidegate.adapters.clock import SystemClock
from tidegate.adapters.prometheus import PrometheusSources
from tidegate.controller.analysis.fetch import Ask, Fetcher, Found
from tidegate.evidence.counts import samples
from tidegate.evidence.queries import identity, promql
from tidegate.evidence.queries.identity import Owner, Probed
from tidegate.evidence.terms import Identity, Problem, Selector, Template, Value
from tidegate.model import IdentityMode, objects
from tidegate.ports import Ok
from tidegate.revisions import render
from tidegate.settings import MetricSourceSettings

ROOT = Path(__file__).parents[3]
NAME, STABLE, CANDIDATE, OTHER = "iris", "5ab1e00001", "c0ffee0001", "0ddba11001"
PODS = ((STABLE, "a"), (STABLE, "b"), (CANDIDATE, "a"))
MODES = {
    "ours": IdentityMode.LABEL,
    "operator": IdentityMode.POD_LABEL,
    "community": IdentityMode.POD_LABEL,
    "names": IdentityMode.POD,
    "nameless": None,
}


def _jobs() -> dict[str, Object]:
    """The scrape jobs by their namespace; the last two are what a hand might write."""
    [ours] = yaml.safe_load((ROOT / "examples/prometheus/scrape-job.yaml").read_text())
    community = pod_monitor.community_job()
    names = [
        rule for rule in community["relabel_configs"] if "pod_label" not in str(rule.get("regex"))
    ]
    nameless = [rule for rule in names if rule.get("target_label") not in {"namespace", "pod"}]
    return {
        "ours": ours,
        "operator": pod_monitor.scrape_job(pod_monitor.MODEL_MONITOR),
        "community": community,
        "names": {"job_name": "names", "relabel_configs": names},
        "nameless": {"job_name": "nameless", "honor_labels": False, "relabel_configs": nameless},
    }


def _pod(namespace: str, *, revision: str, letter: str, address: str) -> Object:
    """A pod as the operator has it made: several ports, a sidecar and an init container."""
    host, _, port = address.rpartition(":")
    name = pod_name(NAME, revision, letter)
    number = int(port)
    server = {
        "name": "server",
        "ports": [
            {"name": "web", "containerPort": number},
            {"name": "grpc", "containerPort": number + 1},
        ],
    }
    named = render.with_named_ports([server, {"name": "log"}], {objects.METRICS_PORT_NAME: number})
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": dict(objects.revision_selector(NAME, revision=revision)),
            "annotations": {
                "prometheus.io/scrape": "true",
                "prometheus.io/port": port,
                "prometheus.io/path": _path(namespace, name),
            },
        },
        "spec": {
            "containers": named,
            "initContainers": [{"name": "proxy", "ports": [{"containerPort": number + 2}]}],
        },
        "status": {"podIP": host, "phase": "Running"},
    }


def _path(namespace: str, pod: str) -> str:
    return f"/{namespace}/{pod}"


def _static(job: Object, *, namespace: str, address: str) -> Object:
    """The job with what discovery finds in one namespace."""
    targets = [
        target
        for revision, letter in PODS
        for target in pod_monitor.discovered(
            _pod(namespace, revision=revision, letter=letter, address=address)
        )
    ]
    found = [{"targets": [it.pop("__address__")], "labels": it} for it in targets]
    rest = {key: value for key, value in job.items() if key != "kubernetes_sd_configs"}
    return {**rest, "static_configs": found}


@pytest.fixture(scope="module")
def prometheus(start: Callable[..., AbstractContextManager[Any]]) -> Iterator[Any]:
    """Five jobs, each over pods of its own; every pod has served a hundred requests."""

    def jobs(address: str) -> list[Object]:
        return [_static(job, namespace=it, address=address) for it, job in _jobs().items()]

    with start(jobs) as started:
        for namespace in MODES:
            for revision, letter in PODS:
                _export(started, namespace, revision, letter, "")
        for namespace in MODES:
            started.scraped(f'job="{_job(namespace)}"', targets=_series(namespace))
        yield started


def _job(namespace: str) -> str:
    job = _jobs()[namespace]["job_name"]
    return "tidegate-system/tidegate-models" if namespace == "operator" else str(job)


def _series(namespace: str) -> int:
    """How many series of `up` there are; pods without a label that differs share one."""
    return 1 if namespace == "nameless" else len(PODS)


def _export(prometheus: Any, namespace: str, revision: str, letter: str, labels: str) -> None:
    path = _path(namespace, pod_name(NAME, revision, letter))
    prometheus.replay(path, f"served_total{{{labels}}} 100\nload{{{labels}}} {len(letter)}\n")


@pytest.fixture
def ask(prometheus: Any) -> Iterator[PrometheusSources]:
    settings = MetricSourceSettings(name="default", url=prometheus.url, scrape_interval_seconds=1.0)
    sources = PrometheusSources(
        [settings], clock=SystemClock(), recorder=port_fakes.MemoryRecorder()
    )
    yield sources
    sources.close()


def _probe(ask: PrometheusSources, namespace: str, revision: str = STABLE) -> Probed:
    owner = Owner(namespace=namespace, name=NAME, revision=revision)
    query = identity.probe_query(owner, addresses=["127.0.0.1"])
    answer = asyncio.run(ask.query("default", promql=query, at=SystemClock().now()))
    assert isinstance(answer, Ok), answer
    rows = samples.vector(
        answer.value.result_type, result=answer.value.result, warnings=answer.value.warnings
    )
    assert not isinstance(rows, Problem)
    return identity.read_probe(rows, owner=owner, kept=None)


@pytest.mark.parametrize("namespace", [it for it in MODES if it != "nameless"])
def test_a_pod_is_one_target_whatever_it_declares(prometheus: Any, namespace: str) -> None:
    found = prometheus.query(f'up{{job="{_job(namespace)}"}}')

    pods = sorted(it["metric"]["pod"] for it in found)
    assert pods == sorted(pod_name(NAME, revision, letter) for revision, letter in PODS)
    assert {it["value"][1] for it in found} == {"1"}


@pytest.mark.parametrize(("namespace", "mode"), MODES.items())
def test_labels_are_found_without_any_setting(
    ask: PrometheusSources, namespace: str, mode: IdentityMode | None
) -> None:
    found = _probe(ask, namespace)

    assert found.mode is mode
    if mode is None:
        assert "instance" in found.labels_seen
    else:
        assert len(found.targets) == 2
        assert all(target.up for target in found.targets)
        assert _probe(ask, namespace, OTHER).mode is None


def _wanted(namespace: str, *, mode: IdentityMode, role: str) -> promql.Wanted:
    measure = Value(series=Selector(metric="load" if role == "number" else "served_total"))
    whose = Identity(namespace=namespace, name=NAME, candidate=CANDIDATE, stable=STABLE)
    template = Template(name="t", measure=measure, source="default", mode=mode)
    found = promql.wanted(template, given={}, identity=whose, window_seconds=5)
    assert not isinstance(found, promql.Unsafe)
    wanted = found["number"]
    assert isinstance(wanted, promql.Wanted)
    if role == "number":
        return wanted
    raw = promql.raw(measure.series, source="default", values={}, identity=whose)
    assert isinstance(raw, promql.Wanted)
    return replace(raw, mode=mode)


async def _found(ask: PrometheusSources, *asks: Ask) -> list[Found]:
    """The answers to what is asked at once."""
    settings = MetricSourceSettings(name="default", url="", scrape_interval_seconds=1.0)
    fetcher = Fetcher(
        source=ask,
        sources={"default": settings},
        executor=beside.Inline(),
        background=beside.Background(recorder=port_fakes.MemoryRecorder()),
    )
    answers = fetcher.send(asks)
    return [await answers[one] for one in asks]


@pytest.mark.parametrize(("namespace", "mode"), [(k, v) for k, v in MODES.items() if v])
def test_series_and_numbers_are_those_of_both_revisions(
    ask: PrometheusSources, namespace: str, mode: IdentityMode
) -> None:
    at = SystemClock().now().timestamp()
    raw = _wanted(namespace, mode=mode, role="raw")
    number = _wanted(namespace, mode=mode, role="number")

    async def both() -> list[Any]:
        return await _found(ask, Ask(wanted=raw, since=at - 3, at=at), Ask(wanted=number, at=at))

    series, numbers = asyncio.run(both())

    assert not isinstance(series, Problem), series
    assert sorted((it.labels["revision"], it.labels["pod"]) for it in series) == sorted(
        (revision, pod_name(NAME, revision, letter)) for revision, letter in PODS
    )
    assert {it.labels["model_deployment"] for it in series} == {NAME}
    assert numbers == {STABLE: 1.0, CANDIDATE: 1.0}


CLAIMS = {
    "ours": f'revision="{STABLE}",model_deployment="{NAME}"',
    "operator": f'tidegate_dev_revision="{STABLE}",tidegate_dev_model_deployment="{NAME}"',
    "community": f'tidegate_dev_revision="{STABLE}",tidegate_dev_model_deployment="{NAME}"',
    "names": f'revision="{STABLE}",model_deployment="{NAME}"',
}


@pytest.fixture
def claimed(prometheus: Any) -> Iterator[Callable[[str], None]]:
    """Lets the candidate's server say that it is stable."""
    changed: list[str] = []

    def claim(namespace: str) -> None:
        changed.append(namespace)
        _export(prometheus, namespace, CANDIDATE, "a", CLAIMS[namespace])
        prometheus.scraped(f'job="{_job(namespace)}"', targets=3)

    yield claim
    for namespace in changed:
        _export(prometheus, namespace, CANDIDATE, "a", "")


@pytest.mark.parametrize("namespace", CLAIMS)
def test_a_server_that_says_it_is_another_revision_is_not_believed(
    ask: PrometheusSources, claimed: Callable[[str], None], namespace: str
) -> None:
    mode = MODES[namespace]
    assert mode is not None
    claimed(namespace)

    async def asked() -> list[Any]:
        at = SystemClock().now().timestamp()
        raw = _wanted(namespace, mode=mode, role="raw")
        number = _wanted(namespace, mode=mode, role="number")
        return await _found(ask, Ask(wanted=raw, since=at - 1, at=at), Ask(wanted=number, at=at))

    series, numbers = asyncio.run(asked())

    if namespace == "community":  # it honours labels of the server: the pod's name gives it away
        assert isinstance(series, Problem)
        assert pod_name(NAME, CANDIDATE, "a") in series.message
    else:
        assert not isinstance(series, Problem), series
        of_pods = {it.labels["pod"]: it.labels["revision"] for it in series}
        assert of_pods[pod_name(NAME, CANDIDATE, "a")] == CANDIDATE
    assert numbers == {STABLE: 1.0, CANDIDATE: 1.0}
    assert _probe(ask, namespace).mode is mode


def test_labels_of_the_server_alone_are_no_identity(
    prometheus: Any, ask: PrometheusSources
) -> None:
    for revision, letter in PODS:
        own = f'namespace="nameless",revision="{revision}",model_deployment="{NAME}"'
        _export(prometheus, "nameless", revision, letter, own)
    # Pods without a label that differs share their series, so a scrape of one may end the other's.
    prometheus.seen(f'served_total{{revision="{STABLE}",job="nameless"}}')

    assert _probe(ask, "nameless").mode is None
