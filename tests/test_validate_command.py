"""`depin-compare validate`: the model against a file of measured runs, as a user types it."""

import json
import sys

import pytest

from depin_compare import cli

HEADER = (
    "row_id,source,engine,accelerator,n_accelerators,model,precision,kv_precision,scenario,mode,isl,osl,concurrency,tp,pp,"
    "ep,dp,slo_tpot_ms,slo_ttft_ms,n_requests,tokens_per_s_output,tok_s_user,input_tokens_per_s,usable"
)
ROWS = (
    "a,mine,vLLM,H100-SXM,2,Llama-3.3-70B,fp8,fp8,max throughput,max,128,128,,2,1,,1,,,30000,6378.0,,,1",
    "b,mine,vLLM,H100-SXM,1,Llama-3.1-8B,bf16,fp16,max throughput,max,1000,1000,,1,1,,1,,,3000,9000.0,,,1",
    "c,mine,vLLM,H999-ULTRA,1,Llama-3.1-8B,bf16,fp16,max throughput,max,1000,1000,,1,1,,1,,,3000,9000.0,,,1",
    "d,mine,vLLM,H100-SXM,1,Llama-3.1-8B,bf16,fp16,max throughput,max,-5,1000,,1,1,,1,,,3000,9000.0,,,1",
)


@pytest.fixture
def validate(monkeypatch, capsys, tmp_path):
    """Type `validate` on a file of these lines; gives exit code, stdout, stderr."""

    def run(lines: tuple[str, ...], *words: str, header: str = HEADER) -> tuple[int, str, str]:
        file = tmp_path / "runs.csv"
        file.write_text("\n".join((header, *lines)) + "\n")
        monkeypatch.setattr(sys, "argv", ["depin-compare", "validate", str(file), *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capsys.readouterr()
        return int(stop.value.code or 0), out, err

    return run


def test_good_rows_are_scored_and_the_others_named_with_their_reason(validate, tmp_path):
    code, out, _ = validate(ROWS, "--json", "-o", str(tmp_path / "rows.csv"))
    assert code == 0
    told = json.loads(out)
    assert (told["rows_used"], told["rows_skipped"]) == (2, 2)
    assert set(told) >= {"median_ape", "p90_ape", "bias", "within_2x", "by_accelerator", "by_model", "by_source"}
    assert {row["row_id"] for row in told["skipped"]} == {"c", "d"}
    assert any("H999-ULTRA" in row["reason"] for row in told["skipped"])
    rows = (tmp_path / "rows.csv").read_text().splitlines()
    assert {"row_id", "predicted", "low", "high", "measured"} <= set(rows[0].split(","))
    assert len(rows) == 3


def test_the_table_says_how_far_off_and_a_chart_is_drawn(validate, tmp_path):
    code, out, _ = validate(ROWS, "--chart", str(tmp_path / "chart.png"))
    assert code == 0
    assert "2 rows used, 2 skipped" in out
    assert (tmp_path / "chart.png").read_bytes().startswith(b"\x89PNG")


def test_a_file_that_lacks_what_is_needed_is_refused_by_name(validate):
    code, _, err = validate(("x,1",), header="row_id,nothing")
    assert code == 2
    assert "accelerator" in err
    assert validate(ROWS[2:])[0] == 2
