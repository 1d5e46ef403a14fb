"""The pages of every data set: one a network, in order, bounded; first-page sentences true of whatever is in them."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pypdf
import pytest
import report_data
from chart_artists import said
from contradictions import WORLDS

from depin_compare.analysis import Analysis
from reports import view, words
from reports.charts import CHARTS, network_charts
from reports.charts.summary_card import summary_card
from reports.content import report_content
from reports.finding import finding
from reports.lettering import breakable, settable
from reports.pdf import report_pdf
from reports.sections.first_page import first_page, headline, other_networks, sentences
from reports.sections.networks import decisive, has_own_page, one_page, take_cell, token_facts
from reports.sections.page import Page
from reports.sections.parts import BOUNDED_NOTE
from reports.style import Look, alt_text, is_drawable
from reports.verdict_words import at_odds, lacks_margin_alone
from reports.verdicts import advantage_gone


def blanks(analysis: Analysis) -> dict[str, tuple[str, str]]:
    """Empty pictures of the size of charts: what they show is tested elsewhere, here the room they take."""
    made = {}
    for name in CHARTS | network_charts(analysis):
        height = 205 if "/" in name or name == "years_ahead" else 480
        size = f'width="511pt" height="{height}pt" viewBox="0 0 511 {height}"'
        made[name] = (f'<svg xmlns="http://www.w3.org/2000/svg" {size}></svg>', f"chart {name}")
    return made


def flat(outline: list[Any]) -> list[Any]:
    return [one for item in outline for one in (flat(item) if isinstance(item, list) else [item])]


def text_of(page: pypdf.PageObject) -> str:
    return re.sub(r"\s+", " ", page.extract_text().replace("\u200b", ""))


def sentences_of(analysis: Analysis) -> list[str]:
    return sentences(Page(analysis, {}, {}))


@pytest.mark.parametrize(
    ("made", "most"),
    [
        (report_data.reference_only, 38),
        (report_data.live_shaped, 60),
        (report_data.one_network, 35),
        (report_data.no_price_network, 28),
        (report_data.thirty_networks, 90),
    ],
)
def test_every_network_has_one_page_and_the_report_is_bounded(made: Callable[[], Analysis], most: int) -> None:
    analysis = made()
    reader = pypdf.PdfReader(io.BytesIO(report_pdf(analysis, blanks(analysis))))
    assert len(reader.pages) <= most
    page = Page(analysis, {}, {})
    own = [h for h in view.rows(page.headlines) if has_own_page(page, h["network"])]
    at = [(str(item.title), reader.get_destination_page_number(item)) for item in flat(reader.outline)]
    start = next(number for title, number in at if title == "The networks")
    shared = page.headlines.height > len(own)
    pages = [number for _, number in at if start <= number]
    after = next(number for title, number in at if title == "Prices")
    # Those that can't be compared have no page of their own: what follows them starts beneath, if it has room.
    assert len(own) <= after - start <= len(own) + shared
    assert set(range(start, start + len(own))) <= set(pages)
    if shared:
        assert any(
            "Networks that cannot be compared" in text_of(one) for one in reader.pages[start + len(own) : after + 1]
        )
    for number, head in enumerate(own, start):
        text = text_of(reader.pages[number])
        assert text.count("The networks") == 1
        if is_drawable(head["display_name"]):
            assert head["display_name"] in text
        assert "token" in text.lower()
    assert reader.trailer["/Root"]["/StructTreeRoot"]
    first = text_of(reader.pages[0])
    assert "Price: " in first or "No network could be compared" in first


class TestFirstPageSentences:
    def test_counts_are_those_of_the_frames(self) -> None:
        analysis = report_data.live_shaped()
        price, supplier, future = sentences_of(analysis)
        known = view.headline_comparison(analysis.headlines, analysis.comparison).drop_nulls("advantage")
        for reference, name in (("list", "list price"), ("modelled_cost", "modelled cost")):
            least = known.filter(pl.col("reference") == reference).group_by("network").agg(pl.col("advantage").min())
            cheaper = words.of_them(least.filter(pl.col("advantage") > 0).height, least.height)
            told = rf"{cheaper}( networks are cheaper)? than every {name}"
            assert re.search(told, price) or cheaper.partition(" of ")[0] + f" than every {name}" in price
        full = view.headline_margins(analysis.headlines, analysis.margins)["full_margin"].drop_nulls()
        assert words.of_them(full.filter(full >= 0).len(), full.len()) in supplier
        assert words.percent(full.min()) in supplier
        assert words.percent(full.max()) in supplier
        assert "probability" in future

    def test_how_far_below_all_receipts_a_margin_is_says_nothing(self) -> None:
        told = sentences_of(WORLDS["everything_lost"](report_data.live_shaped()))[1]
        assert re.search(rf"; it keeps below {words.MINUS}1,000% of receipts \([\w.]+\) at best\.$", told)

    def test_one_network_is_named(self) -> None:
        price, supplier, future = sentences_of(report_data.one_network())
        assert "Akash asks less than" in price
        assert "on Akash a provider keeps" in supplier
        assert "Akash's lead" in future
        assert "with a probability of" in future

    @pytest.mark.parametrize(
        ("world", "number", "told"),
        [
            ("dearer_than_every_list_price", 0, r"more than all \d+ list prices"),
            (
                "cheaper_than_every_modelled_cost",
                0,
                r"less than all \d+ list prices, .* and less than all \d+ modelled",
            ),
            ("everything_lost", 2, "no lead is left to lose"),
            ("nothing_reached", 2, r"lost at some time by 2036 with a probability of 0%"),
            ("no_network_price", 0, "no network's price can be set against"),
            ("no_comparable_pair", 2, "no lead over a cloud's list price can be followed"),
        ],
    )
    def test_they_change_with_the_world(self, world: str, number: int, told: str) -> None:
        made = WORLDS[world](report_data.one_network())
        assert re.search(told, sentences_of(made)[number])


def test_letters_without_a_font_are_told_as_ids_and_nothing_else_changes() -> None:
    analysis = report_data.thirty_networks()
    names = dict(analysis.headlines.select("network", "display_name").iter_rows())
    (strange,) = (key for key, name in names.items() if not is_drawable(name))
    content = str(report_content(analysis, {}, failed={}))
    assert f"[{strange}]" in content
    assert names[strange] not in content
    assert is_drawable(content.replace("\u200b", "").replace("\n", " "))
    assert settable({"text": "Überlandwerk", "link": "https://example.org/計"}, names)["link"].endswith("計")


def test_long_words_may_break_and_still_read_the_same() -> None:
    host = "console-api.akash.network/a-very-long-path-of-an-address"
    assert breakable(host).replace("\u200b", "") == host
    assert max(map(len, re.split("[\u200b\u00ad]", breakable("x" * 60)))) <= 18


def network_page(analysis: Analysis, network: str) -> str:
    """All that one network's page says, charts aside."""
    page = Page(analysis, {}, {})
    (head,) = [h for h in view.rows(page.headlines) if h["network"] == network]
    return json.dumps(one_page(page, head), ensure_ascii=False)


