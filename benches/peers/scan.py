"""Frames per second, CPU time and memory of bluefly, scanspec and scanpointgenerator, side by side.

    cargo build --release
    python3 benches/peers/scan.py target/release/bluefly --scanspec PYTHON --scanpointgenerator PYTHON

PYTHON is an interpreter that has the package. Every figure is of one process on one core, which is
measured as a whole; the rate is that of computing frames, without start-up, in chunks of 10,000 (bluefly: 4,096).
Rounds alternate between the programs, so that all see the same machine.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from math import pi, sqrt
from pathlib import Path

SCANSPEC = """
import json, sys, time
from scanspec.core import Path
from scanspec.specs import Spec
spec = Spec.deserialize(json.load(open(sys.argv[1])))
start, num = time.perf_counter(), 0
path = Path(spec.calculate())
while len(path):
    num += len(path.consume(10_000))
print(num, time.perf_counter() - start)
"""

SCANPOINTGENERATOR = """
import json, sys, time
from scanpointgenerator import CompoundGenerator
generator = CompoundGenerator.from_dict(json.load(open(sys.argv[1])))
start = time.perf_counter()
generator.prepare()
for first in range(0, generator.size, 10_000):
    generator.get_points(first, min(first + 10_000, generator.size))
print(generator.size, time.perf_counter() - start)
"""


def line(axis, start, stop, num):
    return {"type": "Linspace", "axis": axis, "start": start, "stop": stop, "num": num}


def product(outer, inner):
    return {"type": "Product", "outer": outer, "inner": inner}


def snake(spec):
    return {"type": "Snake", "spec": spec}


def fly(spec):
    timed = {"type": "ConstantDuration", "constant_duration": 0.1, "spec": spec}
    return {"type": "Fly", "spec": timed}


def line_generator(axis, start, stop, size, alternate):
    return {
        "typeid": "scanpointgenerator:generator/LineGenerator:1.0",
        "axes": [axis], "units": ["mm"], "start": [start], "stop": [stop],
        "size": size, "alternate": alternate,
    }


def compound(generators, excluders=()):
    return {
        "typeid": "scanpointgenerator:generator/CompoundGenerator:1.0",
        "generators": list(generators), "excluders": list(excluders), "mutators": [],
        "duration": 0.1, "continuous": True, "delay_after": 0.0,
    }


CIRCLE = {
    "typeid": "scanpointgenerator:excluder/ROIExcluder:1.0", "axes": ["x", "y"],
    "rois": [{"typeid": "scanpointgenerator:roi/CircularROI:1.0", "centre": [0.0, 0.0], "radius": 1.0}],
}
SPIRAL = {
    "typeid": "scanpointgenerator:generator/SpiralGenerator:1.0", "axes": ["x", "y"],
    "units": ["mm", "mm"], "centre": [0.0, 0.0], "radius": 1000.0 * sqrt(1 / pi), "scale": 1.0,
    "alternate": False,
}
ELLIPSE = {
    "type": "Ellipse", "x_axis": "x", "x_centre": 0, "x_diameter": 1999, "x_step": 1,
    "y_axis": "y", "y_centre": 0, "y_diameter": 1999, "y_step": 1, "snake": True,
}

# Name, as scanspec writes it, as scanpointgenerator writes it.
CASES = [
    (
        "grid 100 x 1000 x 100",
        fly(product(line("z", 0, 1, 100), product(snake(line("y", 0, 1, 1000)), snake(line("x", 0, 1, 100))))),
        compound([
            line_generator("z", 0, 1, 100, False),
            line_generator("y", 0, 1, 1000, True),
            line_generator("x", 0, 1, 100, True),
        ]),
    ),
    (
        "snake 1000 x 1000",
        fly(product(line("y", 0, 1, 1000), snake(line("x", 0, 1, 1000)))),
        compound([line_generator("y", 0, 1, 1000, False), line_generator("x", 0, 1, 1000, True)]),
    ),
    (
        "circle in 2000 x 2000",
        fly(ELLIPSE),
        compound(
            [line_generator("y", -1, 1, 2000, False), line_generator("x", -1, 1, 2000, True)], [CIRCLE]
        ),
    ),
    (
        "spiral of 1e6",
        fly({
            "type": "Spiral", "x_axis": "x", "x_centre": 0, "x_diameter": 10,
            "x_step": 10 * sqrt(pi / 4 / 1e6), "y_axis": "y", "y_centre": 0,
        }),
        compound([SPIRAL]),
    ),
]
ONE = (line("x", 0, 1, 1), compound([line_generator("x", 0, 1, 1, False)]))


def measured(command):
    """What a command prints, its CPU seconds and its peak of memory in MiB."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    text = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{' '.join(command)}: exit status {status}")
    return text, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def rate(text):
    """Points per second of `N frames in S s (...)` or `N S`."""
    words = text.split()
    return int(words[0]) / max(float(words[3] if "frames" in words else words[1]), 1e-9)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("bluefly")
    parser.add_argument("--scanspec")
    parser.add_argument("--scanpointgenerator")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    folder = Path(tempfile.mkdtemp())
    programs = [("bluefly", 0, lambda path: [arguments.bluefly, "points", path, "--format", "none"])]
    programs.append(("bluefly (spg file)", 1, programs[0][2]))
    if arguments.scanspec:
        programs.append(("scanspec", 0, lambda path: [arguments.scanspec, "-c", SCANSPEC, path]))
    if arguments.scanpointgenerator:
        script = SCANPOINTGENERATOR
        programs.append(
            ("scanpointgenerator", 1, lambda path: [arguments.scanpointgenerator, "-c", script, path])
        )

    def file(name, spec):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(spec))
        return str(path)

    base = {}
    for name, form, command in programs:
        base[name] = measured(command(file(f"one{form}", ONE[form])))[2]
    print(f"{'case':24} {'program':20} {'M points/s':>10} {'[best]':>8} {'CPU s':>8} {'MiB':>7} {'above base':>10}")
    for number, (case, *forms) in enumerate(CASES):
        rows = {name: [] for name, _, _ in programs}
        for _ in range(arguments.rounds):
            for name, form, command in programs:
                rows[name].append(measured(command(file(f"{number}-{form}", forms[form]))))
        for name, _, _ in programs:
            rates = [rate(text) / 1e6 for text, _, _ in rows[name]]
            cpu = statistics.median(cpu for _, cpu, _ in rows[name])
            memory = max(memory for _, _, memory in rows[name])
            print(
                f"{case:24} {name:20} {statistics.median(rates):10.2f} {max(rates):8.2f} {cpu:8.3f} "
                f"{memory:7.1f} {memory - base[name]:10.1f}"
            )


if __name__ == "__main__":
    main()
