"""The small formulas against numbers worked by hand, and the iteration time against its own physics."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from depin_compare.errors import ModelDomainError
from depin_compare.inference.roofline import (
    Cases,
    Constants,
    all_reduce_seconds,
    attended_tokens,
    batch_that_fits,
    decode_seconds,
    fastest_batch,
    iteration_seconds,
    kv_bytes_per_token,
    overlapped,
    prefill_seconds_per_token,
    share_of_experts_hit,
)
from depin_compare.inference.throughput import chip_columns, llm_columns, load_constants, storage_columns
from depin_compare.refdata import accelerators, llms

CHIPS = ("h100-sxm", "rtx-4090", "mi300x", "l40s", "tpu-v6e")
MODELS = ("llama-3.3-70b", "llama-3.1-8b", "deepseek-v3", "gpt-oss-120b", "qwen3-30b-a3b", "gemma-3-27b")


def case(
    chip: str = "h100-sxm",
    llm: str = "llama-3.3-70b",
    *,
    precision: str = "fp8",
    tensor: float = 1.0,
    ranks: float = 1.0,
    pipeline: float = 1.0,
    input_tokens: float = 1000.0,
    output_tokens: float = 500.0,
    **changes: Any,
) -> Cases:
    """One case as arrays of length 1, with any column replaced."""
    chips, models = accelerators(), llms()
    a, m = chips["accelerator"].to_list().index(chip), models["llm"].to_list().index(llm)
    of_chip = {name: column[[a]] for name, column in chip_columns(chips).items()}
    of_llm = {name: column[[m]] for name, column in llm_columns(models).items()}
    native = np.array([models["native_weight_dtype"].to_list()[m]])
    storage = storage_columns(np.array([precision]), native, of_chip["peak_fp8"] > 0, of_chip["peak_fp4"] > 0)
    storage.pop("label")
    columns = {
        **of_chip,
        **of_llm,
        **storage,
        "kv_bytes": np.array([1.0]),
        "engine": np.array([1]),
        "year": np.array([2025.5]),
        "tensor": np.array([tensor]),
        "pipeline": np.array([pipeline]),
        "attention_ranks": np.array([ranks]),
        "expert_parallel": np.array([ranks > 1]),
        "input_tokens": np.array([input_tokens]),
        "output_tokens": np.array([output_tokens]),
    }
    return Cases(**(columns | {name: np.asarray([value]) for name, value in changes.items()}))


def scaled(one: Cases, **factors: float) -> Cases:
    """The same case with some columns multiplied."""
    return dataclasses.replace(one, **{name: getattr(one, name) * factor for name, factor in factors.items()})


@pytest.fixture(scope="module")
def constants() -> Constants:
    return load_constants()


class TestFormulas:
    """Numbers that can be worked out on paper."""

    @pytest.mark.parametrize(
        ("layers", "kv_heads", "head_dim", "expected"),
        [
            pytest.param(80, 8, 128, 327_680, id="Llama-3-70B"),
            pytest.param(32, 32, 128, 524_288, id="Llama-2-7B"),
            pytest.param(48, 4, 128, 98_304, id="Qwen3-30B-A3B"),
            pytest.param(61, 1, (512 + 64) / 2, 70_272, id="DeepSeek, latent of 512 + 64"),
        ],
    )
    def test_keys_and_values_per_token(self, layers: int, kv_heads: int, head_dim: float, expected: int) -> None:
        assert kv_bytes_per_token(layers, kv_heads, head_dim) == expected

    def test_the_table_of_llms_agrees_with_the_formula(self) -> None:
        frame = llms()
        for row in frame.iter_rows(named=True):
            if row["attention"] != "mla":
                worked = kv_bytes_per_token(row["layers"], row["kv_heads"], row["head_dim"])
                assert row["kv_bytes_per_token_fp16"] == worked, row["llm"]

    @pytest.mark.parametrize(
        ("tokens", "experts", "used", "expected"),
        [(32, 256, 8, 0.638), (4, 128, 4, 0.119), (1, 8, 2, 0.25), (0, 8, 2, 0.0), (1, 8, 8, 1.0)],
    )
    def test_share_of_experts_hit(self, tokens: int, experts: int, used: int, expected: float) -> None:
        assert share_of_experts_hit(tokens, experts, used) == pytest.approx(expected, abs=5e-4)

    @pytest.mark.parametrize(("experts", "used"), [(8, 9), (8, 0)])
    def test_a_token_uses_between_one_and_all_experts(self, experts: int, used: int) -> None:
        with pytest.raises(ModelDomainError, match="experts per token"):
            share_of_experts_hit(1, experts, used)

    def test_overlap_runs_from_sum_to_maximum(self) -> None:
        assert overlapped(3.0, 4.0, 1.0) == pytest.approx(7.0)
        assert overlapped(3.0, 4.0, 2.0) == pytest.approx(5.0)
        assert overlapped(3.0, 4.0, 1e6) == pytest.approx(4.0, rel=1e-5)
        assert overlapped(0.0, 0.0, 2.0) == 0.0
        with pytest.raises(ModelDomainError, match="below 1"):
            overlapped(3.0, 4.0, 0.5)

    @given(x=st.floats(0, 1e3), y=st.floats(0, 1e3), p=st.floats(1, 50))
    def test_overlap_lies_between_the_larger_and_the_sum(self, x: float, y: float, p: float) -> None:
        assert max(x, y) * (1 - 1e-12) <= overlapped(x, y, p) <= (x + y) * (1 + 1e-12)

    def test_a_sliding_window_forgets(self) -> None:
        assert attended_tokens(10_000.0, 1024.0, 10 / 62) == pytest.approx(10_000 * 10 / 62 + 1024 * 52 / 62)
        assert attended_tokens(100.0, 1024.0, 0.0) == 100.0

    def test_all_reduce_of_one_chip_is_free_and_of_many_moves_twice_the_payload(self) -> None:
        assert all_reduce_seconds(1.0, 1e9, 1e9, 1.0) == 0.0
        assert all_reduce_seconds(8.0, 1e9, 1e9, 0.0) == pytest.approx(2 * 7 / 8)
        assert all_reduce_seconds(4.0, 0.0, 1e9, 1e-5) == pytest.approx(1.3e-5)

    def test_a_constant_must_be_a_number(self, constants: Constants) -> None:
        with pytest.raises(ModelDomainError, match="eff_fp8"):
            constants.with_values(eff_fp8=float("nan"))


class TestWeights:
    """Parameters told apart from the published totals."""

    def test_dense_and_expert_parameters_add_up_to_the_total(self) -> None:
        frame = llms()
        columns = llm_columns(frame)
        parts = (
            columns["dense_params"] + columns["head_params"] + columns["embedding_params"] + columns["expert_params"]
        )
        assert parts == pytest.approx(frame["total_params_b"].to_numpy() * 1e9)

    def test_deepseek_has_its_weights_in_experts(self) -> None:
        columns = llm_columns(llms().filter(llms()["llm"] == "deepseek-v3"))
        # 58 layers x 256 experts x three matrices of 7168 x 2048
        assert columns["expert_params"][0] == 58 * 256 * 3 * 7168 * 2048
        assert 13e9 < columns["dense_params"][0] < 17e9

    def test_gemma_shares_its_embedding_with_the_head_and_llama_does_not(self) -> None:
        frame = llms()
        columns = dict(zip(frame["llm"], llm_columns(frame)["embedding_params"].tolist(), strict=True))
        assert columns["gemma-3-27b"] == 0.0
        assert columns["llama-3.3-70b"] == 128_256 * 8192


class TestBounds:
    """What no software can beat."""

    @pytest.mark.parametrize(
        ("chip", "llm", "tensor", "most"),
        [
            pytest.param("h100-sxm", "llama-3.3-70b", 2.0, 2 * 3350 / 141.1, id="Llama-70B BF16 on two H100"),
            pytest.param("a100-sxm-40gb", "llama-3.1-8b", 1.0, 1555 / 16.06, id="Llama-8B BF16 on A100-40GB"),
        ],
    )
    def test_one_sequence_cannot_outrun_the_weights(
        self, chip: str, llm: str, tensor: float, most: float, constants: Constants
    ) -> None:
        one = case(chip, llm, precision="fp16", tensor=tensor, kv_bytes=2.0)
        rate = 1.0 / decode_seconds(one, np.ones(1), constants, np.array([100.0]))[0]
        assert 0.5 * most < rate < most * 1.03  # the embedding is not read: 3 % of an 8B model's weights

    def test_prefill_stays_below_the_peak(self, constants: Constants) -> None:
        one = case()
        flops_per_token = 2.0 * 70.55e9
        rate = 1.0 / prefill_seconds_per_token(one, constants)[0]
        assert 0.3 * 1979e12 < rate * flops_per_token < 1979e12


class TestTrainium2:
    """The middle way between AWS's 2024 stack and NVIDIA's, against runs that AWS publishes for its newer one.

    One request at a time over the 16 chips of a trn2.48xlarge, 10,000 prompt tokens, 16-bit weights
    (AWS Neuron documentation, tutorials of NxD Inference).
    """

    @pytest.mark.parametrize(
        ("llm", "first_token_ms", "token_ms"), [("llama-3.3-70b", 576, 19.8), ("llama-3.1-405b", 2442, 37.9)]
    )
    def test_within_a_factor_of_two(
        self, llm: str, first_token_ms: float, token_ms: float, constants: Constants
    ) -> None:
        one = case(
            "trainium2", llm, precision="fp16", tensor=16.0, input_tokens=10_000.0, output_tokens=1500.0, engine=4,
            kv_bytes=2.0,
        )  # fmt: skip
        prefill = prefill_seconds_per_token(one, constants)[0] * 10_000 * 1e3
        decode = decode_seconds(one, np.ones(1), constants, np.array([10_750.0]))[0] * 1e3
        assert prefill == pytest.approx(first_token_ms, rel=0.25)
        assert token_ms / 2 < decode < token_ms * 1.25


class TestMemory:
    """How many sequences fit."""

    def test_the_room_is_what_weights_and_reserve_leave(self, constants: Constants) -> None:
        k = constants.with_values(memory_share=1.0, reserve_gib=0.0)
        one = case(memory=100e9, input_tokens=1000.0, output_tokens=1000.0)
        weights = (70.55e9 - 2 * 128_256 * 8192) * 1.0 + 2 * 2 * 128_256 * 8192
        expected = (100e9 - weights) / (163_840 * 2000)
        assert batch_that_fits(one, k, 1.0)[0] == pytest.approx(expected)

    def test_latent_keys_are_copied_on_every_tensor_rank_but_not_on_attention_ranks(self, constants: Constants) -> None:
        whole = {"memory": 1e12, "input_tokens": 1000.0, "output_tokens": 1000.0}
        copied = batch_that_fits(case(llm="deepseek-v3", tensor=8.0, **whole), constants)[0]
        shared = batch_that_fits(case(llm="deepseek-v3", ranks=8.0, **whole), constants)[0]
        assert shared > 7 * copied

    def test_what_does_not_fit_has_no_room(self, constants: Constants) -> None:
        assert batch_that_fits(case("rtx-4090"), constants)[0] < 1


class TestMonotony:
    """More of anything useful never hurts, more work never helps."""

    @given(
        chip=st.sampled_from(CHIPS),
        llm=st.sampled_from(MODELS),
        column=st.sampled_from(["bandwidth", "peak", "link"]),
        factor=st.floats(1.0, 4.0),
        batch=st.floats(1.0, 500.0),
        tensor=st.sampled_from([1.0, 2.0, 8.0]),
    )
    def test_a_better_chip_is_never_slower(
        self, chip: str, llm: str, column: str, factor: float, batch: float, tensor: float
    ) -> None:
        k = load_constants()
        one = case(chip, llm, tensor=tensor)
        columns = ("peak_fp16", "peak_fp8", "peak_fp4") if column == "peak" else (column,)
        better = scaled(one, **dict.fromkeys(columns, factor))
        size = np.array([batch])
        assert iteration_seconds(better, size, k)[0] <= iteration_seconds(one, size, k)[0] * (1 + 1e-9)

    @given(chip=st.sampled_from(CHIPS), llm=st.sampled_from(MODELS), factor=st.floats(1.0, 8.0))
    def test_more_memory_never_holds_fewer(self, chip: str, llm: str, factor: float) -> None:
        k, one = load_constants(), case(chip, llm)
        assert batch_that_fits(scaled(one, memory=factor), k)[0] >= batch_that_fits(one, k)[0]

    @given(
        chip=st.sampled_from(CHIPS),
        llm=st.sampled_from(MODELS),
        batch=st.floats(1.0, 1000.0),
        more=st.floats(1.0, 10.0),
        split=st.sampled_from([(1.0, 1.0, 1.0), (8.0, 1.0, 1.0), (1.0, 4.0, 1.0), (1.0, 1.0, 8.0)]),
        lengths=st.sampled_from([(1000.0, 500.0), (8000.0, 500.0), (100.0, 4000.0), (4000.0, 100.0)]),
    )
    def test_a_larger_batch_gives_more_in_all_and_less_to_each(
        self,
        chip: str,
        llm: str,
        batch: float,
        more: float,
        split: tuple[float, float, float],
        lengths: tuple[float, float],
    ) -> None:
        k = load_constants()
        tensor, pipeline, ranks = split
        if ranks > 1 and llm not in ("deepseek-v3", "gpt-oss-120b", "qwen3-30b-a3b"):
            ranks = 1.0
        one = case(
            chip, llm, tensor=tensor, pipeline=pipeline, ranks=ranks, input_tokens=lengths[0], output_tokens=lengths[1]
        )
        small, large = batch * max(pipeline, 1.0), batch * max(pipeline, 1.0) * more
        slow, fast = iteration_seconds(one, np.array([large]), k)[0], iteration_seconds(one, np.array([small]), k)[0]
        assert slow >= fast * (1 - 1e-9)
        assert large / slow >= small / fast * (1 - 1e-9)

    @given(
        chip=st.sampled_from(CHIPS),
        llm=st.sampled_from(MODELS),
        longer=st.floats(1.0, 20.0),
        batch=st.floats(1.0, 200.0),
    )
    def test_longer_prompts_never_help(self, chip: str, llm: str, longer: float, batch: float) -> None:
        k, size = load_constants(), np.array([batch])
        short = iteration_seconds(case(chip, llm, input_tokens=500.0), size, k)[0]
        long = iteration_seconds(case(chip, llm, input_tokens=500.0 * longer), size, k)[0]
        assert long >= short * (1 - 1e-9)


class TestServiceLevel:
    """The largest batch that is fast enough."""

    @given(chip=st.sampled_from(CHIPS), llm=st.sampled_from(MODELS), speed=st.floats(1.0, 200.0))
    def test_the_batch_meets_the_level_and_hardly_more_would(self, chip: str, llm: str, speed: float) -> None:
        k, one = load_constants(), case(chip, llm)
        batch, seconds = fastest_batch(one, np.array([1000.0]), np.array([1.0 / speed]), k)
        if batch[0] == 0:
            assert iteration_seconds(one, np.ones(1), k)[0] > 1.0 / speed
            return
        assert seconds[0] <= 1.0 / speed * (1 + 1e-9)
        assert seconds[0] == pytest.approx(iteration_seconds(one, batch, k)[0])
        if batch[0] < 1000:
            assert iteration_seconds(one, batch * 1.01, k)[0] > 1.0 / speed * (1 - 2e-3)

    def test_no_level_takes_all(self) -> None:
        batch, _ = fastest_batch(case(), np.array([77.0]), np.array([np.inf]), load_constants())
        assert batch[0] == 77
