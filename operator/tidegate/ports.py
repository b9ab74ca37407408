"""What the controller needs from the outside world, as protocols, and the outcome of a call.

Adapters implement these; the simulator does too. No HTTP status code passes this line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from tidegate import model

Object = dict[str, Any]  # a Kubernetes object as decoded JSON
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Ok(Generic[T_co]):
    """The call was carried out. A read of an object that does not exist is `Ok(None)`."""

    value: T_co


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """The object changed or is gone: drop the pass, look again."""

    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retryable:
    """Try later. With `maybe_applied` the write may have happened: nothing may be assumed."""

    message: str
    after_seconds: float | None = None
    maybe_applied: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fatal:
    """Retrying alone will not help: 400, 403, 422 with causes. `message` is for the user."""

    reason: str
    message: str


NOT_SERVED = "NotServed"  # reason of a Fatal: the API server does not know the kind
Failure = Conflict | Retryable | Fatal
Result = Ok[T] | Failure


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Kind:
    """A kind of object as the API server addresses it. The core group is the empty string.

    Each kind is one object below: it is the key of every look-up, so it is hashed by identity.
    """

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The `apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


TIDEGATE_GROUP = "tidegate.dev"
MODEL_DEPLOYMENT = Kind(
    group=TIDEGATE_GROUP, version="v1alpha1", plural="modeldeployments", kind="ModelDeployment"
)
METRIC_TEMPLATE = Kind(
    group=TIDEGATE_GROUP, version="v1alpha1", plural="metrictemplates", kind="MetricTemplate"
)
CLUSTER_METRIC_TEMPLATE = Kind(
    group=TIDEGATE_GROUP,
    version="v1alpha1",
    plural="clustermetrictemplates",
    kind="ClusterMetricTemplate",
    namespaced=False,
)
ROLLOUT_RECORD = Kind(
    group=TIDEGATE_GROUP, version="v1alpha1", plural="rolloutrecords", kind="RolloutRecord"
)
ROLLOUT_POLICY = Kind(
    group=TIDEGATE_GROUP, version="v1alpha1", plural="rolloutpolicies", kind="RolloutPolicy"
)
CLUSTER_ROLLOUT_POLICY = Kind(
    group=TIDEGATE_GROUP,
    version="v1alpha1",
    plural="clusterrolloutpolicies",
    kind="ClusterRolloutPolicy",
    namespaced=False,
)
ROLLOUT_APPROVAL = Kind(
    group=TIDEGATE_GROUP, version="v1alpha1", plural="rolloutapprovals", kind="RolloutApproval"
)
NOTIFICATION_PROVIDER = Kind(
    group=TIDEGATE_GROUP,
    version="v1alpha1",
    plural="notificationproviders",
    kind="NotificationProvider",
)
DEPLOYMENT = Kind(group="apps", version="v1", plural="deployments", kind="Deployment")
AUTOSCALER = Kind(
    group="autoscaling",
    version="v2",
    plural="horizontalpodautoscalers",
    kind="HorizontalPodAutoscaler",
)
CONTROLLER_REVISION = Kind(
    group="apps", version="v1", plural="controllerrevisions", kind="ControllerRevision"
)
JOB = Kind(group="batch", version="v1", plural="jobs", kind="Job")
SERVICE = Kind(group="", version="v1", plural="services", kind="Service")
CONFIG_MAP = Kind(group="", version="v1", plural="configmaps", kind="ConfigMap")
NETWORK_POLICY = Kind(
    group="networking.k8s.io", version="v1", plural="networkpolicies", kind="NetworkPolicy"
)
POD = Kind(group="", version="v1", plural="pods", kind="Pod")
ENDPOINT_SLICE = Kind(
    group="discovery.k8s.io", version="v1", plural="endpointslices", kind="EndpointSlice"
)
HTTP_ROUTE = Kind(
    group="gateway.networking.k8s.io", version="v1", plural="httproutes", kind="HTTPRoute"
)
GRPC_ROUTE = Kind(
    group="gateway.networking.k8s.io", version="v1", plural="grpcroutes", kind="GRPCRoute"
)
HTTP_PROXY = Kind(group="projectcontour.io", version="v1", plural="httpproxies", kind="HTTPProxy")
VIRTUAL_SERVICE = Kind(
    group="networking.istio.io", version="v1", plural="virtualservices", kind="VirtualService"
)
TRAEFIK_SERVICE = Kind(
    group="traefik.io", version="v1alpha1", plural="traefikservices", kind="TraefikService"
)
VIRTUAL_SERVER = Kind(
    group="k8s.nginx.org", version="v1", plural="virtualservers", kind="VirtualServer"
)
GATEWAY = Kind(group="gateway.networking.k8s.io", version="v1", plural="gateways", kind="Gateway")
GATEWAY_CLASS = Kind(
    group="gateway.networking.k8s.io",
    version="v1",
    plural="gatewayclasses",
    kind="GatewayClass",
    namespaced=False,
)
DEFINITION = Kind(
    group="apiextensions.k8s.io",
    version="v1",
    plural="customresourcedefinitions",
    kind="CustomResourceDefinition",
    namespaced=False,
)
ACCESS_REVIEW = Kind(
    group="authorization.k8s.io",
    version="v1",
    plural="subjectaccessreviews",
    kind="SubjectAccessReview",
    namespaced=False,
)
SELF_REVIEW = Kind(
    group="authentication.k8s.io",
    version="v1",
    plural="selfsubjectreviews",
    kind="SelfSubjectReview",
    namespaced=False,
)
NAMESPACE = Kind(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
RESOURCE_QUOTA = Kind(group="", version="v1", plural="resourcequotas", kind="ResourceQuota")
NODE = Kind(group="", version="v1", plural="nodes", kind="Node", namespaced=False)
EVENT = Kind(group="events.k8s.io", version="v1", plural="events", kind="Event")
LEASE = Kind(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")


class KubeApi(Protocol):
    """The API server in a few verbs; bodies and answers are plain dicts.

    `urgent` uses the reserved slots and the short timeout of lowering writes.
    """

    async def serves(self, kind: Kind) -> Result[bool]:
        """Whether the API server knows this kind at this version (discovery, no rights needed)."""
        ...

    async def served_schemas(self, *, group: str, version: str) -> Result[dict[str, Object]]:
        """The OpenAPI schemas of whole objects, by kind (no rights needed).

        Empty when the API server has published none, as for some seconds after a CRD changed.
        """
        ...

    async def server_time(self) -> Result[datetime]:
        """The API server's clock, to the second (no rights needed)."""
        ...

    async def get(self, kind: Kind, *, namespace: str, name: str) -> Result[Object | None]:
        """Read one object; `Ok(None)` when it does not exist."""
        ...

    async def list_objects(
        self, kind: Kind, *, namespace: str, label_selector: str
    ) -> Result[list[Object]]:
        """Read all matching objects; an empty namespace means all namespaces."""
        ...

    async def list_metadata(
        self, kind: Kind, *, namespace: str, label_selector: str
    ) -> Result[list[Object]]:
        """Like `list_objects`, but only `metadata` of each (PartialObjectMetadata, in chunks)."""
        ...

    async def create(
        self, kind: Kind, *, namespace: str, body: Object, dry_run: bool = False
    ) -> Result[Object]:
        """Create; an existing object of that name is `Conflict`."""
        ...

    async def apply(
        self, kind: Kind, *, namespace: str, body: Object, force: bool = False, urgent: bool = False
    ) -> Result[Object]:
        """Server-side apply of the whole document as field manager `tidegate`."""
        ...

    async def apply_status(self, kind: Kind, *, namespace: str, body: Object) -> Result[Object]:
        """Forced server-side apply on `/status`; `body` must carry `metadata.resourceVersion`."""
        ...

    async def json_patch(
        self,
        kind: Kind,
        *,
        namespace: str,
        name: str,
        operations: Sequence[Object],
        urgent: bool = False,
    ) -> Result[Object]:
        """JSON Patch; a failed `test` operation is `Conflict`."""
        ...

    async def delete(
        self, kind: Kind, *, namespace: str, name: str, uid: str, version: str = ""
    ) -> Result[None]:
        """Delete in the background; an absent object is `Ok`.

        Errors: Conflict when the uid, or the resourceVersion if one is given, does not match.
        """
        ...

    async def create_event(self, *, namespace: str, body: Object) -> Result[None]:
        """Best effort; the caller never depends on it."""
        ...

    async def repeat_event(self, *, namespace: str, name: str, series: Object) -> Result[None]:
        """Say how often an Event came; best effort, too."""
        ...

    async def get_lease(self, *, namespace: str, name: str) -> Result[Object | None]:
        """Read the election record."""
        ...

    async def put_lease(self, *, namespace: str, name: str, body: Object) -> Result[Object]:
        """Create (no resourceVersion) or replace (with it) the election record."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RawAnswer:
    """An answer of a metric source as decoded JSON: `result` of the given type, and warnings."""

    result_type: str
    result: Any
    warnings: tuple[str, ...] = ()


class Executor(Protocol):
    """Where long calculations run, so that none of them holds up the event loop."""

    async def run(self, work: Callable[[], T]) -> T:
        """The result of `work`, which shares nothing with anybody while it runs."""
        ...


class MetricSource(Protocol):
    """Metric sources by the name that the administrator gave them."""

    async def query(
        self, source: str, *, promql: str, at: datetime, namespace: str = ""
    ) -> Result[RawAnswer]:
        """Instant query at an explicit time. Doubt is a failure, never an empty answer.

        `namespace` says for whom, where the source is told (`MetricSourceSettings.asked_for`).
        """
        ...


@dataclass(frozen=True, slots=True)
class Ready:
    """The pod answered as it should."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """The pod answered something else; `message` says what."""

    message: str


@dataclass(frozen=True, slots=True)
class Unreachable:
    """There was no HTTP answer, so nothing is known of the model; `message` says why.

    `refused`: nobody listens there, or a policy says so in his place. `closed`: there was a
    connection, and it was closed without an answer.
    """

    message: str
    refused: bool = False
    closed: bool = False


@dataclass(frozen=True, slots=True)
class NotAsked:
    """The pod must not be asked; `message` says why. Nothing is known of the model."""

    message: str


@dataclass(frozen=True, slots=True)
class Awaited:
    """The pod has not answered yet, as after the start of the operator. Nothing is known of the model."""


ReadyAnswer = Ready | NotReady | Unreachable | NotAsked | Awaited


class ReadyProbe(Protocol):
    """Asks a pod whether its model is ready."""

    async def check(self, *, address: str, port: int, path: str) -> ReadyAnswer:
        """What the pod says of itself."""
        ...


class InferenceProbe(Protocol):
    """Sends a pod one synthetic inference."""

    async def infer(self, *, address: str, port: int, probe: model.Probe) -> ReadyAnswer:
        """How the pod answered, within the probe's timeout. No word of its answer is repeated."""
        ...


