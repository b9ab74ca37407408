"""The ModelDeployment as users write it (api.md, 3 to 5): the source of CRD, docs and checks.

A default given here is the built-in one. It is applied in code and kept out of the CRD, except
for `paused` (api.md, 2.2).
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from tidegate import model
from tidegate.api import schema, shadow_types, strategy_rules
from tidegate.api.analysis_types import Analysis
from tidegate.api.blue_green_types import ONE_STRATEGY, BlueGreen
from tidegate.api.contour_types import Contour
from tidegate.api.istio_types import Istio
from tidegate.api.monitoring_types import Monitoring
from tidegate.api.nginx_types import NGINX, RULES_WITH_NGINX
from tidegate.api.pod_types import PodTemplate
from tidegate.api.probe_types import FIRST_NEEDS_PROBE
from tidegate.api.route_types import GatewayAPI
from tidegate.api.scaling_types import Scaling
from tidegate.api.schema import DurationBetween, Keyed, Part, Rule, built_in
from tidegate.api.server_types import Server
from tidegate.api.steering_types import Automation
from tidegate.api.step_types import Step
from tidegate.api.tester_types import ROUTES_NEED_GATEWAY, ROUTES_OF_STEPS, CanaryRoute
from tidegate.api.workload_types import Autoscaling, WorkloadRef

NAME_MAX_LENGTH = 33  # longer, and pod names lose the revision (api.md, 2.4)

Provider = Annotated[model.Provider, schema.LAX]
FirstRollout = Annotated[model.FirstRollout, schema.LAX]


class Artifact(Part):
    """Something the model needs besides its own file, such as a tokenizer."""

    name: schema.Name = Field(description="Name of the artefact.")
    uri: schema.Uri | None = Field(default=None, description="Place of the artefact.")
    digest: schema.Digest | None = Field(default=None, description="Digest of the artefact.")


class Model(Part):
    """Identity of the served model; a change of anything here makes a new revision."""

    name: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None,
        description="Name of the model, given to the containers as TIDEGATE_MODEL_NAME.",
        json_schema_extra=built_in("metadata.name"),
    )
    version: Annotated[str, Field(min_length=1, max_length=63, pattern=schema.LABEL)] = Field(
        description="Version for people. Quote it in YAML: 1.10 is a number, and equal to 1.1."
    )
    uri: schema.Uri | None = Field(
        default=None,
        description="Place of the model, given to the containers as TIDEGATE_MODEL_URI.",
    )
    digest: schema.Digest | None = Field(
        default=None,
        description="Digest of the model file. Without it new bytes under an old URI go unseen.",
    )
    artifacts: Annotated[list[Artifact], Field(max_length=16), Keyed("name")] = Field(
        default=[], description="Further files the model needs."
    )


class Workload(Part):
    """The pods that serve a revision."""

    replicas: Annotated[int, Field(ge=0, le=5000)] = Field(
        default=1,
        description="Pods of a revision that gets all traffic; kubectl scale sets it.",
        # The scale subresource answers only where the object itself has a number.
        json_schema_extra={schema.KEEP_DEFAULT: True},
    )
    autoscaling: Autoscaling | None = Field(
        default=None, description="An autoscaler for each live revision; none by default."
    )
    template: PodTemplate | None = Field(
        default=None, description="Template of the pods; this or workloadRef."
    )
    workload_ref: WorkloadRef | None = Field(
        default=None,
        description="A Deployment whose pod template is taken; a change of it makes a new revision.",
    )
    track_config_maps: Literal["Ignore", "Snapshot"] = Field(
        default="Ignore",
        description=(
            "Snapshot: each revision has its own copies of the ConfigMaps that the template names, and a "
            "change of one makes a new revision. Ignore: all revisions share them as they are."
        ),
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V2",
            cel="has(self.template) != has(self.workloadRef)",
            message=(
                "exactly one of template and workloadRef must be set: write the pod template, or name "
                "the Deployment that has it"
            ),
            field="template",
            holds=lambda it: (it.template is None) != (it.workload_ref is None),
        ),
    )


class Service(Part):
    """The entry Service, which clients use."""

    name: schema.ServiceName | None = Field(
        default=None,
        description="Name of the entry Service; cannot be changed later.",
        json_schema_extra=built_in("metadata.name"),
    )
    port: schema.Port = Field(default=80, description="Port of the entry Service.")
    target_port: schema.Port | None = Field(
        default=None,
        description="Port of the pods behind it.",
        json_schema_extra=built_in("server.port"),
    )
    app_protocol: Annotated[str, Field(min_length=1, max_length=253)] | None = Field(
        default=None, description="Application protocol of the port, such as kubernetes.io/h2c."
    )


ShareCheck = Annotated[model.ShareCheck, schema.LAX]


class Verify(Part):
    """Waiting for the data plane, and the share that it really gives."""

    timeout: Annotated[str, DurationBetween("5s", "30m")] = Field(
        default="2m",
        description="Longest wait for the route to be accepted; the step does not start before.",
    )
    share: ShareCheck | None = Field(
        default=None,
        description="What a measured share that differs from the weight does; never a rollback.",
        json_schema_extra=built_in("Hold; under ReplicaRatio Report"),
    )
    tolerance: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.25, description="Relative band around the weight that is no difference."
    )


def _belongs_to(provider: model.Provider, *, rule_id: str, member: str, attribute: str) -> Rule:
    """The settings of a data plane are set exactly with it."""
    return Rule(
        id=rule_id,
        cel=f"(self.?provider.orValue('ReplicaRatio') == '{provider}') == has(self.{member})",
        message=(
            f"member {member} must be set exactly when provider is {provider} (default "
            f"provider: ReplicaRatio): set provider: {provider} with {member}, or neither"
        ),
        field=member,
        holds=lambda it: (it.provider is provider) == (getattr(it, attribute) is not None),
    )


class Traffic(Part):
    """Which data plane carries the split between stable and candidate."""

    provider: Provider = Field(
        default=model.Provider.REPLICA_RATIO,
        description=(
            "ReplicaRatio: one Service and pod counts. GatewayAPI: weights of a route. Contour: weights "
            "of an HTTPProxy. Istio: weights of a VirtualService. Traefik: those of a "
            "TraefikService, which your IngressRoute names. NGINX: those of a VirtualServer, in whole percents."
        ),
    )
    gateway_api: GatewayAPI | None = Field(
        default=None,
        alias="gatewayAPI",
        description="The route; set exactly when provider is GatewayAPI.",
    )
    contour: Contour | None = Field(
        default=None, description="The HTTPProxy; set exactly when provider is Contour."
    )
    istio: Istio | None = Field(
        default=None, description="The VirtualService; set exactly when provider is Istio."
    )
    nginx: NGINX | None = Field(
        default=None, description="The VirtualServer; set exactly when provider is NGINX."
    )
    verify: Verify = Field(default=Verify(), description="Waiting for the data plane.")
    rules: ClassVar[tuple[Rule, ...]] = (
        _belongs_to(
            model.Provider.GATEWAY_API, rule_id="V5", member="gatewayAPI", attribute="gateway_api"
        ),
        _belongs_to(model.Provider.CONTOUR, rule_id="V50", member="contour", attribute="contour"),
        _belongs_to(model.Provider.ISTIO, rule_id="V96", member="istio", attribute="istio"),
        _belongs_to(model.Provider.NGINX, rule_id="V108", member="nginx", attribute="nginx"),
    )


def _default_step(percent: int) -> Step:
    return Step(name=f"p{percent}", weight=percent)


class Canary(Part):
    """The steps of a canary."""

    steps: Annotated[list[Step], Field(min_length=1, max_length=32), Keyed("name")] = Field(
        default=[_default_step(10), _default_step(25), _default_step(50)],
        description="Steps in their order; after the last one the candidate is promoted.",
        json_schema_extra=built_in("weights 10, 25, 50 with a hold of 10m"),
    )
    routes: Annotated[list[CanaryRoute], Field(max_length=8), Keyed("name")] = Field(
        default=[],
        description="Requests of testers, which the candidate answers whatever its weight.",
    )
    warmup: shadow_types.WarmUp | None = Field(
        default=None,
        description="Copies of requests before the first weight; not with ReplicaRatio.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        *ROUTES_OF_STEPS,
        Rule(
            id="V10",
            cel=(
                "!has(self.steps) || (self.steps.map(s, s.weight).isSorted() && "
                "self.steps.all(s, self.steps.exists_one(t, t.weight == s.weight)))"
            ),
            message=(
                "weights of steps must rise from each step to the next: "
                "sort the steps by weight and leave out repetitions"
            ),
            field="steps",
            holds=lambda it: _rises([step.weight for step in it.steps]),
        ),
    )


def _rises(weights: list[float]) -> bool:
    return all(before < after for before, after in itertools.pairwise(weights))


class PostPromotion(Part):
    """How long a promoted revision is watched, with the way back kept."""

    bake: Annotated[str, DurationBetween("0s", "720h")] = Field(
        default="0s",
        description=(
            "Watch after promotion, by absolute limits; a breach gives the traffic back. 0s: none."
        ),
    )
    keep_previous_percent: schema.Percent = Field(
        default=100.0,
        description=(
            "Pods of the revision before during the bake, in percent of workload.replicas; one at least, "
            "and no more than scaling leaves it."
        ),
    )


class Strategy(Part):
    """How a new revision comes into service."""

    type: Literal["Canary", "Shadow", "BlueGreen"] = Field(
        default="Canary",
        description=(
            "Canary: rising shares of the users. Shadow: copies of requests first, whose answers nobody "
            "gets. BlueGreen: a preview, then all at once."
        ),
    )
    canary: Canary = Field(default=Canary(), description="The steps of a canary.")
    shadow: shadow_types.Shadow | None = Field(
        default=None, description="Copies of requests, judged; set exactly when type is Shadow."
    )
    blue_green: BlueGreen | None = Field(
        default=None,
        description="Preview and switch of type BlueGreen.",
        json_schema_extra=built_in("with type BlueGreen: a preview of 10m, then the switch"),
    )
    scaling: Scaling = Field(
        default=Scaling(), description="How many pods a rollout may add or miss."
    )
    post_promotion: PostPromotion = Field(
        default=PostPromotion(), description="The watch after promotion."
    )
    first_rollout: FirstRollout = Field(
        default=model.FirstRollout.DIRECT,
        description=(
            "Direct: the very first version serves once its pods are ready. Probe: it must answer "
            "server.probe first."
        ),
    )
    scale_down_delay: Annotated[str, DurationBetween("0s", "168h")] = Field(
        default="30s",
        description="From confirmed weight 0 to the removal of pods, so that requests can end.",
    )
    rules: ClassVar[tuple[Rule, ...]] = (*ONE_STRATEGY, *strategy_rules.RULES)


class RollbackWindow(Part):
    """Revisions that come back without steps."""

    revisions: Annotated[int, Field(ge=0, le=20)] = Field(
        default=3,
        description="What served within so many promotions returns at once, without steps.",
    )


class Rollback(Part):
    """What happens to a rejected revision, and which one returns without steps."""

    window: RollbackWindow = Field(
        default=RollbackWindow(), description="Revisions that come back without steps."
    )
    report_as: Literal["Degraded", "Suspended", "Healthy"] = Field(
        default="Degraded", description="Health in status while a revision is rejected."
    )
    keep_candidate_for: Annotated[str, DurationBetween("0s", "168h")] = Field(
        default="0s",
        description=(
            "Keep rejected pods at weight 0 this long, beyond strategy.scaleDownDelay; with ReplicaRatio "
            "until another rollout begins."
        ),
    )


class Spec(Part):
    """Which model version shall serve, how it gets traffic, and which evidence a step needs."""

    model: Model = Field(description="Identity of the model; part of the revision.")
    server: Server = Field(default=Server(), description="How the model server speaks.")
    workload: Workload = Field(description="The pods that serve a revision.")
    service: Service = Field(default=Service(), description="The Service that clients use.")
    traffic: Traffic = Field(
        default=Traffic(), description="The data plane that carries the split."
    )
    strategy: Strategy = Field(
        default=Strategy(), description="How a new revision comes into service."
    )
    analysis: Analysis = Field(default=Analysis(), description="How a step is judged.")
    monitoring: Monitoring | None = Field(
        default=None, description="The watch for the revision that serves; none by default."
    )
    rollback: Rollback = Field(
        default=Rollback(), description="Rejected revisions, and those that return."
    )
    automation: Automation = Field(
        default=Automation(), description="Who moves a rollout, and who acts on predictions."
    )
    progress_deadline: Annotated[str, DurationBetween("1m", "24h")] = Field(
        default="30m",
        description=(
            "Longest time without progress of pods or route, then the rollout is rolled back; "
            "stands still while holding or paused."
        ),
    )
    revision_history_limit: Annotated[int, Field(ge=0, le=50)] = Field(
        default=5, description="Revisions kept without pods."
    )
    rollout_history_limit: Annotated[int, Field(ge=0, le=50)] = Field(
        default=5,
        description=(
            "RolloutRecords kept; those of revisions that are still rejected are kept beyond it."
        ),
    )
    paused: bool = Field(
        default=False,
        description="No forward move while true; rollbacks go on.",
        json_schema_extra={schema.KEEP_DEFAULT: True},
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        *ROUTES_NEED_GATEWAY,
        *RULES_WITH_NGINX,
        FIRST_NEEDS_PROBE,
    )


# CEL at the root of the object; the only place that sees metadata.name and the old object (V18).
ENTRY_SERVICE_IMMUTABLE: dict[str, Any] = {
    "rule": " == ".join(
        f"(has({it}.spec.service) && has({it}.spec.service.name) "
        f"? {it}.spec.service.name : {it}.metadata.name)"
        for it in ("self", "oldSelf")
    ),
    "message": (
        "service.name cannot be changed (default: metadata.name): "
        "restore it, or create another ModelDeployment"
    ),
    "fieldPath": ".spec.service.name",
}
# At the root because the block may be absent before or after the edit (docs/adr/0004).
PROVIDER_IMMUTABLE: dict[str, Any] = {
    "rule": " == ".join(
        f"(has({it}.spec.traffic) && has({it}.spec.traffic.provider) "
        f"? {it}.spec.traffic.provider : '{model.Provider.REPLICA_RATIO}')"
        for it in ("self", "oldSelf")
    ),
    "message": (
        f"traffic.provider cannot be changed (default: {model.Provider.REPLICA_RATIO}): "
        "restore it, or create another ModelDeployment"
    ),
    "fieldPath": ".spec.traffic.provider",
}
