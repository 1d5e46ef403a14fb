"""Whether the data, the model or the job file made two analyses differ: by making the analysis again in steps."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Sequence
from importlib.metadata import version

import polars as pl

from depin_compare.analysis import Analysis
from depin_compare.economics.decline import HISTORY_SOURCE
from depin_compare.errors import DepinCompareError
from depin_compare.refdata.assumption_set import USER_SOURCE
from depin_compare.remaking import remade
from reports import view
from reports.measures import KEY, measures

__all__ = ["CAUSES", "caused", "causes_moved"]

log = logging.getLogger(__name__)

CAUSES = ("data", "model", "configuration", "several", "not known")
_STEPS = ("model", "configuration", "data")
# One cause alone is named where the others do less than this share of what was moved.
_MINOR_SHARE = 0.05
_ASKED = ("llms", "workloads", "draws", "seed")
# Read off the sources: where nothing can be made again, what these do is still the data's doing.
_OBSERVED = ("price", "take rate", "fact")
_VERSION = "version_depin-compare"
_PACKAGE = "depin-compare"


def caused(
    found: pl.DataFrame, before: Analysis, after: Analysis, first: pl.DataFrame, last: pl.DataFrame
) -> pl.DataFrame:
    """Things that differ with what made them differ.

    Parameters
    ----------
    found : DataFrame
        The columns of `reports.measures.KEY`, and ``layer`` and ``is_users`` with ``_before`` and ``_after``.
    before, after : Analysis
    first, last : DataFrame[Measures]
        Of the two analyses.

    Returns
    -------
    DataFrame
        With ``cause``, one of `CAUSES`, and ``change_model``, ``change_configuration`` and ``change_data``.
    """
    moved = causes_moved(before, after)
    steps = _steps(before, after, moved, last) if len(moved) > 1 else None
    amounts = [f"change_{cause}" for cause in _STEPS]
    if steps is None:
        one = moved[0] if len(moved) == 1 else None
        blank = {name: pl.lit(None, dtype=pl.Float64) for name in amounts}
        told = {f"change_{one}": pl.col("change")} if one else {}
        overall = one or ("several" if moved else "not known")
        split = found.with_columns(**(blank | told), _cause=pl.lit(overall))
        if len(moved) > 1 and "data" in moved:
            observed = pl.col("what").is_in(_OBSERVED)
            split = split.with_columns(
                pl.when(observed).then(pl.lit("data")).otherwise("_cause").alias("_cause"),
                pl.when(observed).then("change").otherwise("change_data").alias("change_data"),
            )
    else:
        split = _told_apart(found, first, steps)
    return split.with_columns(_of_kind(moved).alias("cause")).with_columns(
        # Where another cause is known than the steps saw, their amounts mean nothing.
        pl.when(pl.col("cause") == pl.col("_cause")).then(name).alias(name)
        for name in amounts
    )


def _of_kind(moved: Sequence[str]) -> pl.Expr:
    """The cause where the kind of thing tells it: the job file makes what is the user's, the package its own tables."""
    users = pl.col("is_users_before") | pl.col("is_users_after")
    tables = pl.col("what").is_in(["assumption", "scenario value"])
    asked = pl.col("what").is_in(["network", "scenario"])
    of_asked = "configuration" if "configuration" in moved or "model" not in moved else "model"
    source = pl.col("what") == "source"
    refitted = tables & pl.col("layer_before").ne_missing(pl.col("layer_after"))
    one_sided = pl.col("text_before").is_null() | pl.col("text_after").is_null()
    return (
        pl.when(users | refitted).then(pl.lit("configuration"))
        .when(tables & (pl.col("layer_after") == "stored")).then(pl.lit("data"))
        .when(tables).then(pl.lit("model"))
        .when(asked).then(pl.lit(of_asked))
        .when(source & one_sided & ("model" in moved)).then(pl.lit("model"))
        .when(source).then(pl.lit("data"))
        .otherwise("_cause")
    )  # fmt: skip


# -- which causes moved --------------------------------------------------------------------------------------------


def causes_moved(before: Analysis, after: Analysis) -> tuple[str, ...]:
    """Which of model, configuration and data differ between two analyses, in this order."""
    moved = {
        "model": _is_other_model(before, after),
        "configuration": _is_asked_otherwise(before, after),
        "data": before.as_of != after.as_of or _are_other_data(before, after),
    }
    found = tuple(cause for cause in _STEPS if moved[cause])
    # A digest that differs may only mean another folder for the report: it counts where nothing else does.
    digests = {one.provenance.get("config_sha256") for one in (before, after)}
    return found or (("configuration",) if len(digests) > 1 else ())


def _is_other_model(before: Analysis, after: Analysis) -> bool:
    """Whether the package, its assumptions and scenarios, or the throughput of a chip with its replica differ."""
    if len({one.provenance.get(_VERSION) for one in (before, after)}) > 1:
        return True
    packaged = ~pl.col("source_id").is_in([USER_SOURCE, HISTORY_SOURCE])
    ends = ("low", "central", "high")
    speed = tuple(f"tokens_per_second_{end}" for end in ("low", "per_accelerator", "high"))
    work = ("accelerator", "llm", "workload", "precision", "accelerators_per_replica", "split")
    return (
        _differ(before.assumptions.filter(packaged), after.assumptions.filter(packaged), ("parameter",), ends)
        or _differ(before.scenarios.filter(packaged), after.scenarios.filter(packaged), ("scenario", "parameter"), ends)
        or _differ(before.throughputs, after.throughputs, work, speed)
    )


