"""Tokens per second of an LLM on an accelerator, for one workload or for every combination at once.

The time of an engine iteration comes from `roofline`; here chips, LLMs and workloads become its arrays, and
the split over chips and the batch are chosen that give most tokens per second and chip inside memory and
service level. What is not known (a chip without a published bandwidth, an LLM that does not fit) is said in
``not_comparable`` and never filled in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dataframely as dy
import numpy as np
import numpy.typing as npt
import polars as pl

from depin_compare.doors import Schema
from depin_compare.errors import ModelDomainError, ReferenceDataError, UnknownNameError
from depin_compare.inference.roofline import (
    ENGINES,
    MATHS,
    REFERENCE_YEAR,
    STACKS,
    Cases,
    Constants,
    batch_that_fits,
    fastest_batch,
    iteration_seconds,
    largest_batch,
    prefill_seconds_per_token,
)
from depin_compare.inference.workloads import Workload
from depin_compare.inference.workloads import workload as load_workload
from depin_compare.refdata import Accelerators, Llms, load_toml
from depin_compare.refdata import accelerators as load_accelerators
from depin_compare.refdata import llms as load_llms
from depin_compare.units import BYTES_PER_GB, BYTES_PER_GIB, FloatArray, FloatOrArray

__all__ = [
    "BASES",
    "DEFAULT_MAX_ACCELERATORS",
    "Throughput",
    "Throughputs",
    "chip_bands",
    "chip_columns",
    "llm_columns",
    "load_constants",
    "split_cost",
    "storage_columns",
    "throughput",
    "throughput_table",
]

# measured_chip: the model was calibrated on this very chip; measured_family: on chips of its architecture;
# projected: on other architectures only; vendor_claim: the chip's own data are unverified claims as well.
BASES = ("measured_chip", "measured_family", "projected", "vendor_claim")
DEFAULT_MAX_ACCELERATORS = 8
_MOST_ACCELERATORS = 4096
_FAST_LINKS = ("nvlink", "infinity_fabric", "ethernet", "ici", "neuronlink")
# A chip whose link is not published is given PCIe 4.0 x16, the least that any listed chip has beside it.
_LEAST_LINK_GB_PER_S = 32.0
_TERA = 1e12
# Bytes per stored weight. NVFP4: one FP8 scale per 16 values; MXFP4: one 8-bit exponent per 32.
_BYTES = {"fp16": 2.0, "fp8": 1.0, "fp4": 0.5 + 1.0 / 16.0, "mxfp4": 0.5 + 1.0 / 32.0}


class Throughputs(Schema):
    """Output tokens per second, one row a chip x LLM x workload.

    Rates are output tokens per second and chip, prompts taken in on the way; the band is where four of five
    measurements of such chips lie. A row without a rate says why in ``not_comparable``.
    """

    accelerator = dy.String(primary_key=True, min_length=1)
    llm = dy.String(primary_key=True, min_length=1)
    workload = dy.String(primary_key=True, min_length=1)
    precision = dy.String(nullable=True)
    accelerators_per_replica = dy.Int64(nullable=True, min=1)
    split = dy.String(nullable=True)
    batch = dy.Int64(nullable=True, min=1)
    tokens_per_second_per_accelerator = dy.Float64(nullable=True, min_exclusive=0)
    tokens_per_second_low = dy.Float64(nullable=True, min_exclusive=0)
    tokens_per_second_high = dy.Float64(nullable=True, min_exclusive=0)
    tokens_per_second_per_user = dy.Float64(nullable=True, min_exclusive=0)
    prompt_tokens_per_second_per_accelerator = dy.Float64(nullable=True, min_exclusive=0)
    prompt_time_fraction = dy.Float64(nullable=True, min=0, max=1)
    input_tokens_per_output = dy.Float64(nullable=False, min=0)
    basis = dy.Enum(BASES, nullable=False)
    not_comparable = dy.String(nullable=True, min_length=1)

    @dy.rule()
    def rated_or_explained(cls) -> pl.Expr:
        """A missing rate has its reason beside it, a rate has none."""
        return pl.col("not_comparable").is_null() == pl.col("tokens_per_second_per_accelerator").is_not_null()

    @dy.rule()
    def ordered(cls) -> pl.Expr:
        """The band holds the central figure."""
        central = pl.col("tokens_per_second_per_accelerator")
        inside = (pl.col("tokens_per_second_low") <= central) & (central <= pl.col("tokens_per_second_high"))
        return central.is_null() | inside


@dataclass(frozen=True, slots=True, kw_only=True)
class Throughput:
    """One row of `Throughputs`; rates are output tokens per second and chip, ``None`` where not comparable."""

    accelerator: str
    llm: str
    workload: str
    precision: str | None
    accelerators_per_replica: int | None
    split: str | None
    batch: int | None
    tokens_per_second_per_accelerator: float | None
    tokens_per_second_low: float | None
    tokens_per_second_high: float | None
    tokens_per_second_per_user: float | None
    prompt_tokens_per_second_per_accelerator: float | None
    prompt_time_fraction: float | None
    input_tokens_per_output: float
    basis: str
    not_comparable: str | None


@cache
def _document() -> dict[str, Any]:
    """The whole of ``refdata/throughput.toml``, read once."""
    return load_toml("throughput")


@cache
def load_constants() -> Constants:
    """The calibrated constants that ship with the package, from ``refdata/throughput.toml``."""
    rows = _document()["constants"]
    wanted = set(Constants.__dataclass_fields__)
    if set(rows) != wanted:
        odd = ", ".join(sorted(set(rows) ^ wanted))
        raise ReferenceDataError(f"refdata/throughput.toml: [constants] and the model disagree on {odd}")
    return Constants(**{name: float(row["value"]) for name, row in rows.items()})


@cache
def _architectures() -> dict[str, dict[str, Any]]:
    """Architecture of each listed chip: its name, sustained FP16 TFLOPS per W (or none), software stack."""
    known: dict[str, dict[str, Any]] = {}
    for name, row in _document()["architectures"].items():
        for chip in row["accelerators"]:
            known[chip] = {"architecture": name, **{k: v for k, v in row.items() if k != "accelerators"}}
    return known


def _column(frame: pl.DataFrame, name: str, missing: float) -> FloatArray:
    return frame[name].cast(pl.Float64).fill_null(missing).to_numpy().astype(np.float64)


def chip_columns(frame: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """The chip columns of `Cases`, one position a row of an Accelerators frame; unknown peaks are 0.

    A chip with an FP8 peak but no published 16-bit peak is given half of it, the ratio of every chip that
    publishes both and is not capped.
    """
    fp16 = _column(frame, "dense_fp16_tflops", 0.0)
    fp8 = _column(frame, "dense_fp8_tflops", 0.0)
    fp16 = np.where((fp16 <= 0) & (fp8 > 0), fp8 / 2.0, fp16)
    power = _column(frame, "power_w", np.nan)
    known = _architectures()
    chips = frame["accelerator"].to_list()
    sustained = np.array([known.get(chip, {}).get("sustained_fp16_tflops_per_w", np.inf) for chip in chips])
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.fmin(1.0, sustained * power / fp16)
    stacks = [known.get(chip, {}).get("stack", vendor) for chip, vendor in zip(chips, frame["vendor"], strict=True)]
    stack = [STACKS.index(name) if name in STACKS else STACKS.index("other") for name in stacks]
    return {
        "geforce": ((frame["vendor"] == "NVIDIA") & (frame["family"].cast(pl.String) == "consumer")).to_numpy(),
        "memory": _column(frame, "memory_gib", np.nan) * BYTES_PER_GIB,
        "bandwidth": _column(frame, "bandwidth_gb_per_s", np.nan) * BYTES_PER_GB,
        "peak_fp16": fp16 * _TERA,
        "peak_fp8": fp8 * _TERA,
        "peak_fp4": _column(frame, "dense_fp4_tflops", 0.0) * _TERA,
        "link": _column(frame, "link_gb_per_s", _LEAST_LINK_GB_PER_S) * BYTES_PER_GB,
        "fast_link": frame["link_class"].cast(pl.String).is_in(_FAST_LINKS).fill_null(value=False).to_numpy(),
        "power_ratio": np.where(np.isfinite(ratio) & (ratio > 0), ratio, 1.0),
        "stack": np.array(stack, dtype=np.int64),
    }


def llm_columns(frame: pl.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """The LLM columns of `Cases`, one position a row of an Llms frame.

    Notes
    -----
    Weights are told apart from the published total: routed experts are
    :math:`3 d\\, i_{moe} E L_{moe}`, embedding and LM head :math:`V d` each, the rest is dense. Where the
    total holds one table of :math:`V d` only (the shapes of attention and feed-forward add up to it), both
    are the same table.
    """
    layers, hidden = _column(frame, "layers", 0), _column(frame, "hidden", 0)
    heads, kv_heads, head_dim = _column(frame, "heads", 0), _column(frame, "kv_heads", 0), _column(frame, "head_dim", 0)
    experts, used = _column(frame, "n_experts", 1), _column(frame, "experts_per_token", 1)
    moe = experts > 1
    moe_layers = np.where(moe, layers - _column(frame, "dense_layers", 0), 0.0)
    inner = _column(frame, "moe_intermediate", 0)
    expert_params = np.where(moe, 3.0 * hidden * inner * experts * moe_layers, 0.0)
    table = _column(frame, "vocab", 0) * hidden
    total = _column(frame, "total_params_b", 0) * 1e9
    latent = (frame["attention"].cast(pl.String) == "mla").to_numpy()
    attention = layers * hidden * head_dim * 2.0 * (heads + kv_heads)
    dense_blocks = 3.0 * hidden * _column(frame, "intermediate", 0) * (layers - moe_layers)
    shared = 3.0 * hidden * inner * _column(frame, "n_shared_experts", 0) * moe_layers
    rest = total - expert_params - (attention + dense_blocks + shared)
    tied = ~latent & (np.abs(rest - table) < np.abs(rest - 2.0 * table))
    values = _column(frame, "kv_bytes_per_token_fp16", 0) / 2.0
    latent_width = values / layers
    window = _column(frame, "sliding_window", np.inf)
    full = np.where(np.isfinite(window), _column(frame, "full_attention_layers", 0), layers)
    return {
        "latent": latent,
        "layers": layers,
        "moe_layers": moe_layers,
        "hidden": hidden,
        "heads": heads,
        "kv_shards": np.where(latent, 1.0, kv_heads),
        "kv_values_per_token": values,
        "full_layer_share": full / layers,
        "window": window,
        # Latent attention multiplies each head with the whole latent, once for scores, once (less the 64
        # positional values) for the sum; in prefill it is unpacked to heads of 192 and 128 values.
        "attention_flops_decode": np.where(
            latent, 2.0 * layers * heads * (2.0 * latent_width - 64.0), 4.0 * layers * heads * head_dim
        ),
        "attention_flops_prefill": np.where(
            latent, 2.0 * layers * heads * (192.0 + 128.0), 4.0 * layers * heads * head_dim
        ),
        "dense_params": np.maximum(total - expert_params - np.where(tied, 1.0, 2.0) * table, 0.0),
        "head_params": table,
        "embedding_params": np.where(tied, 0.0, table),
        "expert_params": expert_params,
        "experts": experts,
        "experts_per_token": used,
        "expert_inner": inner,
    }


def storage_columns(
    asked: npt.NDArray[np.str_],
    native: npt.NDArray[np.str_],
    has_fp8: npt.NDArray[np.bool_],
    has_fp4: npt.NDArray[np.bool_],
) -> dict[str, npt.NDArray[Any]]:
    """How weights are stored and multiplied: storage bytes, math and a label, arrays of one shape ``(n,)``.

    Parameters
    ----------
    asked : ndarray of str
        Format the workload asks for: fp16, fp8 or fp4.
    native : ndarray of str
        Format the LLM is published in: fp16, bf16, fp8 or mxfp4. Nothing is stored wider than published.
    has_fp8, has_fp4 : ndarray of bool
        Whether the chip multiplies in that format. Without it the weights stay narrow in memory and are
        unpacked for 16-bit math.

    Notes
    -----
    LLMs published in MXFP4 keep all but their experts in 16 bits, and multiply the experts at FP8 rate (FP4
    weights times FP8 activations). LLMs published in FP8 keep their attention in FP8 when the experts go to
    FP4.
    """
    native_fp8, native_mx = native == "fp8", native == "mxfp4"
    stored = np.where(native_mx, "mxfp4", np.where((asked == "fp16") & native_fp8, "fp8", asked))
    dense = np.where(stored == "mxfp4", "fp16", np.where((stored == "fp4") & native_fp8, "fp8", stored))

    def math(of: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
        fp8 = np.where(has_fp8, MATHS.index("fp8"), MATHS.index("unpacked"))
        fp4 = np.where(has_fp4, MATHS.index("fp4"), MATHS.index("unpacked"))
        mixed = np.where(has_fp4, MATHS.index("fp8"), MATHS.index("unpacked"))
        chosen = np.select([of == "fp8", of == "fp4", of == "mxfp4"], [fp8, fp4, mixed], MATHS.index("fp16"))
        return chosen.astype(np.int64)

    def width(of: npt.NDArray[np.str_]) -> FloatArray:
        names = list(_BYTES)
        return np.select([of == name for name in names], [_BYTES[name] for name in names], 2.0)

    expert_math = math(stored)
    unpacked = expert_math == MATHS.index("unpacked")
    label = np.where(unpacked, np.char.add(stored, " weights, fp16 math"), stored)
    return {
        "dense_bytes": width(dense),
        "expert_bytes": width(stored),
        "dense_math": math(dense),
        "expert_math": expert_math,
        "label": label,
    }


def _splits(most: int) -> list[tuple[int, int, int]]:
    """(tensor, pipeline, attention ranks) up to ``most`` chips: powers of two of one kind."""
    degrees = [2**n for n in range(1, 13) if 2**n <= most]
    return [
        (1, 1, 1),
        *((degree, 1, 1) for degree in degrees),
        *((1, degree, 1) for degree in degrees if degree <= 8),
        *((1, 1, degree) for degree in degrees),
    ]


def _split_name(tensor: int, pipeline: int, ranks: int) -> str:
    parts = [f"tensor {tensor}"] if tensor > 1 else []
    parts += [f"pipeline {pipeline}"] if pipeline > 1 else []
    parts += [f"experts {ranks}"] if ranks > 1 else []
    return " x ".join(parts) or "one chip"


def _allowed(max_accelerators: int | Mapping[str, int], chips: Sequence[str]) -> npt.NDArray[np.int64]:
    if isinstance(max_accelerators, Mapping):
        allowed = np.array([max_accelerators.get(chip, DEFAULT_MAX_ACCELERATORS) for chip in chips], dtype=np.int64)
    else:
        allowed = np.full(len(chips), max_accelerators, dtype=np.int64)
    if np.any(allowed < 1) or np.any(allowed > _MOST_ACCELERATORS):
        raise ModelDomainError(f"max_accelerators must lie in 1 .. {_MOST_ACCELERATORS}, got {allowed.tolist()}")
    return allowed


def _bases(frame: pl.DataFrame) -> list[str]:
    """What each chip's figures rest on; see `BASES`."""
    known = _architectures()
    measured = set(_document()["calibration"]["accelerators"])
    families = {known[chip]["architecture"] for chip in measured if chip in known}
    bases = []
    for chip, kind in zip(frame["accelerator"], frame["kind"].cast(pl.String), strict=True):
        if chip in measured:
            bases.append("measured_chip")
        elif known.get(chip, {}).get("architecture") in families:
            bases.append("measured_family")
        else:
            bases.append("vendor_claim" if kind == "vendor_claim" else "projected")
    return bases


