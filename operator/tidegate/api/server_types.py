"""`spec.server` as users write it: how the model server speaks. Source: api.md, 5.1."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from tidegate.api import schema
from tidegate.api.probe_types import Probe
from tidegate.api.schema import Part, built_in
from tidegate.evidence.queries import presets

READY_PATH_OFF = "Off"
ReadyPath = Annotated[str, Field(max_length=256, pattern=rf"^(/[^\s?#]*|{READY_PATH_OFF})?$")]


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
    probe: Probe | None = Field(
        default=None,
        description=(
            "One synthetic inference that a pod of a candidate must answer before any request reaches it."
        ),
    )