def notes_of(parts: list[dict[str, Any]]) -> str:
    """All notes beneath the tables of some parts."""
    return " ".join(note for part in parts if part["type"] == "table" for note in part["notes"])


def alt_of_card(analysis: Analysis) -> str:
    return alt_text(summary_card(analysis, Look.of(analysis)))


def contradicted(analysis: Analysis, network: str) -> Analysis:
    """The run in which a network leads at central inputs and loses money, while in nearly all draws it is otherwise."""
    mine = (pl.col("network") == network) & (pl.col("state") != "not_comparable")
    lead, margin = (mine & (pl.col("quantity") == quantity) for quantity in ("advantage", "full_margin"))
    day = pl.lit(analysis.as_of.date())
    dates = [
        pl.when(lead).then(day).when(margin).then(None).otherwise(name).alias(name)
        for name in ("date_p10", "date_p50", "date_p90")
    ]
    state = pl.when(lead).then(pl.lit("lost_within_horizon")).when(margin).then(pl.lit("already_lost"))
    outlook = analysis.outlook.with_columns(
        state.otherwise(pl.col("state").cast(pl.String)).cast(analysis.outlook.schema["state"]).alias("state"),
        pl.when(lead).then(0.3).when(margin).then(-2.68).otherwise("today").alias("today"),
        pl.when(lead).then(1.0).when(margin).then(0.0).otherwise("probability_lost").alias("probability_lost"),
        *dates,
    )
    return dataclasses.replace(analysis, outlook=outlook)  # type: ignore[arg-type]  # given on purpose, or a frame without its schema


