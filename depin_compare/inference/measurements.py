"""Measured throughput from a CSV, one row a run, made into cases the model can be asked about.

The columns are those of public result tables: who measured, engine, chip and how many, LLM, number formats,
lengths, load, split, service level, and the measured rates. A row that the model cannot be asked about is
skipped with a reason, never guessed at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dataframely as dy
import numpy as np
import numpy.typing as npt
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ConfigError
from depin_compare.inference.roofline import (
    ENGINES,
    MATHS,
    REFERENCE_YEAR,
    Cases,
    Constants,
    batch_that_fits,
    decode_seconds,
    fastest_batch,
    largest_batch,
    prefill_seconds_per_token,
)
from depin_compare.inference.throughput import chip_columns, llm_columns, storage_columns
from depin_compare.units import FloatArray

__all__ = ["MODES", "Measurements", "SkippedRows", "parse_measurements", "predicted_tokens_per_second"]

# max: everything queued at once; concurrency: so many requests in flight; static: one batch from start to
# end; slo: random arrivals within a service level; decode_only, prefill_only: one phase timed alone.
MODES = ("max", "concurrency", "static", "slo", "decode_only", "prefill_only")
REQUIRED = ("accelerator", "n_accelerators", "model", "precision", "mode", "isl", "osl", "tokens_per_s_output")
_NUMBERS = (
    "n_accelerators", "isl", "osl", "concurrency", "tp", "pp", "ep", "dp", "slo_tpot_ms", "n_requests",
    "tokens_per_s_output", "input_tokens_per_s",
)  # fmt: skip
_TEXTS = ("row_id", "source", "date", "engine", "accelerator", "model", "precision", "kv_precision", "mode", "notes")
# Bytes per weight of formats that only files use, and what the tensor cores do with them.
_FILE_FORMATS = {"int4": 0.53, "awq": 0.53, "q4_k_m": 0.61, "q8_0": 1.0625, "int8w": 1.0, "int8": 1.0}
_SAME_FORMAT = {"bf16": "fp16", "fp16": "fp16", "fp8": "fp8", "fp4": "fp4", "nvfp4": "fp4", "mxfp4": "fp4"}
_PREFILL_CHUNK_LLAMACPP = 512.0
_ROW_TYPES = {"row_id": pl.String, "source": pl.String, "date": pl.String, "measured": pl.Float64}


class SkippedRows(Schema):
    """Rows of a measurement file that were not used, and why."""

    row_id = dy.String(nullable=False)
    reason = dy.String(nullable=False, min_length=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurements:
    """Usable rows of a measurement file.

    ``rows`` is the frame of usable rows in file order with ``measured`` [tokens/s]. ``cases`` holds one
    position a candidate split: rows that do not tell their split have several, and ``row`` says whose
    position it is. ``replicas`` is how many copies of the replica share the load.
    """

    rows: pl.DataFrame
    skipped: dy.DataFrame[SkippedRows]
    cases: Cases
    row: npt.NDArray[np.int64]
    replicas: FloatArray
    mode: npt.NDArray[np.int64]
    concurrency: FloatArray
    seconds_per_token: FloatArray
    requests: FloatArray

    @property
    def measured(self) -> FloatArray:
        """Measured tokens per second of the whole system, shape ``(n_rows,)``."""
        return self.rows["measured"].to_numpy()


def _key(name: str) -> str:
    return "".join(c for c in name.lower() if c not in " -_")


def _number(value: object) -> float | None:
    """A finite number, or ``None`` for anything else."""
    try:
        number = float(value)  # type: ignore[arg-type]  # what is no number raises
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _engine(row: Mapping[str, Any], vendor: str) -> str:
    text = (row["engine"] or "").lower()
    if "llama.cpp" in text:
        return "llamacpp"
    if "tensorrt" in text or text.startswith("trt"):
        return "tensorrt"
    if "sglang" in text:
        return "sglang"
    if "vllm" in text:
        return "vllm"
    # MLPerf tables name no software; NVIDIA's submitters use TensorRT-LLM there.
    mlperf = (row["source"] or "").lower().startswith("mlperf")
    return "tensorrt" if vendor == "NVIDIA" and mlperf else "vllm" if vendor == "NVIDIA" else "vendor"


def _year(date: str | None) -> float:
    """Year and fraction from ``2025``, ``2025-08`` or ``2025-08-28``; the reference year if there is none."""
    parts = (date or "").split("-")
    if not parts[0].isdigit() or not 2015 <= int(parts[0]) <= 2040:
        return REFERENCE_YEAR
    month = int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 7
    return int(parts[0]) + (min(max(month, 1), 12) - 0.5) / 12.0


def _splits(row: Mapping[str, Any], experts: bool) -> list[tuple[int, int, int, bool, float]]:
    """(tensor, pipeline, attention ranks, expert parallel, replicas): the row's own, or all that are possible."""
    n = int(row["n_accelerators"])
    if row["tp"] is None:
        # Submitters of tuned results do use pipelines, but without their bubbles these would look too good.
        sizes = [2**i for i in range(4) if n % 2**i == 0]
        found = [(t, 1, 1, False, n / t) for t in sizes]
        return found + [(1, 1, e, True, n / e) for e in sizes if experts and e > 1]
    tp, pp = int(row["tp"]), int(row["pp"] or 1)
    ep, dp = int(row["ep"] or 1), int(row["dp"] or 1)
    notes = (row["notes"] or "").lower()
    shared = "dp_attention" in notes or "attention dp" in notes
    if experts and (shared or (tp == 1 and ep > 1 and ep == dp)):
        ranks = max(tp, ep, dp)
        return [(1, pp, ranks, True, n / (ranks * pp))]
    return [(tp, pp, 1, experts and ep > 1, n / (tp * pp))]


