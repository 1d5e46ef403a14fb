"""The page of what the token pays, and the table of what moves the outlook, on the analysis of reference data."""

from __future__ import annotations

import dataclasses
import json
import re
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
import report_data
from analysed import analysed_once
from chart_artists import said

import depin_compare as dc
from depin_compare.economics.outlook import Drivers
from depin_compare.economics.token_economics import TokenEconomics
from reports.charts import CHARTS
from reports.content import report_content
from reports.pdf import report_pdf
from reports.sections.parts import BOUNDED_NOTE
from reports.style import Look
from reports.words import input_words, usd
from reports.writer import write_report

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def real() -> dc.Analysis:
    return analysed_once(
        dc.reference_offers(as_of=AS_OF.date()),
        dc.reference_facts(as_of=AS_OF.date()),
        as_of=AS_OF,
        network_ids=("akash", "ionet", "render"),
    )


def section(analysis: dc.Analysis, title: str) -> list[dict[str, Any]]:
    (found,) = (s for s in report_content(analysis, {}, failed={})["sections"] if s["title"] == title)
    return found["parts"]


def text_of(cell: Any) -> str:
    if isinstance(cell, str):
        return cell
    return " ".join(str(cell[key]) for key in ("text", "words", "under") if cell.get(key))


def lines(parts: list[dict[str, Any]]) -> dict[str, list[str]]:
    tables = [part for part in parts if part["type"] == "table"]
    return {text_of(row[0]).split(" of ")[0]: [text_of(cell) for cell in row[1:]] for t in tables for row in t["rows"]}


def test_every_network_has_a_column_and_every_gap_its_reason(real: dc.Analysis) -> None:
    parts = section(real, "What the token pays")
    (table,) = (part for part in parts if part["type"] == "table")
    assert [column["title"] for column in table["columns"]] == ["Measure", "Akash", "io.net", "Render"]
    for row in table["rows"]:
        assert len(row) == 4
        for cell in row[1:]:
            told = text_of(cell)
            assert told
            assert told != "not known", row
    shown = lines(parts)
    take = shown["Network keeps"]
    assert "0.25%" in take[0]
    assert "4.4% in USDC" in take[1]
    assert "burned" in take[2]
    coverage = next(cells for name, cells in shown.items() if name.startswith("Revenue over emissions"))
    assert coverage[1].startswith("0.34 third party over rewards to suppliers; period to 2025-03-31; ")
    assert "at the newest token price and stressed not known" in coverage[1]
    assert "over all mints" in coverage[2]
    burned = next(cells for name, cells in shown.items() if name.startswith("Tokens burned no revenue"))
    assert burned[0].startswith("53,520 AKT third party in all, up to that day")
    assert "per 90 days" in burned[2]


def test_a_network_keeps_the_same_share_on_every_page_and_chart(real: dc.Analysis) -> None:
    share = real.margins.filter(pl.col("network") == "ionet")["network_take_share"][0]
    told = f"{share * 100:.1f}%"
    assert lines(section(real, "What the token pays"))["Network keeps"][1].startswith(f"{told} published 0.5% in IO")
    (table,) = (part for part in section(real, "What suppliers keep") if part["type"] == "table")
    at = [column["title"] for column in table["columns"]].index("Network keeps")
    assert [row[at]["text"] for row in table["rows"]] == ["0.25%", told, "burned"]
    figure = CHARTS["provider_waterfall"](real, Look.of(real))
    assert said(figure, "amount:ionet:network_take").endswith(f" ({told})")


def test_what_is_stale_is_named(real: dc.Analysis) -> None:
    """Of Akash it is the use, not the price: each has its own age, and its own mark."""
    (table,) = (part for part in section(real, "What suppliers keep") if part["type"] == "table")
    akash = table["rows"][0]
    assert akash[1]["under"] == "reference, 63 days"
    assert akash[2]["under"] == "third party, 182 days, stale"


