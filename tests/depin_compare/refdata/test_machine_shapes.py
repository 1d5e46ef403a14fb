"""What a machine has beside its accelerators: the table from which its price is added up."""

from __future__ import annotations

import polars as pl
import pytest

from depin_compare import refdata


def test_rows_are_sorted_and_name_machines_of_the_instance_table() -> None:
    table = refdata.machine_shapes()
    keys = table.select("cloud", "instance_type").rows()
    assert keys == sorted(keys)
    assert set(keys) <= set(refdata.instances().select("cloud", "instance_type").rows())


@pytest.mark.parametrize(
    ("machine", "vcpus", "memory_gib", "local_ssd_gib"),
    [
        ("a2-highgpu-1g", 12, 85, 0),
        ("a2-ultragpu-8g", 96, 1360, 3000),
        ("a3-highgpu-8g", 208, 1872, 6000),
        ("a3-ultragpu-8g", 224, 2952, 12_000),
        ("g2-standard-96", 96, 384, 0),
        ("g4-standard-48", 48, 180, 0),
    ],
)
def test_hand_checked_machines(machine: str, vcpus: float, memory_gib: float, local_ssd_gib: float) -> None:
    row = refdata.machine_shapes().row(by_predicate=pl.col("instance_type") == machine, named=True)
    assert (row["vcpus"], row["memory_gib"], row["local_ssd_gib"]) == (vcpus, memory_gib, local_ssd_gib)


def test_machines_of_one_series_with_more_accelerators_have_more_of_everything() -> None:
    series = pl.col("instance_type").str.extract(r"^(.*)-[^-]+$")
    joined = (
        refdata.machine_shapes()
        .join(refdata.instances(), on=["cloud", "instance_type"])
        .filter(~series.str.contains("standard"))
        .with_columns(series.alias("series"))
    )
    for _, rows in joined.group_by("series"):
        ordered = rows.sort("accelerator_count")
        for column in ("vcpus", "memory_gib", "local_ssd_gib"):
            shares = ordered[column] / ordered["accelerator_count"]
            assert shares.max() == pytest.approx(shares.min())
