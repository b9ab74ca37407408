"""Receivers are told beside the passes, one hangs for itself, and each provider says what came of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import beside
import port_fakes
from notification_examples import FULL_PROVIDER_STATUS, provider

from tidegate import model, ports
from tidegate.api import notifications
from tidegate.controller.notify import courier
from tidegate.controller.notify.courier import KIND, Notifications, Tally
from tidegate.controller.notify.outbox import CAPACITY
from tidegate.controller.notify.statuses import ProviderStatuses, status_of
from tidegate.controller.said_beside import SaidBeside
from tidegate.controller.store import Store
from tidegate.model import actions
from tidegate.settings import Settings

GONE = ports.Retryable(message="no answer within 10 s")
REFUSED = ports.Fatal(reason="Refused", message="answered 404 where 2xx is expected")
URL = "https://hooks.example.com/"
MD = ports.MODEL_DEPLOYMENT
KNOWN = [(namespace, "application/json", 10.0) for namespace in ("ml", "lab")]


class Receivers:
    """Takes messages by receiver, as slowly and with such failures as it is told."""

    def __init__(self, clock: port_fakes.ManualClock) -> None:
        self._clock = clock
        self.seconds: dict[str, float] = {}
        self.failures: dict[str, list[ports.Failure]] = {}
        self.taken: dict[str, list[tuple[float, str]]] = {}
        self.tries: list[float] = []
        self.under_way = self.most = 0
        self.closed = ""

    def obstacle(self, to: model.Recipient, *, namespace: str) -> str:
        assert namespace, to
        return self.closed

    async def post(
        self,
        to: model.Recipient,
        *,
        namespace: str,
        media_type: str,
        body: bytes,
        timeout_seconds: float,
    ) -> ports.Result[None]:
        assert (namespace, media_type, timeout_seconds) in KNOWN
        self.tries.append(self._clock.monotonic())
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self._clock.sleep(self.seconds.get(to.url, 0.0))
        self.under_way -= 1
        if failures := self.failures.get(to.url):
            return failures.pop(0)
        message = json.loads(body)["message"]
        self.taken.setdefault(to.url, []).append((self._clock.monotonic(), message))
        return ports.Ok(None)

    def heard(self, name: str = "a") -> list[str]:
        return [message for _, message in self.taken.get(URL + name, [])]


class Api:
    """Status writes are kept."""

    def __init__(self) -> None:
        self.written: list[ports.Object] = []

    async def apply_status(self, kind: ports.Kind, *, namespace: str, body: ports.Object) -> Any:
        assert (kind, namespace) == (KIND, "ml")
        self.written.append(body)
        return ports.Conflict()


class Scene:
    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings()
        self.clock = port_fakes.ManualClock()
        self.store = Store()
        self.recorder = port_fakes.MemoryRecorder()
        self.receivers = Receivers(self.clock)
        self.api = Api()
        self.news = Notifications(
            store=self.store,
            notifier=self.receivers,
            clock=self.clock,
            background=beside.Background(recorder=self.recorder),
            recorder=self.recorder,
        )
        self.statuses = ProviderStatuses(
            said=SaidBeside(
                api=self.api,  # type: ignore[arg-type]
                store=self.store,
                clock=self.clock,
                recorder=self.recorder,
                leading=lambda: True,
            ),
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            notifier=self.receivers,
            told=self.news,
        )
        self._version = 0
        self._specs: dict[str, Any] = {}
        self._generations: dict[str, int] = {}

    def put(self, name: str = "a", *, status: Any = None, **spec: Any) -> ports.Object:
        usual = {"type": "Webhook", "url": URL + name, "maxPerMinute": 600}
        self._version += 1
        given = {"namespace": "ml", **spec.pop("metadata", {})}
        if self._specs.get(name) != spec:
            self._specs[name] = spec
            self._generations[name] = self._generations.get(name, 0) + 1
        given["generation"] = self._generations[name]
        body = provider(usual | spec, name=name, resourceVersion=f"{self._version}", **given)
        self.store.put(KIND, body | ({"status": status} if status else {}))
        return body

    def tell(self, message: str, *, reason: str = "StepStarted", namespace: str = "ml") -> None:
        said = actions.Event(type=actions.EventType.NORMAL, reason=reason, message=message)
        meta = model.ObjectMeta(
            namespace=namespace, name="iris", uid="u", generation=1, resource_version="1"
        )
        self.news.tell(said, meta=meta, status=model.Status())

    async def said(self, name: str = "a") -> dict[str, model.Condition]:
        await self.statuses.look()
        [body] = [it for it in self.api.written[-1:] if it["metadata"]["name"] == name]
        return {it.type: it for it in notifications.read_status(body["status"]).conditions}


def play(scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(beside.PATIENCE_SECONDS):
            await scenario(Scene())

    asyncio.run(bounded())


# --- sending -------------------------------------------------------------------------------------


def test_those_who_want_it_are_told_in_order_and_once() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        scene.put("b", events=["RolledBack"])
        scene.put("c", metadata={"namespace": "lab"})
        for message in ("one", "two", "one"):
            scene.tell(message)
        scene.tell("three", reason="RolledBack")
        assert scene.receivers.heard() == [], "a pass does not wait"
        await scene.clock.advance(10.0)
        assert scene.receivers.heard("a") == ["one", "two", "three"]
        assert scene.receivers.heard("b") == ["three"]
        assert scene.receivers.heard("c") == []

    play(scenario)


def test_labels_of_the_object_decide_where_they_are_asked_for() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a", selector={"matchLabels": {"team": "risk"}})
        scene.tell("before")
        labels = {"labels": {"team": "risk"}, "name": "iris", "namespace": "ml", "uid": "u"}
        scene.store.put(MD, {"metadata": labels, "spec": {}})
        scene.tell("after")
        await scene.clock.advance(1.0)
        assert scene.receivers.heard() == ["after"]

    play(scenario)


def test_one_that_hangs_delays_no_other() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("hangs")
        scene.put("a")
        scene.receivers.seconds[URL + "hangs"] = 1e6
        for number in range(5):
            scene.tell(f"{number}")
            await scene.clock.advance(1.0)
            assert scene.receivers.heard()[-1] == f"{number}"

    play(scenario)


def test_a_namespace_has_only_so_many_on_their_way() -> None:
    async def scenario(scene: Scene) -> None:
        for number in range(10):
            scene.put(f"hangs-{number}")
            scene.receivers.seconds[f"{URL}hangs-{number}"] = 1e6
        scene.put("far", metadata={"namespace": "lab"})
        scene.tell("m")
        scene.tell("m", namespace="lab")
        await scene.clock.advance(1.0)
        assert scene.receivers.most == courier.AT_ONCE_OF_NAMESPACE + 1
        assert scene.receivers.heard("far") == ["m"]

    play(scenario)


def test_no_more_in_a_minute_than_asked_for() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a", maxPerMinute=6)
        for number in range(20):
            scene.tell(f"{number}")
        await scene.clock.advance(61.0)
        instants = [at for at, _ in scene.receivers.taken[URL + "a"]]
        assert instants == [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]

    play(scenario)


def test_what_may_pass_is_tried_again_ever_later_and_then_given_up() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a", retries=3)
        scene.receivers.failures[URL + "a"] = [GONE] * 4
        scene.tell("lost")
        await scene.clock.advance(30.0)
        assert scene.receivers.tries == [0.0, 2.0, 6.0, 14.0]
        assert scene.receivers.heard() == []
        scene.tell("next")
        await scene.clock.advance(1.0)
        assert scene.receivers.heard() == ["next"]

    play(scenario)


def test_a_receiver_may_say_how_long_to_wait_yet_not_for_ever() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a", retries=2)
        failure = replace(GONE, after_seconds=7.0)
        scene.receivers.failures[URL + "a"] = [failure, replace(GONE, after_seconds=9e9)]
        scene.tell("m")
        await scene.clock.advance(7.0 + courier.LONGEST_REST_SECONDS)
        assert scene.receivers.tries == [0.0, 7.0, 7.0 + courier.LONGEST_REST_SECONDS]
        assert scene.receivers.heard() == ["m"]

    play(scenario)


def test_what_trying_again_cannot_help_is_given_up_at_once() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        scene.receivers.failures[URL + "a"] = [REFUSED]
        scene.tell("refused")
        scene.tell("taken")
        await scene.clock.advance(1.0)
        assert len(scene.receivers.tries) == 2
        assert scene.receivers.heard() == ["taken"]

    play(scenario)


def test_an_edit_counts_from_the_next_try_on_and_one_that_is_gone_gets_nothing_more() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        scene.receivers.failures[URL + "a"] = [GONE]
        scene.tell("one")
        await scene.clock.advance(1.0)
        scene.put("a", url=f"{URL}new")
        await scene.clock.advance(2.0)
        assert scene.receivers.heard("new") == ["one"]
        scene.receivers.failures[f"{URL}new"] = [GONE]
        scene.tell("two")
        scene.tell("three")
        await scene.clock.advance(1.0)
        scene.store.remove(KIND, scene.put("a", url=f"{URL}new"))
        await scene.clock.advance(100.0)
        assert scene.receivers.heard("new") == ["one"]

    play(scenario)


def test_one_of_the_same_name_is_another_one() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        scene.tell("one")
        await scene.clock.advance(1.0)
        scene.put("a", metadata={"uid": "uid-other"})
        scene.tell("one")
        await scene.clock.advance(1.0)
        assert scene.receivers.heard() == ["one", "one"]

    play(scenario)


def test_no_provider_breaks_a_pass() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        scene.store.put(
            MD, {"metadata": {"labels": 7, "name": "iris", "namespace": "ml", "uid": "u"}}
        )
        scene.put("b", selector={"matchLabels": {"team": "risk"}})
        scene.tell("m")
        await scene.clock.advance(1.0)
        assert [name for name, _ in scene.recorder.problems] == ["notification_failed"]

    play(scenario)


# --- status --------------------------------------------------------------------------------------


def test_each_says_whether_it_can_be_used_and_what_came_of_it() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        found = await scene.said()
        assert found["Accepted"].status == "True"
        assert (found["Ready"].status, found["Ready"].reason) == ("Unknown", "NothingSent")
        scene.receivers.failures[URL + "a"] = [GONE]
        scene.tell("m")
        await scene.clock.advance(1.0)
        found = await scene.said()
        assert (found["Ready"].status, found["Ready"].reason) == ("False", "DeliveryFailed")
        assert found["Ready"].message == GONE.message
        await scene.clock.advance(2.0)
        found = await scene.said()
        assert (found["Ready"].status, found["Ready"].reason) == ("True", "Delivered")
        last = notifications.read_status(scene.api.written[-1]["status"])
        assert (last.delivered, last.failed, last.dropped) == (1, 0, 0)
        assert last.last_success_at == port_fakes.EPOCH + timedelta(seconds=2)
        assert last.last_failure_at == port_fakes.EPOCH

    play(scenario)


def test_what_cannot_be_used_says_why() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a", template="${nname}")
        found = await scene.said()
        assert (found["Accepted"].status, found["Accepted"].reason) == ("False", "TemplateInvalid")
        assert "nname is no variable" in found["Accepted"].message
        scene.tell("m")
        await scene.clock.advance(1.0)
        found = await scene.said()
        assert found["Ready"].status == "True", "the usual text was sent"
        scene.put("a", events=["RoledBack"])
        found = await scene.said()
        assert found["Accepted"].reason == "UnknownEvent"
        assert "did you mean RolledBack?" in found["Accepted"].message
        scene.receivers.closed = "host is not allowed"
        found = await scene.said()
        assert {it.reason for it in found.values()} == {"ReceiverNotAllowed"}
        scene.put("a", type="Pager")
        found = await scene.said()
        assert {it.reason for it in found.values()} == {"Invalid"}
        assert "spec.type" in found["Ready"].message
        scene.tell("nobody hears it")
        await scene.clock.advance(1.0)
        assert scene.receivers.heard() == ["m"]

    play(scenario)


def test_what_has_not_changed_is_not_written_again_and_counts_go_on_in_another_process() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        await scene.statuses.look()
        scene.put("a", status=scene.api.written[0]["status"])
        await scene.statuses.look()
        assert len(scene.api.written) == 1
        document = notifications.write_status(FULL_PROVIDER_STATUS)
        scene.put("b", status=document)
        await scene.statuses.look()
        assert len(scene.api.written) == 1, "another process said it"
        scene.tell("m")
        await scene.clock.advance(1.0)
        await scene.said("b")
        last = notifications.read_status(scene.api.written[-1]["status"])
        assert (last.delivered, last.failed, last.dropped) == (13, 1, 2)

    play(scenario)


def test_what_was_left_out_is_counted() -> None:
    async def scenario(scene: Scene) -> None:
        scene.put("a")
        scene.receivers.seconds[URL + "a"] = 1e6
        for number in range(CAPACITY + 4):
            scene.tell(f"{number}")
            await scene.clock.advance(0.2)
        await scene.said()
        last = notifications.read_status(scene.api.written[-1]["status"])
        assert last.dropped == 3, "one is on its way"

    play(scenario)


def test_a_provider_that_is_gone_is_forgotten() -> None:
    async def scenario(scene: Scene) -> None:
        body = scene.put("a")
        await scene.statuses.look()
        scene.store.remove(KIND, body)
        await scene.statuses.look()
        assert scene.news._couriers == {}

    play(scenario)


def test_nothing_is_said_in_a_namespace_that_another_operator_serves() -> None:
    async def scenario(_: Scene) -> None:
        scene = Scene(Settings(namespace_selector="team=a"))
        scene.put("a")
        await scene.statuses.look()
        assert scene.api.written == []
        scene.store.put(ports.NAMESPACE, {"metadata": {"name": "ml", "uid": "n"}})
        await scene.statuses.look()
        assert len(scene.api.written) == 1

    play(scenario)


def test_the_time_of_a_change_is_kept_until_the_next() -> None:
    one = model.NotificationProvider(name="a", generation=1)
    first = status_of(one, Tally(), model.NotificationStatus(), obstacle="", at=port_fakes.EPOCH)
    later = port_fakes.EPOCH + timedelta(hours=1)
    assert status_of(one, Tally(), first, obstacle="", at=later) == first
    closed = status_of(one, Tally(), first, obstacle="closed", at=later)
    assert {it.last_transition_at for it in closed.conditions} == {later}
