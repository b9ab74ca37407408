"""What a histogram lacks to be counted, by name: a label, a bucket, and of which pods.

A pod without the bucket of everything (`+Inf`), or without an edge that was fixed, cannot be counted.
Source: evidence.md, 2.4; ADR 0100.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from tidegate.evidence.counts import counters, histograms
from tidegate.evidence.terms import EDGE, Identity, Latency, Problem, Reason, Series

_SHOWN = 8

_Edges = Mapping[str, int]  # how many series of a target there are by the text of the edge


def lacking(
    buckets: Iterable[Series],
    *,
    identity: Identity,
    measure: Latency,
    edges: Sequence[float] = (),
) -> Problem | None:
    """Why pods cannot be counted by their buckets; None where enough of them can.

    That is each pod of the candidate, whose harm would not be seen, and one pod of stable. `edges`
    (seconds) are those that were fixed.
    """
    arms: dict[str, dict[counters.Target, dict[str, int]]] = {}
    for one in buckets:
        pods = arms.setdefault(one.labels.get("revision", ""), {})
        found = pods.setdefault(counters.target(one), {})
        text = one.labels.get(EDGE, "")
        found[text] = found.get(text, 0) + 1
    for revision in (identity.candidate, identity.stable):
        pods = arms.get(revision, {})
        messages = {
            pod: message
            for pod in sorted(pods)
            if (message := _lacks(pods[pod], edges=edges, unit_seconds=measure.unit_seconds))
        }
        if messages and (revision == identity.candidate or len(messages) == len(pods)):
            (_, name, address), message = next(iter(messages.items()))
            more = f" (and {len(messages) - 1} more pods)" if len(messages) > 1 else ""
            text = f"{measure.histogram.metric}_bucket of pod {name or address}{more} {message}"
            return Problem(reason=Reason.INCOMPATIBLE_BUCKETS, message=text)
    return None


def _lacks(found: _Edges, *, edges: Sequence[float], unit_seconds: float) -> str:
    """What a pod lacks, in words; empty for nothing."""
    known = {text: edge for text in found if (edge := histograms.edge_from(text)) is not None}
    if not known:
        return (
            f"has no label {EDGE}: a bucket without its edge cannot be counted; scrape a classic"
            " histogram, and let no relabeling drop the label"
        )
    everything = sum(found[text] for text, edge in known.items() if edge == math.inf)
    if everything < max(found[text] for text in known):
        whose = "some label sets" if everything else "it"
        return (
            f'lacks le="+Inf" (edges seen: {_listed(known)}): without it nobody knows how many requests'
            f" there were, so {whose} cannot be counted; let no relabeling (metric_relabel_configs)"
            " drop this bucket, or export it"
        )
    seconds = {edge * unit_seconds for edge in known.values()}
    missing = sorted(set(edges) - seconds)
    if not missing:
        return ""
    listed = ", ".join(f"{it:g}" for it in missing[:_SHOWN])
    return (
        f"lacks the edges {listed} s, by which this rollout is counted (edges seen: {_listed(known)}):"
        " export the buckets of the other version, and let no relabeling drop any"
    )


def _listed(known: Mapping[str, float]) -> str:
    texts = [text for text, _ in sorted(known.items(), key=lambda it: it[1])]
    more = ", ..." if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def too_few(
    edges: Sequence[float],
    buckets: Iterable[Series],
    *,
    identity: Identity,
    measure: Latency,
    least: int,
) -> str:
    """That so few edges (seconds) are common to all pods, and which each arm has."""
    arms: dict[str, dict[str, float]] = {}
    for one in buckets:
        text = one.labels.get(EDGE, "")
        edge = histograms.edge_from(text)
        if edge is not None:
            arms.setdefault(one.labels.get("revision", ""), {})[text] = edge
    seen = "; ".join(
        f"{whose} has {_listed(arms[revision])}"
        for whose, revision in (("the candidate", identity.candidate), ("stable", identity.stable))
        if revision in arms
    )
    return (
        f"{len(edges)} common bucket edges of {measure.histogram.metric}_bucket, {least} are needed"
        f" in all pods of both versions{f': {seen}' if seen else ''}"
    )