def test_every_chip_with_a_known_margin_is_in_the_appendix(real: dc.Analysis) -> None:
    (table,) = (part for part in section(real, "Appendix: margins by chip") if part["type"] == "table")
    known = real.margins.filter(pl.col("full_margin").is_not_null() | pl.col("full_margin_with_rewards").is_not_null())
    assert len(table["rows"]) == known.height
    assert table["notes"][-2].startswith("Of each network the chip that stands for it first, then those most on offer")


def test_what_is_not_known_of_rewards_has_its_reason(real: dc.Analysis) -> None:
    (table,) = (part for part in section(real, "What suppliers keep") if part["type"] == "table")
    unknown = [text_of(row[0]).split(" ")[0] for row in table["rows"] if text_of(row[-1]) == "n/k"]
    told = " ".join(note for note in table["notes"] if note.startswith(("With rewards", "n/k")))
    assert unknown
    assert [name for name in unknown if name not in told] == []


def test_a_network_stands_once_among_the_reasons_with_all_it_lacks() -> None:
    (table,) = (p for p in section(report_data.live_shaped(), "What suppliers keep") if p["type"] == "table")
    (told,) = (note for note in table["notes"] if note.startswith("Margin not known: "))
    assert told.count("Golem") == 1
    assert "the price is 75 days old, beyond its limit of 60 days, and no take rate published (Golem: RTX 4090" in told
    rewards = " ".join(note for note in table["notes"] if note.startswith("With rewards, n/k"))
    assert "deducted from the pay that Akash guarantees" in rewards
    assert "of the rewards of io.net only an average over all chips" in rewards


def test_costs_that_are_known_are_not_said_to_be_unknown() -> None:
    """Of Dormant the price alone is too old: what its node needs is told here as on the networks' page."""
    made = report_data.thirty_networks(False)
    (table,) = (part for part in section(made, "What suppliers keep") if part["type"] == "table")
    (row,) = (row for row in table["rows"] if text_of(row[0]).startswith("Dormant"))
    needed = made.margins.filter(pl.col("network") == "dormant")["breakeven_usd_per_accelerator_hour"]
    # Its network publishes but a part of its fee, so the node needs that price or more.
    assert f"\N{GREATER-THAN OR EQUAL TO} {usd(needed[0])}" in [text_of(cell) for cell in row]
    assert BOUNDED_NOTE in table["notes"]
    assert not any("costs" in note for note in table["notes"] if note.startswith("Margin not known"))
    # A price a hundredfold above another bounds a margin by all of the receipts, never by more.
    apart = made.margins.filter(pl.col("network") == "two-prices")
    assert apart["full_margin_high"].max() < 1
    future = made.outlook.filter(pl.col("network") == "two-prices", pl.col("quantity") != "advantage")
    assert future["today_high"].max() < 1


def test_a_hardware_price_without_a_date_has_no_age() -> None:
    (sensitive,) = (s for s in report_content(report_data.live_shaped(), {}, failed={})["sections"]
                    if s["title"].startswith("Sensitivity"))  # fmt: skip
    (table,) = (p for p in sensitive["parts"] if p["type"] == "table" and p["columns"][-1]["title"] == "Oldest data")
    nodes = [row[-1] for row in table["rows"] if "Supplier's new node" in map(text_of, row)]
    assert nodes
    assert nodes[0] == "2026, no day"
    assert "no day: the price of the hardware" in table["notes"][0]


def test_a_network_without_a_chip_that_stands_for_it_says_why() -> None:
    made = report_data.thirty_networks(False)
    tables = [part for part in section(made, "What the token pays") if part["type"] == "table"]
    cells = [cell for table in tables for row in table["rows"] for cell in row]
    assert not [cell for cell in cells if text_of(cell) == "not known"]
    (table,) = (t for t in tables if any(c["title"].startswith("Eight-Gigabyte") for c in t["columns"]))
    notes = " ".join(table["notes"])
    assert "nothing it offers can be compared at equal work" in notes
    assert "days old, beyond its limit" in notes
    (lacking,) = (row for row in table["rows"] if text_of(row[0]).startswith("Lacking to break even"))
    dormant = next(i for i, c in enumerate(table["columns"]) if c["title"].startswith("Dormant"))
    assert text_of(lacking[dormant]).startswith("not known [")


