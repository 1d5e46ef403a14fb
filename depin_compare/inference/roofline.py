r"""Time of one engine iteration: loads, math, links and fixed costs, as small array formulas.

A serving engine repeats one iteration: every decoding sequence gains one token, and some iterations also
carry a chunk of new prompts. Its time is the sum of what the busiest chip has to do, one line a cause:

| term | formula | function |
|---|---|---|
| dense weights | p-norm of load and math | `overlapped` |
| routed experts | the same, on the experts that are hit | `share_of_experts_hit` |
| attention | keys and values read, or their math | `attended_tokens` |
| activations | norms, residuals, permutations over memory | |
| links | all-reduce, or dispatch and combine | `all_reduce_seconds` |
| fixed | launches, scheduler, sampling | |

Everything here takes numbers or arrays that broadcast and returns seconds, bytes or shares; nothing reads a
table or a file. `Cases` holds one (chip, LLM, split, load) a position, so that any grid is one pass.

References
----------
.. [1] Pope et al., "Efficiently Scaling Transformer Inference", 2022, arXiv 2211.05102.
.. [2] Erdil, "Inference Economics of Language Models", 2025, arXiv 2506.04645.
.. [3] DeepSeek, "open-infra-index", day 6, 2025-02-28.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from depin_compare.errors import ModelDomainError
from depin_compare.units import BYTES_PER_GIB, FloatArray, FloatOrArray

__all__ = [
    "ENGINES",
    "MATHS",
    "REFERENCE_YEAR",
    "STACKS",
    "Cases",
    "Constants",
    "all_reduce_seconds",
    "attended_tokens",
    "batch_that_fits",
    "decode_seconds",
    "fastest_batch",
    "iteration_seconds",
    "kv_bytes_per_token",
    "largest_batch",
    "overlapped",
    "prefill_seconds_per_token",
    "share_of_experts_hit",
]

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

# Whose kernels run, NVIDIA's by generation. AWS's multipliers come from its 2024 stack on its second-generation
# cores; what its later chips reach is not published, so they are put midway (geometrically) between those and
# NVIDIA's.
STACKS = (
    "NVIDIA", "Ampere", "Ada", "Hopper", "Blackwell", "Blackwell graphics",
    "AMD", "Google", "Intel", "AWS", "AWS since Trainium2", "other",
)  # fmt: skip
_NVIDIA_STACKS = 6
ENGINES = ("tensorrt", "vllm", "sglang", "llamacpp", "vendor")
# What the tensor cores multiply: 16-bit floats, FP8, FP4, or 16-bit floats after unpacking narrower weights.
MATHS = ("fp16", "fp8", "fp4", "unpacked")
# The year whose software has no gain or lag: the middle of the calibration data.
REFERENCE_YEAR = 2025.5
# vLLM starts with small limits on chips below this memory.
_LARGE_MEMORY_BYTES = 70.0 * BYTES_PER_GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """The fitted numbers of the model; `refdata/throughput.toml` gives each its meaning, unit and source."""

    eff_fp16: float
    eff_fp8: float
    eff_fp4: float
    eff_fp4_graphics: float
    eff_unpacked: float
    eff_weights: float
    eff_kv: float
    eff_link: float
    eff_attention_decode: float
    eff_attention_prefill: float
    overlap_gemm: float
    overlap_attention: float
    eff_experts: float
    expert_rows_half: float
    expert_inner_half: float
    expert_imbalance: float
    activations_per_layer: float
    activations_per_expert: float
    alpha_fast_s: float
    alpha_pcie_s: float
    step_s: float
    layer_s: float
    moe_layer_s: float
    latent_layer_s: float
    sequence_s: float
    memory_share: float
    usable_share: float
    rest_share: float
    reserve_gib: float
    max_batch: float
    max_batch_vllm: float
    max_batch_small: float
    chunk_tokens: float
    server_share: float
    slo_margin: float
    reserved_output_tensorrt: float
    reserved_output_open: float
    expert_skew: float
    rank_wait: float
    expert_row_s: float
    gain_per_year: float
    vllm_compute: float
    vllm_overhead: float
    sglang_compute: float
    sglang_overhead: float
    llamacpp_compute: float
    llamacpp_overhead: float
    llamacpp_bandwidth_bytes_per_s: float
    ampere_compute: float
    ada_compute: float
    hopper_compute: float
    blackwell_compute: float
    geforce_compute: float
    amd_compute: float
    amd_bandwidth: float
    amd_overhead: float
    google_compute: float
    google_bandwidth: float
    intel_compute: float
    intel_bandwidth: float
    aws_compute: float
    aws_bandwidth: float
    aws_overhead: float

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value >= 0):
                raise ModelDomainError(f"constant {field.name} is {value}, expected a finite number >= 0")

    def with_values(self, **values: float) -> Constants:
        """The same constants with some of them changed."""
        return replace(self, **values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """One (chip, LLM, split, load) a position; every array has shape ``(n,)``.

    Chip: bytes, bytes/s and FLOP/s of dense peaks (0 where the chip lacks the format). ``power_ratio`` is
    the architecture's sustained FLOP/W over this board's, at most 1. LLM: parameters and shapes. Split: a
    replica is ``tensor * pipeline`` chips, or ``attention_ranks`` chips that share the experts while each
    serves its own sequences. Load: prompt and output tokens of a request.
    """

    memory: FloatArray
    bandwidth: FloatArray
    peak_fp16: FloatArray
    peak_fp8: FloatArray
    peak_fp4: FloatArray
    link: FloatArray
    fast_link: BoolArray
    power_ratio: FloatArray
    stack: IntArray
    engine: IntArray
    geforce: BoolArray
    year: FloatArray
    latent: BoolArray
    layers: FloatArray
    moe_layers: FloatArray
    hidden: FloatArray
    heads: FloatArray
    kv_shards: FloatArray
    kv_values_per_token: FloatArray
    full_layer_share: FloatArray
    window: FloatArray
    attention_flops_decode: FloatArray
    attention_flops_prefill: FloatArray
    dense_params: FloatArray
    head_params: FloatArray
    embedding_params: FloatArray
    expert_params: FloatArray
    experts: FloatArray
    experts_per_token: FloatArray
    expert_inner: FloatArray
    dense_bytes: FloatArray
    expert_bytes: FloatArray
    kv_bytes: FloatArray
    dense_math: IntArray
    expert_math: IntArray
    tensor: FloatArray
    pipeline: FloatArray
    attention_ranks: FloatArray
    expert_parallel: BoolArray
    input_tokens: FloatArray
    output_tokens: FloatArray

    @property
    def accelerators(self) -> FloatArray:
        """Chips in one replica, shape ``(n,)``."""
        return self.tensor * self.pipeline * self.attention_ranks

    def __len__(self) -> int:
        return len(self.memory)

    def take(self, index: Any) -> Cases:
        """The positions named by an index or mask."""
        return Cases(**{field.name: getattr(self, field.name)[index] for field in fields(self)})


def kv_bytes_per_token(
    layers: FloatOrArray, kv_heads: FloatOrArray, head_dim: FloatOrArray, bytes_per_value: FloatOrArray = 2.0
) -> FloatOrArray:
    r"""Keys and values that one token leaves in memory. [B]

    Parameters
    ----------
    layers, kv_heads, head_dim : float or ndarray
        Shape of the LLM, all >= 1. For latent attention give one head of half the latent size. [-]
    bytes_per_value : float or ndarray
        2 for 16-bit, 1 for 8-bit. [B]

    Returns
    -------
    float or ndarray
        Bytes per token over all layers. [B]

    Notes
    -----
    .. math:: K = 2 L h_{kv} d_h b_{kv}

    References
    ----------
    .. [1] Pope et al. 2022, arXiv 2211.05102, section 3.3.

    Examples
    --------
    >>> kv_bytes_per_token(80, 8, 128)
    327680.0
    """
    return 2.0 * layers * kv_heads * head_dim * bytes_per_value


def share_of_experts_hit(tokens: FloatOrArray, experts: FloatOrArray, experts_per_token: FloatOrArray) -> FloatOrArray:
    r"""Expected share of a layer's experts that at least one of some independent tokens is sent to. [-]

    Parameters
    ----------
    tokens : float or ndarray
        Tokens in the iteration, >= 0. [-]
    experts, experts_per_token : float or ndarray
        Experts of a layer and how many a token uses, ``1 <= experts_per_token <= experts``. [-]

    Returns
    -------
    float or ndarray
        Between 0 (no token) and 1 (all experts). [-]

    Raises
    ------
    ModelDomainError
        If a token would use more experts than there are, or none.

    Notes
    -----
    .. math:: f(T) = 1 - (1 - k/E)^T

    Real routers are not uniform: fewer experts are hit than this says, and one of them more often.

    Examples
    --------
    DeepSeek-V3, 8 of 256 experts, 32 tokens: nearly two thirds of all expert weights are read.

    >>> round(float(share_of_experts_hit(32, 256, 8)), 2)
    0.64
    """
    ratio = np.asarray(experts_per_token, dtype=np.float64) / experts
    if not np.all((ratio > 0) & (ratio <= 1)):
        raise ModelDomainError("experts per token must lie in 1 .. experts")
    with np.errstate(divide="ignore"):
        hit: FloatOrArray = -np.expm1(np.asarray(tokens, dtype=np.float64) * np.log1p(-ratio))
    return hit


def overlapped(first_s: FloatOrArray, second_s: FloatOrArray, exponent: FloatOrArray) -> FloatOrArray:
    r"""Time of two activities that overlap in part. [s]

    Parameters
    ----------
    first_s, second_s : float or ndarray
        Time of each on its own, >= 0. [s]
    exponent : float or ndarray
        1: one after the other (sum). Infinite: perfect overlap (maximum). >= 1. [-]

    Returns
    -------
    float or ndarray
        Between the larger of the two and their sum. [s]

    Raises
    ------
    ModelDomainError
        If the exponent is below 1.

    Notes
    -----
    .. math:: (x, y)_p = (x^p + y^p)^{1/p}

    Computed as the larger times a factor, which cannot overflow.

    Examples
    --------
    >>> float(overlapped(3.0, 4.0, 2.0))
    5.0
    >>> float(overlapped(3.0, 4.0, 1.0))
    7.0
    """
    if np.any(np.asarray(exponent) < 1):
        raise ModelDomainError(f"overlap exponent {exponent} is below 1")
    large = np.maximum(first_s, second_s)
    ratio = np.minimum(first_s, second_s) / np.where(large > 0, large, 1.0)
    together: FloatOrArray = large * np.power(1.0 + np.power(ratio, exponent), 1.0 / np.asarray(exponent))
    return together


def attended_tokens(context: FloatOrArray, window: FloatOrArray, full_layer_share: FloatOrArray) -> FloatOrArray:
    r"""Tokens a layer attends to, averaged over layers of full and of sliding-window attention. [tokens]

    Parameters
    ----------
    context : float or ndarray
        Tokens before this one, >= 0. [tokens]
    window : float or ndarray
        Reach of the sliding layers, > 0; infinite where there are none. [tokens]
    full_layer_share : float or ndarray
        Share of the layers that see the whole context, 0 to 1. [-]

    Returns
    -------
    float or ndarray
        ``share * context + (1 - share) * min(context, window)``. [tokens]

    Examples
    --------
    gpt-oss: every second layer sees 128 tokens only.

    >>> float(attended_tokens(2000.0, 128.0, 0.5))
    1064.0
    """
    return full_layer_share * context + (1.0 - full_layer_share) * np.minimum(context, window)


def all_reduce_seconds(
    ranks: FloatOrArray, payload_bytes: FloatOrArray, link_bytes_per_s: FloatOrArray, latency_s: FloatOrArray
) -> FloatOrArray:
    r"""Time of one ring all-reduce. [s]

    Parameters
    ----------
    ranks : float or ndarray
        Chips taking part, >= 1; one chip needs no time. [-]
    payload_bytes : float or ndarray
        Bytes each chip holds, >= 0. [B]
    link_bytes_per_s : float or ndarray
        What the link sustains per direction, > 0. [B/s]
    latency_s : float or ndarray
        Start-up of a two-rank all-reduce, >= 0. [s]

    Returns
    -------
    float or ndarray
        Seconds. [s]

    Notes
    -----
    .. math:: \alpha (1 + 0.15 \log_2 t) + 2 \frac{t - 1}{t} \frac{n}{C}

    References
    ----------
    .. [1] Erdil 2025, arXiv 2506.04645, section on communication: base latency of tens of microseconds.

    Examples
    --------
    >>> all_reduce_seconds(1.0, 1e6, 1e9, 1e-5)
    0.0
    >>> round(float(all_reduce_seconds(2.0, 1e6, 1e9, 0.0)), 6)
    0.001
    """
    several = np.asarray(ranks) > 1
    safe = np.maximum(ranks, 1.0)
    latency = latency_s * (1.0 + 0.15 * np.log2(safe))
    seconds = np.where(several, latency + 2.0 * (safe - 1.0) / safe * payload_bytes / link_bytes_per_s, 0.0)
    return float(seconds) if seconds.ndim == 0 else seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rates:
    """What each case sustains, after efficiencies; computed once, used for every batch tried."""

    weights: FloatArray
    kv: FloatArray
    memory: FloatArray
    dense: FloatArray
    expert: FloatArray
    fp16: FloatArray
    attention_decode: FloatArray
    attention_prefill: FloatArray
    link: FloatArray
    latency_s: FloatArray
    fixed_s: FloatArray
    sequence_s: FloatArray


def _with_unmeasured(known: list[float]) -> FloatArray:
    """Multipliers of all `STACKS` from those of the measured ones.

    Stacks that nobody measured get the geometric mean of the measured stacks outside NVIDIA.
    """
    return np.append(known, [np.sqrt(known[-1]), np.exp(np.mean(np.log(known[_NVIDIA_STACKS:])))])


def _rates(cases: Cases, constants: Constants) -> _Rates:
    """Datasheet peaks times what software reaches of them."""
    k = constants
    generations = [1.0, k.ampere_compute, k.ada_compute, k.hopper_compute, k.blackwell_compute, 1.0]
    same = [1.0] * _NVIDIA_STACKS
    stack_compute = _with_unmeasured([*generations, k.amd_compute, k.google_compute, k.intel_compute, k.aws_compute])
    stack_bandwidth = _with_unmeasured([*same, k.amd_bandwidth, k.google_bandwidth, k.intel_bandwidth, k.aws_bandwidth])
    stack_overhead = _with_unmeasured([*same, k.amd_overhead, 1.0, 1.0, k.aws_overhead])
    engine_compute = np.array([1.0, k.vllm_compute, k.sglang_compute, k.llamacpp_compute, 1.0])
    engine_overhead = np.array([1.0, k.vllm_overhead, k.sglang_overhead, k.llamacpp_overhead, 1.0])
    # The multipliers of the other vendors were fitted on their own engines and contain them.
    nvidia = cases.stack < _NVIDIA_STACKS
    newer = np.exp(k.gain_per_year * (cases.year - REFERENCE_YEAR))
    llamacpp = cases.engine == ENGINES.index("llamacpp")
    compute = stack_compute[cases.stack] * cases.power_ratio * newer
    compute = compute * np.where(nvidia, engine_compute[cases.engine], 1.0)
    # llama.cpp accumulates in 16 bits, which GeForce cards do at twice the rate their peaks are entered at.
    # At the halved rate their cores are easier to keep busy than full-rate ones.
    compute = compute * np.where(cases.geforce, np.where(llamacpp, 2.0, k.geforce_compute), 1.0)
    bandwidth = cases.bandwidth * stack_bandwidth[cases.stack] * newer
    # Its kernels for one sequence cannot keep fast memory busy: what they read levels off (p-norm of 4).
    levelled = (bandwidth**-4.0 + k.llamacpp_bandwidth_bytes_per_s**-4.0) ** -0.25
    bandwidth = np.where(llamacpp, levelled, bandwidth)
    overhead = stack_overhead[cases.stack] * np.where(nvidia, engine_overhead[cases.engine], 1.0) / newer
    graphics = STACKS.index("Blackwell graphics")
    by_math = np.stack(
        [
            cases.peak_fp16 * k.eff_fp16,
            cases.peak_fp8 * k.eff_fp8,
            cases.peak_fp4 * np.where(cases.stack == graphics, k.eff_fp4_graphics, k.eff_fp4),
            cases.peak_fp16 * k.eff_fp16 * k.eff_unpacked,
        ]
    )
    position = np.arange(len(cases))
    layer = k.layer_s + np.where(cases.latent, k.latent_layer_s, 0.0)
    fixed = (k.step_s + cases.layers * layer + cases.moe_layers * k.moe_layer_s) * overhead
    return _Rates(
        weights=bandwidth * k.eff_weights,
        kv=bandwidth * k.eff_kv,
        memory=bandwidth,
        dense=by_math[cases.dense_math, position] * compute,
        expert=by_math[cases.expert_math, position] * compute * k.eff_experts,
        fp16=by_math[0] * compute,
        attention_decode=cases.peak_fp16 * k.eff_attention_decode * compute,
        attention_prefill=cases.peak_fp16 * k.eff_attention_prefill * compute,
        link=cases.link * k.eff_link,
        latency_s=np.where(cases.fast_link, k.alpha_fast_s, k.alpha_pcie_s) * overhead,
        fixed_s=fixed,
        sequence_s=k.sequence_s * overhead,
    )


def _dense_seconds(c: Cases, k: Constants, rates: _Rates, own_tokens: FloatArray, own_batch: FloatArray) -> FloatArray:
    """Dense blocks and attention projections at the weights' format, the LM head in 16 bits. [s]"""
    load = (c.dense_params * c.dense_bytes + 2.0 * c.head_params) / c.tensor / rates.weights
    math = 2.0 * (c.dense_params * own_tokens / rates.dense + c.head_params * own_batch / rates.fp16) / c.tensor
    return np.asarray(overlapped(load, math, k.overlap_gemm))


