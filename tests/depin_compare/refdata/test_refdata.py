"""The packaged tables: they load, name their sources, and say what was checked by hand."""

from __future__ import annotations

import datetime as dt
import itertools
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from depin_compare import refdata
from depin_compare.errors import ReferenceDataError
from depin_compare.market.offers import PRICE_KINDS, TERMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TODAY = dt.date(2026, 11, 22)
TABLES: dict[str, Callable[[], pl.DataFrame]] = {
    "accelerators": refdata.accelerators,
    "accelerator_names": refdata.accelerator_names,
    "llms": refdata.llms,
    "instances": refdata.instances,
    "networks": refdata.networks,
    "network_facts": refdata.network_facts,
    "hardware_prices": refdata.hardware_prices,
    "accelerator_tco": refdata.accelerator_tco,
    "reference_prices": refdata.reference_prices,
    "llm_names": refdata.llm_names,
    "token_hosts": refdata.token_hosts,
    "token_prices": refdata.reference_token_prices,
    "unpriced_networks": refdata.unpriced_networks,
}
DATED = sorted(set(TABLES) - {"llm_names", "token_hosts", "accelerator_names"})
HOPPER_AND_LATER = ["h100-pcie", "h100-sxm", "h100-nvl", "h200", "h200-nvl", "gh200", "b200", "b300", "gb200", "gb300"]


def accelerator(name: str) -> dict[str, Any]:
    return refdata.accelerators().row(by_predicate=pl.col("accelerator") == name, named=True)


