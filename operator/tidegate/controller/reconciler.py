"""One pass for one ModelDeployment; the only place that orders effects (architecture.md, 1).

Observe, decide, lower traffic where the decision says so, write the intent to status, carry out
the rest, record. A pass that changes nothing writes nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from tidegate import model, ports
from tidegate.api import workload_ref
from tidegate.controller.actuator import Actuator
from tidegate.controller.config_maps import ConfigMaps
from tidegate.controller.events import Events
from tidegate.controller.failing import Failing
from tidegate.controller.isolations import Isolations
from tidegate.controller.line import Line
from tidegate.controller.notify.courier import Notifications
from tidegate.controller.observer import Gone, Look, Observer
from tidegate.controller.ownership import Ownership
from tidegate.controller.refusals import Refusals
from tidegate.controller.rollbacks import Rollbacks
from tidegate.controller.smoke_tests import SmokeTests
from tidegate.controller.status_writer import StatusWriter
from tidegate.controller.store import Store
from tidegate.controller.workqueue import Done, Failed, Key, Outcome
from tidegate.model import actions
from tidegate.rollout import decide, serving

LOWERING_RETRY_SECONDS = 0.3
LASTING_RETRY_SECONDS = 3.0  # of one that has failed for so long that users were told
BLOCKED_RETRY_SECONDS = 300.0
BLOCKED_WATCH_SECONDS = 15.0  # while a candidate has traffic the safety watch must go on
SOON_SECONDS = 0.1
UNSEEN_LOOK_SECONDS = 5.0  # while nobody can see what a rollout gives its candidate
BOOKS_RETRY_SECONDS = 10.0
OTHER_OPERATOR_LOOK_SECONDS = 20.0
REST_SECONDS = 120.0  # until the next pass; below it, what would be packed is soon unpacked again


class Reconciler:
    """Brings one ModelDeployment a step closer to what its spec asks for."""

    def __init__(
        self,
        *,
        api: ports.KubeApi,
        store: Store,
        observer: Observer,
        smoke_tests: SmokeTests,
        isolations: Isolations,
        config_maps: ConfigMaps,
        ownership: Ownership,
        line: Line,
        rollbacks: Rollbacks,
        events: Events,
        notifications: Notifications,
        clock: ports.Clock,
        recorder: ports.Recorder,
        leading: Callable[[], bool],
    ) -> None:
        self._store = store
        self._line = line
        self._rollbacks = rollbacks
        self._observer = observer
        self._ownership = ownership
        self._actuator = Actuator(
            api=api,
            store=store,
            leading=leading,
            smoke_tests=smoke_tests,
            isolations=isolations,
            config_maps=config_maps,
        )
        self._events = events
        self._notifications = notifications
        self._status = StatusWriter(api=api, store=store, clock=clock, leading=leading)
        self._recorder = recorder
        self._leading = leading
        self._stale: set[Key] = set()
        self._known: set[Key] = set()
        self._blocked: dict[Key, model.Violation] = {}
        self._refusals = Refusals(clock=clock)
        self._failing = Failing(clock=clock)
        self._refused_books: dict[Key, set[tuple[str, str]]] = {}

    async def reconcile(self, key: Key) -> Outcome:
        """One pass. The outcome says when to look again; failures are retried with back-off."""
        if not self._ownership.serves(key):
            if self._leading():
                await self._ownership.let_go(key)
            self._forget(key)
            return Done()
        if owner := await self._ownership.served_by_another(key):
            return await self._leave_to(owner, key)
        self._refusals.begin(key)
        live = key in self._stale or self._takes_over(key)
        look = await self._observer.look(key, live=live, blocked=self._blocked.get(key))
        if isinstance(look, Gone):
            self._forget(key)
            return Done()
        if not isinstance(look, Look):
            unseen = UNSEEN_LOOK_SECONDS if self._store.is_unfinished(key) else math.inf
            return self._failed(key, look, exposed=False, next_look=unseen)
        if owner := await self._ownership.served_by_another(key):
            return await self._leave_to(owner, key)  # a live read has just told us
        self._stale.discard(key)
        self._known.add(key)
        # From here to the next write nobody else decides: a place is given once.
        everybody = replace(
            look.observation, queue=self._line.queue(), rollbacks=self._rollbacks.known()
        )
        decision = decide.decide(everybody)
        self._line.decided(key, decision.status)
        return await self._carry_out(key, look, decision)

    async def _leave_to(self, owner: str, key: Key) -> Outcome:
        """Another operator works on it; when that one is gone we do."""
        self._forget(key)
        if self._leading():
            await self._ownership.tell(key, owner)
        return Done(requeue_after_seconds=OTHER_OPERATOR_LOOK_SECONDS)

    def _takes_over(self, key: Key) -> bool:
        """A first look at what somebody else began: a follower's watch may have hung meanwhile."""
        return key not in self._known and self._store.is_unfinished(key)

    async def _carry_out(self, key: Key, look: Look, decision: actions.Decision) -> Outcome:
        exposed = _exposed(decision.status)
        for action in actions.lowering(decision.actions):
            failure = await self._lower(key, look, action)
            if isinstance(failure, ports.Fatal):
                return await self._lowering_refused(key, look, decision, failure)
            if failure is not None:
                return await self._lowering_failed(key, look, decision, failure)
        refused = await self._write_status(key, look, decision)
        if refused is not None:
            final = isinstance(refused, ports.Fatal)
            next_look = math.inf if final else decision.requeue_after_seconds
            return self._failed(key, refused, exposed=exposed, next_look=next_look)
        self._line.written(before=look.observation.status, after=decision.status)
        failure = await self._perform_all(key, actions.after_status(decision.actions), look)
        kept = await self._keep_books(key, look, actions.bookkeeping(decision.actions))
        self._record(look, decision)
        if failure is not None:
            next_look = min(decision.requeue_after_seconds, self._status.seconds_left(key))
            next_look = SOON_SECONDS if self._is_to_be_told(key, failure) else next_look
            return self._failed(key, failure, exposed=exposed, next_look=next_look)
        return self._done(key, decision, books_kept=kept)

    async def _write_status(
        self, key: Key, look: Look, decision: actions.Decision
    ) -> ports.Failure | None:
        """Write what was decided; the failure means that none of it stands."""
        failure = await self._status.write(key, look.observation, decision)
        if failure is None:
            self._observer.settled(key)
        return failure

    async def _perform_all(
        self, key: Key, wanted: Sequence[actions.Action], look: Look
    ) -> ports.Failure | None:
        """Carry out actions in order; the failure that the pass ends with, the intent stays.

        What was refused keeps back only what builds on it. A conflict ends the pass, since the rest was
        decided on an older state; so does the second failure that passes by itself, so that nothing
        hangs for long. One of those comes before a refusal: it is tried again soon.
        """
        failed: list[actions.Action] = []
        refused: ports.Fatal | None = None
        passing: ports.Retryable | None = None
        for action in wanted:
            if any(actions.builds_on(action, it) for it in failed):
                continue
            failure = await self._perform(key, action, look)
            if failure is None:
                continue
            if isinstance(failure, ports.Conflict) or (
                isinstance(failure, ports.Retryable) and passing is not None
            ):
                return failure
            failed.append(action)
            if isinstance(failure, ports.Retryable):
                passing = failure
            else:
                refused = refused or failure
        return passing or refused

    async def _perform(self, key: Key, action: actions.Action, look: Look) -> ports.Failure | None:
        """Carry out one action, unless it is known that it is refused."""
        if known := self._refusals.known(key, action):
            return known
        failure = await self._actuator.perform(action, look.around)
        if isinstance(failure, ports.Fatal):
            self._refusals.note(key, action, failure)
        return failure

    async def _keep_books(
        self, key: Key, look: Look, wanted: Sequence[actions.Bookkeeping]
    ) -> bool:
        """Create and delete records as far as possible; False when it is worth another try soon.

        What the API server refuses is reported once and left alone: a rollout never hangs on it.
        """
        refused = self._refused_books.setdefault(key, set())
        kept = True
        for action in wanted:
            name = _record_name(action)
            which = (type(action).__name__, name)
            if which in refused:
                continue
            failure = await self._actuator.perform(action, look.around)
            if isinstance(failure, ports.Retryable):
                kept = False
            elif failure is not None:
                refused.add(which)
                self._recorder.problem(
                    "record_refused",
                    namespace=key.namespace,
                    name=key.name,
                    record=name,
                    message=failure.message,
                )
        return kept

    async def _lower(self, key: Key, look: Look, action: actions.Action) -> ports.Failure | None:
        """Take traffic from the candidate: one write; on a conflict read once and write again."""
        failure = await self._actuator.perform(action, look.around)
        if not isinstance(failure, ports.Conflict):
            return failure
        again = await self._observer.look(key, live=True, blocked=None)
        if not isinstance(again, Look) or _candidate(again) != _candidate(look):
            return failure
        return await self._actuator.perform(action, again.around)

    def _record(self, look: Look, decision: actions.Decision) -> None:
        """Events, notifications, metrics and log, only for what the status write accepted."""
        meta = look.observation.meta
        for event in decision.events:
            self._events.tell(event, meta=meta)
            self._notifications.tell(event, meta=meta, status=decision.status)
        old, new = look.observation.status, decision.status
        if old.phase is not new.phase or decision.events:
            self._recorder.transition(_transition(meta, decision))
        if new.last_rollout != old.last_rollout and new.last_rollout is not None:
            self._recorder.rollout_ended(result=str(new.last_rollout.result))
        for by in decision.rejections:
            self._recorder.rollback(reason=by)
        for kind in serving.begun(new.monitoring, old.monitoring):
            self._recorder.drift(kind=kind)

    # --- outcomes --------------------------------------------------------------------------------

    def _done(self, key: Key, decision: actions.Decision, *, books_kept: bool) -> Outcome:
        self._refusals.forget(key)
        self._failing.forget(key)
        if self._blocked.pop(key, None) is not None:
            return Done(requeue_after_seconds=SOON_SECONDS)
        books = math.inf if books_kept else BOOKS_RETRY_SECONDS
        put_off = self._status.seconds_left(key)
        wait = min(decision.requeue_after_seconds, put_off, books)
        if wait >= REST_SECONDS:
            self._store.rest(key)
        return Done(requeue_after_seconds=wait)

    def _failed(
        self,
        key: Key,
        failure: ports.Failure,
        *,
        exposed: bool,
        next_look: float = math.inf,
    ) -> Outcome:
        match failure:
            case ports.Conflict():
                self._stale.add(key)
                return Failed(next_look_seconds=next_look)
            case ports.Retryable(after_seconds=after_seconds):
                return Failed(after_seconds=after_seconds, next_look_seconds=next_look)
            case ports.Fatal():
                return self._block(key, failure, exposed=exposed, next_look=next_look)

    def _block(
        self, key: Key, failure: ports.Fatal, *, exposed: bool, next_look: float = math.inf
    ) -> Outcome:
        """Tell the user what the API server refused; try again rarely, or when something changes.

        What the clock asks for meanwhile is looked at in time.
        """
        path = self._template_path(key) if failure.reason == "InvalidTemplate" else ""
        problem = model.Violation(path=path, message=failure.message, reason=failure.reason)
        known = self._blocked.get(key) == problem
        self._blocked[key] = problem
        retry = BLOCKED_WATCH_SECONDS if exposed else BLOCKED_RETRY_SECONDS
        next_look = next_look if known else SOON_SECONDS
        wait = self._refusals.wait(key, retry=retry, next_look=next_look)
        if known:
            return Done(requeue_after_seconds=wait)
        self._recorder.problem(
            "write_refused",
            namespace=key.namespace,
            name=key.name,
            reason=failure.reason,
            message=failure.message,
        )
        return Done(requeue_after_seconds=wait)

    def _template_path(self, key: Key) -> str:
        """The field that says where the pod template comes from."""
        body = self._store.get(ports.MODEL_DEPLOYMENT, namespace=key.namespace, name=key.name)
        return workload_ref.template_path(body or {})

    async def _lowering_failed(
        self, key: Key, look: Look, decision: actions.Decision, failure: ports.Failure
    ) -> Outcome:
        """A rollback does not wait for the normal back-off (reliability.md, 2).

        Where that lasts, status tells of it, and whoever cannot answer is asked less often.
        """
        self._stale.add(key)
        self._is_to_be_told(key, failure)
        if look.observation.blocked is None or isinstance(failure, ports.Conflict):
            return Done(requeue_after_seconds=LOWERING_RETRY_SECONDS, priority=True)
        if await self._write_status(key, look, decision) is None:
            self._record(look, decision)
        return Done(requeue_after_seconds=LASTING_RETRY_SECONDS, priority=True)

    def _is_to_be_told(self, key: Key, failure: ports.Failure) -> bool:
        """A failure that has lasted is told by the next pass, as it was said first."""
        found = self._failing.note(key, failure)
        if found is None or key in self._blocked:
            return False
        self._blocked[key] = found
        return True

    async def _lowering_refused(
        self, key: Key, look: Look, decision: actions.Decision, failure: ports.Fatal
    ) -> Outcome:
        """A decision whose status tells of the refusal stands, and its write is tried again and again.

        The first refusal is only kept: the next pass, which follows at once, knows of it.
        """
        if look.observation.blocked is not None:
            refused = await self._write_status(key, look, decision)
            if refused is not None:
                return self._failed(key, refused, exposed=True)
            self._record(look, decision)
        return self._block(key, failure, exposed=True)

    def _forget(self, key: Key) -> None:
        self._stale.discard(key)
        self._known.discard(key)
        self._blocked.pop(key, None)
        self._refusals.forget(key)
        self._failing.forget(key)
        self._refused_books.pop(key, None)
        self._status.forget(key)
        self._observer.forget(key)
        self._line.forget(key)


def _candidate(look: Look) -> str:
    rollout = look.observation.status.active_rollout
    return rollout.revision.hash if rollout is not None else ""


def _record_name(action: actions.Bookkeeping) -> str:
    return action.last.record if isinstance(action, actions.CreateRecord) else action.name


def _exposed(status: model.Status) -> bool:
    """Users may be answered by a candidate."""
    rollout = status.active_rollout
    return rollout is not None and rollout.exposure.answers_users


def _transition(meta: model.ObjectMeta, decision: actions.Decision) -> ports.Transition:
    status = decision.status
    step = status.rollout.step if status.rollout is not None else None
    return ports.Transition(
        namespace=meta.namespace,
        name=meta.name,
        generation=meta.generation,
        phase=str(status.phase),
        step=step.name if step is not None else "",
        decision=", ".join(event.reason for event in decision.events),
        fields={"message": status.message},
    )