def _expert_seconds(c: Cases, k: Constants, rates: _Rates, tokens: FloatArray) -> FloatArray:
    """Routed experts: the weights of those that are hit, and their math at the efficiency of short rows. [s]

    Few rows an expert, or a thin slice of it on each chip, leave the tensor cores half empty. Where whole
    experts live on different chips, the busiest chip sets the time: the expected maximum of the draws, plus
    the lasting preference of real routers. It never loads more than all its experts.
    """
    routed = c.experts > 1
    if not np.any(routed):
        return np.zeros(len(c))
    chips = c.tensor * c.attention_ranks
    used, of = np.where(routed, c.experts_per_token, 1.0), np.maximum(c.experts, 1.0)
    # Expected maximum of g sums over the mean: 1 + sqrt(2 ln g) standard deviations; tokens are Poisson, experts that
    # are hit or not are binomial.
    sigmas = np.where(c.expert_parallel, k.expert_imbalance * np.sqrt(2.0 * np.log(chips)), 0.0)
    skewed = 1.0 + np.where(c.expert_parallel, k.expert_skew * np.log2(chips), 0.0)
    busiest = np.minimum(skewed + sigmas / np.sqrt(np.maximum(tokens * used / chips, 1e-9)), chips)
    hit = share_of_experts_hit(tokens, of, used)
    hit_there = np.minimum(hit * skewed + sigmas * np.sqrt(chips / of * hit * (1.0 - hit)), 1.0)
    load = c.expert_params * c.expert_bytes * hit_there / chips / rates.weights
    rows = np.maximum(tokens * used / of * busiest, 1e-9)
    inner = np.where(c.expert_parallel, c.expert_inner, c.expert_inner / chips)
    efficiency = rows / (rows + k.expert_rows_half) * inner / (inner + k.expert_inner_half)
    math = 2.0 * c.expert_params * rows / chips / (rates.expert * np.where(inner > 0, efficiency, 1.0))
    return np.where(routed, overlapped(load, math, k.overlap_gemm), 0.0)