def test_two_measures_never_share_a_name(real: dc.Analysis) -> None:
    (table,) = (part for part in section(real, "What the token pays") if part["type"] == "table")
    names = [row[0]["text"] for row in table["rows"]]
    assert len(names) == len(set(names))


def test_a_page_without_a_date_is_read_and_a_claim_is_said(real: dc.Analysis) -> None:
    shown = lines(section(real, "What the token pays"))
    (emitted,) = (cells for name, cells in shown.items() if name.startswith("Emitted to providers"))
    assert "page undated, read 2026-11-22" in emitted[1]
    online = shown["Reward for being online tokens per hour"]
    assert "stressed (vendor claim)" in online[0]


def test_numbers_of_the_page_are_those_of_the_frame(real: dc.Analysis) -> None:
    gap = real.token_economics.filter(
        pl.col("network") == "akash", pl.col("measure") == "subsidy_gap_usd_per_hour",
        pl.col("subject") == "h100-sxm/data_centre",
    )["value"].item()  # fmt: skip
    shown = lines(section(real, "What the token pays"))
    (cells,) = (cells for name, cells in shown.items() if name.startswith("Lacking to break even"))
    assert f"${gap:.2f}" in cells[0]


def test_the_drivers_are_the_first_two_of_the_tornado(real: dc.Analysis) -> None:
    parts = section(real, "Sensitivity: what decides")
    table = next(part for part in parts if part["type"] == "table" and part["columns"][1]["title"] == "Quantity")
    assert len({len(row) for row in table["rows"]}) == 2  # the network spans its rows
    quantities = [text_of(row[-5]) for row in table["rows"]]
    assert quantities.count("Buyer over list price") == quantities.count("Buyer over modelled cost") == 3
    assert quantities.count("Supplier's new node") == len(quantities) - 6 > 0
    assert "against AWS with NVIDIA GPUs" in table["notes"][0]
    first = real.drivers.filter(
        pl.col("network") == "akash", pl.col("scenario") == "base", pl.col("pricing") == "fleet_average",
        pl.col("quantity") == "full_margin_new_node", pl.col("rank") == 1,
    )["input"].item()  # fmt: skip
    supplier = next(row for row in table["rows"] if text_of(row[-5]).startswith("Supplier"))
    assert input_words(first) in text_of(supplier[-3])
    assert text_of(supplier[-1]).endswith("stale")


def test_the_shares_are_the_largest_of_the_variance(real: dc.Analysis) -> None:
    parts = section(real, "Sensitivity: what decides")
    tables = [part for part in parts if part["type"] == "table"]
    table = next(table for table in tables if table["columns"][1]["title"].startswith("Buyer's"))
    name, share = (
        real.sensitivity.filter(
            pl.col("network") == "akash", pl.col("quantity") == "advantage", pl.col("reference") == "list",
            pl.col("measure") == "value", pl.col("cloud") == "azure", pl.col("silicon") == "nvidia",
        )
        .sort("total", descending=True).select("input", "total").row(0)
    )  # fmt: skip
    akash = next(row for row in table["rows"] if text_of(row[0]) == "Akash")
    assert text_of(akash[1]).startswith(f"{input_words(name)} {share:.0%}")
    assert table["columns"][1]["title"].endswith("Azure with NVIDIA GPUs")


def test_a_run_without_either_still_makes_a_report(real: dc.Analysis) -> None:
    bare = dataclasses.replace(real, drivers=Drivers.create_empty(), token_economics=TokenEconomics.create_empty())
    assert any("No token measure" in part.get("text", "") for part in section(bare, "What the token pays"))
    assert report_pdf(bare, {}).startswith(b"%PDF")


