"""The tools that count for the other tests must count right themselves: loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.cluster.ports import free_port
from tests.images.testkit import loadgen, model, tally, testserver

from tidegate_probe import Profile


def request(**fields: Any) -> tally.Answered:
    known = {"sent_at": 10.5, "latency_seconds": 0.01, "status": 200, "version": "v1"}
    return tally.Answered(**{**known, **fields})


@pytest.mark.parametrize(
    ("ratio", "hits"), [(0.0, 0), (0.1, 10), (0.25, 25), (0.333, 33), (1.0, 100)]
)
def test_faults_are_an_exact_share_evenly_spread(ratio: float, hits: int) -> None:
    share = testserver.Share(ratio)
    assert sum(share.hit() for _ in range(100)) == hits


def test_every_request_is_counted_once_in_total_and_per_second() -> None:
    books = tally.Tally(started_at=10.0)
    for fields in ({}, {"status": 503}, {"status": 0, "error": "gone"}, {"version": "v2"}):
        books.enter(request(**fields))
    books.enter(request(sent_at=11.2, correct=True))
    seen = books.document(now=12.0)
    assert (seen["answered"], seen["failed"]) == (5, 2)
    assert seen["versions"]["v1"]["statuses"] == {"200": 2, "503": 1, tally.NO_ANSWER: 1}
    assert seen["versions"]["v2"]["answered"] == 1
    assert [row["at"] for row in seen["timeline"]] == [10, 11]
    assert seen["timeline"][0]["versions"]["v1"]["failed"] == 2
    assert [row["at"] for row in books.document(now=12.0, since=11)["timeline"]] == [11]


def test_the_books_stay_bounded() -> None:
    books = tally.Tally(started_at=0.0)
    for second in range(tally.SECONDS_KEPT + 10):
        books.enter(request(sent_at=float(second), status=500))
    assert len(books.seconds) == tally.SECONDS_KEPT
    assert min(books.seconds) == 10
    assert len(books.failures) == tally.FAILURES_KEPT
    assert books.document(now=0.0)["failed"] == tally.SECONDS_KEPT + 10


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([3.0], 0.95, 3.0), ([4.0, 1.0, 3.0, 2.0], 0.5, 2.0)],
)
def test_quantile(values: list[float], share: float, expected: float | None) -> None:
    assert tally.quantile(values, share) == expected


ROW = {"pixels": [0, 16], "label": 4}
GOOD = {"model_version": "v2", "outputs": [{"data": [4]}]}


@pytest.mark.parametrize(
    ("status", "body", "row", "expected"),
    [
        (200, GOOD, ROW, ("v2", True, True)),
        (200, {**GOOD, "outputs": [{"data": [5]}]}, ROW, ("v2", True, False)),
        (200, {"model_version": "v2"}, ROW, ("v2", False, False)),
        (500, {"error": "[v3] no answer"}, ROW, ("v3", False, None)),
        (503, "upstream connect error", ROW, (tally.UNKNOWN, False, None)),
        (200, "hello", None, (tally.UNKNOWN, True, None)),
        (200, ["v2"], None, (tally.UNKNOWN, True, None)),
    ],
)
def test_an_answer_tells_version_and_correctness(
    status: int,
    body: Any,
    row: dict[str, Any] | None,
    expected: tuple[str, bool, bool | None],
) -> None:
    raw = request(status=status, version="")
    read = loadgen.read_answer(raw, body=json.dumps(body).encode(), row=row)
    assert (read.version, read.ok, read.correct) == expected
    assert bool(read.said) == (status >= 300)


async def _get(url: str) -> tuple[int, dict[str, str], str]:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return response.status, dict(response.headers), await response.text()


async def _until_healthy(url: str) -> None:
    for _ in range(2400):
        with contextlib.suppress(aiohttp.ClientError):
            if (await _get(f"{url}/healthz"))[0] == 200:
                return
        await asyncio.sleep(0.05)
    pytest.fail(f"{url} does not answer")


async def _load_against(behaviour: testserver.Behaviour, **plan: Any) -> dict[str, Any]:
    """Load until the plan is done; what the books say, and what the server's metrics say."""
    stop, port = asyncio.Event(), free_port()
    url = f"http://127.0.0.1:{behaviour.port}"
    given = {
        "requests_per_second": 400.0,
        "duration_seconds": 0.5,
        "concurrency": 400,  # more than there are requests: none is skipped on a busy machine
        "fresh_connections": False,
    }
    load = loadgen.Plan(
        url=f"{url}/predict",
        host="",
        header="",
        timeout_seconds=120.0,
        rows=(),
        truths=False,
        grpc=False,
        **{**given, **plan},
    )
    server = asyncio.create_task(testserver.serve(behaviour, stop=stop))
    await _until_healthy(url)
    generator = asyncio.create_task(loadgen.run(load, port=port, stop=stop))
    await _until_healthy(f"http://127.0.0.1:{port}")
    expected = int(load.requests_per_second * load.duration_seconds)
    seen: dict[str, Any] = {}
    for _ in range(2400):
        await asyncio.sleep(0.05)
        seen = json.loads((await _get(f"http://127.0.0.1:{port}/stats"))[2])
        if seen["answered"] + seen["skipped"] == expected:
            break
    metrics = (await _get(f"{url}/metrics"))[2]
    stop.set()
    await asyncio.gather(server, generator)
    return {**seen, "metrics": metrics}