def _attention_seconds(
    c: Cases, k: Constants, rates: _Rates, own_batch: FloatArray, own_prompt: FloatArray, context: FloatArray
) -> FloatArray:
    """Keys and values read by decoding sequences, or their math, and the math of prompts among themselves. [s]"""
    attended = attended_tokens(context, c.window, c.full_layer_share)
    shards = np.minimum(c.tensor, c.kv_shards)
    load = own_batch * c.kv_values_per_token * c.kv_bytes * attended / shards / rates.kv
    math = own_batch * c.attention_flops_decode * attended / np.minimum(c.tensor, c.heads) / rates.attention_decode
    before = attended_tokens(c.input_tokens / 2.0, c.window, c.full_layer_share)  # a prompt token sees half on average
    prompt = own_prompt * c.attention_flops_prefill * before / c.tensor / rates.attention_prefill
    return np.asarray(overlapped(load, math, k.overlap_attention) + prompt)


def _activation_seconds(
    c: Cases, k: Constants, rates: _Rates, tokens: FloatArray, own_tokens: FloatArray
) -> FloatArray:
    """Norms, residuals and quantisation of each layer; sorting tokens to experts and back. [s]"""
    chips = np.where(c.expert_parallel, c.tensor * c.attention_ranks, 1.0)
    routed_rows = c.moe_layers * c.experts_per_token * tokens / chips
    rows = k.activations_per_layer * c.layers * own_tokens + k.activations_per_expert * routed_rows
    sorting = k.expert_row_s * c.experts_per_token * c.moe_layers * own_tokens
    return np.asarray(rows * c.hidden * 2.0 / rates.memory + sorting)


