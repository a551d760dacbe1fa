"""Small files of the tools' kinds, with marked fields."""

from __future__ import annotations

from typing import Any

import yaml


def memory(size: str, operands: str, width: str, served: str) -> str:
    ways = [f"{one}, {way}" for one in operands.split(", ") for way in ("fh", "tl")]
    ways += ["O, fl", "O, th"] if "O" in operands else []
    port = (
        f"[{{name: rw_port_1, type: read_write, bandwidth_min: 8, bandwidth_max: {width}, "
        f"allocation: {yaml.safe_dump(ways, default_flow_style=True, width=1000).strip()}}}]"
    )
    return (
        f"{{size: {size}, r_cost: 1.0, w_cost: 1.0, area: 2.0, latency: 1, operands: [{operands}], "
        f"ports: {port}, served_dimensions: {served}}}"
    )


# One buffer an operand, as our cores have.
ZIGZAG = f"""\
name: small
memories:  # from the array outwards
  register: {memory("16", "I2", "8", "[]")}
  inputs: {memory("!choice {values: [131072, 262144], name: buffer}", "I1", "256", "[D1, D2]")}
  weights: {memory("!expression buffer * 2", "I2", "256", "[D1, D2]")}
  outputs: {memory("!expression buffer", "O", "256", "[D1, D2]")}
  dram: {memory("10000000000", "I1, I2, O", "!choice {values: [64, 128], name: dram}", "[D1, D2]")}
operational_array:
  input_precision: [8, 8]
  unit_energy: 0.04
  unit_area: 1
  dimensions: [D1, D2]
  sizes: [!choice {{values: [8, 16], name: rows}}, !choice {{values: [8, 16, 32], name: columns}}]
# dse: rows * columns <= 256
"""

MAPPING = """\
- name: default
  spatial_mapping:
    D1: [!text "C, {rows}"]
    D2: [!text "K, {columns}"]
  memory_operand_links: {O: O, W: I2, I: I1}
"""

# A memory of two operands, and weights that come straight from DRAM.
SHARED = f"""\
name: shared
memories:
  register: {memory("1024", "I2", "8", "[]")}
  sram: {memory("!choice {values: [1048576, 2097152], name: sram}", "I1, O", "512", "[D1, D2]")}
  dram: {memory("10000000000", "I1, I2, O", "64", "[D1, D2]")}
operational_array: {{unit_energy: 0.04, unit_area: 1, dimensions: [D1, D2], sizes: [8, 16]}}
"""

LAYER: dict[str, Any] = {
    "id": 0,
    "name": "product",
    "operator_type": "Gemm",
    "equation": "O[b][k]+=I[b][c]*W[c][k]",
    "dimension_relations": [],
    "loop_dims": ["B", "C", "K"],
    "loop_sizes": [16, 32, 64],
    "operand_precision": {"I": 8, "W": 8, "O": 24, "O_final": 8},
    "operand_source": {"I": 0, "W": 0},
}

TIMELOOP = """\
variables: {global_cycle_seconds: 2e-9, technology: "45nm", word: 8}
architecture:
  version: 0.4
  nodes:  # from the outside inwards
  - !Component
    name: DRAM
    class: DRAM
    attributes: {width: 64, datawidth: 8, shared_bandwidth: 16}
  - !Container
    name: chip
  - !Parallel
    nodes:
    - !Component
      name: inputs_buffer
      class: SRAM
      attributes:
        depth: !choice {values: [1024, 2048], name: depth}
        width: 64 * 2
        datawidth: word
        read_bandwidth: 32
      constraints: {dataspace: {keep: [Inputs], bypass: [Weights, Outputs]}}
    - !Component
      name: weights_buffer
      class: smartbuffer_SRAM
      attributes: {memory_depth: 2048, memory_width: 128, datawidth: 8, read_bandwidth: 32}
      constraints: {dataspace: {keep_only: [Weights]}}
    - !Component
      name: outputs_buffer
      class: storage
      subclass: SRAM
      attributes: {depth: 512, width: 256, datawidth: 32, read_bandwidth: 8}
      constraints: {dataspace: {keep: [Outputs]}}
  - !Container
    name: PE
    spatial: {meshX: !range {low: 8, high: 32, step: 8, name: columns}, meshY: 16}
    constraints: {spatial: {permutation: [C, M]}}
  - !Component
    name: register
    class: regfile
    attributes: {depth: 1, width: 8, datawidth: 8}
    constraints: {dataspace: {keep_only: [Weights]}}
  - !Component
    name: mac
    class: intmac
    attributes: {datawidth: 8}
"""

TIMELOOP_3 = """\
architecture:
  version: 0.3
  subtree:
  - name: system
    local:
    - name: DRAM
      class: DRAM
      attributes: {width: 64, word-bits: 16, shared_bandwidth: 4}
    subtree:
    - name: chip
      attributes: {technology: "45nm"}
      local:
      - name: buffer
        class: SRAM
        attributes: {depth: !choice {values: [8192, 16384], name: depth}, width: 64, word-bits: 16,
                     read_bandwidth: 4}
      subtree:
      - name: PE[0..255]
        local:
        - name: spad
          class: regfile
          attributes: {depth: 192, width: 16, word-bits: 16, meshX: 16}
        - name: mac
          class: intmac
          attributes: {datawidth: 16, meshX: 16}
architecture_constraints:
  targets:
  - {target: spad, type: bypass, keep: [Weights], bypass: [Inputs, Outputs]}
  - {target: spad, type: temporal, permutation: PQRS}
"""
