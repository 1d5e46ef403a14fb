"""Each step of the chain alone, on the newest snapshot or the offers of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depin_compare.cli._app import app
from depin_compare.cli.backtest import back_tested, emit_back_test, has_outcomes
from depin_compare.cli.inputs import collected_now, day_of, job_of, step_analysis, store_of, with_analysis
from depin_compare.cli.options import (
    ERROR,
    OK,
    AsOfOption,
    ConfigOption,
    CsvOption,
    DrawsOption,
    JobOption,
    JsonOption,
    MaxAgeOption,
    NetworkOption,
    OffersOption,
    OutputOption,
    ReplayOption,
    SeedOption,
    StoreOption,
)
from depin_compare.cli.output import because, emit, kept_rows, note

if TYPE_CHECKING:
    from depin_compare.jobs.config import JobConfig


@app.command()
def fetch(
    sources: Annotated[list[str] | None, typer.Argument(help="Sources to ask; all when none is named.")] = None,
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    replay: ReplayOption = None,
    record: Annotated[Path | None, typer.Option("--record", help="Keep every answer in this folder.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Ask the sources now; the offers they give, live only."""
    chosen, place = job_of(config, job), store_of(store)
    collection = collected_now(chosen, place, replay=replay, record=record, sources=sources or None)
    show = ["network", "accelerator", "usd_per_accelerator_hour", "terms", "price_kind", "region", "available", "layer"]
    emit(collection.offers, json=json, csv=csv, output=output, title="Offers", show=show)
    for status in collection.statuses:
        note(f"{status.source}: {status.status}, {status.offers} offers{because(status.error)}")
    raise typer.Exit(OK if any(s.status in ("ok", "partial") for s in collection.statuses) else ERROR)


@app.command()
def compare(
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    max_age: MaxAgeOption = None,
    network: NetworkOption = None,
    llm: Annotated[str | None, typer.Option("--llm", help="Only this LLM.")] = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Networks against the clouds at equal work, in USD per million output tokens, prompts included."""
    frame = kept_rows(
        step_analysis(job_of(config, job), store, offers, as_of, max_age).comparison, network=network, llm=llm
    )
    show = (
        "network accelerator llm cloud silicon reference match usd_per_mtok_network usd_per_mtok_reference advantage "
        "advantage_adjusted network_layer reference_kind freshness not_comparable"
    )
    emit(frame, json=json, csv=csv, output=output, title="USD per million output tokens", show=show.split())


@app.command()
def margins(
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    max_age: MaxAgeOption = None,
    network: NetworkOption = None,
    accelerator: Annotated[str | None, typer.Option("--accelerator", help="Only this chip.")] = None,
    node: Annotated[
        bool, typer.Option("--node", help="Only your own node: [node] of the job file, and the options below.")
    ] = False,
    like: Annotated[
        str | None, typer.Option("--like", help="What your node is like where you say nothing: home or data_centre.")
    ] = None,
    usd_per_kwh: Annotated[float | None, typer.Option("--usd-per-kwh", help="Your tariff.")] = None,
    capex_usd: Annotated[
        float | None, typer.Option("--capex-usd", help="What your chip cost with its share of the machine.")
    ] = None,
    utilisation: Annotated[
        float | None, typer.Option("--utilisation", help="Share of hours your node is rented, 0 to 1.")
    ] = None,
    hours_per_day: Annotated[
        float | None, typer.Option("--hours-per-day", help="The same in hours a day, 0 to 24.")
    ] = None,
    load_kw: Annotated[float | None, typer.Option("--load-kw", help="What your chip draws while rented.")] = None,
    steps: Annotated[
        bool, typer.Option("--waterfall", help="From the tenant's bill to the provider's profit, step by step.")
    ] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """What providers keep, by network, chip and archetype; margins are fractions of their receipts."""
    from depin_compare.economics.waterfall import waterfall

    told = {
        "like": like, "usd_per_kwh": usd_per_kwh, "capex_usd": capex_usd, "utilisation": utilisation,
        "hours_per_day": hours_per_day, "load_kw": load_kw,
    }  # fmt: skip
    given = {name: value for name, value in told.items() if value is not None}
    mine = node or bool(given)
    chosen = job_of(config, job)
    if mine:
        chosen = _with_node(chosen, given | ({"accelerator": accelerator} if accelerator else {}))
        accelerator = None
    kept = step_analysis(chosen, store, offers, as_of, max_age).margins
    frame = kept_rows(kept, archetype="own" if mine else None, network=network, accelerator=accelerator)
    if steps:
        from depin_compare.economics.margins import Margins

        show = "network accelerator archetype step usd_per_hour share_of_tenant"
        rows = waterfall(Margins.validate(frame))
        emit(rows, json=json, csv=csv, output=output, title="USD per hour, rented or not", show=show.split())
        return
    show = (
        "network accelerator archetype usd_per_accelerator_hour utilisation utilisation_kind cash_margin full_margin "
        "breakeven_usd_per_accelerator_hour breakeven_utilisation stop_usd_per_accelerator_hour layer "
        "freshness not_known"
    )
    emit(frame, json=json, csv=csv, output=output, title="Provider margins", show=show.split())


def _with_node(job: JobConfig, told: dict[str, Any]) -> JobConfig:
    """The job with the user's node changed by what the command line says of it."""
    from pydantic import ValidationError

    from depin_compare.errors import ModelDomainError
    from depin_compare.jobs.config import NodeConfig

    before = job.node.model_dump(exclude_none=True) if job.node else {}
    if "utilisation" in told:
        before.pop("hours_per_day", None)
    if "hours_per_day" in told:
        before.pop("utilisation", None)
    if "accelerator" not in before | told:
        raise typer.BadParameter("say which chip your node has", param_hint="--accelerator")
    try:
        made = NodeConfig.model_validate(before | told)
        made.own_node()
    except ModelDomainError as error:
        raise typer.BadParameter(str(error)) from error
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{d['loc'][0]}: {d['msg']}" if d["loc"] else d["msg"]
                                           for d in error.errors())) from error  # fmt: skip
    return job.model_copy(update={"node": made})


