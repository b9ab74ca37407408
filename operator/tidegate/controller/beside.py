"""What is known beside the pass: ready URLs, probes, identities of series, verdicts, and the preflight.

All of it was asked for earlier or is asked for from here on; a pass reads the newest answers and
waits for none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from tidegate import model, ports
from tidegate.controller import preflight as preflights
from tidegate.controller import ready_url, subjects
from tidegate.controller.analysis.judge import Analyst
from tidegate.controller.children import Children
from tidegate.controller.identities import Identities, found_modes, with_modes
from tidegate.controller.inference import Inference
from tidegate.controller.isolations import Isolations
from tidegate.controller.permitted import Pod
from tidegate.controller.preflight import Preflight
from tidegate.controller.readiness import Readiness
from tidegate.controller.room import Rooms
from tidegate.controller.smoke_tests import SmokeTests
from tidegate.controller.training import TrainingProfiles
from tidegate.controller.watch.hooks import DriftHooks
from tidegate.controller.watch.served import served_of
from tidegate.controller.watch.watcher import Watcher
from tidegate.controller.workqueue import Key
from tidegate.evidence.drift import profiles
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Template, TrainingData
from tidegate.model import objects
from tidegate.rollout import phases, probing


class Beside:
    """The newest answers about one ModelDeployment, and what is to be asked next."""

    def __init__(
        self,
        *,
        analyst: Analyst,
        identities: Identities,
        preflight: Preflight,
        readiness: Readiness,
        inference: Inference,
        rooms: Rooms,
        smoke_tests: SmokeTests,
        isolations: Isolations,
        training: TrainingProfiles,
        watcher: Watcher,
        drift_hooks: DriftHooks,
    ) -> None:
        self._analyst = analyst
        self._identities = identities
        self._preflight = preflight
        self._readiness = readiness
        self._inference = inference
        self._rooms = rooms
        self._smoke_tests = smoke_tests
        self._isolations = isolations
        self._training_profiles = training
        self._watcher = watcher
        self._drift_hooks = drift_hooks
        self._uids: dict[Key, str] = {}

    def known(
        self,
        key: Key,
        seen: model.Observation,
        *,
        templates: Mapping[str, Template],
        children: Children,
    ) -> model.Observation:
        """The observation with what is known of it beside the pass."""
        self._uids[key] = seen.meta.uid
        failure, warning, awaited = self._ready_url(key, seen, children)
        return replace(
            seen,
            ready_url_failure=failure,
            ready_url_warning=warning,
            ready_url_awaited=awaited,
            probed=self._probed(key, seen, children),
            smoke_test=self._smoke_tests.newest(key, seen),
            isolation=self._isolations.newest(key, seen),
            identity=self._identity(key, seen, templates),
            analysis=self._analysis(key, seen, with_modes(templates, seen.status.identity)),
            preflight=self._preflight_of(key, seen, templates, children),
            room=self._rooms.newest(key, seen),
            watched=self._watched(key, seen, with_modes(templates, seen.status.identity)),
            hook=self._drift_hooks.newest(key, seen),
        )

    def forget(self, key: Key) -> None:
        """The object is gone: free what was kept for it."""
        self._identities.forget(key)
        self._readiness.forget(key)
        self._inference.forget(key)
        self._smoke_tests.forget(key)
        self._isolations.forget(key)
        self._training_profiles.forget(key)
        self._preflight.forget(key)
        self._rooms.forget(key)
        self._drift_hooks.forget(key)
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._analyst.forget(uid)
            self._watcher.forget(uid)

    def _ready_url(
        self, key: Key, seen: model.Observation, children: Children
    ) -> tuple[str, str, str]:
        """The server's own word on a candidate without traffic.

        Why it is not ready by that, why there is none, and whose answer is still to come.
        """
        rollout = seen.status.active_rollout
        made = seen.frozen.get(rollout.revision.hash) if rollout is not None else None
        asked = made is not None and bool(made.server.ready_path)
        if not asked or made is None or rollout is None or not _before_traffic(rollout):
            self._readiness.forget(key)
            return "", "", ""
        service = objects.revision_object_name(seen.meta.name, revision=rollout.revision.hash)
        path = made.server.ready_path
        unready = self._readiness.unready(
            key,
            revision=rollout.revision.hash,
            pods=_ready_pods(children.endpoint_slices, service=service),
            port=made.server.port,
            path=path,
        )
        template = _template(children, rollout.revision.hash)
        answers = {pod.address: answer for pod, answer in unready}
        failure, warning = ready_url.findings(answers, path=path, template=template)
        return failure, warning, ready_url.awaited(answers, path=path)

    def _probed(self, key: Key, seen: model.Observation, children: Children) -> model.Probed | None:
        """How a candidate that answers nobody yet has answered its synthetic inference."""
        rollout = seen.status.active_rollout
        probe = probing.probe_of(seen, rollout)
        made = seen.frozen.get(rollout.revision.hash) if rollout is not None else None
        if probe is None or made is None:
            self._inference.forget(key)
            return None
        revision = made.revision.hash
        service = objects.revision_object_name(seen.meta.name, revision=revision)
        return self._inference.newest(
            key,
            revision=revision,
            pods=_ready_pods(children.endpoint_slices, service=service),
            port=made.server.port,
            probe=probe,
            template=_template(children, revision),
            answers_others=self._readiness.has_answered(key),
        )

    def _identity(
        self, key: Key, seen: model.Observation, found: Mapping[str, Template]
    ) -> tuple[model.SourceIdentity, ...]:
        """How the sources of the metrics tell the revision that serves from others."""
        revision = _told_by(seen)
        if not revision:
            self._identities.forget(key)
            return ()
        newest = self._identities.newest(
            key,
            revision=revision,
            asked=(one.source for one in found.values()),
            kept=seen.status.identity,
            rollout=seen.status.rollout.id if seen.status.rollout is not None else "",
        )
        return found_modes(newest)

    def _analysis(
        self, key: Key, seen: model.Observation, found: Mapping[str, Template]
    ) -> model.AnalysisState:
        """The verdict on the weights that were confirmed; before them, what the steps can find."""
        rollout, spec = seen.status.active_rollout, seen.spec
        if rollout is None or spec is None or _unjudged(rollout):
            self._analyst.forget(seen.meta.uid)
            return model.AnalysisState()
        subject = subjects.subject_of(key, seen, rollout=rollout, spec=spec, found=found)
        references = self._training(
            key, seen, revision=subject.candidate, metrics=subject.analysis.metrics
        )
        subject = replace(subject, references=references)
        judged = _is_visited(seen, rollout) and subject.events
        if _before_traffic(rollout) or judged:
            return self._analyst.judged(subject)
        self._analyst.rest(seen.meta.uid)
        return model.AnalysisState()

    def _watched(
        self, key: Key, seen: model.Observation, found: Mapping[str, Template]
    ) -> tuple[model.WatchedMetric, ...] | None:
        """What the watch for the revision that serves has found; None where it rests."""
        served = served_of(key, seen, found=found)
        if served is None:
            self._watcher.forget(seen.meta.uid)
            if seen.status.active_rollout is None:
                self._training_profiles.forget(key)
            return None
        references = self._training(key, seen, revision=served.revision, metrics=served.metrics)
        return self._watcher.newest(replace(served, references=references))

    def _training(
        self, key: Key, seen: model.Observation, *, revision: str, metrics: Iterable[model.Metric]
    ) -> Mapping[str, TrainingData]:
        """The training data that metrics are held against, as of the revision's own version."""
        assert seen.spec is not None, key
        made = seen.frozen.get(revision)
        version = made.model.version if made is not None else seen.spec.model.version
        return {
            metric.name: profiles.reference_of(
                self._training_profiles.newest(key, metric.training),
                version=version,
                outputs=metric.preset == presets.PREDICTION_DRIFT,
            )
            for metric in metrics
            if metric.training is not None
        }

    def _preflight_of(
        self,
        key: Key,
        seen: model.Observation,
        found: Mapping[str, Template],
        children: Children,
    ) -> tuple[model.Preflight, ...] | None:
        """What the looks beside the passes found of the revision that serves, if it has pods."""
        stable, spec = _serving(seen), seen.spec
        if spec is None or stable is None:
            self._preflight.forget(key)
            return None
        service = objects.revision_object_name(seen.meta.name, revision=stable.revision)
        server, read = subjects.read_of_stable(seen, spec=spec, found=found)
        subject = preflights.Subject(
            namespace=seen.meta.namespace,
            name=seen.meta.name,
            uid=seen.meta.uid,
            revision=stable.revision,
            metrics=tuple(one for one in spec.analysis.metrics if one.name in read),
            templates=with_modes(read, seen.status.identity),
            server=server,
            data_plane=spec.analysis.data_plane,
            source=spec.analysis.source,
            addresses=tuple(
                sorted(
                    pod.address for pod in _ready_pods(children.endpoint_slices, service=service)
                )
            ),
            urgent=seen.status.active_rollout is not None,
        )
        return self._preflight.newest(key, subject)