class TestNetworkPages:
    def test_the_first_month_of_the_sentence_stands_on_the_page(self) -> None:
        analysis = report_data.live_shaped()
        for head in view.rows(view.ordered_headlines(analysis.headlines)):
            if found := re.search(r"the first in (\w+ \d+)\.$", head["sentence"]):
                assert network_page(analysis, head["network"]).count(found[1]) > 1, head["network"]

    def test_every_reference_of_the_sentence_is_in_the_table(self) -> None:
        analysis = report_data.reference_only()
        page = Page(analysis, {}, {})
        mine = page.compared.filter(pl.col("network") == "akash", pl.col("advantage").is_not_null())
        lists = mine.filter(pl.col("reference") == "list")
        assert f"cheaper than all {lists.height} list prices" in network_page(analysis, "akash")
        told = network_page(analysis, "akash")
        assert all(page.names.long_pair(c, s) in told for c, s in lists.select("cloud", "silicon").iter_rows())

    def test_what_the_network_keeps_is_one_figure(self) -> None:
        page = Page(report_data.live_shaped(), {}, {})
        heads = {h["network"]: h for h in view.rows(page.headlines)}
        share = words.fee(page.margin_of["ionet"]["network_take_share"])
        assert take_cell(page, "ionet") == {
            "text": share, "under": "0.5% in IO, 4.4% in USDC", "kind": "published", "words": "published"
        }  # fmt: skip
        ways = "0.5% in IO, 4.4% in USDC"
        assert f"keeps {share} of the tenant's bill ({ways})" in token_facts(page, heads["ionet"])
        assert "keeps 0.25% of the tenant's bill (with its spread on minting);" in token_facts(page, heads["akash"])
        assert "keeps at least 10% of the tenant's bill" in token_facts(page, heads["lium"])
        assert "tenant's bill" not in token_facts(page, heads["vast"])
        # Its two services: a claim of its own of what is to be, not a rule in force.
        least = "at least 35% (container engine) or 60% (gateway service)"
        assert f"the network keeps {least} of the tenant's bill (60% is used)" in token_facts(page, heads["salad"])
        assert take_cell(page, "salad")["kind"] == "vendor_claim"

    def test_numbers_of_tokens_have_their_period_day_and_kind(self) -> None:
        page = Page(report_data.live_shaped(), {}, {})
        heads = {h["network"]: h for h in view.rows(page.headlines)}
        assert "14,200 AKT per day burned, gross (2026-11-22)" in token_facts(page, heads["akash"])
        assert "RENDER per epoch burned, gross" in token_facts(page, heads["render"])
        assert "revenue over its costs 0.30 to 0.40 (vendor claim, page undated, read 2026-11-22)" in token_facts(
            page, heads["chutes"]
        )

    def test_what_decides_is_told_of_the_cloud_that_outlooks_follow(self) -> None:
        page = Page(report_data.reference_only(), {}, {})
        (told,) = decisive(page, "akash")
        assert page.future_pair == ("aws", "nvidia")
        row = page.analysis.drivers.filter(
            pl.col("network") == "akash", pl.col("scenario") == "base", pl.col("pricing") == "fleet_average",
            pl.col("quantity") == "advantage", pl.col("reference") == "list", pl.col("rank") == 1,
            pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        ).row(0, named=True)  # fmt: skip
        ends = f"{words.percent(row['at_low'], signed=True)} to {words.percent(row['at_high'], signed=True)}"
        assert told["text"].startswith(
            "At central inputs, at the end of 2036, the lead over AWS's list price rests most"
        )
        assert ends in told["text"]

    def test_an_age_is_told_once_and_without_advice_to_operators(self) -> None:
        told = network_page(report_data.live_shaped(), "golem")
        assert told.count("days old") == 1
        assert "job file" not in told

    def test_exposed_for_want_of_a_margin_says_so(self) -> None:
        analysis = report_data.live_shaped()
        page = Page(analysis, {}, {})
        lacks = {
            n for n in page.headlines["network"] if lacks_margin_alone(page.outlook.filter(pl.col("network") == n))
        }
        assert "chutes" in lacks
        # Its margin is not known either, but its lead is none to rely on.
        assert lacks.isdisjoint({"akash", "clore", "fluence", "golem"})
        assert "margin not known" in network_page(analysis, "chutes")

    def test_a_network_of_few_chips_says_how_many(self) -> None:
        """Nothing else of Clore.ai's serves the model: its two A100 stand for it all the same."""
        analysis = report_data.live_shaped()
        assert "of which it has 2; " in network_page(analysis, "clore")
        assert "of which it has" not in network_page(analysis, "akash")

    def test_where_half_of_the_draws_contradict_the_tables_of_today_the_page_says_so(self) -> None:
        analysis = contradicted(report_data.thirty_networks(), "two-prices")
        told = network_page(analysis, "two-prices")
        assert f"the supplier's margin is {words.MINUS}268%, but in more than 90% of the draws it is above zero" in told
        assert re.search(r"it leads \d+ references today, but in 90% or more of the draws all are lost", told)
        assert "known only as two ends, $0.250 and $25.00 an hour" in told
        assert "most draws today" in told
        assert "Nov 2026" not in told
        assert "known only as two ends, $0.250 and $25.00 an hour" in sentences_of(analysis)[2]
        assert "but in" not in network_page(analysis, "aurora")
        # Where few draws contradict, the words for it are not explained.
        assert "Most draws today" not in network_page(analysis, "aurora")

    def test_a_name_without_letters_is_told_as_its_id_everywhere_and_explained_once(self) -> None:
        analysis = report_data.thirty_networks()
        assert Look.of(analysis).names("cjk-names") == "[cjk-names]"
        assert network_page(analysis, "cjk-names").count("[cjk-names] is its id") == 1
        assert "is its id" not in network_page(analysis, "bergwerk")

    def test_a_network_of_which_no_saving_or_margin_is_known_shares_a_table(self) -> None:
        analysis = report_data.thirty_networks()
        page = Page(analysis, {}, {})
        shared = {n for n in page.headlines["network"] if not has_own_page(page, n)}
        assert shared == {"dormant", "fits-nothing"}
        bare = Page(WORLDS["no_comparable_pair"](report_data.live_shaped()), {}, {})
        assert all(has_own_page(bare, network) for network in view.SEED_NETWORKS)
        assert not has_own_page(bare, "chutes")

    def test_what_cannot_be_compared_stands_beneath_a_chart_of_prices(self) -> None:
        analysis = report_data.live_shaped()
        content = report_content(analysis, blanks(analysis), failed={})
        paged, prices = (
            next(s for s in content["sections"] if s["title"] == title) for title in ("The networks", "Prices")
        )
        assert paged["parts"] == []
        chart, heading, table = prices["parts"][:3]
        assert (chart["type"], heading["text"]) == ("chart", "Networks that cannot be compared")
        assert heading["anchor"] in content["anchors"]
        reasons = [row[3] for row in table["rows"]]
        assert reasons == [reason[:1].upper() + reason[1:] for reason in reasons]
        assert not any("not comparable" in reason.lower() for reason in reasons)


