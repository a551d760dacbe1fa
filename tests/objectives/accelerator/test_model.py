"""Networks on accelerators: metrics that add up, one core and several alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from dse import Minimize, Problem
from dse.errors import ProblemError
from dse.expressions import Columns
from dse.testing import check_cost_model
from objectives.accelerator import (
    SYSTOLIC,
    AcceleratorModel,
    energy_pj,
    hardware,
    mapped,
    stall_free_cycles,
)
from objectives.accelerator import model as model_of_accelerators
from objectives.networks.family import Under
from objectives.networks.fixed import FixedNetwork
from objectives.workloads import network
from objectives.workloads.shapes import LayerShapes, layer_shapes
from spaces import accelerator as space_of_accelerators
from spaces.accelerator import accelerator_space, heterogeneous_space

RESNET = FixedNetwork(network("resnet-18"))
MOBILENET = FixedNetwork(network("mobilenet-v2"))


def test_one_core_keeps_its_promises() -> None:
    check_cost_model(AcceleratorModel({"": RESNET}), accelerator_space())
    check_cost_model(
        AcceleratorModel({"": MOBILENET}, model="systolic"), accelerator_space(dataflows=SYSTOLIC)
    )


@pytest.mark.parametrize("assignment", ["earliest", "network", "segment"])
def test_several_cores_keep_their_promises(assignment: str) -> None:
    networks = {"one": RESNET, "two": MOBILENET}
    model = AcceleratorModel(networks, cores=3, assignment=assignment)
    space = heterogeneous_space(3, networks=list(networks), assignment=assignment)
    check_cost_model(model, space, samples=6)


def test_metrics_are_sums_over_layers() -> None:
    space = accelerator_space()
    designs = space.sample(20, 1)
    found = AcceleratorModel({"": MOBILENET}, aim="latency").evaluate(designs)
    # All layers, without merging those of one shape.
    shapes = layer_shapes(network("mobilenet-v2"))
    core = hardware(Under(designs, "acc"))
    work = mapped(shapes, core, "latency")
    latency = (work.cycles * shapes.count).sum(axis=1) / core.clock_hz
    assert np.asarray(found["latency_ms"]) == pytest.approx(latency * 1e3)
    energy = {
        name: (value * shapes.count).sum(axis=1) for name, value in energy_pj(work, shapes, core).items()
    }
    assert np.asarray(found["dram_energy_mj"]) == pytest.approx(energy["dram"] * 1e-9)
    parts = ("arithmetic", "register", "buffer", "dram", "leakage")
    total = sum(np.asarray(found[f"{name}_energy_mj"]) for name in parts)
    assert np.asarray(found["energy_mj"]) == pytest.approx(total)
    assert np.asarray(found["power_w"]) == pytest.approx(total / np.asarray(found["latency_ms"]))
    assert (np.asarray(found["macs"]) == network("mobilenet-v2").macs()).all()
    assert (np.asarray(found["utilisation"]) <= 1).all()


def test_one_of_several_cores_is_the_single_core() -> None:
    """A network on cores = 1 of 1, with all the bandwidth, costs what it costs on the single core."""
    space = heterogeneous_space(1)
    designs = space.sample(15, 0)
    several = AcceleratorModel({"": RESNET}, cores=2, bandwidth_gb_s=12.8)
    single = AcceleratorModel({"": RESNET})
    names = (
        "rows",
        "columns",
        "dataflow",
        "register_bytes",
        "input_kib",
        "weight_kib",
        "output_kib",
        "banks",
    )
    columns: dict[str, Any] = {f"acc.{name}": designs[f"acc1.{name}"] for name in names}
    columns |= {name: designs[name] for name in ("acc.precision", "acc.clock_mhz")}
    columns["acc.dram_gb_s"] = np.full(15, 12.8)
    idle = {f"acc2.{name}": designs[f"acc1.{name}"] for name in (*names, "share")}
    found = several.evaluate({name: designs[name] for name in designs.names} | idle)  # type: ignore[arg-type]
    wanted = single.evaluate(columns)
    for name in single.metrics:
        assert np.asarray(found[name]) == pytest.approx(np.asarray(wanted[name])), name


def test_systolic_latency_is_scale_sims_where_memory_is_no_limit() -> None:
    space = accelerator_space(dataflows=SYSTOLIC, dram_gb_s=[1e9])
    designs = space.sample(30, 2)
    model = AcceleratorModel({"": RESNET}, model="systolic")
    cycles = np.asarray(model.evaluate(designs)["latency_ms"]) * designs["acc.clock_mhz"] * 1e3
    shapes = layer_shapes(network("resnet-18"))
    closed = (stall_free_cycles(shapes, hardware(Under(designs, "acc"))) * shapes.count).sum(axis=1)
    assert cycles == pytest.approx(closed, rel=1e-6)


def test_unlike_cores_serve_unlike_networks() -> None:
    """Two networks at once are done sooner on two cores than on either of them alone."""
    space = heterogeneous_space(2, networks=["one", "two"], least_cores=2)
    designs = space.sample(40, 0)
    networks = {"one": RESNET, "two": MOBILENET}
    free = AcceleratorModel(networks, cores=2).evaluate(designs)
    for name in networks:
        assert (np.asarray(free[f"{name}.latency_ms"]) <= np.asarray(free["latency_ms"])).all()
    apart = heterogeneous_space(2, networks=["one", "two"], assignment="network", least_cores=2)
    columns = {name: designs[name] for name in designs.names}
    pinned = AcceleratorModel(networks, cores=2, assignment="network")
    assert set(pinned.columns) <= set(apart.names)
    makespans = []
    for one, two in ((1, 2), (1, 1), (2, 2)):
        chosen = {"map.one": np.full(40, one), "map.two": np.full(40, two)}
        makespans.append(np.asarray(pinned.evaluate(columns | chosen)["latency_ms"]))  # type: ignore[arg-type]
    # Two networks on one core take as long as one after the other.
    assert (makespans[0] < makespans[1]).mean() > 0.5
    assert np.median(np.asarray(free["latency_ms"]) / np.minimum(makespans[1], makespans[2])) < 1


def test_a_design_whose_layers_fit_nowhere_fails_alone() -> None:
    # The first layer's line, 7 rows of 229 pixels and 3 channels, does not fit half a KiB.
    space = accelerator_space(buffer_kib=[1, 64])
    problem = Problem(space, AcceleratorModel({"": RESNET}), [Minimize("latency_ms")])
    designs = space.sample(60, 0)
    found = problem.evaluate(designs)
    failed = found.state == "failed"
    assert 0 < failed.sum() < 60
    roomy = (designs["acc.input_kib"] == 64) & (designs["acc.output_kib"] == 64)
    assert not failed[roomy & (designs["acc.weight_kib"] == 64)].any()


@dataclass(frozen=True)
class TwoLayers:
    """A small layer, and `large` times one that needs a large buffer."""

    name: str = "two layers"
    version: str = "1"
    columns: tuple[str, ...] = ("large",)
    settings: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, str] = field(default_factory=dict)

    def shapes(self, d: Columns) -> LayerShapes:
        count = np.asarray(d["large"], float)
        return LayerShapes.join(
            [
                LayerShapes.convolution(8, 8, 1, np.full(len(count), 4)),
                LayerShapes.convolution(512, 512, 7, 224, count=count),
            ]
        )

    def quality(self, d: Columns, shapes: LayerShapes | None = None) -> Mapping[str, Any]:
        return {}


@dataclass(frozen=True)
class Small(TwoLayers):
    """The small layer alone."""

    columns: tuple[str, ...] = ()

    def shapes(self, d: Columns) -> LayerShapes:
        return LayerShapes.convolution(8, 8, 1, 4)


@pytest.mark.parametrize("cores", [1, 2])
def test_a_layer_that_a_network_lacks_needs_no_buffer(cores: int) -> None:
    space = (
        accelerator_space(buffer_kib=[1], dataflows=SYSTOLIC)
        if cores == 1
        else heterogeneous_space(2, networks=["network"], buffer_kib=[1], dataflows=SYSTOLIC)
    )
    designs = space.sample(8, 0)
    columns = {name: designs[name] for name in designs.names}
    model = AcceleratorModel({"": TwoLayers()}, cores=cores)
    without = model.evaluate({**columns, "large": np.zeros(8)})  # type: ignore[arg-type]
    small = AcceleratorModel({"": Small()}, cores=cores).evaluate(designs)
    for name in model.metrics:
        assert np.isfinite(without[name]).all()
        assert np.asarray(without[name]) == pytest.approx(np.asarray(small[name])), name
    found = model.evaluate({**columns, "large": np.ones(8)})  # type: ignore[arg-type]
    assert np.isnan(np.asarray(found["latency_ms"])).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": "maestro"}, "model='maestro' is unknown; known are mapped, systolic"),
        ({"aim": "area"}, "aim='area' is unknown; known are latency, energy, edp"),
        ({"assignment": "random"}, "assignment='random' is unknown; known are earliest, network, segment"),
        ({"cores": 5}, "cores=5 must be 1 to 4"),
        ({"bandwidth_gb_s": 0}, "bandwidth_gb_s=0 must be positive"),
        ({"networks": {}}, "runs at least one network"),
        ({"networks": {"": RESNET, "two": RESNET}}, "of several networks each needs a prefix"),
    ],
)
def test_bad_settings_name_the_mend(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ProblemError, match=message):
        AcceleratorModel(**{"networks": {"": RESNET}, **changed})


def test_spaces_and_models_agree_on_shares_and_parts() -> None:
    assert space_of_accelerators.SHARES == model_of_accelerators.SHARES
    assert space_of_accelerators.SEGMENTS == model_of_accelerators.SEGMENTS
    assert space_of_accelerators.ASSIGNMENTS == model_of_accelerators.ASSIGNMENTS


def test_no_designs_have_no_metrics() -> None:
    space = accelerator_space()
    found = AcceleratorModel({"": RESNET}).evaluate(space.sample(3, 0).take(slice(0, 0)))
    assert {np.asarray(value).shape for value in found.values()} == {(0,)}
