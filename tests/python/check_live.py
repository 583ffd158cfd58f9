#!/usr/bin/env python3
"""Follows the files of a `bluefly scan` with h5py while the scan runs.

    check_live.py BLUEFLY SPEC BEAMLINE DIR

Starts the scan in real time, opens its stream files with swmr=True as soon as they exist, and
watches the frames come: more every time, never fewer than committed, and each where it belongs
(the first pixel of a simulated frame is its index). Exit status 0 if all is right.
"""

import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np

DEADLINE_S = 60
SIZES = 5


def frames_on_disk(path):
    """How many frames are committed, having looked at each of them."""
    with h5py.File(path, "r", swmr=True, libver="latest") as file:
        committed = int(file["/entry/bluefly/committed"][0])
        data = file["/entry/data/data"]
        data.refresh()
        assert data.shape[0] >= committed, f"{path.name}: {data.shape[0]} rows, {committed} committed"
        index = data[:committed, 0, 0].astype(np.int64)
        assert (index == np.arange(committed)).all(), f"{path.name}: a frame is not at its index"
        return committed


def main(bluefly, spec, beamline, directory):
    command = [bluefly, "scan", spec, "--beamline", beamline, "--sim", "--out", directory]
    scan = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sizes, deadline = {}, time.monotonic() + DEADLINE_S
    while scan.poll() is None:
        assert time.monotonic() < deadline, "the scan does not end"
        for path in Path(directory).glob("*.h5"):
            try:
                committed = frames_on_disk(path)
            except OSError:
                continue  # not yet a file that can be followed
            seen = sizes.setdefault(path.name, [])
            assert not seen or committed >= seen[-1], f"{path.name}: fewer frames than before"
            seen.append(committed)
        time.sleep(0.05)
    assert scan.returncode == 0, f"the scan ended with {scan.returncode}"
    assert sizes, "no file was seen while the scan ran"
    for name, seen in sizes.items():
        assert len(set(seen)) >= SIZES, f"{name}: only {sorted(set(seen))} frames were seen"
        print(f"{name}: followed from {seen[0]} to {seen[-1]} frames, {len(set(seen))} sizes")


if __name__ == "__main__":
    main(*sys.argv[1:])