def test_the_finding_counts_what_the_table_has() -> None:
    analysis = report_data.live_shaped()
    page = Page(analysis, {}, {})
    against = view.of_pair(page.compared, ("aws", "nvidia")).drop_nulls("advantage")
    listed = against.filter(pl.col("reference") == "list")["advantage"]
    margins = [m["full_margin"] for m in page.margin_of.values() if m["full_margin"] is not None]
    told = headline(page)
    better = words.of_them(int((listed > 0).sum()), len(listed))
    assert told.startswith(f"With one chip for each, {better} comparable networks undercut")
    assert f"on at most {words.of_them(sum(m >= 0 for m in margins), len(margins))} whose margin is known" in told


@pytest.mark.parametrize(("better", "told"), [
    (0, "neither network undercuts AWS's list price, neither its modelled cost"),
    (1, "1 of 2 networks undercuts AWS's list price, 1 of 2 its modelled cost"),
    (2, "both networks undercut AWS's list price, both its modelled cost"),
])  # fmt: skip
def test_of_two_networks_the_finding_says_both_and_neither(better: int, told: str) -> None:
    two = [{"list": i < better or -1, "modelled_cost": i < better or -1, "margin": None} for i in range(2)]
    assert finding(two, "AWS") == f"With one chip for each, {told}"


