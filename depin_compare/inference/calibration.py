r"""Fit the constants of the throughput model to measured runs, and say how well it then predicts others.

    python -m depin_compare.inference.calibration FILE.csv [-o throughput.toml] [--date YYYY-MM-DD]

Constants are found by least squares on the logarithm of predicted over measured, with a prior on each: a
value that physics, datasheets or published micro-benchmarks suggest, and how far it may plausibly lie from it. A
constant that the data say little about stays at its prior, which is what lets the model speak of chips that
nobody has measured. Large residuals count linearly (pseudo-Huber), and rows of one source, chip and LLM count
less the more of them there are, so that no single table of results decides.

Three out-of-sample errors are reported, each from refits without the rows they are computed on: one
accelerator left out (a chip that was never measured), one source left out (another laboratory and other
software), and an eighth of all (source, accelerator) pairs left out.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from depin_compare.inference.measurements import Measurements, parse_measurements, predicted_tokens_per_second
from depin_compare.inference.roofline import Constants
from depin_compare.refdata import accelerators, llms, load_toml
from depin_compare.units import FloatArray

__all__ = ["PRIORS", "Fit", "Prior", "fit_constants", "left_out_ratios", "summary", "throughput_toml"]

_NOISE = 0.12  # two laboratories with the same chip, LLM and load differ by about this much (log)
_LINEAR_FROM = 0.15  # residuals beyond this count linearly (log)
_CROWD = 0.3  # a row weighs n ** -0.3 among the n of its source, chip and LLM
_FOLDS = 8


@dataclass(frozen=True, slots=True)
class Prior:
    """What is thought of a constant before seeing data: value, spread (log; 0: fixed), unit, meaning.

    ``most`` bounds shares of a peak, which cannot pass 1.
    """

    value: float
    spread: float
    unit: str
    meaning: str
    most: float = np.inf
    least: float = 0.0


def _share(value: float, meaning: str, spread: float = 0.1, most: float = 0.93) -> Prior:
    return Prior(value, spread, "share of peak", meaning, most)


def _times(value: float, meaning: str, spread: float = 0.15) -> Prior:
    return Prior(value, spread, "factor", meaning)


PRIORS: dict[str, Prior] = {
    "eff_fp16": _share(0.73, "16-bit matrix products, large"),
    "eff_fp8": _share(0.65, "FP8 matrix products, large"),
    "eff_fp4": _share(0.45, "FP4 matrix products with their quantisation, data-centre chips"),
    "eff_fp4_graphics": _share(
        0.6, "FP4 on graphics Blackwell, whose other cores keep up better with its tensor cores", 0.0
    ),
    "eff_unpacked": Prior(0.75, 0.1, "factor", "16-bit products on weights unpacked from fewer bits, over plain", 1.0),
    "eff_weights": _share(0.87, "memory bandwidth when reading weights"),
    "eff_kv": _share(0.72, "memory bandwidth when reading keys and values"),
    "eff_link": _share(0.6, "link bandwidth in collectives", most=0.95),
    "eff_attention_decode": _share(0.35, "16-bit peak in decode attention"),
    "eff_attention_prefill": _share(0.5, "16-bit peak in prefill attention"),
    "overlap_gemm": Prior(
        1.3, 0.075, "exponent", "overlap of loads and math in matrix products; 1 none, infinite full", least=1.0
    ),
    "overlap_attention": Prior(3.0, 0.15, "exponent", "overlap of loads and math in decode attention", least=1.0),
    "eff_experts": Prior(0.8, 0.1, "factor", "expert products over plain ones of the same format", 1.0),
    "expert_rows_half": Prior(10.0, 0.35, "tokens per expert", "rows at which expert products reach half efficiency"),
    "expert_inner_half": Prior(300.0, 0.25, "columns", "expert width per chip at which they reach half efficiency"),
    "expert_imbalance": _times(1.0, "busiest chip among those holding whole experts, over the uniform draw's", 0.1),
    "expert_skew": Prior(0.1, 0.25, "per doubling of chips", "lasting preference of routers for some experts"),
    "rank_wait": Prior(
        0.2, 0.25, "exponent", "waiting of attention ranks and pipeline stages for the one with most prompt tokens"
    ),
    "activations_per_layer": Prior(12.0, 0.25, "passes", "passes over a token's activations in a layer"),
    "activations_per_expert": Prior(8.0, 0.6, "passes", "passes over a token's activations per expert it uses"),
    "expert_row_s": Prior(5e-9, 0.6, "s per token, expert and layer", "sorting tokens to experts and back"),
    "alpha_fast_s": Prior(10e-6, 0.25, "s", "start-up of a collective over NVLink-class links"),
    "alpha_pcie_s": Prior(40e-6, 0.25, "s", "start-up of a collective over PCIe"),
    "step_s": Prior(0.7e-3, 0.25, "s", "scheduler and sampler per iteration"),
    "layer_s": Prior(13e-6, 0.25, "s", "launches and gaps per layer"),
    "moe_layer_s": Prior(15e-6, 0.25, "s", "further launches per layer with experts"),
    "latent_layer_s": Prior(20e-6, 0.6, "s", "further launches per layer with latent attention"),
    "sequence_s": Prior(4e-6, 0.25, "s", "scheduler and sampler per sequence"),
    "memory_share": Prior(0.93, 0.0, "share of memory", "what vLLM and SGLang use of a chip's memory"),
    "usable_share": Prior(0.985, 0.0, "share of memory", "what the driver leaves of the nominal memory"),
    "rest_share": Prior(0.9, 0.0, "share of memory", "what TensorRT-LLM takes for keys and values of what is left"),
    "reserve_gib": Prior(1.2, 0.25, "GiB", "activations, graphs and buffers on each chip"),
    "max_batch": Prior(2048.0, 0.0, "sequences", "most sequences at once: TensorRT-LLM and others"),
    "max_batch_vllm": Prior(1024.0, 0.0, "sequences", "the same, vLLM's default on chips from 70 GiB"),
    "max_batch_small": Prior(256.0, 0.0, "sequences", "the same, vLLM's default on smaller chips and on Ampere"),
    "chunk_tokens": Prior(8192.0, 0.0, "tokens", "most prompt tokens in one iteration"),
    "reserved_output_tensorrt": Prior(1.0, 0.075, "share of output", "room TensorRT-LLM keeps for an answer", 1.0),
    "reserved_output_open": Prior(0.6, 0.1, "share of output", "room that an answer takes on average elsewhere", 1.0),
    "server_share": Prior(0.9, 0.035, "share of rate", "what random arrivals leave of a full replica's rate", 1.0),
    "slo_margin": Prior(0.8, 0.075, "share of limit", "mean time per token over the 99th percentile's limit", 1.0),
    "gain_per_year": Prior(0.08, 0.35, "per year (log)", "software's gain in speed"),
    "vllm_compute": _times(0.8, "compute efficiency of vLLM over TensorRT-LLM on NVIDIA"),
    "vllm_overhead": _times(1.2, "fixed times of vLLM over TensorRT-LLM's", 0.25),
    "sglang_compute": _times(0.8, "compute efficiency of SGLang over TensorRT-LLM on NVIDIA"),
    "sglang_overhead": _times(1.2, "fixed times of SGLang over TensorRT-LLM's", 0.25),
    "llamacpp_compute": _times(0.5, "compute efficiency of llama.cpp over TensorRT-LLM", 0.25),
    "llamacpp_overhead": _times(1.5, "fixed times of llama.cpp over TensorRT-LLM's", 0.25),
    "llamacpp_bandwidth_bytes_per_s": Prior(1.2e12, 0.25, "B/s", "most that llama.cpp reads for one sequence"),
    "ampere_compute": _times(1.0, "compute efficiency of Ampere over NVIDIA's mean", 0.04),
    "ada_compute": _times(1.0, "compute efficiency of Ada over NVIDIA's mean", 0.04),
    "hopper_compute": _times(1.0, "compute efficiency of Hopper over NVIDIA's mean", 0.04),
    "blackwell_compute": _times(1.0, "compute efficiency of data-centre Blackwell over NVIDIA's mean", 0.04),
    "geforce_compute": _times(1.2, "share of peak that GeForce reaches over others; its peaks are entered halved"),
    "amd_compute": _times(0.62, "compute efficiency of AMD's stack over NVIDIA's"),
    "amd_bandwidth": _times(0.6, "bandwidth efficiency of AMD's stack over NVIDIA's"),
    "amd_overhead": _times(1.2, "fixed times of AMD's stack over NVIDIA's", 0.25),
    "google_compute": _times(0.9, "compute efficiency of Google's stack over NVIDIA's"),
    "google_bandwidth": _times(1.0, "bandwidth efficiency of Google's stack over NVIDIA's"),
    "intel_compute": _times(1.0, "compute efficiency of Gaudi's stack over NVIDIA's"),
    "intel_bandwidth": _times(1.0, "bandwidth efficiency of Gaudi's stack over NVIDIA's"),
    "aws_compute": _times(0.3, "compute efficiency of AWS's 2024 stack over NVIDIA's"),
    "aws_bandwidth": _times(0.5, "bandwidth efficiency of AWS's 2024 stack over NVIDIA's"),
    "aws_overhead": _times(3.0, "fixed times of AWS's 2024 stack over NVIDIA's", 0.25),
}
_FITTED = [name for name, prior in PRIORS.items() if prior.spread > 0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Fitted constants, their logarithms (for a warm start) and how many parameters the data pinned down."""

    constants: Constants
    logs: FloatArray
    effective_parameters: float


