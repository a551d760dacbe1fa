"""The inner search: for each layer on each core, tiles of filters, channels and lines, and their order.

A tile of inputs, one of weights and one of partial sums are in half of their buffers while the next ones fill
the other half. One loop over tiles is innermost, and the operand that does not depend on it is fetched once;
the other two come anew in every round of the loop that they do not depend on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dse.errors import ProblemError
from objectives.accelerator.arrays import ARRAYS, FLAT, Array, Tile
from objectives.accelerator.hardware import BANK_BYTES, Hardware
from objectives.accelerator.work import Work, in_blocks
from objectives.workloads.shapes import LayerShapes

Floats = NDArray[np.float64]

AIMS = ("latency", "energy", "edp")

# Parts that channels and lines are cut into; 0 cuts them into single ones. Filters are cut as the rest
# allows.
_CHANNEL_PARTS = (1, 2, 4, 8, 32, 0)
_LINE_PARTS = (1, 2, 4, 8, 32, 0)

# Cases that are worked on at once: their arrays stay in a core's cache.
_BLOCK = 8192


def mapped(shapes: LayerShapes, hardware: Hardware, aim: str = "edp") -> Work:
    """Return the work of layers, each mapped as suits it best.

    Parameters
    ----------
    shapes
        Layers of as many networks as `hardware` has designs, or of one network.
    hardware
        Cores.
    aim
        What the mapping of each layer minimises: latency, energy, or edp, their product.

    Returns
    -------
    Work (n, layers); NaN where not even single channels and lines fit the buffers.

    Raises
    ------
    ProblemError
        If the aim is unknown.

    Notes
    -----
    Latency of a layer: the longest of the array's cycles, what each buffer gives at one word of 64 bits a
    bank, and what DRAM moves, and before and after them the first tile's operands and the last one's outputs.
    The array's pipeline is filled and drained once a layer. The energy that is minimised is that of buffers
    and DRAM: the rest does not depend on the mapping. Every tile is taken as large as the first.
    """
    if aim not in AIMS:
        raise ProblemError(f"aim={aim!r} is unknown; known are {', '.join(AIMS)}")
    return in_blocks(shapes, hardware, lambda name, part, cores: _Cases(name, part, cores).best(aim), _BLOCK)


def fetched(
    filter_tiles: Floats,
    channel_tiles: Floats,
    line_tiles: Floats,
    *,
    inputs: Floats,
    weights: Floats,
    partial: Floats,
) -> tuple[Floats, Floats, Floats]:
    """Return what moves of inputs, of weights and of partial sums, by the order of loops that moves least.

    Parameters
    ----------
    filter_tiles, channel_tiles, line_tiles
        Rounds of the loops: inputs do not depend on filters, weights not on lines, sums not on channels.
    inputs, weights
        All tiles of inputs, and of weights, once.
    partial
        All partial sums, out and back once.

    Notes
    -----
    Whatever is innermost, the operand that does not depend on it stays. The other two come anew in every
    round of the loop that they do not depend on: (rounds - 1) times more than once. If the innermost loop has
    one round, the next one around it is innermost, which is another of the three choices.
    """
    again_inputs, again_weights = (filter_tiles - 1) * inputs, (line_tiles - 1) * weights
    spilled = (channel_tiles - 1) * partial
    saved = np.maximum(np.maximum(again_inputs, again_weights), spilled)
    stay_inputs = again_inputs == saved
    stay_weights = ~stay_inputs & (again_weights == saved)
    return (
        inputs + np.where(stay_inputs, 0.0, again_inputs),
        weights + np.where(stay_weights, 0.0, again_weights),
        np.where(stay_inputs | stay_weights, spilled, 0.0),
    )


class _Cases:
    """Pairs of layer and core, flat, all of one dataflow."""

    def __init__(self, name: str, shapes: LayerShapes, hardware: Hardware) -> None:
        self.shape = np.broadcast_shapes(shapes.shape, (len(hardware.rows), 1))

        def by_layer(value: Floats) -> Floats:
            return np.broadcast_to(value, self.shape).ravel()

        def by_core(value: Floats) -> Floats:
            return np.broadcast_to(value[:, None], self.shape).ravel()

        self.groups = by_layer(shapes.groups)
        self.filters, self.channels = by_layer(shapes.filters), by_layer(shapes.channels)
        self.kernel_height, self.kernel_width = by_layer(shapes.kernel_height), by_layer(shapes.kernel_width)
        self.stride = by_layer(shapes.stride)
        self.lines, self.line = by_layer(shapes.height), by_layer(shapes.width)
        if name in FLAT:
            point = (self.kernel_height == 1) & (self.kernel_width == 1) & (self.stride == 1)
            self.lines, self.line = (
                np.where(point, self.lines * self.line, self.lines),
                np.where(point, 1.0, self.line),
            )
        else:
            # A product of matrices is a line; as columns of the image its rows would leave the array idle.
            single = self.lines == 1
            self.lines, self.line = np.where(single, self.line, self.lines), np.where(single, 1.0, self.line)
        self.bits, self.sum_bits = by_core(hardware.input_bits), by_core(hardware.sum_bits)
        self.weight_bits = by_core(hardware.weight_bits)
        self.array = Array(
            by_core(hardware.rows),
            by_core(hardware.columns),
            8 * by_core(hardware.register_bytes) / self.weight_bits,
        )
        self.run = ARRAYS[name]
        half = [4 * by_core(getattr(hardware, f"{item}_bytes")) for item in ("input", "weight", "output")]
        self.input_words, self.weight_words = half[0] / self.bits, half[1] / self.weight_bits
        self.sum_words = half[2] / self.sum_bits
        self.bank_bits = 8 * BANK_BYTES * by_core(hardware.banks)
        self.dram_bits_per_cycle = 8 * by_core(hardware.dram_bytes_per_cycle)
        self.pj = [
            by_core(hardware.buffer_pj_per_bit(size))
            for size in (hardware.input_bytes, hardware.weight_bytes, hardware.output_bytes)
        ]
        self.dram_pj = hardware.dram_pj_per_bit
        self.taps = self.kernel_height * self.kernel_width
        self.reach = (self.line - 1) * self.stride + self.kernel_width

    def best(self, aim: str) -> Work:
        """Return the work by the best of the candidates."""
        found: list[Floats] = []
        least = np.full(self.groups.shape, np.inf)
        for parts in _CHANNEL_PARTS:
            channels = np.ceil(self.channels / parts) if parts else np.ones_like(self.channels)
            for cut in _LINE_PARTS:
                lines = np.ceil(self.lines / cut) if cut else np.ones_like(self.lines)
                cost, fields = self._candidate(channels, lines, aim)
                better = cost < least
                if not found:
                    found = [np.where(better, value, np.nan) for value in fields]
                elif better.any():
                    for target, value in zip(found, fields, strict=True):
                        np.copyto(target, value, where=better)
                np.copyto(least, cost, where=better)
        return Work(*(value.reshape(self.shape) for value in found))

    def _candidate(self, channels: Floats, lines: Floats, aim: str) -> tuple[Floats, list[Floats]]:
        tile_inputs = channels * ((lines - 1) * self.stride + self.kernel_height) * self.reach
        pixels = lines * self.line
        fitting = np.floor(
            np.minimum(
                np.minimum(self.weight_words / (channels * self.taps), self.sum_words / pixels), self.filters
            )
        )
        fits = (tile_inputs <= self.input_words) & (fitting >= 1)
        fitting = np.maximum(fitting, 1.0)
        # Whole columns of the array, as far as there are, and then parts of equal size.
        whole = np.floor(fitting / self.array.columns) * self.array.columns
        filters = np.where((whole > 0) & (fitting < self.filters), whole, fitting)
        filter_tiles = np.ceil(self.filters / filters)
        channel_tiles = np.ceil(self.channels / channels)
        line_tiles = np.ceil(self.lines / lines)
        tiles = filter_tiles * channel_tiles * line_tiles
        use = self.run(
            Tile(
                filters,
                channels,
                lines,
                self.line,
                self.kernel_height,
                self.kernel_width,
                self.stride,
                self.groups,
            ),
            self.array,
        )

        outputs = self.filters * self.lines * self.line
        moved = fetched(
            filter_tiles,
            channel_tiles,
            line_tiles,
            inputs=channel_tiles * line_tiles * tile_inputs * self.bits,
            weights=self.filters * self.channels * self.taps * self.weight_bits,
            partial=2 * outputs * self.sum_bits,
        )
        dram_inputs, dram_weights = self.groups * moved[0], self.groups * moved[1]
        dram_outputs = self.groups * (moved[2] + outputs * self.bits)

        runs = self.groups * tiles
        passes = channel_tiles * use.passes
        read_inputs = runs * use.inputs * self.bits
        read_weights = runs * use.weights * self.weight_bits
        buffer_inputs, buffer_weights = read_inputs + dram_inputs, read_weights + dram_weights
        written = self.groups * outputs * self.sum_bits * passes
        buffer_outputs = 2 * written - self.groups * outputs * self.sum_bits + dram_outputs
        compute = runs * use.cycles
        moving = (dram_inputs + dram_weights + dram_outputs) / self.dram_bits_per_cycle
        # A bank reads a word while it writes another.
        serving = np.maximum(np.maximum(read_inputs, read_weights), written) / self.bank_bits
        first = tile_inputs * self.bits + filters * channels * self.taps * self.weight_bits
        last = filters * pixels * self.bits
        pipeline = self.array.rows + self.array.columns - 2
        cycles = np.maximum(np.maximum(compute, moving), serving) + pipeline
        cycles = cycles + (first + last) / self.dram_bits_per_cycle
        energy = (
            buffer_inputs * self.pj[0]
            + buffer_weights * self.pj[1]
            + buffer_outputs * self.pj[2]
            + (dram_inputs + dram_weights + dram_outputs) * self.dram_pj
        )
        cost = cycles if aim == "latency" else energy if aim == "energy" else cycles * energy
        # Of equals the one that moves less.
        cost = np.where(fits, cost * (1 + 1e-12 * np.log2(1 + energy)), np.inf)
        return cost, [
            cycles,
            compute,
            dram_inputs,
            dram_weights,
            dram_outputs,
            buffer_inputs,
            buffer_weights,
            buffer_outputs,
        ]
