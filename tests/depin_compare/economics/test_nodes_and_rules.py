"""The user's own node, the waterfall, and rules that changed: margins as frames."""

import math
from datetime import UTC, date, datetime

import polars as pl
import pytest

import depin_compare as dc
from depin_compare.bands import Band
from depin_compare.errors import ModelDomainError, UnknownNameError
from depin_compare.refdata.assumption_set import assumption_set

MINE = {
    "usd_per_kwh": 0.20, "capex_usd": 1_752.0, "utilisation": 0.5, "load_kw": 0.4, "idle_power_share": 0.125,
    "pue": 1.0, "life_years": 4.0, "salvage_share": 0.0, "cost_of_capital": 0.0, "opex_share_of_capex": 0.0,
}  # fmt: skip


def own(networks=("akash",), accelerator="rtx-4090", **changes) -> dc.OwnNode:
    inputs = {name: Band.certain(value) for name, value in (MINE | changes).items() if value is not None}
    return dc.OwnNode(accelerator=accelerator, inputs=inputs, networks=networks)


def market(network: str, accelerator: str, price: float) -> pl.DataFrame:
    row = dict.fromkeys(dc.MarketPrices.column_names()) | {
        "network": network, "segment": "decentralized", "accelerator": accelerator, "terms": "on_demand",
        **{f"usd_per_accelerator_hour{end}": price for end in ("", "_low", "_high")},
        "n_offers": 1, "price_kind": "ask", "observed_at": datetime(2026, 1, 1, tzinfo=UTC), "layer": "reference",
        "kind": "third_party", "source": network, "source_url": "https://example.org",
    }  # fmt: skip
    return dc.MarketPrices.validate(pl.DataFrame([row], schema=dc.MarketPrices.create_empty().schema))


def margins_of(network: str, price: float, *, day=date(2026, 11, 22), accelerator="rtx-4090", nodes=()) -> pl.DataFrame:
    return dc.margins(market(network, accelerator, price), dc.reference_facts(as_of=day), assumption_set(), own=nodes)


def only(frame: pl.DataFrame, **values) -> dict:
    found = frame.filter(*(pl.col(name).cast(pl.String) == value for name, value in values.items()))
    assert found.height == 1, found
    return found.row(0, named=True)


def test_my_node_by_hand():
    # 1,752 USD over 4 years without interest is 0.05 an hour. Power: 0.2 x (0.4 x 0.5 + 0.05 x 0.5) = 0.045.
    found = only(margins_of("akash", 0.40, nodes=[own()]), archetype="own")
    assert found["tenant_usd_per_hour"] == pytest.approx(0.20)
    # A quarter of a per cent is lost between minting and settling.
    assert found["network_take_usd_per_hour"] == pytest.approx(0.0005)
    assert found["capital_usd_per_hour"] == pytest.approx(0.05)
    assert found["power_usd_per_hour"] == pytest.approx(0.045)
    assert found["profit_usd_per_hour"] == pytest.approx(0.1045)
    assert found["full_margin"] == pytest.approx(0.1045 / 0.1995)
    assert found["full_margin_low"] == pytest.approx(found["full_margin_high"])  # all is certain
    assert found["breakeven_usd_per_accelerator_hour"] == pytest.approx(0.19 / 0.9975)
    assert found["stop_usd_per_accelerator_hour"] == pytest.approx(0.09 / 0.9975)
    # (0.05 + 0.2 x 0.05) / (0.40 x 0.9975 - 0.2 x 0.35)
    assert found["breakeven_utilisation"] == pytest.approx(0.06 / 0.329)


def test_what_i_leave_out_is_that_of_the_archetype_mine_is_like():
    home = only(margins_of("akash", 0.40), archetype="home")
    bare = dc.OwnNode(accelerator="rtx-4090", inputs={}, networks=("akash",))
    mine = only(margins_of("akash", 0.40, nodes=[bare]), archetype="own")
    assert {k: v for k, v in mine.items() if k != "archetype"} == {k: v for k, v in home.items() if k != "archetype"}
    dearer = dc.OwnNode(accelerator="rtx-4090", inputs={"usd_per_kwh": Band.certain(0.5)}, networks=("akash",))
    assert only(margins_of("akash", 0.40, nodes=[dearer]), archetype="own")["full_margin"] < home["full_margin"]