def test_both_frames_are_written(real: dc.Analysis, tmp_path: Any) -> None:
    written = write_report(real, tmp_path / "out", formats=["csv"])
    names = {path.name for path in written}
    assert {"drivers.csv", "token_economics.csv"} <= names
    table = pl.read_csv(tmp_path / "out" / "token_economics.csv", infer_schema_length=None)
    assert table.height == real.token_economics.height


def test_what_tenants_pay_is_no_gap_of_knowledge() -> None:
    """Akash emits nothing to providers, Chutes has no token on record: the one is none, the other not known."""
    parts = section(report_data.live_shaped(), "What the token pays")
    table = next(part for part in parts if part["type"] == "table")
    columns = [column["title"] for column in table["columns"]]
    (row,) = (row for row in table["rows"] if text_of(row[0]).startswith("Emitted to providers"))
    akash, chutes = (text_of(row[columns.index(name)]) for name in ("Akash", "Chutes"))
    assert re.fullmatch(r"none \[\d+\]", akash)
    assert re.fullmatch(r"not known \[\d+\]", chutes)
    number = akash.removeprefix("none ")
    assert f"{number} tenants pay the network's providers: new AKT go to stakers" in " ".join(table["notes"])
    # The numbers stand on the page of what they explain.
    assert all(part["whole"] for part in parts if part["type"] == "table")


def test_a_network_that_hosts_models_is_held_beside_its_own_hours() -> None:
    live = report_data.live_shaped()
    asked = live.market_check.filter(pl.col("provider") == "akash", pl.col("llm") == "llama-3.3-70b")
    told = [part.get("text", "") for part in section(live, "Model against market") if part["type"] == "quiet"]
    (own,) = (text for text in told if text.startswith("A network that hosts models itself"))
    hours = live.comparison.filter(
        pl.col("network") == "akash", pl.col("accelerator") == "h100-sxm", pl.col("llm") == "llama-3.3-70b"
    )["usd_per_mtok_network"].drop_nulls()
    assert f"Akash asks {usd(asked['usd_per_mtok_asked'].min())} for Llama 3.3-70B" in own
    assert f"tokens cost {usd(hours[0])} on its H100 SXM 80GB by the hour" in own
    others = live.market_check.filter(pl.col("host_kind") != "network")
    without = dataclasses.replace(live, market_check=others)
    assert "hosts models itself" not in json.dumps(section(without, "Model against market"))


def test_a_gap_stands_with_its_reason_and_what_has_no_meaning_does_not_apply() -> None:
    one = section(report_data.one_network(), "What the token pays")
    (gaps,) = (part["text"] for part in one if part.get("text", "").startswith("Without a figure: "))
    assert "reward in USD (per rented hour), " in gaps
    assert "(tenants pay the network's providers: new AKT go to stakers" in gaps
    assert "token price that closes it (nobody publishes the AKT paid per rented hour of a chip)" in gaps
    live = next(part for part in section(report_data.live_shaped(), "What the token pays") if part["type"] == "table")
    columns = [column["title"] for column in live["columns"]]
    rows = {text_of(row[0]).split(" per ")[0]: row for row in live["rows"]}
    render = columns.index("Render")
    assert text_of(rows["Lacking to break even USD"][render]).startswith("does not apply [")
    assert text_of(rows["Change of supply"][render]).startswith("does not apply [")
    # Bought and settled at one price nothing changes, by construction: no finding.
    akash = text_of(rows["Change of supply"][columns.index("Akash")])
    assert not akash.startswith("0 ")
    assert "stressed" in akash


def test_capital_of_several_sorts_is_told(real: dc.Analysis) -> None:
    (table,) = (
        part for part in section(report_data.live_shaped(), "Appendix: margins by chip") if part["type"] == "table"
    )
    (told,) = (note for note in table["notes"] if note.startswith("Capital rests on prices of several sorts"))
    assert "whole new systems (H100 SXM 80GB" in told
    assert re.search(r"new cards \([^)]*H200 SXM 141GB", told)
