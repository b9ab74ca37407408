from __future__ import annotations

import asyncio
import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from port_fakes import EPOCH, FixedRng, ManualClock, MemoryRecorder, settle

from tidegate import ports
from tidegate.controller.leader import Election, Elector, LeadershipLostError
from tidegate.settings import LeaderElectionSettings

SETTINGS = LeaderElectionSettings()


class LeaseApi:
    """The Lease endpoint: versions, conflicts, and outages on demand."""

    def __init__(self) -> None:
        self.lease: ports.Object | None = None
        self.version = 0
        self.fails: ports.Failure | None = None
        self.loses_reply = False
        self.writes = 0

    async def get_lease(self, *, namespace: str, name: str) -> ports.Result[ports.Object | None]:
        assert (namespace, name) == (SETTINGS.namespace, SETTINGS.name)
        return self.fails or ports.Ok(copy.deepcopy(self.lease))

    async def put_lease(
        self, *, namespace: str, name: str, body: ports.Object
    ) -> ports.Result[ports.Object]:
        assert (namespace, name) == (SETTINGS.namespace, SETTINGS.name)
        if self.fails is not None:
            return self.fails
        current = self.lease["metadata"]["resourceVersion"] if self.lease else None
        if body["metadata"].get("resourceVersion") != current:
            return ports.Conflict(message="the object has been modified")
        assert body["spec"].get("holderIdentity", "x"), "the API server refuses an empty holder"
        self.set(body["spec"])
        self.writes += 1
        if self.loses_reply:
            return ports.Retryable(message="timeout", maybe_applied=True)
        assert self.lease is not None
        return ports.Ok(copy.deepcopy(self.lease))

    def set(self, spec: dict[str, Any]) -> None:
        self.version += 1
        self.lease = {"metadata": {"resourceVersion": str(self.version)}, "spec": dict(spec)}

    def touch(self) -> None:
        """A new version of the same content."""
        assert self.lease is not None
        self.set(self.lease["spec"])

    @property
    def holder(self) -> str:
        return self.lease["spec"].get("holderIdentity", "") if self.lease else ""


class World:
    """Electors on one Lease and one clock."""

    def __init__(self) -> None:
        self.api = LeaseApi()
        self.clock = ManualClock()
        self.recorder = MemoryRecorder()
        self.acquired: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, pod: str, *, api: Any = None) -> Elector:
        elector = Elector(
            api=api or self.api,  # type: ignore[arg-type]  # only the Lease verbs are used
            clock=self.clock,
            rng=FixedRng(),
            recorder=self.recorder,
            settings=SETTINGS,
            pod_name=pod,
        )
        running = elector.run(on_acquired=lambda: self.acquired.append(pod))
        self.tasks[pod] = asyncio.create_task(running)
        return elector

    async def stop(self, pod: str) -> None:
        self.tasks[pod].cancel()
        await asyncio.gather(self.tasks[pod], return_exceptions=True)

    async def close(self) -> None:
        for pod in self.tasks:
            await self.stop(pod)


def play(scenario: Any) -> None:
    async def played() -> None:
        world = World()
        try:
            await scenario(world)
        finally:
            await world.close()

    asyncio.run(played())


def test_first_candidate_leads_and_the_second_waits() -> None:
    async def scenario(world: World) -> None:
        a, b = world.start("a"), world.start("b")
        await world.clock.advance(60)
        assert (a.leading(), b.leading()) == (True, False)
        assert (a.epoch(), b.epoch()) == (1, 0)
        assert world.acquired == ["a"]
        assert world.api.holder == a.identity

    play(scenario)


def test_killed_leader_is_replaced_after_the_lease_duration() -> None:
    async def scenario(world: World) -> None:
        world.start("a")
        await settle()
        b = world.start("b")
        await world.clock.advance(10)
        await world.stop("a")
        await world.clock.advance(14)
        assert not b.leading()
        await world.clock.advance(4)
        assert b.leading()
        assert b.epoch() == 2

    play(scenario)


def test_standby_looks_at_the_moment_when_the_lease_runs_out() -> None:
    """Not up to a whole period later: rollouts wait meanwhile."""

    async def scenario(world: World) -> None:
        world.api.set(
            {"holderIdentity": "dead_1", "leaseDurationSeconds": 15, "leaseTransitions": 1}
        )
        elector = world.start("b")
        await world.clock.advance(14.9)
        assert not elector.leading()
        await world.clock.advance(0.1)
        assert elector.leading()

    play(scenario)


def test_released_lease_is_taken_at_the_next_look() -> None:
    async def scenario(world: World) -> None:
        a = world.start("a")
        await settle()
        b = world.start("b")
        await world.clock.advance(5)
        await world.stop("a")
        await a.release()
        assert not a.leading()
        assert world.api.holder == ""
        await world.clock.advance(2)
        assert b.leading()
        assert b.epoch() == 2

    play(scenario)


def test_release_survives_a_renewal_whose_reply_was_cut_off() -> None:
    async def scenario(world: World) -> None:
        a = world.start("a")
        await settle()
        await world.stop("a")
        world.api.touch()  # the renewal landed, its reply did not arrive
        await a.release()
        assert world.api.holder == ""

    play(scenario)


def test_release_leaves_the_lease_of_a_successor_alone() -> None:
    async def scenario(world: World) -> None:
        a = world.start("a")
        await settle()
        await world.stop("a")
        world.api.set({"holderIdentity": "b", "leaseTransitions": 2, "leaseDurationSeconds": 15})
        await a.release()
        assert world.api.holder == "b"

    play(scenario)


