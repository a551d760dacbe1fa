"""Language models: blocks of attention and a feed-forward network, or experts in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dse.errors import ProblemError
from objectives.workloads.layers import AttentionLayer, EmbeddingLayer, Layer, LinearLayer
from objectives.workloads.workload import HEAD, Workload


@dataclass(frozen=True)
class Experts:
    """A mixture of gated feed-forward networks, of which a router chooses some for a token.

    Attributes
    ----------
    count, chosen
        Experts, and those that a token goes through.
    intermediate
        Width of each.
    shared
        Width of one that every token goes through; 0 where there is none.
    shared_gate
        Whether a number computed from the token scales the shared one.
    dense_blocks
        Blocks with a plain feed-forward network instead.
    """

    count: int
    chosen: int
    intermediate: int
    shared: int = 0
    shared_gate: bool = False
    dense_blocks: frozenset[int] = frozenset()


def decoder(
    name: str,
    source: str,
    *,
    hidden: int,
    intermediate: int,
    layers: int,
    heads: int,
    kv_heads: int,
    vocabulary: int,
    head_size: int | None = None,
    tied: bool = False,
    attention_bias: bool = False,
    output_bias: bool = False,
    feed_forward_bias: bool = False,
    head_bias: bool = False,
    gated: bool = True,
    norms: int = 2,
    last_norms: int = 1,
    block_parameters: int = 0,
    windows: Sequence[int | None] | None = None,
    experts: Experts | None = None,
    weight_format: str = "ternary",
) -> Workload:
    """Return a decoder with grouped-query attention and a feed-forward network or experts.

    Parameters
    ----------
    hidden, intermediate, layers, heads, kv_heads, vocabulary
        ``hidden_size``, ``intermediate_size``, ``num_hidden_layers``, ``num_attention_heads``,
        ``num_key_value_heads`` and ``vocab_size`` of a Hugging Face ``config.json``.
    head_size
        ``hidden / heads`` by default.
    tied
        Whether the output shares the embedding's weights (``tie_word_embeddings``).
    attention_bias, output_bias, feed_forward_bias, head_bias
        Whether there are biases of queries, keys and values; of the attention's output; of the feed-forward
        network; of the projection to the vocabulary.
    gated
        Whether the feed-forward network multiplies two projections (SwiGLU, GeGLU), or has only one.
    norms, last_norms
        Vectors of ``hidden`` elements that norms hold in a block, and after the last. A norm has one of
        scales; a layer norm has one of biases, too.
    block_parameters
        Parameters of a block beside, as those of norms of another width.
    windows
        A block's `AttentionLayer.window`; by default all blocks see all keys.
    experts
        What replaces the feed-forward networks.
    weight_format
        Of the weights, as in `Workload`.

    Raises
    ------
    ProblemError
        If a size is not positive, or sizes do not go together.
    """
    if head_size is None and hidden % heads:
        raise ProblemError(f"workload {name!r}: heads={heads} must divide hidden={hidden}, or give head_size")
    if windows is not None and len(windows) != layers:
        raise ProblemError(f"workload {name!r}: {len(windows)} windows for {layers} layers: give one each")
    size = head_size if head_size is not None else hidden // heads
    built: list[Layer] = [EmbeddingLayer("embedding", vocabulary, hidden)]
    for index in range(layers):
        at = f"block{index}."
        window = None if windows is None else windows[index]
        built += [
            LinearLayer(f"{at}attention.query", hidden, heads * size, bias=attention_bias),
            LinearLayer(f"{at}attention.key_value", hidden, kv_heads * size, 2, bias=attention_bias),
            AttentionLayer(f"{at}attention", heads, kv_heads, size, window=window),
            LinearLayer(f"{at}attention.output", heads * size, hidden, bias=output_bias),
        ]
        if experts is None or index in experts.dense_blocks:
            first = "gate_up" if gated else "up"
            built += [
                LinearLayer(
                    f"{at}feed_forward.{first}",
                    hidden,
                    intermediate,
                    2 if gated else 1,
                    bias=feed_forward_bias,
                ),
                LinearLayer(f"{at}feed_forward.down", intermediate, hidden, bias=feed_forward_bias),
            ]
        else:
            built += _mixture(at, hidden, experts)
    built.append(LinearLayer(HEAD, hidden, vocabulary, bias=head_bias, tied=tied))
    other = (norms * hidden + block_parameters) * layers + last_norms * hidden
    return Workload(name, tuple(built), source, weight_format, other_parameters=other)


def _mixture(at: str, hidden: int, experts: Experts) -> list[Layer]:
    count, chosen, width = experts.count, experts.chosen, experts.intermediate
    built: list[Layer] = [
        LinearLayer(f"{at}experts.router", hidden, count),
        LinearLayer(f"{at}experts.gate_up", hidden, width, 2 * count, active=2 * chosen),
        LinearLayer(f"{at}experts.down", width, hidden, count, active=chosen),
    ]
    if experts.shared:
        built += [
            LinearLayer(f"{at}shared_expert.gate_up", hidden, experts.shared, 2),
            LinearLayer(f"{at}shared_expert.down", experts.shared, hidden),
        ]
    if experts.shared_gate:
        built.append(LinearLayer(f"{at}shared_expert.gate", hidden, 1))
    return built