def test_the_first_page_names_who_undercuts_a_modelled_cost_with_another_chip() -> None:
    analysis = report_data.live_shaped()
    page = Page(analysis, {}, {})
    cost = view.plain(analysis.comparison).filter(
        pl.col("match") == "cheapest", pl.col("reference") == "modelled_cost", pl.col("advantage") > 0
    )
    assert "none its modelled cost" in headline(page)
    here = view.of_pair(cost, ("aws", "nvidia"))
    assert set(here["network"]) == {"nosana", "clore"}
    told = notes_of(first_page(page))
    best = here.filter(pl.col("network") == "nosana").sort("advantage").row(-1, named=True)
    assert f"Nosana ({page.names(best['accelerator'])}, Llama 3.1-8B: +{best['advantage']:.0%})" in told
    assert re.search(r"and Clore\.ai \(.*?\) undercut AWS's modelled cost\.", told)
    assert f"{cost['network'].n_unique()} networks undercut a modelled cost" in told
    assert "With another chip or model 2 networks do undercut AWS's modelled cost" in alt_of_card(analysis)


def test_the_first_page_marks_prices_known_as_two_ends_and_medians_of_the_other_sign() -> None:
    page = Page(contradicted(report_data.thirty_networks(), "two-prices"), {}, {})
    told = notes_of(first_page(page))
    assert (
        "The table is at central inputs, the chart beneath has medians of the draws: today their signs differ" in told
    )
    assert "Two Prices, a Hundredfold Apart (lead and margin)" in told
    further = other_networks(page)
    assert further is not None
    (row,) = (r for r in further["parts"][0]["rows"] if r[0]["text"].startswith("Two Prices"))
    assert "price known as two ends, $0.250 and $25.00 an hour" in row[0]["under"]
    # The second table has a key of its own, of its own signs.
    assert "pays more" in notes_of(further["parts"])
    assert "n/k: not known." in notes_of(further["parts"])
    assert "[cjk-names]: name in letters that can't be drawn here" in told
    assert "[cjk-names]" not in notes_of(further["parts"])


def test_what_most_draws_have_lost_is_not_told_as_half() -> None:
    analysis = contradicted(report_data.thirty_networks(), "two-prices")
    assert sentences_of(analysis)[2].endswith("has lost it today already in 90% or more of the draws.")


def test_where_a_fee_is_a_floor_the_supplier_s_share_is_a_ceiling() -> None:
    live = report_data.live_shaped()
    page = Page(live, {}, {})
    parts = first_page(page)
    (table,) = (part for part in parts if part["type"] == "table")
    rows = {row[0]["text"]: row for row in table["rows"]}
    kept, even = rows["Hyperbolic"][-4:-2]
    assert kept["text"].startswith("\N{LESS-THAN OR EQUAL TO} +")
    assert even["text"].startswith("\N{GREATER-THAN OR EQUAL TO} $")
    assert rows["Akash"][-4]["text"].startswith("+")
    assert BOUNDED_NOTE in notes_of(parts)
    assert "to at most 61% (Lium)" in sentences_of(live)[1]
    known = dataclasses.replace(
        live, token_economics=live.token_economics.with_columns(bound=pl.lit(None, dtype=pl.String))
    )  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    assert BOUNDED_NOTE not in notes_of(first_page(Page(known, {}, {})))


def test_one_modelled_cost_of_several_clouds_is_told_as_one() -> None:
    live = report_data.live_shaped()
    told = "AWS, Google and Oracle with NVIDIA GPUs have one and the same modelled cost."
    assert told in notes_of(first_page(Page(live, {}, {})))
    google = (pl.col("cloud") == "google") & (pl.col("reference") == "modelled_cost")
    cost = pl.col("usd_per_mtok_reference")
    apart = live.comparison.with_columns(
        pl.when(google).then(cost * 1.1).otherwise(cost).alias(cost.meta.output_name())
    )
    other = notes_of(first_page(Page(dataclasses.replace(live, comparison=apart), {}, {})))  # type: ignore[arg-type]  # given on purpose, or a frame without its schema
    assert told not in other
    assert "AWS and Oracle with NVIDIA GPUs have one and the same modelled cost." in other


def test_a_measured_use_has_its_day_and_one_without_a_margin_is_told() -> None:
    old = network_page(report_data.reference_only(), "akash")
    assert '"text": "39%", "under": "2026-05-24, 182 days, stale"' in old
    assert '"text": "62%"' in network_page(report_data.thirty_networks(), "gaudi-garden")