def _constants(logs: FloatArray) -> Constants:
    values = {name: prior.value for name, prior in PRIORS.items()}
    return Constants(**(values | dict(zip(_FITTED, np.exp(logs).tolist(), strict=True))))


def _some_rows(data: Measurements, keep: npt.NDArray[np.bool_]) -> Measurements:
    """The same measurements with some of their rows."""
    number = np.cumsum(keep) - 1
    at = keep[data.row]
    return Measurements(
        rows=data.rows.filter(pl.Series(keep)),
        skipped=data.skipped,
        cases=data.cases.take(at),
        row=number[data.row[at]],
        replicas=data.replicas[at],
        mode=data.mode[at],
        concurrency=data.concurrency[at],
        seconds_per_token=data.seconds_per_token[at],
        requests=data.requests[at],
    )


def fit_constants(data: Measurements, start: FloatArray | None = None) -> Fit:
    r"""Constants that explain measured rates best without straying far from their priors.

    Parameters
    ----------
    data : Measurements
        Usable rows.
    start : ndarray, optional
        Logarithms to start from, e.g. of a fit to more rows; default: the priors.

    Returns
    -------
    Fit

    Notes
    -----
    Minimised is

    .. math:: \sum_i w_i\, \rho\!\left(\frac{\ln \hat y_i - \ln y_i}{0.12}\right)
              + \sum_j \left(\frac{\ln \theta_j - \ln \theta_j^0}{\sigma_j}\right)^2

    with :math:`\rho` the pseudo-Huber loss. The effective number of parameters is the trace of the data's
    share of the final normal matrix.
    """
    from scipy.optimize import least_squares

    centre = np.log([PRIORS[name].value for name in _FITTED])
    spread = np.array([PRIORS[name].spread for name in _FITTED])
    with np.errstate(divide="ignore"):
        least = np.log([PRIORS[name].least for name in _FITTED])
    most = np.log([PRIORS[name].most for name in _FITTED])
    measured = np.log(data.measured)
    crowd = data.rows.select(pl.len().over("source", "accelerator", "model").alias("n"))["n"].to_numpy() ** -_CROWD
    weight = np.sqrt(crowd / crowd.mean())
    turn = _LINEAR_FROM / _NOISE

    def residuals(logs: FloatArray) -> FloatArray:
        predicted = np.maximum(predicted_tokens_per_second(data, _constants(logs)), 1e-6)
        z = np.clip(np.log(predicted) - measured, -3.0, 3.0) / _NOISE
        robust = np.sign(z) * turn * np.sqrt(2.0 * (np.sqrt(1.0 + (z / turn) ** 2) - 1.0))
        return np.concatenate([robust * weight, (logs - centre) / spread])

    first = np.clip(centre if start is None else start, least + 1e-6, most - 1e-6)
    found = least_squares(
        residuals, first, bounds=(least, most), diff_step=np.array(1e-3), xtol=1e-4, ftol=1e-4, max_nfev=40
    )
    logs = np.asarray(found.x, dtype=np.float64)
    data_part = np.asarray(found.jac, dtype=np.float64)[: len(measured)]
    normal: FloatArray = data_part.T @ data_part
    effective = float(np.trace(np.linalg.solve(normal + np.diag(spread**-2.0), normal)))
    return Fit(constants=_constants(logs), logs=logs, effective_parameters=effective)


