"""What is asked for: a valid ModelDeployment spec, or why it is none.

Units: seconds, ratios from 0 to 1, weights in percent from 0 to 100.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Annotated

from tidegate.model.autoscaling import Autoscaling
from tidegate.model.blue_green import BlueGreen
from tidegate.model.document import Document
from tidegate.model.fields import About
from tidegate.model.headers import HeaderRoute
from tidegate.model.steering import FULL_AUTOMATION, Automation

UNKNOWN_FIELD = "UnknownField"
# Keys of the first release have no form of their own: they change with the operator's own types.
KEY_FORM = "1-"


class Provider(enum.StrEnum):
    """The data planes that can carry a split."""

    REPLICA_RATIO = "ReplicaRatio"
    GATEWAY_API = "GatewayAPI"


class ShareCheck(enum.StrEnum):
    """What a measured share that differs from the weight does (api.md, 5.2)."""

    HOLD = "Hold"
    REPORT = "Report"
    OFF = "Off"


class OnInconclusive(enum.StrEnum):
    """What a step does at its deadline without proof."""

    PAUSE = "Pause"
    PROMOTE = "Promote"
    ROLLBACK = "Rollback"


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
    With `routes` the split is written into those of the user, else into one of ours.
    """

    provider: Provider
    gateway: GatewayRoute | None = None
    routes: tuple[RouteRef, ...] = ()
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
    """A mirror that ends with a verdict, and what comes after it."""

    mirror: Mirror
    deadline_seconds: float
    min_requests: int
    then: Then


@dataclass(frozen=True, slots=True, kw_only=True)
class Bake:
    """How long a promoted revision is watched (0: not at all), and how many pods of the old one stay.

    `kept_percent` is in percent of the replicas.
    """

    seconds: float = 0.0
    kept_percent: float = 100.0


NO_BAKE = Bake()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """How many pods a rollout may add or miss (api.md, 5.3).

    `candidate_pods` is the size that a step gives the candidate apart from its weight.
    """

    candidate_pods: int | None = None
    match_traffic: bool = True
    min_replicas: int = 1
    max_surge_percent: float = 100.0
    max_unavailable_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """Absolute limits of a value; `None` means no limit on that side."""

    min: Annotated[float | None, About("Values below fail.", recorded=True)] = None
    max: Annotated[float | None, About("Values above fail.", recorded=True)] = None

    def broken_by(self, value: float) -> bool:
        """True when the value lies outside the limits."""
        below = self.min is not None and value < self.min
        above = self.max is not None and value > self.max
        return below or above


NO_THRESHOLD = Threshold()


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLimit:
    """Limits of a metric that hold in one step in place of its own."""

    name: Annotated[str, About("Name of the metric.")]
    threshold: Annotated[Threshold, About("Its limits in this step.", atomic=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A planned weight with its least and longest stay, and the testers beside it.

    `gate` names what a person opens before this weight is set. `replicas`, or `replicas_percent` of the
    workload's, is the size of the candidate; 0 of both leaves it to the weight.
    """

    name: str
    weight_percent: float
    hold_seconds: float
    deadline_seconds: float
    min_requests: int
    routes: tuple[HeaderRoute, ...] = ()
    gate: str = ""
    limits: tuple[StepLimit, ...] = ()
    replicas: int = 0
    replicas_percent: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """Held against stable (api.md, 5.4): rates of bad events as ratios above 1.

    `tolerance` may be exceeded before it is harm, None leaves it to the number of pods; `margin`
    must be ruled out for a step to pass, or a rate of the candidate of `tolerance_absolute`. A step passes
    as well when `detect_ratio` times stable's rate, or `detect_absolute` more than it, would have
    been found by now; `detect_slow` takes its place for a latency, whose bad requests are only slow.
    """

    tolerance: float | None = None
    margin: float = 0.25
    tolerance_absolute: float = 0.005
    detect_ratio: float = 5.0
    detect_absolute: float = 0.05
    detect_slow: float = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRef:
    """Reference to a MetricTemplate of the same namespace or to a ClusterMetricTemplate."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One judged number. Exactly one of `preset`, `template`, `query` is set."""

    name: str
    threshold: Threshold = NO_THRESHOLD
    compare: Compare | None = None
    preset: str = ""
    template: TemplateRef | None = None
    query: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    window_seconds: float = 60.0
    min_samples: int = 20
    critical: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """How a step is judged (api.md, 5.4). An empty `data_plane` leaves presets to the server.

    `left_out` are usual metrics that a spec without metrics would have, if they were exported.
    With `warmup_learned` nobody has set `warmup_seconds`: it is the least, and stable's pods may say more.
    `key` names this way of judging: it changes with what the user wrote, and with nothing else.
    """

    source: str
    interval_seconds: float
    warmup_seconds: float
    settle_seconds: float
    min_requests: int
    breach_failures: int
    breach_out_of: int
    error_limit: int
    no_data_timeout_seconds: float
    on_inconclusive: OnInconclusive
    metrics: tuple[Metric, ...]
    false_rollback: float = 0.01
    false_promotion: float = 0.05
    data_plane: str = ""
    left_out: tuple[str, ...] = ()
    warmup_learned: bool = False
    key: str = ""


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
    with a `shadow` they are walked only where it says so; `warm_up` comes before them.
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
    shadow: Shadow | None = None
    warm_up: Mirror | None = None
    paused: bool = False


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