def test_several_networks_of_one_probability_are_counted() -> None:
    analysis = report_data.live_shaped()
    page = Page(analysis, {}, {})
    lead = page.outlook.filter(
        pl.col("scenario") == "base", pl.col("pricing") == "fleet_average", pl.col("quantity") == "advantage",
        pl.col("reference") == "list", pl.col("cloud") == "aws", pl.col("silicon") == "nvidia",
        pl.col("state") != "already_lost", pl.col("probability_lost") == 0,
    )  # fmt: skip
    assert lead.height > 1
    assert f"from 0% ({lead.height} networks) to " in sentences_of(analysis)[2]


def test_a_burned_payment_and_a_fee_nobody_knows_are_no_share() -> None:
    analysis = report_data.thirty_networks()
    page = Page(analysis, {}, {})
    assert take_cell(page, "minted-work") == {"text": "burned", "under": "nodes are paid in minted tokens"}
    assert take_cell(page, "overfull") == {
        "text": "0%", "under": "at least", "kind": "published", "words": "published",
    }  # fmt: skip
    told = {network: network_page(analysis, network) for network in ("minted-work", "overfull")}
    assert "the payment is burned, and nodes are paid in minted tokens" in told["minted-work"]
    assert "0% of the tenant's bill or more" in told["overfull"]
    assert not any("100% of the tenant" in one or "at least 0%" in one for one in told.values())
    assert "A provider's margin is not known: " in network_page(analysis, "gaudi-garden")


def test_a_price_nobody_asks_and_one_of_two_ends_are_marked_where_they_stand() -> None:
    analysis = report_data.thirty_networks()
    assert "indicative" in network_page(analysis, "examples-only")
    assert "indicative" not in network_page(analysis, "aurora")
    ladder = CHARTS["price_ladder"](analysis, Look.of(analysis))
    footer = said(ladder, "footer").replace("\n", " ")
    assert "Of two offers far apart, the mean is drawn: Two Prices" in footer
    assert "($0.250 and $25.00)" in footer


def test_costs_of_a_node_are_known_where_the_price_is_too_old() -> None:
    (row,) = (
        report_data.thirty_networks()
        .margins.filter(pl.col("network") == "dormant", pl.col("breakeven_usd_per_accelerator_hour").is_not_null())
        .to_dicts()
    )
    costs = row["power_usd_per_hour"] + row["opex_usd_per_hour"] + row["capital_usd_per_hour"]
    kept = (1 - row["take_rate"]) * row["utilisation"]
    assert row["full_margin"] is None
    assert costs == pytest.approx(row["breakeven_usd_per_accelerator_hour"] * kept, rel=1e-9)


def test_a_run_in_which_no_lead_can_be_followed_still_has_its_network_pages() -> None:
    analysis = WORLDS["no_comparable_pair"](report_data.live_shaped())
    assert analysis.drivers.height
    assert "new node's margin rests most on" in network_page(analysis, "akash")


@pytest.mark.parametrize("made", [report_data.thirty_networks, report_data.live_shaped])
def test_today_is_at_odds_where_the_paths_start_on_two_sides_of_zero(made: Callable[[], Analysis]) -> None:
    analysis = made()
    key = ["network", "cloud", "silicon", "reference", "scenario", "pricing"]
    starts = view.plain(analysis.advantage_paths.filter(pl.col("month") == 0)).select(
        *key, median="advantage_p50", apart=(pl.col("advantage") > 0) != (pl.col("advantage_p50") > 0)
    )
    rows = view.plain(analysis.outlook.filter(pl.col("quantity") == "advantage", pl.col("state") != "not_comparable"))
    joined = rows.join(starts, on=key).filter(pl.col("median").abs() > 0.02)  # exactly half of few draws may be lost
    assert joined["apart"].any()
    assert [at_odds(row, analysis.as_of.date()) for row in view.rows(joined)] == joined["apart"].to_list()


def test_a_share_of_draws_that_is_not_all_or_none_is_not_printed_as_such() -> None:
    row = {"state": "lost_within_horizon", "date_p50": None, "date": None, "probability_lost": 0.0017}
    told = advantage_gone(row | {"horizon": date(2036, 12, 31)}, date(2026, 11, 22))
    assert told == "not reached by 2036 in >99% of draws"