def left_out_ratios(
    data: Measurements, groups: Sequence[Any], start: FloatArray, report: Callable[[str], None] = lambda _: None
) -> FloatArray:
    """Predicted over measured for each row, by constants fitted without the rows of its group. [-]"""
    of = np.array([str(group) for group in groups])
    ratios = np.full(len(of), np.nan)
    for group in np.unique(of):
        out = of == group
        if out.all():
            continue
        constants = fit_constants(_some_rows(data, ~out), start).constants
        ratios[out] = (predicted_tokens_per_second(data, constants) / data.measured)[out]
        report(f"  without {group}: {_line(summary(ratios[out]))}")
    return ratios


def summary(ratios: FloatArray) -> dict[str, float]:
    """Median and 90th percentile of the absolute error, bias and share within a factor of two. [fractions]

    Parameters
    ----------
    ratios : ndarray
        Predicted over measured, > 0; not finite ones are left out. [-]

    Examples
    --------
    >>> summary(np.array([0.9, 1.0, 1.3]))["median_ape"]
    0.1
    """
    r = ratios[np.isfinite(ratios)]
    errors = np.abs(r - 1.0)
    return {
        "rows": float(len(r)),
        "median_ape": round(float(np.median(errors)), 4),
        "p90_ape": round(float(np.quantile(errors, 0.9)), 4),
        "bias": round(float(np.median(r)) - 1.0, 4),
        "within_2x": round(float(np.mean((r >= 0.5) & (r <= 2.0))), 4),
    }


