"""A profile as a page: each field with its bins, what is missing, and what is worth a look.

One HTML document; no script, no font and no style from elsewhere.
"""

from __future__ import annotations

import html as markup
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise

from tidegate_probe.bins import MISSING, OTHER, TOP, NumericBins, edge_text
from tidegate_probe.fields import Field, Parts

SHOWN = 14  # bins of a card; more categories fold away
MUCH_MISSING, MUCH_OTHER, MUCH_IN_ONE = 0.2, 0.05, 0.95  # shares of rows that are worth a look
_STYLE = """
:root { color-scheme: light; }
body { font: 13px/1.45 system-ui, sans-serif; color: #222; margin: 24px auto; max-width: 1440px;
  padding: 0 20px; }
h1 { font-size: 22px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 28px 0 10px; }
p { margin: 4px 0; } .quiet { color: #666; } a { color: #35507a; }
.legend i { display: inline-block; width: 12px; height: 10px; margin: 0 5px 0 14px; }
.looks { columns: 310px; column-gap: 14px; list-style: none; margin: 0; padding: 0; }
.looks li { break-inside: avoid; overflow-wrap: anywhere; padding: 1px 0; }
.looks span { color: #666; margin-left: 6px; }
.cards { display: grid; gap: 14px; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(310px, 1fr)); }
.card { border: 1px solid #d5dbe1; border-radius: 6px; padding: 10px 12px; break-inside: avoid; }
.card:target { border-color: #35507a; box-shadow: 0 0 0 2px #35507a; }
h3 { font-size: 14px; margin: 0; overflow-wrap: anywhere; }
.bin { display: grid; grid-template-columns: 40% 1fr 56px; gap: 8px; height: 17px; }
.bin span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.numeric .bin span { text-align: right; font-variant-numeric: tabular-nums; }
.bin b { font-weight: normal; text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bin i { height: 11px; margin-top: 3px; min-width: 1px; background: #35507a; }
.bin.missing i, .legend .missing { background: #b3502f; }
.bin.other i, .legend .other { background: #c8962c; }
.legend .kept { background: #35507a; }
.bin.missing { margin-top: 4px; } .none { color: #999; } .bin.none i { visibility: hidden; }
svg { display: block; width: 100%; height: 34px; margin: 6px 0 2px; }
.ends { display: flex; justify-content: space-between; color: #666; font-size: 11px;
  margin-bottom: 4px; }
summary { cursor: pointer; color: #35507a; }
"""


def page(parts: Parts, *, digest: str) -> str:
    """The document."""
    title = f"{parts['model']} {parts['model_version']}"
    body = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="quiet">{_text(_facts(parts, digest))}</p>',
        *_worth_a_look(parts),
        *_cards("Outputs", parts["outputs"], rows=parts["rows"]),
        *_cards("Features", parts["features"], rows=parts["rows"]),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{_text(f'Profile of {title}')}</title><style>{_STYLE}</style></head><body>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )


def _facts(parts: Parts, digest: str) -> str:
    facts = [
        f"{parts['rows']:,} rows",
        _number_of(parts["features"], "feature"),
        _number_of(parts["outputs"], "output"),
        f"digest {digest[:12]}",
    ]
    positive = parts["positive"]
    if positive is not None:
        limit = (
            f"from {edge_text(positive.threshold)} on"
            if positive.threshold is not None
            else f"is {positive.category}"
        )
        facts.append(f"positive where {positive.output} {limit}")
    return " · ".join(facts)


def _number_of(fields: Mapping[str, Field], word: str) -> str:
    return f"{len(fields)} {word}" if len(fields) == 1 else f"{len(fields)} {word}s"


# --- what is worth a look ------------------------------------------------------------------------


def _worth_a_look(parts: Parts) -> Iterator[str]:
    """Fields that can tell little, or that hint at a mistake in the data."""
    found = [
        (f"{group}-{at}", name, remark)
        for group in ("outputs", "features")
        for at, (name, field) in enumerate(parts[group].items())
        if (remark := _remark(field, rows=parts["rows"]))
    ]
    yield '<p class="legend quiet"><i class="kept"></i>bins of training'
    yield '<i class="missing"></i>missing<i class="other"></i>other: none of the bins</p>'
    if not found:
        return
    yield f'<h2>Worth a look ({len(found)})</h2><ul class="looks">'
    for anchor, name, remark in found:
        link = f'<a href="#{anchor}">{_text(name)}</a>'
        yield f"<li>{link} <span>{_text(remark)}</span></li>"
    yield "</ul>"


