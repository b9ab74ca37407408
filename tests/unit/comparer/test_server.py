"""The comparer behind HTTP: what comes in, and what a scrape shows of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client.parser import text_string_to_metric_families

from comparer.__main__ import parsed, setting_of
from comparer.answers import Difference
from comparer.comparer import Comparer, Setting
from comparer.counts import Counts
from comparer.events import LABEL_TYPE
from comparer.pairing import Limits, Reason
from comparer.server import Server

NOON = datetime(2026, 11, 20, 12, 30, tzinfo=UTC).timestamp()
A, B = "6d9f7c01ab", "8b1c22e9d4"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Scene:
    """A comparer, a clock that is set by hand, and a client."""

    def __init__(self, client: TestClient[Any, Any], clock: list[float]) -> None:
        self._client = client
        self._clock = clock

    def later(self, seconds: float) -> None:
        self._clock[0] += seconds

    async def log(
        self, revision: str, request_id: str, body: object, *, model: str = "iris", **more: str
    ) -> int:
        headers = {
            "ce-specversion": "1.0",
            "ce-id": "1",
            "ce-type": "org.kubeflow.serving.inference.response",
            "ce-modeldeployment": model,
            "ce-revision": revision,
            "ce-requestid": request_id,
            **{f"ce-{name}": value for name, value in more.items()},
        }
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self._client.post("/", data=data, headers=headers) as answer:
            return answer.status

    async def samples(self) -> Samples:
        async with self._client.get("/metrics") as answer:
            text = await answer.text()
        return {
            (one.name, tuple(sorted((k, v) for k, v in one.labels.items() if v))): one.value
            for family in text_string_to_metric_families(text)
            for one in family.samples
        }


def sample(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((f"tidegate_comparer_{name}", tuple(sorted(labels.items()))), 0.0)


def pairs(samples: Samples, revision: str, reference: str, **more: str) -> tuple[float, float]:
    """Equal and different."""
    ends = {"model_deployment": "iris", "revision": revision, "reference": reference, **more}
    return tuple(sample(samples, "pairs_total", equal=it, **ends) for it in ("true", "false"))  # type: ignore[return-value]


@asynccontextmanager
async def scene(setting: Setting, **options: Any) -> AsyncIterator[Scene]:
    clock = [1000.0]
    server = Server(Comparer(setting, epoch=NOON - clock[0]), now=lambda: clock[0], **options)
    async with TestClient(TestServer(server.application())) as client:
        yield Scene(client, clock)


def play(
    act: Callable[[Scene], Coroutine[Any, Any, None]],
    setting: Setting = Setting(),  # noqa: B008 - frozen
    **options: Any,
) -> None:
    async def run() -> None:
        async with scene(setting, **options) as found:
            await act(found)

    asyncio.run(run())


def test_pairs_count_from_both_ends_and_differences_by_what_they_are() -> None:
    async def act(it: Scene) -> None:
        for number, (one, other) in enumerate([(0.5, 0.5), (0.5, 0.9), (0.5, None), (1, 2)]):
            assert await it.log(A, f"r{number}", {"predictions": [one]}) == 202
            assert await it.log(B, f"r{number}", {"predictions": [other]}) == 202
        found = await it.samples()
        assert pairs(found, A, B) == pairs(found, B, A) == (1.0, 3.0)
        ends = {"model_deployment": "iris", "revision": B, "reference": A}
        kinds = {
            k: sample(found, "disagreements_total", kind=k, **ends) for k in ("Shape", "Value")
        }
        assert kinds == {"Shape": 1.0, "Value": 2.0}
        buckets = [
            sample(found, "score_difference_bucket", le=edge, **ends)
            for edge in ("0.001", "0.3", "1.0", "+Inf")
        ]
        assert buckets == [1.0, 1.0, 2.0, 2.0]
        assert sample(found, "score_difference_sum", **ends) == pytest.approx(0.4)

    play(act)


def test_what_finds_no_partner_is_told_by_side_and_reason() -> None:
    async def act(it: Scene) -> None:
        await it.log(A, "r1", {"predictions": [1]})
        await it.log(B, "r2", b"no json")
        await it.log(A, "r3", {"predictions": [1]})
        await it.log(A, "r3", {"predictions": [1]})
        it.later(61.0)
        found = await it.samples()
        reasons = {
            (side, reason): sample(
                found, "unpaired_total", model_deployment="iris", side=side, reason=reason
            )
            for side, reason in ((A, "Expired"), (B, "Unparsable"), (A, "Duplicate"))
        }
        assert list(reasons.values()) == [1.0, 1.0, 2.0]
        assert sample(found, "waiting", of="Revision") == 0.0

    play(act)


def test_labels_count_under_the_hour_of_the_prediction() -> None:
    async def act(it: Scene) -> None:
        await it.log(A, "r1", {"predictions": [1]})
        it.later(45 * 60.0)
        await it.log(A, "r2", {"predictions": [1]})
        it.later(5 * 3600.0)
        for request_id, label in (("r1", 1), ("r2", 0)):
            answer = {"predictions": [label]}
            assert await it.log("", request_id, answer, type=LABEL_TYPE) == 202
        found = await it.samples()
        assert pairs(found, A, "Human", cohort="2026-11-20T12Z") == (1.0, 0.0)
        assert pairs(found, A, "Human", cohort="2026-11-20T13Z") == (0.0, 1.0)
        assert not any(("revision", "Human") in labels for _, labels in found)

    play(act, Setting(labels=Limits(age_seconds=86_400.0)))


def test_labels_are_refused_where_nobody_keeps_predictions() -> None:
    async def act(it: Scene) -> None:
        assert await it.log("", "r1", {"predictions": [1]}, type=LABEL_TYPE) == 400

    play(act)


def test_events_of_other_namespaces_and_large_ones_are_refused() -> None:
    async def act(it: Scene) -> None:
        assert await it.log(A, "r1", {"predictions": [1]}, namespace="other") == 400
        assert await it.log(A, "r1", {"predictions": [1]}, namespace="ml") == 202
        assert await it.log(A, "r2", b"x" * 3000) == 413
        assert await it.log("NO NAME", "r2", b"x") == 400
        found = await it.samples()
        refused = {
            why: sample(found, "refused_total", reason=why)
            for why in ("OtherNamespace", "TooLarge", "NoNames", "NoId")
        }
        assert list(refused.values()) == [1.0, 1.0, 1.0, 0.0]

    play(act, Setting(namespace="ml"), max_body_bytes=2000)


def test_room_is_bounded_whatever_comes() -> None:
    async def act(it: Scene) -> None:
        for number in range(300):
            await it.log(A, f"r{number}", {"predictions": ["x" * 500]})
        found = await it.samples()
        assert sample(found, "waiting_bytes", of="Revision") <= 20_000
        evicted = sample(found, "unpaired_total", model_deployment="iris", side=A, reason="Evicted")
        assert evicted == 300 - sample(found, "waiting", of="Revision")

    play(act, Setting(answers=Limits(size_bytes=20_000)))


def test_names_alone_cannot_fill_the_memory() -> None:
    counts = Counts(most=10)
    for number in range(100):
        name = f"m{number}"
        counts.pair(model=name, first="a", second="b", found=Difference(kind=None))
        counts.unpaired(model=name, side="a", reason=Reason.EXPIRED)
    assert [ends.model for ends, _ in counts.paired()] == [
        f"m{n}" for n in range(95, 100) for _ in "ab"
    ]
    assert len(list(counts.left_over())) == 10


def test_options() -> None:
    setting = setting_of(parsed(["--namespace", "ml", "--age", "30", "--memory", "2"]))
    assert (setting.namespace, setting.answers.age_seconds) == ("ml", 30.0)
    assert (setting.answers.size_bytes, setting.labels) == (2 * 2**20, None)
    labels = setting_of(parsed(["--label-age", "86400", "--label-memory", "3"])).labels
    assert labels is not None
    assert (labels.age_seconds, labels.size_bytes) == (86_400.0, 3 * 2**20)


@pytest.mark.parametrize(
    "arguments", [["--age", "0"], ["--memory", "x"], ["--requests", "0"], ["--tolerance", "-1"]]
)
def test_options_out_of_range_are_refused(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed(arguments)
    assert arguments[0] in capsys.readouterr().err