def _fault(
    row: dict[str, Any], chips: Mapping[str, int], llms: Mapping[str, int], usable: npt.NDArray[Any]
) -> str | None:
    """Why a row cannot be used; ``None`` if it can. Numbers are read on the way."""
    if row.get("usable") not in (None, "", "1", "1.0", "true", "True"):
        return "marked as not usable"
    chip, llm = row["accelerator"], row["model"]
    if not chip or _key(chip) not in chips:
        return f"unknown accelerator {chip!r}"
    if not llm or _key(llm) not in llms:
        return f"unknown LLM {llm!r}"
    if not usable[chips[_key(chip)]]:
        return f"{chip}: memory, bandwidth or compute not published"
    if row["mode"] not in MODES:
        return f"unknown mode {row['mode']!r}, expected one of {', '.join(MODES)}"
    precision = (row["precision"] or "").lower()
    if precision not in _SAME_FORMAT and precision not in _FILE_FORMATS:
        return f"unknown precision {row['precision']!r}"
    for name in _NUMBERS:
        text = row[name]
        row[name] = _number(text)
        if text not in (None, "") and row[name] is None:
            return f"{name} is {text!r}, expected a number"
        if row[name] is not None and row[name] < 0:
            return f"{name} is {text}, expected 0 or more"
    row["precision"] = precision
    prefill = row["mode"] == "prefill_only"
    row["measured"] = row["input_tokens_per_s"] if prefill else row["tokens_per_s_output"]
    if row["measured"] is None or row["measured"] <= 0:
        return "no measured rate above 0"
    if row["n_accelerators"] is None or row["n_accelerators"] < 1 or row["n_accelerators"] % 1:
        return f"n_accelerators is {row['n_accelerators']}, expected a whole number from 1"
    if row["isl"] is None or (prefill and row["isl"] < 1):
        return "no prompt length"
    if not prefill and (row["osl"] is None or row["osl"] < 1):
        return "no output length"
    if row["mode"] in ("concurrency", "static") and (row["concurrency"] is None or row["concurrency"] < 1):
        return f"mode {row['mode']} without concurrency"
    for name in ("tp", "pp", "ep", "dp"):
        if row[name] is not None and (row[name] < 1 or row[name] % 1):
            return f"{name} is {row[name]}, expected a whole number from 1"
    if row["tp"] is not None and row["tp"] * (row["pp"] or 1) > row["n_accelerators"]:
        return f"tensor x pipeline parallel degree exceeds {row['n_accelerators']:g} accelerators"
    return None


def parse_measurements(path: str | Path, accelerators: pl.DataFrame, llms: pl.DataFrame) -> Measurements:
    """Read a measurement CSV and prepare what the model is asked for each usable row.

    Parameters
    ----------
    path : str or Path
        CSV with a header; at least the columns accelerator, n_accelerators, model, precision, mode, isl, osl
        and tokens_per_s_output. Missing others count as empty.
    accelerators, llms : frames of Accelerators and Llms
        What is known; names match ids or display names, ignoring case, blanks, ``-`` and ``_``.

    Returns
    -------
    Measurements

    Raises
    ------
    ConfigError
        If the file cannot be read, lacks a required column, or has no usable row.
    """
    try:
        table = pl.read_csv(path, infer_schema=False, truncate_ragged_lines=True)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{Path(path).name}: cannot be read as CSV: {error}") from error
    lacking = [name for name in REQUIRED if name not in table.columns]
    if lacking:
        raise ConfigError(f"{Path(path).name}: no column {', '.join(lacking)}; found {', '.join(table.columns)}")
    absent = [name for name in (*_NUMBERS, *_TEXTS, "usable") if name not in table.columns]
    table = table.with_columns(pl.lit(None, dtype=pl.String).alias(name) for name in absent)
    return _measurements(table, accelerators, llms, Path(path).name)


