"""Follows a stream file with h5py while it is written, then kills its writer and reads it again.

Usage: check_storage.py TEST_BINARY [TRIALS]

TEST_BINARY is the integration-test binary, of which the ignored test `storage::kill::writer` is the
writer: row i of /entry/data/x is 10 i, a pixel of frame i is 10 i modulo 65,536.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np

WRITER = ["--exact", "--ignored", "--nocapture", "storage::kill::writer"]


def check_rows(file: h5py.File, start: int) -> int:
    """Compares the committed rows from `start` on with what was written; how many are committed."""
    counter, x, camera = (file[name] for name in ("/entry/bluefly/committed", "/entry/data/x", "/entry/detector/data"))
    # The counter first: what it counts is there, what came after it may not be.
    counter.refresh()
    committed = int(counter[0])
    x.refresh()
    camera.refresh()
    frames = np.arange(start, committed)
    np.testing.assert_array_equal(x[start:committed], 10.0 * frames)
    images = camera[start:committed]
    assert images.shape[1:] == (2, 3)
    np.testing.assert_array_equal(images, np.broadcast_to((10 * frames % 65536)[:, None, None], images.shape))
    return committed


def follow(path: Path, until_s: float) -> tuple[int, int]:
    """Reads new rows as they appear; how many, in how many steps."""
    with h5py.File(path, "r", swmr=True) as file:
        committed = steps = 0
        while time.monotonic() < until_s:
            now = check_rows(file, committed)
            assert now >= committed, f"the counter went from {committed} to {now}"
            steps += now > committed
            committed = now
            time.sleep(0.002)
    return committed, steps


def trial(binary: str, seed: int) -> None:
    duration_s = random.Random(seed).uniform(0.2, 1.2)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "a.h5"
        environment = {**os.environ, "BLUEFLY_TEST_STREAM": str(path)}
        writer = subprocess.Popen([binary, *WRITER], env=environment, stdout=subprocess.PIPE, text=True)
        try:
            for line in writer.stdout:
                if line.startswith("committed"):
                    break
            seen, steps = follow(path, time.monotonic() + duration_s)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        told = [int(line.split()[1]) for line in writer.stdout if line.startswith("committed") and line.endswith("\n")]
        with h5py.File(path, "r", swmr=True) as file:
            committed = check_rows(file, 0)
        assert committed >= max([seen, *told]), f"seed {seed}: {committed} rows of {seen}, {told[-1:]}"
        assert steps > 1, f"seed {seed}: the file did not grow while it was read"
        print(f"seed {seed}: followed {seen} rows in {steps} steps, {committed} rows after the kill")


def main() -> None:
    binary, trials = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10
    for seed in range(trials):
        trial(binary, seed)


if __name__ == "__main__":
    main()