def normalised(name: str) -> str:
    """Names are compared without case, blanks, ``-``, ``_`` and the makers' words in front."""
    squeezed = re.sub(r"[\s_-]+", "", name.lower())
    return re.sub(r"^(nvidia|geforce|tesla|amd)+", "", squeezed)


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the packaged tables that a test may damage; the caches are emptied around it."""
    folder = tmp_path / "refdata"
    shutil.copytree(str(refdata._FOLDER), folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(refdata, "_FOLDER", folder)
    for load in (refdata.sources, *TABLES.values()):
        load.cache_clear()  # type: ignore[attr-defined]  # not in the stubs
    yield folder
    for load in (refdata.sources, *TABLES.values()):
        load.cache_clear()  # type: ignore[attr-defined]  # not in the stubs


@pytest.mark.parametrize("name", sorted(TABLES))
def test_every_table_loads_with_rows(name: str) -> None:
    assert TABLES[name]().height > 0


@pytest.mark.parametrize("name", sorted(TABLES))
def test_rows_are_sorted_so_that_a_diff_reads_line_by_line(name: str) -> None:
    keys = {
        "accelerator_names": ["accelerator"],
        "accelerator_tco": ["accelerator"],
        "accelerators": ["accelerator"],
        "hardware_prices": ["accelerator", "item", "condition", "as_of"],
        "instances": ["cloud", "instance_type"],
        "llms": ["llm"],
        "network_facts": ["network", "metric"],
        "networks": ["network"],
        "reference_prices": ["offer_id"],
        "llm_names": ["llm"],
        "token_hosts": ["host"],
        "token_prices": ["price_id"],
        "unpriced_networks": ["network"],
    }[name]
    rows = TABLES[name]().with_columns(pl.selectors.enum().cast(pl.String)).select(keys).rows()
    assert rows == sorted(rows)


@pytest.mark.parametrize("name", DATED)
def test_no_row_is_dated_after_the_state_of_facts(name: str) -> None:
    assert (TABLES[name]()["as_of"] <= TODAY).all()


def test_a_row_whose_source_does_not_exist_is_refused(broken: Path) -> None:
    table = broken / "networks.csv"
    table.write_text(table.read_text().replace(",aws-on-demand-list,", ",nobody,"))
    with pytest.raises(ReferenceDataError, match=r"refdata/networks\.csv: source_id nobody"):
        refdata.networks()


def test_a_second_source_that_does_not_exist_is_refused(broken: Path) -> None:
    table = broken / "accelerators.csv"
    table.write_text(table.read_text().replace(",techpowerup-gpu-database,nvidia-ada", ",nobody,nvidia-ada"))
    with pytest.raises(ReferenceDataError, match="second_source_id nobody"):
        refdata.accelerators()


def test_a_name_for_an_unknown_accelerator_is_refused(broken: Path) -> None:
    table = broken / "accelerator_names.csv"
    table.write_text(table.read_text() + "RTX 9999,rtx-9999,vast,vast-docs\n")
    with pytest.raises(ReferenceDataError, match="rtx-9999"):
        refdata.accelerator_names()


def test_a_value_outside_its_range_is_refused(broken: Path) -> None:
    table = broken / "reference_prices.csv"
    table.write_text(table.read_text().replace(",2.71,on_demand,", ",2710,on_demand,"))
    with pytest.raises(ReferenceDataError, match=r"refdata/reference_prices\.csv"):
        refdata.reference_prices()


def test_sources_have_a_web_address_or_none() -> None:
    urls = refdata.sources()["url"].drop_nulls()
    assert [url for url in urls if not re.match(r"https?://[a-z0-9.-]+\.[a-z]+", url)] == []


def test_hand_checked_accelerators() -> None:
    h100 = accelerator("h100-sxm")
    assert (h100["dense_fp16_tflops"], h100["bandwidth_gb_per_s"], h100["memory_gib"]) == (989, 3350, 80)
    assert (h100["link_gb_per_s"], h100["power_w"]) == (450, 700)
    rtx4090 = accelerator("rtx-4090")
    assert (rtx4090["dense_fp16_tflops"], rtx4090["bandwidth_gb_per_s"], rtx4090["memory_gib"]) == (165.2, 1008, 24)
    tpu = accelerator("tpu-v6e")
    assert (tpu["dense_fp16_tflops"], tpu["bandwidth_gb_per_s"], tpu["memory_gib"]) == (918, 1638, 32)
    maia = accelerator("maia-200")
    assert (maia["dense_fp4_tflops"], maia["memory_gib"], maia["kind"]) == (10_000, 216, "vendor_claim")


def test_peaks_are_dense_not_sparse() -> None:
    """The sparse figure of a Hopper chip is 1979 at FP16; the fastest dense one of all is under 2,600."""
    table = refdata.accelerators()
    assert (table["dense_fp16_tflops"].drop_nulls() <= 2600).all()
    hopper = table.filter(pl.col("accelerator").str.contains("^(h100|h200|h800|gh200)"))
    assert hopper.height >= 8
    assert (hopper["dense_fp16_tflops"] < 1000).all()
    assert (hopper["dense_fp8_tflops"] < 2000).all()


@pytest.mark.parametrize("name", HOPPER_AND_LATER)
def test_fp8_runs_at_twice_fp16_on_hopper_and_blackwell(name: str) -> None:
    row = accelerator(name)
    assert row["dense_fp8_tflops"] == pytest.approx(2 * row["dense_fp16_tflops"], rel=2e-3)


def test_ampere_and_older_have_no_fp8() -> None:
    old = refdata.accelerators().filter(
        pl.col("accelerator").str.contains(r"^(rtx-30|rtx-a\d|v100|t4|a10|a30|a40|a100|mi250)")
    )
    assert old.height >= 15
    assert old["dense_fp8_tflops"].null_count() == old.height


def test_geforce_cards_are_given_at_fp32_accumulation() -> None:
    """There INT8 is four times FP16; at FP16 accumulation it would be twice."""
    cards = refdata.accelerators().filter(pl.col("family") == "consumer")
    assert cards.height >= 10
    ratio = (cards["dense_int8_tops"] / cards["dense_fp16_tflops"]).to_list()
    assert ratio == pytest.approx([4.0] * cards.height, rel=5e-3)


def test_names_are_unique_once_normalised() -> None:
    names = [normalised(name) for name in refdata.accelerator_names()["name"]]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize(
    "name",
    ["h100", "a100", "v100", "rtx5090m", "RTX 4090 Laptop GPU", "RTX 4090 D", "rtx6000", "RTX 8000", "GTX 1080 Ti"],
)
def test_ambiguous_and_unknown_names_are_left_out(name: str) -> None:
    assert normalised(name) not in {normalised(known) for known in refdata.accelerator_names()["name"]}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("rtx4090", "rtx-4090"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 PCIe", "h100-pcie"),
        ("h200nvl", "h200-nvl"),
        ("NVIDIA A100-SXM4-80GB", "a100-sxm-80gb"),
        ("pro6000se", "rtx-pro-6000-bw"),
        ("AMD Instinct MI300X OAM", "mi300x"),
    ],
)
def test_names_seen_in_the_wild_are_known(name: str, expected: str) -> None:
    table = {normalised(row["name"]): row["accelerator"] for row in refdata.accelerator_names().iter_rows(named=True)}
    assert table[normalised(name)] == expected


def test_every_accelerator_has_a_name() -> None:
    assert set(refdata.accelerators()["accelerator"]) == set(refdata.accelerator_names()["accelerator"])


def test_no_instance_is_a_maia() -> None:
    assert refdata.instances().filter(pl.col("accelerator").str.contains("maia")).is_empty()


def test_instances_name_known_accelerators_and_clouds() -> None:
    table = refdata.instances()
    assert set(table["accelerator"]) <= set(refdata.accelerators()["accelerator"])
    clouds = refdata.networks().filter(pl.col("segment") == "hyperscaler")["network"]
    assert set(table["cloud"]) == set(clouds)


@pytest.mark.parametrize(
    ("cloud", "instance_type", "expected", "count"),
    [
        ("azure", "Standard_ND96isr_H100_v5", "h100-sxm", 8),
        ("azure", "Standard_NC40ads_H100_v5", "h100-nvl", 1),
        ("azure", "Standard_NC24ads_A100_v4", "a100-pcie-80gb", 1),
        ("azure", "Standard_NV6ads_A10_v5", "a10", 1 / 6),
        ("aws", "p4d.24xlarge", "a100-sxm-40gb", 8),
        ("aws", "p5.48xlarge", "h100-sxm", 8),
        ("aws", "p6e-gb200.36xlarge", "gb200", 4),
        ("aws", "trn2.48xlarge", "trainium2", 16),
        ("google", "v5p-8", "tpu-v5p", 4),
        ("google", "v6e-8", "tpu-v6e", 8),
    ],
)
def test_hand_checked_instances(cloud: str, instance_type: str, expected: str, count: float) -> None:
    row = refdata.instances().row(
        by_predicate=(pl.col("cloud") == cloud) & (pl.col("instance_type") == instance_type), named=True
    )
    assert row["accelerator"] == expected
    assert row["accelerator_count"] == pytest.approx(count, abs=1e-6)


def test_deepseek_v3_counts_671_billion_of_which_37_5_are_active() -> None:
    row = refdata.llms().row(by_predicate=pl.col("llm") == "deepseek-v3", named=True)
    assert row["total_params_b"] == pytest.approx(671, abs=0.1)
    assert row["active_params_b"] == pytest.approx(37.5, abs=0.1)
    assert row["attention"] == "mla"


def parameters_b(row: dict[str, Any]) -> tuple[float, float]:
    """Total and active parameters in billions, from the architecture columns."""
    layers, hidden, heads = row["layers"], row["hidden"], row["heads"]
    if row["attention"] == "mla":  # DeepSeek's shapes: query rank 1536, latent 512, rope 64, value 128
        attention = hidden * 1536 + 1536 * heads * 192 + hidden * 576 + 512 * heads * 256 + heads * 128 * hidden
    else:
        attention = 2 * hidden * heads * row["head_dim"] + 2 * hidden * row["kv_heads"] * row["head_dim"]
    tied = str(row["llm"]).startswith("gemma")
    always = layers * attention + row["vocab"] * hidden * (1 if tied else 2)
    if row["n_experts"] is None:
        both = (always + layers * 3 * hidden * row["intermediate"]) / 1e9
        return both, both
    dense = row["dense_layers"] or 0
    expert, shared = 3 * hidden * row["moe_intermediate"], row["n_shared_experts"] or 0
    always += dense * 3 * hidden * row["intermediate"] + (layers - dense) * (
        shared * expert + hidden * row["n_experts"]
    )
    total = always + (layers - dense) * row["n_experts"] * expert
    active = always + (layers - dense) * row["experts_per_token"] * expert
    return total / 1e9, active / 1e9


@pytest.mark.parametrize("llm", refdata.llms()["llm"].to_list())
def test_parameter_counts_follow_from_the_architecture(llm: str) -> None:
    row = refdata.llms().row(by_predicate=pl.col("llm") == llm, named=True)
    total, active = parameters_b(row)
    assert row["total_params_b"] == pytest.approx(total, rel=1e-3)
    assert row["active_params_b"] == pytest.approx(active, rel=2e-3)


@pytest.mark.parametrize("llm", refdata.llms()["llm"].to_list())
def test_kv_bytes_follow_from_the_architecture(llm: str) -> None:
    row = refdata.llms().row(by_predicate=pl.col("llm") == llm, named=True)
    latent = row["layers"] * (512 + 64) * 2
    full = 2 * row["layers"] * row["kv_heads"] * row["head_dim"] * 2
    assert row["kv_bytes_per_token_fp16"] == (latent if row["attention"] == "mla" else full)


def test_sliding_models_say_their_window_and_the_others_have_none() -> None:
    sliding = pl.col("attention") == "sliding"
    table = refdata.llms()
    assert table.filter(sliding).select("sliding_window", "full_attention_layers").null_count().row(0) == (0, 0)
    assert table.filter(~sliding)["sliding_window"].drop_nulls().is_empty()


def test_facts_name_known_networks() -> None:
    assert set(refdata.network_facts()["network"]) <= set(refdata.networks()["network"])


def test_networks_without_a_public_price_say_why_and_have_none() -> None:
    unpriced = refdata.unpriced_networks()
    assert {"aethir", "flux", "livepeer"} <= set(unpriced["network"])
    assert unpriced["reason"].str.len_chars().min() > 20
    assert not set(unpriced["network"]) & set(refdata.reference_prices()["network"])
    assert not set(unpriced["network"]) & set(refdata.networks()["network"])


def test_rules_of_one_network_and_subject_never_overlap() -> None:
    rules = refdata.network_facts().filter(pl.col("metric").is_in(["take_rate_provider", "fee_buyer"]))
    assert rules.height >= 15
    for key, rows in rules.group_by("network", "metric", "subject"):
        spans = sorted(
            (row["valid_from"] or dt.date.min, row["valid_to"] or dt.date.max) for row in rows.iter_rows(named=True)
        )
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end < start, key


def test_rules_end_after_they_begin() -> None:
    both = refdata.network_facts().drop_nulls(["valid_from", "valid_to"])
    assert both.filter(pl.col("valid_to") < pl.col("valid_from")).is_empty()


@pytest.mark.parametrize(
    ("subject", "day", "expected"),
    [
        ("AKT", dt.date(2026, 3, 22), 0.04),
        ("USDC", dt.date(2026, 3, 22), 0.20),
        ("AKT", dt.date(2026, 3, 23), 0.0),
        ("USDC", dt.date(2026, 3, 23), 0.0),
    ],
)
def test_akash_take_rate_ends_with_burn_mint(subject: str, day: dt.date, expected: float) -> None:
    rows = refdata.network_facts().filter(
        (pl.col("network") == "akash")
        & (pl.col("metric") == "take_rate_provider")
        & (pl.col("subject") == subject)
        & (pl.col("valid_from") <= day)
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= day))
    )
    assert rows["value"].to_list() == [expected]


def test_unpublished_rates_are_empty_and_say_so() -> None:
    unknown = refdata.network_facts().filter(pl.col("value").is_null())
    assert set(unknown["network"]) == {"vast", "runpod"}
    assert unknown["note"].str.contains("not published").all()


def test_akash_utilisation_is_the_quotient_of_its_counts() -> None:
    quarter = refdata.network_facts().filter(
        (pl.col("network") == "akash") & (pl.col("valid_to") == dt.date(2025, 9, 30))
    )
    value = dict(zip(quarter["metric"], quarter["value"], strict=True))
    assert value["utilisation"] == pytest.approx(value["gpus_in_use"] / value["gpus_total"], abs=1e-6)
    assert value["utilisation"] == pytest.approx(0.52, abs=0.005)


def test_fractions_lie_between_zero_and_one() -> None:
    fractions = refdata.network_facts().filter(pl.col("unit") == "fraction")["value"].drop_nulls()
    assert fractions.is_between(0, 1).all()


def test_hardware_prices_are_ranges_of_known_accelerators() -> None:
    table = refdata.hardware_prices()
    assert table.filter(pl.col("usd_low") > pl.col("usd_high")).is_empty()
    assert set(table["accelerator"]) <= set(refdata.accelerators()["accelerator"])


def test_hand_checked_cost_of_an_h100_hour() -> None:
    row = refdata.accelerator_tco().row(by_predicate=pl.col("accelerator") == "h100-sxm", named=True)
    assert row["usd_per_accelerator_hour_hyperscaler"] == 1.30
    assert row["usd_per_accelerator_hour_neocloud"] == 1.69
    assert row["kw_per_accelerator_all_in"] == 1.73
    assert set(refdata.accelerator_tco()["accelerator"]) <= set(refdata.accelerators()["accelerator"])


def test_reference_prices_use_the_vocabulary_of_offers() -> None:
    table = refdata.reference_prices()
    assert set(table["terms"]) <= set(TERMS)
    assert set(table["price_kind"]) <= set(PRICE_KINDS)
    assert set(table["network"]) <= set(refdata.networks()["network"])
    assert set(table["accelerator"].drop_nulls()) <= set(refdata.accelerators()["accelerator"])
    assert table["source_url"].str.starts_with("https://").all()


def test_a_price_without_chip_or_value_says_why() -> None:
    unknown = refdata.reference_prices().filter(
        pl.col("accelerator").is_null() | pl.col("usd_per_accelerator_hour").is_null()
    )
    assert unknown.height > 0
    assert unknown["not_comparable"].null_count() == 0


@pytest.mark.parametrize("offer", refdata.reference_prices().to_dicts(), ids=lambda offer: offer["offer_id"])
def test_price_per_accelerator_is_the_listed_price_over_the_count(offer: dict[str, str]) -> None:
    unit, listed = offer["listed_unit"], float(offer["listed_price"])
    if unit == "USD per instance-hour":
        listed /= int(offer["accelerator_count"])
    elif unit not in {"USD per GPU-hour", "USD per chip-hour"}:
        assert unit.endswith("per OBh")
        assert offer["usd_per_accelerator_hour"] is None
        return
    assert offer["usd_per_accelerator_hour"] == pytest.approx(listed, abs=1e-6)


def test_instance_prices_count_the_chips_of_the_instance_table() -> None:
    clouds = refdata.reference_prices().join(
        refdata.instances(), left_on=["network", "accelerator_name"], right_on=["cloud", "instance_type"], how="inner"
    )
    assert clouds.height >= 60
    assert clouds.filter(pl.col("accelerator") != pl.col("accelerator_right")).is_empty()
    assert clouds.filter(pl.col("accelerator_count") != pl.col("accelerator_count_right")).is_empty()


def price(offer_id: str) -> float:
    row = refdata.reference_prices().row(by_predicate=pl.col("offer_id") == offer_id, named=True)
    return float(row["usd_per_accelerator_hour"])


def test_hand_checked_prices() -> None:
    assert price("akash-h100-sxm-2026-09-12") == 2.71
    assert price("aws-h100-sxm-p5-48xlarge-on-demand-2026-09-06") == pytest.approx(55.04 / 8) == pytest.approx(6.88)
    assert price("azure-h100-sxm-nd96isr-h100-v5-on-demand-2026-09-06") == pytest.approx(98.32 / 8)
    assert price("google-tpu-v7-on-demand-2026-08-20") == 12.00
    assert price("ionet-h100-sxm-x8-2026-06-13") == pytest.approx(27.875342465753423 / 8)


def test_the_old_aws_list_price_is_never_dated_after_the_cut() -> None:
    """98.32 USD an instance-hour ended in June 2025; many pages of 2026 still quote it."""
    stale = refdata.reference_prices().filter(
        (pl.col("network") == "aws")
        & (pl.col("accelerator_name") == "p5.48xlarge")
        & (pl.col("listed_price") == "98.32")
    )
    assert stale.height > 0
    assert (stale["as_of"] < dt.date(2025, 6, 5)).all()


def test_what_a_host_gets_is_never_a_renter_price() -> None:
    reward = refdata.reference_prices().filter(pl.col("price_kind") == "reward")
    assert set(reward["network"]) == {"nosana", "render"}


def test_tpu_commitments_follow_the_printed_discounts() -> None:
    """One year is 30 % off and three years 55 %; v4 alone is priced otherwise."""
    for chip in ("tpu-v5e", "tpu-v5p", "tpu-v6e", "tpu-v7"):
        on_demand = price(f"google-{chip}-on-demand-2026-08-20")
        assert price(f"google-{chip}-reserved-1y-2026-08-20") == pytest.approx(0.70 * on_demand, abs=0.01)
        assert price(f"google-{chip}-reserved-3y-2026-08-20") == pytest.approx(0.45 * on_demand, abs=0.01)
        assert price(f"google-{chip}-flex-start-2026-08-20") == pytest.approx(0.50 * on_demand, abs=0.01)