def _measurements(table: pl.DataFrame, accelerators: pl.DataFrame, llms: pl.DataFrame, name: str) -> Measurements:
    chip, llm = chip_columns(accelerators), llm_columns(llms)
    native = llms["native_weight_dtype"].cast(pl.String).to_list()
    chips = _index(accelerators, "accelerator")
    models = _index(llms, "llm")
    usable = np.isfinite(chip["memory"]) & np.isfinite(chip["bandwidth"]) & (chip["peak_fp16"] > 0)
    kept: list[dict[str, Any]] = []
    skipped: list[dict[str, str]] = []
    positions: list[dict[str, Any]] = []
    for number, row in enumerate(table.select(*_NUMBERS, *_TEXTS, "usable").iter_rows(named=True)):
        row["row_id"] = row["row_id"] or str(number)
        fault = _fault(row, chips, models, usable)
        if fault is not None:
            skipped.append({"row_id": row["row_id"], "reason": fault})
            continue
        a, m = chips[_key(row["accelerator"])], models[_key(row["model"])]
        for split in _splits(row, experts=bool(llm["experts"][m] > 1)):
            positions.append(_position(row, split, a, m, len(kept), native[m], accelerators["vendor"][a]))
        kept.append(row)
    if not kept:
        reason = skipped[0]["reason"] if skipped else "it is empty"
        raise ConfigError(f"{name}: no usable row; the first is skipped because: {reason}")
    at = {key: np.array([p[key] for p in positions]) for key in positions[0]}
    storage = storage_columns(
        at["asked"], at["native"], chip["peak_fp8"][at["chip"]] > 0, chip["peak_fp4"][at["chip"]] > 0
    )
    storage.pop("label")
    in_file = np.isfinite(at["file_bytes"])
    for part in ("dense_bytes", "expert_bytes"):
        storage[part] = np.where(in_file, at["file_bytes"], storage[part])
    for part in ("dense_math", "expert_math"):
        storage[part] = np.where(in_file, MATHS.index("unpacked"), storage[part])
    cases = Cases(
        **{key: column[at["chip"]] for key, column in chip.items()},
        **{key: column[at["llm"]] for key, column in llm.items()},
        **storage,
        kv_bytes=at["kv_bytes"],
        engine=at["engine"],
        year=at["year"],
        tensor=at["tensor"],
        pipeline=at["pipeline"],
        attention_ranks=at["ranks"],
        expert_parallel=at["expert_parallel"],
        input_tokens=at["isl"],
        output_tokens=at["osl"],
    )
    columns = ("row_id", "source", "date", "accelerator", "model", "mode", "measured")
    ids = [accelerators["accelerator"][chips[_key(row["accelerator"])]] for row in kept]
    rows = pl.DataFrame({key: [row[key] for row in kept] for key in columns}, schema_overrides=_ROW_TYPES)
    return Measurements(
        rows=rows.with_columns(accelerator_id=pl.Series(ids, dtype=pl.String)),
        skipped=SkippedRows.validate(pl.DataFrame(skipped, schema={"row_id": pl.String, "reason": pl.String})),
        cases=cases,
        row=at["row"],
        replicas=at["replicas"],
        mode=at["mode"],
        concurrency=at["concurrency"],
        seconds_per_token=at["seconds_per_token"],
        requests=at["requests"],
    )


def _index(frame: pl.DataFrame, key: str) -> dict[str, int]:
    """Position of each row by its id and its display name."""
    names = {_key(name): i for i, name in enumerate(frame["display_name"])}
    return names | {_key(name): i for i, name in enumerate(frame[key])}