def test_a_price_anywhere_between_cents_and_dollars_never_leaves_more_than_all_of_it():
    wide = market("akash", "rtx-4090", 0.1).with_columns(
        usd_per_accelerator_hour_low=pl.lit(0.05), usd_per_accelerator_hour_high=pl.lit(1.99)
    )
    inputs = own().inputs | {"utilisation": Band(0.25, 0.5, 1.0)}
    node = dc.OwnNode(accelerator="rtx-4090", inputs=inputs, networks=("akash",))
    facts = dc.reference_facts(as_of=date(2026, 11, 22))
    found = only(dc.margins(dc.MarketPrices.validate(wide), facts, assumption_set(), own=[node]), archetype="own")
    # An hour costs 0.06 + 0.07 x use, of receipts of 0.9975 x price x use. The effects of
    # price (1.81) and of use (0.60) added in quadrature themselves would lead to 100.2%.
    ratio = 0.095 / (0.9975 * 0.1 * 0.5)
    best = math.hypot(math.log(19.9), math.log((0.095 / 0.5) / (0.13 / 1.0)))
    worst = math.hypot(math.log(2.0), math.log((0.0775 / 0.25) / (0.095 / 0.5)))
    assert found["full_margin"] == pytest.approx(1 - ratio)
    assert found["full_margin_high"] == pytest.approx(1 - ratio * math.exp(-best))
    assert found["full_margin_high"] == pytest.approx(0.9066, abs=1e-4)
    assert found["full_margin_low"] == pytest.approx(1 - ratio * math.exp(worst))


def test_my_node_adds_its_rows_and_moves_no_other():
    plain = margins_of("akash", 0.40)
    with_mine = margins_of("akash", 0.40, nodes=[own()])
    assert with_mine.filter(pl.col("archetype") != "own").equals(plain)


def test_a_network_without_a_price_for_my_chip_still_says_what_i_would_need():
    found = only(margins_of("akash", 0.40, nodes=[own(("akash", "nosana"))]), archetype="own", network="nosana")
    assert found["usd_per_accelerator_hour"] is None
    assert found["full_margin"] is None
    assert "no price on demand" in found["not_known"]
    assert found["breakeven_usd_per_accelerator_hour"] == pytest.approx(0.19)


def test_a_network_that_hides_its_take_gives_no_margin_and_says_so():
    found = only(margins_of("vast", 0.40, nodes=[own(("vast",))]), archetype="own")
    assert found["full_margin"] is None
    assert found["breakeven_usd_per_accelerator_hour"] is None
    assert found["not_known"] == "Vast.ai publishes no take rate"


def test_my_price_for_the_hardware_stands_in_where_nobody_publishes_one():
    chip = "rtx-3090-ti"
    row = only(
        margins_of("akash", 0.40, accelerator=chip, nodes=[own(accelerator=chip, load_kw=None)]), archetype="own"
    )
    assert row["full_margin"] is not None
    assert "no sourced price" in only(margins_of("akash", 0.40, accelerator=chip), archetype="home")["not_known"]


def test_a_node_of_what_does_not_exist_is_refused():
    with pytest.raises(UnknownNameError, match="rtx-4090"):
        dc.OwnNode(accelerator="rtx-409", inputs={})
    with pytest.raises(UnknownNameError, match="usd_per_kwh"):
        dc.OwnNode(accelerator="rtx-4090", inputs={"usd_per_kw": Band.certain(1.0)})
    with pytest.raises(UnknownNameError):
        dc.OwnNode(accelerator="rtx-4090", inputs={}, like="garage")
    for slip in ({"utilisation": 1.5}, {"usd_per_kwh": 21.0}, {"pue": 0.9}, {"capex_usd": -1.0}, {"life_years": 0.0}):
        with pytest.raises(ModelDomainError, match=next(iter(slip))):
            own(**slip)


def test_the_waterfall_goes_from_the_tenants_bill_to_the_profit():
    frame = margins_of("akash", 0.40, day=date(2026, 3, 22), nodes=[own()])
    steps = dc.waterfall(frame).filter(pl.col("archetype") == "own")
    assert steps["step"].cast(pl.String).to_list() == [
        "tenant", "network_take", "power", "overhead", "capital", "profit",
    ]  # fmt: skip
    # 0.20 less 20 % is 0.16 received; less 0.045 power and 0.05 capital is 0.065.
    assert steps["usd_per_hour"].to_list() == pytest.approx([0.20, -0.04, -0.045, 0.0, -0.05, 0.065])
    assert steps["to_usd_per_hour"].to_list() == pytest.approx([0.20, 0.16, 0.115, 0.115, 0.065, 0.065])
    assert steps["from_usd_per_hour"].to_list() == pytest.approx([0.0, 0.20, 0.16, 0.115, 0.115, 0.0])
    assert steps["share_of_tenant"][5] == pytest.approx(0.325)


