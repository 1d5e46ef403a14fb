"""Names in the wild -> canonical ids, and every pair that is easily mixed up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from depin_compare.market.accelerators import (
    BOARD_SIZES_GIB,
    BOARDS_OF,
    accelerator_id,
    identify,
    same_memory,
    snapped_memory_gib,
)
from depin_compare.refdata import accelerator_names, accelerators

NAMES = list(accelerator_names().select("name", "accelerator").iter_rows())
IDS = accelerators()["accelerator"].to_list()


@pytest.mark.parametrize(("name", "accelerator"), NAMES)
def test_every_name_of_the_table_is_found(name, accelerator):
    assert accelerator_id(name) == accelerator


@pytest.mark.parametrize("accelerator", IDS)
def test_an_id_stands_for_itself(accelerator):
    assert accelerator_id(accelerator) == accelerator


@given(name=st.sampled_from(NAMES), data=st.data())
def test_case_blanks_and_dashes_do_not_matter(name, data):
    spelling, accelerator = name
    blank = data.draw(st.sampled_from([" ", "-", "_", "  "]))
    text = blank.join(spelling.split())
    assert accelerator_id(data.draw(st.sampled_from([text.upper(), text.lower(), f" {text} "]))) == accelerator


@given(name=st.sampled_from([n for n in NAMES if not n[0].lower().startswith(("azure", "tpu", "v5", "arc"))]))
def test_a_vendor_in_front_does_not_matter(name):
    assert accelerator_id(f"NVIDIA {name[0]}") == name[1]


@pytest.mark.parametrize(
    ("name", "memory_gib", "interface", "accelerator"),
    [
        ("h100", 80, "SXM5", "h100-sxm"),
        ("h100", 80, "PCIe", "h100-pcie"),
        ("h100", 94, "PCIe", "h100-nvl"),
        ("h100", 94, "NVL", "h100-nvl"),
        ("H100 80GB HBM3", 80, None, "h100-sxm"),
        ("NVIDIA H100 80GB HBM3", 79.6, None, "h100-sxm"),
        ("h200", 141, "SXM5", "h200"),
        ("h200", 141, None, "h200"),
        ("h200", 141, "PCIe", "h200-nvl"),
        ("h200nvl", 141, "PCIe", "h200-nvl"),
        ("a100", 80, "SXM4", "a100-sxm-80gb"),
        ("a100", 40, "SXM4", "a100-sxm-40gb"),
        ("a100", 80, "pcie", "a100-pcie-80gb"),
        ("a100", 40, "PCIe", "a100-pcie-40gb"),
        ("v100", 32, "SXM2", "v100-sxm2-32gb"),
        ("v100", 16, "PCIe", "v100-pcie-16gb"),
        ("b200", 180, None, "b200"),
        ("b200", 192, "SXM6", "b200"),
        ("b300", 288, "sxm6", "b300"),
        ("GH200 480GB", 96, None, "gh200"),
        ("mi300x", 192, "OAM", "mi300x"),
        ("GeForce RTX 4090", 24, None, "rtx-4090"),
        ("rtxa6000", 48, "PCIe", "rtx-a6000"),
        ("RTX 6000 Ada Generation", 48, None, "rtx-6000-ada"),
        ("L40S", 48, "PCIe", "l40s"),
        ("l40", 48, None, "l40"),
        ("L4", 24, None, "l4"),
        ("NVIDIA A10G Tensor Core GPU", 24, None, "a10g"),
        ("a10", 24, None, "a10"),
        ("pro6000se", 96, "PCIe", "rtx-pro-6000-bw"),
        ("RTX PRO 6000 Blackwell Workstation Edition", 96, None, "rtx-pro-6000-ws"),
        ("rtx4060ti", 16, None, "rtx-4060-ti-16gb"),
    ],
)
def test_hints_decide_between_the_boards_of_a_name(name, memory_gib, interface, accelerator):
    assert accelerator_id(name, memory_gib=memory_gib, interface=interface) == accelerator


@pytest.mark.parametrize(
    ("name", "memory_gib", "interface", "verdict"),
    [
        # the form is not told
        ("h100", 80, None, "ambiguous"),
        ("h100", 80, "unknown", "ambiguous"),
        ("h100", None, None, "ambiguous"),
        ("h100", 94, None, "ambiguous"),
        ("a100", 80, None, "ambiguous"),
        ("a100", None, "SXM4", "ambiguous"),
        ("v100", None, None, "ambiguous"),
        ("rtx6000", 48, "PCIe", "ambiguous"),
        ("pro_6000", 96, None, "ambiguous"),
        ("RTX PRO 6000 Blackwell", 96, None, "ambiguous"),
        # known, and not in the register
        ("a100", 64, "SXM4", "outside"),
        ("a800", 80, "SXM4", "outside"),
        ("rtx6000", 24, "PCIe", "outside"),
        ("Quadro RTX 6000", 24, None, "outside"),
        ("rtx8000", 48, "PCIe", "outside"),
        ("rtx5090m", 24, "PCIe", "outside"),
        ("GeForce RTX 5090 Laptop GPU", 24, None, "outside"),
        ("NVIDIA GeForce RTX 4090 Mobile", 16, None, "outside"),
        ("RTX 4090 D", 24, None, "outside"),
        ("RTX PRO 6000 Blackwell Max-Q Workstation Edition", 96, None, "outside"),
        ("pro6000mq", 96, None, "outside"),
        ("gtx1070ti", 8, "PCIe", "outside"),
        ("p40", 24, "PCIe", "outside"),
        ("m4000", 8, "PCIe", "outside"),
        ("rtx4000sada", 20, "PCIe", "outside"),
        ("H100 MIG 1g.10gb", None, None, "outside"),
        ("rtx4090", 48, None, "outside"),
        ("rtx4060ti", 8, None, "outside"),
        ("H100 80GB HBM3", 40, None, "outside"),
        # nobody knows it, or name and hints contradict each other
        ("zz9000", 80, None, "unknown"),
        ("", None, None, "unknown"),
        ("<UNKNOWN>", None, None, "unknown"),
        ("H100 SXM", 80, "PCIe", "unknown"),
        ("b200", 180, "PCIe", "unknown"),
        ("RTX 4090", 500, None, "unknown"),
    ],
)
def test_what_is_not_certain_is_never_guessed(name, memory_gib, interface, verdict):
    found = identify(name, memory_gib=memory_gib, interface=interface)
    assert (found.verdict, found.accelerator) == (verdict, None)
    assert found.reason


def test_an_ambiguous_name_says_which_boards_are_left():
    reason = identify("h100", memory_gib=80).reason
    assert reason == "h100 with 80 GiB does not tell which board: h100-sxm or h100-pcie"
    assert {board for boards in BOARDS_OF.values() for board in boards} <= set(IDS)


@pytest.mark.parametrize("bare", list(BOARDS_OF))
def test_a_bare_name_of_several_boards_is_no_chip(bare):
    assert accelerator_id(bare) is None


@given(st.text(max_size=30), st.none() | st.floats(0.1, 1000), st.none() | st.text(max_size=8))
def test_any_text_has_a_verdict(name, memory_gib, interface):
    found = identify(name, memory_gib=memory_gib, interface=interface)
    assert (found.accelerator is not None) == (found.verdict == "known")
    assert (found.reason is None) == (found.verdict == "known")


@given(st.sampled_from(BOARD_SIZES_GIB), st.floats(-0.03, 0.03))
def test_sizes_a_little_off_are_the_same_board(size, off):
    assert same_memory(size, size * (1 + off))
    assert same_memory(size * (1 + off), size)


def test_sizes_apart_stay_apart():
    for one, other in ((40, 48), (64, 80), (80, 94), (16, 24), (96, 141)):
        assert not same_memory(one, other)
    assert snapped_memory_gib(79.1) == 80
    assert snapped_memory_gib(55) is None
