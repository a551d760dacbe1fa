"""Spaces of GPU kernels: those of the public files to the letter, and none that a device cannot run."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dse import Space
from dse.errors import SpaceError
from objectives.measured import read_table
from spaces.gpu_tiling import (
    OPERAND_BITS,
    Limits,
    attention_space,
    convolution_space,
    simt_gemm_space,
    tensor_gemm_space,
)


def rows(space: Space) -> set[tuple[object, ...]]:
    return {
        tuple(row)
        for designs in space.enumerate()
        for row in zip(*(designs[n] for n in space.names), strict=True)
    }


def test_the_public_gemm_space_to_the_letter(reference_data: Path) -> None:
    stated = json.loads((reference_data / "gpu" / "T1_gemm_milo.json").read_text())["ConfigurationSpace"]
    values = {item["Name"]: json.loads(item["Values"]) for item in stated["TuningParameters"]}
    space = simt_gemm_space()
    assert space.names == tuple(values)
    columns = dict(zip(values, np.array(list(itertools.product(*values.values()))).T, strict=True))
    c = columns
    # The eight conditions of the file, written out here.
    legal = (
        (c["KWG"] % c["KWI"] == 0)
        & (c["MWG"] % (c["MDIMC"] * c["VWM"]) == 0)
        & (c["NWG"] % (c["NDIMC"] * c["VWN"]) == 0)
        & (c["MWG"] % (c["MDIMA"] * c["VWM"]) == 0)
        & (c["NWG"] % (c["NDIMB"] * c["VWN"]) == 0)
        & (c["KWG"] % ((c["MDIMC"] * c["NDIMC"]) / c["MDIMA"]) == 0)
        & (c["KWG"] % ((c["MDIMC"] * c["NDIMC"]) / c["NDIMB"]) == 0)
        & ~((c["MWG"] == 128) & (c["NWG"] == 128) & (c["MDIMC"] == 8) & (c["NDIMC"] == 8))
    )
    wanted = {tuple(row) for row in np.column_stack([column[legal] for column in c.values()]).tolist()}
    assert (space.size, len(wanted)) == (663_552, 116_928)
    assert rows(space) == wanted


def test_counts_without_the_files() -> None:
    assert simt_gemm_space().count() == 116_928
    assert convolution_space().count() == 4_362


@pytest.mark.parametrize("name", ["A100", "A4000", "MI250X"])
def test_the_convolution_space_is_what_was_measured(reference_data: Path, name: str) -> None:
    table = read_table(reference_data / "gpu" / f"convolution_milo_{name}.json.gz")
    assert rows(convolution_space()) == rows(table.space)


def test_bounds_of_a_device_shrink_the_public_space() -> None:
    bounded = simt_gemm_space(shared_bytes=16 * 1024, threads=256)
    for designs in bounded.enumerate():
        assert (designs["MDIMC"] * designs["NDIMC"] <= 256).all()
        local = designs["SA"] * designs["MWG"] + designs["SB"] * designs["NWG"]
        assert (4 * designs["KWG"] * local <= 16 * 1024).all()
    assert bounded.count() < simt_gemm_space().count() < simt_gemm_space(sums_fit=False).count()


@given(
    st.sampled_from(sorted(OPERAND_BITS)),
    st.sampled_from([48, 64, 99, 163, 227]),
    st.sampled_from([1, 8]),
)
def test_every_tile_fits_its_device(operands: str, shared_kib: int, cluster: int) -> None:
    device = Limits(shared_bytes=shared_kib * 1024, cluster=cluster, specialisation=cluster > 1)
    left, right = OPERAND_BITS[operands]
    designs = tensor_gemm_space(device, operands=[operands]).sample(300, 0)
    d = {name.removeprefix("gpu."): designs[name] for name in designs.space.names}
    tile = d["block_k"] * (d["block_m"] * left + d["block_n"] * right) / 8
    assert (d["stages"] * tile <= device.shared_bytes).all()
    assert (d["warps"] * 32 <= 1024).all()
    sums = d["block_m"] * d["block_n"] / (32 * d["warps"])
    assert (sums <= 255).all()
    # 256 x 256 sums are all of a multiprocessor's registers, whatever the warps: ptxas refuses them.
    assert (d["block_m"] * d["block_n"] < 65_536).all()
    assert (d["block_m"] * d["block_n"] >= 16 * 8 * d["warps"]).all()
    # Rows of a tile begin at multiples of 16 bytes.
    assert (d["block_k"] * min(left, right) % 128 == 0).all()
    assert ((d["split_k"] > 1) == (d["decomposition"] == "split_k")).all()
    if cluster > 1:
        assert (d["cluster_m"] * d["cluster_n"] <= 8).all()
        assert (~d["specialised"] | ((d["warps"] >= 4) & (d["stages"] >= 2))).all()


def test_operands_are_bounded_each_by_its_own_size() -> None:
    device = Limits(shared_bytes=64 * 1024)
    both = tensor_gemm_space(device, operands=["fp32", "fp8"])
    one = [tensor_gemm_space(device, operands=[name]).count() for name in ("fp32", "fp8")]
    assert both.count() == sum(one)
    assert one[0] < one[1]


def test_a_device_without_asynchronous_copies_has_two_stages() -> None:
    space = tensor_gemm_space(Limits(asynchronous_copy=False))
    assert int(space.sample(500, 0)["gpu.stages"].max()) == 2


def test_attention_fits_and_packs_only_groups() -> None:
    space = attention_space(Limits(), head_size=128, group=4)
    designs = next(space.enumerate(chunk=100_000))
    q, kv, stages = (designs[f"gpu.{name}"] for name in ("block_q", "block_kv", "stages"))
    assert ((q + 2 * stages * kv) * 256 <= 163 * 1024).all()
    assert (q * (128 + kv) < 65_536).all()
    assert set(designs["gpu.pack_queries"].tolist()) == {False, True}
    alone = next(attention_space(Limits(), group=1).enumerate(chunk=100_000))
    assert set(alone["gpu.pack_queries"].tolist()) == {False}
    # A larger head leaves less room.
    assert attention_space(Limits(), head_size=256).count() < attention_space(Limits(), head_size=64).count()


def test_bad_input_names_the_mend() -> None:
    with pytest.raises(SpaceError, match="operands: 'fp5' is unknown; known are fp32"):
        tensor_gemm_space(operands=["fp5"])
    with pytest.raises(SpaceError, match="shared_bytes=0 must be 1 or more"):
        Limits(shared_bytes=0)
    with pytest.raises(SpaceError, match="head_size=0 must be 1 or more"):
        attention_space(head_size=0)
    with pytest.raises(SpaceError, match="must be positive"):
        convolution_space(kernel=(0, 3))