def _position(
    row: Mapping[str, Any],
    split: tuple[int, int, int, bool, float],
    a: int,
    m: int,
    kept: int,
    native: str,
    vendor: str,
) -> dict[str, Any]:
    """One candidate split of one row, as plain numbers."""
    tensor, pipeline, ranks, expert_parallel, replicas = split
    # Lengths of this kind of run are drawn between 0.8 and 1 of the nominal ones.
    scale = 0.9 if "0.8-1.0 of nominal" in (row["notes"] or "") else 1.0
    tpot = row["slo_tpot_ms"] if row["mode"] == "slo" else None
    return {
        "row": kept,
        "chip": a,
        "llm": m,
        "asked": _SAME_FORMAT.get(row["precision"], "fp16"),
        "native": native,
        "file_bytes": _FILE_FORMATS.get(row["precision"], np.nan),
        "kv_bytes": 1.0 if (row["kv_precision"] or "").lower() in ("fp8", "int8") else 2.0,
        "engine": ENGINES.index(_engine(row, vendor)),
        "year": _year(row["date"]),
        "tensor": float(tensor),
        "pipeline": float(pipeline),
        "ranks": float(ranks),
        "expert_parallel": expert_parallel,
        "replicas": float(replicas),
        "isl": row["isl"] * scale,
        "osl": max((row["osl"] or 1.0) * scale, 1.0),
        "mode": MODES.index(row["mode"]),
        "concurrency": row["concurrency"] or np.inf,
        "seconds_per_token": tpot / 1000.0 if tpot else np.inf,
        "requests": row["n_requests"] or np.inf,
    }


def predicted_tokens_per_second(data: Measurements, constants: Constants) -> FloatArray:
    r"""What the model says each row measured: the whole system's tokens per second, shape ``(n_rows,)``.

    Notes
    -----
    Output tokens, but prompt tokens for ``prefill_only`` rows. A finite job of N equal requests runs in
    :math:`\lceil N/B \rceil` waves, so :math:`B = N / \lceil N/B \rceil`. A static batch takes in all its
    prompts first. Among candidate splits the one with most tokens counts, as the measurer would have chosen.
    """
    c, k = data.cases, constants
    per_replica = data.concurrency / data.replicas
    # TensorRT-LLM keeps room for the whole answer, others let sequences grow into what is free.
    reserved = np.where(c.engine == ENGINES.index("tensorrt"), k.reserved_output_tensorrt, k.reserved_output_open)
    fits = batch_that_fits(c, k, reserved)
    smallest = c.pipeline
    most = np.clip(np.minimum(fits, per_replica), smallest, largest_batch(c, k))
    queue = data.requests / data.replicas
    waves = np.ceil(queue / most)
    most = np.where(np.isfinite(queue), np.minimum(most, queue / np.where(np.isfinite(waves), waves, 1.0)), most)
    level = data.seconds_per_token * k.slo_margin
    batch, seconds = fastest_batch(c, most, level, k)
    missed = batch <= 0  # even one sequence is too slow: the row was measured, so let it run alone
    batch = np.where(missed, smallest, batch)
    share = np.where(data.mode == MODES.index("slo"), k.server_share, 1.0)
    rate = batch / seconds * share

    static = np.flatnonzero(data.mode == MODES.index("static"))
    if len(static):
        sub, size = c.take(static), most[static]
        context = sub.input_tokens + sub.output_tokens / 2.0
        prompts = size * sub.input_tokens
        spent = prefill_seconds_per_token(sub, k) * prompts + decode_seconds(sub, size, k, context) * sub.output_tokens
        rate[static] = size * sub.output_tokens / spent
    alone = np.flatnonzero(data.mode == MODES.index("decode_only"))
    if len(alone):
        sub = c.take(alone)
        size = np.where(np.isfinite(data.concurrency[alone]), data.concurrency[alone], 1.0)
        rate[alone] = size / decode_seconds(sub, size, k, sub.input_tokens + sub.output_tokens / 2.0)
    prompt = np.flatnonzero(data.mode == MODES.index("prefill_only"))
    if len(prompt):
        sub = c.take(prompt)
        one = np.where(sub.engine == ENGINES.index("llamacpp"), _PREFILL_CHUNK_LLAMACPP, k.chunk_tokens)
        chunk = np.minimum(one, sub.input_tokens) * sub.attention_ranks
        rate[prompt] = 1.0 / prefill_seconds_per_token(sub, k, chunk)

    total = np.where(fits >= smallest, rate * data.replicas, 0.0)
    best = np.zeros(len(data.rows))
    np.maximum.at(best, data.row, total)
    # A row that was measured although the model finds no room is still answered: with the least it can hold.
    squeezed = np.zeros(len(data.rows))
    np.maximum.at(squeezed, data.row, rate * data.replicas)
    return np.where(best > 0, best, squeezed)