def test_leader_stops_acting_at_its_renew_deadline_and_ends() -> None:
    async def scenario(world: World) -> None:
        a = world.start("a")
        await world.clock.advance(0)
        world.api.fails = ports.Retryable(message="connection refused")
        await world.clock.advance(9.9)
        assert a.leading()
        await world.clock.advance(0.1)
        assert not a.leading()
        await world.clock.advance(2)
        with pytest.raises(LeadershipLostError, match="not renewed for 10 s"):
            world.tasks["a"].result()
        assert world.recorder.problems == [("lease_unavailable", {"error": "connection refused"})]
        assert world.recorder.leads[-1] is False

    play(scenario)


def test_short_outage_does_not_end_leadership() -> None:
    async def scenario(world: World) -> None:
        a = world.start("a")
        await world.clock.advance(4)
        world.api.fails = ports.Retryable(message="503")
        await world.clock.advance(7)
        world.api.fails = None
        await world.clock.advance(60)
        assert a.leading()
        assert a.epoch() == 1

    play(scenario)


def test_leader_ends_when_somebody_else_holds_the_lease() -> None:
    async def scenario(world: World) -> None:
        world.start("a")
        await world.clock.advance(4)
        world.api.set({"holderIdentity": "b", "leaseTransitions": 7, "leaseDurationSeconds": 15})
        await world.clock.advance(2)
        with pytest.raises(LeadershipLostError, match="held by b"):
            world.tasks["a"].result()

    play(scenario)


def test_leader_goes_on_when_only_the_version_of_its_lease_changed() -> None:
    async def scenario(world: World) -> None:
        a = world.start("a")
        await world.clock.advance(4)
        world.api.touch()
        await world.clock.advance(6)
        assert a.leading()
        assert a.epoch() == 1

    play(scenario)


def test_acquisition_with_a_lost_reply_is_found_again_under_one_epoch() -> None:
    async def scenario(world: World) -> None:
        world.api.loses_reply = True
        a = world.start("a")
        await world.clock.advance(1)
        assert not a.leading()
        world.api.loses_reply = False
        await world.clock.advance(2)
        assert a.leading()
        assert a.epoch() == 1

    play(scenario)


def test_times_in_the_record_are_never_compared() -> None:
    async def scenario(world: World) -> None:
        world.api.set(
            {
                "holderIdentity": "dead",
                "leaseDurationSeconds": 15,
                "leaseTransitions": 3,
                "renewTime": "1999-01-01T00:00:00.000000Z",
            }
        )
        a = world.start("a")
        await world.clock.advance(14)
        assert not a.leading(), "an old renewTime proves nothing"
        await world.clock.advance(2)
        assert a.leading()
        assert a.epoch() == 4

    play(scenario)


def test_of_two_candidates_for_an_expired_lease_one_wins() -> None:
    async def scenario(world: World) -> None:
        world.api.set({"holderIdentity": "dead", "leaseDurationSeconds": 15})
        a, b = world.start("a"), world.start("b")
        await world.clock.advance(30)
        assert [a.leading(), b.leading()].count(True) == 1
        assert world.acquired in (["a"], ["b"])

    play(scenario)


def test_candidate_keeps_asking_through_an_outage_and_reports_it_once() -> None:
    async def scenario(world: World) -> None:
        world.api.fails = ports.Fatal(reason="Forbidden", message="may not get leases")
        a = world.start("a")
        await world.clock.advance(60)
        assert len(world.recorder.problems) == 1
        world.api.fails = None
        await world.clock.advance(2)
        assert a.leading()

    play(scenario)


class Cut:
    """The way of one replica to the Lease; it can be interrupted, with or without effect."""

    def __init__(self, api: LeaseApi) -> None:
        self._api = api
        self.state = "open"

    async def get_lease(self, **names: str) -> ports.Result[ports.Object | None]:
        if self.state != "open":
            return ports.Retryable(message="cut")
        return await self._api.get_lease(**names)

    async def put_lease(self, **arguments: Any) -> ports.Result[ports.Object]:
        if self.state == "cut":
            return ports.Retryable(message="cut", maybe_applied=True)
        written = await self._api.put_lease(**arguments)
        if self.state == "deaf":
            return ports.Retryable(message="deaf", maybe_applied=True)
        return written


scripts = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["open", "cut", "deaf"]), st.floats(0.1, 20)),
    max_size=25,
)


@given(scripts)
@settings(max_examples=60, deadline=None)
def test_two_replicas_never_lead_at_once_and_epochs_only_grow(
    script: list[tuple[int, str, float]],
) -> None:
    async def scenario() -> None:
        world = World()
        cuts = [Cut(world.api) for _ in range(3)]
        electors = [world.start(f"pod-{i}", api=cut) for i, cut in enumerate(cuts)]
        newest = 0
        for number, state, seconds in script:
            cuts[number].state = state
            for _ in range(max(1, int(seconds / 0.5))):
                await world.clock.advance(0.5)
                leaders = [elector for elector in electors if elector.leading()]
                assert len(leaders) <= 1
                for elector in leaders:
                    assert elector.epoch() >= newest
                    newest = elector.epoch()
        await world.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("namespaces", "served", "not_served"), [((), "ml", None), (("a", "ml"), "ml", "m")]
)
def test_the_lease_says_which_namespaces_its_holder_serves(
    namespaces: tuple[str, ...], served: str, not_served: str | None
) -> None:
    holder = Election(identity="pod", settings=SETTINGS, namespaces=namespaces)
    other = Election(identity="", settings=SETTINGS)
    assert other.serves("anything")
    other.observe(holder.body(wall=EPOCH), now=0.0)
    assert other.serves(served)
    assert not_served is None or not other.serves(not_served)
