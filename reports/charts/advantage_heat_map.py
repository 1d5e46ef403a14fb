"""Heat map: what every network saves, or costs more, model by model, against the cheapest cloud."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from reports.charts._rows import left_room
from reports.reasons import kind_of_reason
from reports.style import (
    INK,
    MUTED,
    WIDTH,
    Key,
    Look,
    Sheet,
    empty,
    fit,
    ids_note,
    layer_ages,
    marker_style,
    source_note,
    styled,
    text_width,
    wrap,
)
from reports.view import Row, claimed_pairs, network_order, ordered_pairs, plain
from reports.words import NO_PAIR, listing, of_many, of_things, percent, plural

__all__ = ["MOST_LLMS", "MOST_NETWORKS", "advantage_cells", "advantage_heat_map"]

MOST_NETWORKS = 30
MOST_LLMS = 8
REFERENCES = {"list": "list price", "modelled_cost": "modelled cost"}
_CHEAPER, _DEARER = "#1f5fa8", "#b9540a"
_SIZE, _HEAD = 6.2, 6.3
_ROW, _TIGHT_ROW, _MANY = 0.2, 0.175, 16


def advantage_cells(headlines: pl.DataFrame, comparison: pl.DataFrame) -> list[Row]:
    """One cell a network x LLM x reference of list price and modelled cost: the advantage over the strictest cloud.

    A network serves a model on the chip of its headline, or where that can't, on the chip it serves it cheapest on.
    Vendors' claims never stand for the clouds. Without a number, ``reason`` says of what kind the gap is.
    """
    heads = plain(headlines)
    load = pl.col("workload")
    loads = heads["workload"].drop_nulls()
    work = plain(comparison.filter(pl.col("match") == "cheapest", pl.col("reference").is_in(list(REFERENCES))))
    if work.is_empty():
        return []
    usual = loads.mode().sort()[0] if loads.len() else work["workload"].sort()[0]
    work = work.join(heads.select("network", _chip="accelerator", _load="workload"), on="network", how="inner").filter(
        load == pl.col("_load").fill_null(usual)
    )
    served = (
        work.filter(pl.col("usd_per_mtok_network").is_not_null())
        .with_columns(_own=pl.col("accelerator") != pl.col("_chip"))
        .sort("network", "llm", "_own", "usd_per_mtok_network", "accelerator", nulls_last=True)
        .unique(["network", "llm"], keep="first", maintain_order=True)
        .select("network", "llm", "accelerator")
    )
    known = (
        work.join(served, on=["network", "llm", "accelerator"], how="inner")
        .filter(pl.col("advantage").is_not_null(), (pl.col("reference_kind") != "vendor_claim").fill_null(True))
        .sort("network", "llm", "reference", "advantage", "cloud", "silicon")
        .unique(["network", "llm", "reference"], keep="first", maintain_order=True)
    )
    found = {(r["network"], r["llm"], r["reference"]): r for r in known.iter_rows(named=True)}
    told: dict[tuple[str, str, str], Counter[str]] = {}
    on = {(n, m): chip for n, m, chip in served.iter_rows()}
    gaps = work.filter(pl.col("not_comparable").is_not_null()).select(
        "network", "llm", "reference", "accelerator", "not_comparable"
    )
    for network, llm, reference, chip, reason in gaps.iter_rows():
        if on.get((network, llm), chip) == chip:
            told.setdefault((network, llm, reference), Counter())[kind_of_reason(reason)] += 1
    llms = work["llm"].unique(maintain_order=True).sort().to_list()
    cells = []
    for network in network_order(heads["network"].to_list()):
        for llm in llms:
            for reference in REFERENCES:
                row = found.get((network, llm, reference))
                reasons = told.get((network, llm, reference), Counter())
                kind = min(reasons, key=lambda k: (-reasons[k], k)) if reasons else kind_of_reason(None)
                cells.append(
                    {"network": network, "llm": llm, "reference": reference, "reason": None if row else kind}
                    | {k: row[k] if row else None for k in _TAKEN}
                )
    return cells


_TAKEN = (
    "accelerator", "advantage", "cloud", "silicon", "network_layer", "reference_layer", "network_observed_at",
    "reference_observed_at", "workload",
)  # fmt: skip


def finding(cells: list[Row], left_out: str = "") -> str:
    """The title: in how many pairs of network and model every cloud is undercut; true of any cells.

    ``left_out`` are the words for what remains where vendors' claims are left out: ``" of bookable silicon"``.
    """
    told = []
    for reference, noun in REFERENCES.items():
        known = [c["advantage"] for c in cells if c["reference"] == reference and c["advantage"] is not None]
        if known:
            told.append((noun, sum(a > 0 for a in known), len(known)))
    if not told:
        return "No network can be compared with a cloud on any model"
    alone = len({c["network"] for c in cells if c["advantage"] is not None}) == 1
    if alone and all(n == 1 for *_, n in told):
        verbs = [f"{'undercuts' if won else 'does not undercut'} every {noun} of the clouds" for noun, won, _ in told]
        verbs[1:] = [verb.replace(" of the clouds", left_out or " of the clouds") for verb in verbs[1:]]
        return f"On the one model compared, the network {' and '.join(verbs)}"
    noun, won, n = told[0]
    counted = of_things(won, n, "model") if alone else of_things(won, n, "pair", "pairs") + " of network and model"
    start = f"{'The network undercuts' if alone else 'Networks undercut'} every cloud's {noun} "
    start += f"{'for' if alone else 'in'} {counted}"
    if len(told) == 1:
        return start
    noun, won, n = told[1]
    return f"{start}, and every {noun}{left_out} {'for' if alone else 'in'} {of_many(won, n)}"


@styled
def advantage_heat_map(headlines: pl.DataFrame, comparison: pl.DataFrame, look: Look) -> Figure:
    """Draw a row a network and a column a model, twice: against list price, and against modelled cost.

    Parameters
    ----------
    headlines : Headlines
        Networks, their chip and workload.
    comparison : Comparison
        All of its chips and models.
    look : Look
        Names, colours, date.
    """
    cells = advantage_cells(headlines, comparison)
    known = [c for c in cells if c["advantage"] is not None]
    claims = [p for p in ordered_pairs(comparison) if p in claimed_pairs(plain(comparison))] if known else []
    priced = plain(comparison).filter(pl.col("reference") == "list", pl.col("usd_per_mtok_reference").is_not_null())
    booked = set(claims) & set(priced.select("cloud", "silicon").unique().rows())
    remaining = (" that is no claim" if booked else " of bookable silicon") if claims else ""
    if not known:
        reasons = list(dict.fromkeys(c["reason"] for c in cells))
        return empty(finding(cells), "; ".join(reasons[:3]) or NO_PAIR, look)
    every_network = list(dict.fromkeys(c["network"] for c in cells))
    usable = Counter(c["llm"] for c in known)
    every_llm = sorted({c["llm"] for c in cells}, key=lambda m: (-usable[m], m))
    networks, llms = every_network[:MOST_NETWORKS], every_llm[:MOST_LLMS]
    shown = [c for c in cells if c["network"] in networks and c["llm"] in llms]
    kinds = list(dict.fromkeys(c["reason"] for c in shown if c["reason"]))
    marks = {kind: "abcdefghij"[min(i, 9)] for i, kind in enumerate(kinds)}
    frame = pl.DataFrame([c for c in shown if c["advantage"] is not None], infer_schema_length=None)
    clouds = listing(look.names(c) for c in sorted(set(frame["cloud"])))
    notes = []
    cuts = [
        f"{a} of {b} {what}"
        for a, b, what in ((len(networks), len(every_network), "networks"), (len(llms), len(every_llm), "models"))
        if a < b
    ]
    if cuts:
        notes.append(f"{' and '.join(cuts)} shown; the others are in comparison.csv. The title counts all of them.")
    if kinds:
        count = Counter(c["reason"] for c in shown)
        told = "; ".join(f"({marks[k]}) {k}, {plural(count[k], 'cell')}" for k in kinds)
        notes.append(f"n/c, hatched: not comparable. {told}.")
    alone = look.names(networks[0]) if len(every_network) == 1 else ""
    notes.append(f"Another chip of {alone or 'a network'} may be cheaper, or dearer, than the one it is drawn on.")
    if claims:
        who = listing(look.names.pair(*pair, claim=True) for pair in claims)
        why = "its cost is its maker's claim" if len(claims) == 1 else "their costs are their makers' claims"
        notes.append(f"{who} left out: {'' if booked else 'nobody can book it, and '}{why}.")
    old = _Old(frame)
    notes += old.told(look, alone)
    source = source_note(
        look,
        old.ringed,
        [("layer", "observed_at")],
        [f"{alone or 'networks'}'{'s' if alone else ''} prices and those of {clouds}", *look.modelled_by(frame)],
        marks="Rings in the cells",
    )
    notes.append(f"{source}{ids_note(look, networks)}")
    left = left_room([look.names(n) for n in networks], 1.75)
    gap = 0.3
    wide = (WIDTH - left - gap) / 2 / len(llms)
    lines = {m: wrap(look.names(m), _HEAD, wide - 0.04) for m in llms}
    upright = all(len(told) <= 2 and text_width(one, _HEAD) <= wide for told in lines.values() for one in told)
    longest = min(1.3, max(text_width(look.names(m), _HEAD) for m in llms))
    head = 0.04 + 0.1 * max(map(len, lines.values())) if upright else 0.14 + 0.75 * longest
    workloads = sorted({look.names(w) for w in frame["workload"]})
    sheet = Sheet(
        title=finding(cells, remaining),
        subtitle=f"Saving in % of the cheapest cloud's price or cost for the same tokens ({', '.join(workloads)}); "
        f"minus: the network is dearer. {alone or 'Each network'} on the chip that stands for it, else its cheapest "
        "that fits",
        footer=notes,
        plot_height=0.3 + head + (_ROW if len(networks) <= _MANY else _TIGHT_ROW) * len(networks),
        keys=[
            Key(label="network cheaper", colour=_CHEAPER, marker="s"),
            Key(label="network dearer", colour=_DEARER, marker="s"),
            *(
                [Key(label="rests on prices that are not live", colour=INK, marker="o", hollow=True)]
                if any(map(old.rings, shown))
                else []
            ),
        ],
    )
    (panels,) = sheet.grid(1, 2, left=left, right=0.0, below=0.02, above=0.24 + head, gap_x=gap)
    for (reference, noun), axes in zip(REFERENCES.items(), panels, strict=True):
        _panel(axes, [c for c in shown if c["reference"] == reference], networks, llms, marks, old)
        axes.set_xticks(range(len(llms)))
        if upright:
            axes.set_xticklabels(["\n".join(lines[m]) for m in llms], fontsize=_HEAD, color=INK)
        else:
            names = [fit(look.names(m), _HEAD, 1.3) for m in llms]
            axes.set_xticklabels(names, fontsize=_HEAD, color=INK, rotation=48, ha="left", rotation_mode="anchor")
        axes.annotate(
            f"Against {noun}", (0, 1), xycoords="axes fraction", xytext=(0, (head + 0.06) * 72),
            textcoords="offset points", fontsize=8, weight="bold", va="bottom", gid="panel",
        )  # fmt: skip
        if reference == "list":
            labels = [fit(look.names(n), 7.5, left - 0.1) for n in networks]
            axes.set_yticks(range(len(networks)), labels, ha="left")
            axes.tick_params(axis="y", pad=(left - 0.02) * 72)
            for label, network in zip(axes.get_yticklabels(), networks, strict=True):
                label.set_color(look.network(network)[0] if look.is_named(network) else INK)
        else:
            axes.set_yticks([])
    return sheet.figure


class _Old:
    """Which prices behind the cells are not live: a ring tells them apart, a sentence where all of a kind are so."""

    def __init__(self, frame: pl.DataFrame) -> None:
        priced = [
            ("networks", frame.select(layer="network_layer", observed_at="network_observed_at")),
            *(
                (reference, part.select(layer="reference_layer", observed_at="reference_observed_at"))
                for reference in REFERENCES
                if (part := frame.filter(pl.col("reference") == reference)).height
            ),
        ]
        live = pl.col("layer").cast(pl.String) == "live"
        self.alike = {kind: part for kind, part in priced if part.filter(live).is_empty()}
        rest = [part.cast({"layer": pl.String}) for kind, part in priced if kind not in self.alike]
        told = pl.concat([priced[0][1].cast({"layer": pl.String}).clear(), *rest])
        # Beside prices that are all old, "all live" of the rest would mislead.
        self.ringed = told if not self.alike or told.filter(~live).height else told.clear()

    def rings(self, cell: Row) -> bool:
        """Whether a cell rests on a price that is not live while others of its kind are."""
        return cell["advantage"] is not None and any(
            kind not in self.alike and layer != "live"
            for kind, layer in (("networks", cell["network_layer"]), (cell["reference"], cell["reference_layer"]))
        )

    def told(self, look: Look, alone: str) -> list[str]:
        """Of the prices none of which is live: their layer and age."""
        whose = {"networks": f"{alone}'s prices" if alone else "the networks' prices"}
        whose |= {reference: f"the clouds' {noun}s" for reference, noun in REFERENCES.items()}
        ages = {kind: layer_ages(look, part, [("layer", "observed_at")]) or [] for kind, part in self.alike.items()}
        told = [f"{whose[kind]}, {' and '.join(found)}" for kind, found in ages.items() if found]
        return [f"Not live, and without a ring: {'; '.join(told)}."] if told else []


def _panel(
    axes: Axes, cells: list[Row], networks: list[str], llms: list[str], marks: dict[str, str], old: _Old
) -> None:
    """The cells of one reference."""
    axes.set_xlim(-0.5, len(llms) - 0.5)
    axes.set_ylim(len(networks) - 0.5, -0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(axis="x", length=0, top=True, labeltop=True, bottom=False, labelbottom=False, pad=3)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": _SIZE}
    for cell in cells:
        x, y, value = llms.index(cell["llm"]), networks.index(cell["network"]), cell["advantage"]
        gid = f"{cell['reference']}:{cell['network']}:{cell['llm']}"
        if value is None:
            axes.add_patch(
                Rectangle(
                    (x - 0.48, y - 0.45), 0.96, 0.9, facecolor="white", edgecolor="#c9ced4", hatch="//////", lw=0,
                    gid=f"none:{gid}",
                )
            )  # fmt: skip
            box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6}
            axes.text(x, y, f"n/c ({marks[cell['reason']]})", color=MUTED, bbox=box, gid=f"text:{gid}", **style)
            continue
        tint = _tint(value)
        axes.add_patch(Rectangle((x - 0.48, y - 0.45), 0.96, 0.9, facecolor=tint, lw=0, gid=f"cell:{gid}"))
        dark = sum(w * c for w, c in zip((0.299, 0.587, 0.114), to_rgb(tint), strict=True)) < 0.55
        axes.text(
            x, y, percent(value, signed=True), color="white" if dark else INK, gid=f"text:{gid}",
            weight="bold" if value < 0 else "normal", **style,
        )  # fmt: skip
        if old.rings(cell):
            axes.plot(
                [x + 0.41], [y - 0.27], marker="o", markersize=2.6, linestyle="none", gid=f"old:{gid}",
                **marker_style(INK, None) | {"markeredgewidth": 0.6},
            )  # fmt: skip


def _tint(value: float) -> str:
    """White at zero, full colour from ±100%."""
    strength = 0.1 + 0.9 * min(1.0, math.sqrt(abs(value))) if value else 0.0
    colour = to_rgb(_CHEAPER if value > 0 else _DEARER)
    red, green, blue = (1 - strength * (1 - part) for part in colour)
    return to_hex((red, green, blue))