def _line(one: dict[str, float]) -> str:
    return (
        f"{one['rows']:.0f} rows, median {one['median_ape']:.1%}, 90th percentile {one['p90_ape']:.1%}, "
        f"bias {one['bias']:+.1%}, within 2x {one['within_2x']:.1%}"
    )


def _band(ratios: FloatArray, least_width: float = 1.0) -> tuple[float, float]:
    """Where the middle four fifths of measured over predicted lie, at least a factor wide either way."""
    measured_over = 1.0 / ratios[np.isfinite(ratios)]
    low, high = np.quantile(measured_over, [0.1, 0.9])
    return round(min(float(low), 1.0 / least_width), 3), round(max(float(high), least_width), 3)


def _bands(pairs: FloatArray, chips: FloatArray, alone: FloatArray, constants: Constants) -> dict[str, dict[str, Any]]:
    """Low and high over central by what a figure rests on, and for architectures with a doubt of their own."""
    aws = float(np.sqrt(constants.aws_compute * constants.aws_bandwidth))
    rows = {
        "measured_chip": (*_band(pairs), "measured", "pairs of source and accelerator left out"),
        "measured_family": (*_band(chips), "measured", "accelerators left out"),
        "projected": (
            *_band(alone, 1.6),
            "assumption",
            "accelerators left out that are alone in their stack, widened to a factor of 1.6 either way",
        ),
        "vendor_claim": (*_band(alone, 2.0), "assumption", "as projected, a factor of 2 either way"),
        "neuroncore_v3": (
            round(min(np.sqrt(aws), 0.6), 3),
            round(max(1.0 / np.sqrt(aws), 1.7), 3),
            "assumption",
            "from the efficiency of AWS's 2024 stack to NVIDIA's: where its newer stack lies between is not published",
        ),
    }
    return {
        name: {"low": low, "high": high, "meaning": meaning, "source_id": _SOURCE, "kind": kind}
        for name, (low, high, kind, meaning) in rows.items()
    }