def _link_seconds(c: Cases, rates: _Rates, tokens: FloatArray, own_tokens: FloatArray) -> FloatArray:
    """Two all-reduces a layer between tensor-parallel chips; FP8 dispatch, 16-bit combine between ranks. [s]"""
    reduce = all_reduce_seconds(c.tensor, tokens * c.hidden * 2.0, rates.link, rates.latency_s)
    ranks = c.attention_ranks
    partners = np.minimum(ranks, c.experts_per_token)
    dispatch = 2.0 * rates.latency_s + 3.0 * own_tokens * c.hidden * partners * (ranks - 1.0) / ranks / rates.link
    return np.asarray(2.0 * c.layers * reduce + np.where(ranks > 1, c.moe_layers * dispatch, 0.0))


def _step_seconds(
    cases: Cases,
    constants: Constants,
    rates: _Rates,
    batch: FloatArray,
    prompt_tokens: FloatArray,
    context: FloatArray,
    wait: FloatOrArray = 1.0,
) -> FloatArray:
    """One iteration of one replica that decodes ``batch`` sequences and takes in ``prompt_tokens``. [s]

    ``wait`` is how much longer the chip with most prompt tokens needs for them than the mean one.
    """
    c, k = cases, constants
    tokens = batch + prompt_tokens
    own_batch = batch / c.attention_ranks
    own_prompt = prompt_tokens / c.attention_ranks * wait
    own_tokens = own_batch + own_prompt
    seconds = (
        _dense_seconds(c, k, rates, own_tokens, own_batch)
        + _expert_seconds(c, k, rates, tokens)
        + _attention_seconds(c, k, rates, own_batch, own_prompt, context)
        + _activation_seconds(c, k, rates, tokens, own_tokens)
        + _link_seconds(c, rates, tokens, own_tokens)
    )
    return np.asarray(seconds + rates.fixed_s + own_batch * rates.sequence_s, dtype=np.float64)


