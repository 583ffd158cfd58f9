"""A PandA's rows into HDF5 by `bluefly panda record`: rate, CPU time, memory, and how far a reader is behind.

    cargo build --release
    .venv/bin/python benches/peers/panda/bench.py target/release/bluefly [--rows N] [--seconds S] [--out DIR]

The other end is `replay.c` on 127.0.0.1, which is built first: ten fields as fast as they are taken, raw and
scaled, by `bluefly` and by `pandablocks` in turn, then rows of 60 bytes at exactly 1 MHz, while h5py follows the
file with `swmr=True`. Figures are of the whole process, from its start to its end, by the kernel's account. Stolen
is what a virtual machine's cores wanted to run and were not let.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import h5py
import numpy as np

HERE = Path(__file__).parent
RATE = 1_000_000


def build(directory):
    replay = Path(directory) / "replay"
    subprocess.run(["cc", "-O2", "-pthread", "-o", replay, HERE / "replay.c"], check=True)
    return replay


def start_replay(replay, *arguments):
    server = subprocess.Popen([replay, *map(str, arguments)], stdout=subprocess.PIPE, text=True)
    _, control, data = server.stdout.readline().split()
    return server, f"127.0.0.1:{control}:{data}"


def start_record(bluefly, address, path, *arguments):
    command = [bluefly, "panda", "record", address, "--out", path, "--arm", "--format", "json", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def start_pandablocks(address, path):
    _, control, data = address.split(":")
    command = [sys.executable, HERE / "pandablocks_client.py", control, data, path]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(program, began):
    """Waits for the program: what it printed, wall time and what it used."""
    printed = program.stdout.read()
    _, status, usage = os.wait4(program.pid, 0)
    wall = time.monotonic() - began
    program.returncode = os.waitstatus_to_exitcode(status)
    assert program.returncode == 0, f"{program.returncode}: {printed}"
    return printed, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


class Stolen:
    """The part of the time, of all cores, in which the machine below ran something else."""

    def __init__(self):
        self._total, self._stolen = self._times()

    @staticmethod
    def _times():
        times = [int(part) for part in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
        return sum(times), times[7]

    def __str__(self):
        total, stolen = self._times()
        return f"stolen {100 * (stolen - self._stolen) / max(1, total - self._total):.0f} %"


def check(path, rows, num_columns):
    with h5py.File(path) as file:
        data = file["/entry/data"]
        assert len(data) == num_columns, list(data)
        for dataset in data.values():
            assert dataset.shape == (rows,), (dataset.name, dataset.shape)
        assert file["/entry/bluefly/committed"][0] == rows
        assert file["/entry/arms/problems"][0] == b""


def full_speed(bluefly, replay, path, rows, *arguments):
    server, address = start_replay(replay, "f10", rows)
    stolen = Stolen()
    began = time.monotonic()
    used = finish(start_record(bluefly, address, path, *arguments), began)
    sent = float(server.communicate()[0].split("sent ")[1].split()[1])
    assert json.loads(used[0])["rows"] == rows, used[0]
    check(path, rows, 10)
    check_first(path, "/entry/data/COUNTER3.OUT.Value")
    os.remove(path)
    tell("scaled" if arguments else "raw", rows, used, sent, stolen)


def full_speed_of_pandablocks(replay, path, rows):
    server, address = start_replay(replay, "f10", rows)
    stolen = Stolen()
    began = time.monotonic()
    used = finish(start_pandablocks(address, path), began)
    sent = float(server.communicate()[0].split("sent ")[1].split()[1])
    with h5py.File(path) as file:
        assert len(file) == 10, list(file)
        for dataset in file.values():
            assert dataset.shape == (rows,), (dataset.name, dataset.shape)
    check_first(path, "/COUNTER3.OUT.Value")
    os.remove(path)
    tell("pandablocks", rows, used, sent, stolen)


def check_first(path, name):
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file[name][:5], 0.5 * np.arange(2, 7) + 1)


def tell(name, rows, used, sent, stolen):
    _, wall, cpu, memory = used
    print(
        f"{name:<12}{rows:>12} rows  {rows / wall / 1e6:7.2f} M rows/s (sent in {sent:.2f} s: {rows / sent / 1e6:.2f})"
        f"  CPU {cpu:6.2f} s, {cpu / rows * 1e6:.3f} us a row  peak {memory:.0f} MiB  {stolen}",
        flush=True,
    )


def follow(path, started, behind, is_over):
    """How many seconds the rows that a reader sees are behind those that were captured."""
    while not Path(path).exists():
        time.sleep(0.01)
    time.sleep(0.2)
    with h5py.File(path, "r", swmr=True) as file:
        counter, column = file["/entry/bluefly/committed"], file["/entry/data/COUNTER1.OUT.Mean"]
        while not is_over.is_set():
            # Before the look: that the reader has to wait for a core is not the file's fault.
            now = time.monotonic()
            counter.refresh()
            committed = int(counter[0])
            if committed:
                column.refresh()
                assert column.shape[0] >= committed
                assert not np.isnan(column[committed - 1])
            behind.append(now - started - committed / RATE)
            time.sleep(0.005)


def at_a_rate(bluefly, replay, path, seconds):
    rows = seconds * RATE
    server, address = start_replay(replay, "d60", rows, RATE, 65_540)
    stolen = Stolen()
    began = time.monotonic()
    record = start_record(bluefly, address, path)
    started = float(server.stdout.readline().split()[1])
    behind, is_over = [], threading.Event()
    reader = threading.Thread(target=follow, args=(path, started, behind, is_over))
    reader.start()
    sent = float(server.stdout.readline().split()[2])
    # Nothing more is captured: what is still on its way is not behind.
    is_over.set()
    reader.join()
    summary, _, cpu, memory = finish(record, began)
    server.wait()
    assert json.loads(summary)["rows"] == rows, summary
    check(path, rows, 9)
    os.remove(path)
    behind.sort()
    at = lambda part: 1e3 * behind[int(part * (len(behind) - 1))]
    print(
        f"1 MHz       {rows:>12} rows in {sent:.2f} s  CPU {100 * cpu / sent:.1f} % of a core  peak {memory:.0f} MiB  "
        f"reader behind p50 {at(0.5):.0f}, p99 {at(0.99):.0f}, most {at(1):.0f} ms ({len(behind)} looks)  {stolen}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bluefly")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", default=None, help="where the files go (10 columns: 80 bytes a row)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.out) as directory:
        replay, path = build(directory), str(Path(directory) / "panda.h5")
        for _ in range(arguments.rounds):
            full_speed(arguments.bluefly, replay, path, arguments.rows)
            full_speed(arguments.bluefly, replay, path, arguments.rows, "--scaled")
            full_speed_of_pandablocks(replay, path, arguments.rows)
        if arguments.seconds:
            at_a_rate(arguments.bluefly, replay, path, arguments.seconds)
    print(f"load {os.getloadavg()[0]:.1f}", file=sys.stderr)


if __name__ == "__main__":
    main()
