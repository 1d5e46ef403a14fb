"""Market prices, layers of data, and the store of snapshots."""

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from depin_compare.market.facts import NetworkFacts
from depin_compare.market.layers import layered_facts, layered_offers, layered_token_prices, unlayered_offers
from depin_compare.market.offers import Offers, Skipped
from depin_compare.market.prices import market_prices
from depin_compare.market.store import Store
from depin_compare.market.token_prices import TokenPrices, cheapest_per_host

NOW = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def offers(*rows: dict) -> pl.DataFrame:
    """Offers with sensible fields where a row names none."""
    base = {
        "source": "akash", "network": "akash", "segment": "decentralized", "accelerator": "h100-sxm",
        "accelerator_name": "H100", "accelerator_count": 1, "usd_per_accelerator_hour": 2.0, "terms": "on_demand",
        "price_kind": "ask", "listed_price": "2.00", "listed_unit": "USD per GPU-hour", "listed_currency": "USD",
        "observed_at": NOW, "layer": "live", "source_url": "https://example.org/prices",
    }  # fmt: skip
    filled = [{"offer_id": f"o{i}", **base, **row} for i, row in enumerate(rows)]
    return Offers.validate(pl.DataFrame(filled, schema=Offers.create_empty().schema))


def facts(*rows: dict) -> pl.DataFrame:
    base = {
        "network": "akash", "metric": "utilisation", "value": 0.5, "unit": "fraction", "observed_at": NOW,
        "kind": "measured", "source": "akash", "layer": "live", "source_url": "https://example.org/facts",
    }  # fmt: skip
    return NetworkFacts.validate(
        pl.DataFrame([{**base, **row} for row in rows], schema=NetworkFacts.create_empty().schema)
    )


def test_the_median_counts_accelerators_not_offers():
    frame = market_prices(
        offers(
            {"usd_per_accelerator_hour": 1.0, "available": 1},
            {"usd_per_accelerator_hour": 1.1, "available": 1},
            {"usd_per_accelerator_hour": 3.0, "available": 10},
        )
    )
    row = frame.row(0, named=True)
    assert row["usd_per_accelerator_hour"] == 3.0
    assert (row["usd_per_accelerator_hour_low"], row["usd_per_accelerator_hour_high"]) == (1.0, 3.0)
    assert (row["n_offers"], row["n_accelerators"]) == (3, 12)


def test_a_one_card_fat_finger_does_not_move_the_market():
    frame = market_prices(
        offers(
            {"usd_per_accelerator_hour": 2.0, "available": 30},
            {"usd_per_accelerator_hour": 2.1, "available": 20},
            {"usd_per_accelerator_hour": 160.0, "available": 1},
        )
    )
    assert frame["usd_per_accelerator_hour"].item() == 2.0


@pytest.mark.parametrize(
    "unfit",
    [
        {"price_kind": "reward"},
        {"upstream": "runpod"},
        {"not_comparable": "render-farm unit"},
        {"terms": "spot"},
        {"price_kind": "indicative"},
    ],
)
def test_what_no_renter_pays_is_no_market_price(unfit):
    frame = market_prices(offers({"usd_per_accelerator_hour": 2.0}, {"usd_per_accelerator_hour": 0.5, **unfit}))
    assert frame["usd_per_accelerator_hour"].to_list() == [2.0]


def test_an_indicative_price_stands_where_there_is_no_other():
    frame = market_prices(offers({"price_kind": "indicative"}))
    assert frame["price_kind"].to_list() == ["indicative"]


def test_a_price_without_a_chip_needs_a_reason():
    with pytest.raises(Exception, match="priced_or_explained"):
        offers({"usd_per_accelerator_hour": None})
    assert offers({"usd_per_accelerator_hour": None, "not_comparable": "unit of a render farm"}).height == 1


def test_an_offer_id_names_one_row():
    with pytest.raises(Exception, match="one_row_an_offer"):
        offers({"offer_id": "same"}, {"offer_id": "same"})


def test_layers_are_chosen_by_source_and_never_mixed():
    live = offers({"source": "akash", "network": "akash"})
    stored = offers(
        {"source": "akash", "network": "akash", "layer": "stored", "offer_id": "old"},
        {"source": "ionet", "network": "ionet", "layer": "stored"},
    )
    reference = offers(
        *({"source": n, "network": n, "layer": "reference", "offer_id": f"r-{n}"} for n in ("akash", "ionet", "render"))
    )
    frame = layered_offers(live, stored, reference)
    assert dict(frame.select("network", pl.col("layer").cast(pl.String)).iter_rows()) == {
        "akash": "live",
        "ionet": "stored",
        "render": "reference",
    }
    assert frame.height == 3


def test_a_live_fact_replaces_only_its_own_kind():
    live = facts({"subject": "h100-sxm", "value": 0.9})
    reference = facts(
        {"subject": "h100-sxm", "value": 0.4, "layer": "reference"},
        {"subject": "h200", "value": 0.3, "layer": "reference"},
        {"metric": "take_rate_provider", "value": 0.0, "layer": "reference"},
    )
    frame = layered_facts(live, facts(), reference)
    assert sorted(frame["value"].to_list()) == [0.0, 0.3, 0.9]


def tokens(*rows: dict) -> pl.DataFrame:
    base = {
        "source": "openrouter", "provider": "chutes", "model_id": "llama", "llm": "llama-3.3-70b",
        "host_kind": "network",
        "usd_per_mtok_input": 0.1, "usd_per_mtok_output": 0.3, "observed_at": NOW, "layer": "live", "kind": "published",
        "source_url": "https://example.org/tokens",
    }  # fmt: skip
    filled = [{**base, **row} for row in rows]
    return TokenPrices.validate(pl.DataFrame(filled, schema=TokenPrices.create_empty().schema))


