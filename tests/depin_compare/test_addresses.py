"""An address picks one number of a run, or says why it can't."""

from datetime import UTC, datetime

import polars as pl
import pytest

import depin_compare as dc
from depin_compare.addresses import check_address, reported
from depin_compare.errors import ConfigError, UnknownNameError
from depin_compare.refdata import accelerators

AS_OF = datetime(2026, 11, 22, tzinfo=UTC)


@pytest.fixture(scope="module")
def analysis() -> dc.Analysis:
    return dc.analyse(
        dc.reference_offers(as_of=AS_OF.date()),
        dc.reference_facts(as_of=AS_OF.date()),
        as_of=AS_OF,
        network_ids=("akash", "ionet", "render"),
        llm_ids=("llama-3.3-70b",),
    )


def row(frame: pl.DataFrame, **wanted: str | None) -> dict:
    plain = frame.with_columns(pl.col(pl.Enum).cast(pl.String))
    return plain.filter(*(pl.col(c).eq_missing(pl.lit(v)) for c, v in wanted.items())).row(0, named=True)


def test_every_table_with_numbers_gives_the_one_its_frame_holds(analysis):
    pair = {"network": "akash", "cloud": "aws", "silicon": "nvidia", "reference": "list"}
    node = {"network": "akash", "accelerator": "h100-sxm", "archetype": "data_centre"}
    work = {"accelerator": "h100-sxm", "llm": "llama-3.3-70b", "workload": "chat", "match": "cheapest"}
    base = {"scenario": "base", "quantity": "advantage", "pricing": "fleet_average"}
    price = {"network": "akash", "accelerator": "h100-sxm", "terms": "on_demand"}
    expected = {
        "margin akash h100-sxm data_centre full_margin": row(analysis.margins, **node)["full_margin"],
        "margin akash h100-sxm data_centre take_rate": row(analysis.margins, **node)["take_rate"],
        "comparison akash h100-sxm llama-3.3-70b aws/nvidia/list advantage": row(
            analysis.comparison, **pair, **work
        )["advantage"],
        "outlook akash aws/nvidia/list base advantage headroom": row(analysis.outlook, **pair, **base)["headroom"],
        "token akash network_take AKT value": row(
            analysis.token_economics, network="akash", measure="network_take", subject="AKT"
        )["value"],
        "price akash h100-sxm p50": row(analysis.market_statistics, **price)["usd_per_accelerator_hour_p50"],
        "price akash h100-sxm n_offers": row(analysis.market_statistics, **price)["n_offers"],
    }  # fmt: skip
    for address, value in expected.items():
        check_address(address)
        assert value is not None, address
        assert reported(analysis, address).value == value, address


def test_a_number_that_is_null_carries_the_reason_of_its_row(analysis):
    unknown = analysis.margins.filter(pl.col("full_margin").is_null(), pl.col("not_known").is_not_null()).row(
        0, named=True
    )
    told = reported(analysis, f"margin {unknown['network']} {unknown['accelerator']} {unknown['archetype']}")
    assert told.value is None
    assert told.not_known == unknown["not_known"]


@pytest.mark.parametrize(
    ("address", "error", "told"),
    [
        ("", ConfigError, "no address"),
        ("margins akash", ConfigError, "which chip"),
        ("margin akash h100-sxm data_center", UnknownNameError, "data_centre"),
        ("margin akahs h100-sxm data_centre", UnknownNameError, "akash"),
        ("margin akash h100-sxm data_centre full_margn", UnknownNameError, "full_margin"),
        ("outlook akash aws/nvidia/list base verdict", ConfigError, "verdict is no number"),
        ("outlook akash aws/nvidia base", UnknownNameError, "unknown reference"),
        ("assumption cloud_utilisation", ConfigError, "use one of comparison, margin"),
        ("weather akash", UnknownNameError, "unknown table"),
    ],
)
def test_a_wrong_address_is_told_with_and_without_a_run(analysis, address, error, told):
    with pytest.raises(error, match=told):
        check_address(address)
    with pytest.raises(error, match=told):
        reported(analysis, address)


def test_an_address_that_means_several_rows_names_them(analysis):
    with pytest.raises(ConfigError, match=r"which subject\? One of .*AKT"):
        reported(analysis, "token akash network_take")


def test_a_chip_that_exists_but_is_not_on_offer_is_right_for_the_file_and_unknown_to_the_run(analysis):
    offered = analysis.market_statistics.filter(pl.col("network") == "akash")["accelerator"]
    chip = min(set(accelerators()["accelerator"]) - set(offered))
    check_address(f"price akash {chip}")
    with pytest.raises(UnknownNameError, match=chip):
        reported(analysis, f"price akash {chip}")