def _iteration(cases: Cases, constants: Constants, rates: _Rates, batch: FloatArray) -> FloatArray:
    """Mean time of an iteration with prompts mixed in; see `iteration_seconds`."""
    context = cases.input_tokens + cases.output_tokens / 2.0
    stage_batch = batch / cases.pipeline
    absorbed = stage_batch * cases.input_tokens / cases.output_tokens
    room = constants.chunk_tokens * cases.attention_ranks
    share = np.maximum(np.minimum(1.0, stage_batch / cases.output_tokens), absorbed / room)
    share = np.where(absorbed > 0, share, 0.0)
    chunk = absorbed / np.where(share > 0, share, 1.0)
    plain = _step_seconds(cases, constants, rates, stage_batch, np.zeros_like(stage_batch), context)
    # Each attention rank, like each stage of a pipeline, works on its own sequences, and waits for the one that has
    # most prompts to take in.
    wait = (cases.attention_ranks * cases.pipeline) ** constants.rank_wait
    mixed = _step_seconds(cases, constants, rates, stage_batch, chunk, context, wait)
    return (1.0 - share) * plain + share * mixed


def iteration_seconds(cases: Cases, batch: FloatArray, constants: Constants) -> FloatArray:
    r"""Mean time between two tokens of a sequence in a full replica, prompts included. [s]

    Parameters
    ----------
    cases : Cases
        Chips, LLMs, splits and loads, shape ``(n,)``.
    batch : ndarray, shape (n,)
        Sequences decoding at once in one replica, > 0. [sequences]
    constants : Constants
        Efficiencies and overheads.

    Returns
    -------
    ndarray, shape (n,)
        Seconds; a replica gives ``batch / iteration_seconds`` output tokens/s. [s]

    Notes
    -----
    Each iteration has to absorb :math:`T_p = B I / O` prompt tokens on average. A share

    .. math:: f = \max(\min(1, B / O), T_p / 8192)

    of them carries a chunk of :math:`T_p / f` tokens, the others none (8192 on each attention rank). A pipeline
    of p stages runs p micro-batches of B/p sequences, each stage taking 1/p of the time. Chips that work on
    different sequences in step wait for the one with most prompt tokens: its share is
    :math:`g^\omega` times the mean.

    References
    ----------
    .. [1] Pope et al. 2022, arXiv 2211.05102, sections 2 and 3.
    .. [2] Erdil 2025, arXiv 2506.04645.
    """
    # f can pass 1 when one iteration has to take in more than a chunk: then it simply lasts that much longer.
    return _iteration(cases, constants, _rates(cases, constants), np.asarray(batch, dtype=np.float64))


