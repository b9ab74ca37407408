"""From Kubernetes objects to the words of `model` and back; total, whatever comes in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from tidegate import model
from tidegate.api import (
    analysis_reading,
    blue_green_types,
    checks,
    contour_types,
    gates,
    istio_types,
    monitoring_types,
    nginx_types,
    probe_types,
    route_types,
    scaling_types,
    server_types,
    shadow_types,
    smoke_test_types,
    step_types,
    tester_types,
    types,
    violations,
)
from tidegate.api.durations import seconds_of
from tidegate.api.profiles import PROFILES
from tidegate.api.revision import canonical, mapping
from tidegate.api.status import read_status, write_status
from tidegate.api.templates import read_template
from tidegate.api.workload_types import Autoscaling
from tidegate.evidence.queries import presets
from tidegate.evidence.queries.preset_rows import Preset
from tidegate.settings import MetricSourceSettings
from tidegate.traffic.plane import Weights, plane_of
from tidegate.traffic.sizing import whole

__all__ = ["read_meta", "read_request", "read_spec", "read_status", "read_template", "write_status"]

PREFIX = "tidegate.dev/"
REQUEST = f"{PREFIX}request"
REQUEST_REVISION = f"{PREFIX}request-revision"
REQUESTED_AT = f"{PREFIX}requested-at"
REQUEST_REASON = f"{PREFIX}request-reason"
REQUEST_STEP = f"{PREFIX}request-step"
AUTHOR = f"{PREFIX}author"

_SCRAPE_INTERVAL_SECONDS = 15.0
# Connections that live on make pods' shares differ from their number.
_SHARE_CHECKS = {
    Weights.BY_POD: model.ShareCheck.REPORT,
    Weights.EXACT: model.ShareCheck.HOLD,
    Weights.WHOLE: model.ShareCheck.OFF,
}
_SURGE_PERCENT = {Weights.BY_POD: 25.0, Weights.EXACT: 100.0}


def read_spec(
    body: Mapping[str, Any], *, sources: Mapping[str, MetricSourceSettings] | None = None
) -> tuple[model.Spec | None, tuple[model.Violation, ...]]:
    """The spec with every default filled in, and all reasons why it cannot be carried out.

    A spec is given whenever it can be read at all, whatever else is wrong: what runs must be watched,
    aborted and ended. Fields that are not known are left out of it and named with the reason
    `UnknownField`.
    `sources` are the metric sources of the operator's settings by name; `None` (offline) accepts
    any name and assumes scrapes every 15 s.

    Errors: none raised, on any JSON; a violation names the field and says what to change.
    Source: api.md, 2.2 and 5.
    """
    content = {part: canonical(mapping(body).get(part)) for part in ("metadata", "spec")}
    name = checks.name_violations(content)
    spec, found = violations.parse_known(types.Spec, content.get("spec"), path="spec")
    if spec is None:
        return None, name + found
    result = _spec(spec, meta=read_meta(body), content=content, sources=sources)
    more = checks.spec_violations(result, given=spec, body=content, sources=sources)
    return result, name + found + more


def read_meta(body: Mapping[str, Any]) -> model.ObjectMeta:
    """Identity and version of an object; empty where it says nothing usable."""
    metadata = mapping(mapping(body).get("metadata"))
    generation = metadata.get("generation")
    finalizers = metadata.get("finalizers")
    return model.ObjectMeta(
        namespace=_text(metadata.get("namespace")),
        name=_text(metadata.get("name")),
        uid=_text(metadata.get("uid")),
        generation=generation if isinstance(generation, int) else 0,
        resource_version=_text(metadata.get("resourceVersion")),
        deleting=bool(metadata.get("deletionTimestamp")),
        finalizers=tuple(_text(it) for it in finalizers) if isinstance(finalizers, list) else (),
        author=_text(mapping(metadata.get("annotations")).get(AUTHOR)),
    )


def read_request(annotations: Mapping[str, Any] | None) -> model.Request | None:
    """The request in an object's annotations as it was written, `None` where there is none."""
    given = mapping(annotations)
    if REQUEST not in given:
        return None
    return model.Request(
        request=_text(given[REQUEST]),
        revision=_text(given.get(REQUEST_REVISION)),
        requested_at=_text(given.get(REQUESTED_AT)),
        reason=_text(given.get(REQUEST_REASON)),
        step=_text(given.get(REQUEST_STEP)),
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _spec(
    spec: types.Spec,
    *,
    meta: model.ObjectMeta,
    content: Mapping[str, Any],
    sources: Mapping[str, MetricSourceSettings] | None,
) -> model.Spec:
    source = (sources or {}).get(spec.analysis.source)
    scrape = source.scrape_interval_seconds if source else _SCRAPE_INTERVAL_SECONDS
    server = _server(spec.server)
    service = _service(spec.service, default_name=meta.name, server=server)
    analysis = analysis_reading.analysis(
        spec.analysis,
        scrape_seconds=scrape,
        missing=analysis_reading.missing_metrics(spec.analysis, server=server, service=service),
    )
    blue_green = _blue_green(spec, default_name=meta.name, min_requests=analysis.min_requests)
    traffic = _traffic(spec.traffic, exclusive=blue_green is not None)
    least_deadline = PROFILES[spec.analysis.profile].deadline_seconds
    return model.Spec(
        model=_model(spec.model, default_name=meta.name),
        server=server,
        replicas=_replicas(spec.workload),
        template=mapping(content["spec"]["workload"].get("template")),
        service=service,
        traffic=traffic,
        steps=_steps(
            spec.strategy.canary,
            min_requests=analysis.min_requests,
            least_deadline=least_deadline,
        ),
        scaling=_scaling(spec.strategy.scaling, weights=plane_of(traffic).capabilities.weights),
        blue_green=blue_green,
        shadow=_shadow(spec.strategy.shadow, least_deadline=least_deadline),
        warm_up=_warm_up(spec.strategy),
        probe=probe_types.read(spec.server.probe),
        first_rollout=spec.strategy.first_rollout,
        bake=model.Bake(
            seconds=seconds_of(spec.strategy.post_promotion.bake),
            kept_percent=spec.strategy.post_promotion.keep_previous_percent,
        ),
        autoscaling=_autoscaling(spec.workload.autoscaling),
        scale_down_delay_seconds=seconds_of(spec.strategy.scale_down_delay),
        analysis=analysis,
        monitoring=monitoring_types.read(spec.monitoring),
        rollback=model.Rollback(
            report_as=spec.rollback.report_as,
            keep_candidate_seconds=seconds_of(spec.rollback.keep_candidate_for),
            window_revisions=spec.rollback.window.revisions,
        ),
        progress_deadline_seconds=seconds_of(spec.progress_deadline),
        revision_history_limit=spec.revision_history_limit,
        rollout_history_limit=spec.rollout_history_limit,
        automation=model.Automation(
            level=spec.automation.level, decision_mode=spec.automation.decision_mode
        ),
        artifacts=tuple(_artifact(it) for it in spec.model.artifacts),
        smoke_test=_smoke_test(spec, content["spec"]),
        paused=spec.paused,
    )


def _autoscaling(given: Autoscaling | None) -> model.Autoscaling | None:
    if given is None:
        return None
    return model.Autoscaling(
        min_replicas=given.min_replicas,
        max_replicas=given.max_replicas,
        cpu_percent=given.cpu_utilization_percent,
        during_rollout=given.during_rollout,
    )


def _replicas(given: types.Workload) -> int:
    """The pods of the start, within the limits of the autoscalers; 0 switches those off."""
    limits = _autoscaling(given.autoscaling)
    return limits.within(given.replicas) if limits and given.replicas else given.replicas


def _model(given: types.Model, *, default_name: str) -> model.Model:
    return model.Model(
        name=given.name or default_name,
        version=given.version,
        uri=given.uri or "",
        digest=given.digest or "",
    )


def _smoke_test(spec: types.Spec, document: Mapping[str, Any]) -> model.SmokeTestJob | None:
    given = spec.strategy.blue_green
    job = given.pre_promotion.job if given is not None else None
    return smoke_test_types.made_of(job, document) if job is not None else None


def _artifact(given: types.Artifact) -> model.Artifact:
    return model.Artifact(name=given.name, uri=given.uri or "", digest=given.digest or "")


def _server(given: server_types.Server) -> model.Server:
    preset = presets.PRESETS[given.preset]
    port = given.port or preset.port
    return model.Server(
        preset=given.preset,
        port=port,
        metrics_port=given.metrics_port or preset.metrics_port or port,
        metrics_path=given.metrics_path or preset.metrics_path,
        ready_path=_ready_path(given.ready_path, preset=preset),
    )


def _ready_path(given: str | None, *, preset: Preset) -> str:
    """The path to ask; empty where none is known or the spec says that none is asked."""
    if given is None:
        return preset.ready_path
    return "" if given == server_types.READY_PATH_OFF else given


def _service(
    given: types.Service, *, default_name: str, server: model.Server
) -> model.EntryService:
    return model.EntryService(
        name=given.name or default_name,
        port=given.port,
        target_port=given.target_port or server.port,
        app_protocol=given.app_protocol or "",
    )


def _blue_green(
    spec: types.Spec, *, default_name: str, min_requests: int
) -> model.BlueGreen | None:
    if spec.strategy.type != "BlueGreen":
        return None
    given = spec.strategy.blue_green or blue_green_types.BlueGreen()
    before = given.pre_promotion
    seconds = seconds_of(before.duration)
    return model.BlueGreen(
        preview_service=given.preview.service_name or f"{default_name}-preview",
        preview_percent=given.preview.replicas_percent,
        preview_seconds=seconds,
        deadline_seconds=_deadline(
            before.deadline,
            hold=seconds,
            least=PROFILES[spec.analysis.profile].deadline_seconds,
        ),
        min_requests=before.min_requests or (min_requests if before.mirror_percent else 0),
        mirror_percent=before.mirror_percent,
        auto_promote=given.auto_promote,
        smoke_test=before.job is not None,
        routes=tester_types.read(given.preview.routes),
    )


def _traffic(given: types.Traffic, *, exclusive: bool) -> model.Traffic:
    gateway = given.gateway_api
    refs = (gateway.route_refs or []) if gateway else []
    traffic = model.Traffic(
        provider=given.provider,
        exclusive=exclusive,
        gateway=_gateway(gateway) if gateway and not refs else None,
        routes=tuple(model.RouteRef(kind=it.kind, name=it.name) for it in refs),
        contour=contour_types.read(given.contour) if given.contour else None,
        istio=istio_types.read(given.istio) if given.istio else None,
        nginx=nginx_types.read(given.nginx) if given.nginx else None,
        verify_timeout_seconds=seconds_of(given.verify.timeout),
        share_tolerance=given.verify.tolerance,
    )
    usual = _SHARE_CHECKS[plane_of(traffic).capabilities.weights]
    return replace(traffic, share_check=given.verify.share or usual)


def _gateway(given: route_types.GatewayAPI) -> model.GatewayRoute:
    return model.GatewayRoute(
        parents=tuple(
            model.ParentRef(
                name=it.name,
                namespace=it.namespace or "",
                section_name=it.section_name or "",
                port=it.port or 0,
            )
            for it in given.parent_refs or []
        ),
        kind=given.route_kind,
        hostnames=tuple(given.hostnames),
        path_prefixes=tuple(it.path.value for it in given.matches),
        request_timeout=given.timeouts.request or "",
        backend_request_timeout=given.timeouts.backend_request or "",
        filters=tuple(_filter(it) for it in given.filters),
    )


def _filter(given: route_types.RouteFilter) -> model.HeaderFilter:
    modifier = given.request_header_modifier or given.response_header_modifier
    assert modifier is not None, "the schema requires the member that type names"
    return model.HeaderFilter(
        side=model.HeaderSide(given.type),
        set=tuple((it.name, it.value) for it in modifier.set),
        add=tuple((it.name, it.value) for it in modifier.add),
        remove=tuple(modifier.remove),
    )


def _steps(
    given: types.Canary, *, min_requests: int, least_deadline: float
) -> tuple[model.Step, ...]:
    names = [step.name for step in given.steps]
    return tuple(
        replace(
            _step(step, min_requests=min_requests, least_deadline=least_deadline),
            routes=tester_types.routes_at(step.name, steps=names, routes=given.routes),
        )
        for step in given.steps
    )


def _step(given: step_types.Step, *, min_requests: int, least_deadline: float) -> model.Step:
    hold = seconds_of(given.hold)
    return model.Step(
        name=given.name,
        weight_percent=given.weight,
        hold_seconds=hold,
        deadline_seconds=_deadline(given.deadline, hold=hold, least=least_deadline),
        min_requests=given.min_requests or min_requests,
        gate=gates.gate(given.approval) if given.approval else None,
        limits=tuple(
            model.StepLimit(name=it.name, threshold=analysis_reading.threshold(it.threshold))
            for it in given.metrics
        ),
        replicas=given.replicas or 0,
        replicas_percent=given.replicas_percent or 0.0,
        mirror_percent=given.mirror_percent,
    )


def _deadline(given: str | None, *, hold: float, least: float) -> float:
    """Longest wait for proof in seconds."""
    return seconds_of(given) if given else max(least, 4 * hold)


def _shadow(given: shadow_types.Shadow | None, *, least_deadline: float) -> model.Shadow | None:
    if given is None:
        return None
    duration = seconds_of(given.duration)
    return model.Shadow(
        mirror=model.Mirror(percent=given.mirror_percent, seconds=duration),
        deadline_seconds=_deadline(given.deadline, hold=duration, least=least_deadline),
        min_requests=given.min_requests,
        then=given.then,
        agreement=_agreement(given.compare),
        isolated=given.egress is not None,
    )


def _agreement(given: shadow_types.ShadowCompare | None) -> model.Agreement | None:
    if given is None:
        return None
    return model.Agreement(
        template=analysis_reading.template_ref(given.template_ref),
        reference=given.reference,
        threshold=analysis_reading.threshold(given.threshold),
        min_pairs=given.min_pairs,
    )


def _warm_up(strategy: types.Strategy) -> model.Mirror | None:
    """That of the canary; what a shadow has had copies for is warm."""
    given = strategy.canary.warmup
    if given is None or strategy.shadow is not None:
        return None
    return model.Mirror(percent=given.mirror_percent, seconds=seconds_of(given.duration))


def _scaling(given: scaling_types.Scaling, *, weights: Weights) -> model.Scaling:
    if weights is Weights.WHOLE:
        return whole.SCALING
    policy = given.surge_policy
    added = _SURGE_PERCENT[weights] if policy is model.SurgePolicy.SURGE else 0.0
    missing = 100.0 if policy is model.SurgePolicy.RECREATE else 0.0
    return model.Scaling(
        match_traffic=given.match_traffic,
        min_replicas=given.min_replicas,
        max_surge_percent=analysis_reading.given_or(given.max_surge_percent, added),
        max_unavailable_percent=analysis_reading.given_or(given.max_unavailable_percent, missing),
        surge_policy=policy,
    )