@app.command()
def erosion(
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    max_age: MaxAgeOption = None,
    network: NetworkOption = None,
    scenario: Annotated[str | None, typer.Option("--scenario", help="Only this scenario.")] = None,
    backtest: Annotated[
        bool | None,
        typer.Option(
            "--backtest/--no-backtest",
            help="With --as-of: what the scenarios said of H100 rents from that day on, against what was seen since; "
            "below the table by default where the day lies 90 days back. Given, rows and files are the back-test's.",
        ),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The back-test alone, as Markdown tables.")] = False,
    draws: DrawsOption = None,
    seed: SeedOption = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="How likely each is lost by the end of every year.")
    ] = False,
    decides: Annotated[
        bool, typer.Option("--sensitivity", help="Which inputs decide, all uncertain at once: Sobol indices.")
    ] = False,
    stress: Annotated[
        bool, typer.Option("--stress", help="Providers' margins when cloud cost falls at once, by use and token price.")
    ] = False,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Headroom, break-even dates and verdicts, by network, reference and scenario."""
    if (backtest or markdown) and as_of is None:
        raise typer.BadParameter("a back-test begins on a past day: give --as-of", param_hint="--backtest")
    tables = {"probabilities": probabilities, "sensitivity": decides, "stress": stress, "backtest": bool(backtest)}
    if sum(tables.values()) > 1:
        named = ", ".join(f"--{name}" for name, asked in tables.items() if asked)
        raise typer.BadParameter("one table at a time", param_hint=named)
    chosen = with_analysis(job_of(config, job), draws=draws, seed=seed)
    if scenario is not None and (decides or scenario not in chosen.analysis.scenarios):
        from depin_compare.jobs.config_checks import selected

        chosen = selected(chosen, scenarios=[scenario])
        chosen = with_analysis(chosen, sensitivity=(scenario,)) if decides else chosen
    if markdown or (backtest and (json or csv or output is not None)):
        tested = back_tested(chosen, day_of(str(as_of)), scenario)
        emit_back_test(tested, json=json, csv=csv, output=output, markdown=markdown)
        return
    analysis = step_analysis(chosen, store, offers, as_of, max_age)
    frame: Any = analysis.outlook
    title = "Outlook"
    show = "network cloud silicon reference scenario pricing quantity today headroom state date verdict freshness"
    if probabilities:
        title, frame = "Odds of loss by the end of the year", analysis.erosion_probabilities
        show = "network cloud silicon reference scenario pricing quantity year probability_lost"
    elif decides:
        title, frame = "Share of the variance by input", analysis.sensitivity
        show = "network cloud reference scenario quantity measure at input first_order total total_low total_high"
    elif stress:
        title, frame = "Margins when cloud cost falls", analysis.stress
        show = "network accelerator archetype cloud_cost_cut utilisation token_price_factor full_margin not_known"
    frame = kept_rows(frame, network=network, scenario=None if stress else scenario)
    emit(frame, json=json, csv=csv, output=output, title=title, show=show.split())
    plain = json or csv or output is not None
    if as_of is None or plain or backtest is False or title != "Outlook":
        return
    if backtest or has_outcomes(day_of(as_of)):
        tested = back_tested(chosen, day_of(as_of), scenario)
        emit_back_test(tested, json=False, csv=False, output=None)


@app.command()
def explain(
    what: Annotated[list[str] | None, typer.Argument(help="Address of a number; none lists how to write one.")] = None,
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    max_age: MaxAgeOption = None,
    json: JsonOption = False,
) -> None:
    """Follow a number to its formula, its inputs and their sources, and see what would flip it.

    For example: explain margin akash h100-sxm data_centre, or explain comparison akash h100-sxm llama-3.3-70b
    aws/nvidia/list.
    """
    from json import dumps

    from depin_compare.explanations import TABLES, addresses
    from depin_compare.explanations import explain as explained

    chosen = job_of(config, job)
    analysis = step_analysis(chosen, store, offers, as_of, max_age)
    if not what:
        typer.echo("Write one of, words in brackets in any order or not at all:\n")
        for table, words in TABLES.items():
            typer.echo(f"  explain {table} {words}")
        typer.echo("\nFor example:\n")
        for address in addresses(analysis):
            typer.echo(f"  depin-compare explain {address}")
        return
    told = explained(analysis, *what, own_nodes=chosen.own_nodes())
    typer.echo(dumps(told.to_dict(), indent=2, ensure_ascii=False) if json else told.text())


@app.command()
def tokens(
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    max_age: MaxAgeOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """What each network's token pays: take, emission, subsidy, coverage, burn, and the premium left to earn."""
    frame = kept_rows(
        step_analysis(job_of(config, job), store, offers, as_of, max_age).token_economics, network=network
    )
    show = "network measure subject price_basis value unit bound kind observed_at not_known"
    emit(frame, json=json, csv=csv, output=output, title="What the token pays", show=show.split())


@app.command()
def discrepancies(
    config: ConfigOption = None,
    job: JobOption = None,
    store: StoreOption = None,
    offers: OffersOption = None,
    as_of: AsOfOption = None,
    max_age: MaxAgeOption = None,
    network: NetworkOption = None,
    json: JsonOption = False,
    csv: CsvOption = False,
    output: OutputOption = None,
) -> None:
    """Where two sources differ by more than 10% on the same offer: which one is used, and why."""
    frame = kept_rows(step_analysis(job_of(config, job), store, offers, as_of, max_age).discrepancies, network=network)
    show = (
        "network accelerator terms compared_on source_used layer_used usd_per_accelerator_hour_used source_other "
        "layer_other usd_per_accelerator_hour_other ratio reason"
    )
    emit(frame, json=json, csv=csv, output=output, title="Discrepancies, USD per accelerator-hour", show=show.split())