def chip_bands(frame: pl.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Low and high over the central rate, one position a chip: by architecture if listed, else by basis. [-]

    Four of five measurements are expected between the two.
    """
    bands, known = _document()["bands"], _architectures()
    rows = [
        bands.get(known.get(chip, {}).get("architecture"), bands[basis])
        for chip, basis in zip(frame["accelerator"], _bases(frame), strict=True)
    ]
    return np.array([row["low"] for row in rows]), np.array([row["high"] for row in rows])


def throughput_table(
    accelerators: pl.DataFrame | dy.DataFrame[Accelerators],
    llms: pl.DataFrame | dy.DataFrame[Llms],
    workloads: Iterable[str | Workload],
    *,
    max_accelerators: int | Mapping[str, int] = DEFAULT_MAX_ACCELERATORS,
    engine: str = "vllm",
    constants: Constants | None = None,
) -> dy.DataFrame[Throughputs]:
    r"""Best throughput of every chip x LLM x workload.

    Parameters
    ----------
    accelerators : frame of Accelerators, n_a rows
        Chips; a chip without memory, bandwidth or compute is kept and said to be not comparable.
    llms : frame of Llms, n_l rows
        Architectures.
    workloads : iterable of str or Workload
        Presets by name, or your own. Names must differ.
    max_accelerators : int or mapping of chip id to int
        Most chips one replica may use, 1 to 4096; chips missing from a mapping may use 8. [-]
    engine : str
        ``"vllm"``, ``"sglang"`` or ``"tensorrt"``; matters on NVIDIA only, other vendors' multipliers hold
        their own engine.
    constants : Constants, optional
        Default: the calibrated ones that ship with the package.

    Returns
    -------
    frame of Throughputs, n_a * n_l * n_w rows
        In the order of the arguments, workloads fastest.

    Raises
    ------
    ModelDomainError
        If ``max_accelerators`` is out of range, a workload name repeats, or the engine is unknown.
    UnknownNameError
        If a workload is no preset.

    Notes
    -----
    Tried are tensor-parallel replicas; pipelines where chips have no better link than PCIe; and, for LLMs with
    experts, replicas whose chips share the experts while each serves its own sequences; 1, 2, 4, ... chips of
    each. For each, the batch is the largest that memory, engine and service level allow (throughput rises
    with the batch). Workloads with a service level run at the share of that rate which random arrivals leave
    (``server_share``). Software is that of the calibration's middle year: later gains are not extrapolated.

    References
    ----------
    .. [1] Pope et al. 2022, arXiv 2211.05102.
    .. [2] Erdil 2025, arXiv 2506.04645.

    Examples
    --------
    >>> from depin_compare.refdata import accelerators, llms
    >>> chips = accelerators().filter(pl.col("accelerator").is_in(["h100-sxm", "rtx-4090"]))
    >>> models = llms().filter(pl.col("llm") == "llama-3.1-8b")
    >>> table = throughput_table(chips, models, ["chat", "batch"], max_accelerators=1)
    >>> table.select("accelerator", "workload", "split").rows()[0]
    ('h100-sxm', 'chat', 'one chip')
    """
    k = constants or load_constants()
    loads = [load_workload(one) for one in workloads]
    names = [load.name for load in loads]
    if len(set(names)) < len(names):
        raise ModelDomainError(f"two workloads have one name: {', '.join(names)}")
    if engine not in ENGINES:
        raise ModelDomainError(f"engine is {engine!r}, expected one of {', '.join(ENGINES)}")
    chips, models = accelerators["accelerator"].to_list(), llms["llm"].to_list()
    shape = (len(chips), len(models), len(loads))
    if 0 in shape:
        return Throughputs.create_empty()
    allowed = _allowed(max_accelerators, chips)
    chip, llm = chip_columns(accelerators), llm_columns(llms)
    grid = _Grid(chip, llm, _load_columns(loads), llms["native_weight_dtype"].cast(pl.String).to_numpy(), engine)

    splits = np.array(_splits(int(allowed.max())))
    a, m, w, s = (x.ravel() for x in np.indices((*shape, len(splits))))
    size, ranks = splits.prod(axis=1), splits[:, 2]
    usable = np.isfinite(chip["memory"]) & np.isfinite(chip["bandwidth"]) & (chip["peak_fp16"] > 0)
    context = llms["context"].to_numpy()
    asked = np.array([load.input_tokens + load.output_tokens for load in loads])
    short = context[:, None] >= asked[None, :]
    wanted = usable[a] & short[m, w] & (size[s] <= allowed[a]) & ((ranks[s] == 1) | (llm["experts"][m] > 1))
    # Pipelines pay where links are slow; elsewhere nobody serves with them, and their bubbles are not modelled.
    wanted &= (splits[s, 1] == 1) | ~chip["fast_link"][a]
    a, m, w, s = a[wanted], m[wanted], w[wanted], s[wanted]
    cases = grid.cases(a, m, w, splits[s])
    most = _batch_bound(cases, k, grid.loads["concurrency"][w])
    fits = most >= cases.pipeline
    a, m, w, s, cases, most = a[fits], m[fits], w[fits], s[fits], cases.take(fits), most[fits]
    batch, seconds = fastest_batch(cases, most, grid.loads["seconds_per_token"][w], k)
    whole = np.maximum(np.floor(batch), np.where(batch > 0, cases.pipeline, 0.0))
    changed = np.flatnonzero((whole != batch) & (batch > 0))
    if len(changed):
        seconds[changed] = iteration_seconds(cases.take(changed), whole[changed], k)
    rate = np.where(whole > 0, whole / seconds / cases.accelerators, 0.0)

    flat = np.ravel_multi_index((a, m, w), shape)
    best = _best_of_group(flat, rate, int(np.prod(shape)))
    fastest = _best_of_group(flat, 1.0 / seconds, int(np.prod(shape)))  # the most a user can get
    found = best >= 0
    found[found] = rate[best[found]] > 0
    pick = best[found]
    chosen = cases.take(pick)
    prompt_s = prefill_seconds_per_token(chosen, k) * chosen.accelerators
    served = np.where(np.isfinite(grid.loads["seconds_per_token"][w[pick]]), k.server_share, 1.0)
    central = rate[pick] * served
    ratio = chosen.input_tokens / chosen.output_tokens
    bases = _bases(accelerators)
    low, high = chip_bands(accelerators)
    a_all, m_all, w_all = (x.ravel() for x in np.indices(shape))

    def column(values: npt.NDArray[Any], dtype: Any = pl.Float64) -> pl.Series:
        out = np.zeros(len(found), dtype=values.dtype)
        out[found] = values
        return pl.select(pl.when(pl.Series(found)).then(pl.Series(out).cast(dtype))).to_series()

    split_names = np.array([_split_name(*row) for row in splits.tolist()])
    label = grid.labels(a[pick], m[pick], w[pick])
    frame = pl.DataFrame(
        {
            "accelerator": pl.Series(chips).gather(a_all),
            "llm": pl.Series(models).gather(m_all),
            "workload": pl.Series(names).gather(w_all),
            "precision": column(label, pl.String),
            "accelerators_per_replica": column(chosen.accelerators, pl.Int64),
            "split": column(split_names[s[pick]], pl.String),
            "batch": column(whole[pick], pl.Int64),
            "tokens_per_second_per_accelerator": column(central),
            "tokens_per_second_low": column(central * low[a[pick]]),
            "tokens_per_second_high": column(central * high[a[pick]]),
            "tokens_per_second_per_user": column(1.0 / seconds[pick]),
            "prompt_tokens_per_second_per_accelerator": column(1.0 / prompt_s),
            "prompt_time_fraction": column(np.clip(rate[pick] * ratio * prompt_s, 0.0, 1.0)),
            "input_tokens_per_output": grid.loads["input_tokens"][w_all] / grid.loads["output_tokens"][w_all],
            "basis": pl.Series(bases, dtype=pl.Enum(BASES)).gather(a_all),
        }
    )
    speeds = np.full(len(fastest), np.nan)
    speeds[fastest >= 0] = 1.0 / seconds[fastest[fastest >= 0]]
    reasons = _reasons(~found, grid, accelerators, context, asked, allowed, speeds, k, shape)
    return Throughputs.validate(frame.with_columns(not_comparable=pl.Series(reasons, dtype=pl.String)), cast=True)


class _Grid:
    """Columns of chips, LLMs and loads, and how to gather them into `Cases`."""

    def __init__(
        self,
        chip: dict[str, npt.NDArray[Any]],
        llm: dict[str, npt.NDArray[Any]],
        loads: dict[str, npt.NDArray[Any]],
        native: npt.NDArray[Any],
        engine: str,
    ) -> None:
        self.chip, self.llm, self.loads = chip, llm, loads
        self.engine = ENGINES.index(engine)
        a, m, w = np.indices((len(chip["memory"]), len(native), len(loads["input_tokens"])))
        self.storage = storage_columns(
            loads["precision"][w], native.astype(str)[m], (chip["peak_fp8"] > 0)[a], (chip["peak_fp4"] > 0)[a]
        )

    def labels(self, a: npt.NDArray[Any], m: npt.NDArray[Any], w: npt.NDArray[Any]) -> npt.NDArray[np.str_]:
        return np.asarray(self.storage["label"][a, m, w])

    def cases(
        self, a: npt.NDArray[Any], m: npt.NDArray[Any], w: npt.NDArray[Any], split: npt.NDArray[np.int64]
    ) -> Cases:
        storage = {name: column[a, m, w] for name, column in self.storage.items() if name != "label"}
        # Without FP8 units the keys and values stay in 16 bits: the attention kernels could not read them.
        kv = np.where((self.loads["kv_bytes"][w] < 2) & (self.chip["peak_fp8"][a] <= 0), 2.0, self.loads["kv_bytes"][w])
        return Cases(
            **{name: column[a] for name, column in self.chip.items()},
            **{name: column[m] for name, column in self.llm.items()},
            **storage,
            kv_bytes=kv,
            engine=np.full(len(a), self.engine),
            year=np.full(len(a), REFERENCE_YEAR),
            tensor=split[:, 0].astype(np.float64),
            pipeline=split[:, 1].astype(np.float64),
            attention_ranks=split[:, 2].astype(np.float64),
            expert_parallel=split[:, 2] > 1,
            input_tokens=self.loads["input_tokens"][w],
            output_tokens=self.loads["output_tokens"][w],
        )


def _load_columns(loads: Sequence[Workload]) -> dict[str, npt.NDArray[Any]]:
    speeds = [load.min_tokens_per_second_per_user for load in loads]
    return {
        "input_tokens": np.array([load.input_tokens for load in loads], dtype=np.float64),
        "output_tokens": np.array([load.output_tokens for load in loads], dtype=np.float64),
        "seconds_per_token": np.array([np.inf if speed is None else 1.0 / speed for speed in speeds]),
        "concurrency": np.array([np.inf if load.concurrency is None else load.concurrency for load in loads]),
        "precision": np.array([load.precision for load in loads]),
        "kv_bytes": np.array([_BYTES[load.kv_precision] for load in loads]),
    }


def _batch_bound(cases: Cases, k: Constants, concurrency: FloatArray) -> FloatArray:
    """Whole sequences that memory, engine and demand allow in one replica."""
    fits = np.floor(batch_that_fits(cases, k, k.reserved_output_open))
    return np.minimum(np.minimum(fits, largest_batch(cases, k)), concurrency)


def _best_of_group(group: npt.NDArray[Any], score: FloatArray, n_groups: int) -> npt.NDArray[np.int64]:
    """Position of the highest score of each group, the first one on a tie; -1 for empty groups."""
    order = np.lexsort((-score, group))
    best = np.full(n_groups, -1, dtype=np.int64)
    first = np.flatnonzero(np.diff(group[order], prepend=-1))
    best[group[order][first]] = order[first]
    return best


def _reasons(
    missing: npt.NDArray[np.bool_],
    grid: _Grid,
    accelerators: pl.DataFrame,
    context: npt.NDArray[Any],
    asked: FloatArray,
    allowed: npt.NDArray[np.int64],
    speeds: FloatArray,
    k: Constants,
    shape: tuple[int, int, int],
) -> list[str | None]:
    """Why a combination has no rate; ``None`` where it has one."""
    reasons: list[str | None] = [None] * len(missing)
    where = np.flatnonzero(missing)
    if not len(where):
        return reasons
    a, m, w = np.unravel_index(where, shape)
    needed = _chips_needed(grid, a, m, w, k)
    unknown = [
        [name for name, lacking in zip(("memory", "memory bandwidth", "compute"), row, strict=True) if lacking]
        for row in zip(
            accelerators["memory_gib"].is_null(),
            accelerators["bandwidth_gb_per_s"].is_null(),
            (grid.chip["peak_fp16"] <= 0).tolist(),
            strict=True,
        )
    ]
    for position, ai, mi, wi, chips in zip(where, a, m, w, needed, strict=True):
        if unknown[ai]:
            reason = f"{' and '.join(unknown[ai])} not published"
        elif asked[wi] > context[mi]:
            reason = f"{asked[wi]:g} tokens asked, context of {context[mi]}"
        elif np.isfinite(speeds[position]):
            level = 1.0 / grid.loads["seconds_per_token"][wi]
            reason = f"service level out of reach: {speeds[position]:.3g} tokens/s at best, {level:.3g} asked"
        elif chips > _MOST_ACCELERATORS:
            reason = f"needs more than {_MOST_ACCELERATORS} chips; {allowed[ai]} allowed"
        else:
            reason = f"needs {chips} chips; {allowed[ai]} allowed"
        reasons[int(position)] = reason
    return reasons


def _chips_needed(
    grid: _Grid, a: npt.NDArray[Any], m: npt.NDArray[Any], w: npt.NDArray[Any], k: Constants
) -> npt.NDArray[np.int64]:
    """Smallest power of two of chips that hold the weights and one sequence; twice the limit if none does."""
    degrees = 2 ** np.arange(13)
    fits = np.stack(
        [
            batch_that_fits(grid.cases(a, m, w, np.tile([degree, 1, 1], (len(a), 1))), k, k.reserved_output_open) >= 1
            for degree in degrees
        ]
    )
    return np.where(fits.any(axis=0), degrees[np.argmax(fits, axis=0)], 2 * _MOST_ACCELERATORS)


def throughput(
    accelerator: str,
    llm: str,
    workload: str | Workload = "chat",
    *,
    max_accelerators: int = DEFAULT_MAX_ACCELERATORS,
    engine: str = "vllm",
    constants: Constants | None = None,
) -> Throughput:
    """Best throughput of one LLM on one kind of chip.

    Parameters
    ----------
    accelerator, llm : str
        Ids of the packaged tables, e.g. ``"h100-sxm"``, ``"llama-3.3-70b"``.
    workload : str or Workload
        A preset or your own.
    max_accelerators : int
        Most chips one replica may use, 1 to 4096. [-]
    engine : str
        See `throughput_table`.
    constants : Constants, optional
        Default: the calibrated ones.

    Returns
    -------
    Throughput
        Rates in output tokens per second and chip; ``not_comparable`` says why there is none.

    Raises
    ------
    UnknownNameError
        If a name is in no table.
    ModelDomainError
        If ``max_accelerators`` is out of range or the engine unknown.

    Examples
    --------
    >>> throughput("rtx-4090", "llama-3.3-70b", "chat", max_accelerators=1).not_comparable
    'needs 4 chips; 1 allowed'
    """
    chips = load_accelerators().filter(pl.col("accelerator") == accelerator)
    if chips.is_empty():
        raise UnknownNameError("accelerator", accelerator, load_accelerators()["accelerator"])
    models = load_llms().filter(pl.col("llm") == llm)
    if models.is_empty():
        raise UnknownNameError("LLM", llm, load_llms()["llm"])
    table = throughput_table(
        chips, models, [workload], max_accelerators=max_accelerators, engine=engine, constants=constants
    )
    return Throughput(**table.row(0, named=True))


def split_cost(
    usd_per_mtok: FloatOrArray, prompt_time_fraction: FloatOrArray, input_tokens_per_output: FloatOrArray
) -> tuple[FloatOrArray, FloatOrArray]:
    r"""Price of prompt and of output tokens, each by the time it adds, that together cost the same.

    Parameters
    ----------
    usd_per_mtok : float or ndarray
        Cost of a million output tokens with the prompts that go with them, >= 0. [USD per Mtok]
    prompt_time_fraction : float or ndarray
        Share of the chip's time that prompts take, 0 to 1. [-]
    input_tokens_per_output : float or ndarray
        Prompt tokens per output token, >= 0; at 0 the prompt price is 0. [-]

    Returns
    -------
    input_usd_per_mtok, output_usd_per_mtok : float or ndarray
        [USD per Mtok]

    Raises
    ------
    ModelDomainError
        If the fraction is outside 0 .. 1 or the ratio negative.

    Notes
    -----
    .. math:: c = \frac{I}{O} c_{in} + c_{out}, \quad c_{in} = c\, \phi\, O / I, \quad c_{out} = c (1 - \phi)

    Examples
    --------
    >>> split_cost(1.0, 0.4, 2.0)
    (0.2, 0.6)
    """
    fraction, ratio = np.asarray(prompt_time_fraction, float), np.asarray(input_tokens_per_output, float)
    if not np.all((fraction >= 0) & (fraction <= 1)):
        raise ModelDomainError(f"prompt_time_fraction must lie in 0 .. 1, got {prompt_time_fraction}")
    if not np.all(ratio >= 0):
        raise ModelDomainError(f"input_tokens_per_output must be >= 0, got {input_tokens_per_output}")
    cost = np.asarray(usd_per_mtok, dtype=np.float64)
    prompt = np.where(ratio > 0, cost * fraction / np.where(ratio > 0, ratio, 1.0), 0.0)
    output = cost - prompt * ratio
    return (float(prompt), float(output)) if prompt.ndim == 0 else (prompt, output)
