"""Autoscalers of revisions: how many pods the whole load needs, and what each of them may do.

At rest the number of stable's pods is its autoscaler's. During a rollout each side has at least the
pods that its weight needs of the whole load. The side with more of the load may grow, and the
whole load with it, so that the other side follows; where pods make the weight, that one may not move by
itself, since it would move the weight. `Frozen` keeps both as they were when the rollout began.
Source: api.md, 5.1; docs/adr/0042-autoscaling.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tidegate import model
from tidegate.model import actions
from tidegate.rollout.turn import Turn
from tidegate.traffic.plane import Plane, Weights, plane_of

Wishes = Sequence[tuple[model.Revision, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A revision with its part of the load."""

    revision: str
    is_stable: bool
    plane: Plane
    spec: model.Spec
    weight_percent: float  # of the candidate

    def pods(self, replicas: int) -> int:
        """Pods for its part of a load that so many pods carry."""
        sizing = self.plane.sizing
        count = sizing.stable_pods if self.is_stable else sizing.candidate_pods
        return count(self.weight_percent, replicas=replicas, scaling=self.spec.scaling)

    def load(self, pods: int, *, most: int) -> int:
        """The load whose part needs so many pods, or the next larger one that gives them; at most `most`."""
        share = 100 - self.weight_percent if self.is_stable else self.weight_percent
        least = min(math.ceil(pods * 100 / share), most)
        return next((it for it in range(least, most) if self.pods(it) >= pods), most)


def in_effect(seen: model.Observation) -> model.Observation:
    """What was seen, with the whole load as the autoscalers chose it in place of the number in spec.

    0 pods in spec switch autoscalers off, as with any of them.
    """
    spec = seen.spec
    if spec is None or spec.autoscaling is None or spec.replicas == 0:
        return seen
    load = spec.autoscaling.within(_load(seen, spec, spec.autoscaling))
    return replace(seen, spec=replace(spec, replicas=load))


def _load(seen: model.Observation, spec: model.Spec, asked: model.Autoscaling) -> int:
    """Pods for the whole load. During a rollout it only grows: both sides are in motion."""
    known = seen.status.autoscaled_replicas or 0
    rollout = seen.status.active_rollout
    stable = _state(seen, seen.status.stable.revision if seen.status.stable is not None else "")
    if rollout is None:
        if seen.status.stable is None:
            return known or _by_cluster(seen) or spec.replicas
        if stable is None or stable.wanted == 0:
            return known or spec.replicas
        return stable.wanted if stable.lowered else max(known, stable.wanted)
    side = _larger_side(seen, spec, rollout)
    state = _state(seen, side.revision)
    if not known:  # switched on meanwhile: the side with more of the load tells the whole
        carried = side.load(state.wanted, most=asked.max_replicas) if state is not None else 0
        known = max(carried, stable.wanted if stable is not None else 0) or spec.replicas
    if asked.during_rollout is model.DuringRollout.FROZEN:
        return known
    if state is None or not state.raised:
        return known
    return max(known, side.load(state.wanted, most=asked.max_replicas))


def _by_cluster(seen: model.Observation) -> int:
    """The whole load where status was lost: no pods are taken because nobody remembers them.

    Each revision that answers has at least the pods of its share, so that the smallest load that
    these tell is the nearest; none has more pods than the whole load needs.
    """
    shares, serving, whole = seen.traffic.weights, [0], []
    for revision, state in seen.revisions.items():
        share = shares.get(revision, 0.0)
        if share > 0 and state.wanted > 0:
            whole.append(math.ceil(state.wanted * 100 / share - 1e-6))
        if share > 0 or state.role is model.Role.STABLE:
            serving.append(state.wanted)
    return max(*serving, min(whole, default=0))


def _state(seen: model.Observation, revision: str) -> model.RevisionState | None:
    return seen.revisions.get(revision)


def _larger_side(seen: model.Observation, spec: model.Spec, rollout: model.Rollout) -> Side:
    """The side that has more of the load: its autoscaler sees it best."""
    weight = rollout.exposure.live_percent
    stable = seen.status.stable.revision if seen.status.stable is not None else ""
    is_stable = bool(stable) and weight <= 50
    return Side(
        revision=stable if is_stable else rollout.revision.hash,
        is_stable=is_stable,
        plane=plane_of(spec.traffic),
        spec=spec,
        weight_percent=weight if stable else 100.0,
    )


def keep(turn: Turn, wishes: Wishes) -> Turn:
    """Autoscalers with the limits that the wished numbers of pods leave them, and no others."""
    limits = dict(_limits(turn, wishes))
    for hash_, state in sorted(turn.seen.revisions.items()):
        wanted = limits.get(hash_)
        if wanted != state.autoscaler:
            turn = turn.act(actions.SetAutoscaler(revision=hash_, limits=wanted))
    replicas = turn.spec.replicas if is_on(turn.spec) else None
    return turn.with_status(replace(turn.status, autoscaled_replicas=replicas))


def is_on(spec: model.Spec) -> bool:
    """Autoscalers of ours set the numbers of pods."""
    return spec.autoscaling is not None and spec.replicas > 0


def moves(turn: Turn, revision: str) -> bool:
    """An autoscaler of ours may move this revision's number: nobody else's does."""
    state = turn.state_of(revision)
    return is_on(turn.spec) and not (state is not None and state.foreign_autoscaler)


def leaves(turn: Turn, state: model.RevisionState, replicas: int) -> bool:
    """The autoscaler added pods beyond the wished number, which is its right: they are needed."""
    asked, limits = turn.spec.autoscaling, state.autoscaler
    if asked is None or limits is None or not state.raised:
        return False
    return replicas < state.wanted <= limits.most


def _limits(turn: Turn, wishes: Wishes) -> Iterator[tuple[str, model.Autoscaler]]:
    asked = turn.spec.autoscaling
    if asked is None:
        return
    for revision, pods in wishes:
        if pods > 0 and moves(turn, revision.hash):
            least, most = _bounds(turn, asked, revision.hash, pods)
            yield (
                revision.hash,
                model.Autoscaler(least=least, most=most, cpu_percent=asked.cpu_percent),
            )


def _bounds(turn: Turn, asked: model.Autoscaling, revision: str, pods: int) -> tuple[int, int]:
    """Fewest and most pods of a revision that is to have so many now."""
    rollout = turn.active_rollout
    if rollout is None:
        return asked.min_replicas, asked.max_replicas
    if asked.during_rollout is model.DuringRollout.FROZEN:
        return pods, pods
    side = _larger_side(turn.seen, turn.spec, rollout)
    if side.revision == revision:
        return pods, max(pods, side.pods(asked.max_replicas))
    by_pod = turn.plane.capabilities.weights is Weights.BY_POD
    return pods, pods if by_pod else max(pods, asked.max_replicas)