def test_load_and_server_agree_on_every_request() -> None:
    behaviour = testserver.Behaviour(
        fail_ratio=0.1, version="v9", revision="abc", port=free_port(), drain_seconds=0.0
    )
    seen = asyncio.run(_load_against(behaviour))
    assert (seen["sent"], seen["answered"], seen["failed"], seen["skipped"]) == (200, 200, 20, 0)
    assert seen["versions"].keys() == {"v9"}
    assert 'http_requests_total{code="200",method="GET",path="/predict"} 180.0' in seen["metrics"]
    assert 'http_requests_total{code="500",method="GET",path="/predict"} 20.0' in seen["metrics"]


def test_an_outage_begins_after_its_time_and_failures_were_counted_from_zero() -> None:
    behaviour = testserver.Behaviour(outage_after_seconds=0.02, port=free_port(), drain_seconds=0.0)
    seen = asyncio.run(_load_against(behaviour, duration_seconds=1.0))
    failed, answered = seen["failed"], seen["answered"]
    assert 0 < failed < answered
    line = 'http_requests_total{code="%d",method="GET",path="/predict"} %d.0'
    assert line % (500, failed) in seen["metrics"]
    assert line % (200, answered - failed) in seen["metrics"]

    healthy = testserver.Behaviour(outage_after_seconds=600.0, port=free_port(), drain_seconds=0.0)
    assert line % (500, 0) in asyncio.run(_load_against(healthy))["metrics"]


def test_no_request_fails_with_a_fresh_connection_each() -> None:
    behaviour = testserver.Behaviour(port=free_port(), drain_seconds=0.0)
    seen = asyncio.run(_load_against(behaviour, fresh_connections=True))
    assert (seen["answered"], seen["failed"]) == (200, 0)


def test_requests_beyond_the_limit_are_skipped_not_delayed() -> None:
    behaviour = testserver.Behaviour(
        slow_ratio=1.0, slow_seconds=0.4, port=free_port(), drain_seconds=0.0
    )
    seen = asyncio.run(_load_against(behaviour, concurrency=10, duration_seconds=0.25))
    assert seen["sent"] + seen["skipped"] == 100
    assert seen["skipped"] > 0
    assert seen["answered"] == seen["sent"] >= 10


