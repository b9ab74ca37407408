"""What is asked for: a valid ModelDeployment spec, or why it is none.

Units: seconds, ratios from 0 to 1, weights in percent from 0 to 100.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from tidegate.model.analysis import Agreement, Analysis, StepLimit
from tidegate.model.autoscaling import Autoscaling
from tidegate.model.blue_green import BlueGreen
from tidegate.model.contour import ContourProxy
from tidegate.model.document import Document
from tidegate.model.headers import HeaderRoute
from tidegate.model.istio import VirtualService
from tidegate.model.monitoring import Monitoring
from tidegate.model.nginx import VirtualServer
from tidegate.model.probe import FirstRollout, Probe
from tidegate.model.scaling import Scaling
from tidegate.model.smoke_test import SmokeTestJob
from tidegate.model.steering import FULL_AUTOMATION, Automation, Gate

UNKNOWN_FIELD = "UnknownField"
# Keys of the first release have no form of their own: they change with the operator's own types.
KEY_FORM = "1-"


class Provider(enum.StrEnum):
    """The data planes that can carry a split."""

    REPLICA_RATIO = "ReplicaRatio"
    GATEWAY_API = "GatewayAPI"
    CONTOUR = "Contour"
    ISTIO = "Istio"
    TRAEFIK = "Traefik"
    NGINX = "NGINX"


class ShareCheck(enum.StrEnum):
    """What a measured share that differs from the weight does (api.md, 5.2)."""

    HOLD = "Hold"
    REPORT = "Report"
    OFF = "Off"


class Profile(enum.StrEnum):
    """How carefully a step is judged, in one word."""

    CAREFUL = "Careful"
    BALANCED = "Balanced"
    QUICK = "Quick"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Identity of the served model; part of the revision."""

    name: str
    version: str
    uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """Something that the model needs besides its own file; empty where the spec does not say."""

    name: str
    uri: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """How the model server speaks. `preset` names a row of the metric presets."""

    preset: str
    port: int
    metrics_port: int
    metrics_path: str
    ready_path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryService:
    """The Service that clients use."""

    name: str
    port: int
    target_port: int
    app_protocol: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRef:
    """A Gateway that the managed route attaches to. Empty strings and 0 mean: not given."""

    name: str
    namespace: str = ""
    section_name: str = ""
    port: int = 0