def _template(children: Children, revision: str) -> model.Json:
    """The pod template of a revision that has a Deployment."""
    deployment = children.deployments.get(revision)
    return objects.at(deployment.snapshot, "spec", "template") if deployment else None


def _serving(seen: model.Observation) -> model.RevisionStatus | None:
    """Stable, while it has ready pods whose series can be looked for."""
    stable = seen.status.stable
    pods = seen.revisions.get(stable.revision) if stable is not None else None
    return stable if pods is not None and pods.ready and not seen.meta.deleting else None


def _told_by(seen: model.Observation) -> str:
    """The revision by whose series a source shows how it names revisions; empty where none has pods.

    Where the only pod was swapped in place, stable has none, and the candidate serves.
    """
    stable = _serving(seen)
    if stable is not None or seen.status.stable is None:
        return stable.revision if stable is not None else ""
    rollout = seen.status.active_rollout
    if rollout is None or rollout.exposure.live_percent < 100 or seen.meta.deleting:
        return ""
    pods = seen.revisions.get(rollout.revision.hash)
    return rollout.revision.hash if pods is not None and pods.ready else ""


def _before_traffic(rollout: model.Rollout) -> bool:
    return phases.phase_of(rollout) in phases.BEFORE_TRAFFIC


def _is_visited(seen: model.Observation, rollout: model.Rollout) -> bool:
    """Requests are meant for it and may come: of a stage that is taken again, while some are given yet."""
    revision, traffic = rollout.revision.hash, seen.traffic
    given = revision in traffic.answering or revision in traffic.mirrors
    return rollout.exposure.is_visited and (given or not rollout.is_taken_again)


def _unjudged(rollout: model.Rollout) -> bool:
    """The first revision, and what is promoted without analysis."""
    return rollout.stage is not None and rollout.stage.control is model.Control.NONE


def _ready_pods(slices: Iterable[ports.Object], *, service: str) -> set[Pod]:
    """The ready endpoints of a Service, each once."""
    return {
        Pod(address=address, uid=_uid(endpoint) or address)
        for body in slices
        if objects.label(body, objects.LABEL_SERVICE_NAME) == service
        for endpoint in body.get("endpoints") or []
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or []
    }


def _uid(endpoint: ports.Object) -> str:
    return str(objects.at(endpoint, "targetRef", "uid") or "")