def _is_asked_otherwise(before: Analysis, after: Analysis) -> bool:
    """Whether the job files ask for different things, hold other numbers of the user, or switch off other sources."""

    def asked(one: Analysis) -> list[object]:
        states, own = view.plain(one.source_states), view.plain(one.user_changes)
        return [
            set(one.headlines["network"]),
            set(one.outlook["scenario"]),
            set(one.outlook["horizon"]),
            set(states.filter(pl.col("state") == "off")["source"]),
            set(own.select("table", "key", "after", "in_force", "note").iter_rows()),
        ]

    keys = [key for key in _ASKED if all(key in one.provenance for one in (before, after))]
    return asked(before) != asked(after) or any(before.provenance[key] != after.provenance[key] for key in keys)


def _are_other_data(before: Analysis, after: Analysis) -> bool:
    """Whether offers or facts differ, of the networks that are in both and of the clouds, the user's own aside."""
    in_one = sorted(set(before.headlines["network"]) ^ set(after.headlines["network"]))
    here = ~pl.col("network").is_in(in_one) & (pl.col("source") != USER_SOURCE)
    for name in ("offers", "facts"):
        old, new = (view.plain(getattr(one, name)).filter(here) for one in (before, after))
        if not old.sort(pl.all()).equals(new.sort(pl.all())):
            return True
    return False


def _differ(old: pl.DataFrame, new: pl.DataFrame, key: Sequence[str], values: Sequence[str]) -> bool:
    """Whether rows of one name have other values, beyond rounding; rows on one side only tell nothing."""
    both = view.plain(old).join(view.plain(new), on=list(key), suffix="_new", nulls_equal=True)
    close = both.select(_close(pl.col(name), pl.col(f"{name}_new")).all().alias(name) for name in values)
    return not all(close.row(0))


def _close(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Equal but for rounding; two unknowns are equal."""
    near = (one == other) | ((one - other).abs() <= 1e-9 * pl.max_horizontal(one.abs(), other.abs(), pl.lit(1e-3)))
    return pl.when(one.is_null() | other.is_null()).then(one.is_null() & other.is_null()).otherwise(near)


# -- step by step --------------------------------------------------------------------------------------------------


def _steps(
    before: Analysis, after: Analysis, moved: Sequence[str], last: pl.DataFrame
) -> list[tuple[str, pl.DataFrame]] | None:
    """Each cause with what is measured once it has moved too; None where nothing can be made again.

    Of things that this version does not make of today's analysis just as they stand, nothing is measured on the way.
    """
    here = version(_PACKAGE)
    if after.provenance.get(_VERSION, here) != here:
        log.info("what changed is not told apart by cause: the analysis is that of another version")
        return None
    asked = {"model": before, "configuration": after}
    log.info("%s changed: the analysis is made again %d times to tell them apart", " and ".join(moved), len(moved))
    try:
        made = [(cause, measures(remade(before, asked[cause], instead=after))) for cause in moved[:-1]]
        again = measures(remade(after, after))
    except (DepinCompareError, ValueError) as error:
        log.info("what changed is not told apart by cause: %s", error)
        return None
    exact = (
        last.join(again, on=list(KEY), suffix="_again", nulls_equal=True)
        .filter(
            _close(pl.col("value"), pl.col("value_again")),
            pl.col("text").eq_missing(pl.col("text_again")),
        )
        .select(KEY)
    )
    trusted = [(cause, frame.join(exact, on=list(KEY), how="semi", nulls_equal=True)) for cause, frame in made]
    return [*trusted, (moved[-1], last)]


def _told_apart(found: pl.DataFrame, first: pl.DataFrame, steps: Sequence[tuple[str, pl.DataFrame]]) -> pl.DataFrame:
    """What each step did to each thing, and the one cause that did (nearly) all of it."""
    split = found
    names = ["first", *(cause for cause, _ in steps)]
    for name, frame in zip(names, [first, *(frame for _, frame in steps)], strict=True):
        held = view.plain(frame).select(
            *KEY, pl.col("value").alias(f"_value_{name}"), pl.col("text").alias(f"_text_{name}"),
            pl.lit(True).alias(f"_known_{name}"),
        )  # fmt: skip
        split = split.join(held, on=list(KEY), how="left", nulls_equal=True, maintain_order="left")
    known = pl.all_horizontal(pl.col(f"_known_{name}").fill_null(False) for name in names)
    amounts, turned = {}, {}
    for earlier, cause in itertools.pairwise(names):
        amount = pl.col(f"_value_{cause}") - pl.col(f"_value_{earlier}")
        amounts[cause] = pl.when(known & amount.is_finite()).then(amount)
        turned[cause] = pl.col(f"_text_{cause}").ne_missing(pl.col(f"_text_{earlier}")) | (
            pl.col(f"_value_{cause}").is_null() != pl.col(f"_value_{earlier}").is_null()
        )
    total = pl.sum_horizontal(amount.abs() for amount in amounts.values())
    in_numbers = pl.all_horizontal(amount.is_not_null() for amount in amounts.values())
    n_turned = pl.sum_horizontal(turned[cause].cast(pl.Int8) for cause in turned)
    chosen = pl.lit("several")
    for cause in amounts:
        nearly_all = in_numbers & (amounts[cause].abs() >= (1 - _MINOR_SHARE) * total)
        chosen = (
            pl.when(known & (nearly_all | (~in_numbers & (n_turned == 1) & turned[cause])))
            .then(pl.lit(cause))
            .otherwise(chosen)
        )
    blank = pl.lit(None, dtype=pl.Float64)
    return split.with_columns(
        chosen.alias("_cause"), *(amounts.get(cause, blank).alias(f"change_{cause}") for cause in _STEPS)
    ).select(*found.columns, "_cause", *(f"change_{cause}" for cause in _STEPS))