def _remark(field: Field, *, rows: int) -> str:
    *kept, missing, other = (rows_of_bin / max(1, rows) for rows_of_bin in field.counts)
    if missing >= MUCH_MISSING:
        return f"missing in {_percent(missing)} of the rows"
    if other >= MUCH_OTHER:
        return f"{_percent(other)} of the rows are in no bin of their own"
    if len(kept) < 2:
        return "one bin: it cannot tell a change but of missing values"
    most = max(kept)
    return f"{_percent(most)} of the rows are in one bin" if most >= MUCH_IN_ONE else ""


# --- cards ---------------------------------------------------------------------------------------


def _cards(title: str, fields: Mapping[str, Field], *, rows: int) -> Iterator[str]:
    if not fields:
        return
    yield f'<h2>{title}</h2><div class="cards">'
    for at, (name, field) in enumerate(fields.items()):
        yield f'<div class="card {field.bins.kind}" id="{title.lower()}-{at}">'
        yield from _card(name, field, rows=rows)
        yield "</div>"
    yield "</div>"


def _card(name: str, field: Field, *, rows: int) -> Iterator[str]:
    yield f"<h3>{_text(name)}</h3>"
    kept = len(field.counts) - 2
    if isinstance(field.bins, NumericBins):
        yield f'<p class="quiet">numbers, {kept} bin{"s" * (kept != 1)}</p>'
        yield from _shape(field.bins, field.counts)
        drawn = list(zip(_ranges(field.bins), field.counts, strict=True))
    else:
        yield f'<p class="quiet">{kept} {"category" if kept == 1 else "categories"}</p>'
        named = list(zip(field.bins.labels, field.counts, strict=True))
        drawn = sorted(named[:-2], key=lambda one: -one[1]) + named[-2:]
    largest = max(field.counts)
    lines = [_bin(label, count, rows=rows, largest=largest) for label, count in drawn[:-2]]
    fold = len(lines) > SHOWN
    yield from lines[: SHOWN - 2] if fold else lines
    if fold:
        hidden = sum(count for _, count in drawn[SHOWN - 2 : -2])
        told = f"{len(lines) - SHOWN + 2} more, {_percent(hidden / max(1, rows))} of the rows"
        yield f"<details><summary>{told}</summary>"
        yield from lines[SHOWN - 2 :]
        yield "</details>"
    for (_, count), group in zip(drawn[-2:], (MISSING, OTHER), strict=True):
        yield _bin(group, count, rows=rows, largest=largest, group=group)


def _bin(label: str, count: int, *, rows: int, largest: int, group: str = "") -> str:
    share = count / max(1, rows)
    width = 100 * count / max(1, largest)
    classes = " ".join(word for word in ("bin", group, "" if count else "none") if word)
    return (
        f'<div class="{classes}" title="{_text(label)}: {count:,} rows, {_percent(share)}">'
        f'<span>{_text(label)}</span><i style="width:{width:.1f}%"></i><b>{_percent(share)}</b></div>'
    )


def _ranges(bins: NumericBins) -> list[str]:
    """The bins of numbers in words, and the last two by name."""
    texts = [edge_text(edge) for edge in bins.edges]
    if not texts:
        return ["any number", MISSING, OTHER]
    inner = [f"{lower} to {upper}" for lower, upper in pairwise(texts)]
    return [f"to {texts[0]}", *inner, f"above {texts[-1]}", MISSING, OTHER]


def _shape(bins: NumericBins, counts: tuple[int, ...]) -> Iterator[str]:
    """Rows per unit between the outermost edges: bins of equal counts look alike without it."""
    if len(bins.edges) < 3:
        return
    low, spread = bins.edges[0], bins.edges[-1] - bins.edges[0]
    if not math.isfinite(spread):
        return
    between = list(zip(pairwise(bins.edges), counts[1:], strict=False))
    dense = [rows / ((upper - lower) / spread) for (lower, upper), rows in between]
    highest = max(dense) or 1.0
    yield '<svg viewBox="0 0 100 30" preserveAspectRatio="none" role="img" aria-label="density">'
    for ((lower, upper), _), density in zip(between, dense, strict=True):
        left, width = 100 * (lower - low) / spread, 100 * (upper - lower) / spread
        height = max(0.6, 30 * density / highest)
        yield (
            f'<rect x="{left:.2f}" y="{30 - height:.2f}" width="{width:.2f}" height="{height:.2f}" '
            'fill="#9fb0c4"/>'
        )
    yield "</svg>"
    ends = f"<span>{bins.labels[0]}</span><span>rows per unit</span><span>{_last(bins)}</span>"
    yield f'<div class="ends">{ends}</div>'


def _last(bins: NumericBins) -> str:
    return bins.labels[bins.labels.index(TOP) - 1]


def _percent(share: float) -> str:
    if share == 0:
        return "0 %"
    return "< 0.1 %" if share < 0.001 else f"{100 * share:.1f} %"


def _text(text: str) -> str:
    return markup.escape(text, quote=True)
