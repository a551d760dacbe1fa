"""The study `quantization`, as its users run it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from dse import Study
from dse.cli import app
from dse.errors import DseError, ProblemError
from objectives.workloads import network
from studies.quantization import problem, study

CONFIG = {
    "model_type": "qwen2",
    "hidden_size": 128,
    "intermediate_size": 256,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 1000,
}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path


def test_three_commands_lead_from_a_config_to_a_recipe(config: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    run = CliRunner().invoke(
        app,
        ["run", "quantization", "--set", f"model={config}", "--set", "device=h200", "--budget", "300",
         "--name", "mine", "--store", store],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    front = CliRunner().invoke(app, ["front", "mine", "--format", "csv", "--store", store])
    number = front.output.splitlines()[1].split(",")[0]
    path = tmp_path / "recipe.json"
    export = CliRunner().invoke(
        app, ["export", "mine", "--design", number, "--to", "json", "--store", store, "-o", str(path)]
    )
    assert export.exit_code == 0, export.output
    recipe = json.loads(path.read_text())
    assert recipe["device"] == "h200"
    assert recipe["number"] == int(number)
    # Every layer that multiplies, the embedding, and every cache.
    layers = recipe["layers"]
    assert {name.partition(".")[0] for name in layers} == {"block0", "block1", "block2", "embedding", "head"}
    assert layers["embedding"] == {
        "weights": "bf16", "activations": "bf16", "pinned": True, "bits": {"weights": 16, "activations": 16},
    }  # fmt: skip
    query = layers["block1.attention.query"]
    assert query["weights"] == recipe["parameters"]["weights.block1.attention"]
    assert set(layers["block2.attention"]) == {"cache", "bits"}
    assert recipe["metrics"]["memory_mib"] > 0


def test_evaluations_are_exported_whole(config: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/dse.db"
    CliRunner().invoke(
        app,
        [
            "run",
            "quantization",
            "--set",
            f"model={config}",
            "--budget",
            "50",
            "--name",
            "a",
            "--store",
            store,
        ],
    )
    found = CliRunner().invoke(app, ["export", "a", "--to", "csv", "--store", store])
    assert len(found.output.splitlines()) == 51
    rows = json.loads(CliRunner().invoke(app, ["export", "a", "--store", store]).output)
    assert [row["number"] for row in rows] == list(range(50))
    path = tmp_path / "all.parquet"
    done = CliRunner().invoke(app, ["export", "a", "--to", "parquet", "--store", store, "-o", str(path)])
    assert done.exit_code == 0
    import pandas as pd

    assert len(pd.read_parquet(path)) == 50


def test_uniform_precision_is_evaluated_first() -> None:
    of = problem("resnet-18", weights="int4,int8", activations="int8,bf16", pinned="first,last")
    assert of.start is not None
    assert len(of.start) == 4
    row = next(of.start.rows())
    assert len({value for name, value in row.items() if name.startswith("weights.")}) == 1


def test_sixteen_bits_are_the_reference() -> None:
    of = problem("llama-3.2-1b", device="h200")
    reference = {objective.metric: objective.reference for objective in of.objectives}
    parameters = network("llama-3.2-1b").parameters
    cache = 2048 * network("llama-3.2-1b").cached
    assert reference["memory_mib"] == pytest.approx(2 * (parameters + cache) / 2**20)
    # Reading all of it once at the memory's bandwidth bounds a step of decoding.
    assert reference["decode_ms"] == pytest.approx(2e3 * (parameters + cache) / 4.8e12, rel=0.3)


@pytest.mark.parametrize("groups", ["layer", "part", "block", "kind", "network"])
def test_groups_give_as_many_choices(groups: str) -> None:
    of = problem("llama-3.2-1b", groups=groups)
    weights = [name for name in of.space.names if name.startswith("weights.")]
    assert len(weights) == {"layer": 80, "part": 32, "block": 16, "kind": 5, "network": 1}[groups]
    found = of.evaluate(of.space.sample(20, 0))
    assert not found.errors


@pytest.mark.parametrize(
    "name", ["resnet-50", "mobilenet-v2", "vit-b-16", "qwen2.5-0.5b", "bitnet-b1.58-2b4t"]
)
def test_every_bundled_network_is_costed(name: str) -> None:
    of = problem(name, groups="network", weights="int8,bf16", activations="bf16", cache="bf16")
    metrics = of.evaluate(of.start).metrics  # type: ignore[arg-type]
    size = {
        row["weights.all"]: value for row, value in zip(of.start.rows(), metrics["size_mib"], strict=True)
    }  # type: ignore[union-attr]
    assert size["bf16"] == pytest.approx(network(name).parameters * 2 / 2**20, rel=1e-9)
    # All noise is that of 16 bits where all is at 16 bits: a mean over what has a format.
    assert max(metrics["sqnr_db"]) == pytest.approx(52.9, abs=0.3)


def test_products_of_activations_have_no_choice() -> None:
    """As attention comes out of an ONNX file."""
    from objectives.devices import processor
    from objectives.quantization import AnalyticalQuality, QuantizationModel, grouped
    from objectives.workloads import LinearLayer, ProductLayer, Workload
    from spaces.quantization import quantization_space

    layers = (LinearLayer("a", 8, 8), ProductLayer("qk", 4, 8, 4, 2), LinearLayer("b", 8, 8))
    work = Workload("w", layers, "made up", unit="image")
    groups = grouped(work)
    assert [group.name for group in groups] == ["a", "b"]
    model = QuantizationModel(work, processor("tpu-v1"), groups, AnalyticalQuality(work))
    space = quantization_space(["a", "b"], weights=["int8"], activations=["int8"])
    found = model.evaluate(space.sample(1, 0))
    assert found.metrics["gbops"][0] == pytest.approx((64 * 64 * 2 + 2 * 4 * 8 * 4 * 64) * 1e-9)  # type: ignore[index]


def test_groups_can_be_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "groups.json"
    path.write_text(json.dumps({"outer": ["block0.*", "block15.*"], "down": ["*.down"], "inner": ["block*"]}))
    of = problem("llama-3.2-1b", groups=str(path))
    assert [name for name in of.space.names if name.startswith("weights.")] == [
        "weights.outer", "weights.down", "weights.inner",
    ]  # fmt: skip
    held = of.model.settings["groups"]
    assert "block0.feed_forward.down" in held["outer"]
    assert held["down"] == [f"block{index}.feed_forward.down" for index in range(1, 15)]
    for content, message in (
        ({"a": ["block0.*"]}, "layer 'block1.attention.query' of 'llama-3.2-1b' is in no group"),
        ({"a": ["*", "layer1"]}, "group 'a': 'layer1' is no layer"),
        ({"a": "block*"}, "group 'a' must be a list"),
        ({"my group": ["*"]}, "group name 'my group' cannot stand"),
        (["a"], "must hold an object"),
    ):
        path.write_text(json.dumps(content))
        with pytest.raises(DseError, match=message):
            problem("llama-3.2-1b", groups=str(path))


def test_ilp_front_is_no_worse_than_a_genetic_one(tmp_path: Path) -> None:
    """Exact with two objectives: nothing that NSGA-II finds dominates any of its points."""
    of = problem("llama-3.2-1b", groups="kind", minimize="noise,memory_mib")
    exact = Study("i", of, searcher="ilp", store=f"sqlite:///{tmp_path}/a.db")
    exact.run(budget=2_000)
    other = Study("n", of, searcher="nsga2", store=f"sqlite:///{tmp_path}/b.db")
    other.run(budget=3_000)
    points = exact.front()[["noise", "memory_mib"]].to_numpy()
    for point in other.front()[["noise", "memory_mib"]].to_numpy():
        # Up to a millionth of the ranges, below which the sweep does not tell points apart.
        assert (points <= point * (1 + 1e-5) + 1e-7).all(1).any()
    assert exact.hypervolume() >= other.hypervolume() * (1 - 1e-6)


def test_better_formats_cost_more() -> None:
    of = problem("llama-3.1-8b", device="h200", groups="network", weights="int3_g32,int4_g128,int8,bf16",
                 activations="bf16", cache="bf16")  # fmt: skip
    rows = [{name: form if name.startswith("weights") else "bf16" for name in of.space.names}
            for form in ("int3_g32", "int4_g128", "int8", "bf16")]  # fmt: skip
    found = of.evaluate(of.space.designs(rows)).metrics
    assert (np.diff(found["noise"]) < 0).all()
    for metric in ("size_mib", "decode_ms", "energy_mj"):
        assert (np.diff(found[metric]) > 0).all()


def test_native_leaves_what_the_device_multiplies() -> None:
    of = problem(
        "resnet-18", device="tpu-v1", weights="int4,int8", activations="int8", native=True, pinned="none"
    )
    assert {value for name in of.space.names for value in of.space[name].listed} == {"int8"}  # type: ignore[attr-defined]
    with pytest.raises(ProblemError, match="tpu-v1 multiplies no pair"):
        problem("resnet-18", device="tpu-v1", weights="fp8_e4m3", activations="bf16", pinned="none")


def test_own_weights_and_sensitivities_are_used(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    layers = {layer.name: layer for layer in network("resnet-18").layers if layer.weights}
    arrays = {}
    for name, layer in layers.items():
        inputs = getattr(layer, "inputs", None) or layer.weights // layer.filters  # type: ignore[attr-defined]
        arrays[name] = rng.standard_t(3, size=(8, inputs))
    np.savez(tmp_path / "weights.npz", **arrays)
    (tmp_path / "s.json").write_text(json.dumps({"conv1": 100.0}))
    plain = problem("resnet-18", pinned="none", weights="int4", activations="bf16")
    own = problem("resnet-18", pinned="none", weights="int4", activations="bf16",
                  tensors=str(tmp_path / "weights.npz"), sensitivity=str(tmp_path / "s.json"))  # fmt: skip
    design = plain.space.sample(1, 0)
    noise = [of.evaluate(of.space.designs(list(design.rows()))).metrics["noise"][0] for of in (plain, own)]
    # Heavy tails leave fewer steps for the body.
    assert noise[1] > 1.5 * noise[0]
    assert plain.fingerprint != own.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": "llama"}, "workload 'llama' is no name"),
        ({"device": "x"}, "there is no device 'x'"),
        ({"groups": "pairs"}, "groups='pairs' is unknown"),
        ({"weights": "int9"}, "there is no number format 'int9'"),
        ({"weights": " , "}, "names nothing"),
        ({"pinned": "block99"}, "pinned='block99' is no layer"),
        ({"batch": 0}, "batch=0 must be a whole number"),
        ({"minimize": "beauty"}, "minimize='beauty' is no metric"),
        ({"evaluate": "measure"}, "takes model='digits'"),
        ({"inputs": "x.npz"}, "needs the network's weights"),
        ({"tensors": "nowhere.npz"}, "there is no such file"),
        ({"sensitivity": "nowhere.json"}, "cannot be read"),
        ({"weight_crest": 0.5}, "weight_crest=0.5 must be 1 or more"),
    ],
)
def test_wrong_settings_are_one_clear_line(settings: dict[str, object], message: str) -> None:
    with pytest.raises(DseError, match=message) as caught:
        study.build(settings)
    assert "\n" not in str(caught.value)


def test_digits_are_measured(tmp_path: Path) -> None:
    """A short run: the sensitivities' exact front is measured after uniform precision."""
    of = problem("digits", groups="layer", evaluate="measure", weights="int2,int3,int4,int8",
                 activations="int4,int8")  # fmt: skip
    assert of.prior is not None
    run = Study("d", of, searcher="bayesian", settings={"programs": 20}, store=f"sqlite:///{tmp_path}/d.db")
    run.run(budget=36)
    frame = run.evaluations()
    assert len(frame) == 36
    assert (frame.state != "failed").all()
    front = run.front()
    uniform = frame.iloc[:8]
    for row in uniform[uniform.state == "complete"].itertuples():
        assert ((front.accuracy_drop <= row.accuracy_drop) & (front.gbops <= row.gbops)).any()