def decode_seconds(cases: Cases, batch: FloatArray, constants: Constants, context: FloatArray) -> FloatArray:
    """Time of an iteration without prompts at a given context. [s], shape ``(n,)``."""
    rates = _rates(cases, constants)
    stage_batch = np.asarray(batch, dtype=np.float64) / cases.pipeline
    return _step_seconds(cases, constants, rates, stage_batch, np.zeros_like(stage_batch), context)


def prefill_seconds_per_token(cases: Cases, constants: Constants, chunk: FloatArray | None = None) -> FloatArray:
    """Time a replica needs per prompt token when it does nothing else. [s], shape ``(n,)``.

    ``chunk`` is the number of prompt tokens in an iteration; default: the engine's chunk size on each attention
    rank. Pipelines
    work on one chunk per stage, so a replica of p stages takes 1/p of the whole model's time per chunk.
    """
    tokens = constants.chunk_tokens * cases.attention_ranks if chunk is None else np.asarray(chunk, dtype=np.float64)
    rates = _rates(cases, constants)
    zeros = np.zeros_like(tokens)
    return _step_seconds(cases, constants, rates, zeros, tokens, zeros) / tokens / cases.pipeline


def _cautious(cases: Cases) -> BoolArray:
    """Where vLLM's defaults are small: on chips with less than 70 GiB, and on Ampere whatever it holds."""
    return np.asarray((cases.memory < _LARGE_MEMORY_BYTES) | (cases.stack == STACKS.index("Ampere")))


