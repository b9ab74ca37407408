"""Deployment and Service of a revision of `iris`, as they are rendered."""

from __future__ import annotations

from dataclasses import replace

from traffic_examples import META, SPEC

from tidegate import model
from tidegate.revisions import render

REVISION = model.Revision(hash="aaaaaaaaaa", digest="a" * 64, model_version="1.4.0")


def deployment(
    template: model.Document = SPEC.template,
    *,
    role: model.Role = model.Role.CANDIDATE,
    automation: model.Automation = model.FULL_AUTOMATION,
) -> model.Document:
    spec = replace(SPEC, template=template, automation=automation)
    frozen = render.freeze(META, spec, REVISION)
    return render.render_deployment(
        META, frozen, replicas=3, role=role, progress_deadline_seconds=1800
    )


def rendered_service(spec: model.Spec = SPEC) -> model.Document:
    frozen = render.freeze(META, spec, REVISION)
    return render.render_service(META, frozen, entry=spec.service, notes={})