def test_every_waterfall_adds_up_and_rewards_stand_apart():
    facts = dc.reference_facts()
    token = facts.filter(pl.col("metric") == "reward_per_hour").with_columns(
        pl.lit("token_price").alias("metric"), pl.lit("RENDER").alias("subject"), pl.lit(2.0).alias("value")
    )
    # As if Render paid its nodes the tenant's payment and the tokens on top of it.
    paid = facts.filter(pl.col("metric") == "paid_in_minted_tokens").with_columns(
        pl.lit("take_rate_provider").alias("metric"), pl.lit(0.05).alias("value")
    )
    rest = facts.filter(~pl.col("metric").is_in(["token_price", "paid_in_minted_tokens"]))
    known = dc.NetworkFacts.validate(pl.concat([rest, token, paid]))
    markets = dc.market_prices(dc.reference_offers())
    kept = dc.margins(markets, known, assumption_set())
    frame = dc.waterfall(kept)
    key = ["network", "accelerator", "archetype"]
    assert frame.select(key).unique().height == kept["profit_usd_per_hour"].count() > 20
    step = pl.col("step").cast(pl.String)
    sums = frame.filter(~step.is_in(["profit", "token_rewards"])).group_by(key).agg(pl.col("usd_per_hour").sum())
    joined = sums.join(frame.filter(step == "profit"), on=key, suffix="_profit")
    assert (joined["usd_per_hour"] - joined["usd_per_hour_profit"]).abs().max() < 1e-12
    rewards = frame.filter(step == "token_rewards")
    assert rewards.height == kept["reward_usd_per_hour"].count() >= 1
    profit = frame.filter(step == "profit").join(rewards, on=key, suffix="_reward")
    assert (profit["to_usd_per_hour"] - profit["from_usd_per_hour_reward"]).abs().max() < 1e-12


def test_paid_in_minted_tokens_a_node_keeps_nothing_of_the_payment():
    found = only(margins_of("render", 0.40, nodes=[own(("render",))]), archetype="own")
    assert found["take_rate"] == found["network_take_share"] == 1.0
    assert found["network_take_usd_per_hour"] == found["tenant_usd_per_hour"] == pytest.approx(0.20)
    assert found["capital_usd_per_hour"] == pytest.approx(0.05)
    for name in ("full_margin", "cash_margin", "profit_usd_per_hour", "breakeven_usd_per_accelerator_hour",
                 "stop_usd_per_accelerator_hour", "breakeven_utilisation", "full_margin_with_rewards"):  # fmt: skip
        assert found[name] is None
    assert found["not_known"] == (
        "the network burns the payment and pays nodes in minted tokens; "
        "the reward or the token's price is not on record"
    )
    assert dc.waterfall(margins_of("render", 0.40, nodes=[own(("render",))])).is_empty()


# Rules that changed in 2026, on the days around the change.


@pytest.mark.parametrize(
    ("day", "take", "received", "profit", "full", "needed"),
    # 0.40 an hour, half of it rented: 0.20. Until 22 March 20 % of what is paid in USDC, the way priced in dollars:
    # 0.04; since 23 March only the 0.25 % between minting and settling: 0.0005.
    [
        (date(2026, 3, 22), 0.04, 0.16, 0.065, 0.065 / 0.16, 0.19 / 0.80),
        (date(2026, 3, 23), 0.0005, 0.1995, 0.1045, 0.1045 / 0.1995, 0.19 / 0.9975),
    ],
)
def test_akash_margins_before_and_since_its_take_ended(day, take, received, profit, full, needed):
    found = only(margins_of("akash", 0.40, day=day, nodes=[own()]), archetype="own")
    assert found["network_take_usd_per_hour"] == pytest.approx(take, abs=1e-12)
    assert found["tenant_usd_per_hour"] - found["network_take_usd_per_hour"] == pytest.approx(received)
    assert found["profit_usd_per_hour"] == pytest.approx(profit)
    assert found["full_margin"] == pytest.approx(full)
    assert found["breakeven_usd_per_accelerator_hour"] == pytest.approx(needed)


@pytest.mark.parametrize(
    ("day", "bill", "take", "share"),
    # Nosana's 10 % came on top of what the host gets: of the 0.22 billed until 26 May he got 0.20; since 27 May all.
    [(date(2026, 5, 26), 0.22, 0.02, 1 / 11), (date(2026, 5, 27), 0.20, 0.0, 0.0)],
)
def test_nosana_bills_before_and_since_its_fee_ended(day, bill, take, share):
    found = only(margins_of("nosana", 0.40, day=day, nodes=[own(("nosana",))]), archetype="own")
    assert found["tenant_usd_per_hour"] == pytest.approx(bill)
    assert found["network_take_usd_per_hour"] == pytest.approx(take, abs=1e-12)
    assert found["network_take_share"] == pytest.approx(share, abs=1e-12)
    assert found["profit_usd_per_hour"] == pytest.approx(0.105)


def test_a_month_of_an_h100_to_the_cent_before_and_since():
    # 1.53 USD an hour at the 52.2792 % use published for 2025: 730 hours earn 583.91 USD. In dollars
    # the take was 20 % of it, 116.78; since then it is the 0.25 % between minting and settling, 1.46.
    months = {
        day: only(margins_of("akash", 1.53, day=day, accelerator="h100-sxm"), archetype="data_centre")
        for day in (date(2026, 3, 22), date(2026, 3, 23))
    }
    before, since = months.values()
    assert round(before["tenant_usd_per_hour"] * 730, 2) == round(since["tenant_usd_per_hour"] * 730, 2) == 583.91
    assert round(before["network_take_usd_per_hour"] * 730, 2) == 116.78
    assert round(since["network_take_usd_per_hour"] * 730, 2) == 1.46
    gained = since["profit_usd_per_hour"] - before["profit_usd_per_hour"]
    assert round(gained * 730, 2) == 115.32