class HeaderSide(enum.StrEnum):
    """Whose headers a filter of the route changes; named as in Gateway API."""

    REQUEST = "RequestHeaderModifier"
    RESPONSE = "ResponseHeaderModifier"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeaderFilter:
    """Headers that the route sets, adds (both as name and value) and removes."""

    side: HeaderSide
    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRoute:
    """What the managed route matches and does: hostnames, path prefixes, timeouts, headers.

    Timeouts are durations as the user wrote them, empty where none is given. A GRPCRoute has neither
    paths nor timeouts.
    """

    parents: tuple[ParentRef, ...]
    kind: str = "HTTPRoute"
    hostnames: tuple[str, ...] = ()
    path_prefixes: tuple[str, ...] = ("/",)
    request_timeout: str = ""
    backend_request_timeout: str = ""
    filters: tuple[HeaderFilter, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRef:
    """A route that belongs to the user, in the namespace of the ModelDeployment."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Which data plane carries the split and how long it may take to accept one.

    Where it is `exclusive`, one revision has all users at any time: they change sides in one write.
    With `routes` the split is written into those of the user, else into an object of ours: `gateway`,
    `contour`, `istio` or `nginx`, as the provider says.
    """

    provider: Provider
    gateway: GatewayRoute | None = None
    routes: tuple[RouteRef, ...] = ()
    contour: ContourProxy | None = None
    istio: VirtualService | None = None
    nginx: VirtualServer | None = None
    exclusive: bool = False
    verify_timeout_seconds: float = 120.0
    share_check: ShareCheck = ShareCheck.HOLD
    share_tolerance: float = 0.25


class Then(enum.StrEnum):
    """What follows a shadow whose evidence is good."""

    HOLD = "Hold"
    CANARY = "Canary"
    PROMOTE = "Promote"
    STOP = "Stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror:
    """A share of requests copied to a candidate that answers nobody, for at least so long."""

    percent: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A mirror that ends with a verdict, and what comes after it.

    With an `agreement` the answers to the same requests are held against each other, too. The pods of one
    that is `isolated` may send to nobody but whom the spec allows.
    """

    mirror: Mirror
    deadline_seconds: float
    min_requests: int
    then: Then
    agreement: Agreement | None = None
    isolated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bake:
    """How long a promoted revision is watched (0: not at all), and how many pods of the old one stay.

    `kept_percent` is in percent of the replicas.
    """

    seconds: float = 0.0
    kept_percent: float = 100.0


NO_BAKE = Bake()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A planned weight with its least and longest stay, and the testers beside it.

    `gate` is what people open before this weight is set. `replicas`, or `replicas_percent` of the
    workload's, is the size of the candidate; 0 of both leaves it to the weight. `mirror_percent` of all
    requests are copied to it, beside those that it answers.
    """

    name: str
    weight_percent: float
    hold_seconds: float
    deadline_seconds: float
    min_requests: int
    routes: tuple[HeaderRoute, ...] = ()
    gate: Gate | None = None
    limits: tuple[StepLimit, ...] = ()
    replicas: int = 0
    replicas_percent: float = 0.0
    mirror_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollback:
    """What happens to a rejected revision and how it is reported."""

    report_as: str = "Degraded"
    keep_candidate_seconds: float = 0.0
    window_revisions: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A valid ModelDeployment spec with every default filled in.

    `replicas` carry the whole load. With `autoscaling` they are those of the start until the autoscalers
    are seen; what they chose stands there in the spec in effect. A spec with `blue_green` has no steps;
    with a `shadow` they are walked only where it says so; `warm_up` comes before them. A candidate must
    have answered a `probe` before any request reaches it. `config_maps` are the digests of what the tracked
    ConfigMaps hold, by name, empty for one that its pods do not need and that is not there. `smoke_test` is
    the Job that its `blue_green` asks for. In the spec in effect `pinned_preview` is the name of the
    preview Service of a rollout that began with a strategy of another type, empty for none.
    """

    model: Model
    server: Server
    replicas: int
    template: Document
    service: EntryService
    traffic: Traffic
    steps: tuple[Step, ...]
    scaling: Scaling
    scale_down_delay_seconds: float
    analysis: Analysis
    rollback: Rollback
    progress_deadline_seconds: float
    revision_history_limit: int
    rollout_history_limit: int = 5
    bake: Bake = NO_BAKE
    autoscaling: Autoscaling | None = None
    automation: Automation = FULL_AUTOMATION
    blue_green: BlueGreen | None = None
    pinned_preview: str | None = None
    shadow: Shadow | None = None
    warm_up: Mirror | None = None
    probe: Probe | None = None
    first_rollout: FirstRollout = FirstRollout.DIRECT
    monitoring: Monitoring | None = None
    config_maps: Mapping[str, str] = field(default_factory=dict)
    artifacts: tuple[Artifact, ...] = ()
    smoke_test: SmokeTestJob | None = None
    paused: bool = False

    @property
    def preview_service(self) -> str:
        """The name of the Service that shows what is tried; empty where there is to be none."""
        if self.pinned_preview is not None:
            return self.pinned_preview
        return self.blue_green.preview_service if self.blue_green is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """Why a spec cannot be carried out: the field, what is wrong and how to mend it."""

    path: str
    message: str
    reason: str = "InvalidSpec"

    @property
    def blocks(self) -> bool:
        """Nothing may go forward. A field of a newer release is only left unread."""
        return self.reason != UNKNOWN_FIELD