def test_a_stopped_server_drains_before_it_closes() -> None:
    async def scenario() -> tuple[int, int, str | None]:
        stop = asyncio.Event()
        behaviour = testserver.Behaviour(port=free_port(), drain_seconds=1.0)
        url = f"http://127.0.0.1:{behaviour.port}"
        server = asyncio.create_task(testserver.serve(behaviour, stop=stop))
        await _until_healthy(url)
        before = (await _get(f"{url}/healthz"))[0]
        stop.set()
        await asyncio.sleep(0.1)
        status, headers, _ = await _get(f"{url}/x")
        assert (await _get(f"{url}/healthz"))[0] == 503
        await server
        return before, status, headers.get("Connection")

    assert asyncio.run(scenario()) == (200, 200, "close")


def test_behaviour_comes_from_the_pod_template() -> None:
    environment = {"FAIL_RATIO": "0.5", "CRASH": "1", "TIDEGATE_MODEL_VERSION": "v2"}
    behaviour = testserver.Behaviour.from_env(environment)
    assert (behaviour.fail_ratio, behaviour.crash, behaviour.version) == (0.5, True, "v2")


def test_rows_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text(json.dumps([ROW]))
    plan = loadgen.read_plan(["--url", "http://x", "--rows", str(file)])
    assert plan.rows == (ROW,)
    assert loadgen.v2_request(ROW)["inputs"][0]["shape"] == [1, 2]


MEANS = [[0, 0], [16, 16], [0, 16]]  # of three classes of two pixels


class Logged(dict[str, bytes]):
    """What would go to a comparer, by the id of its request."""

    def send(self, request_id: str, body: bytes) -> None:
        self[request_id] = body


def test_a_model_answers_and_logs_what_it_predicts(tmp_path: Path) -> None:
    file, logged = tmp_path / "model.json", Logged()
    file.write_text(json.dumps(MEANS))
    behaviour = testserver.Behaviour(
        model=str(file), version="v7", port=free_port(), drain_seconds=0.0
    )
    answers = asyncio.run(_answers(behaviour, logged, r1=[1, 15], r2=[3, 2]))
    assert {key: answer["outputs"][0]["data"] for key, answer in answers.items()} == {
        "r1": [2],
        "r2": [0],
    }
    assert answers["r1"]["model_version"] == "v7"
    assert {key: json.loads(body) for key, body in logged.items()} == answers


def test_a_model_counts_what_it_sees_behind_a_broken_preprocessing(tmp_path: Path) -> None:
    means = tmp_path / "model.json"
    means.write_text(json.dumps(MEANS))
    trained = Profile.fit(
        {model.feature_name(1): [it % 17 for it in range(200)]},
        outputs={model.OUTPUT: ["0", "1"] * 100},
        model="digits",
        model_version="v7",
    )
    trained.write(tmp_path / "profile.json")
    behaviour = testserver.Behaviour(
        model=str(means), profile=str(tmp_path / "profile.json"), input_scale=0.0
    )
    server = testserver.Server(behaviour)

    assert server.said(json.dumps(loadgen.v2_request({"pixels": [16, 16]})).encode())["outputs"][0][
        "data"
    ] == [0]
    counted = {
        (sample.labels["bin"], sample.value)
        for family in server.registry.collect()
        for sample in family.samples
        if sample.name.endswith("_observations_total") and sample.value
    }
    lowest = trained.features[model.feature_name(1)].bins.labels[1]
    assert counted == {(lowest, 1.0), ("0", 1.0)}


async def _answers(
    behaviour: testserver.Behaviour, log: Logged, **pixels: list[int]
) -> dict[str, Any]:
    """What the server says to requests with these ids."""
    stop, url = asyncio.Event(), f"http://127.0.0.1:{behaviour.port}"
    server = asyncio.create_task(testserver.serve(behaviour, stop=stop, log=log))
    await _until_healthy(url)
    answers = {}
    async with aiohttp.ClientSession() as session:
        for key, row in pixels.items():
            asked = loadgen.v2_request({"pixels": row})
            headers = {"x-request-id": key}
            async with session.post(f"{url}/predict", json=asked, headers=headers) as response:
                answers[key] = await response.json()
    stop.set()
    await server
    return answers
