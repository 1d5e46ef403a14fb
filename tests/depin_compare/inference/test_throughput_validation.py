"""Measured rows: what is read, what is skipped and why, and published figures against predictions."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from depin_compare.errors import ConfigError
from depin_compare.inference.measurements import parse_measurements, predicted_tokens_per_second
from depin_compare.inference.throughput import load_constants
from depin_compare.inference.validation import validate_file
from depin_compare.refdata import accelerators, llms

COLUMNS = (
    "row_id", "source", "date", "engine", "accelerator", "n_accelerators", "model", "precision", "kv_precision", "mode",
    "isl", "osl", "concurrency", "tp", "pp", "ep", "dp", "slo_tpot_ms", "n_requests", "tokens_per_s_output",
    "input_tokens_per_s", "notes", "usable",
)  # fmt: skip
MLPERF = {"source": "mlperf_v5.1", "date": "2025-09", "engine": "TensorRT", "isl": "222", "osl": "294", "mode": "max"}
TRTLLM = {
    "source": "trtllm", "date": "2025-02", "engine": "TensorRT-LLM v0.17", "model": "Llama-3.1-70B", "mode": "max",
    "isl": "1000", "osl": "1000", "n_requests": "3000", "pp": "1", "dp": "1",
}  # fmt: skip
LLAMACPP = {
    "source": "llamacpp", "date": "2024-05", "engine": "llama.cpp", "model": "Llama-3.1-8B", "precision": "fp16",
    "kv_precision": "fp16", "mode": "decode_only", "isl": "100", "osl": "1024", "concurrency": "1", "tp": "1",
}  # fmt: skip
VLLM_TPU = {"source": "tpu", "date": "2025-10", "engine": "vLLM TPU", "isl": "1000", "osl": "1000"}


def row(row_id: str, accelerator: str, measured: float, base: dict[str, str], **changes: object) -> dict[str, str]:
    defaults = {"n_accelerators": "1", "model": "Llama-2-70B", "precision": "fp8", "kv_precision": "fp8", "usable": "1"}
    own = {"row_id": row_id, "accelerator": accelerator, "tokens_per_s_output": str(measured)}
    return defaults | base | own | {name: str(value) for name, value in changes.items()}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    schema = dict.fromkeys(COLUMNS, pl.String)
    pl.DataFrame([{name: one.get(name) for name in COLUMNS} for one in rows], schema=schema).write_csv(path)
    return path


def predict(tmp_path: Path, *rows: dict[str, str]) -> list[float]:
    data = parse_measurements(write(tmp_path / "rows.csv", list(rows)), accelerators(), llms())
    assert data.skipped.is_empty()
    return [float(value) for value in predicted_tokens_per_second(data, load_constants())]


# (row, tolerance): published figures that lie outside the chips the model was fitted to, or well inside.
FACTS = [
    (row("MLPerf v5.1, 8 H100", "H100-SXM", 31_000, MLPERF, n_accelerators=8), 0.25),
    (row("MLPerf v5.1, 8 H200", "H200", 35_000, MLPERF, n_accelerators=8), 0.25),
    (row("MLPerf v5.1, 8 MI325X", "MI325X", 34_000, MLPERF | {"engine": "vLLM"}, n_accelerators=8), 0.25),
    (row("MLPerf v5.1, 8 B200", "B200", 102_000, MLPERF, n_accelerators=8, precision="fp4"), 0.25),
    (
        row(
            "MLPerf 405B, 8 B200", "B200", 1_650, MLPERF, n_accelerators=8, precision="fp4", model="Llama-3.1-405B",
            isl=9428, osl=685,
        ),
        0.25,
    ),
    (row("70B FP8 on one H100", "H100-SXM", 840, TRTLLM, tp=1), 0.25),
    (row("70B FP8 on two H100", "H100-SXM", 4_390, TRTLLM, tp=2, n_accelerators=2), 0.25),
    (row("RTX 3090, one sequence", "RTX-3090", 46.5, LLAMACPP), 0.2),
    (row("RTX 4090, one sequence", "RTX-4090", 54.3, LLAMACPP), 0.2),
    (row("A6000, one sequence", "RTX-A6000", 40.3, LLAMACPP), 0.2),
    (row("H100 PCIe, one sequence", "H100-PCIe", 67.8, LLAMACPP), 0.2),
    (row("A100-40GB, one sequence", "A100-SXM-40GB", 75, LLAMACPP | {"engine": "vllm"}, precision="bf16"), 0.2),
    (
        row(
            "Trillium, 64 users", "TPU-v6e", 2_495, VLLM_TPU, mode="concurrency", concurrency=64, tp=8,
            n_accelerators=8, model="Llama-3.3-70B", precision="bf16", kv_precision="fp16",
        ),
        0.15,
    ),
    (
        row(
            "Trillium, 128 users", "TPU-v6e", 3_544, VLLM_TPU, mode="concurrency", concurrency=128, tp=8,
            n_accelerators=8, model="Llama-3.3-70B", precision="bf16", kv_precision="fp16",
        ),
        0.15,
    ),
    # A new generation and new software: within a factor of two is all that is claimed.
    (row("Ironwood, one chip", "TPU-v7", 6_557, VLLM_TPU, mode="max", tp=1, model="Qwen3-32B"), 0.8),
    (
        row(
            "DeepSeek decode over 72 H100", "H100-SXM", 72 / 8 * 22_282, LLAMACPP | {"engine": "sglang"},
            n_accelerators=72, model="DeepSeek-R1", precision="fp8", kv_precision="fp8", isl=2000, osl=100,
            concurrency=72 * 256, ep=72, dp=72,
        ),
        0.35,
    ),
]  # fmt: skip


class TestFacts:
    @pytest.mark.parametrize(("fact", "tolerance"), FACTS, ids=[fact["row_id"] for fact, _ in FACTS])
    def test_published_figures(self, tmp_path: Path, fact: dict[str, str], tolerance: float) -> None:
        (predicted,) = predict(tmp_path, fact)
        assert predicted == pytest.approx(float(fact["tokens_per_s_output"]), rel=tolerance)

    def test_capacity_not_compute_limits_a_70b_on_one_h100(self, tmp_path: Path) -> None:
        """Twice the chips gave 5.2 times the throughput; 141 instead of 80 GB gave 3.4 times, at the same FLOPs."""
        one, two, wide = predict(
            tmp_path,
            row("1", "H100-SXM", 840, TRTLLM, tp=1),
            row("2", "H100-SXM", 4390, TRTLLM, tp=2, n_accelerators=2),
            row("3", "H200", 2856, TRTLLM, tp=1),
        )
        assert two / one == pytest.approx(5.2, rel=0.3)
        assert wide / one == pytest.approx(3.4, rel=0.3)

    def test_prompts_sixteen_times_longer_cut_the_output_rate_almost_eightfold(self, tmp_path: Path) -> None:
        short, long = predict(
            tmp_path,
            row("1", "H100-SXM", 14_731, TRTLLM, tp=8, n_accelerators=8, isl=128, osl=128, n_requests=30_000),
            row("2", "H100-SXM", 1_923, TRTLLM, tp=8, n_accelerators=8, isl=2048, osl=128),
        )
        assert short / long == pytest.approx(7.7, rel=0.25)

    def test_eight_chips_over_pcie_are_worth_little_more_than_four(self, tmp_path: Path) -> None:
        """Measured: 960 against 989, all-reduce over PCIe. The model sees the loss, not all of it."""
        base = TRTLLM | {"precision": "fp16", "kv_precision": "fp16"}
        four, eight = predict(
            tmp_path,
            row("1", "A100-PCIe-80GB", 989, base, tp=4, n_accelerators=4),
            row("2", "A100-PCIe-80GB", 960, base, tp=8, n_accelerators=8),
        )
        assert four == pytest.approx(989, rel=0.25)
        assert eight < 1.5 * four

    def test_a_4090_has_four_fifths_of_an_h100_pcie_for_one_user(self, tmp_path: Path) -> None:
        consumer, server = predict(
            tmp_path, row("1", "RTX-4090", 54.3, LLAMACPP), row("2", "H100-PCIe", 67.8, LLAMACPP)
        )
        assert consumer / server == pytest.approx(0.8, abs=0.15)

    def test_a_service_level_costs_throughput(self, tmp_path: Path) -> None:
        base = MLPERF | {"n_accelerators": "8"}
        offline, server, interactive = predict(
            tmp_path,
            row("1", "H100-SXM", 31_000, base),
            row("2", "H100-SXM", 30_000, base | {"mode": "slo"}, slo_tpot_ms=200),
            row("3", "H100-SXM", 14_000, base | {"mode": "slo"}, slo_tpot_ms=40),
        )
        assert offline > server > interactive

    def test_two_replicas_of_half_the_chips_share_the_load(self, tmp_path: Path) -> None:
        base = VLLM_TPU | {"engine": "vllm", "mode": "concurrency", "model": "Llama-3.1-8B", "tp": "1", "pp": "1"}
        one, two = predict(
            tmp_path,
            row("1", "L40S", 1, base, concurrency=32),
            row("2", "L40S", 1, base, concurrency=64, n_accelerators=2, dp=2),
        )
        assert two == pytest.approx(2 * one)


class TestSkipped:
    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"accelerator": "H999"}, "unknown accelerator 'H999'"),
            ({"model": "Llama-9"}, "unknown LLM 'Llama-9'"),
            ({"mode": "magic"}, "unknown mode 'magic'"),
            ({"precision": "fp3"}, "unknown precision 'fp3'"),
            ({"tokens_per_s_output": "0"}, "no measured rate"),
            ({"tokens_per_s_output": "n/a"}, "tokens_per_s_output is 'n/a', expected a number"),
            ({"tokens_per_s_output": "inf"}, "expected a number"),
            ({"isl": "-5"}, "isl is -5"),
            ({"osl": ""}, "no output length"),
            ({"isl": ""}, "no prompt length"),
            ({"n_accelerators": "0"}, "n_accelerators"),
            ({"n_accelerators": "1.5"}, "whole number"),
            ({"mode": "concurrency"}, "without concurrency"),
            ({"tp": "16"}, "exceeds"),
            ({"tp": "0"}, "tp is 0"),
            ({"usable": "0"}, "not usable"),
            ({"accelerator": "Fractile"}, "unknown accelerator|not published"),
        ],
    )
    def test_each_with_its_reason(self, tmp_path: Path, changes: dict[str, str], reason: str) -> None:
        good = row("good", "H100-SXM", 840, TRTLLM, tp=1)
        bad = good | {"row_id": "bad"} | changes
        found = validate_file(write(tmp_path / "rows.csv", [good, bad]))
        assert found.rows["row_id"].to_list() == ["good"]
        assert found.skipped["row_id"].to_list() == ["bad"]
        assert pl.Series([found.skipped["reason"][0]]).str.contains(reason)[0], found.skipped["reason"][0]
        assert found.overall["rows_used"] == 1
        assert found.overall["rows_skipped"] == 1

    def test_a_missing_column_names_itself(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.csv"
        path.write_text("accelerator,model\nH100-SXM,Llama-2-70B\n", encoding="utf-8")
        with pytest.raises(ConfigError, match=r"rows\.csv: no column n_accelerators"):
            validate_file(path)

    def test_a_file_without_usable_rows_says_the_first_reason(self, tmp_path: Path) -> None:
        path = write(tmp_path / "rows.csv", [row("1", "H999", 1, TRTLLM)])
        with pytest.raises(ConfigError, match="unknown accelerator 'H999'"):
            validate_file(path)

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read"):
            validate_file(tmp_path / "none.csv")

    def test_optional_columns_may_be_absent(self, tmp_path: Path) -> None:
        path = tmp_path / "rows.csv"
        path.write_text(
            "accelerator,n_accelerators,model,precision,mode,isl,osl,tokens_per_s_output\n"
            "h100 sxm,8,llama-2-70b,fp8,max,222,294,31000\n",
            encoding="utf-8",
        )
        assert validate_file(path).rows["row_id"].to_list() == ["0"]


class TestScores:
    def test_worked_by_hand(self, tmp_path: Path) -> None:
        """Three rows whose measured rate is set to 1/2.5, 1 and 1/0.8 of what is predicted."""
        names = ("H100-SXM", "H200", "L40S")
        rows = [row(str(i), name, 1, MLPERF, n_accelerators=8) for i, name in enumerate(names)]
        first = predict(tmp_path, *rows)
        for one, value, factor in zip(rows, first, (2.5, 1.0, 0.8), strict=True):
            one["tokens_per_s_output"] = repr(value / factor)
        found = validate_file(write(tmp_path / "rows.csv", rows))
        assert found.overall["rows_used"] == 3
        assert found.overall["median_ape"] == pytest.approx(0.2)
        assert found.overall["p90_ape"] == pytest.approx(0.2 + 0.8 * 1.3)
        assert found.overall["bias"] == pytest.approx(0.0)
        assert found.overall["within_2x"] == pytest.approx(2 / 3)
        by_chip = {one["group"]: one for one in found.by_accelerator.iter_rows(named=True)}
        assert by_chip["H100-SXM"]["bias"] == pytest.approx(1.5)
        assert by_chip["L40S"]["bias"] == pytest.approx(-0.2)
        assert found.by_model["rows_used"].to_list() == [3]
        assert found.by_source["group"].to_list() == ["mlperf_v5.1"]

    def test_rows_have_a_band_around_the_prediction(self, tmp_path: Path) -> None:
        found = validate_file(write(tmp_path / "rows.csv", [row("1", "H200", 1, MLPERF, n_accelerators=8)]))
        (one,) = found.rows.to_dicts()
        assert one["low"] < one["predicted"] < one["high"]

    def test_the_dictionary_is_ready_for_json(self, tmp_path: Path) -> None:
        rows = [row("1", "H200", 35_000, MLPERF, n_accelerators=8), row("2", "H999", 1, MLPERF)]
        found = json.loads(json.dumps(validate_file(write(tmp_path / "rows.csv", rows)).as_dict()))
        assert found["rows_used"] == 1
        assert found["rows_skipped"] == 1
        assert set(found["by_accelerator"]["H200"]) == {"rows_used", "median_ape", "p90_ape", "bias", "within_2x"}
        assert found["skipped"][0]["row_id"] == "2"
