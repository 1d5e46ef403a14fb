"""The page of what the token pays, and the table of what moves the outlook, on the analysis of reference data."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from analysed import analysed_once

import depin_compare as dc
from depin_compare.economics.outlook import Drivers
from depin_compare.economics.token_economics import TokenEconomics
from reports.content import report_content
from reports.pdf import report_pdf
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
    assert "100%" in take[2]
    coverage = next(cells for name, cells in shown.items() if name.startswith("Revenue over emissions"))
    assert coverage[1].startswith("0.34 then")
    assert "today and stressed: not known" in coverage[1]
    burned = next(cells for name, cells in shown.items() if name.startswith("Burned, gross"))
    assert "53,520 AKT" in burned[0]


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
    (table,) = (part for part in parts if part["type"] == "table" and part["columns"][0]["title"] == "Network")
    assert len({len(row) for row in table["rows"]}) == 2  # the network spans its rows
    assert len(table["rows"]) >= 9
    first = real.drivers.filter(
        pl.col("network") == "akash", pl.col("scenario") == "base", pl.col("pricing") == "fleet_average",
        pl.col("quantity") == "full_margin_new_node", pl.col("rank") == 1,
    )["input"].item()  # fmt: skip
    (supplier,) = (row for row in table["rows"][:5] if any(text_of(cell).startswith("Supplier") for cell in row))
    assert first.replace("network_", "network's ").replace("_", " ") in text_of(supplier[-3])
    assert text_of(supplier[-1]).endswith("days, stale")


def test_a_run_without_either_still_makes_a_report(real: dc.Analysis) -> None:
    import dataclasses

    bare = dataclasses.replace(real, drivers=Drivers.create_empty(), token_economics=TokenEconomics.create_empty())
    assert any("No token measure" in part.get("text", "") for part in section(bare, "What the token pays"))
    assert report_pdf(bare, {}).startswith(b"%PDF")


def test_both_frames_are_written(real: dc.Analysis, tmp_path: Any) -> None:
    written = write_report(real, tmp_path / "out", formats=["csv"])
    names = {path.name for path in written}
    assert {"drivers.csv", "token_economics.csv"} <= names
    table = pl.read_csv(tmp_path / "out" / "token_economics.csv", infer_schema_length=None)
    assert table.height == real.token_economics.height
