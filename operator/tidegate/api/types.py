"""The ModelDeployment as users write it (api.md, 3 to 5): the source of CRD, docs and checks.

A default given here is the built-in one. It is applied in code and kept out of the CRD, except
for `paused` (api.md, 2.2).
"""

from __future__ import annotations

import itertools
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from tidegate import model
from tidegate.api import schema, shadow_types, strategy_rules
from tidegate.api.analysis_types import Analysis
from tidegate.api.blue_green_types import ONE_STRATEGY, BlueGreen
from tidegate.api.route_types import GatewayAPI
from tidegate.api.schema import DurationBetween, Keyed, Part, Rule, built_in
from tidegate.api.steering_types import Automation
from tidegate.api.step_types import Step
from tidegate.api.tester_types import ROUTES_NEED_GATEWAY, ROUTES_OF_STEPS, CanaryRoute
from tidegate.api.workload_types import Autoscaling, WorkloadRef
from tidegate.evidence.queries import presets

NAME_MAX_LENGTH = 33  # longer, and pod names lose the revision (api.md, 2.4)
RESERVED_LABEL_PREFIX = "tidegate.dev/"

Provider = Annotated[model.Provider, schema.LAX]
LabelValue = Annotated[str, Field(max_length=63)]
AnnotationValue = Annotated[str, Field(max_length=4096)]
READY_PATH_OFF = "Off"
ReadyPath = Annotated[str, Field(max_length=256, pattern=rf"^(/[^\s?#]*|{READY_PATH_OFF})?$")]


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


def _of_preset(field: str, *, otherwise: str = "") -> dict[str, Any]:
    """What the server presets say: the servers of each value, the commonest value last."""
    servers: dict[str, list[str]] = {}
    for name in presets.SERVERS:
        value = getattr(presets.PRESETS[name], field)
        servers.setdefault(str(value or otherwise), []).append(name)
    *named, (rest, _) = sorted(servers.items(), key=lambda it: len(it[1]))
    return built_in(
        "; ".join([*(f"{', '.join(who)}: {what}" for what, who in named), f"else {rest}"])
    )


class Server(Part):
    """How the model server speaks."""

    preset: Literal[
        "HTTP",
        "Flask",
        "MLServer",
        "KServe",
        "Triton",
        "TFServing",
        "BentoML",
        "RayServe",
        "VLLM",
        "SGLang",
        "TGI",
        "NIM",
        "Dynamo",
        "LiteLLM",
        "OpenVINO",
        "OpenVINOGraph",
    ] = Field(
        default="HTTP",
        description="Kind of model server; chooses ports, paths and the metrics that presets read.",
    )
    port: schema.Port | None = Field(
        default=None,
        description="Port of the pod that answers requests.",
        json_schema_extra=_of_preset("port"),
    )
    metrics_port: schema.Port | None = Field(
        default=None,
        description="Port of the pod that serves metrics.",
        json_schema_extra=_of_preset("metrics_port", otherwise="port"),
    )
    metrics_path: schema.UrlPath | None = Field(
        default=None,
        description="Path of the metrics on that port.",
        json_schema_extra=_of_preset("metrics_path"),
    )
    ready_path: ReadyPath | None = Field(
        default=None,
        description=(
            "Path asked on every pod before it gets traffic; judged by its status code. "
            '"Off", in quotes, asks nothing: the pod\'s own readiness counts.'
        ),
        json_schema_extra=_of_preset("ready_path", otherwise="not asked"),
    )


class Container(Part):
    """A container; members not listed here are passed on as they are."""

    model_config = ConfigDict(extra="allow")
    name: schema.Name = Field(description="Name of the container.")
    image: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Image of the container."
    )


class PodSpec(Part):
    """A pod spec; members not listed here are passed on as they are."""

    model_config = ConfigDict(extra="allow")
    containers: Annotated[list[Container], Field(min_length=1, max_length=32), Keyed("name")] = (
        Field(description="Containers of the pod.")
    )


class PodMetadata(Part):
    """Labels and annotations of the pods."""

    labels: Annotated[dict[str, LabelValue], Field(max_length=64)] = Field(
        default={}, description="Labels of the pods; tidegate.dev/ is reserved."
    )
    annotations: Annotated[dict[str, AnnotationValue], Field(max_length=64)] = Field(
        default={}, description="Annotations of the pods."
    )
    creation_timestamp: Annotated[str, Field(max_length=64)] | None = Field(
        default=None,
        description="Ignored; client libraries write it, mostly as null.",
        json_schema_extra={"nullable": True},
    )
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V31",
            cel=f"!has(self.labels) || self.labels.all(k, !k.startsWith('{RESERVED_LABEL_PREFIX}'))",
            message=(
                f"labels under {RESERVED_LABEL_PREFIX} are reserved for the operator: remove them"
            ),
            field="labels",
            holds=lambda it: not any(k.startswith(RESERVED_LABEL_PREFIX) for k in it.labels),
        ),
    )


class PodTemplate(Part):
    """The pods of a revision; a change here makes a new revision."""

    metadata: PodMetadata = Field(default=PodMetadata(), description="Metadata of the pods.")
    spec: PodSpec = Field(description="Spec of the pods, as in a Deployment.")


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


class Traffic(Part):
    """Which data plane carries the split between stable and candidate."""

    provider: Provider = Field(
        default=model.Provider.REPLICA_RATIO,
        description="ReplicaRatio: one Service and pod counts. GatewayAPI: weights of a route.",
    )
    gateway_api: GatewayAPI | None = Field(
        default=None,
        alias="gatewayAPI",
        description="The route; set exactly when provider is GatewayAPI.",
    )
    verify: Verify = Field(default=Verify(), description="Waiting for the data plane.")
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            id="V5",
            cel="(self.?provider.orValue('ReplicaRatio') == 'GatewayAPI') == has(self.gatewayAPI)",
            message=(
                "member gatewayAPI must be set exactly when provider is GatewayAPI (default "
                "provider: ReplicaRatio): set provider: GatewayAPI with gatewayAPI, or neither"
            ),
            field="gatewayAPI",
            holds=lambda it: (
                (it.provider is model.Provider.GATEWAY_API) == (it.gateway_api is not None)
            ),
        ),
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
        default=None, description="Copies of requests before the first weight; GatewayAPI only."
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


class Scaling(Part):
    """How many pods a rollout may add or miss."""

    match_traffic: bool = Field(
        default=True,
        description="Size the candidate by its weight; false: full size from the first step (GatewayAPI).",
    )
    min_replicas: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=1, description="Fewest pods of a candidate with traffic."
    )
    max_surge_percent: schema.Percent | None = Field(
        default=None,
        description="Pods beyond workload.replicas during a rollout, in percent of it.",
        json_schema_extra=built_in("GatewayAPI: 100; ReplicaRatio: 25"),
    )
    max_unavailable_percent: schema.Percent = Field(
        default=0.0, description="ReplicaRatio only: pods that may be missing meanwhile."
    )


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
        description="Keep rejected pods at weight 0 this long, beyond strategy.scaleDownDelay.",
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
    rules: ClassVar[tuple[Rule, ...]] = (ROUTES_NEED_GATEWAY,)


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
