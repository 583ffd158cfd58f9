#!/usr/bin/env python3
"""The schema that bluefly prints accepts what bluefly accepts, and refuses what a schema can refuse.

Usage: test_schema.py BLUEFLY
"""

import json
import subprocess
import sys
from pathlib import Path

from jsonschema import Draft202012Validator

GOLDEN = Path(__file__).parent.parent.parent / "protocol" / "tests" / "golden"
# Upstream refuses these when it reads them, for what one field says of another.
BEYOND_A_SCHEMA = {
    "060_err_concat_axes", "061_err_two_durations", "020_err_dup_axes",
}
# Whatever a field is, some of these are wrong, and some are right in an odd way.
PROBES = [None, True, False, 0, -1, 3, 2.5, 1e308, 2**53, 2**53 + 2, -1.0, 4.0, "", "x", "2", "-2", "+2", "0",
          "-0", " 7 ", "1_0", "1__0", "2.0", "2.5", ".5", "5.", "1e2", "1e", "-1e-3", "nan", "inf", "0x10", "yes",
          "OFF", "tRue", "2\u00a0", [], ["x"], [1, 2], {}, {"x": 1}]
# One place for each kind of value.
LEAVES = [
    ({"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 3}, "axis"),
    ({"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 3}, "start"),
    ({"type": "ConstantDuration", "constant_duration": 1}, "constant_duration"),
    ({"type": "Range", "axis": "x", "start": 0, "stop": 0, "step": 1}, "step"),
    ({"type": "Spiral", "x_axis": "x", "y_axis": "y", "x_centre": 0, "y_centre": 0, "x_diameter": 0.01,
      "x_step": 1}, "x_step"),
    ({"type": "Product", "outer": 2, "inner": {"type": "Static", "axis": "x", "value": 1}}, "outer"),
    ({"type": "Linspace", "axis": "x", "start": 0, "stop": 1, "num": 3}, "num"),
    ({"type": "Product", "outer": 2, "inner": {"type": "Static", "axis": "x", "value": 1}, "gap": True}, "gap"),
]


def whole(schema: dict, example: dict) -> dict:
    """The specification in which an object of a type stands where such an object may."""
    line = {"type": "Linspace", "start": 0, "stop": 1, "num": 5}
    grid = {"type": "Product", "outer": {**line, "axis": "y"}, "inner": {**line, "axis": "x"}}
    compound = schema["$defs"]["CompoundGenerator"]["examples"][0]
    regions = schema["$defs"]["Region"]["properties"]["type"]["enum"]
    kind = str(example.get("typeid", ""))
    if ":roi/" in kind:
        return {**compound, "excluders": [{**schema["$defs"]["ROIExcluder"]["examples"][0], "rois": [example]}]}
    if ":excluder/" in kind:
        return {**compound, "excluders": [example]}
    if ":mutator/" in kind:
        return {**compound, "mutators": [example]}
    if ":generator/" in kind and example.keys() != compound.keys():
        return {**compound, "generators": [example]}
    own = {"x_middle", "x_min", "x_verts", "min"} & example.keys()
    if example.get("type") in regions and (own or example["type"].endswith("Of")):
        return {"type": "Mask", "spec": grid, "region": example}
    return example


def main() -> None:
    bluefly = sys.argv[1]

    def accepted(spec: object) -> bool:
        run = subprocess.run([bluefly, "points", "-", "--num", "0", "--format", "none"], input=json.dumps(spec),
                             text=True, capture_output=True)
        assert run.returncode in (0, 2), (spec, run.stderr)
        return run.returncode == 0

    printed = subprocess.run([bluefly, "schema"], text=True, capture_output=True, check=True).stdout
    schema = json.loads(printed)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    golden = 0
    for path in sorted(GOLDEN.glob("*/*.json")):
        file = json.loads(path.read_text())
        spec = file.get("spec", file.get("generator"))
        if spec is None:
            continue
        refused = file.get("stage") == "deserialize" and path.stem not in BEYOND_A_SCHEMA
        assert validator.is_valid(spec) != refused, f"{path.name}: refused is {refused}"
        golden += 1
    assert golden >= 60, f"{golden} golden files"

    # Where nothing but the field itself is wrong, both say the same.
    leaves = 0
    for spec, field in LEAVES:
        for probe in PROBES:
            probed = {**spec, field: probe}
            assert validator.is_valid(probed) == accepted(probed), f"{field} = {probe!r} of {spec['type']}"
            leaves += 1

    # Elsewhere bluefly may know better, but the schema accepts no less.
    fields = known = 0
    for name, definition in schema["$defs"].items():
        for example in definition.get("examples", []):
            assert validator.is_valid(whole(schema, example)), f"the example of {name}"
            known += accepted(whole(schema, example))
            for field in example:
                for probe in (None, 0, -1, 0.5, "3", "y"):
                    probed = whole(schema, {**example, field: probe})
                    assert not accepted(probed) or validator.is_valid(probed), f"{field} = {probe!r} of {name}"
                    fields += 1
    assert known >= 34, f"{known} examples are accepted"
    assert fields >= 500, f"{fields} fields"
    print(f"schema: {golden} golden files, {leaves} values and {fields} fields agree")


if __name__ == "__main__":
    main()