def largest_batch(cases: Cases, constants: Constants) -> FloatArray:
    """Most sequences that the engine decodes at once in one replica. [sequences], shape ``(n,)``."""
    vllm = np.where(_cautious(cases), constants.max_batch_small, constants.max_batch_vllm)
    most = np.where(cases.engine == ENGINES.index("vllm"), vllm, constants.max_batch)
    return np.asarray(most * cases.attention_ranks, dtype=np.float64)


def batch_that_fits(cases: Cases, constants: Constants, reserved_output: FloatOrArray = 1.0) -> FloatArray:
    r"""Most sequences whose keys and values fit beside the weights in one replica. [sequences]

    Parameters
    ----------
    cases : Cases
        Shape ``(n,)``.
    constants : Constants
        ``memory_share``, ``usable_share``, ``rest_share`` and ``reserve_gib`` are used.
    reserved_output : float or ndarray
        Share of the output's room that a running sequence occupies: 1 if the engine reserves it all,
        about 0.6 in long steady runs. 0 to 1. [-]

    Returns
    -------
    ndarray, shape (n,)
        Below 1 (0 or negative too) where the LLM does not fit. Not rounded. [sequences]

    Notes
    -----
    .. math:: B_{max} = g \frac{u M - w - r}{K (I + \rho O)}

    (TensorRT-LLM: a share of :math:`M - w - r`), with w the weights on one chip and K the keys and values per
    token on all chips that hold copies of them: heads that are fewer than the tensor-parallel ranks are
    stored more than once.
    """
    c = cases
    chips = c.tensor * c.pipeline * c.attention_ranks
    dense = c.dense_params * c.dense_bytes + 2.0 * (c.head_params + c.embedding_params)
    weights = dense / (c.tensor * c.pipeline) + c.expert_params * c.expert_bytes / chips
    reserve = constants.reserve_gib * BYTES_PER_GIB
    # TensorRT-LLM takes its share of what the weights leave, the others a share of the whole memory.
    of_rest = constants.rest_share * (constants.usable_share * c.memory - weights - reserve)
    of_whole = constants.memory_share * c.memory - weights - reserve
    free = np.where(c.engine == ENGINES.index("tensorrt"), of_rest, of_whole)
    room = attended_tokens(c.input_tokens + np.asarray(reserved_output) * c.output_tokens, c.window, c.full_layer_share)
    copies = c.tensor / np.minimum(c.tensor, c.kv_shards)
    return np.asarray(free * chips / (c.kv_values_per_token * c.kv_bytes * room * copies), dtype=np.float64)