_SOURCE = "depin-compare-calibration"
_HEADER = """\
# Constants of the throughput model. Written by `python -m depin_compare.inference.calibration FILE.csv`: change the
# priors there or the architectures here, not the values. kind "measured": fitted to measured runs; "assumption": set
# by hand. Architectures are chips that share one; sustained_fp16_tflops_per_w is the dense 16-bit TFLOPS per watt of
# the board that its maker gave most power (boards with more cannot hold their clock); stack says whose multipliers
# apply, where not the vendor's.
"""


def throughput_toml(
    fit: Fit, errors: dict[str, dict[str, float]], bands: dict[str, dict[str, Any]], facts: dict[str, Any]
) -> str:
    """Text of ``throughput.toml``; architectures are taken over from the packaged one."""
    sections: list[tuple[str, dict[str, Any]]] = [("calibration", facts)]
    sections += [(f"calibration.errors.{name}", row | {"rows": int(row["rows"])}) for name, row in errors.items()]
    sections += [
        (
            f"constants.{field.name}",
            {
                "value": float(f"{getattr(fit.constants, field.name):.4g}"),
                "unit": PRIORS[field.name].unit,
                "meaning": PRIORS[field.name].meaning,
                "prior": PRIORS[field.name].value,
                "source_id": _SOURCE,
                "kind": "measured" if PRIORS[field.name].spread > 0 else "assumption",
            },
        )
        for field in fields(Constants)
    ]
    sections += [(f"bands.{name}", row) for name, row in bands.items()]
    sections += [(f"architectures.{name}", row) for name, row in load_toml("throughput")["architectures"].items()]
    text = [_HEADER]
    for name, row in sections:
        text.append(f"[{name}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in row.items()))
    return "\n".join(text)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return value.isoformat() if isinstance(value, date) else repr(value)


# Stacks of which only one chip was measured: leaving it out leaves nothing but the prior.
_ALONE = ("mi300x", "gaudi2", "inferentia2", "tpu-v6e")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m depin_compare.inference.calibration")
    parser.add_argument("file", type=Path, help="CSV of measured runs")
    parser.add_argument("-o", "--output", type=Path, help="file to write (default: the package's throughput.toml)")
    parser.add_argument("--date", type=date.fromisoformat, help="date of the calibration (default: today, UTC)")
    options = parser.parse_args(arguments)
    output = options.output or Path(__file__).parent.parent / "refdata" / "throughput.toml"

    def say(text: str) -> None:
        print(text, file=sys.stderr)

    data = parse_measurements(options.file, accelerators(), llms())
    fit = fit_constants(data)
    inside = predicted_tokens_per_second(data, fit.constants) / data.measured
    say(f"fitted: {_line(summary(inside))}; {fit.effective_parameters:.0f} effective parameters")
    chip, source = data.rows["accelerator_id"].to_list(), data.rows["source"].to_list()
    pair_names = sorted(set(zip(source, chip, strict=True)), key=str)
    fold = {pair: number % _FOLDS for number, pair in enumerate(pair_names)}
    chips = left_out_ratios(data, chip, fit.logs, say)
    sources = left_out_ratios(data, source, fit.logs, say)
    pairs = left_out_ratios(data, [fold[pair] for pair in zip(source, chip, strict=True)], fit.logs, say)
    errors = {
        "in_sample": summary(inside),
        "accelerator_left_out": summary(chips),
        "source_left_out": summary(sources),
        "pairs_left_out": summary(pairs),
    }
    for name, row in errors.items():
        say(f"{name}: {_line(row)}")
    facts = {
        "date": options.date or datetime.now(UTC).date(),
        "data_sha256": hashlib.sha256(options.file.read_bytes()).hexdigest(),
        "rows_used": len(data.rows),
        "rows_skipped": len(data.skipped),
        "effective_parameters": round(fit.effective_parameters, 1),
        "accelerators": sorted(set(chip)),
        "source_id": _SOURCE,
        "kind": "measured",
    }
    alone = chips[np.isin(chip, _ALONE)]
    bands = _bands(pairs, chips, alone if len(alone) else chips, fit.constants)
    output.write_text(throughput_toml(fit, errors, bands, facts), encoding="utf-8")
    print(f"{output.name}: {_line(errors['accelerator_left_out'])} (accelerator left out)")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
