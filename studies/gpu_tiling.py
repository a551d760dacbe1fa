"""Tiles, warps, stages and splits of GPU kernels: time, energy and workspace, by model or measured."""

from __future__ import annotations

from dataclasses import replace

from dse import Minimize, Problem
from dse.definitions import StudyDefinition
from dse.errors import ProblemError
from dse.models import CostModel
from dse.space import Space
from objectives.devices import GPU, gpu
from objectives.gpu.attention import attention_model
from objectives.gpu.convolution import convolution_model
from objectives.gpu.shapes import AttentionShape, GemmShape
from objectives.gpu.simt_gemm import simt_gemm_model
from objectives.gpu.tensor_gemm import OPERANDS, tensor_gemm_model
from objectives.workloads import Workload, language_model
from spaces.gpu_tiling import (
    Limits,
    attention_space,
    convolution_space,
    simt_gemm_space,
    tensor_gemm_space,
)
from studies.settings import some_names

# Times slower than the roofline: beyond it no design is of interest.
WORST = 3.0


def problem(
    kernel: str = "gemm",
    device: str = "a100-sxm-80gb",
    workload: str = "llama-3.1-8b",
    layer: str = "all",
    tokens: int = 16,
    context: int = 4096,
    operands: str = "bf16",
    evaluate: str = "model",
    energy: bool = False,
) -> Problem:
    """Return the problem of tiling a kernel for the layers of a language model.

    Parameters
    ----------
    kernel
        gemm: matrix multiplications of the linear layers on matrix units; attention: fused attention;
        simt_gemm: the same multiplications in FP32 without matrix units; convolution: 15 x 15 in FP32 over
        4,096 x 4,096, whatever the workload.
    device
        A GPU of the catalogue, as in h200, rtx-3090, mi250x.
    workload
        The language model: a name, or a Hugging Face config.json.
    layer
        One of its linear layers, as in feed_forward.down; or all, which one tiling serves in turn.
    tokens
        Vectors that go through a layer together: the batch to decode, the prompt's length to prefill. For
        attention the queries.
    context
        Keys of attention.
    operands
        Formats to choose from, with commas between: fp16, bf16, tf32, fp32, fp8, int8, and weight-only
        bf16_int4, bf16_int6, fp16_int4, fp16_int6.
    evaluate
        model: analytical; measure: Triton on this machine's GPU (gemm and attention), with the analytical
        model as the prior.
    energy
        Whether to measure energy as well, by NVML. The model always estimates it.

    Notes
    -----
    The hypervolume's reference point is three times the roofline's time, that time at the board's power, and
    64 MiB.
    """
    chosen, target = language_model(workload), gpu(device)
    if evaluate not in ("model", "measure"):
        raise ProblemError(f"evaluate={evaluate!r} is unknown; known are model, measure")
    if kernel not in ("gemm", "attention", "simt_gemm", "convolution"):
        raise ProblemError(f"kernel={kernel!r} is unknown; known are gemm, attention, simt_gemm, convolution")
    if tokens < 1 or (context < tokens and kernel == "attention"):
        raise ProblemError(
            f"tokens={tokens!r} must be 1 or more, and for attention at most context={context}"
        )
    if kernel == "convolution":
        return _single(convolution_space(), convolution_model(target), target, kernel)
    if kernel == "simt_gemm":
        shapes = _shapes(chosen, layer, tokens)
        if len(shapes) > 1:
            raise ProblemError(f"layer={layer!r}: simt_gemm takes one layer, as in layer=feed_forward.down")
        shape = shapes[0]
        return _single(
            simt_gemm_space(shared_bytes=48 * 1024, threads=1024),
            simt_gemm_model(target, m=shape.m, n=shape.n, k=shape.k),
            target,
            kernel,
        )
    if not target.tensor_tflops:
        raise ProblemError(f"device={device!r} has no matrix units: use kernel=simt_gemm or convolution")
    if kernel == "attention":
        if chosen.heads is None:
            raise ProblemError(f"workload={workload!r} does not state its attention: choose another")
        heads, kv_heads, size = chosen.heads
        attended = AttentionShape(1, heads, kv_heads, tokens, context, size)
        space = attention_space(limits(target), head_size=size, group=heads // kv_heads)
        model: CostModel = attention_model(target, attended, operands=operands)
        prior: CostModel | None = None
        least = max(
            attended.flops / (target.tflops(operands) * 1e12),
            4.0 * kv_heads * context * size / (target.dram_gb_s * 1e9),
        )
        if evaluate == "measure":
            prior = attention_model(plain(target), attended, operands=operands)
            space, model = _measured_attention(target, attended, operands, energy)
        return _multiple(space, model, target, least, kernel, prior)
    formats = some_names("operands", operands)
    shapes = _shapes(chosen, layer, tokens)
    space = tensor_gemm_space(limits(target), operands=formats)
    model = tensor_gemm_model(target, shapes, operands=formats)
    least = sum(_roofline(target, shape, formats) for shape in shapes)
    prior = None
    if evaluate == "measure":
        prior = tensor_gemm_model(plain(target), shapes, operands=formats)
        space, model = _measured_gemm(target, shapes, formats, energy)
    return _multiple(space, model, target, least, kernel, prior)


def limits(device: GPU) -> Limits:
    """Return what a device can run, as a space takes it."""
    unit = device.multiprocessor
    return Limits(
        shared_bytes=int(unit.shared_block_kib * 1024),
        registers=unit.registers,
        registers_thread=unit.registers_thread,
        warp=unit.warp,
        mma_m=16,
        mma_n=8,
        mma_k_bytes=16,
        cluster=unit.cluster,
        specialisation=unit.cluster > 1,
        asynchronous_copy=unit.asynchronous_copy,
    )


def _shapes(workload: Workload, layer: str, tokens: int) -> list[GemmShape]:
    names = [item.name for item in workload.matrices]
    if layer != "all" and layer not in names:
        raise ProblemError(f"layer={layer!r} is unknown; known are all, {', '.join(names)}")
    return [
        GemmShape(tokens, item.outputs, item.inputs, item.count)
        for item in workload.matrices
        if layer in ("all", item.name)
    ]


def _roofline(device: GPU, shape: GemmShape, formats: list[str]) -> float:
    """Return the seconds in which no kernel of the formats can be faster."""

    def one(name: str) -> float:
        pair = OPERANDS[name]
        moved = shape.m * shape.k * pair.left + shape.n * shape.k * pair.right + 2 * shape.m * shape.n
        return max(
            2 * shape.m * shape.n * shape.k / (device.tflops(pair.native) * 1e12),
            moved / (device.dram_gb_s * 1e9),
        )

    return shape.count * min(one(name) for name in formats if name in OPERANDS)


def plain(device: GPU) -> GPU:
    """Return a device as the Triton kernels use it: without clusters and warps that only copy."""
    return replace(device, multiprocessor=replace(device.multiprocessor, cluster=1))


def _measured_gemm(
    device: GPU, shapes: list[GemmShape], formats: list[str], energy: bool
) -> tuple[Space, CostModel]:
    if len(formats) > 1:
        raise ProblemError(f"operands={','.join(formats)}: evaluate=measure takes one format at a time")
    from objectives.gpu.triton import TritonGemm

    space = tensor_gemm_space(limits(plain(device)), operands=formats, stream_k=False)
    # Weights are stored by outputs, as a linear layer has them.
    model = TritonGemm(shapes=tuple(shapes), operands=formats[0], transposed_b=True, energy=energy)
    return space, model


def _measured_attention(
    device: GPU, shape: AttentionShape, operands: str, energy: bool
) -> tuple[Space, CostModel]:
    from objectives.gpu.triton import TritonAttention

    group = shape.heads // shape.kv_heads
    space = attention_space(limits(plain(device)), head_size=shape.head_size, group=group)
    return space, TritonAttention(shapes=(shape,), operands=operands, energy=energy)


def _multiple(
    space: Space, model: CostModel, device: GPU, least: float, kernel: str, prior: CostModel | None
) -> Problem:
    worst = WORST * least
    objectives = [Minimize("time_ms", reference=1e3 * worst)]
    if "energy_mj" in model.metrics:
        objectives.append(Minimize("energy_mj", reference=1e3 * worst * device.board_w))
    objectives.append(Minimize("workspace_mib", reference=64.0))
    return Problem(space, model, objectives=objectives, name=f"gpu-tiling-{kernel}", prior=prior)


def _single(space: Space, model: CostModel, device: GPU, kernel: str) -> Problem:
    return Problem(
        space, model, objectives=[Minimize("time_ms"), Minimize("energy_mj")], name=f"gpu-tiling-{kernel}"
    )


study = StudyDefinition(
    "gpu-tiling",
    "tiles, warps, stages and splits of GPU kernels for language models: time, energy, workspace",
    problem,
    searcher="nsga2",
    budget=5_000,
)

if __name__ == "__main__":
    study.main()
