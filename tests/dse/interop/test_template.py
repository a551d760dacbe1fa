"""A file with marked fields as a space, and designs as such files."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from dse import Integer, Minimize, Problem, Space, Study, cost_model
from dse.errors import DesignError, SpaceError
from dse.interop.template import Tagged, Template, joined_space, load

TEXT = """\
# A chip, as its team keeps it.
# dse: rows * columns <= 256
name: "chip-1"   # quotes stay
array: {rows: !choice {values: [8, 16, 32], name: rows}, columns: !range {low: 8, high: 32, step: 8,
  name: columns}}
memories:
  - name: local
    size: &size !choice [1024, 2048]  # bits
    nodes: !choice ["45nm", 16nm]
  - !Component
    name: shared
    size: *size
    serves: !choice
      - [D1]      # one
      - [D1, D2]

    # between two fields
    clock: !range [1e-3, 2.5]
pes: !expression rows * columns
half: !expression rows * columns / 2
label: !text "PE[0..{rows * columns - 1}]{{}}"
"""


def test_marked_fields_are_the_parameters() -> None:
    template = Template(TEXT)
    kinds = {item.name: (item.kind, item.to_dict()) for item in template.parameters}
    assert list(kinds) == [
        "rows", "columns", "memories.local.size", "memories.local.nodes", "memories.shared.serves",
        "memories.shared.clock",
    ]  # fmt: skip
    assert kinds["rows"] == ("ordinal", {"kind": "ordinal", "name": "rows", "values": [8, 16, 32]})
    assert template.space["columns"] == Integer("columns", 8, 32, step=8)
    assert kinds["memories.local.nodes"][1]["choices"] == ["45nm", "16nm"]
    assert kinds["memories.shared.serves"][1]["choices"] == ["[D1]", "[D1, D2]"]
    assert kinds["memories.shared.clock"][0] == "real"
    assert [rule.name for rule in template.space.constraints] == ["rows * columns <= 256"]


def test_a_design_is_the_file_with_its_values_and_nothing_else_changed() -> None:
    template = Template(TEXT)
    text = template.render({
        "rows": 16, "columns": 16, "memories.local.size": 2048, "memories.local.nodes": "45nm",
        "memories.shared.serves": "[D1, D2]", "memories.shared.clock": 1e-3, "latency_ms": 3.0,
    })  # fmt: skip
    assert text == (
        '# A chip, as its team keeps it.\n# dse: rows * columns <= 256\nname: "chip-1"   # quotes stay\n'
        "array: {rows: 16, columns: 16}\nmemories:\n  - name: local\n    size: &size 2048  # bits\n"
        '    nodes: "45nm"\n  - !Component\n    name: shared\n    size: *size\n    serves: [D1, D2]\n\n'
        "    # between two fields\n    clock: 0.001\npes: 256\nhalf: 128\nlabel: 'PE[0..255]{}'\n"
    )


def test_every_design_comes_back_from_its_file() -> None:
    template = Template(TEXT)
    for design in template.space.sample(50, 0).rows():
        text = template.render(design)
        assert template.design(text) == design
        # What a tool reads is what the content says.
        assert load(text, "rendered") == template.content(design)
        assert re.sub(r"\s+!Component", "", text).count("!") == 0
        plain = yaml.safe_load(text.replace("!Component", ""))
        assert plain["pes"] == design["rows"] * design["columns"]
        assert plain["memories"][1]["size"] == design["memories.local.size"]


def test_columns_stand_in_the_place_of_marks() -> None:
    template = Template(TEXT)
    designs = template.space.sample(20, 1)
    content = template.content({name: designs[name] for name in template.space.names})
    np.testing.assert_array_equal(content["array"]["rows"], designs["rows"])
    np.testing.assert_array_equal(content["pes"], designs["rows"] * designs["columns"])
    shared = content["memories"][1]
    assert isinstance(shared, Tagged)
    assert shared.value["size"] is content["memories"][0]["size"]
    for row, design in enumerate(designs.rows()):
        one = template.content(design)
        assert content["label"][row] == one["label"]
        assert shared.value["serves"][row] == one["memories"][1].value["serves"]


def test_json_stays_json() -> None:
    text = (
        '{"tile": {"!choice": [16, 32]}, "kind": [{"!choice": ["a", "b, c"]}],\n'
        ' "size": {"!expression": "tile * 2"}}'
    )
    template = Template(text, name="kernel.json")
    assert template.space.names == ("tile", "kind_0")
    made = template.render({"tile": 32, "kind_0": "b, c"})
    assert json.loads(made) == {"tile": 32, "kind": ["b, c"], "size": 64}
    assert "\n" in made


def test_fields_are_marked_from_outside_by_path() -> None:
    text = "a: 1  # one\nb:\n  - {name: x, size: 4}\n  - {name: y, size: 8}\nc: [1, 2]\nd: 3\n"
    template = Template(
        text,
        marks={
            "a": [1, 2],
            "b.y.size": {"low": 8, "high": 64},
            "c[1]": Integer("depth", 1, 4),
            "d": "depth * 3",
        },
    )
    assert template.space.names == ("a", "b.y.size", "depth")
    assert template.render({"a": 2, "b.y.size": 9, "depth": 4}) == (
        "a: 2  # one\nb:\n  - {name: x, size: 4}\n  - {name: y, size: 9}\nc: [1, 4]\nd: 12\n"
    )
    with pytest.raises(SpaceError, match=r"has no field 'b.z.size'; did you mean 'b.[xy].size'"):
        Template(text, marks={"b.z.size": [1, 2]})


def test_conditional_parameters() -> None:
    template = Template(
        "kind: !choice {values: [plain, split], name: kind}\n"
        "parts: !choice {values: [2, 4], name: parts, active_if: \"kind == 'split'\"}\n"
    )
    assert template.space.count() == 3


def test_several_files_of_one_design_share_parameters() -> None:
    chip = Template("rows: !choice {values: [8, 16], name: rows}\n", name="chip.yaml")
    loops = Template(
        "D1: !text 'K, {rows}'\norder: !choice {values: [KC, CK], name: order}\n", name="map.yaml"
    )
    space = joined_space([chip, loops], ["rows <= 8"])
    assert (space.names, space.count()) == (("rows", "order"), 2)
    design = {"rows": 8, "order": "CK"}
    assert (chip.render(design), loops.render(design)) == ("rows: 8\n", "D1: 'K, 8'\norder: CK\n")
    with pytest.raises(
        SpaceError, match=r"map.yaml: D1 reads 'rows', which is no parameter; known are order"
    ):
        joined_space([loops])
    other = Template("rows: !choice {values: [4], name: rows}\n", name="other.yaml")
    with pytest.raises(SpaceError, match=r"two marks are named 'rows' and differ"):
        joined_space([chip, other])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "is no YAML"),
        ("", "is empty: give a YAML or JSON file"),
        ("a: 1\n", r"has no marked field: mark one, as in size: !choice"),
        ("x: 1\na: !choice []\n", r"chip.yaml, line 2: !choice needs a list of values"),
        ("a: !choice [1, 1.0]\n", r"line 1: !choice holds 1.0 twice"),
        ("a: !choice [1, !choice [2]]\n", "a mark within a mark"),
        ("a: !choice {of: [1]}\n", r"unknown key 'of'; known are values, name, ordered, active_if"),
        ("a: !range [1, 2, 3, 4]\n", "needs bounds and maybe a step"),
        ("a: !range {low: 1}\n", "lacks 'high'"),
        ("a: !range [5, 1]\n", "low=5 is above high=1"),
        ("a: !range [0.5, 2, 0.5]\n", "a step between fractions: list the values"),
        ("a: !expression b +\n", "cannot be parsed"),
        ("a: !expression __import__('os')\n", "is not a known function"),
        ("a: !expression 3 * 4\n", "reads no parameter: write its value"),
        ("a: !text 'x {'\n", r"a single '\{': double it"),
        ("a: !choice {values: [1], name: 2x}\n", "cannot stand in an expression"),
        ("a: &a [*a]\n", "an alias stands within what it names"),
        ("a: !choice [1, 2]\n# dse: a +\n", "cannot be parsed"),
    ],
)
def test_a_wrong_mark_says_where_and_what(text: str, message: str) -> None:
    with pytest.raises((SpaceError, ValueError), match=message):
        _ = Template(text, name="chip.yaml").space


def test_no_text_makes_it_slow_or_runs() -> None:
    bomb = "a: &a0 [1, 1]\n" + "".join(
        f"a{n}: &a{n} [{', '.join(f'*a{n - 1}' for _ in range(10))}]\n" for n in range(1, 12)
    )
    with pytest.raises(SpaceError, match="values by its aliases"):
        Template(f"{bomb}x: !choice [1, 2]\n")
    with pytest.raises(SpaceError, match="nested more than"):
        Template("[" * 500 + "]" * 500)
    content = Template("x: !choice [1, 2]\ny: !!python/object/apply:os.getcwd []\n", name="evil.yaml")
    with pytest.raises(SpaceError, match=r"evil.yaml cannot be read"):
        content.content({"x": 1})


def test_a_design_that_is_none_is_refused() -> None:
    template = Template("a: !choice [1, 2]\n", name="chip.yaml")
    with pytest.raises(DesignError, match="the design lacks 'a'"):
        template.render({"b": 1})
    with pytest.raises(DesignError, match="value 3 is outside its domain"):
        template.render({"a": 3})
    with pytest.raises(DesignError, match="has no field 'a'"):
        template.design("b: 1\n")


def test_a_simulator_that_reads_a_file_is_searched_in_ten_lines(tmp_path: Path) -> None:
    template = Template("tile: !choice [16, 32, 64]\nstages: !range [1, 5]\n# dse: tile * stages <= 128\n")

    @cost_model(metrics={"cycles": "", "kib": "KiB"}, columns=template.reads, per_design=True)
    def simulator(design: dict[str, Any]) -> dict[str, float]:
        config = tmp_path / "config.yaml"
        config.write_text(template.render(design))
        read = yaml.safe_load(config.read_text())
        return {"cycles": 1e4 / read["tile"] + read["stages"], "kib": read["tile"] * read["stages"]}

    assert isinstance(template.space, Space)
    problem = Problem(template.space, simulator, [Minimize("cycles"), Minimize("kib")])
    study = Study("simulated", problem, "exhaustive", store=f"sqlite:///{tmp_path}/dse.db")
    study.run()
    best = study.front().iloc[0]
    assert load(template.render(best), "best")["tile"] == best["tile"]