def test_live_token_prices_stand_before_stored_and_those_before_dated_ones():
    day = timedelta(days=1)
    live = tokens({"usd_per_mtok_output": 3.0})
    stored = tokens(
        {"usd_per_mtok_output": 2.0, "layer": "stored", "observed_at": NOW - day},
        {"source": "litellm", "provider": "azure", "layer": "stored", "observed_at": NOW - day},
    )
    dated = tokens(
        {"source": "list-2024", "usd_per_mtok_output": 1.0, "layer": "reference", "observed_at": NOW - 700 * day},
        {"source": "list-2024", "provider": "aws", "layer": "reference", "observed_at": NOW - 700 * day},
    )
    frame = layered_token_prices(live, stored, dated)
    assert sorted(frame["layer"].cast(pl.String)) == ["live", "reference", "reference", "stored"]
    chosen = cheapest_per_host(frame).select("provider", pl.col("layer").cast(pl.String), "usd_per_mtok_output")
    assert {row[0]: row[1:] for row in chosen.rows()} == {
        "chutes": ("live", 3.0), "azure": ("stored", 0.3), "aws": ("reference", 0.3),
    }  # fmt: skip


def test_what_is_compared_keeps_the_dated_prices_of_networks_that_answer():
    live, dated = offers({}), offers({"source": "akash-reference", "layer": "reference", "offer_id": "r"})
    assert layered_offers(live, Offers.create_empty(), dated).height == 1
    assert unlayered_offers(live, Offers.create_empty(), dated).height == 2


def test_token_prices_are_stored_and_read_back_and_old_snapshots_have_none(tmp_path):
    store = Store(tmp_path)
    _write(store, NOW - timedelta(days=2))
    folder = store.write(
        observed_at=NOW - timedelta(days=1),
        offers=offers({}),
        facts=NetworkFacts.create_empty(),
        skipped=Skipped.create_empty(),
        token_prices=tokens({}, {"source": "list-2024", "layer": "reference"}),
        statuses={"openrouter": {"status": "ok"}, "akash": {"status": "ok"}},
    )
    frame = store.newest_token_prices(["openrouter", "akash"])
    assert frame.select("source", pl.col("layer").cast(pl.String)).rows() == [("openrouter", "stored")]
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["sha256"]["token_prices.parquet"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "token_prices.parquet").unlink()
    assert store.newest_token_prices(["openrouter", "akash"]).height == 0
    assert store.newest(["akash"])[0].height == 1


def _write(store: Store, when: datetime, *, price: float = 2.0, status: str = "ok"):
    return store.write(
        observed_at=when,
        offers=offers({"usd_per_accelerator_hour": price, "observed_at": when}),
        facts=facts({"observed_at": when}),
        skipped=Skipped.create_empty(),
        statuses={"akash": {"status": status}, "azure": {"status": "unreachable"}},
    )


def test_the_newest_good_snapshot_of_a_source_is_read_back_as_stored(tmp_path):
    store = Store(tmp_path)
    _write(store, NOW - timedelta(days=2), price=1.5)
    _write(store, NOW - timedelta(days=1), price=1.8)
    _write(store, NOW, price=9.9, status="failed")
    rows, told = store.newest(["akash", "azure"])
    assert rows["usd_per_accelerator_hour"].to_list() == [1.8]
    assert rows["layer"].cast(pl.String).to_list() == ["stored"]
    assert told["layer"].cast(pl.String).to_list() == ["stored"]
    assert rows["observed_at"].item() == NOW - timedelta(days=1)


def test_a_past_day_sees_nothing_later(tmp_path):
    store = Store(tmp_path)
    _write(store, NOW - timedelta(days=2), price=1.5)
    _write(store, NOW, price=1.8)
    rows, _ = store.newest(["akash"], before=NOW - timedelta(days=1))
    assert rows["usd_per_accelerator_hour"].to_list() == [1.5]


def test_a_damaged_snapshot_gives_way_to_the_one_before(tmp_path, caplog):
    store = Store(tmp_path)
    _write(store, NOW - timedelta(days=1), price=1.5)
    newest = _write(store, NOW, price=1.8)
    (newest / "offers.parquet").write_bytes(b"not parquet")
    rows, _ = store.newest(["akash"])
    assert rows["usd_per_accelerator_hour"].to_list() == [1.5]
    assert "sha256" in caplog.text


def test_a_snapshot_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    store = Store(tmp_path)
    monkeypatch.setattr(pl.DataFrame, "write_parquet", lambda *_, **__: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(Exception, match="disk full"):
        _write(store, NOW)
    assert list(store.snapshots()) == []
    assert not [p for p in tmp_path.rglob("*") if p.is_file()]


def test_reference_rows_are_never_stored_as_observations(tmp_path):
    folder = Store(tmp_path).write(
        observed_at=NOW,
        offers=offers({"layer": "reference"}, {"layer": "live"}),
        facts=facts(),
        skipped=Skipped.create_empty(),
        statuses={"akash": {"status": "ok"}},
    )
    assert pl.read_parquet(folder / "offers.parquet").height == 1
    assert json.loads((folder / "manifest.json").read_text())["schema"] == 1


def test_a_folder_that_can_not_be_written_says_so(tmp_path):
    (tmp_path / "snapshots").write_text("a file in the way")
    with pytest.raises(Exception, match="--store"):
        _write(Store(tmp_path), NOW)
