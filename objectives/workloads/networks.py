"""Networks whose shapes are public."""

from __future__ import annotations

from dse.errors import ProblemError
from objectives.workloads.convolutional import MOBILENET_V2, RESNET_18, RESNET_50
from objectives.workloads.decoders import decoder
from objectives.workloads.vision_transformers import VIT_B_16
from objectives.workloads.workload import Workload

BITNET_B158_2B4T = decoder(
    "bitnet-b1.58-2b4t",
    "config.json of huggingface.co/microsoft/bitnet-b1.58-2B-4T; Ma et al., 'BitNet b1.58 2B4T Technical "
    "Report', arXiv:2504.12285 (2025)",
    hidden=2560,
    intermediate=6912,
    layers=30,
    heads=20,
    kv_heads=5,
    vocabulary=128_256,
    tied=True,
    block_parameters=2560 + 6912,  # norms before the last matrices of both parts
    weight_format="ternary",
)

BITNET_B158_LARGE = decoder(
    "bitnet-b1.58-large",
    "config.json of huggingface.co/1bitLLM/bitnet_b1_58-large, the 0.7B reproduction of Ma et al., 'The Era "
    "of 1-bit LLMs', arXiv:2402.17764 (2024)",
    hidden=1536,
    intermediate=4096,
    layers=24,
    heads=16,
    kv_heads=16,
    vocabulary=32_002,
    tied=True,
    block_parameters=1536 + 4096,
    weight_format="ternary",
)

BITNET_B158_3B = decoder(
    "bitnet-b1.58-3b",
    "config.json of huggingface.co/1bitLLM/bitnet_b1_58-3B, the 3B reproduction of Ma et al., 'The Era of "
    "1-bit LLMs', arXiv:2402.17764 (2024)",
    hidden=3200,
    intermediate=8640,
    layers=26,
    heads=32,
    kv_heads=32,
    vocabulary=32_002,
    tied=True,
    block_parameters=3200 + 8640,
    weight_format="ternary",
)

LLAMA_32_1B_INT4 = decoder(
    "llama-3.2-1b-int4",
    "config.json of huggingface.co/meta-llama/Llama-3.2-1B; weights taken as quantised to 4 bits",
    hidden=2048,
    intermediate=8192,
    layers=16,
    heads=32,
    kv_heads=8,
    vocabulary=128_256,
    tied=True,
    weight_format="int4",
)

LLAMA_32_1B = decoder(
    "llama-3.2-1b",
    "config.json of huggingface.co/meta-llama/Llama-3.2-1B",
    hidden=2048,
    intermediate=8192,
    layers=16,
    heads=32,
    kv_heads=8,
    vocabulary=128_256,
    tied=True,
    weight_format="bf16",
)

LLAMA_31_8B = decoder(
    "llama-3.1-8b",
    "config.json of huggingface.co/meta-llama/Llama-3.1-8B; Grattafiori et al., 'The Llama 3 Herd of "
    "Models', arXiv:2407.21783 (2024), table 3",
    hidden=4096,
    intermediate=14_336,
    layers=32,
    heads=32,
    kv_heads=8,
    vocabulary=128_256,
    weight_format="bf16",
)

LLAMA_31_70B = decoder(
    "llama-3.1-70b",
    "config.json of huggingface.co/meta-llama/Llama-3.1-70B; Grattafiori et al., 'The Llama 3 Herd of "
    "Models', arXiv:2407.21783 (2024), table 3",
    hidden=8192,
    intermediate=28_672,
    layers=80,
    heads=64,
    kv_heads=8,
    vocabulary=128_256,
    weight_format="bf16",
)

QWEN_25_05B = decoder(
    "qwen2.5-0.5b",
    "config.json of huggingface.co/Qwen/Qwen2.5-0.5B",
    hidden=896,
    intermediate=4864,
    layers=24,
    heads=14,
    kv_heads=2,
    vocabulary=151_936,
    tied=True,
    attention_bias=True,
    weight_format="bf16",
)

QWEN_25_7B = decoder(
    "qwen2.5-7b",
    "config.json of huggingface.co/Qwen/Qwen2.5-7B",
    hidden=3584,
    intermediate=18_944,
    layers=28,
    heads=28,
    kv_heads=4,
    vocabulary=152_064,
    attention_bias=True,
    weight_format="bf16",
)

NETWORKS = {
    workload.name: workload
    for workload in (
        BITNET_B158_2B4T,
        BITNET_B158_LARGE,
        BITNET_B158_3B,
        LLAMA_32_1B_INT4,
        LLAMA_32_1B,
        LLAMA_31_8B,
        LLAMA_31_70B,
        QWEN_25_05B,
        QWEN_25_7B,
        RESNET_18,
        RESNET_50,
        MOBILENET_V2,
        VIT_B_16,
    )
}


def network(name: str) -> Workload:
    """Return a network by name; raise `ProblemError` if there is none."""
    if name not in NETWORKS:
        raise ProblemError(f"there is no workload {name!r}; known are {', '.join(NETWORKS)}")
    return NETWORKS[name]
