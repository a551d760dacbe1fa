"""Networks whose shapes are public."""

from __future__ import annotations

from dse.errors import ProblemError
from objectives.workloads.workload import LinearLayer, Workload


def llama_like(
    name: str,
    source: str,
    *,
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    kv_heads: int,
    head_size: int | None = None,
    weight_format: str = "ternary",
) -> Workload:
    """Return the linear layers of a decoder with grouped-query attention and a gated feed-forward network.

    Parameters
    ----------
    hidden, intermediate, layers, heads, kv_heads
        ``hidden_size``, ``intermediate_size``, ``num_hidden_layers``, ``num_attention_heads`` and
        ``num_key_value_heads`` of a Hugging Face ``config.json``.
    head_size
        ``hidden / heads`` by default.
    weight_format
        Of the weights, as in `Workload`.
    """
    size = head_size if head_size is not None else hidden // heads
    return Workload(
        name,
        (
            LinearLayer("attention.query", hidden, heads * size, layers),
            LinearLayer("attention.key_value", hidden, kv_heads * size, 2 * layers),
            LinearLayer("attention.output", heads * size, hidden, layers),
            LinearLayer("feed_forward.gate_up", hidden, intermediate, 2 * layers),
            LinearLayer("feed_forward.down", intermediate, hidden, layers),
        ),
        source,
        weight_format,
        (heads, kv_heads, size),
    )


BITNET_B158_2B4T = llama_like(
    "bitnet-b1.58-2b4t",
    "config.json of huggingface.co/microsoft/bitnet-b1.58-2B-4T; Ma et al., 'BitNet b1.58 2B4T Technical "
    "Report', arXiv:2504.12285 (2025)",
    hidden=2560,
    intermediate=6912,
    layers=30,
    heads=20,
    kv_heads=5,
)

BITNET_B158_LARGE = llama_like(
    "bitnet-b1.58-large",
    "config.json of huggingface.co/1bitLLM/bitnet_b1_58-large, the 0.7B reproduction of Ma et al., 'The Era "
    "of 1-bit LLMs', arXiv:2402.17764 (2024)",
    hidden=1536,
    intermediate=4096,
    layers=24,
    heads=16,
    kv_heads=16,
)

BITNET_B158_3B = llama_like(
    "bitnet-b1.58-3b",
    "config.json of huggingface.co/1bitLLM/bitnet_b1_58-3B, the 3B reproduction of Ma et al., 'The Era of "
    "1-bit LLMs', arXiv:2402.17764 (2024)",
    hidden=3200,
    intermediate=8640,
    layers=26,
    heads=32,
    kv_heads=32,
)

LLAMA_32_1B_INT4 = llama_like(
    "llama-3.2-1b-int4",
    "config.json of huggingface.co/meta-llama/Llama-3.2-1B; weights taken as quantised to 4 bits",
    hidden=2048,
    intermediate=8192,
    layers=16,
    heads=32,
    kv_heads=8,
    weight_format="int4",
)

LLAMA_32_1B = llama_like(
    "llama-3.2-1b",
    "config.json of huggingface.co/meta-llama/Llama-3.2-1B",
    hidden=2048,
    intermediate=8192,
    layers=16,
    heads=32,
    kv_heads=8,
    weight_format="bf16",
)

LLAMA_31_8B = llama_like(
    "llama-3.1-8b",
    "config.json of huggingface.co/meta-llama/Llama-3.1-8B; Grattafiori et al., 'The Llama 3 Herd of "
    "Models', arXiv:2407.21783 (2024), table 3",
    hidden=4096,
    intermediate=14_336,
    layers=32,
    heads=32,
    kv_heads=8,
    weight_format="bf16",
)

LLAMA_31_70B = llama_like(
    "llama-3.1-70b",
    "config.json of huggingface.co/meta-llama/Llama-3.1-70B; Grattafiori et al., 'The Llama 3 Herd of "
    "Models', arXiv:2407.21783 (2024), table 3",
    hidden=8192,
    intermediate=28_672,
    layers=80,
    heads=64,
    kv_heads=8,
    weight_format="bf16",
)

QWEN_25_7B = llama_like(
    "qwen2.5-7b",
    "config.json of huggingface.co/Qwen/Qwen2.5-7B",
    hidden=3584,
    intermediate=18_944,
    layers=28,
    heads=28,
    kv_heads=4,
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
        QWEN_25_7B,
    )
}


def network(name: str) -> Workload:
    """Return a network by name; raise `ProblemError` if there is none."""
    if name not in NETWORKS:
        raise ProblemError(f"there is no workload {name!r}; known are {', '.join(NETWORKS)}")
    return NETWORKS[name]