def fastest_batch(
    cases: Cases, most: FloatArray, seconds_per_token: FloatArray, constants: Constants, *, rounds: int = 40
) -> tuple[FloatArray, FloatArray]:
    """Largest batch up to ``most`` whose iterations stay within ``seconds_per_token``.

    Parameters
    ----------
    cases : Cases
        Shape ``(n,)``.
    most : ndarray, shape (n,)
        Upper bound from memory, engine and demand, >= the number of pipeline stages. [sequences]
    seconds_per_token : ndarray, shape (n,)
        Service level, > 0; infinite where there is none. [s]
    constants : Constants
        Efficiencies and overheads.
    rounds : int
        At most so many refinements; stops earlier once every batch is known to 0.2%.

    Returns
    -------
    batch, iteration : ndarray, shape (n,)
        Batch, 0 where even the smallest one is too slow, and its iteration time. [sequences], [s]

    Notes
    -----
    Iteration time rises with the batch. The bracket shrinks by regula falsi in the logarithms of both, which
    needs four or five evaluations where bisection needs ten.
    """
    rates = _rates(cases, constants)
    high = np.array(most, dtype=np.float64)
    low = np.array(np.minimum(cases.pipeline, high))
    at_high = _iteration(cases, constants, rates, high)
    batch, seconds = high.copy(), at_high.copy()
    open_ = np.flatnonzero(at_high > seconds_per_token)
    if not len(open_):
        return batch, seconds
    sub, sub_rates = cases.take(open_), _take_rates(rates, open_)
    target = np.log(seconds_per_token[open_])
    x0, x1 = np.log(low[open_]), np.log(high[open_])
    y0 = np.log(_iteration(sub, constants, sub_rates, low[open_])) - target
    y1 = np.log(at_high[open_]) - target
    batch[open_], seconds[open_] = 0.0, np.exp(y0 + target)
    alive = y0 <= 0
    open_, sub, sub_rates = open_[alive], sub.take(alive), _take_rates(sub_rates, alive)
    target, x0, x1, y0, y1 = target[alive], x0[alive], x1[alive], y0[alive], y1[alive]
    batch[open_], seconds[open_] = np.exp(x0), np.exp(y0 + target)
    last = np.zeros(len(open_))
    for _ in range(rounds):
        if not len(open_):
            break
        x = x0 + (x1 - x0) * y0 / (y0 - y1)
        x = np.clip(x, x0 + 0.02 * (x1 - x0), x1 - 0.02 * (x1 - x0))
        y = np.log(_iteration(sub, constants, sub_rates, np.exp(x))) - target
        good = y <= 0
        # Illinois: an end that stays twice running counts half, so that both ends move.
        side = np.where(good, -1.0, 1.0)
        stale = np.where(side == last, 0.5, 1.0)
        last = side
        y1 = np.where(good, y1 * stale, y)
        y0 = np.where(good, y, y0 * stale)
        x0, x1 = np.where(good, x, x0), np.where(good, x1, x)
        batch[open_[good]], seconds[open_[good]] = np.exp(x[good]), np.exp(y[good] + target[good])
        going = (x1 - x0 > 2e-3) & ~(good & (y > -1e-3))
        if not np.all(going):
            open_, sub, sub_rates = open_[going], sub.take(going), _take_rates(sub_rates, going)
            target, x0, x1, y0, y1 = target[going], x0[going], x1[going], y0[going], y1[going]
            last = last[going]
    return batch, seconds


def _take_rates(rates: _Rates, index: Any) -> _Rates:
    return _Rates(**{field.name: getattr(rates, field.name)[index] for field in fields(rates)})