class Hooks(Protocol):
    """Receivers outside of the cluster's API that the administrator allows, by URL."""

    def obstacle(self, url: str, *, namespace: str) -> str:
        """Why ModelDeployments of the namespace may not call this URL, empty where they may."""
        ...

    async def post(
        self, url: str, *, namespace: str, media_type: str, body: bytes, timeout_seconds: float
    ) -> Result[None]:
        """Post `body` once, signed. `Ok` for 2xx; what trying again cannot help is Fatal."""
        ...


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Wall clock, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean something."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Rng(Protocol):
    """The only source of chance."""

    def uniform(self, low: float, high: float) -> float:
        """A number in [low, high)."""
        ...

    def token(self, length: int) -> str:
        """`length` random characters of a-z and 0-9."""
        ...


class EventSink(Protocol):
    """Where the feeder puts what it saw. Never blocks, never raises."""

    def changed(self, kind: Kind, body: Object) -> None:
        """An object was listed, added or modified."""
        ...

    def deleted(self, kind: Kind, body: Object) -> None:
        """An object is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """What the log and the metrics say about one written decision."""

    namespace: str
    name: str
    generation: int
    phase: str
    step: str
    decision: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GaugeFamily:
    """Numbers of one name as they are at the moment: values of the labels, and the number."""

    name: str
    text: str
    labels: tuple[str, ...]
    samples: Sequence[tuple[tuple[str, ...], float]]


class ApiRecorder(Protocol):
    """Who counts API requests."""

    def api_request(self, *, verb: str, outcome: str) -> None:
        """An API request ended."""
        ...


class Recorder(ApiRecorder, Protocol):
    """Metrics and structured logs."""

    def transition(self, transition: Transition) -> None:
        """A decision was written."""
        ...

    def reconciled(self, *, seconds: float, outcome: str) -> None:
        """A pass ended."""
        ...

    def metric_query(self, *, source: str, seconds: float, outcome: str) -> None:
        """A metric query ended."""
        ...

    def rollback(self, *, reason: str) -> None:
        """A rollback was decided."""
        ...

    def rollout_ended(self, *, result: str) -> None:
        """A rollout got its result."""
        ...

    def drift(self, *, kind: str) -> None:
        """A drift of a revision that serves was found."""
        ...

    def queue(self, *, depth: int) -> None:
        """Depth of the work queue."""
        ...

    def leading(self, *, leads: bool) -> None:
        """Leadership changed."""
        ...

    def evidence(self, document: model.Document) -> None:
        """A document of `evidence.replay`, from which a verdict can be worked out again."""
        ...

    def problem(self, event: str, **fields: str) -> None:
        """Something unexpected that a person may want to read."""
        ...
